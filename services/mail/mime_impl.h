/* SPDX-License-Identifier: ISC */
/* What the mime_*.c files share. Private to services/mail/mime_*.c. */
#ifndef SERVICES_MAIL_MIME_IMPL_H
#define SERVICES_MAIL_MIME_IMPL_H

#include "services/mail/mime.h"

#include <iconv.h>

/* ---- words of structured fields (RFC 5322 3.2) ---- */
/*
 * A cursor over an unfolded field. It only moves forward, and each call below moves it unless it
 * says otherwise, so a loop over one ends after at most `n` steps.
 */
struct mime_lex {
	const char *p, *end;
};
static inline struct mime_lex mime_lex_of(struct str s)
{
	return (struct mime_lex){ s.p, s.p + s.n };
}
static inline bool mime_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
/* A token character of RFC 2045. */
bool mime_is_token(char c);
/* Skips white space and nested comments; may stay. *comment: the inside of the last one, if any. */
void mime_lex_space(struct mime_lex *l, struct str *comment);
/*
 * At '"': unquotes what is inside into `out` (RFC 5322 3.2.4; an unterminated one ends with the
 * field) and passes the closing quote.
 */
void mime_lex_quoted(struct mime_lex *l, struct buf *out);
/* At '(': the comment, nested ones included; the result is what is inside. */
struct str mime_lex_comment(struct mime_lex *l);

/* Copies `raw` without CR, LF and NUL, trimmed, to `out` (raw.n bytes, may be raw.p); the length. */
size_t mime_unfold_into(char *out, struct str raw);
/* `raw` without CR, LF and NUL, white space trimmed off both ends; empty is .p != NULL. */
struct str mime_unfold(struct arena *a, struct str raw);

/* message/rfc822 or message/global: has the message in it for its child. */
bool mime_is_message(const struct mime_part *p);

/* ---- memory a tree may keep ---- */
struct mime_keep {
	struct arena *a;
	size_t left; /* bytes of text that may still be copied */
	bool full;   /* the arena was: the tree is lost */
};
/* STR_NONE when it is not kept. */
struct str mime_keep_str(struct mime_keep *k, struct str s);

/* ---- parameters (RFC 2045 5.1, RFC 2231) ---- */
#define MIME_PARAMS_MAX 128 /* segments looked at in one field */
struct mime_segment {
	struct str name; /* lower-cased, without the marks of RFC 2231 */
	struct str value;
	int section;   /* -1: not continued */
	bool extended; /* name*=: percent-encoded */
	bool used;
};
struct mime_params {
	struct mime_keep *keep;
	struct buf text, joined, decoded; /* scratch, reused */
	struct mime_segment seg[MIME_PARAMS_MAX];
	unsigned count;
};
/* The rest of a field after its main value: ";name=value" and what people write instead. */
struct mime_param *mime_params(struct mime_params *ps, struct mime_lex *l);

/* ---- charsets ---- */
enum mime_charset {
	MIME_CS_GUESS,  /* UTF-8 where it is valid, else Windows-1252 byte by byte */
	MIME_CS_UTF8,   /* invalid bytes become U+FFFD */
	MIME_CS_LATIN1, /* ISO-8859-1, read as its superset Windows-1252 */
	MIME_CS_MAC,    /* Mac OS Roman */
	MIME_CS_ICONV,
	MIME_CS_GB18030, /* iconv, less what musl's gets wrong */
};
struct mime_conv {
	enum mime_charset kind;
	iconv_t cd;
	unsigned held_n;
	char held[16]; /* an incomplete character at the end of a push */
};
/* Never fails: an unknown charset is guessed. Give back with mime_conv_end. */
void mime_conv_begin(struct mime_conv *c, struct str charset);
void mime_conv_push(struct mime_conv *c, struct str bytes, bool last, struct buf *out);
void mime_conv_end(struct mime_conv *c);
void mime_utf8_add(struct buf *out, uint32_t cp);
/* Length of the valid UTF-8 sequence at p (1-4), 0 if invalid, -1 if cut off by the end. */
int mime_utf8_len(const char *p, size_t n);
/* The character of a valid sequence of `len` bytes. */
uint32_t mime_utf8_get(const char *p, int len);

/* ---- transfer encodings (RFC 2045 6) ---- */
struct mime_base64 {
	uint32_t bits;
	unsigned count; /* bits not yet given out */
};
/* What is no digit is skipped. `out` holds in.n bytes. Returns the bytes written. */
size_t mime_base64_push(struct mime_base64 *b, char *out, struct str in);
int mime_hex_value(char c);

#endif
