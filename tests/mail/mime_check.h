/* SPDX-License-Identifier: ISC */
/* What the MIME tests share. */
#ifndef TESTS_MAIL_MIME_CHECK_H
#define TESTS_MAIL_MIME_CHECK_H

#include "services/mail/mime.h"

#include <criterion/criterion.h>

/* Parses all of `text` in pieces: next(ctx) bytes at a time, whole when `next` is NULL. */
static inline const struct mime_part *parse_pieces(
	struct arena *a, struct str text, size_t (*next)(void *), void *ctx)
{
	struct mime_parser p;
	mime_begin(&p, a);
	for (size_t at = 0; at < text.n;) {
		size_t n = next ? next(ctx) : text.n;
		struct str piece = str_sub(text, at, at + n);
		/* A copy of its own, so that a sanitizer sees reads past it. */
		char *copy = malloc(piece.n + 1);
		cr_assert_not_null(copy);
		memcpy(copy, piece.p, piece.n);
		mime_push(&p, str_n(copy, piece.n));
		memset(copy, 'x', piece.n);
		free(copy);
		at += piece.n;
	}
	return mime_end(&p);
}

/* The whole tree in words: what a client can learn, and where everything stands. */
static inline void describe(
	struct buf *out, struct arena *a, const struct mime_part *p, unsigned depth)
{
	mime_bodystructure(out, p, a, true);
	for (; p; p = depth ? p->next : NULL) {
		buf_fmt(out, "\n%u %.*s/%.*s %llu-%llu-%llu %llu %llu %u", depth, STR_ARG(p->type),
			STR_ARG(p->subtype), (unsigned long long)p->header_at,
			(unsigned long long)p->body_at, (unsigned long long)p->end_at,
			(unsigned long long)p->header_lines, (unsigned long long)p->body_lines,
			p->child_count);
		if (p->header.p) {
			buf_addc(out, ' ');
			buf_add(out, p->header);
		}
		if (p->child && depth < MIME_DEPTH_MAX)
			describe(out, a, p->child, depth + 1);
	}
}

#endif
