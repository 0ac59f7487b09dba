/* SPDX-License-Identifier: ISC */
/* An ENVELOPE (RFC 3501 7.4.2) read back: SEARCH asks it rather than the message. No I/O. */
#ifndef SERVICES_MAIL_IMAP_ENVELOPE_H
#define SERVICES_MAIL_IMAP_ENVELOPE_H

#include "services/mail/imap_wire.h"

enum imap_envelope_field {
	IMAP_ENVELOPE_DATE,
	IMAP_ENVELOPE_SUBJECT,
	IMAP_ENVELOPE_FROM,
	IMAP_ENVELOPE_SENDER,
	IMAP_ENVELOPE_REPLY_TO,
	IMAP_ENVELOPE_TO,
	IMAP_ENVELOPE_CC,
	IMAP_ENVELOPE_BCC,
	IMAP_ENVELOPE_IN_REPLY_TO,
	IMAP_ENVELOPE_MESSAGE_ID,
	IMAP_ENVELOPE_FIELDS
};
struct imap_envelope {
	struct str field[IMAP_ENVELOPE_FIELDS]; /* .p NULL for NIL; addresses as they stand in it */
};
/* Borrowed from the text or the reader's arena; errors in the reader. */
void imap_envelope_read(struct imap_envelope *out, struct imap_rd *rd);
/* A field as people read it, decoded and case-folded: a string, or "Name <user@host>, ...". */
void imap_envelope_text(struct buf *out, struct arena *a, const struct imap_envelope *e,
	enum imap_envelope_field f);

#endif
