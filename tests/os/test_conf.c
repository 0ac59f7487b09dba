/* SPDX-License-Identifier: ISC */
#include "os/conf.h"
#include "os/platform/unix/unix.h"

#include <criterion/criterion.h>

struct conf {
	uint64_t max;
	struct str domain;
	bool trace;
};
static const struct os_opt opts[] = {
	OS_OPT_U64(struct conf, max, "message.max", 1, 1000, 500, "largest message"),
	OS_OPT_STR(struct conf, domain, "domain", "example.org", "domain served"),
	OS_OPT_BOOL(struct conf, trace, "trace", false, "log lines"),
	{ 0 },
};

Test(conf, rows)
{
	static const struct {
		const char *args;
		int err;
		uint64_t max;
		const char *domain;
		bool trace;
	} rows[] = {
		{ "", 0, 500, "example.org", false },
		{ "message.max=1 domain=a.b trace=yes", 0, 1, "a.b", true },
		{ "  ip=dhcp   message.max=1000 other  ", 0, 1000, "example.org", false },
		{ "trace domain=\"a b\" message.max=2", 0, 2, "a b", true },
		{ "trace=on trace=off", 0, 500, "example.org", false },
		{ "domain=", 0, 500, "", false },
		{ "message.max=0", ERR_BAD, 500, "example.org", false },
		{ "message.max=1001", ERR_BAD, 500, "example.org", false },
		{ "message.max=ten", ERR_BAD, 500, "example.org", false },
		{ "trace=maybe", ERR_BAD, 500, "example.org", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conf c;
		struct arena a;

		arena_init(&a, 4096);
		os_conf_defaults(&c, opts);
		cr_expect_eq(os_conf_args(&c, opts, &a, str_of(rows[i].args)), rows[i].err,
			"row %zu", i);
		cr_expect_eq(c.max, rows[i].max, "row %zu", i);
		cr_expect(str_eq(c.domain, str_of(rows[i].domain)), "row %zu", i);
		cr_expect_eq(c.trace, rows[i].trace, "row %zu", i);
		arena_free(&a);
	}
}

Test(conf, an_error_names_the_row_and_its_range)
{
	struct conf c;

	os_conf_defaults(&c, opts);
	cr_expect_eq(os_conf_set(&c, opts, NULL, STR("message.max"), STR("x")), ERR_BAD);
	cr_expect_str_eq(err_text(ERR_BAD), "message.max: \"x\" is not a number from 1 to 1000");
	cr_expect_eq(os_conf_set(&c, opts, NULL, STR("nope"), STR("x")), ERR_NOENT);
	cr_expect_str_eq(err_text(ERR_NOENT), "nope: no such option");
}

Test(conf, boot_arguments)
{
	unix_set_args("a=1 path=\"/with space/x\" listen.25=127.0.0.1:2525 a=2");
	cr_expect(str_eq(os_arg("a"), STR("1")));
	cr_expect(str_eq(os_arg("path"), STR("/with space/x")));
	cr_expect(str_eq(os_arg("listen.25"), STR("127.0.0.1:2525")));
	cr_expect_null(os_arg("listen").p);
}
