/* SPDX-License-Identifier: ISC */
#include "provisioner/when.h"

#include <criterion/criterion.h>

/* The European Union's rule: an hour more from the last Sunday of March to that of October, 01:00 UTC. */
static int64_t last_sunday(int year, int month)
{
	struct os_date d = { .year = year, .month = month, .day = 31, .hour = 1 };

	os_date_of(&d, os_date_unix(&d));
	d.day -= d.wday;
	return os_date_unix(&d);
}

static int32_t berlin_east(const struct prov_zone *z, int64_t t)
{
	struct os_date d;

	(void)z;
	os_date_of(&d, t);
	return t >= last_sunday(d.year, 3) && t < last_sunday(d.year, 10) ? 7200 : 3600;
}

static int32_t newfoundland_east(const struct prov_zone *z, int64_t t)
{
	(void)z;
	(void)t;
	return -12600;
}

static const struct prov_zone berlin = { berlin_east }, newfoundland = { newfoundland_east };

static int64_t utc(const char *s)
{
	struct os_date d = { 0 };

	cr_assert_eq(
		sscanf(s, "%d-%d-%d %d:%d:%d", &d.year, &d.month, &d.day, &d.hour, &d.min, &d.sec),
		6, "%s", s);
	return os_date_unix(&d);
}

struct row {
	const char *text, *first, *last; /* UTC; last NULL: the same */
};

static void check(const struct row *rows, size_t n, const char *now, const struct prov_zone *z)
{
	for (size_t i = 0; i < n; i++) {
		struct prov_when w;
		int err = prov_when(&w, str_of(rows[i].text), utc(now), z);
		char got[2][PROV_WHEN_TEXT];

		if (!rows[i].first) {
			cr_expect_eq(err, ERR_BAD, "\"%s\" is understood", rows[i].text);
			cr_expect_gt(strlen(err_text(err)), 10);
			continue;
		}
		cr_expect_eq(err, 0, "\"%s\": %s", rows[i].text, err_text(err));
		if (err < 0)
			continue;
		cr_expect(w.first == utc(rows[i].first) &&
				w.last == utc(rows[i].last ? rows[i].last : rows[i].first),
			"\"%s\" is %s to %s", rows[i].text, prov_when_text(got[0], w.first, z),
			prov_when_text(got[1], w.last, z));
	}
}

/* Saturday 21 November 2026, 10:15:30 in Berlin. */
#define NOW "2026-11-21 09:15:30"

Test(when, words)
{
	static const struct row rows[] = {
		{ "now", NOW, NULL },
		{ "  NOW ", NOW, NULL },
		{ "today", "2026-11-20 23:00:00", NOW },
		{ "yesterday", "2026-11-19 23:00:00", "2026-11-20 22:59:59" },
		{ "yesterday 14:00", "2026-11-20 13:00:00", NULL },
		{ "yesterday, at 14:00", "2026-11-20 13:00:00", NULL },
		{ "14:00 yesterday", "2026-11-20 13:00:00", NULL },
		{ "yesterday noon", "2026-11-20 11:00:00", NULL },
		{ "14:00", "2026-11-20 13:00:00", NULL }, /* not yet today */
		{ "9:30", "2026-11-21 08:30:00", NULL },
		{ "9:30:15", "2026-11-21 08:30:15", NULL },
		{ "today 9:30", "2026-11-21 08:30:00", NULL },
		{ "2pm", "2026-11-20 13:00:00", NULL },
		{ "12am", "2026-11-20 23:00:00", NULL },
		{ "12:10 am", NULL, NULL },
		{ "9:30am", "2026-11-21 08:30:00", NULL },
		{ "midnight", "2026-11-20 23:00:00", NULL },
		{ "monday", "2026-11-15 23:00:00", "2026-11-16 22:59:59" },
		{ "monday 9:30", "2026-11-16 08:30:00", NULL },
		{ "on Mon 9:30", "2026-11-16 08:30:00", NULL },
		{ "9:30 tues", "2026-11-17 08:30:00", NULL },
		{ "last monday", "2026-11-15 23:00:00", "2026-11-16 22:59:59" },
		{ "saturday", "2026-11-20 23:00:00", NOW },
		{ "saturday 9:00", "2026-11-21 08:00:00", NULL },
		{ "saturday 11:00", "2026-11-14 10:00:00", NULL },
		{ "last saturday", "2026-11-13 23:00:00", "2026-11-14 22:59:59" },
		{ "last week", "2026-11-08 23:00:00", "2026-11-15 22:59:59" },
		{ "last month", "2026-09-30 22:00:00", "2026-10-31 22:59:59" },
		{ "last year", "2024-12-31 23:00:00", "2025-12-31 22:59:59" },
		{ "2 hours ago", "2026-11-21 07:15:30", NULL },
		{ "2h ago", "2026-11-21 07:15:30", NULL },
		{ "an hour ago", "2026-11-21 08:15:30", NULL },
		{ "90 min ago", "2026-11-21 07:45:30", NULL },
		{ "30 seconds ago", "2026-11-21 09:15:00", NULL },
		{ "3 days ago", "2026-11-18 09:15:30", NULL },
		{ "a week ago", "2026-11-14 09:15:30", NULL },
		{ "1 month ago", "2026-10-21 08:15:30", NULL }, /* the same hour, then summer's */
		{ "9 months ago", "2026-02-21 09:15:30", NULL },
		{ "2 years ago", "2024-11-21 09:15:30", NULL },
		{ "@1795182000", "2026-11-20 13:40:00", NULL },
	};
	check(rows, ARRAY_LEN(rows), NOW, &berlin);
}

Test(when, dates)
{
	static const struct row rows[] = {
		{ "2026-11-20", "2026-11-19 23:00:00", "2026-11-20 22:59:59" },
		{ "2026-11-20 14:00", "2026-11-20 13:00:00", NULL },
		{ "2026-11-20T14:00", "2026-11-20 13:00:00", NULL },
		{ "2026-11-20T14:00:05Z", "2026-11-20 14:00:05", NULL },
		{ "2026-11-20T14:00:05.250Z", "2026-11-20 14:00:05", NULL },
		{ "2026-11-20 14:00+05:30", "2026-11-20 08:30:00", NULL },
		{ "2026-11-20 14:00 -0800", "2026-11-20 22:00:00", NULL },
		{ "2026-11-20 14:00 UTC", "2026-11-20 14:00:00", NULL },
		{ "20 Nov", "2026-11-19 23:00:00", "2026-11-20 22:59:59" },
		{ "Nov 20", "2026-11-19 23:00:00", "2026-11-20 22:59:59" },
		{ "20th november 2025 8:00", "2025-11-20 07:00:00", NULL },
		{ "November 20, 2025", "2025-11-19 23:00:00", "2025-11-20 22:59:59" },
		{ "24 Dec", "2025-12-23 23:00:00", "2025-12-24 22:59:59" },
		{ "20.11.", "2026-11-19 23:00:00", "2026-11-20 22:59:59" },
		{ "20.11.2025 14:00", "2025-11-20 13:00:00", NULL },
		{ "20. Nov", "2026-11-19 23:00:00", "2026-11-20 22:59:59" },
		{ "29 Feb", "2024-02-28 23:00:00", "2024-02-29 22:59:59" },
		{ "1 July 12:00", "2026-07-01 10:00:00", NULL },
		{ "1970-01-01 12:00", "1970-01-01 11:00:00", NULL },
	};
	check(rows, ARRAY_LEN(rows), NOW, &berlin);
}

/* Clocks go forward on 29 March 2026 at 2:00, back on 25 October at 3:00. */
Test(when, days_of_23_and_25_hours)
{
	static const struct row rows[] = {
		{ "2026-03-29", "2026-03-28 23:00:00", "2026-03-29 21:59:59" },
		{ "2026-03-29 01:59", "2026-03-29 00:59:00", NULL },
		{ "2026-03-29 02:30", "2026-03-29 01:30:00", NULL }, /* there is none: 3:30 */
		{ "2026-03-29 03:30", "2026-03-29 01:30:00", NULL },
		{ "2026-10-25", "2026-10-24 22:00:00", "2026-10-25 22:59:59" },
		{ "2026-10-25 02:30", "2026-10-25 00:30:00", NULL }, /* the first of two */
		{ "2026-10-25 02:30+01:00", "2026-10-25 01:30:00", NULL },
		{ "2026-10-25 03:00", "2026-10-25 02:00:00", NULL },
	};
	static const struct row spring[] = {
		{ "24 hours ago", "2026-03-28 10:00:00", NULL },
		{ "1 day ago", "2026-03-28 11:00:00", NULL }, /* the same hour of the day */
		{ "yesterday 12:00", "2026-03-28 11:00:00", NULL },
	};
	check(rows, ARRAY_LEN(rows), NOW, &berlin);
	check(spring, ARRAY_LEN(spring), "2026-03-29 10:00:00", &berlin);
}

Test(when, west_of_utc)
{
	static const struct row rows[] = {
		{ "yesterday", "2026-11-20 03:30:00", "2026-11-21 03:29:59" },
		{ "5:00", "2026-11-21 08:30:00", NULL },
		{ "6:00", "2026-11-20 09:30:00", NULL },
	};
	check(rows, ARRAY_LEN(rows), NOW, &newfoundland);
}

Test(when, nonsense)
{
	static const struct row rows[] = { { "", NULL, NULL }, { " ", NULL, NULL },
		{ "foo", NULL, NULL }, { "tomorrow", NULL, NULL }, { "2027-01-01", NULL, NULL },
		{ "today 23:00", NULL, NULL }, { "2026-02-30", NULL, NULL },
		{ "2026-13-01", NULL, NULL }, { "31 Nov", NULL, NULL }, { "25:00", NULL, NULL },
		{ "24:01", NULL, NULL }, { "14:60", NULL, NULL }, { "14", NULL, NULL },
		{ "2026", NULL, NULL }, { "ago", NULL, NULL }, { "2 ago", NULL, NULL },
		{ "x hours ago", NULL, NULL }, { "2 hours", NULL, NULL },
		{ "2 fortnights ago", NULL, NULL }, { "9999999999 hours ago", NULL, NULL },
		{ "60000 years ago", NULL, NULL }, { "yesterday monday", NULL, NULL },
		{ "14:00 15:00", NULL, NULL }, { "yesterday 14:00 Z Z", NULL, NULL },
		{ "Z", NULL, NULL }, { "13pm", NULL, NULL }, { "@", NULL, NULL },
		{ "@x", NULL, NULL }, { "last", NULL, NULL }, { "last 14:00", NULL, NULL },
		{ "a b c d e f g h i j", NULL, NULL }, { "2026-11-20T", NULL, NULL },
		{ "-1", NULL, NULL }, { "2026-11-20 14:00+99:00", NULL, NULL },
		{ "deadbeef", NULL, NULL }, { "12345678", NULL, NULL } };
	struct prov_when w;
	int err;

	check(rows, ARRAY_LEN(rows), NOW, &berlin);
	err = prov_when(&w, STR("fortnight"), utc(NOW), &berlin);
	cr_expect(strstr(err_text(err), "yesterday 14:00"), "examples are given");
	err = prov_when(&w, STR("2027-01-01"), utc(NOW), &berlin);
	cr_expect(strstr(err_text(err), "to come"));
	err = prov_when(&w, STR("31 Nov"), utc(NOW), &berlin);
	cr_expect(strstr(err_text(err), "no such day"));
}

Test(when, text)
{
	char s[PROV_WHEN_TEXT];

	cr_expect_str_eq(prov_when_text(s, utc("2026-11-20 12:58:12"), &berlin),
		"Fri 20 Nov 2026 13:58:12 +0100");
	cr_expect_str_eq(prov_when_text(s, utc("2026-07-01 00:00:00"), &newfoundland),
		"Tue 30 Jun 2026 20:30:00 -0330");
	cr_expect_str_eq(
		prov_when_short(s, utc("2026-11-20 12:58:12"), utc(NOW), &berlin), "20 Nov 13:58");
	cr_expect_str_eq(
		prov_when_short(s, utc("2025-11-20 12:58:12"), utc(NOW), &berlin), "20 Nov 2025");
}
