/* SPDX-License-Identifier: ISC */
/* Fields of a header block, and the call sequence that mime.h shows. */
#include "tests/mail/mime_check.h"

Test(mime_header, fields)
{
	static const struct {
		const char *name, *value, *whole;
	} want[] = {
		{ "", "From me Sat Jan 1 00:00\r\n", "From me Sat Jan 1 00:00\r\n" },
		{ "Subject", " a\r\n\tb\r\n", "Subject: a\r\n\tb\r\n" },
		{ "", "junk\n", "junk\n" },
		{ "X-Empty", "\n", "X-Empty:\n" },
		{ "to", "x:y\r\n \r\n z\r\n", "to \t:x:y\r\n \r\n z\r\n" },
		{ "", ": no name\r\n", ": no name\r\n" },
		{ "", "\xc3\xa9: x\r\n", "\xc3\xa9: x\r\n" },
		{ "Last", " no line end", "Last: no line end" },
	};
	struct buf b;
	buf_init(&b, NULL);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		buf_addz(&b, want[i].whole);
	struct mime_header h;
	struct str name, value, whole;
	size_t i = 0;
	mime_header_begin(&h, buf_str(&b));
	for (; mime_header_next(&name, &value, &whole, &h); i++) {
		cr_assert_lt(i, ARRAY_LEN(want));
		cr_expect(str_eq(name, str_of(want[i].name)), "%zu: %.*s", i, STR_ARG(name));
		cr_expect(str_eq(value, str_of(want[i].value)), "%zu: %.*s", i, STR_ARG(value));
		cr_expect(str_eq(whole, str_of(want[i].whole)), "%zu: %.*s", i, STR_ARG(whole));
	}
	cr_expect_eq(i, ARRAY_LEN(want));
	buf_free(&b);
}

Test(mime_header, ends_at_the_empty_line)
{
	static const char *const blocks[] = { "", "\r\nA: b\r\n", "\nA: b\n",
		"X: y\r\n\r\nA: b\r\n" };
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		struct arena a;
		arena_init(&a, 4096);
		cr_expect_null(mime_header_get(&a, str_of(blocks[i]), "A").p, "%zu", i);
		arena_free(&a);
	}
}

Test(mime_header, get)
{
	static const struct {
		const char *name, *want;
	} rows[] = { { "subject", "a\tb  c" }, { "TO", "first" }, { "Empty", "" } };
	struct str block =
		STR("Subject:  a\r\n\tb \r\n c \r\nTo: first\r\nTo: second\r\nEmpty: \r\n\r\n");
	struct arena a;
	arena_init(&a, 4096);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str got = mime_header_get(&a, block, rows[i].name);
		cr_expect(got.p && str_eq(got, str_of(rows[i].want)), "%s: %.*s", rows[i].name,
			STR_ARG(got));
	}
	cr_expect_null(mime_header_get(&a, block, "Absent").p);
	arena_free(&a);
}

/* The worked call sequence of mime.h. */
Test(mime_header, call_sequence)
{
	struct arena arena;
	struct mime_parser p;
	const char *const chunks[] = { "Content-Ty", "pe: text/html\r\n\r", "\n<p>" };
	arena_init(&arena, 1024 * 1024);
	mime_begin(&p, &arena);
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++)
		mime_push(&p, str_of(chunks[i]));
	const struct mime_part *root = mime_end(&p);
	cr_assert_not_null(root);
	cr_expect(str_eq(root->subtype, STR("html")));
	cr_expect_eq(root->end_at - root->body_at, 3);
	arena_free(&arena);
}
