/* SPDX-License-Identifier: ISC */
/*
 * Verify: every object hashes to its id and parses; everything the refs reach is there; the rows
 * are what derive() makes from nothing. Serves others in between, except during one derive().
 */
#include "store/reach_impl.h"
#include "store/scratch_impl.h"

#define YIELD_BYTES (256 * 1024)

static void report(struct store_verify *v, const char *fmt, ...) PRINTF(2, 3);
static void report(struct store_verify *v, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	v->mismatches++;
	if (!v->mismatch)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	v->mismatch(v->ctx, str_n(text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1));
}

/* Only these say something about the data; the rest ends the run. */
static bool is_damage(int err)
{
	return err == ERR_CORRUPT || err == ERR_NOENT || err == ERR_BAD || err == ERR_DENIED;
}

/* ---- what lies on the disk ---- */
static int sound_record(void *ctx, struct str key, struct str value)
{
	(void)ctx;
	(void)key;
	(void)value;
	return 0;
}

/* Every unit of the log, also what no index needs today: the index may have to be made again. */
static int check_log(struct store *s, struct store_verify *v)
{
	int err = 0;

	for (uint32_t u = 0; u < s->super.units && err >= 0; u++) {
		struct unit was = s->units[u];
		if (was.state != UNIT_LOG || was.generation == 0)
			continue;
		err = log_unit_scan(s->log, u, NULL, NULL);
		if (err != ERR_CORRUPT && err != ERR_IO)
			continue;
		if (s->units[u].state == UNIT_LOG && s->units[u].generation == was.generation)
			report(v, "%s", err_text(err)); /* else it was given back meanwhile */
		err = 0;
	}
	return err;
}

static void check_records(struct store *s, struct store_verify *v)
{
	static const enum kv_table tables[] = { KV_SYS, KV_LOCAL, KV_FRAME };

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		if (kv_scan(s->kv, tables[i], STR_NONE, STR_NONE, sound_record, NULL) < 0)
			report(v, "%s", err_text(ERR_CORRUPT));
}

/* ---- objects ---- */
static int hash_object(struct store_oid *out, struct store *s, const struct store_oid *id)
{
	struct head h;
	struct view v;
	struct sha1 *sha;
	int err = head_get(&h, s, id);

	if (err < 0)
		return err;
	if (h.form != FORM_FRAMES || h.obj || h.type != OBJ_BLOB) {
		err = view_open(&v, s, id, 0, OBJECT_BYTES);
		if (err < 0)
			return err;
		err = oid_of(out, s, v.type, str_n(v.p, v.n));
		if (err >= 0 && !object_readable(v.type, str_n(v.p, v.n)))
			err = ERR_BAD;
		view_end(&v);
		return err;
	}
	sha = malloc(sizeof(*sha));
	if (!sha)
		return err_set(ERR_NOMEM, "store: out of memory");
	sha1_object(sha, OBJ_BLOB, h.size);
	for (uint64_t at = 0; at < h.size && err >= 0; at += FRAME_BYTES) {
		uint64_t left = h.size - at;
		uint32_t len = left < FRAME_BYTES ? (uint32_t)left : FRAME_BYTES;
		s->frame_len = 0; /* from the disk, not from the last read */
		err = frame_load(s, h.content, (uint32_t)(at / FRAME_BYTES), len);
		if (err >= 0)
			sha1_add(sha, str_n(s->frame, len));
		if (at / FRAME_BYTES % 16 == 15)
			os_yield();
	}
	if (err >= 0)
		err = sha1_end(out, sha);
	free(sha);
	return err;
}

static int check_object(struct store *s, struct store_verify *v, const struct store_oid *id)
{
	char hex[STORE_HEX];
	struct store_oid real;
	int err = hash_object(&real, s, id);

	v->objects++;
	if (err == ERR_NOENT) /* being swept: whether somebody needs it shows below */
		return 0;
	if (err == ERR_BAD)
		report(v, "object %s: not well formed", store_oid_hex(hex, id));
	else if (err < 0 && is_damage(err))
		report(v, "object %s: bytes are damaged", store_oid_hex(hex, id));
	else if (err < 0)
		return err;
	else if (!store_oid_eq(&real, id))
		report(v, "object %s: bytes do not match their id", store_oid_hex(hex, id));
	return 0;
}

static int check_objects(struct store *s, struct store_verify *v)
{
	struct store_oid id;
	struct str key, value, from = STR_NONE;
	struct head h;
	uint64_t total, bytes = 0;
	int err = kv_count(&total, s->kv, KV_OBJ);

	while (err >= 0) {
		err = kv_next(&key, &value, s->kv, KV_OBJ, from, from.n > 0);
		if (err < 0)
			break;
		if (key.n != sizeof(id.b)) {
			report(v, "index: an object's key is damaged");
			return 0;
		}
		memcpy(id.b, key.p, sizeof(id.b));
		from = oid_str(&id);
		bytes += head_parse(&h, value) < 0 || h.form == FORM_FRAMES ? 4096 : h.place.n;
		err = check_object(s, v, &id);
		if (bytes > YIELD_BYTES) {
			bytes = 0;
			if (v->progress)
				v->progress(v->ctx, v->objects, total);
			os_yield();
		}
	}
	return err == ERR_NOENT ? 0 : err;
}

/* ---- reachability ---- */
static int unreachable(void *ctx, const struct store_oid *id, int err)
{
	char hex[STORE_HEX];
	if (err == ERR_NOENT) /* damage was reported by check_object */
		report(ctx, "object %s: missing", store_oid_hex(hex, id));
	return 0;
}

static int check_reach(struct store *s, struct store_verify *v)
{
	struct reach r = { .s = s, .missing = unreachable, .ctx = v };
	int err = reach_walk(&r, STR("refs/"));
	reach_free(&r);
	return err;
}

/* ---- rows ---- */
/*
 * Rows as derived from nothing, without a copy of them: of a row equal to the stored one only a
 * hash is kept, whole are only those that differ.
 */
struct scratch {
	struct store *s;
	struct idset same;
	struct changes other;
};

static uint64_t row_hash(struct str key)
{
	uint64_t h = 1469598103934665603u;
	for (size_t i = 0; i < key.n; i++)
		h = (h ^ (uint8_t)key.p[i]) * 1099511628211u;
	return h ^ (h >> 32);
}

int scratch_get(struct str *out, struct scratch *x, enum kv_table t, struct str key)
{
	int err = changes_get(out, &x->other, t, key);

	if (err != ERR_AGAIN || t != KV_ROW)
		return err;
	return idset_has(&x->same, row_hash(key)) ? kv_get(out, x->s->kv, t, key) : ERR_NOENT;
}

int scratch_set(struct scratch *x, enum kv_table t, struct str key, struct str value, bool del)
{
	struct str stored, before;
	bool fresh;

	if (del)
		return changes_del(&x->other, t, key);
	if (t == KV_ROW && changes_get(&before, &x->other, t, key) == ERR_AGAIN &&
		kv_get(&stored, x->s->kv, t, key) >= 0 && str_eq(stored, value))
		return idset_add(&fresh, &x->same, row_hash(key));
	return changes_put(&x->other, t, key, value);
}

struct rows {
	struct scratch x;
	struct store_verify *v;
};

/* Keys may hold any bytes: shown in hexadecimal, their beginning. */
static void report_row(struct store_verify *v, struct str key, const char *what)
{
	char hex[81];
	size_t n = key.n < 40 ? key.n : 40;
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", (uint8_t)key.p[i]);
	hex[2 * n] = 0;
	report(v, "row %s: %s", hex, what);
}

static int stored_row(void *ctx, struct str key, struct str value)
{
	struct rows *r = ctx;
	struct str derived;
	int err = changes_get(&derived, &r->x.other, KV_ROW, key);

	r->v->rows++;
	if (err == ERR_AGAIN && idset_has(&r->x.same, row_hash(key)))
		return 0;
	if (err < 0)
		report_row(r->v, key, "stored but not derived");
	else if (!str_eq(derived, value))
		report_row(r->v, key, "differs from what is derived");
	return 0;
}

static int derived_rows(struct rows *r)
{
	struct change *c = changes_seek(&r->x.other, KV_ROW, STR_NONE, false);
	struct str stored;

	for (; c; c = changes_next_in(c))
		if (!c->del && kv_get(&stored, r->x.s->kv, KV_ROW, change_key(c)) == ERR_NOENT)
			report_row(r->v, change_key(c), "derived but not stored");
	return 0;
}

struct derive_all {
	struct store_derive d;
	struct store *s;
};

static int derive_ref(void *ctx, struct str ref, const struct store_oid *commit)
{
	struct derive_all *all = ctx;
	struct ref_value v;
	int err = ref_read(&v, all->s, ref);

	(void)commit;
	os_yield();
	return err < 0 ? err : derive_run(&all->d, ref, NULL, &v.tree);
}

/* Under the writer's turn: rows and refs must belong together. */
static int check_rows(struct store *s, struct store_verify *v)
{
	struct rows r = { .x.s = s, .v = v };
	struct derive_all all = { .d = { .s = s, .seq = s->seq + 1, .verify = &r.x }, .s = s };
	bool turn; /* nobody writes where nobody can */
	int err;

	if (s->failed)
		report(v, "%s", s->fail_text);
	if (!s->driver)
		return 0;
	err = s->failed ? 0 : store_turn(s, OS_FOREVER);
	if (err < 0)
		return err;
	turn = !s->failed;
	if (turn)
		err = group_flush(s);
	if (err >= 0)
		err = store_ref_list(s, STR("refs/"), derive_ref, &all);
	if (err >= 0)
		err = kv_scan(s->kv, KV_ROW, STR_NONE, STR_NONE, stored_row, &r);
	if (err >= 0)
		err = derived_rows(&r);
	if (turn)
		store_turn_end(s);
	idset_free(&r.x.same);
	changes_free(&r.x.other);
	if (err < 0 && is_damage(err)) {
		report(v, "rows: can't be derived: %s", err_text(err));
		err = 0;
	}
	return err;
}

int store_verify(struct store *s, struct store_verify *v)
{
	int err = s->closing ? err_set(ERR_CLOSED, "store: closing") : 0;
	unsigned walk;

	if (err < 0)
		return err;
	store_user_add(s);
	walk = history_begin(s);
	kv_doubt(s->kv);
	v->objects = v->rows = v->mismatches = 0;
	check_records(s, v);
	if (err >= 0)
		err = check_log(s, v);
	if (err >= 0)
		err = check_objects(s, v);
	if (err >= 0)
		err = check_reach(s, v);
	if (err >= 0)
		err = check_rows(s, v);
	if (err == ERR_CORRUPT) { /* of the index itself: it can't be walked to its end */
		report(v, "%s", err_text(err));
		err = 0;
	}
	if (err >= 0 && v->progress)
		v->progress(v->ctx, v->objects, v->objects);
	history_end(s, walk);
	store_user_del(s);
	return err;
}
