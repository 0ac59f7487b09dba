/* SPDX-License-Identifier: ISC */
/* Tables and batches over LMDB. */
#include "store/kv_state_impl.h"

#include <errno.h>

/*
 * A batch is bounded by the pages it changes, the tail by several times that many: an object's or
 * frame's key falls anywhere, so each costs a page of its own while its table has that many (a
 * quarter of the bytes are written with 16 times 1,000 pages at a million objects); the others come in
 * order, four to a page.
 */
#define GROW_LEAST   (64 * 1024)
#define TAIL_BATCHES 16
unsigned kv_batch_pages = 1000;
size_t kv_tail_bytes = 2 * 1024 * 1024;

const char *const kv_names[KV_TABLES] = { "obj", "frame", "sys", "local", "row" };

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

static int env_open(struct kv **out, struct os_disk *d, const struct kv_extent *extents,
	unsigned count, bool fresh)
{
	struct kv *kv = calloc(1, sizeof(*kv));
	struct lmdb_disk_name name;
	int err, rc;

	if (!kv)
		return err_set(ERR_NOMEM, "store: out of memory");
	err = lmdb_disk_add(&kv->disk, &name, d, extents, count, fresh);
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
		rc = mdb_env_set_mapsize(kv->env, lmdb_disk_bytes(kv->disk));
	if (!rc)
		rc = mdb_env_open(kv->env, name.path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS, 0600);
	if (!rc) {
		*out = kv;
		return 0;
	}
	kv_close(kv);
	if (rc == EIO && !fresh) /* nothing was written: it can be made again */
		return err_set(ERR_CORRUPT, "store: index: its first pages can't be read");
	return kv_fail(rc);
}

static int tables_open(struct kv *kv, MDB_txn *txn, unsigned flags)
{
	int rc = 0;
	for (int i = 0; i < KV_TABLES && !rc; i++)
		rc = mdb_dbi_open(txn, kv_names[i], flags, &kv->dbi[i]);
	return rc;
}

int kv_format(struct os_disk *d, const struct kv_extent *extents, unsigned count)
{
	struct kv *kv;
	MDB_txn *txn;
	int rc, err = env_open(&kv, d, extents, count, true);

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

int kv_open(struct kv **out, struct os_disk *d, const struct kv_extent *extents, unsigned count,
	const struct kv_grow *grow)
{
	struct kv *kv;
	int rc, err = env_open(&kv, d, extents, count, false);

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
	kv->grow = *grow;
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

bool kv_damaged(const struct kv *kv)
{
	return kv->damaged || lmdb_disk_damaged(kv->disk);
}

/* ---- the tail ---- */
void kv_apply(struct kv *kv, struct changes *from)
{
	kv->version++;
	changes_move(&kv->tail, from);
}

/* What one change of this table costs, in quarters of a page. */
static unsigned quarters(const struct kv *kv, enum kv_table t)
{
	size_t n = kv->tail.per[t];
	MDB_stat st;

	if (n == 0 || (t != KV_OBJ && t != KV_FRAME) || mdb_stat(kv->read, kv->dbi[t], &st) != 0)
		return 1;
	return st.ms_leaf_pages >= n ? 4 : 1 + (unsigned)(3 * st.ms_leaf_pages / n);
}

static uint64_t tail_pages(const struct kv *kv)
{
	uint64_t pages = kv->tail.bytes / LMDB_DISK_PAGE;

	for (enum kv_table t = 0; t < KV_TABLES; t++)
		pages += (kv->tail.per[t] * quarters(kv, t) + 3) / 4;
	return pages;
}

bool kv_full(const struct kv *kv)
{
	return tail_pages(kv) >= (uint64_t)TAIL_BATCHES * kv_batch_pages ||
		kv->tail.bytes >= kv_tail_bytes;
}

static void renew(struct kv *kv)
{
	int rc = mdb_txn_renew(kv->read);

	if (rc)
		os_panic("store: index: %s", mdb_strerror(rc));
	kv->version++;
}

/* ---- space ---- */
/* What the next batch may use: not what the last one freed. Stops counting at `enough`. */
static uint64_t free_pages(struct kv *kv, uint64_t enough)
{
	enum { FREE_DBI = 0 };
	MDB_envinfo info;
	MDB_cursor *c;
	MDB_val k, v;
	uint64_t pages;

	mdb_env_info(kv->env, &info);
	pages = info.me_mapsize / LMDB_DISK_PAGE - (info.me_last_pgno + 1);
	if (pages >= enough || mdb_cursor_open(kv->read, FREE_DBI, &c))
		return pages;
	while (pages < enough && mdb_cursor_get(c, &k, &v, MDB_NEXT) == 0) {
		size_t n, batch;
		memcpy(&batch, k.mv_data, sizeof(batch));
		memcpy(&n, v.mv_data, sizeof(n)); /* a list of page numbers, its length first */
		if (batch < info.me_last_txnid)
			pages += n;
	}
	mdb_cursor_close(c);
	return pages;
}

static int grow(struct kv *kv)
{
	struct kv_extent x;
	uint64_t size = lmdb_disk_bytes(kv->disk);
	int rc, err = kv->grow.more(kv->grow.ctx, &x, GROW_LEAST, size);

	if (err >= 0)
		err = lmdb_disk_grow(kv->disk, &x);
	if (err < 0)
		return err == ERR_LIMIT ? ERR_NOSPACE : err;
	mdb_txn_reset(kv->read);
	rc = mdb_env_set_mapsize(kv->env, lmdb_disk_bytes(kv->disk));
	renew(kv);
	return kv_fail(rc);
}

/* A batch takes new pages for every page it changes, and for branches and lists of free pages. */
static int room_for(struct kv *kv, unsigned pages)
{
	uint64_t tail = tail_pages(kv), want = 2 * (tail < pages ? tail : pages) + 64;
	int err = 0;

	if (free_pages(kv, want) < want)
		err = grow(kv);
	return err == ERR_NOSPACE ? 0 : err; /* it may do all the same */
}

/* ---- batches ---- */
static int put_one(struct kv *kv, MDB_txn *txn, const struct change *c)
{
	struct str key = change_key(c), value = change_value(c);
	MDB_val k = val_of(key), v = { value.n + KV_SEAL_BYTES, NULL };
	int rc;

	if (c->del) {
		rc = mdb_del(txn, kv->dbi[c->table], &k, NULL);
		return rc == MDB_NOTFOUND ? 0 : rc;
	}
	rc = mdb_put(txn, kv->dbi[c->table], &k, &v, MDB_RESERVE);
	if (rc)
		return rc;
	memcpy(v.mv_data, value.p, value.n);
	kv_seal((char *)v.mv_data + value.n, c->table, key, value);
	return 0;
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
	mdb_txn_reset(kv->read);
	renew(kv);
	return 0;
}

static bool is_last(const struct change *c)
{
	return c->table == KV_SYS && str_eq(change_key(c), KV_LAST);
}

/* One batch of about `pages` pages from *at on. */
static int forward_some(struct kv *kv, struct change **at, unsigned pages)
{
	unsigned each[KV_TABLES], sum = 0;
	struct change *c = *at;
	MDB_txn *txn;
	int rc = 0, err = begin(&txn, kv);

	if (err < 0)
		return err;
	for (enum kv_table t = 0; t < KV_TABLES; t++)
		each[t] = quarters(kv, t);
	for (; c && sum < 4 * pages && !rc; c = changes_next(c)) {
		if (!is_last(c))
			rc = put_one(kv, txn, c);
		sum += each[c->table] + 4 * c->value_n / LMDB_DISK_PAGE;
	}
	if (!c && !rc) {
		c = changes_seek(&kv->tail, KV_SYS, KV_LAST, false);
		if (c && is_last(c))
			rc = put_one(kv, txn, c);
		c = NULL;
	}
	err = end(kv, txn, rc);
	if (err >= 0)
		*at = c;
	return err;
}

void kv_doubt(struct kv *kv)
{
	lmdb_disk_doubt(kv->disk);
}

int kv_forward(struct kv *kv)
{
	struct change *at = changes_first(&kv->tail);
	unsigned pages = kv_batch_pages;

	while (at) {
		int err = room_for(kv, pages);

		if (err >= 0)
			err = forward_some(kv, &at, pages);
		/* The guess was too low: more room, else smaller batches. */
		if (err == ERR_NOSPACE && (err = grow(kv)) == ERR_NOSPACE && pages > 1) {
			pages /= 2;
			err = 0;
		}
		if (err < 0)
			return err;
	}
	kv->version++;
	changes_free(&kv->tail);
	kv_doubt(kv);
	return 0;
}

uint64_t kv_free_bytes(const struct kv *kv)
{
	MDB_envinfo info;

	mdb_env_info(kv->env, &info);
	return lmdb_disk_bytes(kv->disk) - (info.me_last_pgno + 1) * (uint64_t)LMDB_DISK_PAGE;
}

int kv_drop_rows(struct kv *kv)
{
	MDB_txn *txn;
	int err = kv_forward(kv);

	if (err >= 0)
		err = room_for(kv, kv_batch_pages);
	if (err >= 0)
		err = begin(&txn, kv);
	return err < 0 ? err : end(kv, txn, mdb_drop(txn, kv->dbi[KV_ROW], 0));
}
