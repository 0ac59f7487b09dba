/* SPDX-License-Identifier: ISC */
/* Items in words, and what differs between two of them. */
#include "services/dav/about.h"

#include <criterion/criterion.h>

#define EVENT(x) \
	"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:u\r\n" x \
	"END:VEVENT\r\nEND:VCALENDAR\r\n"

Test(about, items)
{
	static const struct {
		const char *bytes, *kind, *uid, *title, *detail;
	} rows[] = {
		{ EVENT("SUMMARY:Din\r\n ner\\, "
			"late\r\nDTSTART;TZID=Europe/Rome:20261128T203000\r\n"),
			"event", "u", "Dinner, late", "Sat 28 Nov 2026 20:30, Europe/Rome" },
		{ EVENT("SUMMARY:x\nDTSTART:20260101T000000Z\nRRULE:FREQ=DAILY\n"), "event", "u",
			"x", "Thu 1 Jan 2026 0:00 UTC, repeats" },
		{ EVENT("DTSTART;VALUE=DATE:20240229\r\n"), "event", "u", "", "Thu 29 Feb 2024" },
		{ EVENT("DTSTART:soon\r\n"), "event", "u", "", "soon" },
		{ EVENT("DTSTART:99999999T999999\r\nSUMMARY:y\r\n"), "event", "u", "y", NULL },
		/* The master speaks, wherever it stands. */
		{ EVENT("RECURRENCE-ID:20260101T000000Z\r\nSUMMARY:no\r\nEND:VEVENT\r\n"
			"BEGIN:VEVENT\r\nUID:u\r\nSUMMARY:yes\r\n"),
			"event", "u", "yes", "" },
		{ "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:t\nSUMMARY:Do\nDUE:20260102\nEND:VTODO\n"
		  "END:VCALENDAR\n",
			"task", "t", "Do", "Fri 2 Jan 2026" },
		{ "BEGIN:VCARD\nVERSION:2.1\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=B6rg "
		  "=\n"
		  "M\nTEL:1\nEND:VCARD\n",
			"contact", "", "Jörg M", "1" },
		{ "BEGIN:VCARD\nVERSION:4.0\nUID:c\nFN:Ann\nitem1.EMAIL:ann@example.org\nTEL:1\n"
		  "END:VCARD\n",
			"contact", "c", "Ann", "ann@example.org" },
		{ "no such thing", NULL, "", "", "" },
		{ "", NULL, "", "", "" },
	};
	struct dav_about me;
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		dav_about(&me, &a, str_of(rows[i].bytes));
		cr_expect_eq(!me.kind, !rows[i].kind, "row %zu", i);
		if (me.kind && rows[i].kind)
			cr_expect_str_eq(me.kind, rows[i].kind, "row %zu", i);
		cr_expect(str_eq(me.uid, str_of(rows[i].uid)), "row %zu: %.*s", i, STR_ARG(me.uid));
		cr_expect(str_eq(me.title, str_of(rows[i].title)), "row %zu: %.*s", i,
			STR_ARG(me.title));
		if (rows[i].detail)
			cr_expect(str_eq(me.detail, str_of(rows[i].detail)), "row %zu: %.*s", i,
				STR_ARG(me.detail));
	}
	arena_free(&a);
}

Test(about, differences)
{
	static const struct {
		const char *before, *after, *want;
	} rows[] = {
		{ EVENT("SUMMARY:a\r\n"), EVENT("SUMMARY:a\n"), "" },
		{ EVENT("SUMMARY:a\r\nDTSTAMP:1\r\n"), EVENT("DTSTAMP:2\r\nSUMMARY:\r\n a\r\n"),
			"" },
		{ EVENT("SUMMARY:a\r\nLOCATION:x\r\n"), EVENT("LOCATION:x\r\nSUMMARY:b\\,c\r\n"),
			"title: a -> b,c\n" },
		{ EVENT("DTSTART:20260101T090000\r\n"), EVENT("DTSTART:20260101T100000\r\n"),
			"time: Thu 1 Jan 2026 9:00 -> Thu 1 Jan 2026 10:00\n" },
		{ EVENT("ATTENDEE:mailto:a\r\nATTENDEE:mailto:b\r\n"),
			EVENT("ATTENDEE:mailto:c\r\nATTENDEE:mailto:a\r\n"),
			"people: mailto:b -> mailto:c\n" },
		{ EVENT("BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n"), EVENT(""),
			"alarm: -PT5M -> \n" },
		{ EVENT("SUMMARY:a\r\n"),
			EVENT("SUMMARY:a\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nRECURRENCE-ID:"
			      "20260102\r\n"
			      "SUMMARY:b\r\n"),
			"Fri 2 Jan 2026 repetition:  -> Fri 2 Jan 2026\nFri 2 Jan 2026 title:  -> "
			"b\n" },
		{ "BEGIN:VCARD\nFN:A\nitem1.TEL:1\nEND:VCARD\n",
			"BEGIN:VCARD\nFN:A\nitem2.TEL:2\nEND:VCARD\n", "phone: 1 -> 2\n" },
	};
	struct dav_difference *list;
	struct arena a;
	size_t n;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t one[DAV_MEANING], two[DAV_MEANING];
		struct buf b;
		buf_init(&b, &a);
		buf_add(&b, STR(""));
		cr_assert_eq(dav_differences(
				     &list, &n, &a, str_of(rows[i].before), str_of(rows[i].after)),
			0);
		for (size_t k = 0; k < n; k++)
			buf_fmt(&b, "%.*s%s%.*s: %.*s -> %.*s\n", STR_ARG(list[k].of),
				list[k].of.n ? " " : "", STR_ARG(list[k].word),
				STR_ARG(list[k].before), STR_ARG(list[k].after));
		cr_expect_str_eq(b.p, rows[i].want, "row %zu: %s", i, b.p);
		cr_assert_eq(dav_meaning(one, &a, str_of(rows[i].before)), 0);
		cr_assert_eq(dav_meaning(two, &a, str_of(rows[i].after)), 0);
		cr_expect_eq(memcmp(one, two, sizeof(one)) == 0, n == 0, "row %zu", i);
	}
	cr_expect_eq(dav_differences(&list, &n, &a, STR("?"), STR("")), ERR_BAD);
	arena_free(&a);
}
