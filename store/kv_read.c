/* SPDX-License-Identifier: ISC */
/* The merged view: the tail over LMDB; what the tail deletes hides what LMDB holds. */
#include "store/kv_state_impl.h"

#define KEY_MAX 511 /* as LMDB is built */

int kv_get(struct str *out, struct kv *kv, enum kv_table t, struct str key)
{
	MDB_val k = val_of(key), v;
	int rc, err = changes_get(out, &kv->tail, t, key);

	if (err != ERR_AGAIN)
		return err;
	rc = mdb_get(kv->read, kv->dbi[t], &k, &v);
	if (rc)
		return kv_fail(rc);
	*out = str_val(v);
	return 0;
}

/* A place in one table: in LMDB and in the tail at once. */
struct walk {
	struct kv *kv;
	enum kv_table t;
	MDB_cursor *c;
	MDB_val k, v;        /* LMDB's next */
	int rc;              /* MDB_NOTFOUND at its end */
	struct change *tail; /* the tail's next */
	struct change *here; /* where the walk stands, if that is of the tail; else at k */
};

static struct str walk_key(const struct walk *w)
{
	return w->here ? change_key(w->here) : str_val(w->k);
}

static struct str walk_value(const struct walk *w)
{
	return w->here ? change_value(w->here) : str_val(w->v);
}

/* Stands at the lesser of the two next ones; ERR_NOENT at the end. */
static int walk_settle(struct walk *w)
{
	w->here = NULL;
	while (w->tail && (!w->rc || w->rc == MDB_NOTFOUND)) {
		struct change *c = w->tail;
		int cmp = w->rc ? 1 : str_cmp(str_val(w->k), change_key(c));

		if (cmp < 0)
			return 0;
		if (cmp == 0)
			w->rc = mdb_cursor_get(w->c, &w->k, &w->v, MDB_NEXT);
		w->tail = changes_next_in(c);
		if (!c->del) {
			w->here = c;
			return 0;
		}
	}
	return kv_fail(w->rc);
}

static int walk_seek(struct walk *w, struct str from, bool past)
{
	w->rc = mdb_cursor_open(w->kv->read, w->kv->dbi[w->t], &w->c);
	if (w->rc) {
		w->c = NULL;
		return kv_fail(w->rc);
	}
	w->k = val_of(from);
	w->rc = mdb_cursor_get(w->c, &w->k, &w->v, from.n ? MDB_SET_RANGE : MDB_FIRST);
	if (!w->rc && past && str_eq(str_val(w->k), from))
		w->rc = mdb_cursor_get(w->c, &w->k, &w->v, MDB_NEXT);
	w->tail = changes_seek(&w->kv->tail, w->t, from, past);
	return walk_settle(w);
}

static int walk_step(struct walk *w)
{
	if (!w->here)
		w->rc = mdb_cursor_get(w->c, &w->k, &w->v, MDB_NEXT);
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
	struct str past = STR_NONE, known;
	MDB_cursor *c;
	MDB_val k, v;
	int rc = mdb_cursor_open(kv->read, kv->dbi[t], &c);

	if (rc)
		return kv_fail(rc);
	rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
	while (!rc && changes_get(&known, &kv->tail, t, str_val(k)) == ERR_NOENT)
		rc = mdb_cursor_get(c, &k, &v, MDB_PREV);
	mdb_cursor_close(c);
	if (rc && rc != MDB_NOTFOUND)
		return kv_fail(rc);
	if (!rc)
		past = str_val(k);
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
