/* SPDX-License-Identifier: ISC */
#include <criterion/criterion.h>
#include "services/mail/smtp_wire.h"

static const struct {
	const char *arg, *address;
	int err;
	size_t params;
} paths[] = {
	{ "FROM:<a@example.org>", "a@example.org", 0, 0 },
	{ "from: <a@example.org> SIZE=10 BODY=8BITMIME", "a@example.org", 0, 2 },
	{ "FROM:<>", "", 0, 0 },
	{ "FROM:<@relay.example,@b.example:a@example.org>", "a@example.org", 0, 0 },
	{ "FROM:<\"odd \\\"one\\\" >\"@example.org>", "odd \"one\" >@example.org", 0, 0 },
	{ "FROM:<Postmaster>", "Postmaster", 0, 0 },
	{ "FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]", 0, 0 },
	{ "FROM:<a@[x@y]>", NULL, ERR_BAD, 0 },
	{ "FROM:<a+tag@example.org>", "a+tag@example.org", 0, 0 },
	{ "FROM:<a>", NULL, ERR_BAD, 0 },
	{ "FROM:a@example.org", NULL, ERR_BAD, 0 },
	{ "FROM:<a@example.org", NULL, ERR_BAD, 0 },
	{ "FROM:<a@example.org>SIZE=1", NULL, ERR_BAD, 0 },
	{ "FROM:<a..b@example.org>", NULL, ERR_BAD, 0 },
	{ "FROM:<.a@example.org>", NULL, ERR_BAD, 0 },
	{ "FROM:<a@.example.org>", NULL, ERR_BAD, 0 },
	{ "FROM:<a@b@example.org>", NULL, ERR_BAD, 0 },
	{ "FROM:<a b@example.org>", NULL, ERR_BAD, 0 },
	{ "FROM:<\303\244@example.org>", NULL, ERR_UNSUPPORTED, 0 },
	{ "TO:<a@example.org>", NULL, ERR_BAD, 0 },
	{ "FROM:<a@example.org> =1", NULL, ERR_BAD, 0 },
};

Test(smtp_wire, paths)
{
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct smtp_path p;
		struct arena a;
		int err;

		arena_init(&a, 65536);
		err = smtp_path(&p, &a, str_of(paths[i].arg), STR("FROM:"));
		cr_assert_eq(err, paths[i].err, "%s: %d", paths[i].arg, err);
		if (err == 0) {
			cr_assert(str_eq(p.address, str_of(paths[i].address)), "%s: got %.*s",
				paths[i].arg, STR_ARG(p.address));
			cr_assert_eq(p.param_count, paths[i].params, "%s", paths[i].arg);
		}
		arena_free(&a);
	}
}

/* What Return-Path says is a path again: quotes that were taken off come back. */
Test(smtp_wire, an_address_is_written_as_a_path)
{
	static const char *const rows[][2] = {
		{ "FROM:<>", "" },
		{ "FROM:<postmaster>", "postmaster" },
		{ "FROM:<a.b+c@example.org>", "a.b+c@example.org" },
		{ "FROM:<\"a\"@example.org>", "a@example.org" },
		{ "FROM:<\"a>b\\\"c\\\\ d\"@example.org>", "\"a>b\\\"c\\\\ d\"@example.org" },
		{ "FROM:<\"a@b\"@example.org>", "\"a@b\"@example.org" },
		{ "FROM:<\"a..b\"@[192.0.2.1]>", "\"a..b\"@[192.0.2.1]" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_path p;
		struct arena a;
		struct buf b;

		arena_init(&a, 65536);
		buf_init(&b, &a);
		cr_assert_eq(
			smtp_path(&p, &a, str_of(rows[i][0]), STR("FROM:")), 0, "%s", rows[i][0]);
		smtp_path_text(&b, p.address);
		cr_expect(str_eq(buf_str(&b), str_of(rows[i][1])), "%s: %.*s", rows[i][0],
			STR_ARG(buf_str(&b)));
		arena_free(&a);
	}
}

Test(smtp_wire, address_of_any_length_is_bounded)
{
	char text[1000] = "FROM:<";
	struct smtp_path p;
	struct arena a;

	arena_init(&a, 65536);
	memset(text + 6, 'a', 400);
	memcpy(text + 406, "@example.org>", 14);
	cr_assert_eq(smtp_path(&p, &a, str_of(text), STR("FROM:")), ERR_LIMIT);
	arena_free(&a);
}

/* What DATA makes of `in`, pushed in pieces of `step` bytes. */
static void run_data(
	struct buf *out, struct smtp_data *d, size_t *consumed, struct str in, size_t step)
{
	size_t at = 0;

	*d = (struct smtp_data){ 0 };
	while (at < in.n && !d->ended) {
		struct str piece = str_sub(in, at, at + step), text;
		size_t used;

		smtp_data_push(&used, &text, d, piece);
		cr_assert_gt(used, 0);
		buf_add(out, text);
		at += used;
	}
	*consumed = at;
}

static const struct {
	struct str in, out;
	bool ended;
	enum smtp_data_fault fault;
	size_t left; /* bytes after the end that must not be taken */
} texts[] = {
	{ STR("a: b\r\n\r\nhi\r\n.\r\n"), STR("a: b\r\n\r\nhi\r\n"), true, SMTP_DATA_FINE, 0 },
	{ STR(".\r\nQUIT\r\n"), STR(""), true, SMTP_DATA_FINE, 6 },
	{ STR("..\r\n...x\r\n.y\r\n.\r\n"), STR(".\r\n..x\r\ny\r\n"), true, SMTP_DATA_FINE, 0 },
	{ STR("x.\r\n.\r\n"), STR("x.\r\n"), true, SMTP_DATA_FINE, 0 },
	{ STR("x\r\n"), STR("x\r\n"), false, SMTP_DATA_FINE, 0 },
	{ STR("x\n.\r\nMAIL\r\n.\r\n"), STR_NONE, true, SMTP_DATA_BARE, 0 },
	{ STR("x\r\n.\nMAIL\r\n.\r\n"), STR_NONE, true, SMTP_DATA_BARE, 0 },
	{ STR("x\r.\r\ny\r\n.\r\n"), STR_NONE, true, SMTP_DATA_BARE, 0 },
	{ STR("x\r\n.\rMAIL\r\n.\r\n"), STR_NONE, true, SMTP_DATA_BARE, 0 },
	{ STR("x\r\r\n.\r\n"), STR_NONE, true, SMTP_DATA_BARE, 0 },
	{ STR("a\0b\r\n.\r\n"), STR_NONE, true, SMTP_DATA_NUL, 0 },
};

Test(smtp_wire, data_in_pieces_of_every_size)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		for (size_t step = 1; step <= texts[i].in.n; step++) {
			struct smtp_data d;
			struct buf out;
			size_t consumed;

			buf_init(&out, NULL);
			run_data(&out, &d, &consumed, texts[i].in, step);
			cr_assert_eq(d.ended, texts[i].ended, "row %zu step %zu", i, step);
			cr_assert_eq(d.fault, texts[i].fault, "row %zu step %zu", i, step);
			cr_assert_eq(consumed, texts[i].in.n - texts[i].left, "row %zu step %zu", i,
				step);
			if (texts[i].out.p)
				cr_assert(str_eq(buf_str(&out), texts[i].out),
					"row %zu step %zu: %.*s", i, step, STR_ARG(buf_str(&out)));
			buf_free(&out);
		}
}

Test(smtp_wire, received_fields_are_counted_in_the_header_only)
{
	struct str in =
		STR("Received: a\r\nReceived:\r\n folded\r\nX-Received: no\r\nRECEIVED: c\r\n"
		    "\r\nReceived: in the body\r\n.\r\n");

	for (size_t step = 1; step <= in.n; step++) {
		struct smtp_data d;
		struct buf out;
		size_t consumed;

		buf_init(&out, NULL);
		run_data(&out, &d, &consumed, in, step);
		cr_assert_eq(d.received, 3, "step %zu: %u", step, d.received);
		buf_free(&out);
	}
}

Test(smtp_wire, bdat_checks_the_same_faults)
{
	static const struct {
		struct str in;
		enum smtp_data_fault fault;
	} rows[] = {
		{ STR("a\r\n.\r\nb\r\n"), SMTP_DATA_FINE },
		{ STR("a\nb\r\n"), SMTP_DATA_BARE },
		{ STR("a\rb\r\n"), SMTP_DATA_BARE },
		{ STR("a\0\r\n"), SMTP_DATA_NUL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step <= rows[i].in.n; step++) {
			struct smtp_data d = { 0 };

			for (size_t at = 0; at < rows[i].in.n; at += step)
				smtp_bdat_push(&d, str_sub(rows[i].in, at, at + step));
			cr_assert_eq(d.fault, rows[i].fault, "row %zu step %zu", i, step);
		}
}

Test(smtp_wire, a_text_has_time_for_what_has_come_of_it)
{
	cr_expect_eq(smtp_text_by(5, 0, 60), 5 + 60 * OS_SEC);
	cr_expect_eq(smtp_text_by(5, SMTP_TEXT_RATE - 1, 60), 5 + 60 * OS_SEC);
	cr_expect_eq(smtp_text_by(5, 100 * SMTP_TEXT_RATE, 60), 5 + 160 * OS_SEC);
}
