/* SPDX-License-Identifier: ISC */
#include "services/mail/utf7.h"
#include "services/mail/mime_impl.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool is_direct(uint32_t cp)
{
	return cp >= 0x20 && cp <= 0x7e;
}

static int refuse(const char *what)
{
	return err_set(ERR_BAD, "mailbox name: %s", what);
}

/* ---- to the wire ---- */

/* UTF-16BE in base64 without padding. */
struct shift {
	struct buf *out;
	uint32_t bits;
	unsigned count;
};

static void put_unit(struct shift *s, uint32_t unit)
{
	s->bits = s->bits << 16 | unit;
	for (s->count += 16; s->count >= 6; s->count -= 6)
		buf_addc(s->out, digits[s->bits >> (s->count - 6) & 63]);
	s->bits &= (1u << s->count) - 1;
}

static void put_code_point(struct shift *s, uint32_t cp)
{
	if (cp >= 0x10000) {
		put_unit(s, 0xd800 + ((cp - 0x10000) >> 10));
		put_unit(s, 0xdc00 + ((cp - 0x10000) & 0x3ff));
	} else {
		put_unit(s, cp);
	}
}

static void shift_end(struct shift *s)
{
	if (s->count)
		buf_addc(s->out, digits[s->bits << (6 - s->count) & 63]);
	buf_addc(s->out, '-');
}

int mail_utf7_encode(struct str *wire, struct arena *a, struct str utf8)
{
	struct buf out;
	struct shift s = { 0 };
	buf_init(&out, a);
	buf_add(&out, STR(""));
	for (size_t i = 0; i < utf8.n;) {
		int len = mime_utf8_len(utf8.p + i, utf8.n - i);
		if (len <= 0)
			return refuse("not UTF-8");
		uint32_t cp = mime_utf8_get(utf8.p + i, len);
		i += (size_t)len;
		if (cp < 0x20 || cp == 0x7f)
			return refuse("a control character");
		if (is_direct(cp) && s.out) {
			shift_end(&s);
			s.out = NULL;
		}
		if (cp == '&') {
			buf_addz(&out, "&-");
		} else if (is_direct(cp)) {
			buf_addc(&out, (char)cp);
		} else {
			if (!s.out) {
				buf_addc(&out, '&');
				s = (struct shift){ .out = &out };
			}
			put_code_point(&s, cp);
		}
	}
	if (s.out)
		shift_end(&s);
	*wire = buf_str(&out);
	return out.err;
}

/* ---- from the wire ---- */

static int digit_value(char c)
{
	const char *at = memchr(digits, c, sizeof(digits) - 1);
	return at ? (int)(at - digits) : -1;
}

static int take_unit(struct buf *out, uint32_t *high, uint32_t unit)
{
	bool low = unit >= 0xdc00 && unit < 0xe000;
	if (low != (*high != 0))
		return refuse("half a surrogate pair");
	if (unit >= 0xd800 && unit < 0xdc00) {
		*high = unit;
		return 0;
	}
	uint32_t cp = low ? 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00) : unit;
	*high = 0;
	if (is_direct(cp) || cp < 0x20 || cp == 0x7f)
		return refuse("base64 of a character that needs none");
	mime_utf8_add(out, cp);
	return 0;
}

/* What stands between "&" and "-", at least one digit. */
static int unshift(struct buf *out, struct str s)
{
	uint32_t bits = 0, high = 0;
	unsigned count = 0;
	for (size_t i = 0; i < s.n; i++) {
		int v = digit_value(s.p[i]);
		if (v < 0)
			return refuse("not base64");
		bits = bits << 6 | (uint32_t)v;
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		int err = take_unit(out, &high, bits >> count & 0xffff);
		if (err < 0)
			return err;
	}
	if (count >= 6 || (bits & ((1u << count) - 1)) || high)
		return refuse("base64 with bits left over");
	return 0;
}

int mail_utf7_decode(struct str *utf8, struct arena *a, struct str wire)
{
	struct buf out;
	bool after_shift = false;
	buf_init(&out, a);
	buf_add(&out, STR(""));
	for (size_t i = 0; i < wire.n; i++) {
		unsigned char c = (unsigned char)wire.p[i];
		if (!is_direct(c))
			return refuse("8-bit or control character");
		if (c != '&') {
			buf_addc(&out, (char)c);
			after_shift = false;
			continue;
		}
		struct str shifted, rest;
		if (!str_cut(&shifted, &rest, str_sub(wire, i + 1, wire.n), '-'))
			return refuse("\"&\" without \"-\"");
		if (shifted.n == 0) {
			buf_addc(&out, '&');
			after_shift = false;
		} else if (after_shift) {
			return refuse("two shifts side by side");
		} else {
			int err = unshift(&out, shifted);
			if (err < 0)
				return err;
			after_shift = true;
		}
		i += shifted.n + 1;
	}
	*utf8 = buf_str(&out);
	return out.err;
}
