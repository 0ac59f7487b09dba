/* SPDX-License-Identifier: ISC */
/* Which disk extents stand behind which of LMDB's file names and descriptors (lmdb_shim.h). */
#ifndef STORE_LMDB_DISK_IMPL_H
#define STORE_LMDB_DISK_IMPL_H

#include "store/kv_impl.h"

#define LMDB_DISK_PAGE 4096 /* LMDB's page on every target, so that a disk fits them all */
#define LMDB_DISK_MAX  16   /* open at once */
#define LMDB_DISK_GROW ((uint64_t)64 << 30) /* addresses reserved at most */

struct lmdb_disk;
struct lmdb_disk_name {
	char path[32]; /* what to call it towards LMDB */
};
/*
 * `fresh`: reads as an empty file until written, so that LMDB starts a new database. Shown in one
 * range of addresses, in which it may grow. ERR_LIMIT, ERR_UNSUPPORTED (a disk that can't be
 * mapped).
 */
MUST_CHECK int lmdb_disk_add(struct lmdb_disk **out, struct lmdb_disk_name *name, struct os_disk *d,
	const struct kv_extent *extents, unsigned count, bool fresh);
MUST_CHECK int lmdb_disk_grow(struct lmdb_disk *l, const struct kv_extent *x);
uint64_t lmdb_disk_bytes(const struct lmdb_disk *l);
void lmdb_disk_del(struct lmdb_disk *l);
/* Did a write or a flush fail, ever? */
bool lmdb_disk_failed(const struct lmdb_disk *l);
/* Every page is compared with its check once more when it is next turned to. */
void lmdb_disk_doubt(struct lmdb_disk *l);
/* Was a page found damaged, ever? */
bool lmdb_disk_damaged(const struct lmdb_disk *l);

#endif
