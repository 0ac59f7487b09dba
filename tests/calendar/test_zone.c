/* SPDX-License-Identifier: ISC */
/* Offsets against the host's C library, and the local times that are missing or come twice. */
#include "services/calendar/zone.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static struct zone named(const char *name)
{
	struct zone z;
	cr_assert_eq(zone_find(&z, str_of(name)), 0, "%s: %s", name, err_text(ERR_NOENT));
	return z;
}

Test(zone, seconds_of_a_date)
{
	for (int64_t t = -80LL * 365 * 86400; t < 400LL * 365 * 86400; t += 86400 * 17 + 4711) {
		time_t at = t;
		struct tm tm;
		gmtime_r(&at, &tm);
		cr_assert_eq(zone_seconds(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
				     tm.tm_min, tm.tm_sec),
			t);
	}
	cr_expect_eq(zone_seconds(2025, 14, 1, 0, 0, 0), zone_seconds(2026, 2, 1, 0, 0, 0));
	cr_expect_eq(zone_seconds(2026, 0, 31, 0, 0, 0), zone_seconds(2025, 12, 31, 0, 0, 0));
}

/* What the rules of today give for ever is the same whatever year the host's data is from. */
static const struct {
	const char *zone, *posix;
} rules[] = {
	{ "Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3" },
	{ "America/New_York", "EST5EDT,M3.2.0,M11.1.0" },
	{ "Australia/Lord_Howe", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0" },
	{ "Europe/Dublin", "IST-1GMT0,M10.5.0,M3.5.0/1" },
	{ "America/Nuuk", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0" },
	{ "Asia/Kolkata", "IST-5:30" },
	{ "Asia/Kathmandu", "<+0545>-5:45" },
	{ "Pacific/Chatham", "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45" },
	{ "Etc/GMT+5", "<-05>5" },
	{ "UTC", "UTC0" },
};

Test(zone, rules)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct zone z = named(rules[i].zone);
		setenv("TZ", rules[i].posix, 1);
		tzset();
		for (int64_t t = zone_seconds(2026, 1, 1, 0, 0, 0);
			t < zone_seconds(2060, 1, 1, 0, 0, 0); t += 3600 * 7 + 1) {
			time_t at = t;
			struct tm tm;
			localtime_r(&at, &tm);
			cr_assert_eq(zone_offset(&z, t), tm.tm_gmtoff, "%s at %lld: %d, not %ld",
				rules[i].zone, (long long)t, zone_offset(&z, t), tm.tm_gmtoff);
		}
	}
}

Test(zone, past)
{
	struct zone berlin = named("Europe/Berlin"), moscow = named("Europe/Moscow");

	cr_expect_eq(zone_offset(&berlin, zone_seconds(1945, 6, 1, 0, 0, 0)), 3 * 3600);
	cr_expect_eq(zone_offset(&berlin, zone_seconds(1979, 7, 1, 0, 0, 0)), 3600);
	cr_expect_eq(zone_offset(&berlin, zone_seconds(1980, 7, 1, 0, 0, 0)), 7200);
	cr_expect_eq(zone_offset(&berlin, zone_seconds(1800, 1, 1, 0, 0, 0)), 3208);
	cr_expect_eq(zone_offset(&moscow, zone_seconds(2012, 1, 1, 0, 0, 0)), 4 * 3600);
	cr_expect_eq(zone_offset(&moscow, zone_seconds(2015, 1, 1, 0, 0, 0)), 3 * 3600);
}

static const struct {
	const char *zone;
	int y, mo, d, h, mi;
	int64_t offset; /* of the time meant */
} walls[] = {
	{ "Europe/Berlin", 2026, 3, 29, 1, 59, 3600 },
	{ "Europe/Berlin", 2026, 3, 29, 2, 30, 3600 }, /* not there: as if before */
	{ "Europe/Berlin", 2026, 3, 29, 3, 0, 7200 },
	{ "Europe/Berlin", 2026, 10, 25, 2, 30, 7200 }, /* twice: the first */
	{ "Europe/Berlin", 2026, 10, 25, 3, 0, 3600 },
	{ "Europe/Berlin", 2055, 3, 28, 2, 30, 3600 },
	{ "Europe/Berlin", 2055, 7, 1, 12, 0, 7200 },
	{ "America/New_York", 2026, 3, 8, 2, 30, -18000 },
	{ "America/New_York", 2026, 11, 1, 1, 30, -14400 },
	{ "Pacific/Apia", 2011, 12, 30, 12, 0, -36000 }, /* a day that never was */
	{ "Pacific/Apia", 2011, 12, 31, 12, 0, 14 * 3600 },
	{ "Australia/Lord_Howe", 2026, 4, 5, 1, 45, 11 * 3600 },
	{ "Asia/Kolkata", 2026, 1, 1, 0, 0, 19800 },
};

Test(zone, walls)
{
	for (size_t i = 0; i < ARRAY_LEN(walls); i++) {
		struct zone z = named(walls[i].zone);
		int64_t local = zone_seconds(
			walls[i].y, walls[i].mo, walls[i].d, walls[i].h, walls[i].mi, 0);
		int64_t got = zone_to_utc(&z, local);
		cr_expect_eq(local - got, walls[i].offset, "%s %d-%d-%d %d:%d: %lld", walls[i].zone,
			walls[i].y, walls[i].mo, walls[i].d, walls[i].h, walls[i].mi,
			(long long)(local - got));
	}
}

/* Whatever instant: its wall clock leads back to it, or to the first of two. */
Test(zone, there_and_back)
{
	static const char *const names[] = { "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo",
		"Asia/Tehran", "Antarctica/Troll", "Africa/Casablanca", "Pacific/Apia" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct zone z = named(names[i]);
		for (int64_t t = zone_seconds(1950, 1, 1, 0, 0, 0);
			t < zone_seconds(2080, 1, 1, 0, 0, 0); t += 3600 * 5 + 17) {
			int64_t local = t + zone_offset(&z, t), back = zone_to_utc(&z, local);
			cr_assert(back == t || (back < t && back + zone_offset(&z, back) == local),
				"%s %lld", names[i], (long long)t);
		}
	}
}

Test(zone, names)
{
	struct zone z;

	cr_expect_eq(zone_find(&z, STR("europe/berlin")), 0);
	cr_expect(str_eq(z.name, STR("Europe/Berlin")));
	cr_expect_eq(zone_find(&z, STR("/citadel.org/20210210_1/Europe/Berlin")), 0);
	cr_expect_eq(zone_find(&z, STR("/Europe/Berlin")), 0);
	cr_expect_eq(zone_find(&z, STR("Mars/Base")), ERR_NOENT);
	cr_expect_eq(zone_find(&z, STR("")), ERR_NOENT);
	cr_expect_eq(zone_find(&z, STR("/////")), ERR_NOENT);
	cr_expect_eq(zone_parse(&z, STR("x"), STR("TZif2")), ERR_CORRUPT);
}
