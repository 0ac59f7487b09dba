/* SPDX-License-Identifier: ISC */
/* Which disk range stands behind which of LMDB's file names and descriptors (lmdb_shim.h). */
#ifndef STORE_LMDB_DISK_IMPL_H
#define STORE_LMDB_DISK_IMPL_H

#include "os/disk.h"

#define LMDB_DISK_PAGE 4096 /* LMDB's page on every target, so that a disk fits them all */
#define LMDB_DISK_MAX  16   /* open at once */
#define LMDB_DISK_PATH 32

struct lmdb_disk;
/*
 * `path` is what to call it towards LMDB. `fresh`: reads as an empty file until written, so that
 * LMDB starts a new database. ERR_LIMIT, ERR_UNSUPPORTED (a disk that can't be mapped).
 */
MUST_CHECK int lmdb_disk_add(struct lmdb_disk **out, char path[static LMDB_DISK_PATH],
	struct os_disk *d, uint64_t offset, uint64_t n, bool fresh);
void lmdb_disk_del(struct lmdb_disk *l);
/* Did a write or a flush fail, ever? */
bool lmdb_disk_failed(const struct lmdb_disk *l);

#endif
