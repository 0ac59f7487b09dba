/* SPDX-License-Identifier: ISC */
/*
 * Sequence sets (RFC 3501 9): "1,3:5,10:*", of message numbers or of UIDs.
 *
 *	imap_set_parse(&set, &rd);
 *	imap_set_resolve(&set, last);        last: the number or UID '*' stands for; 0: nothing there
 *	if (imap_set_has(&set, 4)) ...       ranges are now ascending and disjoint
 */
#ifndef SERVICES_MAIL_IMAP_SEQ_H
#define SERVICES_MAIL_IMAP_SEQ_H

#include "services/mail/imap_wire.h"

struct imap_range {
	uint32_t from, to; /* before resolving, 0 stands for '*' */
};
struct imap_set {
	struct imap_range *r;
	size_t n;
};
/* Ranges in the reader's arena; errors in the reader. */
void imap_set_parse(struct imap_set *out, struct imap_rd *rd);
/* With last == 0 ranges that name '*' vanish. */
void imap_set_resolve(struct imap_set *s, uint32_t last);
bool imap_set_has(const struct imap_set *s, uint32_t v); /* resolved sets only */
uint32_t imap_set_max(const struct imap_set *s);         /* 0: empty */

/* Writes ascending or arbitrary numbers as a set, joining neighbours, through `put`. */
struct imap_set_text {
	void (*put)(void *ctx, struct str text);
	void *ctx;
	uint32_t from, to;
	bool any;
};
void imap_set_add(struct imap_set_text *t, uint32_t v);
void imap_set_add_range(struct imap_set_text *t, uint32_t from, uint32_t to);
void imap_set_flush(struct imap_set_text *t); /* after the last */

#endif
