/* SPDX-License-Identifier: ISC */
#include "provisioner/verb.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { FOLLOW, LINES };
static const struct prov_opt opts[] = {
	[FOLLOW] = { "follow", 'f', NULL, "stay" },
	[LINES] = { "lines", 'n', "N", "how many" },
	{ 0 },
};
static const struct prov_verb verb = { "logs", "[SERVICE]", "print", NULL, opts, 0, 1, NULL };
static const struct prov_verb needy = { "show", "A B", "print", NULL, NULL, 2, 2, NULL };

/* "f" when following, "n=..." and the positions, or the error's number. */
static void parse(char out[64], const struct prov_verb *v, const char *line)
{
	char words[128], *argv[16], *save;
	struct prov_args a;
	int n = 0, err;

	snprintf(words, sizeof(words), "%s", line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	err = prov_args_parse(&a, v, n, argv);
	if (err < 0)
		snprintf(out, 64, "%d", err);
	else
		snprintf(out, 64, "%s%s%s%s%s", a.opt[FOLLOW] ? "f " : "", a.opt[LINES] ? "n=" : "",
			a.opt[LINES] ? a.opt[LINES] : "", a.n ? " " : "", a.n ? a.pos[0] : "");
}

Test(args, rows)
{
	static const struct {
		const char *line, *means;
	} rows[] = {
		{ "", "" },
		{ "mail", " mail" },
		{ "-f mail", "f  mail" },
		{ "mail --follow", "f  mail" },
		{ "-n 5", "n=5" },
		{ "-n5 mail", "n=5 mail" },
		{ "--lines=5 -f", "f n=5" },
		{ "--lines 5", "n=5" },
		{ "-- -f", " -f" },
		{ "-", " -" },
		{ "--lines", "-1" },
		{ "--follow=yes", "-1" },
		{ "--nothing", "-1" },
		{ "-x", "-1" },
		{ "mail web", "-1" },
		{ "mail --help", "-7" },
		{ "-h", "-7" },
	};
	char got[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		parse(got, &verb, rows[i].line);
		cr_expect_str_eq(got, rows[i].means, "row %zu: %s", i, got);
	}
	parse(got, &needy, "one");
	cr_expect_str_eq(got, "-1");
}

Test(args, verbs_are_found_by_one_word_or_two)
{
	static const struct {
		const char *first, *second, *name;
		bool group;
	} rows[] = {
		{ "status", NULL, "status", false },
		{ "user", "add", "user add", true },
		{ "user", "app-password", "user app-password", true },
		{ "user", "fly", NULL, true },
		{ "user", NULL, NULL, true },
		{ "us", NULL, NULL, false },
		{ "", NULL, NULL, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *argv[] = { (char *)rows[i].first, (char *)rows[i].second, NULL };
		const struct prov_verb *v;
		bool group;
		int used;

		v = prov_verb_find(&used, &group, rows[i].second ? 2 : 1, argv);
		cr_expect(v ? rows[i].name && strcmp(v->name, rows[i].name) == 0 : !rows[i].name,
			"row %zu", i);
		cr_expect_eq(group, rows[i].group, "row %zu", i);
	}
}

/* A verb whose table is longer than prov_args, or without a word of meaning, breaks here. */
Test(args, the_table_is_sound)
{
	struct buf b;

	for (size_t i = 0; prov_verbs[i]; i++) {
		const struct prov_verb *v = prov_verbs[i];
		size_t n = 0;

		cr_expect(v->run && *v->meaning && v->takes, "%s", v->name);
		cr_expect_leq(v->least, v->most, "%s", v->name);
		cr_expect_leq(v->most, PROV_POS_MAX, "%s", v->name);
		while (v->opts && v->opts[n].name)
			n++;
		cr_expect_leq(n, PROV_OPTS_MAX, "%s", v->name);
		buf_init(&b, NULL);
		prov_verb_help(&b, v);
		cr_expect_geq(str_find(buf_str(&b), str_of(v->meaning)), 0, "%s", v->name);
		buf_free(&b);
	}
}
