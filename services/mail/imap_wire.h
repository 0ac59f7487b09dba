/* SPDX-License-Identifier: ISC */
/*
 * The IMAP wire without I/O: where a command ends, and what its words are (RFC 3501 9).
 *
 *	imap_scan_begin(&scan);
 *	switch (imap_scan(&scan, chunk)) {        chunk: a piece of a line, LF at most at its end
 *	case IMAP_MORE:                           give the next piece
 *	case IMAP_LITERAL:                        scan.literal bytes follow, then the next line
 *	case IMAP_LINE:                           the command is whole
 *	}
 *
 * The bytes so collected, literals included as they came, are then read with a cursor whose
 * error is sticky:
 *	imap_rd_init(&rd, text, &arena);
 *	imap_sp(&rd);
 *	struct str name = imap_astring(&rd);
 *	imap_end(&rd);
 *	if (rd.why) ... "BAD expected a space"
 */
#ifndef SERVICES_MAIL_IMAP_WIRE_H
#define SERVICES_MAIL_IMAP_WIRE_H

#include "os/base.h"

enum imap_step { IMAP_MORE, IMAP_LINE, IMAP_LITERAL };
struct imap_scan {
	bool quoted, escaped;
	uint8_t at;       /* how much of a literal's announcement was seen */
	bool sync;        /* the client waits for "+" */
	uint64_t literal; /* saturates */
};
void imap_scan_begin(struct imap_scan *s);
/* After IMAP_LITERAL or IMAP_LINE the next chunk starts a line. */
enum imap_step imap_scan(struct imap_scan *s, struct str chunk);

struct imap_rd {
	const char *at, *end;
	struct arena *a;
	const char *why; /* first thing that was wrong; NULL while all is well */
};
/* `text` is borrowed; a CRLF at its end is no part of the command. */
void imap_rd_init(struct imap_rd *rd, struct str text, struct arena *a);
void imap_rd_fail(struct imap_rd *rd, const char *why); /* keeps the first */

/* Words are borrowed from the text, or from the arena where something had to be unescaped. */
int imap_peek(const struct imap_rd *rd);   /* next byte, -1 at the end or after an error */
bool imap_try(struct imap_rd *rd, char c); /* take it if it is next */
void imap_expect(struct imap_rd *rd, char c);
void imap_sp(struct imap_rd *rd);
void imap_end(struct imap_rd *rd);
struct str imap_tag(struct imap_rd *rd);
struct str imap_atom(struct imap_rd *rd);
struct str imap_word(struct imap_rd *rd); /* letters, digits, '.', '-': names of items */
bool imap_try_word(struct imap_rd *rd, const char *word);
struct str imap_string(struct imap_rd *rd);
struct str imap_astring(struct imap_rd *rd);
struct str imap_pattern(struct imap_rd *rd);   /* list-mailbox */
struct str imap_flag_text(struct imap_rd *rd); /* "\Seen" or an atom */
uint32_t imap_number(struct imap_rd *rd);      /* 32 bits */
uint32_t imap_nz(struct imap_rd *rd);          /* the same but 0 */
uint64_t imap_number64(struct imap_rd *rd);    /* 63 bits */
/* At "{n}" or "{n+}" that ends the text: takes it, the bytes are not here. */
void imap_literal_head(struct imap_rd *rd);

/* ---- dates: imap_date.c ---- */
int64_t imap_date(struct imap_rd *rd);      /* days since 1970; quoted or not */
int64_t imap_date_time(struct imap_rd *rd); /* Unix seconds; quoted */
#define IMAP_DATE_TEXT 64
/* "17-Jul-1996 02:44:25 +0000"; returns `out`. */
const char *imap_date_text(char out[static IMAP_DATE_TEXT], int64_t unix_sec);

/* ---- writing words ---- */
/* As quoted string, or as a literal when it holds what cannot be quoted. */
void imap_put_string(struct buf *out, struct str s);
bool imap_is_atom(struct str s);

#endif
