/* SPDX-License-Identifier: ISC */
/*
 * What a service says of its own history, so that log, show, diff and restore speak of messages or
 * events, not of files. A service gives these functions with its control_config; without them, and
 * of a branch it does not speak of, history is told in files.
 *
 * A row is a JSON object {change, text, ...}: `change` is one of the service's words for programs,
 * `text` the whole for people, without dates, which stand beside it in Unix seconds as `date`.
 *
 * A path is the service's own, as people know it: "work/plans", not the folders of the branch.
 */
#ifndef SERVICES_CONTROL_WORDS_H
#define SERVICES_CONTROL_WORDS_H

#include "store/lines.h"

#include <jansson.h>

/* Takes the row over. May BLOCK. < 0 stops and is returned, ERR_CLOSED meaning "enough". */
typedef int control_row_fn(void *ctx, json_t *row);
/* A commit that changed what `path` named; `path` is what it is called at that commit. May BLOCK. */
typedef int control_commit_fn(void *ctx, const struct store_commit *c, struct str path);

struct control_walk {
	struct str ref, path;
	struct store_lines from; /* at least one; more where a walk goes on */
	uint64_t scan_max;       /* commits looked at */
	bool goes_on;            /* from `next`: no error if nothing more is found */
	control_commit_fn *fn;
	void *ctx;
	/* results: where to go on when scan_max was reached, or fn had enough (it may set the first and
	 * the last of them): with the commit that it was given last */
	bool more;
	struct store_lines next;
	struct str next_path; /* in the arena */
};
struct control_restore {
	struct str ref, path;
	struct store_oid to;
	struct store_oid from; /* undo: takes back what came after `to` up to this */
	bool undo, exact, dry_run;
	control_row_fn *row; /* what was done, or would be */
	void *ctx;
	/* results */
	struct store_oid before, first, last; /* `last` is the tip when there are commits */
	uint32_t commits;
	json_t *counts; /* by the words of the rows; the caller's */
};
struct control_words {
	bool (*speaks)(void *ctx, const struct store_oid *tree); /* of this kind of tree */
	/* What changed from one tree (NULL: an empty one) to another below `path`. BLOCKS in fn. */
	int (*diff)(void *ctx, struct str ref, const struct store_oid *old_tree,
		const struct store_oid *new_tree, struct str path, control_row_fn *fn, void *to);
	/* Newest first; follows what was renamed. BLOCKS. */
	int (*log)(void *ctx, struct arena *a, struct control_walk *w);
	/* The newest commit in which stood what stands no more. ERR_EXIST: it is there; ERR_NOENT. */
	int (*last)(struct store_oid *out, void *ctx, struct str ref, struct str path);
	int (*restore)(void *ctx, struct control_restore *r);
	void *ctx;
};

/* A JSON string of bytes that may not be UTF-8: what is not is shown as U+FFFD. */
json_t *control_text(struct str s);

#endif
