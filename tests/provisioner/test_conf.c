/* SPDX-License-Identifier: ISC */
#include "provisioner/conf.h"

#include <criterion/criterion.h>

/* Rows as "section.sub.key=value;" or the line of the refusal. */
static struct str walk(struct arena *a, const char *text, unsigned *bad_line)
{
	struct conf_reader r;
	struct conf_line l;
	struct buf b;
	int err;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	conf_begin(&r, a, str_of(text));
	while ((err = conf_next(&l, &r)) == 0)
		buf_fmt(&b, "%.*s.%.*s.%.*s=%.*s;", STR_ARG(l.section), STR_ARG(l.sub),
			STR_ARG(l.key), STR_ARG(l.value));
	*bad_line = err == ERR_CLOSED ? 0 : r.line;
	return buf_str(&b);
}

Test(conf, what_git_reads_the_same_way)
{
	static const struct {
		const char *text, *rows;
	} rows[] = {
		{ "", "" },
		{ "# only\n\n ; comments\n", "" },
		{ "[a]\nk = v\n", "a..k=v;" },
		{ "[A]\n  Key-2=v", "a..key-2=v;" },
		{ "[listen \"Mail\"]\nimaps = 127.0.0.1:10993 ; why\n",
			"listen.Mail.imaps=127.0.0.1:10993;" },
		{ "[a \"q\\\"\\\\x\"] # c\nk = 1\n", "a.q\"\\x.k=1;" },
		{ "[a]\nk = \"two  words # no comment\" \n", "a..k=two  words # no comment;" },
		{ "[a]\nk = x\" y \"z  \n", "a..k=x y z;" },
		{ "[a]\nk = \\\"\\\\\\n\\t\n", "a..k=\"\\\n\t;" },
		{ "[a]\r\nk = v\r\n", "a..k=v;" },
		{ "[a]\nk = \nl = \"\"\n", "a..k=;a..l=;" },
	};
	struct arena a;
	unsigned bad;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str got = walk(&a, rows[i].text, &bad);

		cr_expect_eq(bad, 0, "row %zu: line %u refused", i, bad);
		cr_expect(str_eq(got, str_of(rows[i].rows)), "row %zu: %.*s", i, STR_ARG(got));
	}
	arena_free(&a);
}

Test(conf, what_is_not_understood_is_refused_with_its_line)
{
	static const struct {
		const char *text;
		unsigned line;
	} rows[] = {
		{ "k = v\n", 1 },
		{ "[a]\nk\n", 2 },
		{ "[a]\n\n1k = v\n", 3 },
		{ "[a\nk = v\n", 1 },
		{ "[a.b]\n", 1 },
		{ "[a \"b]\n", 1 },
		{ "[a] k = v\n", 1 },
		{ "[a]\nk = \"v\n", 2 },
		{ "[a]\nk = v \\\n more\n", 2 },
		{ "[a]\nk = \\x\n", 2 },
		{ "[a]\nk = a\x01"
		  "b\n",
			2 },
		{ "[]\n", 1 },
	};
	struct arena a;
	unsigned bad;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		walk(&a, rows[i].text, &bad);
		cr_expect_eq(bad, rows[i].line, "row %zu: line %u", i, bad);
	}
	arena_free(&a);
}

Test(conf, written_values_come_back)
{
	static const char *const values[] = { "plain", "", " spaces ", "a#b;c", "q\"uo\\te",
		"two\nlines\t", "/path/with space" };
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct conf_reader r;
		struct conf_line l;
		struct buf b;

		buf_init(&b, &a);
		buf_addz(&b, "[x]\n");
		conf_write(&b, "key", str_of(values[i]));
		conf_begin(&r, &a, buf_str(&b));
		cr_assert_eq(conf_next(&l, &r), 0, "row %zu", i);
		cr_expect(str_eq(l.value, str_of(values[i])), "row %zu: %.*s", i, STR_ARG(l.value));
	}
	arena_free(&a);
}
