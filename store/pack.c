/* SPDX-License-Identifier: ISC */
/*
 * Pack writer: each object as a whole entry, its compressed bytes as they are kept, no search
 * for deltas. Counts first (a pack begins with the number of its objects). A large part of the store
 * goes out in the order of the log, read in large pieces: whatever record there has a wanted id is as
 * good as any other. What that leaves is looked up.
 */
#include "store/reach_impl.h"

#define SKIM_SHARE 4 /* of the log's records must be wanted for reading all of it: one in so many */

struct pack {
	struct store *s;
	store_sink_fn *sink;
	void *ctx;
	struct sha1 sha;
	struct buf out;
};

static int emit(struct pack *p, struct str bytes)
{
	int err;

	sha1_add(&p->sha, bytes);
	if (bytes.n >= FRAME_BYTES / 2) {
		err = p->out.n ? p->sink(p->ctx, buf_str(&p->out)) : 0;
		p->out.n = 0;
		return err < 0 ? err : p->sink(p->ctx, bytes);
	}
	buf_add(&p->out, bytes);
	if (p->out.err < 0 || p->out.n < FRAME_BYTES / 2)
		return p->out.err;
	err = p->sink(p->ctx, buf_str(&p->out));
	p->out.n = 0;
	return err;
}

static int emit_head(struct pack *p, int type, uint64_t size)
{
	char head[12];
	size_t n = 0;
	uint8_t c = (uint8_t)(type << 4 | (int)(size & 15));

	for (size >>= 4; size; size >>= 7) {
		head[n++] = (char)(c | 128);
		c = size & 127;
	}
	head[n++] = (char)c;
	return emit(p, str_n(head, n));
}

/* The frames between a zlib header and an empty last block are one zlib stream. */
static int emit_frames(struct pack *p, uint64_t content, uint64_t size)
{
	uLong sum = adler32(0, NULL, 0);
	char tail[6] = { 0x03, 0x00 };
	char *copy = malloc(SCRATCH_BYTES);
	int err = copy ? emit(p, str_n("\x78\x01", 2)) : err_set(ERR_NOMEM, "store: out of memory");

	for (uint64_t at = 0; at < size && err >= 0; at += FRAME_BYTES) {
		uint64_t left = size - at;
		struct str raw;
		err = frame_raw(&raw, p->s, content, (uint32_t)(at / FRAME_BYTES));
		if (err < 0)
			break;
		sum = adler32_combine(
			sum, load_le32(raw.p), left < FRAME_BYTES ? (z_off_t)left : FRAME_BYTES);
		raw = str_sub(raw, 4, raw.n);
		if (raw.n > SCRATCH_BYTES) {
			err = err_set(ERR_CORRUPT, "store: a frame is damaged");
			break;
		}
		memcpy(copy, raw.p, raw.n); /* the sink may wait, others read */
		err = emit(p, str_n(copy, raw.n));
	}
	for (int i = 0; i < 4; i++)
		tail[2 + i] = (char)(sum >> (24 - 8 * i));
	free(copy);
	return err < 0 ? err : emit(p, str_n(tail, sizeof(tail)));
}

static int emit_object(struct pack *p, const struct store_oid *id, const struct head *h)
{
	uint8_t *room;
	struct str z;
	int err;

	if (h->form == FORM_FRAMES) {
		err = emit_head(p, h->type, h->size);
		return err < 0 ? err : emit_frames(p, h->content, h->size);
	}
	/* Read before anything may wait: a sweep moves objects. */
	room = malloc(h->place.n);
	err = room ? object_raw(&z, p->s, id, h, room) : err_set(ERR_NOMEM, "store: out of memory");
	if (err >= 0)
		err = emit_head(p, h->type, h->size);
	if (err >= 0)
		err = emit(p, z);
	free(room);
	return err;
}

/* An object not yet written where it will be kept. */
static int emit_loaded(struct pack *p, struct obj *o)
{
	uLong bound = compressBound(o->n), n = bound;
	uint8_t *z = malloc(bound);
	int err;

	if (!z || compress2(z, &n, o->p, o->n, 1) != Z_OK) {
		free(z);
		return err_set(ERR_NOMEM, "store: out of memory");
	}
	err = emit_head(p, o->type, o->n);
	if (err >= 0)
		err = emit(p, str_n(z, n));
	free(z);
	return err;
}

static int emit_list(struct pack *p, struct chosen *want)
{
	int err = 0;

	for (size_t i = 0; i < want->list_n && err >= 0; i++) {
		struct head h;
		if (!idset_take(&want->set, idset_of(&want->list[i])))
			continue;
		err = head_get(&h, p->s, &want->list[i]);
		if (err >= 0 && h.obj)
			err = emit_loaded(p, h.obj);
		else if (err >= 0)
			err = emit_object(p, &want->list[i], &h);
	}
	return err;
}

/* ---- in the order of the log ---- */
struct skim {
	struct pack *p;
	struct idset *want;
};

/* Frames are found by the index alone: a record of old may speak of some that are gone. */
static int emit_big(struct skim *k, const struct log_record *r)
{
	struct head h;
	int err = object_stored(&h, k->p->s, &r->id);

	if (err < 0 || h.form != FORM_FRAMES || h.content != r->content)
		return err == ERR_NOENT ? 0 : err;
	(void)idset_take(k->want, idset_of(&r->id));
	return emit_object(k->p, &r->id, &h);
}

static int emit_record(void *ctx, uint64_t seq, const struct log_record *r)
{
	struct skim *k = ctx;
	int err;

	(void)seq;
	if (r->kind == LOG_BIG && idset_has(k->want, idset_of(&r->id)))
		return emit_big(k, r);
	if (r->kind != LOG_OBJECT || !idset_take(k->want, idset_of(&r->id)))
		return 0;
	err = emit_head(k->p, r->type, r->size);
	return err < 0 ? err : emit(k->p, r->bytes);
}

static int emit_log(struct pack *p, struct idset *want)
{
	struct skim k = { p, want };
	const struct store *s = p->s;
	uint64_t records = 0;
	int err = 0;

	for (uint32_t u = 0; u < s->super.units; u++)
		records += s->units[u].records;
	if (want->n < records / SKIM_SHARE)
		return 0;
	for (uint32_t u = 0; u < s->super.units && want->n > 0 && err >= 0; u++) {
		err = log_unit_skim(s->log, u, emit_record, &k);
		os_yield();
	}
	return err;
}

/* ---- in the order of the index ---- */
static int emit_scan(struct pack *p, struct idset *want)
{
	struct store_oid id;
	struct str key, value, from = STR_NONE;
	int err = 0;

	while (err >= 0 && want->n > 0) {
		struct head h;
		err = kv_next(&key, &value, p->s->kv, KV_OBJ, from, from.n > 0);
		if (err == ERR_NOENT || (err >= 0 && key.n != sizeof(id.b)))
			return err_set(ERR_CORRUPT, "store: an object is missing");
		if (err < 0)
			break;
		memcpy(id.b, key.p, sizeof(id.b));
		from = oid_str(&id);
		if (!idset_take(want, idset_of(&id)))
			continue;
		err = head_parse(&h, value);
		if (err >= 0)
			err = emit_object(p, &id, &h);
	}
	return err;
}

static int emit_pack(struct pack *p, struct chosen *want)
{
	struct store_oid sum;
	char head[12] = "PACK\0\0\0\2";
	int err;

	if (want->n > UINT32_MAX)
		return err_set(ERR_LIMIT, "store: too many objects for a pack");
	for (int i = 0; i < 4; i++)
		head[8 + i] = (char)(want->n >> (24 - 8 * i));
	sha1_init_plain(&p->sha);
	err = emit(p, str_n(head, sizeof(head)));
	if (err >= 0)
		err = emit_log(p, &want->set);
	if (err >= 0)
		err = want->scan ? emit_scan(p, &want->set) : emit_list(p, want);
	if (err >= 0)
		err = sha1_end(&sum, &p->sha);
	if (err >= 0 && p->out.n)
		err = p->sink(p->ctx, buf_str(&p->out));
	return err < 0 ? err : p->sink(p->ctx, oid_str(&sum));
}

int pack_chosen(struct store *s, struct chosen *want, store_sink_fn *sink, void *ctx)
{
	struct pack *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return err_set(ERR_NOMEM, "store: out of memory");
	*p = (struct pack){ .s = s, .sink = sink, .ctx = ctx };
	buf_init(&p->out, NULL);
	err = emit_pack(p, want);
	buf_free(&p->out);
	free(p);
	return err;
}

int store_pack(struct store *s, struct str prefix, store_sink_fn *sink, void *ctx)
{
	struct reach r = { .s = s };
	unsigned walk;
	int err;

	if (s->closing)
		return err_set(ERR_CLOSED, "store: closing");
	store_user_add(s);
	walk = history_begin(s);
	err = reach_walk(&r, prefix);
	struct chosen all = { .set = r.seen, .scan = true, .n = r.seen.n };
	if (err >= 0)
		err = pack_chosen(s, &all, sink, ctx);
	reach_free(&r);
	history_end(s, walk);
	store_user_del(s);
	return err;
}
