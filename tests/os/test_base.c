/* SPDX-License-Identifier: ISC */
#include "os/base.h"

#include <criterion/criterion.h>

#define eq(a, b)      cr_expect(str_eq(a, STR(b)), "\"%.*s\" is not \"%s\"", STR_ARG(a), b)
#define NUM_MAX_TEXT  "18446744073709551615"
#define NUM_OVER_TEXT "18446744073709551616"

Test(base, strings)
{
	struct str head, rest;

	cr_expect(str_eq(STR(""), STR_NONE) && !str_eq(STR("a"), STR("b")) &&
		!str_eq(STR("a"), STR("ab")));
	cr_expect(str_ieq(STR("Ab[z"), STR("aB[Z")) && !str_ieq(STR("@"), STR("`")));
	cr_expect(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("b"), STR("ab")) > 0);
	cr_expect(str_cmp(STR_NONE, STR("")) == 0 && str_cmp(STR("\xff"), STR("a")) > 0);
	cr_expect(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
	cr_expect(str_istarts(STR("ABc"), STR("ab")) && str_starts(STR("x"), STR("")));
	cr_expect(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
	cr_expect_eq(str_chr(STR("abca"), 'a'), 0);
	cr_expect_eq(str_chr(STR_NONE, 'a'), -1);
	cr_expect_eq(str_find(STR("ababc"), STR("abc")), 2);
	cr_expect_eq(str_find(STR("ab"), STR("abc")), -1);
	cr_expect_eq(str_find(STR_NONE, STR("")), 0);
	eq(str_sub(STR("abc"), 1, 9), "bc");
	eq(str_sub(STR("abc"), 7, 9), "");
	eq(str_trim(STR(" \t a b\r\n")), "a b");
	eq(str_trim(STR(" \r\n")), "");
	cr_expect(str_cut(&head, &rest, STR("k=v=w"), '='));
	eq(head, "k");
	eq(rest, "v=w");
	cr_expect(!str_cut(&head, &rest, STR("kv"), '='));
	eq(head, "kv");
	eq(rest, "");
}

Test(base, numbers)
{
	static const struct {
		struct str in;
		uint64_t max;
		int err;
		uint64_t out;
	} rows[] = {
		{ STR("0"), 0, 0, 0 },
		{ STR("00042"), 42, 0, 42 },
		{ STR("43"), 42, ERR_LIMIT, 0 },
		{ STR(NUM_MAX_TEXT), UINT64_MAX, 0, UINT64_MAX },
		{ STR(NUM_OVER_TEXT), UINT64_MAX, ERR_LIMIT, 0 },
		{ STR("99999999999999999999999"), UINT64_MAX, ERR_LIMIT, 0 },
		{ STR("99999999999999999999999x"), UINT64_MAX, ERR_BAD, 0 },
		{ STR(""), 9, ERR_BAD, 0 },
		{ STR("-1"), 9, ERR_BAD, 0 },
		{ STR("+1"), 9, ERR_BAD, 0 },
		{ STR(" 1"), 9, ERR_BAD, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0;
		cr_expect_eq(str_u64(&v, rows[i].in, rows[i].max), rows[i].err, "row %zu", i);
		cr_expect_eq(v, rows[i].out, "row %zu", i);
	}
}

Test(base, errors)
{
	cr_expect_str_eq(err_text(ERR_BAD), err_name(ERR_BAD));
	cr_expect_eq(err_set(ERR_BAD, "line over %d bytes", 7), ERR_BAD);
	cr_expect_str_eq(err_text(ERR_BAD), "line over 7 bytes");
	cr_expect_eq(err_set(ERR_BAD, "a: %s", err_text(ERR_BAD)), ERR_BAD);
	cr_expect_str_eq(err_text(ERR_BAD), "a: line over 7 bytes");
	cr_expect_str_eq(err_text(ERR_IO), err_name(ERR_IO), "another fault's sentence");
	cr_expect_eq(err_set(ERR_IO, "%0300d", 1), ERR_IO);
	cr_expect_eq(strlen(err_text(ERR_IO)), 255);
	cr_expect_str_eq(err_name(0), "ok");
	cr_expect_str_eq(err_name(-999), "unknown error");
}

Test(base, arena_keeps_its_cap)
{
	struct arena a;
	size_t total = 0;
	char *p, *first;

	arena_init(&a, 10000);
	cr_expect_null(arena_alloc(&a, 10001));
	cr_expect_null(arena_alloc(&a, SIZE_MAX));
	first = arena_alloc(&a, 1);
	cr_assert_not_null(first);
	for (size_t n = 1; (p = arena_alloc(&a, n)); n = n * 7 % 301 + 1) {
		cr_expect_eq((uintptr_t)p % 16, 0);
		memset(p, 0xa5, n);
		total += n;
	}
	cr_expect(total <= 10000 && total > 8000, "%zu", total);
	cr_expect_leq(a.used_bytes, 10000);
	arena_reset(&a);
	cr_expect_leq(a.used_bytes, 10000);
	p = arena_zalloc(&a, 500);
	cr_assert_not_null(p);
	cr_expect(p[0] == 0 && p[499] == 0);
	arena_free(&a);
	cr_expect_eq(a.used_bytes, 0);
	cr_expect_not_null(arena_alloc(&a, 10000), "all of the cap in one piece, after a free");
	cr_expect_null(arena_alloc(&a, 1));
	arena_free(&a);
}

Test(base, arena_text)
{
	struct arena a;
	struct str s;

	arena_init(&a, 4096);
	s = arena_dup(&a, str_n("abc\0d", 5));
	cr_expect(s.n == 5 && memcmp(s.p, "abc\0d", 6) == 0);
	s = arena_fmt(&a, "user-%u", 7u);
	eq(s, "user-7");
	cr_expect_eq(s.p[s.n], 0);
	cr_expect_null(arena_fmt(&a, "%05000d", 1).p);
	arena_free(&a);
}

static void fill(struct buf *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_add(b, STR("ab"));
		buf_fmt(b, "%c", 'c');
		buf_addc(b, 'd');
		buf_addz(b, "ef");
	}
}

/* Growing up to the arena's cap must not copy everything for every few bytes. */
Test(base, a_buffer_near_the_cap_grows_in_few_steps)
{
	struct arena a;
	struct buf b;
	size_t cap = 0, steps = 0;

	arena_init(&a, 1 << 20);
	buf_init(&b, &a);
	while (b.err == 0) {
		buf_addc(&b, 'x');
		steps += b.cap != cap;
		cap = b.cap;
	}
	cr_expect_eq(b.err, ERR_LIMIT);
	cr_expect_gt(b.n, (1 << 20) - 4096);
	cr_expect_lt(steps, 100, "%zu steps", steps);
	arena_free(&a);
}

Test(base, buffers)
{
	struct arena a;
	struct buf b, m;

	arena_init(&a, 40000);
	buf_init(&b, &a);
	buf_init(&m, NULL);
	fill(&m, 5000);
	cr_expect(m.err == 0 && m.n == 30000 && m.p[m.n] == 0);
	cr_expect_not_null(arena_alloc(&a, 100));
	fill(&b, 5000);
	cr_expect(b.err == 0 && str_eq(buf_str(&b), buf_str(&m)),
		"a growing buffer fits a cap a third over its size (err %d)", b.err);
	fill(&b, 5000);
	cr_expect(b.err == ERR_LIMIT && b.n <= 40000 && b.p[b.n] == 0);
	buf_addc(&b, 'x');
	cr_expect_neq(b.p[b.n - 1], 'x', "errors are sticky");
	buf_free(&b);
	buf_free(&m);
	cr_expect(m.p == NULL && m.n == 0);
	arena_free(&a);
}
