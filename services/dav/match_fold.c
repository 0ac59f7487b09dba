/* SPDX-License-Identifier: ISC */
/*
 * i;unicode-casemap (RFC 5051), which compares what titles of characters are made of; here it is their small letters,
 * which is the same. Of Unicode's tables there are the cases of Latin (without most of Extended-B), Greek and Cyrillic,
 * and what their letters are made of (tests/tools/gen_dav_fold.py) up to U+017F, U+03CE and U+045F. Others equal
 * themselves.
 */
#include "services/dav/match_impl.h"
#include "services/dav/match_fold_impl.h"

#define MARKS_MAX 4 /* of one letter */

/* Bytes of the character at p; 0: it is none, or is cut off. */
static size_t get(uint32_t *c, const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (len == 0 || len > n || p[0] > 0xf4)
		return 0;
	*c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	if ((len == 2 && *c < 0x80) || (len == 3 && *c < 0x800) || (len == 4 && *c < 0x10000))
		return 0;
	return *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : len;
}

static void put(struct buf *b, uint32_t c)
{
	if (c >= 0x800)
		buf_addc(b, (char)(0xe0 | c >> 12));
	if (c >= 0x80)
		buf_addc(b, (char)(c >= 0x800 ? 0x80 | (c >> 6 & 63) : 0xc0 | c >> 6));
	buf_addc(b, (char)(c >= 0x80 ? 0x80 | (c & 63) : c));
}

/* The small letter of a capital, and of its other small forms. */
static uint32_t small(uint32_t c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
		(c >= 0x391 && c <= 0x3ab) || (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if ((c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) || (c >= 0x14a && c <= 0x177) ||
		(c >= 0x1e00 && c <= 0x1eff && (c < 0x1e96 || c > 0x1e9f)) ||
		(c >= 0x460 && c <= 0x52f && (c < 0x482 || c > 0x489) && (c < 0x4c0 || c > 0x4cf)))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c & 1 ? c + 1 : c;
	switch (c) {
	case 0x131: return 'i';
	case 0x178: return 0xff;
	case 0x17f: return 's';
	case 0xb5: return 0x3bc;
	case 0x386: return 0x3ac;
	case 0x388:
	case 0x389:
	case 0x38a: return c + 37;
	case 0x38c: return 0x3cc;
	case 0x38e:
	case 0x38f: return c + 63;
	case 0x3c2: return 0x3c3;
	default: return c;
	}
}

/* Takes one mark off; 0: there is none. */
static uint32_t mark_of(uint32_t *c)
{
	size_t run = ARRAY_LEN(fold_runs), end;
	uint32_t at;

	while (run > 0 && fold_runs[run - 1].first > *c)
		run--;
	if (run == 0)
		return 0;
	end = run < ARRAY_LEN(fold_runs) ? fold_runs[run].row : ARRAY_LEN(fold_rows);
	run--;
	at = fold_runs[run].first - 1u;
	for (size_t i = fold_runs[run].row; i < end && at < *c; i++) {
		at += 1u + (fold_rows[i] >> 12);
		if (at == *c) {
			*c = fold_bases[fold_rows[i] & 127];
			return 0x300u + fold_marks[fold_rows[i] >> 7 & 31];
		}
	}
	return 0;
}

struct str match_casemap(struct arena *a, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	uint32_t c, mark[MARKS_MAX];
	struct buf b;
	size_t len;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < s.n; i += len) {
		size_t n = 0;

		len = get(&c, p + i, s.n - i);
		if (len == 0) /* no text: as bytes */
			return s;
		c = small(c);
		while (n < MARKS_MAX && (mark[n] = mark_of(&c)) != 0)
			n++;
		if (len == 4)
			buf_add(&b, str_sub(s, i, i + len));
		else
			put(&b, c);
		while (n > 0)
			put(&b, mark[--n]);
	}
	return b.err < 0 ? s : buf_str(&b);
}
