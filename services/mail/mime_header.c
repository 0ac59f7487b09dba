/* SPDX-License-Identifier: ISC */
/* Header fields of a block, one after another (RFC 5322 2.2). */
#include "services/mail/mime_impl.h"

void mime_header_begin(struct mime_header *h, struct str block)
{
	*h = (struct mime_header){ .block = block };
}

/* The offset after the line that holds `at`. */
static size_t line_after(struct str s, size_t at)
{
	const char *lf = memchr(s.p + at, '\n', s.n - at);
	return lf ? (size_t)(lf - s.p) + 1 : s.n;
}

static bool is_name(struct str n)
{
	for (size_t i = 0; i < n.n; i++)
		if (n.p[i] <= ' ' || n.p[i] == 0x7f) /* 8-bit is negative */
			return false;
	return n.n > 0;
}

bool mime_header_next(struct str *name, struct str *value, struct str *whole, struct mime_header *h)
{
	struct str b = h->block;
	size_t start = h->at;
	if (str_starts(str_sub(b, start, b.n), STR("\n")) ||
		str_starts(str_sub(b, start, b.n), STR("\r\n")) || start >= b.n)
		return false;
	size_t line = line_after(b, start), end = line;
	while (end < b.n && (b.p[end] == ' ' || b.p[end] == '\t'))
		end = line_after(b, end);
	h->at = end;
	*whole = str_sub(b, start, end);
	struct str head, rest;
	bool field = str_cut(&head, &rest, str_sub(b, start, line), ':') && !mime_is_space(*head.p);
	head = str_trim(head);
	if (!field || !is_name(head)) {
		*name = STR("");
		*value = *whole;
		return true;
	}
	*name = head;
	*value = str_sub(b, (size_t)(rest.p - b.p), end);
	return true;
}

struct str mime_header_get(struct arena *a, struct str block, const char *name)
{
	struct mime_header h;
	struct str n, value, whole;
	mime_header_begin(&h, block);
	while (mime_header_next(&n, &value, &whole, &h))
		if (str_ieq(n, str_of(name)))
			return mime_unfold(a, value);
	return STR_NONE;
}
