/* SPDX-License-Identifier: ISC */
#include "store/unpack_impl.h"

#include "store/store_impl.h"

#define PIECE_BYTES (16 * 1024)
#define HEAD_BYTES  12
#define SUM_BYTES   20
#define BOMB_FREE   (128u << 20) /* bytes that a pack of any size may unpack to, */
#define BOMB_RATIO  50           /* and for every byte of it */

enum state { AT_HEAD, AT_ENTRY, AT_TYPE, AT_SIZE, AT_BASE_AT, AT_BASE, AT_BYTES, AT_SUM, AT_END };

struct unpack {
	enum state state;
	struct store_receive_limits limits;
	uint64_t taken; /* bytes of the pack */
	uint64_t total; /* bytes inflated */
	uint32_t objects, entry;
	struct unpack_event ev; /* the entry under way */
	uint64_t inflated;      /* of it */
	unsigned shift;
	uint8_t room[SUM_BYTES]; /* of the head, a base's id, the checksum */
	size_t n;
	int err;
	z_stream z;
	struct sha1 sha;
	uint8_t out[PIECE_BYTES];
};

int unpack_new(struct unpack **out, const struct store_receive_limits *limits)
{
	struct unpack *u = calloc(1, sizeof(*u));

	if (!u || inflateInit(&u->z) != Z_OK) {
		free(u);
		return err_set(ERR_NOMEM, "out of memory");
	}
	u->limits = *limits;
	sha1_init(&u->sha);
	*out = u;
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (u)
		inflateEnd(&u->z);
	free(u);
}

bool unpack_ended(const struct unpack *u)
{
	return u->state == AT_END && u->err >= 0;
}

int unpack_allows(const struct unpack *u, uint64_t more)
{
	uint64_t most = BOMB_FREE + BOMB_RATIO * u->taken;

	if (most > u->limits.total_bytes_max)
		most = u->limits.total_bytes_max;
	if (u->total <= most && more <= most - u->total)
		return 0;
	return err_set(ERR_LIMIT, "the pack unpacks to over %llu bytes", (unsigned long long)most);
}

/* The first n bytes of *in are done with. */
static int take(struct unpack *u, struct str *in, size_t n)
{
	if (u->state != AT_SUM)
		sha1_add(&u->sha, str_sub(*in, 0, n));
	*in = str_sub(*in, n, in->n);
	u->taken += n;
	if (u->taken > u->limits.pack_bytes_max)
		return err_set(ERR_LIMIT, "a pack over %llu bytes is not taken",
			(unsigned long long)u->limits.pack_bytes_max);
	return 0;
}

/* Gathers `want` bytes in u->room; ERR_AGAIN until they are there. */
static int gather(struct unpack *u, struct str *in, size_t want)
{
	struct str part = str_sub(*in, 0, want - u->n);
	int err;

	if (part.n)
		memcpy(u->room + u->n, part.p, part.n);
	u->n += part.n;
	err = take(u, in, part.n);
	if (err >= 0 && u->n < want)
		return ERR_AGAIN;
	u->n = 0;
	return err;
}

static uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int take_head(struct unpack *u, struct str *in)
{
	int err = gather(u, in, HEAD_BYTES);

	if (err < 0)
		return err;
	if (memcmp(u->room, "PACK", 4) != 0)
		return err_set(ERR_BAD, "this is not a pack");
	if (load_be32(u->room + 4) != 2 && load_be32(u->room + 4) != 3)
		return err_set(ERR_UNSUPPORTED, "a pack of version %u is not understood",
			load_be32(u->room + 4));
	u->objects = load_be32(u->room + 8);
	if (u->objects > u->limits.objects_max)
		return err_set(ERR_LIMIT, "%u objects at once are too many here, at most %u",
			u->objects, u->limits.objects_max);
	u->ev = (struct unpack_event){ .kind = UNPACK_BEGIN, .objects = u->objects };
	u->state = AT_ENTRY;
	return 0;
}

/* ---- an entry's head ---- */
static int entry_known(struct unpack *u)
{
	bool delta = u->ev.type >= ENTRY_OFS_DELTA;
	int err;

	if (u->ev.size > u->limits.object_bytes_max)
		return err_set(ERR_LIMIT, "an object of %llu bytes is too large here, at most %llu",
			(unsigned long long)u->ev.size,
			(unsigned long long)u->limits.object_bytes_max);
	err = unpack_allows(u, u->ev.size);
	if (err < 0)
		return err;
	if (!delta)
		u->state = AT_BYTES;
	else
		u->state = u->ev.type == ENTRY_OFS_DELTA ? AT_BASE_AT : AT_BASE;
	u->inflated = 0;
	u->shift = 0;
	inflateReset(&u->z);
	return 0;
}

static int take_type(struct unpack *u, uint8_t c)
{
	u->ev.type = c >> 4 & 7;
	u->ev.size = c & 15;
	if (u->ev.type == 0 || u->ev.type == 5)
		return err_set(ERR_BAD, "an object of unknown type");
	u->shift = 4;
	u->state = AT_SIZE;
	return c < 128 ? entry_known(u) : 0;
}

static int take_size(struct unpack *u, uint8_t c)
{
	if (u->shift > 56)
		return err_set(ERR_BAD, "an object's size has too many digits");
	u->ev.size |= (uint64_t)(c & 127) << u->shift;
	u->shift += 7;
	return c < 128 ? entry_known(u) : 0;
}

/* How far back the base is: each further digit counts one more than it would in plain base 128. */
static int take_base_at(struct unpack *u, uint8_t c)
{
	if (u->ev.base_at >> 55)
		return err_set(ERR_BAD, "a delta's base is out of the pack");
	u->ev.base_at = (u->shift ? u->ev.base_at + 1 : 0) << 7 | (c & 127);
	u->shift = 1;
	if (c >= 128)
		return 0;
	if (u->ev.base_at == 0 || u->ev.base_at > u->ev.at - HEAD_BYTES)
		return err_set(ERR_BAD, "a delta's base is out of the pack");
	u->ev.base_at = u->ev.at - u->ev.base_at;
	u->state = AT_BYTES;
	return 0;
}

static int take_byte(struct unpack *u, struct str *in)
{
	uint8_t c = (uint8_t)in->p[0];
	int err = take(u, in, 1);

	if (err < 0)
		return err;
	switch (u->state) {
	case AT_TYPE: return take_type(u, c);
	case AT_SIZE: return take_size(u, c);
	default: return take_base_at(u, c);
	}
}

static int take_base(struct unpack *u, struct str *in)
{
	int err = gather(u, in, sizeof(u->ev.base.b));

	if (err < 0)
		return err;
	memcpy(u->ev.base.b, u->room, sizeof(u->ev.base.b));
	u->state = AT_BYTES;
	return 0;
}

/* ---- its bytes ---- */
/* Inflates what fits; u->ev becomes UNPACK_BYTES or UNPACK_FINISH, or ERR_AGAIN. */
static int take_bytes(struct unpack *u, struct str *in)
{
	uint64_t left = u->ev.size - u->inflated;
	size_t room = left < PIECE_BYTES ? (size_t)left + 1 : PIECE_BYTES, got;
	int rc, err;

	u->z.next_in = (const Bytef *)in->p;
	u->z.avail_in = in->n > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)in->n;
	got = u->z.avail_in;
	u->z.next_out = u->out;
	u->z.avail_out = (uInt)room;
	rc = inflate(&u->z, Z_NO_FLUSH);
	err = take(u, in, got - u->z.avail_in);
	if (err < 0)
		return err;
	got = room - u->z.avail_out;
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return err_set(ERR_BAD, "an object's compressed bytes are damaged");
	if (got > left)
		return err_set(ERR_BAD, "an object is longer than it says");
	u->inflated += got;
	u->total += got;
	if (rc == Z_STREAM_END && u->inflated < u->ev.size)
		return err_set(ERR_BAD, "an object is shorter than it says");
	if (rc == Z_STREAM_END)
		u->state = AT_ENTRY;
	if (got == 0)
		return rc == Z_STREAM_END ? 0 : ERR_AGAIN;
	u->ev.kind = UNPACK_BYTES;
	u->ev.bytes = str_n(u->out, got);
	return 0;
}

static int take_sum(struct unpack *u, struct str *in)
{
	struct store_oid sum;
	int err = gather(u, in, SUM_BYTES);

	if (err >= 0)
		err = sha1_end(&sum, &u->sha);
	if (err >= 0 && memcmp(sum.b, u->room, SUM_BYTES) != 0)
		err = err_set(ERR_BAD, "the pack's checksum is wrong: it was damaged on the way");
	if (err >= 0)
		u->state = AT_END;
	return err;
}

/* One step; 0 with *told: u->ev is an event. */
static int step(bool *told, struct unpack *u, struct str *in)
{
	int err;

	*told = false;
	switch (u->state) {
	case AT_HEAD:
		err = take_head(u, in);
		*told = err >= 0;
		return err;
	case AT_ENTRY:
		if (u->ev.kind == UNPACK_BYTES || u->ev.kind == UNPACK_ENTRY) {
			u->ev.kind = UNPACK_FINISH;
			*told = true;
			return 0;
		}
		u->state = u->entry++ < u->objects ? AT_TYPE : AT_SUM;
		u->ev = (struct unpack_event){ .kind = UNPACK_FINISH, .at = u->taken };
		return 0;
	case AT_TYPE:
	case AT_SIZE:
	case AT_BASE_AT:
	case AT_BASE:
		if (in->n == 0)
			return ERR_AGAIN;
		err = u->state == AT_BASE ? take_base(u, in) : take_byte(u, in);
		if (err >= 0 && u->state == AT_BYTES) {
			u->ev.kind = UNPACK_ENTRY;
			*told = true;
		}
		return err;
	case AT_BYTES:
		err = take_bytes(u, in);
		*told = err >= 0 && u->ev.kind == UNPACK_BYTES && u->ev.bytes.n > 0;
		return err;
	case AT_SUM: return take_sum(u, in);
	default:
		if (in->n > 0)
			return err_set(ERR_BAD, "there are bytes behind the end of the pack");
		return ERR_AGAIN;
	}
}

int unpack_next(struct unpack_event *ev, struct unpack *u, struct str *in)
{
	bool told = false;

	u->ev.bytes = STR_NONE;
	while (u->err >= 0 && !told) {
		int err = step(&told, u, in);
		if (err == ERR_AGAIN)
			return ERR_AGAIN;
		u->err = err;
	}
	if (u->err >= 0)
		*ev = u->ev;
	return u->err;
}
