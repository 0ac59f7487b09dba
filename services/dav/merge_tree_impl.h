/* SPDX-License-Identifier: ISC */
/* Inside the merge of a branch of collections (merge_tree.c, merge_unique.c). */
#ifndef SERVICES_DAV_MERGE_TREE_IMPL_H
#define SERVICES_DAV_MERGE_TREE_IMPL_H

#include "services/dav/dav_impl.h"
#include "services/dav/merge.h"

struct file { /* that a side changed */
	struct str path;
	bool has_before, has_after;
	struct store_oid before, after;
};
struct files { /* by path */
	struct file *v;
	size_t n, cap;
	struct arena *a;
};
struct put { /* a file that stands the same on both sides from now on */
	struct str path;
	struct store_oid blob;
};
struct held { /* an item of the result */
	struct str folder, name, uid, path;
	struct store_oid blob;
};

struct tree_merge {
	const struct dav_service *service;
	struct store_edit *e;
	struct store *s;
	struct buf *notes;
	bool has_base;
	struct store_oid base, ours, theirs;
	struct arena a, scratch;
	struct files of[2]; /* changed by ours, by theirs */
	bool at_theirs;     /* the edit */
	struct put *puts;
	size_t put_n, put_cap;
	struct held *
		old; /* what a side changed or deleted, as the base had it; once it was asked for */
	size_t old_n;
	unsigned turns;
};

/* ---- merge_tree.c ---- */
int merge_too_large(void); /* ERR_LIMIT */
/* Forgets the scratch arena; lets others run now and then. */
void merge_turn(struct tree_merge *m);
/* By path: what differs between the base and `side`. */
MUST_CHECK int merge_changes(struct files *out, struct tree_merge *m, const struct store_oid *side);
/* An item's blob in the scratch arena; ERR_LIMIT: larger than any item. */
MUST_CHECK int merge_blob(struct str *out, struct tree_merge *m, const struct store_oid *id);
/* Two states of an item, in the scratch arena; as wholes where both are items for a collection of the service,
 * and what they come to is none any more (its limits). */
MUST_CHECK int merge_items(struct dav_merged *out, struct tree_merge *m, const struct str *base,
	struct str x, struct str y);
/*
 * Puts a copy beside the item, and says so. One that is there already was made by the same merge before,
 * and may have been edited since. *path .p NULL: nothing was put. `result`: the edit has the result, else
 * the copy must be on neither side.
 */
MUST_CHECK int merge_put_copy(struct str *path, struct tree_merge *m, const struct dav_merged *d,
	struct str folder, struct str name, bool result);

/* ---- merge_unique.c ---- */
/* A UID stands once in a collection: of two items the lower name has what both come to. */
MUST_CHECK int merge_unique(struct tree_merge *m);

#endif
