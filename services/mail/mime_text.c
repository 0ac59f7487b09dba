/* SPDX-License-Identifier: ISC */
/* Bodies, streaming: transfer encoding (RFC 2045 6), then charset. */
#include "services/mail/mime_impl.h"

#define TMP_BYTES 2048
#define QP_HOLD   128 /* longest run of white space that may turn out to end a line */

enum encoding { ENC_IDENTITY, ENC_BASE64, ENC_QP };

struct mime_text_impl {
	enum encoding encoding;
	bool binary; /* no charset: bytes as they are */
	struct mime_conv conv;
	struct mime_base64 base64;
	char hold[QP_HOLD]; /* "=", "=4", white space: what it means is not known yet */
	unsigned held;
	size_t n;
	char tmp[TMP_BYTES];
};

int mime_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- base64 ---- */

/* The value of a digit plus one, 0 for what is none. */
static const int8_t digits[256] = {
	['A'] = 1,
	['B'] = 2,
	['C'] = 3,
	['D'] = 4,
	['E'] = 5,
	['F'] = 6,
	['G'] = 7,
	['H'] = 8,
	['I'] = 9,
	['J'] = 10,
	['K'] = 11,
	['L'] = 12,
	['M'] = 13,
	['N'] = 14,
	['O'] = 15,
	['P'] = 16,
	['Q'] = 17,
	['R'] = 18,
	['S'] = 19,
	['T'] = 20,
	['U'] = 21,
	['V'] = 22,
	['W'] = 23,
	['X'] = 24,
	['Y'] = 25,
	['Z'] = 26,
	['a'] = 27,
	['b'] = 28,
	['c'] = 29,
	['d'] = 30,
	['e'] = 31,
	['f'] = 32,
	['g'] = 33,
	['h'] = 34,
	['i'] = 35,
	['j'] = 36,
	['k'] = 37,
	['l'] = 38,
	['m'] = 39,
	['n'] = 40,
	['o'] = 41,
	['p'] = 42,
	['q'] = 43,
	['r'] = 44,
	['s'] = 45,
	['t'] = 46,
	['u'] = 47,
	['v'] = 48,
	['w'] = 49,
	['x'] = 50,
	['y'] = 51,
	['z'] = 52,
	['0'] = 53,
	['1'] = 54,
	['2'] = 55,
	['3'] = 56,
	['4'] = 57,
	['5'] = 58,
	['6'] = 59,
	['7'] = 60,
	['8'] = 61,
	['9'] = 62,
	['+'] = 63,
	['/'] = 64,
};

size_t mime_base64_push(struct mime_base64 *b, char *out, struct str in)
{
	const unsigned char *p = (const unsigned char *)in.p, *end = p + in.n;
	char *to = out;
	while (p < end) {
		while (b->count == 0 && end - p >= 4) {
			int v0 = digits[p[0]] - 1, v1 = digits[p[1]] - 1;
			int v2 = digits[p[2]] - 1, v3 = digits[p[3]] - 1;
			if ((v0 | v1 | v2 | v3) < 0)
				break;
			*to++ = (char)(v0 << 2 | v1 >> 4);
			*to++ = (char)(v1 << 4 | v2 >> 2);
			*to++ = (char)(v2 << 6 | v3);
			p += 4;
		}
		if (p == end)
			break;
		int v = digits[*p] - 1;
		if (*p++ == '=')
			b->count = 0; /* padding: what is left are no bits; more may follow */
		if (v < 0)
			continue;
		b->bits = b->bits << 6 | (uint32_t)v;
		b->count += 6;
		if (b->count >= 8) {
			b->count -= 8;
			*to++ = (char)(b->bits >> b->count);
		}
	}
	return (size_t)(to - out);
}

/* ---- where decoded bytes go ---- */

static void sink(struct mime_text_impl *t, struct str bytes, struct buf *out)
{
	if (t->binary)
		buf_add(out, bytes);
	else
		mime_conv_push(&t->conv, bytes, false, out);
}

static void emit(struct mime_text_impl *t, struct str bytes, struct buf *out)
{
	if (bytes.n > TMP_BYTES - t->n) {
		sink(t, str_n(t->tmp, t->n), out);
		t->n = 0;
	}
	if (bytes.n > TMP_BYTES) {
		sink(t, bytes, out);
		return;
	}
	memcpy(t->tmp + t->n, bytes.p, bytes.n);
	t->n += bytes.n;
}

/* ---- quoted-printable ---- */

/* One byte more to what is held. False: it does not belong there; the held bytes stand as written. */
static bool qp_continue(struct mime_text_impl *t, char c, struct buf *out)
{
	char first = t->hold[0], last = t->hold[t->held - 1];
	bool blank = c == ' ' || c == '\t';
	if (c == '\n') {
		/* White space before a line end is padding; after "=" the line end is none either. */
		if (first != '=')
			emit(t, last == '\r' ? STR("\r\n") : STR("\n"), out);
		else if (t->held == 2 && mime_hex_value(last) >= 0)
			return false;
		t->held = 0;
		return true;
	}
	if (last == '\r')
		return false;
	if (first == '=' && t->held == 2 && mime_hex_value(last) >= 0) {
		int low = mime_hex_value(c);
		if (low < 0)
			return false;
		char byte = (char)(mime_hex_value(last) * 16 + low);
		t->held = 0;
		emit(t, str_n(&byte, 1), out);
		return true;
	}
	bool hex = first == '=' && t->held == 1 && mime_hex_value(c) >= 0;
	if ((!blank && !hex && c != '\r') || t->held == QP_HOLD)
		return false;
	t->hold[t->held++] = c;
	return true;
}

static bool qp_plain(char c)
{
	return c != '=' && c != ' ' && c != '\t' && c != '\r' && c != '\n';
}

static void push_qp(struct mime_text_impl *t, struct str in, struct buf *out)
{
	const char *p = in.p, *end = in.p + in.n;
	while (p < end) {
		if (t->held) {
			if (qp_continue(t, *p, out)) {
				p++;
				continue;
			}
			emit(t, str_n(t->hold, t->held), out);
			t->held = 0;
		}
		const char *run = p;
		/* A blank between two plain bytes is plain. */
		while (p < end && (qp_plain(*p) || (*p == ' ' && end - p > 1 && qp_plain(p[1]))))
			p++;
		emit(t, str_n(run, (size_t)(p - run)), out);
		if (p < end && *p == '\n')
			emit(t, str_n(p++, 1), out);
		else if (p < end)
			t->hold[t->held++] = *p++;
	}
}

/* ---- the decoder ---- */

static int begin(struct mime_text *t, struct arena *a, struct str encoding)
{
	static const char *const identity[] = { "", "7bit", "8bit", "binary" };
	t->impl = ARENA_NEW(a, struct mime_text_impl);
	if (!t->impl)
		return err_set(ERR_LIMIT, "mime: no memory for a decoder");
	encoding = str_trim(encoding);
	if (str_ieq(encoding, STR("base64")))
		t->impl->encoding = ENC_BASE64;
	else if (str_ieq(encoding, STR("quoted-printable")))
		t->impl->encoding = ENC_QP;
	if (t->impl->encoding != ENC_IDENTITY)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(identity); i++)
		if (str_ieq(encoding, str_of(identity[i])))
			return 0;
	return ERR_UNSUPPORTED;
}

int mime_text_begin(struct mime_text *t, struct arena *a, struct str encoding, struct str charset)
{
	int err = begin(t, a, encoding);
	if (err < 0 && err != ERR_UNSUPPORTED)
		return err;
	mime_conv_begin(&t->impl->conv, charset);
	return 0;
}

int mime_binary_begin(struct mime_text *t, struct arena *a, struct str encoding)
{
	int err = begin(t, a, encoding);
	if (err == ERR_UNSUPPORTED)
		return err_set(err, "mime: unknown transfer encoding");
	if (err == 0)
		t->impl->binary = true;
	return err;
}

void mime_text_push(struct mime_text *text, struct str bytes, bool last, struct buf *out)
{
	struct mime_text_impl *t = text->impl;
	if (!t)
		return;
	if (t->encoding == ENC_IDENTITY)
		sink(t, bytes, out);
	if (t->encoding == ENC_QP) {
		push_qp(t, bytes, out);
		/* Held at the end are an incomplete escape or blanks at the end of a line. */
		if (last && t->held && t->hold[0] == '=' && t->held == 2)
			emit(t, str_n(t->hold, t->held), out);
		sink(t, str_n(t->tmp, t->n), out);
		t->n = 0;
	}
	while (t->encoding == ENC_BASE64 && bytes.n && out->err == 0) {
		struct str piece = str_sub(bytes, 0, TMP_BYTES);
		bytes = str_sub(bytes, piece.n, bytes.n);
		sink(t, str_n(t->tmp, mime_base64_push(&t->base64, t->tmp, piece)), out);
	}
	if (last && !t->binary)
		mime_conv_push(&t->conv, STR(""), true, out);
	if (last)
		mime_text_end(text);
}

void mime_text_end(struct mime_text *t)
{
	if (t->impl)
		mime_conv_end(&t->impl->conv);
	t->impl = NULL;
}
