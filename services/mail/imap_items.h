/* SPDX-License-Identifier: ISC */
/* What a FETCH asks for (RFC 3501 6.4.5), parsed; no I/O. */
#ifndef SERVICES_MAIL_IMAP_ITEMS_H
#define SERVICES_MAIL_IMAP_ITEMS_H

#include "services/mail/imap_wire.h"

#define IMAP_ITEMS_MAX  100
#define IMAP_FIELDS_MAX 1000 /* header fields named in one item */
#define IMAP_PATH_MAX   64   /* levels of a section number */

enum imap_item_kind {
	IMAP_FLAGS,
	IMAP_UID,
	IMAP_INTERNALDATE,
	IMAP_SIZE,
	IMAP_MODSEQ,  /* RFC 7162 */
	IMAP_EMAILID, /* RFC 8474 */
	IMAP_THREADID,
	IMAP_SAVEDATE, /* RFC 8514 */
	IMAP_ENVELOPE,
	IMAP_BODY,
	IMAP_BODYSTRUCTURE,
	IMAP_SECTION
};
enum imap_section { /* of the message, or of the part that `path` names */
	IMAP_SECTION_ALL,
	IMAP_SECTION_HEADER,
	IMAP_SECTION_FIELDS,
	IMAP_SECTION_FIELDS_NOT,
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME
};
struct imap_item {
	enum imap_item_kind kind;
	enum imap_section section;
	uint32_t *path;
	size_t path_count;
	struct str *fields;
	size_t field_count;
	bool partial;
	uint32_t offset, length;
	struct str label; /* as the answer names it */
};
struct imap_items {
	struct imap_item *v;
	size_t n;
	bool marks_seen; /* something was not BODY.PEEK */
	bool flags;      /* are among them */
	bool modseq;     /* is */
	bool summary;    /* mail_summary is needed */
	bool tree;       /* so is the structure */
};
/* Adds MODSEQ unless it is there. */
void imap_items_modseq(struct imap_items *out, struct imap_rd *rd);
/* In the reader's arena; errors in the reader. With `uid` there is a UID among them. */
void imap_items_parse(struct imap_items *out, struct imap_rd *rd, bool uid);

#endif
