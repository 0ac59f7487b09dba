/* SPDX-License-Identifier: ISC */
/*
 * The index follows the log: at open it is brought to the log's end, later a batch at a time. What
 * only it needs stands in KV_SYS, is put with each batch and never logged:
 *	mpos              where in the log the next group begins that LMDB may not know
 *	u<unit, 4 bytes>  generation (8), records (4), dead (4); little-endian; of the log's units
 */
#include "store/lmdb_disk_impl.h"
#include "store/log_part_impl.h"
#include "store/store_impl.h"

#include "os/log.h"

#define UNIT_VALUE   16
#define REPLAY_BYTES ((uint64_t)64 * 1024 * 1024) /* of log that an open may have to replay */

static struct str unit_key(char room[static 5], uint32_t unit)
{
	char number[4];
	for (int i = 0; i < 4; i++)
		number[i] = (char)(unit >> (24 - 8 * i));
	return sys_key(room, 'u', str_n(number, sizeof(number)));
}

static struct kv_extent bytes_of(const struct super *u, const struct extent *x)
{
	return (struct kv_extent){ UNITS_AT + (uint64_t)x->unit * u->unit_bytes,
		(uint64_t)x->units * u->unit_bytes };
}

static unsigned kv_extents(struct kv_extent out[static EXTENTS_MAX], const struct super *u)
{
	for (unsigned i = 0; i < u->extent_count; i++)
		out[i] = bytes_of(u, &u->extents[i]);
	return u->extent_count;
}

/* Of a damaged log what looks free may be what replay no longer reached: sure is what was never used. */
static void keep_unsure(struct store *s)
{
	_Alignas(16) uint8_t b[LOG_BLOCK];

	for (uint32_t u = 0; u < s->super.units; u++)
		if (s->units[u].state == UNIT_FREE &&
			(os_disk_read(s->disk, UNITS_AT + (uint64_t)u * s->super.unit_bytes, b,
				 sizeof(b)) < 0 ||
				b[0] || memcmp(b, b + 1, sizeof(b) - 1) != 0))
			log_unit_set(s->log, u, (struct unit){ .state = UNIT_LOG });
}

/* More room for LMDB, durably its own before it is used. */
static int grow(void *ctx, struct kv_extent *out, uint64_t least, uint64_t wanted)
{
	struct store *s = ctx;
	struct super u = s->super;
	struct extent x = { .units = (uint32_t)((wanted + u.unit_bytes - 1) / u.unit_bytes) };
	uint32_t most;
	int err = ERR_NOSPACE;

	if (s->failed)
		keep_unsure(s);
	most = log_units_free(s->log) / 4;
	if (x.units > most)
		x.units = most ? most : 1;
	if (u.extent_count == EXTENTS_MAX)
		return err_set(ERR_NOSPACE, "store: the index is in too many pieces");
	for (; x.units > 0 && (uint64_t)x.units * u.unit_bytes >= least; x.units /= 2) {
		err = log_units_take(&x.unit, s->log, x.units);
		if (err != ERR_NOSPACE)
			break;
	}
	if (err < 0)
		return err_set(err, "store: no room for the index");
	u.extents[u.extent_count++] = x;
	err = super_save(&u, s->disk);
	if (err < 0)
		return err;
	s->super = u;
	*out = bytes_of(&u, &x);
	return 0;
}

int index_start(struct store *s)
{
	struct kv_extent extents[EXTENTS_MAX];
	unsigned n = kv_extents(extents, &s->super);

	return kv_open(&s->kv, s->disk, extents, n, &(struct kv_grow){ grow, s });
}

/* ---- what the index must know ---- */
static int note_unit(struct changes *c, uint32_t number, const struct unit *u)
{
	char room[5], value[UNIT_VALUE];
	struct str key = unit_key(room, number);

	if (u->state != UNIT_LOG || u->generation == 0)
		return changes_del(c, KV_SYS, key);
	le_put((uint8_t *)value, u->generation, 8);
	le_put((uint8_t *)value + 8, u->records, 4);
	le_put((uint8_t *)value + 12, u->dead, 4);
	return changes_put(c, KV_SYS, key, str_n(value, sizeof(value)));
}

int index_note(struct store *s)
{
	struct changes c = { 0 };
	char pos[LOG_POS_BYTES];
	struct log_pos at;
	int err;

	log_tell(&at, s->log);
	log_pos_pack(pos, &at);
	err = changes_put(&c, KV_SYS, KV_LAST, str_n(pos, sizeof(pos)));
	for (uint32_t i = 0; i < s->super.units && err >= 0; i++)
		if (s->units[i].changed)
			err = note_unit(&c, i, &s->units[i]);
	if (err < 0) {
		changes_free(&c);
		return err;
	}
	for (uint32_t i = 0; i < s->super.units; i++)
		s->units[i].changed = false;
	kv_apply(s->kv, &c);
	return 0;
}

static uint64_t bytes_before(const struct store *s, const struct log_pos *at)
{
	return at->generation * s->super.unit_bytes + at->at;
}

bool index_wants(const struct store *s)
{
	struct log_pos at;

	log_tell(&at, s->log);
	return kv_full(s->kv) || bytes_before(s, &at) - s->forwarded_bytes > REPLAY_BYTES;
}

int index_forward(struct store *s)
{
	struct log_pos at;
	int err = index_note(s);

	log_tell(&at, s->log);
	if (err >= 0)
		err = kv_forward(s->kv);
	if (err >= 0) {
		s->forwarded = at.seq;
		s->forwarded_bytes = bytes_before(s, &at);
	}
	s->index_full = err == ERR_NOSPACE;
	if (err >= 0)
		return 0;
	if (err == ERR_IO)
		store_fail(s, ERR_IO, "store: the disk has failed; writing stopped");
	else
		os_log(OS_WARN, "svc=store event=index-behind err=%s why=\"%s\"", err_name(err),
			err_text(err));
	return err;
}

/* ---- open ---- */
void index_units(struct store *s)
{
	memset(s->units, 0, s->super.units * sizeof(*s->units));
	for (unsigned i = 0; i < s->super.extent_count; i++)
		for (uint32_t k = 0; k < s->super.extents[i].units; k++)
			s->units[s->super.extents[i].unit + k].state = UNIT_INDEX;
}

static int load_units(struct store *s)
{
	struct str key, value, from = STR("u");
	char room[5];
	int err;

	index_units(s);
	while ((err = kv_next(&key, &value, s->kv, KV_SYS, from, true)) >= 0) {
		const uint8_t *p = (const uint8_t *)key.p + 1, *v = (const uint8_t *)value.p;
		uint32_t unit;
		if (key.p[0] != 'u')
			return 0;
		unit = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
		if (key.n != 5 || value.n != UNIT_VALUE || unit >= s->super.units)
			return err_set(ERR_CORRUPT, "store: index: the table of units is damaged");
		from = unit_key(room, unit);
		if (s->units[unit].state == UNIT_INDEX) { /* since it was given back */
			s->units[unit].changed = true;
			continue;
		}
		s->units[unit] = (struct unit){ .state = UNIT_LOG,
			.generation = le_get(v, 8),
			.records = (uint32_t)le_get(v + 8, 4),
			.dead = (uint32_t)le_get(v + 12, 4) };
	}
	return err == ERR_NOENT ? 0 : err;
}

int record_index(struct changes *out, const struct log_record *r)
{
	char key[FRAME_KEY], room[OBJECT_VALUE_MAX];
	struct head h = { .type = r->type, .size = r->size, .content = r->content };

	h.form = r->kind == LOG_BIG ? FORM_FRAMES : FORM_WHOLE;
	h.place = r->place;
	switch (r->kind) {
	case LOG_OBJECT:
	case LOG_BIG: return changes_put(out, KV_OBJ, oid_str(&r->id), object_value(room, &h));
	case LOG_FRAME:
		place_pack(room, &r->place);
		return changes_put(out, KV_FRAME, frame_key(key, r->content, r->frame),
			str_n(room, PLACE_BYTES));
	case LOG_PUT: return changes_put(out, r->table, r->key, r->value);
	case LOG_DEL: return changes_del(out, r->table, r->key);
	case LOG_MARK: break;
	}
	return 0;
}

struct replay {
	struct store *s;
	struct changes out;
	uint64_t groups;
	int err; /* of the index */
};

static int replay_record(void *ctx, uint64_t seq, const struct log_record *r)
{
	struct replay *x = ctx;

	(void)seq;
	return x->err = record_index(&x->out, r);
}

static int replay_group(void *ctx, uint64_t seq, const struct log_pos *after)
{
	struct replay *x = ctx;

	(void)seq;
	(void)after;
	x->groups++;
	kv_apply(x->s->kv, &x->out);
	x->err = index_wants(x->s) ? index_forward(x->s) : 0;
	if (x->err == ERR_NOSPACE) /* a full disk opens, to be swept or deleted from */
		x->err = 0;
	return x->err;
}

static int replay(struct store *s)
{
	struct replay x = { .s = s };
	os_time start = os_now();
	int err = log_replay(s->log, replay_record, replay_group, &x);

	changes_free(&x.out);
	if (x.groups)
		os_log(OS_INFO, "svc=store event=replayed groups=%llu ms=%lld result=%d",
			(unsigned long long)x.groups, (long long)((os_now() - start) / OS_MS), err);
	if (err != ERR_CORRUPT || x.err < 0)
		return err;
	store_read_only(s, err);
	return 0;
}

static int follow(struct store *s)
{
	struct log_geometry g;
	struct log_pos at = { 0 };
	struct str value = STR_NONE;
	int err = index_start(s);

	super_geometry(&g, &s->super);
	if (err >= 0)
		err = kv_get(&value, s->kv, KV_SYS, KV_LAST);
	if (err == ERR_NOENT)
		err = err_set(ERR_CORRUPT, "store: index: the log's position is missing");
	if (err >= 0)
		err = log_pos_parse(&at, value);
	if (err >= 0)
		err = load_units(s);
	if (err >= 0)
		err = log_open(&s->log, s->disk, &g, s->units, &at);
	s->forwarded = at.seq;
	s->forwarded_bytes = bytes_before(s, &at);
	return err < 0 ? err : replay(s);
}

int index_again(struct store *s)
{
	log_close(s->log);
	if (s->kv)
		kv_close(s->kv);
	s->log = NULL;
	s->kv = NULL;
	return index_rebuild(s);
}

int index_open(struct store *s)
{
	int err;

	s->units = calloc(s->super.units, sizeof(*s->units));
	if (!s->units)
		return err_set(ERR_NOMEM, "store: out of memory");
	err = follow(s);
	if (err != ERR_CORRUPT)
		return err;
	os_log(OS_WARN, "svc=store event=index-damaged why=\"%s\"", err_text(err));
	return index_again(s);
}

void index_lose(struct store *s)
{
	static uint8_t nothing[2 * LMDB_DISK_PAGE]; /* LMDB begins with two meta pages */
	uint64_t at = bytes_of(&s->super, &s->super.extents[0]).offset;

	os_log(OS_WARN,
		"svc=store event=index-given-up why=\"to be made again at the next start\"");
	if (os_disk_write(s->disk, at, nothing, sizeof(nothing)) >= 0)
		(void)!os_disk_flush(s->disk);
}

static int no_more(void *ctx, struct kv_extent *out, uint64_t least, uint64_t wanted)
{
	(void)ctx, (void)out, (void)least, (void)wanted;
	return err_set(ERR_NOSPACE, "store: no room for the index");
}

int index_empty(struct os_disk *d, const struct super *u)
{
	struct kv_extent extents[EXTENTS_MAX];

	return kv_format(d, extents, kv_extents(extents, u));
}

/* An empty log, and an index that knows where it begins. */
int index_format(struct os_disk *d, const struct super *u)
{
	struct kv_extent extents[EXTENTS_MAX];
	unsigned n = kv_extents(extents, u);
	struct changes c = { 0 };
	char pos[LOG_POS_BYTES];
	struct log_geometry g;
	struct log_pos at;
	struct kv *kv = NULL;
	int err;

	super_geometry(&g, u);
	err = log_format(&at, d, &g);
	if (err >= 0)
		err = index_empty(d, u);
	if (err >= 0)
		err = kv_open(&kv, d, extents, n, &(struct kv_grow){ no_more, NULL });
	log_pos_pack(pos, &at);
	if (err >= 0)
		err = changes_put(&c, KV_SYS, KV_LAST, str_n(pos, sizeof(pos)));
	if (err >= 0) {
		kv_apply(kv, &c);
		err = kv_forward(kv);
	}
	if (kv)
		kv_close(kv);
	return err;
}
