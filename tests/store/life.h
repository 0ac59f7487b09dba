/* SPDX-License-Identifier: ISC */
/*
 * A busy life of a store and a model of what it must hold: writers, each a fiber with branches,
 * records and rows of its own and a folder of a branch they share, take numbered steps: edits small
 * and large, spools, refs moved together, folders deleted, packs received, branches merged, things
 * begun and given up. A step is one group or nothing, so a store found after a fault must show each writer's steps up to some k, whole.
 *
 *	struct life *l = life_new(seed, 4, 40);
 *	life_run(l, s);
 *	struct life_mark m;
 *	life_mark(&m, l);                       what is acknowledged now, what is begun
 *	...
 *	problems = life_check(l, again, &m, NULL);    `again` was opened on what was left of the disk
 */
#ifndef TESTS_STORE_LIFE_H
#define TESTS_STORE_LIFE_H

#include "tests/store/help.h"

#define LIFE_WRITERS 6

struct life;
struct life_mark {
	unsigned begun[LIFE_WRITERS], acked[LIFE_WRITERS];
	uint64_t seq;
};
/* Rows "<ref>:<path>" hold the size of the blob there. */
extern const struct store_driver life_driver;
/* The same, and it merges: by path, and a file "merges" tells of it. */
extern const struct store_driver life_merging_driver;

struct life *life_new(uint64_t seed, unsigned writers, unsigned steps);
void life_free(struct life *l);
/* While it runs, sweeps follow one another; no history is kept. */
void life_sweeps(struct life *l);
/* Returns when every writer made its steps, or one met an error (the first is returned). BLOCKS. */
int life_run(struct life *l, struct store *s);
void life_mark(struct life_mark *out, const struct life *l);

uint64_t life_freed(const struct life *l);  /* bytes, by sweeps */
unsigned life_merges(const struct life *l); /* that made a commit */

enum life_strict {
	LIFE_WHOLE,  /* everything is there */
	LIFE_DAMAGED /* reads may fail, with the code and the words of damage; never wrong bytes */
};
/*
 * Counts what is wrong with `s` for one that was acknowledged m->acked and had begun m->begun; the
 * first few are printed. Leaves in m the steps that were found: from then on nothing else will do.
 */
unsigned life_check(struct life *l, struct store *s, struct life_mark *m, enum life_strict how,
	unsigned *errors);

#endif
