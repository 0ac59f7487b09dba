/* SPDX-License-Identifier: ISC */
/* Sections of a message: found first, so that an error can still be said, then written. */
#ifndef SERVICES_MAIL_IMAP_BODY_H
#define SERVICES_MAIL_IMAP_BODY_H

#include "services/mail/imap_impl.h"
#include "services/mail/imap_items.h"

struct imap_span {
	bool nil;          /* no such part */
	struct str text;   /* made in c->scratch; else .p NULL and */
	uint64_t from, to; /* these bytes of the message */
};
/* An IMAP_SECTION item; c->tree must be loaded if it has a path. */
MUST_CHECK int imap_span_of(struct imap_span *out, struct imap *c, const struct imap_item *it,
	const struct mail_msg *msg, const struct mail_summary *sum);
/* Label and literal, streamed. BLOCKS. */
void imap_put_span(struct imap *c, const struct imap_item *it, const struct mail_msg *msg,
	const struct imap_span *s);
/* Bytes [from, to) of a message in c->scratch, at most MIME_HEADER_MAX of them. */
MUST_CHECK int imap_load(
	struct str *out, struct imap *c, const struct mail_msg *msg, uint64_t from, uint64_t to);

#endif
