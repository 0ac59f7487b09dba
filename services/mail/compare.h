/* SPDX-License-Identifier: ISC */
/*
 * What differs between two trees of a mail branch, told as mail: mailboxes paired by id, messages
 * by lane and seq. Descends only where the trees differ; holds 8,192 identities at a time.
 *
 *	struct mail_compare *c;
 *	err = mail_compare_begin(&c, store, old_tree, new_tree);
 *	for (i = 0; i < c->pair_count; i++) ...            mailboxes that differ
 *	while ((err = mail_compare_next(&changes, &n, c)) == 0 && n > 0)
 *		...                                         messages, n of them
 *	mail_compare_end(c);
 *
 * Reads alone, so nothing here BLOCKS; yield between two calls.
 */
#ifndef SERVICES_MAIL_COMPARE_H
#define SERVICES_MAIL_COMPARE_H

#include "services/mail/mailbox_impl.h"

enum { MAIL_OLD, MAIL_NEW }; /* the two sides */

struct mail_pair { /* a mailbox, by id: where it stands on each side */
	struct mail_half {
		struct mail_side at;   /* `present` false: not on this side */
		struct str path, name; /* folder; as people know it */
		struct mail_file file;
	} side[2];
};

enum mail_change_kind {
	MAIL_CAME,  /* is in `to`, was nowhere that differs */
	MAIL_WENT,  /* was in `from` */
	MAIL_MOVED, /* from `from` to `to` */
	MAIL_LINE   /* flags or dates in `to`, which is `from` */
};
struct mail_change {
	enum mail_change_kind kind;
	uint32_t from, to; /* indices of pairs */
	uint32_t lane, seq;
	struct store_oid blob;
	struct mail_line line[2]; /* by side; what it has in `from`, in `to` */
};

struct mail_compare {
	struct store *s;
	struct mail_pair *pairs; /* sorted by the name known */
	size_t pair_count;
	struct arena names;
	struct mail_compare_impl *impl;
};
#define MAIL_PAIRS_ARENA (16 * 1024 * 1024)
/* The mailboxes alone: malloc'ed, also when it fails; names in the arena. A tree NULL is empty. */
MUST_CHECK int mail_pairs(struct mail_pair **out, size_t *n, struct arena *a, struct store *s,
	const struct store_oid *old_tree, const struct store_oid *new_tree);
MUST_CHECK int mail_compare_begin(struct mail_compare **out, struct store *s,
	const struct store_oid *old_tree, const struct store_oid *new_tree);
void mail_compare_end(struct mail_compare *c);
/* The next changes, in order of lane and seq, borrowed until the next call; *n 0: no more. */
MUST_CHECK int mail_compare_next(struct mail_change **out, size_t *n, struct mail_compare *c);

#endif
