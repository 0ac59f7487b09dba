/* SPDX-License-Identifier: ISC */
/*
 * A disk read through memory: what LMDB's map stands on where there is no kernel to do it (virt;
 * on unix a disk's map op is the host's mmap). Pages are filled on first touch and forgotten when
 * memory is wanted; a map may be many times larger than the machine's memory.
 *
 *	void *at;
 *	err = os_map_reserve(&at, 1 << 30);                   addresses only, no memory
 *	err = os_map_attach(at, 0, 4 << 20, 64 << 20);        first extent: disk 0, [4, 68) MiB
 *	err = os_map_attach((char *)at + (64 << 20), 0, ...); the next one, any time later
 *	... read at[...] ...
 *	err = os_disk_write(d, off, p, n);                    the disk calls os_map_written for you
 *	os_map_release(at, 1 << 30);
 *
 * A touch waits for the device without letting another fiber run, so reading a map is no
 * BLOCKS call. A touch outside an attached extent, or a read error of the device, panics:
 * there is no way to return it, and garbage must not be returned. Maps are never written.
 */
#ifndef OS_MAP_H
#define OS_MAP_H

#include "os/base.h"

#define OS_MAP_PAGE    4096
#define OS_MAP_EXTENTS 64 /* attached at once, over all maps */

/* `n` is a multiple of OS_MAP_PAGE. ERR_NOMEM when the address range is used up. */
MUST_CHECK int os_map_reserve(void **at, uint64_t n);
/*
 * Show [offset, offset + n) of disk `disk` (as in plat_blk_open) at `at`, inside one reserved
 * range and not attached before; all multiples of OS_MAP_PAGE. ERR_BAD when misaligned or
 * outside the disk, ERR_EXIST when something is attached there, ERR_LIMIT past OS_MAP_EXTENTS.
 */
MUST_CHECK int os_map_attach(void *at, unsigned disk, uint64_t offset, uint64_t n);
/*
 * Copies from attached extents to ordinary memory: as reading them, but a read error of the device
 * is returned as ERR_IO, no memory for a page as ERR_NOMEM, and a place without an extent as
 * ERR_BAD.
 */
MUST_CHECK int os_map_read(const void *at, void *p, size_t n);
/* Has the page at `at` stayed in memory since this was last asked of it? */
bool os_map_kept(const void *at);
/* Detach everything in a reserved range and give the range back. */
void os_map_release(void *at, uint64_t n);

/*
 * [offset, offset + n) of the disk now holds `p`: bring pages in memory up to date. To be called
 * when the write has completed and before anybody is told so. `p` must not lie in a map.
 */
void os_map_written(unsigned disk, uint64_t offset, const void *p, size_t n);

struct os_map_stats {
	uint64_t faults;       /* touches that waited for the device */
	uint64_t pages_read;   /* including read-around */
	uint64_t evictions;    /* pages forgotten to make room */
	uint64_t cached_pages; /* in memory now */
	uint64_t max_pages;    /* bound of cached_pages */
};
void os_map_stats(struct os_map_stats *out);
/* At most this many bytes in memory (at least 256 KiB); default a quarter of the machine's. */
void os_map_limit(size_t bytes);

#endif
