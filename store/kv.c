/* SPDX-License-Identifier: ISC */
/* Tables and batches over LMDB. */
#include "store/kv_state_impl.h"

#include <errno.h>

/*
 * The tail's limits. An object's or frame's key falls anywhere, so each costs a page of its own
 * while its table has that many; the others come in order, several to a page.
 */
#define TAIL_PAGES    1000
#define TAIL_BYTES    (2 * 1024 * 1024)
#define KEYS_PER_PAGE 4

static const char *const names[KV_TABLES] = { "obj", "frame", "sys", "local", "row" };

int kv_fail(int rc)
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
	return kv_fail(rc);
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
	err = lmdb_disk_failed(kv->disk) ? ERR_IO : kv_fail(rc);
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
					 : kv_fail(rc);
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
		return kv_fail(rc);
	}
	*out = kv;
	return 0;
}

void kv_close(struct kv *kv)
{
	changes_free(&kv->tail);
	if (kv->read)
		mdb_txn_abort(kv->read);
	if (kv->env)
		mdb_env_close(kv->env);
	lmdb_disk_del(kv->disk);
	free(kv);
}

/* ---- the tail ---- */
void kv_apply(struct kv *kv, struct changes *from)
{
	kv->version++;
	changes_move(&kv->tail, from);
}

static uint64_t table_pages(const struct kv *kv, enum kv_table t)
{
	bool random = t == KV_OBJ || t == KV_FRAME;
	size_t n = kv->tail.per[t];
	MDB_stat st;

	if (!random || n < TAIL_PAGES / 4)
		return random ? n : (n + KEYS_PER_PAGE - 1) / KEYS_PER_PAGE;
	if (mdb_stat(kv->read, kv->dbi[t], &st) == 0 && st.ms_leaf_pages < n)
		return st.ms_leaf_pages + n / KEYS_PER_PAGE;
	return n;
}

bool kv_full(const struct kv *kv)
{
	uint64_t pages = 0;

	for (enum kv_table t = 0; t < KV_TABLES; t++)
		pages += table_pages(kv, t);
	return pages >= TAIL_PAGES || kv->tail.bytes >= TAIL_BYTES;
}

/* ---- batches ---- */
static int put_all(struct kv *kv, MDB_txn *txn, const struct changes *m, bool rows)
{
	int rc = 0;

	for (struct change *c = changes_first(m); c && !rc; c = changes_next(c)) {
		MDB_val k = val_of(change_key(c)), v = val_of(change_value(c));
		if (c->table == KV_ROW && !rows)
			continue;
		if (!c->del)
			rc = mdb_put(txn, kv->dbi[c->table], &k, &v, 0);
		else if ((rc = mdb_del(txn, kv->dbi[c->table], &k, NULL)) == MDB_NOTFOUND)
			rc = 0;
	}
	return rc;
}

static int begin(MDB_txn **txn, struct kv *kv)
{
	if (kv->failed)
		return err_set(ERR_IO, "store: the disk has failed before");
	return kv_fail(mdb_txn_begin(kv->env, NULL, 0, txn));
}

/* Commits unless `rc` says that the batch could not be made. */
static int end(struct kv *kv, MDB_txn *txn, int rc)
{
	if (rc)
		mdb_txn_abort(txn);
	else
		rc = mdb_txn_commit(txn);
	if (lmdb_disk_failed(kv->disk)) {
		kv->failed = true;
		return err_set(ERR_IO, "store: the disk failed");
	}
	if (rc)
		return kv_fail(rc);
	kv->version++;
	mdb_txn_reset(kv->read);
	rc = mdb_txn_renew(kv->read);
	if (rc)
		os_panic("store: index: %s", mdb_strerror(rc));
	return 0;
}

int kv_forward(struct kv *kv)
{
	MDB_txn *txn;
	int err;

	if (kv->tail.n == 0)
		return 0;
	err = begin(&txn, kv);
	if (err >= 0)
		err = end(kv, txn, put_all(kv, txn, &kv->tail, true));
	if (err >= 0)
		changes_free(&kv->tail);
	return err;
}

int kv_write(struct kv *kv, const struct changes *a, const struct changes *b)
{
	MDB_txn *txn;
	int rc, err;

	os_assert(kv->tail.n == 0);
	err = begin(&txn, kv);
	if (err < 0)
		return err;
	rc = put_all(kv, txn, a, true);
	if (!rc)
		rc = put_all(kv, txn, b, true);
	return end(kv, txn, rc);
}

int kv_drop_rows(struct kv *kv)
{
	MDB_txn *txn;
	int rc, err = begin(&txn, kv);

	if (err < 0)
		return err;
	rc = put_all(kv, txn, &kv->tail, false);
	if (!rc)
		rc = mdb_drop(txn, kv->dbi[KV_ROW], 0);
	err = end(kv, txn, rc);
	if (err >= 0)
		changes_free(&kv->tail);
	return err;
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
