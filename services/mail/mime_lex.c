/* SPDX-License-Identifier: ISC */
/* Words of structured header fields: white space, comments, quoted strings. */
#include "services/mail/mime_impl.h"

bool mime_is_token(char c)
{
	return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c); /* 8-bit is negative */
}

struct str mime_lex_comment(struct mime_lex *l)
{
	const char *start = ++l->p;
	unsigned depth = 1;
	for (; l->p < l->end; l->p++) {
		if (*l->p == '\\') {
			if (++l->p == l->end)
				break;
		} else if (*l->p == '(') {
			depth++;
		} else if (*l->p == ')' && --depth == 0) {
			return str_n(start, (size_t)(l->p++ - start));
		}
	}
	return str_n(start, (size_t)(l->end - start));
}

void mime_lex_space(struct mime_lex *l, struct str *comment)
{
	while (l->p < l->end) {
		if (mime_is_space(*l->p)) {
			l->p++;
		} else if (*l->p == '(') {
			struct str s = mime_lex_comment(l);
			if (comment)
				*comment = s;
		} else {
			return;
		}
	}
}

void mime_lex_quoted(struct mime_lex *l, struct buf *out)
{
	for (l->p++; l->p < l->end; l->p++) {
		const char *run = l->p;
		while (l->p < l->end && *l->p != '"' && *l->p != '\\')
			l->p++;
		buf_add(out, str_n(run, (size_t)(l->p - run)));
		if (l->p == l->end)
			return;
		if (*l->p == '"') {
			l->p++;
			return;
		}
		if (++l->p == l->end)
			return;
		buf_addc(out, *l->p);
	}
}

size_t mime_unfold_into(char *out, struct str raw)
{
	size_t n = 0;
	raw = str_trim(raw);
	for (size_t i = 0; i < raw.n; i++) {
		char c = raw.p[i];
		if (c != '\r' && c != '\n' && c != '\0')
			out[n++] = c;
	}
	return n;
}

struct str mime_unfold(struct arena *a, struct str raw)
{
	char *out = arena_alloc(a, raw.n + 1);
	if (!out)
		return STR_NONE;
	size_t n = mime_unfold_into(out, raw);
	out[n] = '\0';
	return str_n(out, n);
}

struct str mime_keep_str(struct mime_keep *k, struct str s)
{
	size_t cost = (s.n + 16) & ~(size_t)15; /* as the arena rounds it, NUL included */
	if (s.n > k->left || cost > k->left)
		return STR_NONE;
	struct str copy = arena_dup(k->a, s);
	if (!copy.p)
		k->full = true;
	else
		k->left -= cost;
	return copy;
}
