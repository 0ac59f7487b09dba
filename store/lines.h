/* SPDX-License-Identifier: ISC */
/*
 * History by all parents, newest first by date, each commit once: what happened to something, as
 * `git log -- path` tells it. What is followed has a state in every commit, which the caller knows:
 * a commit in whose parents it was all different changed it; one that has it as a parent does is
 * followed through that parent alone.
 *
 *	struct store_lines l = { .open = { tip }, .n = 1 };
 *	err = store_lines_walk(&l, s, &ops, ctx, 20000);       ops->told for each that changed it
 *	... l.n > 0: there is more; the same call goes on from there, also much later ...
 *
 * Open lines, where histories run side by side, are all it remembers from one call to the next; what
 * two of them lead to is told once, but where dates lie, or a commit and one after it are of the same
 * second, again after a call that ended between. Where there are STORE_LINES_MAX lines a merge is
 * followed by its first parent alone.
 */
#ifndef STORE_LINES_H
#define STORE_LINES_H

#include "store/store.h"

#define STORE_LINES_MAX 16

struct store_lines {
	struct store_oid open[STORE_LINES_MAX];
	size_t n;
};
struct store_lines_ops {
	size_t state_bytes; /* copied as they are */
	/*
	 * The state in `tree`, into `state`; `newer` NULL: where a line begins, else the state in a
	 * commit of `newer_tree` that comes after it.
	 */
	int (*look)(void *ctx, void *state, const struct store_oid *tree, const void *newer,
		const struct store_oid *newer_tree);
	bool (*same)(const void *a, const void *b);
	/* This commit changed it. `before`: in its first parent; NULL: it has none, or none is kept.
	 * < 0 stops; ERR_CLOSED: enough, this one is to be told again. May BLOCK. */
	int (*told)(void *ctx, const struct store_commit *c, const void *state, const void *before);
};
/* 0 also when there is more: after `scan_max` commits looked at, or when told ERR_CLOSED. BLOCKS. */
MUST_CHECK int store_lines_walk(struct store_lines *l, struct store *s,
	const struct store_lines_ops *ops, void *ctx, uint64_t scan_max);

#endif
