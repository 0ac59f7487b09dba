/* SPDX-License-Identifier: ISC */
/*
 * Charsets to UTF-8, streaming. The commonest are done here; the others by iconv() of the C
 * library, and only those of a list: the names come from strangers, and iconv knows charsets that
 * no mail needs.
 */
#include "services/mail/mime_impl.h"

#include <errno.h>

#define LABEL_MAX 16

/* Labels as mail writes them, without "-" and "_", lower-case; what iconv calls them. */
static const struct {
	const char *label, *name;
} charsets[] = {
	{ "iso88592", "ISO-8859-2" },
	{ "latin2", "ISO-8859-2" },
	{ "iso88593", "ISO-8859-3" },
	{ "iso88594", "ISO-8859-4" },
	{ "iso88595", "ISO-8859-5" },
	{ "iso88596", "ISO-8859-6" },
	{ "iso88597", "ISO-8859-7" },
	{ "iso88598", "ISO-8859-8" },
	{ "iso88598i", "ISO-8859-8" },
	{ "iso88599", "ISO-8859-9" },
	{ "latin5", "ISO-8859-9" },
	{ "iso885910", "ISO-8859-10" },
	{ "iso885911", "ISO-8859-11" },
	{ "tis620", "ISO-8859-11" },
	{ "windows874", "ISO-8859-11" },
	{ "iso885913", "ISO-8859-13" },
	{ "iso885914", "ISO-8859-14" },
	{ "iso885915", "ISO-8859-15" },
	{ "latin9", "ISO-8859-15" },
	{ "iso885916", "ISO-8859-16" },
	{ "windows1250", "WINDOWS-1250" },
	{ "windows1251", "WINDOWS-1251" },
	{ "windows1253", "WINDOWS-1253" },
	{ "windows1254", "WINDOWS-1254" },
	{ "windows1255", "WINDOWS-1255" },
	{ "windows1256", "WINDOWS-1256" },
	{ "windows1257", "WINDOWS-1257" },
	{ "windows1258", "WINDOWS-1258" },
	{ "cp1250", "WINDOWS-1250" },
	{ "cp1251", "WINDOWS-1251" },
	{ "cp1253", "WINDOWS-1253" },
	{ "cp1254", "WINDOWS-1254" },
	{ "cp1255", "WINDOWS-1255" },
	{ "cp1256", "WINDOWS-1256" },
	{ "cp1257", "WINDOWS-1257" },
	{ "cp1258", "WINDOWS-1258" },
	{ "cp437", "CP437" },
	{ "ibm437", "CP437" },
	{ "cp850", "CP850" },
	{ "ibm850", "CP850" },
	{ "cp866", "CP866" },
	{ "ibm866", "CP866" },
	{ "koi8r", "KOI8-R" },
	{ "koi8u", "KOI8-U" },
	{ "utf16", "UTF-16" },
	{ "utf16be", "UTF-16BE" },
	{ "utf16le", "UTF-16LE" },
	{ "utf32", "UTF-32" },
	{ "utf32be", "UTF-32BE" },
	{ "utf32le", "UTF-32LE" },
	{ "iso2022jp", "ISO-2022-JP" },
	{ "shiftjis", "SHIFT_JIS" },
	{ "sjis", "SHIFT_JIS" },
	{ "xsjis", "SHIFT_JIS" },
	{ "cp932", "CP932" },
	{ "windows31j", "CP932" },
	{ "mskanji", "CP932" },
	{ "eucjp", "EUC-JP" },
	{ "euckr", "EUC-KR" },
	{ "ksc56011987", "EUC-KR" },
	{ "cp949", "CP949" },
	{ "gb2312", "GB18030" },
	{ "gbk", "GB18030" },
	{ "xgbk", "GB18030" },
	{ "cp936", "GB18030" },
	{ "gb18030", "GB18030" },
	{ "big5", "BIG5" },
	{ "xxbig5", "BIG5" },
	{ "big5hkscs", "BIG5-HKSCS" },
};

/* 0x80-0x9f of Windows-1252; 0 where it has nothing. */
static const uint16_t cp1252[32] = { 0x20ac, 0, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0, 0x17d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0, 0x17e, 0x178 };

/* 0x80-0xff of Mac OS Roman, which the C library lacks. */
static const uint16_t mac_roman[128] = { 0xc4, 0xc5, 0xc7, 0xc9, 0xd1, 0xd6, 0xdc, 0xe1, 0xe0, 0xe2,
	0xe4, 0xe3, 0xe5, 0xe7, 0xe9, 0xe8, 0xea, 0xeb, 0xed, 0xec, 0xee, 0xef, 0xf1, 0xf3, 0xf2,
	0xf4, 0xf6, 0xf5, 0xfa, 0xf9, 0xfb, 0xfc, 0x2020, 0xb0, 0xa2, 0xa3, 0xa7, 0x2022, 0xb6,
	0xdf, 0xae, 0xa9, 0x2122, 0xb4, 0xa8, 0x2260, 0xc6, 0xd8, 0x221e, 0xb1, 0x2264, 0x2265,
	0xa5, 0xb5, 0x2202, 0x2211, 0x220f, 0x3c0, 0x222b, 0xaa, 0xba, 0x3a9, 0xe6, 0xf8, 0xbf,
	0xa1, 0xac, 0x221a, 0x192, 0x2248, 0x2206, 0xab, 0xbb, 0x2026, 0xa0, 0xc0, 0xc3, 0xd5,
	0x152, 0x153, 0x2013, 0x2014, 0x201c, 0x201d, 0x2018, 0x2019, 0xf7, 0x25ca, 0xff, 0x178,
	0x2044, 0x20ac, 0x2039, 0x203a, 0xfb01, 0xfb02, 0x2021, 0xb7, 0x201a, 0x201e, 0x2030, 0xc2,
	0xca, 0xc1, 0xcb, 0xc8, 0xcd, 0xce, 0xcf, 0xcc, 0xd3, 0xd4, 0xf8ff, 0xd2, 0xda, 0xdb, 0xd9,
	0x131, 0x2c6, 0x2dc, 0xaf, 0x2d8, 0x2d9, 0x2da, 0xb8, 0x2dd, 0x2db, 0x2c7 };

void mime_utf8_add(struct buf *out, uint32_t cp)
{
	char c[4];
	size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	for (size_t i = n - 1; i > 0; i--, cp >>= 6)
		c[i] = (char)(0x80 | (cp & 0x3f));
	c[0] = (char)(lead[n] | cp);
	buf_add(out, str_n(c, n));
}

int mime_utf8_len(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;
	unsigned char c = u[0], low = 0x80, high = 0xbf;
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	size_t want = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	/* The second byte's range shuts out overlong forms, surrogates and what is past U+10FFFF. */
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < want; i++, low = 0x80, high = 0xbf) {
		if (i == n)
			return -1;
		if (u[i] < low || u[i] > high)
			return 0;
	}
	return (int)want;
}

uint32_t mime_utf8_get(const char *p, int len)
{
	static const unsigned char mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t cp = (unsigned char)p[0] & mask[len];
	for (int i = 1; i < len; i++)
		cp = cp << 6 | ((unsigned char)p[i] & 0x3f);
	return cp;
}

/* Lower-cased, without "-" and "_"; empty when it is too long to be one we know. */
static struct str normal_label(char out[static LABEL_MAX], struct str charset)
{
	size_t n = 0;
	charset = str_trim(charset);
	for (size_t i = 0; i < charset.n; i++) {
		char c = charset.p[i];
		if (c == '-' || c == '_')
			continue;
		if (n == LABEL_MAX)
			return STR("");
		out[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return str_n(out, n);
}

void mime_conv_begin(struct mime_conv *c, struct str charset)
{
	static const char *const latin1[] = { "iso88591", "latin1", "windows1252", "cp1252" };
	static const char *const mac[] = { "macintosh", "macroman", "xmacroman", "mac" };
	char space[LABEL_MAX];
	struct str label = normal_label(space, charset);
	*c = (struct mime_conv){ .kind = MIME_CS_GUESS };
	if (str_eq(label, STR("utf8")))
		c->kind = MIME_CS_UTF8;
	for (size_t i = 0; i < ARRAY_LEN(latin1); i++)
		if (str_eq(label, str_of(latin1[i])))
			c->kind = MIME_CS_LATIN1;
	for (size_t i = 0; i < ARRAY_LEN(mac); i++)
		if (str_eq(label, str_of(mac[i])))
			c->kind = MIME_CS_MAC;
	for (size_t i = 0; i < ARRAY_LEN(charsets); i++) {
		if (!str_eq(label, str_of(charsets[i].label)))
			continue;
		c->cd = iconv_open("UTF-8", charsets[i].name);
		if (c->cd != (iconv_t)-1)
			c->kind = str_eq(str_of(charsets[i].name), STR("GB18030")) ? MIME_CS_GB18030
										   : MIME_CS_ICONV;
		return;
	}
}

void mime_conv_end(struct mime_conv *c)
{
	if (c->kind >= MIME_CS_ICONV)
		iconv_close(c->cd);
	c->kind = MIME_CS_GUESS;
}

static void add_mac(struct buf *out, unsigned char c)
{
	mime_utf8_add(out, mac_roman[c - 0x80]);
}

static void add_latin1(struct buf *out, unsigned char c)
{
	uint32_t cp = c >= 0x80 && c < 0xa0 && cp1252[c - 0x80] ? cp1252[c - 0x80] : c;
	mime_utf8_add(out, cp);
}

/* Length of the ASCII at the beginning. */
static size_t ascii_run(const char *p, size_t n)
{
	size_t i = 0;
	for (uint64_t eight; i + sizeof(eight) <= n; i += sizeof(eight)) {
		memcpy(&eight, p + i, sizeof(eight));
		if (eight & 0x8080808080808080u)
			break;
	}
	while (i < n && (unsigned char)p[i] < 0x80)
		i++;
	return i;
}

/* Of a charset with one byte a character; `add` is given those from 0x80 on. */
static size_t push_single(
	struct str s, void (*add)(struct buf *out, unsigned char c), struct buf *out)
{
	for (size_t i = 0; i < s.n;) {
		size_t run = ascii_run(s.p + i, s.n - i);
		buf_add(out, str_sub(s, i, i + run));
		i += run;
		if (i < s.n)
			add(out, (unsigned char)s.p[i++]);
	}
	return s.n;
}

/* Returns how much was used up: a character cut off at the end is not, unless `last`. */
static size_t push_utf8(struct str s, bool last, bool guess, struct buf *out)
{
	size_t i = 0, run = 0;
	while (i < s.n) {
		i += ascii_run(s.p + i, s.n - i);
		int len = i < s.n ? mime_utf8_len(s.p + i, s.n - i) : -1;
		if (len > 0) {
			i += (size_t)len;
			continue;
		}
		if (i == s.n || (len < 0 && !last))
			break;
		buf_add(out, str_sub(s, run, i));
		if (guess)
			add_latin1(out, (unsigned char)s.p[i]);
		else
			mime_utf8_add(out, 0xfffd);
		run = ++i;
	}
	buf_add(out, str_sub(s, run, i));
	return i;
}

/* As push_utf8. What cannot be converted becomes U+FFFD, byte by byte. */
static size_t push_iconv(struct mime_conv *c, struct str s, bool last, struct buf *out)
{
	char tmp[256], *in = (char *)s.p;
	size_t left = s.n;
	for (bool more = left || (last && c->kind == MIME_CS_ICONV); more && out->err == 0;) {
		char *to = tmp;
		size_t room = sizeof(tmp);
		bool flush = left == 0;
		size_t rc = iconv(c->cd, flush ? NULL : &in, &left, &to, &room);
		int why = rc == (size_t)-1 ? errno : 0;
		/* Checked, since some libraries write surrogates and worse. */
		push_utf8(str_n(tmp, (size_t)(to - tmp)), true, false, out);
		if (why == EINVAL && !last && left < sizeof(c->held))
			break;
		if (why && why != E2BIG && left) {
			mime_utf8_add(out, 0xfffd);
			in++;
			left--;
		}
		more = left || (last && !flush && c->kind == MIME_CS_ICONV);
	}
	return s.n - left;
}

static bool in_range(char c, unsigned char low, unsigned char high)
{
	return (unsigned char)c >= low && (unsigned char)c <= high;
}

/* Length of the GB18030 character at p by its form alone: 0 if invalid, -1 if cut off by the end. */
static int gb18030_len(const char *p, size_t n)
{
	if (!in_range(p[0], 0x81, 0xfe))
		return in_range(p[0], 0, 0x7f);
	if (n < 2)
		return -1;
	if (in_range(p[1], 0x40, 0xfe) && p[1] != 0x7f)
		return 2;
	if (!in_range(p[1], 0x30, 0x39) || (n > 2 && !in_range(p[2], 0x81, 0xfe)) ||
		(n > 3 && !in_range(p[3], 0x30, 0x39)))
		return 0;
	return n < 4 ? -1 : 4;
}

/* What four bytes from 0x90 on mean, the planes past the BMP, which musl's iconv gets wrong. */
static uint32_t gb18030_high(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;
	uint32_t n = (((u[0] - 0x90u) * 10 + u[1] - 0x30) * 126 + u[2] - 0x81) * 10 + u[3] - 0x30;
	return n < 0x100000 ? 0x10000 + n : 0xfffd;
}

static size_t push_gb18030(struct mime_conv *c, struct str s, bool last, struct buf *out)
{
	size_t i = 0;
	while (i < s.n) {
		size_t run = ascii_run(s.p + i, s.n - i);
		buf_add(out, str_sub(s, i, i + run));
		i += run;
		int len = i < s.n ? gb18030_len(s.p + i, s.n - i) : -1;
		if (len < 0 && (i == s.n || !last))
			break;
		if (len <= 0)
			mime_utf8_add(out, 0xfffd);
		else if (len == 4 && in_range(s.p[i], 0x90, 0xfe))
			mime_utf8_add(out, gb18030_high(s.p + i));
		else
			push_iconv(c, str_sub(s, i, i + (size_t)len), true, out);
		i += len > 0 ? (size_t)len : 1;
	}
	return i;
}

static size_t push_some(struct mime_conv *c, struct str s, bool last, struct buf *out)
{
	switch (c->kind) {
	case MIME_CS_LATIN1: return push_single(s, add_latin1, out);
	case MIME_CS_MAC: return push_single(s, add_mac, out);
	case MIME_CS_ICONV: return push_iconv(c, s, last, out);
	case MIME_CS_GB18030: return push_gb18030(c, s, last, out);
	case MIME_CS_UTF8: return push_utf8(s, last, false, out);
	case MIME_CS_GUESS: break;
	}
	return push_utf8(s, last, true, out);
}

void mime_conv_push(struct mime_conv *c, struct str bytes, bool last, struct buf *out)
{
	/* First the character that was cut off, a byte at a time until it is used up. */
	while (c->held_n && bytes.n) {
		c->held[c->held_n++] = *bytes.p++;
		bytes.n--;
		size_t used = push_some(c, str_n(c->held, c->held_n), last && !bytes.n, out);
		c->held_n -= (unsigned)used;
		memmove(c->held, c->held + used, c->held_n);
	}
	if (c->held_n && last) {
		push_some(c, str_n(c->held, c->held_n), true, out);
		c->held_n = 0;
		return;
	}
	size_t used = push_some(c, bytes, last, out);
	if (out->err < 0 || used >= bytes.n || bytes.n - used > sizeof(c->held))
		return;
	memcpy(c->held, bytes.p + used, c->held_n = (unsigned)(bytes.n - used));
}
