/* SPDX-License-Identifier: ISC */
/* Encoded-words in header text (RFC 2047), with what its writers get wrong. */
#include "services/mail/mime_impl.h"

#define WORD_MAX 1024 /* RFC 2047 says 75 */

struct word {
	struct str charset, text;
	bool base64;
};

/* =?charset*language?B?text?= at the beginning of `s`: its length, 0 when there is none. */
static size_t parse_word(struct word *w, struct str s)
{
	struct str rest, encoding, language;
	s = str_sub(s, 0, WORD_MAX);
	if (!str_starts(s, STR("=?")) || !str_cut(&w->charset, &rest, str_sub(s, 2, s.n), '?') ||
		!str_cut(&encoding, &rest, rest, '?') || encoding.n != 1)
		return 0;
	w->base64 = *encoding.p == 'b' || *encoding.p == 'B';
	if (!w->base64 && *encoding.p != 'q' && *encoding.p != 'Q')
		return 0;
	ptrdiff_t end = str_find(rest, STR("?="));
	if (end < 0)
		return 0;
	str_cut(&w->charset, &language, w->charset, '*');
	w->text = str_sub(rest, 0, (size_t)end);
	return (size_t)(rest.p - s.p) + (size_t)end + 2;
}

/* The Q encoding: as quoted-printable, "_" is a space. `out` holds in.n bytes. */
static size_t decode_q(char *out, struct str in)
{
	size_t n = 0;
	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i] == '_' ? ' ' : in.p[i];
		if (c == '=' && in.n - i > 2) {
			int hi = mime_hex_value(in.p[i + 1]), lo = mime_hex_value(in.p[i + 2]);
			if (hi >= 0 && lo >= 0) {
				c = (char)(hi * 16 + lo);
				i += 2;
			}
		}
		out[n++] = c;
	}
	return n;
}

static void decode_word(struct mime_conv *conv, const struct word *w, struct buf *out)
{
	char tmp[256];
	struct mime_base64 b64 = { 0 };
	for (size_t at = 0; at < w->text.n;) {
		/* A piece must not end inside =XX. */
		size_t end = at + sizeof(tmp) < w->text.n ? at + sizeof(tmp) : w->text.n;
		for (int back = 0; !w->base64 && end < w->text.n && back < 3; back++)
			if (w->text.p[end - 1 - (size_t)back] == '=') {
				end -= 1 + (size_t)back;
				break;
			}
		struct str piece = str_sub(w->text, at, end);
		size_t n = w->base64 ? mime_base64_push(&b64, tmp, piece) : decode_q(tmp, piece);
		mime_conv_push(conv, str_n(tmp, n), false, out);
		at = end;
	}
}

static struct str space_run(struct str s, size_t at)
{
	size_t end = at;
	while (end < s.n && mime_is_space(s.p[end]))
		end++;
	return str_sub(s, at, end);
}

/*
 * The words from s.p[at] on that stand apart by nothing but white space. Those of one charset are
 * decoded as one text: some cut a character in two. Returns the offset after the last.
 */
static size_t decode_run(struct buf *out, struct str s, size_t at, struct word *w, size_t n)
{
	struct mime_conv conv;
	struct str charset = w->charset;
	mime_conv_begin(&conv, charset);
	for (;;) {
		decode_word(&conv, w, out);
		at += n;
		struct str space = space_run(s, at);
		n = parse_word(w, str_sub(s, at + space.n, s.n));
		if (!n)
			break;
		at += space.n;
		if (str_ieq(charset, w->charset))
			continue;
		mime_conv_push(&conv, STR(""), true, out);
		mime_conv_end(&conv);
		charset = w->charset;
		mime_conv_begin(&conv, charset);
	}
	mime_conv_push(&conv, STR(""), true, out);
	mime_conv_end(&conv);
	return at;
}

static void add_plain(struct buf *out, struct str s)
{
	struct mime_conv guess;
	mime_conv_begin(&guess, STR(""));
	mime_conv_push(&guess, s, true, out);
}

struct str mime_decode_words(struct arena *a, struct str value)
{
	struct str s = mime_unfold(a, value);
	struct buf out;
	buf_init(&out, a);
	buf_add(&out, STR(""));
	size_t at = 0, plain = 0;
	while (at < s.n) {
		struct word w;
		const char *mark = memchr(s.p + at, '=', s.n - at);
		if (!mark)
			break;
		at = (size_t)(mark - s.p);
		size_t n = parse_word(&w, str_sub(s, at, s.n));
		if (!n) {
			at++;
			continue;
		}
		add_plain(&out, str_sub(s, plain, at));
		plain = at = decode_run(&out, s, at, &w, n);
	}
	add_plain(&out, str_sub(s, plain, s.n));
	if (!s.p || out.err < 0)
		return STR_NONE;
	for (size_t i = 0; i < out.n; i++)
		if (out.p[i] == '\r' || out.p[i] == '\n' || out.p[i] == '\0')
			out.p[i] = ' ';
	return buf_str(&out);
}
