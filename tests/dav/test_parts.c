/* SPDX-License-Identifier: ISC */
/* A file of many components, cut up. */
#include "services/dav/parts.h"

#include <criterion/criterion.h>

static int tell(void *ctx, const struct part *p)
{
	buf_fmt(ctx, "%u:%.*s", (unsigned)p->line, STR_ARG(p->name));
	if (p->calendar)
		buf_fmt(ctx, "@%u", (unsigned)p->calendar);
	if (p->prodid.n)
		buf_fmt(ctx, "=%.*s", STR_ARG(p->prodid));
	buf_fmt(ctx, "%s ", p->fault ? "!" : "");
	return 0;
}

Test(parts, are_found)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "" },
		{ "nothing\nof\nthe kind", "" },
		{ "BEGIN:VCARD\nEND:VCARD\n\nbegin:vcard\r\nend:vcard", "1:VCARD 4:vcard " },
		{ "\xef\xbb\xbf"
		  "BEGIN:VCARD\nEND:VCARD\n\xef\xbb\xbf"
		  "BEGIN:VCARD\nEND:VCARD\n",
			"1:VCARD 3:VCARD " },
		{ "BEGIN:VCALENDAR\nPRODID:a\nBEGIN:VEVENT\nBEGIN:VALARM\nEND:VALARM\nEND:VEVENT\n"
		  "BEGIN:VTODO\nEND:VTODO\nEND:VCALENDAR\nBEGIN:VCALENDAR\nPRODID:b\r\n c\r\n"
		  "BEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR\n",
			"3:VEVENT@1=a 7:VTODO@1=a 13:VEVENT@2=bc " },
		/* One whose END is missing ends where the next begins. */
		{ "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nBEGIN:VEVENT\nUID:2\nEND:VEVENT\n"
		  "END:VCALENDAR\n",
			"2:VEVENT@1! 4:VEVENT@1 " },
		{ "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\nBEGIN:VCARD\n",
			"2:VEVENT@1! 4:VCARD@1! " },
		{ "BEGIN:VCARD\nAGENT:\nBEGIN:VCARD\nEND:VCARD\nEND:VCARD\nBEGIN:VCARD\nEND:"
		  "VCARD\n",
			"1:VCARD 6:VCARD " },
		/* A line of a quoted-printable text is none of ours, nor is a folded one. */
		{ "BEGIN:VCARD\nNOTE;ENCODING=QUOTED-PRINTABLE:a=\nEND:VCARD=\nEND:VCARD\nEND:"
		  "VCARD\n",
			"1:VCARD " },
		{ "BEGIN:VCARD\nNOTE:\n END:VCARD\nEND:VCARD\n", "1:VCARD " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 50; step += 16) {
			struct str s = str_of(rows[i].text);
			struct parts *p;
			struct buf b;
			buf_init(&b, NULL);
			buf_add(&b, STR(""));
			cr_assert_eq(parts_open(&p, tell, &b), 0);
			for (size_t at = 0; at < s.n; at += step)
				cr_assert_eq(parts_push(p, str_sub(s, at, at + step)), 0);
			cr_assert_eq(parts_close(p), 0);
			cr_expect_str_eq(b.p, rows[i].want, "row %zu: %s", i, b.p);
			buf_free(&b);
		}
}

static int count(void *ctx, const struct part *p)
{
	int *n = ctx;

	n[p->fault != NULL]++;
	cr_assert_leq(p->bytes.n, PARTS_MAX);
	return 0;
}

Test(parts, too_long_is_one_fault)
{
	static char big[1 << 16];
	int n[2] = { 0 };
	struct parts *p;

	memset(big, 'x', sizeof(big));
	cr_assert_eq(parts_open(&p, count, n), 0);
	cr_assert_eq(parts_push(p, STR("BEGIN:VCARD\nPHOTO:")), 0);
	for (int i = 0; i < 40; i++)
		cr_assert_eq(parts_push(p, str_n(big, sizeof(big))), 0);
	cr_assert_eq(parts_push(p, STR("\nEND:VCARD\nBEGIN:VCARD\nEND:VCARD\n")), 0);
	cr_assert_eq(parts_close(p), 0);
	cr_expect_eq(n[0], 1);
	cr_expect_eq(n[1], 1);
}
