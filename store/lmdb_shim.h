/* SPDX-License-Identifier: ISC */
/*
 * Gives LMDB extents of an os_disk in place of a file. third_party compiles mdb.c with
 * `-DSTORE_LMDB_BUILD -include store/lmdb_shim.h`: its file calls become the functions below,
 * on every target alike, and it asks store_lmdb_sound() about each page of the file it turns to;
 * nothing else of it changes. The environment is opened with
 * MDB_NOLOCK|MDB_NOTLS and never MDB_WRITEMAP, so locks, msync and ftruncate are never reached.
 *
 * What LMDB does with its file, and what becomes of it:
 *  - pwrite/pwritev of whole pages            os_disk write (gathered when scattered in memory)
 *  - pwrite of 128 bytes of a meta page       read, change and write one 512-byte sector; through
 *    through the O_DSYNC descriptor           the O_DSYNC descriptor a flush follows
 *  - fdatasync                                os_disk flush
 *  - mmap                                     the disk's map ops, always at one address
 * All of these may BLOCK the fiber; other fibers meanwhile read the snapshot before (kv_impl.h).
 */
#ifndef STORE_LMDB_SHIM_H
#define STORE_LMDB_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

int store_lmdb_open(const char *path, int flags, ...);
int store_lmdb_close(int fd);
ssize_t store_lmdb_pread(int fd, void *p, size_t n, off_t offset);
ssize_t store_lmdb_pwrite(int fd, const void *p, size_t n, off_t offset);
ssize_t store_lmdb_pwritev(int fd, const struct iovec *iov, int count, off_t offset);
int store_lmdb_fdatasync(int fd);
int store_lmdb_fstat(int fd, struct stat *st);
void *store_lmdb_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);
int store_lmdb_munmap(void *at, size_t n);
long store_lmdb_sysconf(int name);
/*
 * LMDB has no checksums of its own. Those of pages go where a page's header has 16 bits it does not
 * use, when the page is written, and are compared when it is first read afterwards, and when
 * somebody doubts (lmdb_disk_doubt). 0: damaged.
 */
int store_lmdb_sound(const void *page);
/* Calls that the way we open LMDB never makes: ENOSYS. */
int store_lmdb_never(int fd, ...);

#ifdef STORE_LMDB_BUILD
#define open(...)           store_lmdb_open(__VA_ARGS__)
#define close(fd)           store_lmdb_close(fd)
#define pread               store_lmdb_pread
#define pwrite              store_lmdb_pwrite
#define pwritev             store_lmdb_pwritev
#define fdatasync           store_lmdb_fdatasync
#define fsync               store_lmdb_fdatasync
#define fstat(fd, st)       store_lmdb_fstat(fd, st)
#define mmap                store_lmdb_mmap
#define munmap              store_lmdb_munmap
#define sysconf             store_lmdb_sysconf
#define msync(p, n, f)      store_lmdb_never(-1)
#define ftruncate(fd, n)    store_lmdb_never(fd)
#define fcntl(fd, ...)      store_lmdb_never(fd)
#define lseek(fd, n, w)     store_lmdb_never(fd)
#define write(fd, p, n)     store_lmdb_never(fd)
#define madvise(p, n, a)    0
#define getpid()            1
#define MDB_USE_PWRITEV     1
#define MDB_FDATASYNC_WORKS 1
#endif

#endif
