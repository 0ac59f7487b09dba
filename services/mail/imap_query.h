/* SPDX-License-Identifier: ISC */
/* What a SEARCH asks for (RFC 3501 6.4.4, RFC 4731, RFC 5032, RFC 7162, 8474, 8514), parsed; no I/O. */
#ifndef SERVICES_MAIL_IMAP_QUERY_H
#define SERVICES_MAIL_IMAP_QUERY_H

#include "services/mail/imap_seq.h"

#define IMAP_QUERY_DEPTH 32
#define IMAP_QUERY_KEYS  1000
#define IMAP_NEEDLES_MAX 64   /* BODY and TEXT keys */
#define IMAP_NEEDLE_MAX  1024 /* bytes of a string searched for */

enum imap_key_op {
	IMAP_KEY_AND, /* no child: ALL */
	IMAP_KEY_OR,
	IMAP_KEY_NOT,
	IMAP_KEY_SEQ,
	IMAP_KEY_UID,
	IMAP_KEY_FLAG, /* all of num are set */
	IMAP_KEY_KEYWORD,
	IMAP_KEY_RECENT,
	IMAP_KEY_BEFORE, /* days, of the internal date */
	IMAP_KEY_ON,
	IMAP_KEY_SINCE,
	IMAP_KEY_SAVEDBEFORE, /* the same, of the day it entered the mailbox */
	IMAP_KEY_SAVEDON,
	IMAP_KEY_SAVEDSINCE,
	IMAP_KEY_MODSEQ,
	IMAP_KEY_EMAILID,
	IMAP_KEY_NONE, /* matches nothing */
	IMAP_KEY_LARGER,
	IMAP_KEY_SMALLER,
	IMAP_KEY_YOUNGER, /* seconds */
	IMAP_KEY_OLDER,
	IMAP_KEY_ENVELOPE, /* num: the field; from here on the message's rows are read */
	IMAP_KEY_SENTBEFORE,
	IMAP_KEY_SENTON,
	IMAP_KEY_SENTSINCE,
	IMAP_KEY_HEADER, /* name, text; from here on the message is */
	IMAP_KEY_BODY,   /* num: index of the needle */
	IMAP_KEY_TEXT
};
struct imap_key {
	enum imap_key_op op;
	struct imap_key *child, *next; /* children cheapest first */
	int64_t num;
	uint64_t bits;         /* of the keyword, for whoever evaluates */
	struct str name, text; /* text folded as mime_fold does */
	struct imap_set set;
	int cost;
};
enum { /* result options */
	IMAP_RETURN_MIN = 1,
	IMAP_RETURN_MAX = 2,
	IMAP_RETURN_COUNT = 4,
	IMAP_RETURN_ALL = 8
};
struct imap_query {
	struct imap_key *root;
	bool extended;    /* RETURN was there: answer ESEARCH */
	unsigned options; /* IMAP_RETURN_* */
	bool bad_charset;
	bool modseq;                            /* a key was MODSEQ: its highest is told */
	struct str needles[IMAP_NEEDLES_MAX];   /* folded */
	size_t needle_count, needle_bytes;      /* the longest */
	struct imap_key *sets[IMAP_QUERY_KEYS]; /* keys with a set or keyword to resolve */
	size_t set_count;
	size_t keys;
};
/* In the reader's arena; errors in the reader. */
void imap_query_parse(struct imap_query *q, struct imap_rd *rd);

#endif
