/* SPDX-License-Identifier: ISC */
/* What the files behind kv_impl.h share. */
#ifndef STORE_KV_STATE_IMPL_H
#define STORE_KV_STATE_IMPL_H

#include "store/lmdb_disk_impl.h"
#include "store/overlay_impl.h"

#include <lmdb.h>

struct kv {
	struct changes tail; /* applied, not yet in LMDB */
	struct lmdb_disk *disk;
	MDB_env *env;
	/*
	 * One long reader, renewed when a batch is durable. Without a lock table LMDB keeps the
	 * pages of the last committed state until the batch after the next, so this snapshot
	 * stays whole through the whole commit that supersedes it.
	 */
	MDB_txn *read;
	MDB_dbi dbi[KV_TABLES];
	struct kv_grow grow;
	uint64_t version; /* counts what makes borrowed results and cursors invalid */
	bool failed, damaged;
};

int kv_fail(int lmdb_code);
extern const char *const kv_names[KV_TABLES]; /* as LMDB knows them */

/*
 * LMDB does not notice a bit that turned over on the disk. So behind each value stands a check of
 * table, key and value; whoever reads compares it.
 */
#define KV_SEAL_BYTES 4
void kv_seal(void *out, enum kv_table t, struct str key, struct str value);
MUST_CHECK int kv_unseal(struct str *value, struct kv *kv, enum kv_table t, MDB_val k, MDB_val v);

static inline MDB_val val_of(struct str s)
{
	return (MDB_val){ s.n, (void *)(uintptr_t)s.p };
}
static inline struct str str_val(MDB_val v)
{
	return str_n(v.mv_data, v.mv_size);
}

#endif
