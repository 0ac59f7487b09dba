/* SPDX-License-Identifier: ISC */
/*
 * Where the bytes lie: ordered tables in one extent of the disk, changed by whole durable
 * batches. Behind it stands LMDB. One writer; readers see the last durable batch even while the
 * next one is being written, so that nothing is shown that a power cut could take back.
 *
 *	err = kv_begin(kv);
 *	err = kv_put(kv, KV_LOCAL, key, value); ...
 *	err = kv_commit(kv);                              BLOCKS; or kv_abort(kv)
 */
#ifndef STORE_KV_IMPL_H
#define STORE_KV_IMPL_H

#include "os/disk.h"

enum kv_table {
	KV_OBJ,   /* object id -> object (object.c) */
	KV_FRAME, /* content id, frame number -> frame of a large blob */
	KV_SYS,   /* one letter, then: r refs, m meta, c and o what is pending (pending.c) */
	KV_LOCAL,
	KV_ROW,
	KV_TABLES
};

struct kv;
MUST_CHECK int kv_format(struct os_disk *d, uint64_t offset, uint64_t n); /* BLOCKS */
MUST_CHECK int kv_open(struct kv **out, struct os_disk *d, uint64_t offset, uint64_t n);
void kv_close(struct kv *kv);

/* Results are borrowed from the disk's map until the next kv_commit. */
MUST_CHECK int kv_get(struct str *out, struct kv *kv, enum kv_table t, struct str key);
/* The first key >= `from`, or > `from` when `past`; ERR_NOENT at the end. */
MUST_CHECK int kv_next(struct str *key, struct str *value, struct kv *kv, enum kv_table t,
	struct str from, bool past);
MUST_CHECK int kv_last(struct str *key, struct kv *kv, enum kv_table t); /* ERR_NOENT */
/* Keys with `prefix` and >= `from`, in order; < 0 from fn stops and is returned. */
typedef int kv_fn(void *ctx, struct str key, struct str value);
MUST_CHECK int kv_scan(
	struct kv *kv, enum kv_table t, struct str prefix, struct str from, kv_fn *fn, void *ctx);
MUST_CHECK int kv_count(uint64_t *n, struct kv *kv, enum kv_table t);

MUST_CHECK int kv_begin(struct kv *kv);
MUST_CHECK int kv_put(struct kv *kv, enum kv_table t, struct str key, struct str value);
/* Like kv_put, when the key is new; ERR_EXIST. */
MUST_CHECK int kv_add(struct kv *kv, enum kv_table t, struct str key, struct str value);
MUST_CHECK int kv_del(struct kv *kv, enum kv_table t, struct str key); /* absent is fine */
MUST_CHECK int kv_drop(struct kv *kv, enum kv_table t);                /* everything in it */
/*
 * BLOCKS. Whatever it returns, the batch is over. ERR_IO: what became of it is known after
 * reopening, and every later kv_begin is refused. Any other error: nothing was changed.
 */
MUST_CHECK int kv_commit(struct kv *kv);
void kv_abort(struct kv *kv);

/* Bytes still free; exact once less than `enough` seems to be left (counting takes time). */
uint64_t kv_free_bytes(struct kv *kv, uint64_t enough);

#endif
