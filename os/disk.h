/* SPDX-License-Identifier: ISC */
/*
 * A block device: `virt` a virtio disk, `unix` a file of fixed size named by the boot
 * argument `disk0=PATH` (the same bytes serve both). Tests have an in-memory one and one
 * that fails or loses unflushed writes, so it is a struct of functions.
 */
#ifndef OS_DISK_H
#define OS_DISK_H

#include "os/fiber.h"

#define OS_SECTOR_BYTES 512

struct os_disk;
struct os_disk_ops {
	/* Multiples of OS_SECTOR_BYTES, inside the disk; 0 or ERR_IO. BLOCKS this fiber only. */
	int (*read)(struct os_disk *, uint64_t offset, void *p, size_t n);
	int (*write)(struct os_disk *, uint64_t offset, const void *p, size_t n);
	/* When it returns 0, every write completed before the call is on stable storage. BLOCKS. */
	int (*flush)(struct os_disk *);
	/*
	 * Any place and size inside the disk, without letting another fiber run; what the machine
	 * keeps of it in memory is copied from there. 0, ERR_IO, ERR_NOMEM.
	 */
	int (*read_now)(struct os_disk *, uint64_t offset, void *p, size_t n);
	/*
	 * Read-only view put together of parts of the disk: `n` bytes of addresses, without memory
	 * behind them (ERR_NOMEM); then [offset, offset + n) shown at `at` inside them, kept
	 * coherent with write(); pages come and go behind it. All multiples of 4096. A touch that
	 * the device can't serve panics. NULL: this kind of disk can't.
	 */
	int (*map_reserve)(void **at, struct os_disk *, uint64_t n);
	int (*map_at)(struct os_disk *, void *at, uint64_t offset, uint64_t n);
	void (*map_release)(struct os_disk *, void *at, uint64_t n);
	/*
	 * Copies from a map, at a place where `offset` of the disk is shown, what a touch would read;
	 * ERR_IO where it would panic. A touch right afterwards does not.
	 */
	int (*map_read)(struct os_disk *, const void *at, uint64_t offset, void *p, size_t n);
	/*
	 * Has the page at `at`, where `offset` is shown, stayed in memory since this was last asked of
	 * it? If not, the device may read it again, and wrongly. NULL: nobody knows.
	 */
	bool (*map_kept)(struct os_disk *, const void *at, uint64_t offset);
	void (*close)(struct os_disk *);
};
struct os_disk {
	const struct os_disk_ops *ops;
	uint64_t size_bytes;
};

/* The machine's disk number `index`; ERR_NOENT when there is none. */
MUST_CHECK int os_disk_open(struct os_disk **out, unsigned index);
/*
 * A file as a disk (unix only). With size_bytes > 0 the file is made, sparse, if absent; an
 * existing one keeps its size. Takes an advisory lock; ERR_BUSY when another process has it.
 */
MUST_CHECK int os_disk_file(struct os_disk **out, const char *path, uint64_t size_bytes);

MUST_CHECK int os_disk_read(struct os_disk *d, uint64_t offset, void *p, size_t n);
MUST_CHECK int os_disk_read_now(struct os_disk *d, uint64_t offset, void *p, size_t n);
MUST_CHECK int os_disk_write(struct os_disk *d, uint64_t offset, const void *p, size_t n);
MUST_CHECK int os_disk_flush(struct os_disk *d);
void os_disk_close(struct os_disk *d);

#endif
