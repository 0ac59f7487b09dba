/* SPDX-License-Identifier: ISC */
/*
 * A disk in memory that loses what was not flushed, and fails when told to.
 *
 *	struct fake_disk *f = fake_disk_new(8 << 20);
 *	... store_format(&f->d); store_open(&s, &f->d, NULL) ...
 *	struct fake_disk *after = fake_disk_cut(f, &seed);     as a power cut here might leave it
 *	... store_open(&again, &after->d, NULL) ...
 *	os_disk_close(&after->d);
 *
 * Every read and write lets other fibers run, as a real disk does.
 */
#ifndef TESTS_FAKE_DISK_H
#define TESTS_FAKE_DISK_H

#include "os/disk.h"

struct fake_write;
struct fake_tape;
struct fake_disk {
	struct os_disk d;
	uint8_t *live;    /* what reads and maps show */
	uint8_t *durable; /* what was flushed */
	int live_fd;      /* the file behind `live` */
	struct fake_write *pending, **pending_end;
	uint64_t reads, writes, flushes, serial;
	/* Knobs. */
	bool ignores_flush;     /* says 0 and does nothing: the lie the tests must catch */
	bool eager;             /* do not let others run in between */
	uint64_t fail_after;    /* operations until everything fails; 0: never */
	bool fails_reads;       /* else only writes and flushes fail */
	uint64_t bad_at, bad_n; /* bytes that can't be read until they are written */
	uint64_t again_at;      /* the page of it leaves memory once; 0: none */
	void (*on_flush)(struct fake_disk *f); /* before a flush takes effect */
	void (*on_op)(struct fake_disk *f);    /* before a write or flush takes effect */
	struct fake_tape *tape;                /* records them (tests/fake/tape.h) */
	void *ctx;
};

struct fake_disk *fake_disk_new(uint64_t bytes);
/* A disk on which each operation fails with ERR_IO. */
struct fake_disk *fake_disk_broken(uint64_t bytes);
/*
 * What a power cut may leave: what was flushed, and of the rest any selection, in any order,
 * torn at any sector.
 */
struct fake_disk *fake_disk_cut(const struct fake_disk *f, uint64_t *seed);
/* Nothing but what was flushed. */
struct fake_disk *fake_disk_sure(const struct fake_disk *f);
uint64_t fake_random(uint64_t *seed);

#endif
