/* SPDX-License-Identifier: ISC */
/*
 * Does a message match a search? What is dear is read once a message, and only if a cheaper key
 * has not decided:
 *
 *	imap_match_begin(&x, c, query);                     resolves sets and keywords
 *	for (row...)
 *		r = imap_match(&x, row);                    1, 0, or an error
 *	imap_match_end(&x);
 */
#ifndef SERVICES_MAIL_IMAP_MATCH_H
#define SERVICES_MAIL_IMAP_MATCH_H

#include "services/mail/imap_body.h"
#include "services/mail/imap_envelope.h"
#include "services/mail/imap_query.h"

struct imap_field {
	struct str name, value; /* as in the header */
	struct str text;        /* decoded and folded; .p NULL until wanted */
};
struct imap_match {
	struct imap *c;
	const struct imap_query *q;
	int64_t now_sec;
	struct buf window, decoded; /* of the body, while it streams by */
	struct arena part;          /* for the decoder of one part */
	uint64_t work_bytes;        /* since the last yield */
	/* of the message at hand */
	size_t row;
	struct mail_msg m;
	bool have_summary, have_header, have_body;
	struct mail_summary summary;
	struct imap_envelope envelope;
	struct imap_field *fields;
	size_t field_count;
	bool in_head[IMAP_NEEDLES_MAX], in_body[IMAP_NEEDLES_MAX];
	size_t in_body_count;
	int err;
};
void imap_match_begin(struct imap_match *x, struct imap *c, const struct imap_query *q);
/* Sets *yes. A message that is gone does not match. BLOCKS when it yields. */
MUST_CHECK int imap_match(bool *yes, struct imap_match *x, size_t row);
void imap_match_end(struct imap_match *x);

#endif
