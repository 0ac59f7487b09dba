/* SPDX-License-Identifier: ISC */
/* The merged view: the tail over LMDB; what the tail deletes hides what LMDB holds. */
#include "store/kv_state_impl.h"
#include "store/store.h"

#include <libdeflate.h>

#define KEY_MAX 511 /* as LMDB is built */

/* ---- checks ---- */
static uint32_t check_of(enum kv_table t, struct str key, struct str value)
{
	return libdeflate_crc32(libdeflate_crc32((uint32_t)t, key.p, key.n), value.p, value.n);
}

void kv_seal(void *out, enum kv_table t, struct str key, struct str value)
{
	uint32_t check = check_of(t, key, value);

	memcpy(out, &check, sizeof(check));
}

static unsigned key_byte(MDB_val k, size_t i)
{
	return i < k.mv_size && k.mv_size <= KEY_MAX ? ((const uint8_t *)k.mv_data)[i] : 0;
}

int kv_unseal(struct str *value, struct kv *kv, enum kv_table t, MDB_val k, MDB_val v)
{
	uint32_t check;

	if (k.mv_size <= KEY_MAX && v.mv_size >= KV_SEAL_BYTES &&
		v.mv_size <= STORE_VALUE_MAX + KV_SEAL_BYTES) {
		*value = str_n(v.mv_data, v.mv_size - KV_SEAL_BYTES);
		memcpy(&check, value->p + value->n, sizeof(check));
		if (check == check_of(t, str_val(k), *value))
			return 0;
	}
	static const char *const names[] = { "objects", "frames", "refs and counters",
		"local records", "rows" };
	kv->damaged = true;
	return err_set(ERR_CORRUPT,
		"store: index: one of the %s is damaged, key %02x%02x%02x%02x...", names[t],
		key_byte(k, 0), key_byte(k, 1), key_byte(k, 2), key_byte(k, 3));
}

/* LMDB takes a table whose name it does not find any more for an empty one. */
static int cursor_open(MDB_cursor **c, struct kv *kv, enum kv_table t)
{
	enum { MAIN_DBI = 1 };
	MDB_val k = val_of(str_of(kv_names[t])), v;
	int rc = mdb_get(kv->read, MAIN_DBI, &k, &v);

	*c = NULL;
	if (rc == MDB_NOTFOUND) {
		kv->damaged = true;
		return err_set(ERR_CORRUPT, "store: index: a table is missing");
	}
	if (!rc)
		rc = mdb_cursor_open(kv->read, kv->dbi[t], c);
	return kv_fail(rc);
}

/* Nothing at `key`: unless what stands beside it is damaged, and might be it. */
static int missing(struct kv *kv, enum kv_table t, struct str key)
{
	MDB_val k = val_of(key), v;
	struct str value;
	MDB_cursor *c;
	int rc, err = cursor_open(&c, kv, t);

	if (err < 0)
		return err;
	rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	if (!rc)
		err = kv_unseal(&value, kv, t, k, v);
	if (err >= 0)
		rc = mdb_cursor_get(c, &k, &v, rc ? MDB_LAST : MDB_PREV);
	if (err >= 0 && !rc)
		err = kv_unseal(&value, kv, t, k, v);
	mdb_cursor_close(c);
	if (err >= 0 && rc && rc != MDB_NOTFOUND)
		err = kv_fail(rc);
	return err < 0 ? err : ERR_NOENT;
}

int kv_get(struct str *out, struct kv *kv, enum kv_table t, struct str key)
{
	MDB_val k = val_of(key), v;
	int rc, err = changes_get(out, &kv->tail, t, key);

	if (err != ERR_AGAIN)
		return err;
	rc = mdb_get(kv->read, kv->dbi[t], &k, &v);
	if (rc == MDB_NOTFOUND)
		return missing(kv, t, key);
	return rc ? kv_fail(rc) : kv_unseal(out, kv, t, k, v);
}

/* A place in one table: in LMDB and in the tail at once. */
struct walk {
	struct kv *kv;
	enum kv_table t;
	MDB_cursor *c;
	MDB_val k, v;        /* LMDB's next */
	struct str value;    /* v, once it was found sound */
	int rc;              /* MDB_NOTFOUND at LMDB's end */
	int err;             /* sticky: what LMDB holds is damaged */
	struct change *tail; /* the tail's next */
	struct change *here; /* where the walk stands, if that is of the tail; else at k */
};

static struct str walk_key(const struct walk *w)
{
	return w->here ? change_key(w->here) : str_val(w->k);
}

static struct str walk_value(const struct walk *w)
{
	return w->here ? change_value(w->here) : w->value;
}

static void walk_get(struct walk *w, MDB_cursor_op op)
{
	w->rc = mdb_cursor_get(w->c, &w->k, &w->v, op);
	if (!w->rc && w->err >= 0)
		w->err = kv_unseal(&w->value, w->kv, w->t, w->k, w->v);
}

/* Stands at the lesser of the two next ones; ERR_NOENT at the end. */
static int walk_settle(struct walk *w)
{
	w->here = NULL;
	while (w->err >= 0 && w->tail && (!w->rc || w->rc == MDB_NOTFOUND)) {
		struct change *c = w->tail;
		int cmp = w->rc ? 1 : str_cmp(str_val(w->k), change_key(c));

		if (cmp < 0)
			return 0;
		if (cmp == 0)
			walk_get(w, MDB_NEXT);
		w->tail = changes_next_in(c);
		if (!c->del) {
			w->here = c;
			return 0;
		}
	}
	return w->err < 0 ? w->err : kv_fail(w->rc);
}

/* What stands before the place found, if it is damaged, might belong behind it. */
static void walk_look_back(struct walk *w)
{
	MDB_val k, v;
	struct str value;
	int rc = mdb_cursor_get(w->c, &k, &v, w->rc ? MDB_LAST : MDB_PREV);

	if (rc) {
		if (rc != MDB_NOTFOUND) /* the cursor has lost its place */
			w->rc = rc;
		return;
	}
	if (w->err >= 0)
		w->err = kv_unseal(&value, w->kv, w->t, k, v);
	if (!w->rc)
		w->rc = mdb_cursor_get(w->c, &w->k, &w->v, MDB_NEXT);
}

static int walk_seek(struct walk *w, struct str from, bool past)
{
	int err = cursor_open(&w->c, w->kv, w->t);

	if (err < 0)
		return err;
	w->k = val_of(from);
	walk_get(w, from.n ? MDB_SET_RANGE : MDB_FIRST);
	if (from.n && (!w->rc || w->rc == MDB_NOTFOUND))
		walk_look_back(w);
	if (!w->rc && past && str_eq(str_val(w->k), from))
		walk_get(w, MDB_NEXT);
	w->tail = changes_seek(&w->kv->tail, w->t, from, past);
	return walk_settle(w);
}

static int walk_step(struct walk *w)
{
	if (!w->here)
		walk_get(w, MDB_NEXT);
	return walk_settle(w);
}

static void walk_end(struct walk *w)
{
	if (w->c)
		mdb_cursor_close(w->c);
	w->c = NULL;
}

int kv_next(struct str *key, struct str *value, struct kv *kv, enum kv_table t, struct str from,
	bool past)
{
	struct walk w = { .kv = kv, .t = t };
	int err = walk_seek(&w, from, past);

	if (err >= 0) {
		*key = walk_key(&w);
		*value = walk_value(&w);
	}
	walk_end(&w);
	return err;
}

int kv_scan(
	struct kv *kv, enum kv_table t, struct str prefix, struct str from, kv_fn *fn, void *ctx)
{
	char room[KEY_MAX];
	struct walk w = { .kv = kv, .t = t };
	int err = walk_seek(&w, str_cmp(from, prefix) > 0 ? from : prefix, false);

	while (err >= 0 && str_starts(walk_key(&w), prefix)) {
		uint64_t version = kv->version;
		struct str here = walk_key(&w);

		memcpy(room, here.p, here.n);
		here.p = room;
		err = fn(ctx, walk_key(&w), walk_value(&w));
		if (err < 0) {
			walk_end(&w);
			return err;
		}
		if (version == kv->version) {
			err = walk_step(&w);
		} else { /* fn waited, or wrote */
			walk_end(&w);
			err = walk_seek(&w, here, true);
		}
	}
	walk_end(&w);
	return err == ERR_NOENT ? 0 : err;
}

/* Takes time with the tail. */
int kv_last(struct str *key, struct kv *kv, enum kv_table t)
{
	struct str past = STR_NONE, known, value;
	MDB_cursor *c;
	MDB_val k, v;
	int rc, err = cursor_open(&c, kv, t);

	if (err < 0)
		return err;
	rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
	while (!rc && changes_get(&known, &kv->tail, t, str_val(k)) == ERR_NOENT)
		rc = mdb_cursor_get(c, &k, &v, MDB_PREV);
	mdb_cursor_close(c);
	if (rc && rc != MDB_NOTFOUND)
		return kv_fail(rc);
	if (!rc) {
		err = kv_unseal(&value, kv, t, k, v);
		if (err < 0)
			return err;
		past = str_val(k);
	}
	for (struct change *o = changes_seek(&kv->tail, t, past, true); o; o = changes_next_in(o))
		if (!o->del)
			past = change_key(o);
	*key = past;
	return past.n ? 0 : ERR_NOENT;
}

int kv_count(uint64_t *n, struct kv *kv, enum kv_table t)
{
	MDB_stat st;
	int rc = mdb_stat(kv->read, kv->dbi[t], &st);

	*n = 0;
	if (rc)
		return kv_fail(rc);
	*n = st.ms_entries;
	for (struct change *c = changes_seek(&kv->tail, t, STR_NONE, false); c;
		c = changes_next_in(c)) {
		MDB_val k = val_of(change_key(c)), v;
		rc = mdb_get(kv->read, kv->dbi[t], &k, &v);
		if (rc && rc != MDB_NOTFOUND)
			return kv_fail(rc);
		if (rc && !c->del)
			(*n)++;
		else if (!rc && c->del)
			(*n)--;
	}
	return 0;
}
