/* SPDX-License-Identifier: ISC */
/*
 * Checking a push. What the device saw last is the merge base of its tip and the user's branch; from there
 * on only its own lanes may have grown:
 *	push.c         the order of things; what came, went and moved
 *	push_lanes.c   marks in .lanes, and whose a lane is
 *	push_files.c   leaves, .mailbox, and where a file may stand
 */
#ifndef SERVICES_MAIL_PUSH_IMPL_H
#define SERVICES_MAIL_PUSH_IMPL_H

#include "services/mail/mailbox_impl.h"
#include "services/mail/push.h"

#define PUSH_BASES 4 /* commits that both sides have; more are not looked at */

struct push_lane {
	uint32_t lane;
	uint32_t old; /* its mark in the base: the highest of several */
	uint32_t now; /* in the tip */
	uint32_t top; /* the highest seq that came */
	bool own;     /* the device's, or will be */
	bool fresh;   /* nobody's so far */
};
struct push_step { /* a message came to a mailbox, or went from one */
	uint32_t lane, seq;
	bool came;
	struct store_oid blob;
};
struct push {
	struct mail *m;
	struct store *s;
	const struct git_push *p;
	struct str ref; /* the user's branch */
	struct store_oid tree;
	struct store_oid base[PUSH_BASES]; /* trees */
	size_t base_n;
	struct arena arena;
	struct push_lane *lanes; /* sorted */
	size_t lane_n, lane_cap;
	struct push_step *steps;
	size_t step_n, step_cap;
	struct mail_entry *boxes;
	size_t box_n;
	const struct mail_entry *box; /* the last one asked for */
	struct buf leaf_done;         /* path of the last leaf that was checked */
	struct buf path, text;
	struct arena scratch; /* of one leaf */
	struct mail_leaf leaf, before;
	unsigned turns;
};

/* ---- push_lanes.c ---- */
MUST_CHECK int push_lanes_read(struct push *u);
struct push_lane *push_lane_of(struct push *u, uint32_t lane); /* NULL: without a mark */
/* The lanes that are new become the device's. BLOCKS */
MUST_CHECK int push_lanes_bind(struct push *u);

/* ---- push_files.c ---- */
struct push_place { /* where a path leads */
	enum { PUSH_STRAY, PUSH_LANES, PUSH_ATTRIBUTES, PUSH_BOX, PUSH_MESSAGE, PUSH_LEAF } kind;
	struct str box; /* folder of the mailbox */
	uint32_t lane, seq;
};
struct push_place push_place_of(struct str path);
MUST_CHECK int push_boxes_read(struct push *u);
/* Is there a mailbox in this folder? */
MUST_CHECK int push_box_known(struct push *u, struct str folder);
/* The leaf that serves lane.seq and the messages it speaks of fit each other. */
MUST_CHECK int push_leaf_check(struct push *u, struct str box, uint32_t lane, uint32_t seq);
/* The dates in a leaf are as they were. */
MUST_CHECK int push_dates_check(
	struct push *u, const struct store_oid *before, const struct store_oid *after);
MUST_CHECK int push_box_check(struct push *u, struct str box, const struct store_oid *after);
MUST_CHECK int push_attributes_check(struct push *u, const struct store_oid *after);

#endif
