/* SPDX-License-Identifier: ISC */
/*
 * Large blobs: frames of 64 KiB, each compressed alone and ending in a full flush, so that any
 * can be read without those before it, and all of them together, between a zlib header and an
 * empty last block, are one zlib stream as a git pack wants it.
 */
#include "store/store_impl.h"

uint32_t load_le32(const char *p)
{
	const uint8_t *b = (const uint8_t *)p;
	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint64_t load_be64(const char *p)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | (uint8_t)p[i];
	return v;
}

void store_be64(char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (char)(v >> (56 - 8 * i));
}

struct str frame_key(char out[static FRAME_KEY], uint64_t content, uint32_t n)
{
	store_be64(out, content);
	for (int i = 0; i < 4; i++)
		out[8 + i] = (char)(n >> (24 - 8 * i));
	return str_n(out, FRAME_KEY);
}

void frame_pack(struct str *out, struct store *s, struct str bytes)
{
	uint32_t sum = (uint32_t)adler32(1, (const Bytef *)bytes.p, (uInt)bytes.n);
	z_stream *z = &s->deflate;

	os_assert(bytes.n > 0 && bytes.n <= FRAME_BYTES);
	for (int i = 0; i < 4; i++)
		s->scratch[i] = (uint8_t)(sum >> (8 * i));
	deflateReset(z);
	z->next_in = (const Bytef *)bytes.p;
	z->avail_in = (uInt)bytes.n;
	z->next_out = s->scratch + 4;
	z->avail_out = SCRATCH_BYTES - 4;
	if (deflate(z, Z_FULL_FLUSH) != Z_OK || z->avail_in || !z->avail_out)
		os_panic("store: deflate: no room for a frame");
	*out = str_n(s->scratch, SCRATCH_BYTES - z->avail_out);
}

int frame_put(struct store *s, struct changes *out, uint64_t content, uint32_t n, struct str bytes)
{
	char key[FRAME_KEY];
	struct str kept;

	frame_pack(&kept, s, bytes);
	return changes_put(out, KV_FRAME, frame_key(key, content, n), kept);
}

int frame_log(struct store *s, struct changes *out, uint64_t content, uint32_t n, struct str kept)
{
	char key[FRAME_KEY], value[PLACE_BYTES];
	struct place at;
	int err = log_frame(&at, s->log, content, n, kept);

	if (err < 0)
		return err;
	place_pack(value, &at);
	return changes_put(out, KV_FRAME, frame_key(key, content, n), str_n(value, PLACE_BYTES));
}

static int frame_read(
	struct str *out, struct store *s, const struct place *at, uint64_t content, uint32_t n)
{
	struct log_record r;
	int err = at->n <= RECORD_BYTES ? 0 : ERR_CORRUPT;

	if (err >= 0 && !s->record && !(s->record = malloc(RECORD_BYTES)))
		return err_set(ERR_NOMEM, "store: out of memory");
	if (err >= 0)
		err = log_read(&r, s->log, at, s->record);
	if (err == ERR_IO)
		return err;
	if (err < 0 || r.kind != LOG_FRAME || r.content != content || r.frame != n || r.bytes.n < 5)
		return err_set(ERR_CORRUPT,
			"store: frame %u of a large blob is damaged at unit %u, byte %u",
			(unsigned)n, (unsigned)at->unit, (unsigned)at->at);
	*out = r.bytes;
	return 0;
}

int frame_raw(struct str *out, struct store *s, uint64_t content, uint32_t n)
{
	char key[FRAME_KEY];
	struct str k = frame_key(key, content, n), value;
	struct place at;
	int err = s->group ? changes_get(out, &s->group->kv, KV_FRAME, k) : ERR_AGAIN;

	if (err != ERR_AGAIN && err != ERR_NOENT)
		return err;
	if (err == ERR_AGAIN)
		err = kv_get(&value, s->kv, KV_FRAME, k);
	if (err == ERR_NOENT)
		return err_set(
			ERR_CORRUPT, "store: frame %u of a large blob is missing", (unsigned)n);
	if (err >= 0)
		err = place_parse(&at, value);
	return err < 0 ? err : frame_read(out, s, &at, content, n);
}

/* `raw` inflates to exactly `n` bytes; `last`: its final block is in it. */
int inflate_whole(z_stream *z, uint8_t *out, size_t n, struct str raw, bool last)
{
	static uint8_t spare;
	int rc;

	inflateReset(z);
	z->next_in = (const Bytef *)raw.p;
	z->avail_in = (uInt)raw.n;
	z->next_out = out ? out : &spare;
	z->avail_out = (uInt)n;
	rc = inflate(z, Z_SYNC_FLUSH);
	if (last && rc == Z_OK && !z->avail_out) { /* the end-of-block code may still be unread */
		z->next_out = &spare;
		z->avail_out = 1;
		rc = inflate(z, Z_SYNC_FLUSH);
		if (z->avail_out != 1)
			rc = Z_DATA_ERROR;
		z->avail_out = 0;
	}
	if (z->avail_out || (last ? rc != Z_STREAM_END : rc != Z_OK))
		return err_set(ERR_CORRUPT, "store: compressed bytes are damaged");
	return 0;
}

int frame_load(struct store *s, uint64_t content, uint32_t n, uint32_t len)
{
	struct str raw;
	int err;

	if (!s->frame && !(s->frame = malloc(FRAME_BYTES)))
		return err_set(ERR_NOMEM, "store: out of memory");
	if (s->frame_len == len && s->frame_content == content && s->frame_n == n)
		return 0;
	s->frame_len = 0;
	err = frame_raw(&raw, s, content, n);
	if (err >= 0)
		err = inflate_whole(&s->inflate, s->frame, len, str_sub(raw, 4, raw.n), false);
	if (err < 0)
		return err;
	if ((uint32_t)adler32(1, s->frame, len) != load_le32(raw.p))
		return err_set(ERR_CORRUPT, "store: a frame of a large blob is damaged");
	s->frame_content = content;
	s->frame_n = n;
	s->frame_len = len;
	return 0;
}
