/* SPDX-License-Identifier: ISC */
/* Between mailbox_derive.c, which finds what differs, and mailbox_rows.c, which writes it down. */
#ifndef SERVICES_MAIL_MAILBOX_DERIVE_IMPL_H
#define SERVICES_MAIL_MAILBOX_DERIVE_IMPL_H

#include "services/mail/mailbox_impl.h"

struct mail_event { /* a mailbox that is not the same in both, wherever it stands in them */
	struct mail_box_key key;
	struct mail_side old, new;
	struct mail_box_rec rec;
	struct mail_count count;
	size_t hint_count;
	bool taken; /* its numbers are another endpoint's */
};
struct mail_drop { /* a message that left */
	size_t event;
	uint32_t lane, seq;
};
struct mail_fresh { /* a message that entered and has no UID yet */
	uint32_t lane, seq;
	int64_t saved_sec;
	struct store_oid blob;
};
struct mail_takeover;
struct mail_derive {
	struct store_derive *d;
	struct store *s;
	struct mail *m; /* or NULL */
	struct str ref;
	uint64_t seq;
	struct mail_account_rec account;
	struct mail_takeover *taking; /* NULL nearly always: mailbox_snapshot_impl.h */
	bool list_changed;
	struct arena arena; /* of the walk */
	struct mail_event *events;
	size_t event_count, event_cap;
	struct mail_drop *drops;
	size_t drop_count, drop_cap;
	struct mail_fresh *fresh;
	size_t fresh_count, fresh_cap;
	size_t current; /* the event being worked on */
	struct buf path, text;
	struct arena leaf_arena;
	struct mail_leaf leaf, before; /* `leaf` is that of (leaf_event, leaf_lane, leaf_first) */
	bool leaf_valid;
	size_t leaf_event;
	uint32_t leaf_lane, leaf_first;
	struct mail_key key;
	struct mail_value value;
};
/* Numbers and rows for every event. */
MUST_CHECK int mail_derive_rows(struct mail_derive *d);
/* A UIDVALIDITY above all that the account ever had. */
MUST_CHECK int mail_derive_validity(uint32_t *out, struct mail_derive *d);

#endif
