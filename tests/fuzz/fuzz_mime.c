/* SPDX-License-Identifier: ISC */
/*
 * A message, whole and in pieces: the trees must be the same, every part must lie inside its
 * parent, and what IMAP would be told must come out balanced. Then the readers of single fields.
 */
#include "services/mail/mime.h"

#define CAP ((size_t)32 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct mime_part *parse(struct arena *a, struct str in, size_t step)
{
	struct mime_parser p;
	mime_begin(&p, a);
	for (size_t at = 0; at < in.n; at += step)
		mime_push(&p, str_sub(in, at, at + step));
	return mime_end(&p);
}

static void check_part(const struct mime_part *p, unsigned depth)
{
	unsigned count = 0;
	uint64_t at = p->body_at;
	os_assert(depth < MIME_DEPTH_MAX);
	os_assert(p->header_at <= p->body_at && p->body_at <= p->end_at);
	os_assert(p->header_lines <= p->body_at - p->header_at);
	os_assert(p->body_lines <= p->end_at - p->body_at);
	os_assert(p->type.n && p->subtype.n && p->encoding.n);
	for (const struct mime_part *c = p->child; c; c = c->next, count++) {
		os_assert(c->parent == p && c->header_at >= at && c->end_at <= p->end_at);
		at = c->end_at;
		check_part(c, depth + 1);
	}
	os_assert(count == p->child_count);
}

/* Parentheses pair up outside strings, and each string is whole. */
static void check_balance(struct str s)
{
	size_t open = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		os_assert((unsigned char)c < 0x80 && c >= ' ');
		open += c == '(';
		if (c == ')')
			os_assert(open-- > 0);
		if (c == '"')
			for (i++; s.p[i] != '"'; i++) {
				i += s.p[i] == '\\';
				os_assert(i < s.n && (unsigned char)s.p[i] < 0x80 && s.p[i]);
			}
		if (c == '{') {
			char *end;
			size_t n = strtoul(s.p + i + 1, &end, 10);
			os_assert(str_starts(str_of(end), STR("}\r\n")));
			i = (size_t)(end - s.p) + 2 + n;
			os_assert(i < s.n && !memchr(s.p + i + 1 - n, 0, n));
		}
	}
	os_assert(open == 0);
}

static void check_message(struct str in, size_t step)
{
	struct arena whole, split;
	struct buf x, y;
	arena_init(&whole, CAP);
	arena_init(&split, CAP);
	const struct mime_part *a = parse(&whole, in, in.n + 1), *b = parse(&split, in, step);
	os_assert(a && b);
	check_part(a, 0);
	os_assert(a->header_at == 0 && a->end_at == in.n);
	buf_init(&x, &whole);
	buf_init(&y, &split);
	mime_bodystructure(&x, a, &whole, true);
	mime_bodystructure(&y, b, &split, true);
	mime_envelope(&x, &whole, a->header);
	mime_envelope(&y, &split, b->header);
	os_assert(x.err == 0 && str_eq(buf_str(&x), buf_str(&y)));
	check_balance(buf_str(&x));
	arena_free(&whole);
	arena_free(&split);
}

static void check_utf8(struct str s)
{
	/* Decoding what is UTF-8 changes nothing. */
	struct arena a;
	struct mime_text t;
	struct buf out;
	arena_init(&a, CAP);
	buf_init(&out, &a);
	os_assert(mime_text_begin(&t, &a, STR("8bit"), STR("utf-8")) == 0);
	mime_text_push(&t, s, true, &out);
	os_assert(str_eq(buf_str(&out), s));
	arena_free(&a);
}

static void check_text(struct str in, size_t step)
{
	static const char *const charsets[] = { "", "utf-8", "iso-8859-1", "iso-2022-jp",
		"shift_jis", "euc-jp", "euc-kr", "gb18030", "big5", "utf-16", "utf-32", "koi8-r" };
	static const char *const encodings[] = { "7bit", "base64", "quoted-printable" };
	const char *charset = charsets[step % ARRAY_LEN(charsets)];
	for (size_t e = 0; e < ARRAY_LEN(encodings); e++) {
		struct arena a;
		struct mime_text t;
		struct buf x, y;
		arena_init(&a, CAP);
		buf_init(&x, &a);
		buf_init(&y, &a);
		os_assert(mime_text_begin(&t, &a, str_of(encodings[e]), str_of(charset)) == 0);
		mime_text_push(&t, in, true, &x);
		os_assert(mime_text_begin(&t, &a, str_of(encodings[e]), str_of(charset)) == 0);
		for (size_t at = 0; at < in.n; at += step)
			mime_text_push(&t, str_sub(in, at, at + step), false, &y);
		mime_text_push(&t, STR(""), true, &y);
		os_assert(str_eq(buf_str(&x), buf_str(&y)));
		check_utf8(buf_str(&x));
		arena_free(&a);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str in = str_n(p, n);
	size_t step = n > 0 ? 1 + p[n - 1] % 61 : 1;
	struct arena a;
	struct buf folded;
	int64_t sec;
	int zone;

	check_message(in, step);
	check_text(in, step);
	arena_init(&a, CAP);
	struct str words = mime_decode_words(&a, in);
	os_assert(words.p);
	check_utf8(words);
	mime_addrs(&a, in);
	if (mime_date(&sec, &zone, in) == 0)
		os_assert(zone > -24 * 60 && zone < 24 * 60);
	buf_init(&folded, &a);
	mime_fold(&folded, words);
	check_utf8(buf_str(&folded));
	arena_free(&a);
	return 0;
}
