/* SPDX-License-Identifier: ISC */
/*
 * Everything a fake disk was told, in order, so that any moment of it can be played again:
 *
 *	struct fake_tape t = { 0 };
 *	f->tape = &t;
 *	... work on f; t.n operations so far ...
 *	struct fake_player p;
 *	fake_player_init(&p, &t, f->d.size_bytes);
 *	for (size_t i = 0; i <= t.n; i++) {
 *		struct fake_disk *g = fake_player_cut(&p, i, FAKE_TORN, &seed);
 *		... what a power cut after i operations may leave ...
 *		os_disk_close(&g->d);
 *	}
 *	fake_player_free(&p);
 *	fake_tape_free(&t);
 */
#ifndef TESTS_FAKE_TAPE_H
#define TESTS_FAKE_TAPE_H

#include "tests/fake/disk.h"

void *fake_realloc(void *p, size_t n); /* never NULL */

struct fake_op {
	uint8_t *bytes; /* NULL: a flush */
	uint64_t at;
	size_t n;
	size_t sure; /* of a flush: operations before this one were complete when it began */
	bool done;   /* of a write, while playing: on the disk for good */
};
struct fake_tape {
	struct fake_op *ops;
	size_t n, cap;
};
void fake_tape_write(struct fake_tape *t, uint64_t at, const void *p, size_t n);
void fake_tape_flush(struct fake_tape *t, size_t sure);
void fake_tape_free(struct fake_tape *t);

/*
 * Of the writes no flush covers: none, all, any selection in any order, the same torn at sectors, all
 * but the first, the last alone (what a flush left out lets happen), any selection with sectors among
 * them that hold neither the old nor the new. Or only the program was killed: all of them are there
 * to be read, and still not flushed.
 */
enum fake_cut {
	FAKE_NONE,
	FAKE_ALL,
	FAKE_SOME,
	FAKE_TORN,
	FAKE_FIRST_LOST,
	FAKE_LAST_ALONE,
	FAKE_GARBLED,
	FAKE_KILL,
	FAKE_CUTS
};

struct fake_player {
	struct fake_tape *tape;
	uint64_t size_bytes;
	size_t at;
	uint8_t *sure;    /* what is on the disk for good */
	uint8_t *touched; /* by 64 KiB */
};
/* The tape began on an empty disk of that size. */
void fake_player_init(struct fake_player *p, struct fake_tape *t, uint64_t size_bytes);
/* Points may only grow. The disk is `eager`. */
struct fake_disk *fake_player_cut(
	struct fake_player *p, size_t point, enum fake_cut how, uint64_t *seed);
void fake_player_free(struct fake_player *p);

#endif
