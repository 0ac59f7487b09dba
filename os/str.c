/* SPDX-License-Identifier: ISC */
#include "os/base.h"

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool fold_eq(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fold(a[i]) != fold(b[i]))
			return false;
	return true;
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_ieq(struct str a, struct str b)
{
	return a.n == b.n && fold_eq(a.p, b.p, a.n);
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_n(s.p, prefix.n), prefix);
}

bool str_istarts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && fold_eq(s.p, prefix.p, prefix.n);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_sub(s, s.n - suffix.n, s.n), suffix);
}

ptrdiff_t str_chr(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? at - s.p : -1;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
	const char *at;

	if (needle.n == 0)
		return 0;
	at = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
	return at ? at - s.p : -1;
}

struct str str_sub(struct str s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	return str_n(s.p ? s.p + from : NULL, to - from);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.n > 0 && is_space(s.p[0]))
		s = str_n(s.p + 1, s.n - 1);
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool str_cut(struct str *head, struct str *rest, struct str s, char c)
{
	ptrdiff_t at = str_chr(s, c);

	*head = at < 0 ? s : str_sub(s, 0, (size_t)at);
	*rest = at < 0 ? str_sub(s, s.n, s.n) : str_sub(s, (size_t)at + 1, s.n);
	return at >= 0;
}

int str_u64(uint64_t *out, struct str s, uint64_t max)
{
	uint64_t v = 0;
	bool over = false;

	if (s.n == 0)
		return ERR_BAD;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return ERR_BAD;
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			over = true;
	}
	if (over || v > max)
		return ERR_LIMIT;
	*out = v;
	return 0;
}
