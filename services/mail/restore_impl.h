/* SPDX-License-Identifier: ISC */
/*
 * One restore under way:
 *	restore_scope.c   what a path names
 *	restore_plan.c    what becomes of every mailbox, and which messages change
 *	restore_boxes.c   mailboxes made, renamed, removed in an edit
 *	restore.c         batches of messages, edits, commits
 */
#ifndef SERVICES_MAIL_RESTORE_IMPL_H
#define SERVICES_MAIL_RESTORE_IMPL_H

#include "services/mail/restore.h"

struct target {                      /* what becomes of a pair */
	bool make, rename, change;   /* ... is to be done */
	bool remove;                 /* goes with all it holds */
	bool remove_empty;           /* undo: goes if nothing is left in it */
	bool kept;                   /* its name is taken */
	bool wanted_old, wanted_new; /* the path names it, as it is called on that side */
	int64_t alias;               /* the pair whose mailbox takes its mail; -1: itself */
	/* in the edit under way */
	bool resolved, here;
	struct str path;
	struct restored_box { /* what a rename carries along */
		bool has;
		struct store_oid oid;
	} carried[3];
};
struct box_done {
	enum mail_done done;
	uint32_t pair;
};
struct restoring {
	struct mail_restore *r;
	struct mail_account *a;
	struct mail_compare *c;
	struct mail_scope scope;
	struct store_oid now; /* tree of the tip we began at */
	struct str marks;     /* undo: .lanes as it was before what is undone */
	struct arena arena;
	struct target *targets; /* by pair */
	/* the edit under way */
	struct mail_edit *w;
	struct arena edit_arena;
	bool changed, boxes_done;
	struct box_done *told; /* to tell when it is durable */
	size_t told_count, told_cap;
	/* messages of the next edit */
	struct mail_change *batch;
	size_t batch_count, batch_cap;
	struct arena batch_arena; /* their keywords */
	size_t batch_bytes;
	bool *done;
	struct mail_change *block; /* at hand, not all taken */
	size_t block_count, block_at;
	bool at_end;
};
/* Decides about mailboxes; no edit yet. */
MUST_CHECK int restore_plan(struct restoring *g);
/* Is it wanted? Then as it is to be done: to and from are mailboxes there are. */
bool restore_wants(struct mail_change *ch, struct restoring *g);
/* Where the mail of a pair goes in this edit; NULL: nowhere. BLOCKS not. */
MUST_CHECK int restore_place(
	struct mail_place *out, bool *here, struct restoring *g, uint32_t pair);
/* Removes, renames, makes, changes mailboxes. */
MUST_CHECK int restore_boxes(struct restoring *g);
/* Undo: those that were made and are empty again. */
MUST_CHECK int restore_empty_boxes(struct restoring *g);
MUST_CHECK int restore_tell_box(struct restoring *g, enum mail_done done, uint32_t pair);

#endif
