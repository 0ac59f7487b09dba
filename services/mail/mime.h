/* SPDX-License-Identifier: ISC */
/*
 * Internet messages: headers (RFC 5322, 2047, 6532) and MIME structure (RFC 2045-2049, 2183, 2231).
 * Pure: bytes are pushed in, facts come out; no I/O, no store. Tolerant of broken mail: there is
 * no input that fails, only input that is described as well as it can be. Limits below; past them
 * the rest of a message is opaque text of the last part.
 *
 *	struct mime_parser p;
 *	mime_begin(&p, &arena);
 *	while (more)
 *		mime_push(&p, chunk);                 any split, in order, from the first byte
 *	const struct mime_part *root = mime_end(&p);  NULL: arena full
 *	// root: offsets of header and body of every part, and what BODYSTRUCTURE says of it
 *
 * No message needs more than 8 MiB of the arena, and what most need is some 20 KiB.
 * The tree stores offsets into the message, so a partial FETCH reads only what it needs.
 */
#ifndef SERVICES_MAIL_MIME_H
#define SERVICES_MAIL_MIME_H

#include "os/base.h"

#define MIME_PARTS_MAX  10000
#define MIME_DEPTH_MAX  64
#define MIME_HEADER_MAX (256 * 1024) /* bytes of one header block that are looked at */

struct mime_param {
	struct str name,
		value; /* name lower-cased; RFC 2231 continuations joined and decoded to UTF-8 */
	struct str extended; /* joined, as written: utf-8'en'%41; .p NULL where it was not */
	struct mime_param *next;
};
struct mime_part {
	struct str type, subtype; /* as written; "text" "plain" where absent or broken */
	struct mime_param *params, *disposition_params;
	struct str id, description, encoding;            /* encoding: "7bit" where absent */
	struct str disposition, language, location, md5; /* .p NULL where absent */
	uint64_t header_at, body_at,
		end_at; /* offsets in the message: [header_at, body_at) has the empty line */
	uint64_t header_lines, body_lines;
	unsigned child_count;
	struct mime_part *child, *next,
		*parent;   /* message/rfc822 has one child: the message in it */
	struct str header; /* the header block kept for ENVELOPE: root and embedded messages only,
			      else STR_NONE */
};
struct mime_parser {
	struct arena *a;
	struct mime_impl *impl;
};
/* The value of the parameter `name` (lower-case), an RFC 2231 one before a plain one; STR_NONE. */
struct str mime_param(const struct mime_param *params, const char *name);

void mime_begin(struct mime_parser *p, struct arena *a);
void mime_push(struct mime_parser *p, struct str bytes);
const struct mime_part *mime_end(struct mime_parser *p);

/* ---- header fields ---- */
struct mime_header {
	struct str block; /* borrowed */
	size_t at;
};
void mime_header_begin(struct mime_header *h, struct str block);
/*
 * Next field: name without colon and surrounding space; value raw, folding and final line end
 * included; `whole` is the field with everything. A line that is no field is skipped as one with
 * an empty name. False at the end of the block.
 */
bool mime_header_next(
	struct str *name, struct str *value, struct str *whole, struct mime_header *h);
/* First field of this name (case-folded) with folding taken out and ends trimmed; STR_NONE if
 * absent. */
struct str mime_header_get(struct arena *a, struct str block, const char *name);

/* ---- addresses, RFC 5322 3.4 with the obsolete forms ---- */
struct mime_addr {
	struct str name, route, mailbox, host; /* .p NULL: NIL in ENVELOPE; a group starts with host
						  NULL, ends with mailbox NULL */
	struct mime_addr *next;
};
/* Undecoded: encoded-words stay as they are. NULL for none or only nonsense. */
struct mime_addr *mime_addrs(struct arena *a, struct str value);

/* ---- dates, RFC 5322 3.3 and the obsolete forms ---- */
/* ERR_BAD when no date can be read. *zone_min is minutes east of UTC. */
MUST_CHECK int mime_date(int64_t *unix_sec, int *zone_min, struct str value);

/* ---- text ---- */
/* Header text to UTF-8: encoded-words of known charsets decoded, 8-bit kept when it is UTF-8, else
 * taken as Latin-1. */
struct str mime_decode_words(struct arena *a, struct str value);
/* Streaming body decoder to UTF-8 text, for SEARCH and PREVIEW: transfer encoding, then charset. */
struct mime_text {
	struct mime_text_impl *impl;
};
/*
 * `encoding` and `charset` as in the part. An unknown encoding passes bytes through; an unknown
 * charset is read as UTF-8, as Windows-1252 where it is not valid. ERR_LIMIT: arena full.
 */
MUST_CHECK int mime_text_begin(
	struct mime_text *t, struct arena *a, struct str encoding, struct str charset);
/* Appends decoded text to `out`; `last` flushes and ends. Text is always valid UTF-8. */
void mime_text_push(struct mime_text *t, struct str bytes, bool last, struct buf *out);
/* Gives back what a decoder holds that is left before `last`; harmless after it. */
void mime_text_end(struct mime_text *t);
/* Transfer encoding only (BINARY, RFC 3516): ERR_UNSUPPORTED for an unknown encoding. */
MUST_CHECK int mime_binary_begin(struct mime_text *t, struct arena *a, struct str encoding);
/* Case-folded form for SEARCH (i;unicode-casemap, RFC 5051, as far as simple folding goes). */
void mime_fold(struct buf *out, struct str utf8);

/* ---- what IMAP says (RFC 3501 7.4.2), appended to `out` ---- */
void mime_envelope(struct buf *out, struct arena *scratch, struct str header_block);
void mime_bodystructure(
	struct buf *out, const struct mime_part *part, struct arena *scratch, bool extensible);
/*
 * The part a section number names ("1.2.3"; on a message, 1 of a non-multipart is its body);
 * NULL when there is none. `path` has `n` numbers; n == 0 is the message itself.
 */
const struct mime_part *mime_find(const struct mime_part *root, const uint32_t *path, size_t n);

#endif
