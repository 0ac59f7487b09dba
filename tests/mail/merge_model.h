/* SPDX-License-Identifier: ISC */
/* Random histories of mail trees, and what their merge must be, worked out item by item. */
#ifndef TESTS_MAIL_MERGE_MODEL_H
#define TESTS_MAIL_MERGE_MODEL_H

#include "tests/mail/mail_tree.h"

extern uint8_t mm_blobs[6][20]; /* what messages hold; the test makes them */
struct mm {                     /* one replica's history */
	struct mt t;
	uint64_t *seed;
	uint32_t lane, next;
	long clock;
	bool gentle; /* nothing is deleted, expunged or renamed */
};
/* INBOX and Archive, nothing else. */
void mm_init(struct mm *m, uint64_t *seed);
/* Another replica that starts where `m` is. */
void mm_fork(struct mm *out, const struct mm *m, uint32_t lane, long clock);
void mm_step(struct mm *m);
/* Mailboxes that only a subscription is left of are not in it. */
void mm_merge(
	struct mt *out, const struct mt *base, const struct mt *ours, const struct mt *theirs);
/* Takes out mailboxes that only a subscription is left of. */
void mm_strip(struct mt *t);

#endif
