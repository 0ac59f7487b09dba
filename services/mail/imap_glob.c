/* SPDX-License-Identifier: ISC */
/* Patterns of LIST and LSUB: '*' is anything, '%' anything within a level (RFC 3501 6.3.8). */
#include "services/mail/imap_glob.h"

static char fold(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

bool imap_glob(struct str pattern, struct str name)
{
	bool inbox =
		str_ieq(str_sub(name, 0, 5), STR("INBOX")) && (name.n == 5 || name.p[5] == '/');
	size_t p = 0, n = 0;
	/* Where to go on after a mismatch: the last '*' and the last '%' behind it, each with the
	 * place in the name up to which it has eaten. */
	size_t star = SIZE_MAX, star_n = 0, level = SIZE_MAX, level_n = 0;
	for (;;) {
		char c = p < pattern.n ? pattern.p[p] : 0;
		if (c == '*') {
			star = p++;
			star_n = n;
			level = SIZE_MAX;
			continue;
		}
		if (c == '%') {
			level = p++;
			level_n = n;
			continue;
		}
		if (p == pattern.n && n == name.n)
			return true;
		if (p < pattern.n && n < name.n) {
			bool same = inbox && n < 5 ? fold(c) == fold(name.p[n]) : c == name.p[n];
			if (same) {
				p++;
				n++;
				continue;
			}
		}
		if (level != SIZE_MAX && level_n < name.n && name.p[level_n] != '/') {
			n = ++level_n;
			p = level + 1;
		} else if (star != SIZE_MAX && star_n < name.n) {
			n = ++star_n;
			p = star + 1;
			level = SIZE_MAX;
		} else {
			return false;
		}
	}
}
