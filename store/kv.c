/* SPDX-License-Identifier: ISC */
/* Tables and batches over LMDB. */
#include "store/kv_impl.h"
#include "store/lmdb_disk_impl.h"

#include <errno.h>
#include <lmdb.h>

#define KEY_MAX 511 /* as LMDB is built */

static const char *const names[KV_TABLES] = { "obj", "frame", "sys", "local", "row" };

struct kv {
	struct lmdb_disk *disk;
	MDB_env *env;
	/*
	 * One long reader, renewed when a batch is durable. Without a lock table LMDB keeps the
	 * pages of the last committed state until the batch after the next, so this snapshot
	 * stays whole through the whole commit that supersedes it.
	 */
	MDB_txn *read;
	MDB_txn *write;
	MDB_dbi dbi[KV_TABLES];
	uint64_t batches; /* made durable so far */
	bool failed;
};

static int fail(int rc)
{
	switch (rc) {
	case MDB_SUCCESS: return 0;
	case MDB_NOTFOUND: return ERR_NOENT;
	case MDB_KEYEXIST: return ERR_EXIST;
	case MDB_MAP_FULL: return err_set(ERR_NOSPACE, "store: the disk is full");
	case MDB_TXN_FULL: return err_set(ERR_LIMIT, "store: too many changes at once");
	case MDB_BAD_VALSIZE: return err_set(ERR_LIMIT, "store: key or value too long");
	case ENOMEM: return err_set(ERR_NOMEM, "store: out of memory");
	case EIO: return err_set(ERR_IO, "store: the disk failed");
	default: return err_set(ERR_CORRUPT, "store: index: %s", mdb_strerror(rc));
	}
}

static void lmdb_assert(MDB_env *env, const char *msg)
{
	(void)env;
	os_panic("store: index damaged: %s", msg);
}

static int env_open(struct kv **out, struct os_disk *d, uint64_t offset, uint64_t n, bool fresh)
{
	struct kv *kv = calloc(1, sizeof(*kv));
	char path[LMDB_DISK_PATH];
	int err, rc;

	if (!kv)
		return err_set(ERR_NOMEM, "store: out of memory");
	err = lmdb_disk_add(&kv->disk, path, d, offset, n, fresh);
	if (err < 0) {
		free(kv);
		return err;
	}
	rc = mdb_env_create(&kv->env);
	if (!rc)
		rc = mdb_env_set_assert(kv->env, lmdb_assert);
	if (!rc)
		rc = mdb_env_set_maxdbs(kv->env, KV_TABLES);
	if (!rc)
		rc = mdb_env_set_mapsize(kv->env, n);
	if (!rc)
		rc = mdb_env_open(kv->env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS, 0600);
	if (!rc) {
		*out = kv;
		return 0;
	}
	kv_close(kv);
	return fail(rc);
}

static int tables_open(struct kv *kv, MDB_txn *txn, unsigned flags)
{
	int rc = 0;
	for (int i = 0; i < KV_TABLES && !rc; i++)
		rc = mdb_dbi_open(txn, names[i], flags, &kv->dbi[i]);
	return rc;
}

int kv_format(struct os_disk *d, uint64_t offset, uint64_t n)
{
	struct kv *kv;
	MDB_txn *txn;
	int rc, err = env_open(&kv, d, offset, n, true);

	if (err < 0)
		return err;
	rc = mdb_txn_begin(kv->env, NULL, 0, &txn);
	if (!rc) {
		rc = tables_open(kv, txn, MDB_CREATE);
		if (rc)
			mdb_txn_abort(txn);
		else
			rc = mdb_txn_commit(txn);
	}
	err = lmdb_disk_failed(kv->disk) ? ERR_IO : fail(rc);
	kv_close(kv);
	return err;
}

int kv_open(struct kv **out, struct os_disk *d, uint64_t offset, uint64_t n)
{
	struct kv *kv;
	int rc, err = env_open(&kv, d, offset, n, false);

	if (err < 0)
		return err;
	rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &kv->read);
	if (!rc)
		rc = tables_open(kv, kv->read, 0);
	if (rc) {
		err = rc == MDB_NOTFOUND ? err_set(ERR_CORRUPT, "store: index: a table is missing")
					 : fail(rc);
		kv_close(kv);
		return err;
	}
	/* Handles opened in a read transaction become everybody's when it ends; then renew it. */
	rc = mdb_txn_commit(kv->read);
	kv->read = NULL;
	if (!rc)
		rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &kv->read);
	if (rc) {
		kv_close(kv);
		return fail(rc);
	}
	*out = kv;
	return 0;
}

void kv_close(struct kv *kv)
{
	if (kv->write)
		mdb_txn_abort(kv->write);
	if (kv->read)
		mdb_txn_abort(kv->read);
	if (kv->env)
		mdb_env_close(kv->env);
	lmdb_disk_del(kv->disk);
	free(kv);
}

static MDB_val val(struct str s)
{
	return (MDB_val){ s.n, (void *)(uintptr_t)s.p };
}

static struct str str_val(MDB_val v)
{
	return str_n(v.mv_data, v.mv_size);
}

int kv_get(struct str *out, struct kv *kv, enum kv_table t, struct str key)
{
	MDB_val k = val(key), v;
	int rc = mdb_get(kv->read, kv->dbi[t], &k, &v);
	if (rc)
		return fail(rc);
	*out = str_val(v);
	return 0;
}

int kv_next(struct str *key, struct str *value, struct kv *kv, enum kv_table t, struct str from,
	bool past)
{
	MDB_cursor *c;
	MDB_val k = val(from), v;
	int rc = mdb_cursor_open(kv->read, kv->dbi[t], &c);

	if (rc)
		return fail(rc);
	rc = mdb_cursor_get(c, &k, &v, from.n ? MDB_SET_RANGE : MDB_FIRST);
	if (!rc && past && str_eq(str_val(k), from))
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	mdb_cursor_close(c);
	if (rc)
		return fail(rc);
	*key = str_val(k);
	*value = str_val(v);
	return 0;
}

int kv_last(struct str *key, struct kv *kv, enum kv_table t)
{
	MDB_cursor *c;
	MDB_val k, v;
	int rc = mdb_cursor_open(kv->read, kv->dbi[t], &c);

	if (rc)
		return fail(rc);
	rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
	mdb_cursor_close(c);
	*key = rc ? STR_NONE : str_val(k);
	return fail(rc);
}

/* The first key after `here`, once the reader has moved on under an open cursor. */
static int seek_again(
	MDB_cursor **c, MDB_val *k, MDB_val *v, struct kv *kv, enum kv_table t, struct str here)
{
	int rc;

	mdb_cursor_close(*c);
	*c = NULL;
	rc = mdb_cursor_open(kv->read, kv->dbi[t], c);
	if (rc)
		return rc;
	*k = val(here);
	rc = mdb_cursor_get(*c, k, v, MDB_SET_RANGE);
	if (!rc && str_eq(str_val(*k), here))
		rc = mdb_cursor_get(*c, k, v, MDB_NEXT);
	return rc;
}

int kv_scan(
	struct kv *kv, enum kv_table t, struct str prefix, struct str from, kv_fn *fn, void *ctx)
{
	char here[KEY_MAX];
	struct str start = str_cmp(from, prefix) > 0 ? from : prefix;
	MDB_cursor *c;
	MDB_val k = val(start), v;
	int err = 0, rc = mdb_cursor_open(kv->read, kv->dbi[t], &c);

	if (rc)
		return fail(rc);
	rc = mdb_cursor_get(c, &k, &v, start.n ? MDB_SET_RANGE : MDB_FIRST);
	while (!rc && str_starts(str_val(k), prefix)) {
		uint64_t batches = kv->batches;
		size_t n = k.mv_size;
		memcpy(here, k.mv_data, n);
		err = fn(ctx, str_val(k), str_val(v));
		if (err < 0)
			break;
		if (batches == kv->batches)
			rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
		else /* fn waited, or wrote */
			rc = seek_again(&c, &k, &v, kv, t, str_n(here, n));
	}
	if (c)
		mdb_cursor_close(c);
	if (err < 0)
		return err;
	return rc && rc != MDB_NOTFOUND ? fail(rc) : 0;
}

int kv_count(uint64_t *n, struct kv *kv, enum kv_table t)
{
	MDB_stat st;
	int rc = mdb_stat(kv->read, kv->dbi[t], &st);
	*n = rc ? 0 : st.ms_entries;
	return fail(rc);
}

/* ---- batches ---- */
int kv_begin(struct kv *kv)
{
	os_assert(!kv->write);
	if (kv->failed)
		return err_set(ERR_IO, "store: the disk has failed before");
	return fail(mdb_txn_begin(kv->env, NULL, 0, &kv->write));
}

int kv_put(struct kv *kv, enum kv_table t, struct str key, struct str value)
{
	MDB_val k = val(key), v = val(value);
	return fail(mdb_put(kv->write, kv->dbi[t], &k, &v, 0));
}

int kv_add(struct kv *kv, enum kv_table t, struct str key, struct str value)
{
	MDB_val k = val(key), v = val(value);
	return fail(mdb_put(kv->write, kv->dbi[t], &k, &v, MDB_NOOVERWRITE));
}

int kv_del(struct kv *kv, enum kv_table t, struct str key)
{
	MDB_val k = val(key);
	int rc = mdb_del(kv->write, kv->dbi[t], &k, NULL);
	return rc == MDB_NOTFOUND ? 0 : fail(rc);
}

int kv_drop(struct kv *kv, enum kv_table t)
{
	return fail(mdb_drop(kv->write, kv->dbi[t], 0));
}

int kv_commit(struct kv *kv)
{
	MDB_txn *txn = kv->write;
	int rc = mdb_txn_commit(txn);

	kv->write = NULL;
	if (lmdb_disk_failed(kv->disk)) {
		kv->failed = true;
		return err_set(ERR_IO, "store: the disk failed");
	}
	if (rc)
		return fail(rc);
	kv->batches++;
	mdb_txn_reset(kv->read);
	rc = mdb_txn_renew(kv->read);
	if (rc)
		os_panic("store: index: %s", mdb_strerror(rc));
	return 0;
}

void kv_abort(struct kv *kv)
{
	if (kv->write)
		mdb_txn_abort(kv->write);
	kv->write = NULL;
}

/* ---- space ---- */
uint64_t kv_free_bytes(struct kv *kv, uint64_t enough)
{
	enum { FREE_DBI = 0 };
	MDB_envinfo info;
	MDB_cursor *c;
	MDB_val k, v;
	uint64_t pages;

	mdb_env_info(kv->env, &info);
	pages = info.me_mapsize / LMDB_DISK_PAGE - (info.me_last_pgno + 1);
	if (pages * LMDB_DISK_PAGE >= enough || mdb_cursor_open(kv->read, FREE_DBI, &c))
		return pages * LMDB_DISK_PAGE;
	while (mdb_cursor_get(c, &k, &v, MDB_NEXT) == 0) {
		size_t n;
		memcpy(&n, v.mv_data, sizeof(n)); /* a list of page numbers, its length first */
		pages += n;
	}
	mdb_cursor_close(c);
	return pages * LMDB_DISK_PAGE;
}
