/* SPDX-License-Identifier: ISC */
/*
 * The index: ordered tables in LMDB on some extents of the disk, and before them the tail: changes
 * that the log has made durable and LMDB does not know yet. Readers see both as one.
 *
 *	changes_put(&c, KV_LOCAL, key, value); ...        (overlay_impl.h)
 *	kv_apply(kv, &c);                                 everybody sees it
 *	if (kv_full(kv))
 *		err = kv_forward(kv);                     BLOCKS; the tail is in LMDB
 *
 * One writer. What a power cut could take back is never applied.
 */
#ifndef STORE_KV_IMPL_H
#define STORE_KV_IMPL_H

#include "os/disk.h"

enum kv_table {
	KV_OBJ,   /* object id -> where it lies in the log (object.c) */
	KV_FRAME, /* content id, frame number -> where that frame of a large object lies */
	KV_SYS, /* first r: refs, h their records, s shallow, k horizons, p pins, m meta, u units */
	KV_LOCAL,
	KV_ROW,
	KV_TABLES
};

/* Of the disk, one behind the other as LMDB's file. Multiples of 4096. */
#define KV_EXTENTS 16
struct kv_extent {
	uint64_t offset, bytes;
};
/*
 * Room for the index, asked for before a batch that may need it: at least `least` bytes, better
 * `wanted`; durably the index's when it returns. ERR_NOSPACE. BLOCKS.
 */
struct kv_grow {
	int (*more)(void *ctx, struct kv_extent *out, uint64_t least, uint64_t wanted);
	void *ctx;
};

struct kv;
struct changes;
/* BLOCKS. */
MUST_CHECK int kv_format(struct os_disk *d, const struct kv_extent *extents, unsigned count);
/* ERR_CORRUPT: no index there, or a damaged one. */
MUST_CHECK int kv_open(struct kv **out, struct os_disk *d, const struct kv_extent *extents,
	unsigned count, const struct kv_grow *grow);
void kv_close(struct kv *kv);
/* Was something in LMDB found damaged since kv_open? What stood there can't be read. */
bool kv_damaged(const struct kv *kv);

/* Results are borrowed until the next kv_apply, and until a kv_forward ends. */
MUST_CHECK int kv_get(struct str *out, struct kv *kv, enum kv_table t, struct str key);
/* The first key >= `from`, or > `from` when `past`; ERR_NOENT at the end. */
MUST_CHECK int kv_next(struct str *key, struct str *value, struct kv *kv, enum kv_table t,
	struct str from, bool past);
MUST_CHECK int kv_last(struct str *key, struct kv *kv, enum kv_table t); /* ERR_NOENT */
/* Keys with `prefix` and >= `from`, in order; < 0 from fn stops and is returned. fn may BLOCK or
 * write: the scan goes on behind the key it was given. */
typedef int kv_fn(void *ctx, struct str key, struct str value);
MUST_CHECK int kv_scan(
	struct kv *kv, enum kv_table t, struct str prefix, struct str from, kv_fn *fn, void *ctx);
MUST_CHECK int kv_count(uint64_t *n, struct kv *kv, enum kv_table t);

/* Everything of `from` becomes visible at once; it is empty afterwards. Takes neither memory nor
 * disk, so it can't fail. */
void kv_apply(struct kv *kv, struct changes *from);
bool kv_full(const struct kv *kv); /* the tail wants forwarding */
extern unsigned kv_batch_pages;    /* pages changed by a batch; of the tail also its bytes */
extern size_t kv_tail_bytes;       /* (both smaller in tests) */
/*
 * The tail goes to LMDB, durably; readers meanwhile see what they saw before. A power cut may leave
 * any part of it there, but KV_LAST only with all the rest. ERR_IO: the disk failed, everything
 * later is refused. After any other error, such as ERR_NOSPACE, the tail is as before. BLOCKS.
 */
#define KV_LAST STR("mpos") /* of KV_SYS: up to where LMDB knows the log */
MUST_CHECK int kv_forward(struct kv *kv);
/*
 * A page found sound is trusted while it is in memory; where the disk can't tell (map_kept), it may
 * have been read again since. From now on all are doubted; a batch's end does so, too.
 */
void kv_doubt(struct kv *kv);
uint64_t kv_free_bytes(const struct kv *kv); /* of its extents, never used so far */
/* kv_forward, and then every row goes. BLOCKS. */
MUST_CHECK int kv_drop_rows(struct kv *kv);

#endif
