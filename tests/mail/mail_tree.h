/* SPDX-License-Identifier: ISC */
/*
 * A mail branch as plain lists, for tests: written to a tree, and read back by a strict reader of
 * docs/mail-layout.md that shares no code with services/mail. Anything not to the letter fails.
 */
#ifndef TESTS_MAIL_MAIL_TREE_H
#define TESTS_MAIL_MAIL_TREE_H

#include "store/store.h"

#define MT_BOXES 24
#define MT_MSGS  160
#define MT_LANES 12
#define MT_KW    4

struct mt_box {
	char id[17];    /* 16 hex digits; "": only a subscription is left */
	char path[400]; /* levels as people see them, joined by '/' */
	char use[12];
	bool subscribed;
	long created;
};
struct mt_msg { /* one message in one mailbox */
	char box[17];
	uint32_t lane, seq;
	uint8_t blob[20];
	long internal, saved;
	char flags[8];
	uint32_t kw; /* bit i: mt_words[i] */
};
struct mt_lane {
	uint32_t lane, seq;
};
struct mt {
	size_t box_n, msg_n, lane_n;
	struct mt_box box[MT_BOXES];
	struct mt_msg msg[MT_MSGS];
	struct mt_lane lane[MT_LANES];
};
extern const char *const mt_words[MT_KW];

/* Sorts, so that equal content is equal memory. */
void mt_sort(struct mt *t);
/* Makes the tree (names must need no escaping, no two differ only by case). */
void mt_write(struct store_oid *tree, struct store *s, const struct mt *t);
/* Reads and checks; NULL or what is wrong. Boxes come sorted by id, messages by box and identity. */
const char *mt_read(struct mt *t, struct store *s, const struct store_oid *tree);
/* What one tree and another differ in, for a failure's message. */
const char *mt_differ(const struct mt *a, const struct mt *b);

#endif
