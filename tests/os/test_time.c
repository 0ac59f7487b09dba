/* SPDX-License-Identifier: ISC */
#include "os/time.h"

#include <criterion/criterion.h>
#include <time.h>

Test(time, dates_agree_with_the_c_library)
{
	struct os_date d;
	struct tm tm;

	for (int64_t t = -70000000000; t < 300000000000; t += 86399 * 97 + 12345) {
		time_t ct = (time_t)t;
		os_date_of(&d, t);
		cr_assert_not_null(gmtime_r(&ct, &tm));
		cr_assert(d.year == tm.tm_year + 1900 && d.month == tm.tm_mon + 1 &&
				d.day == tm.tm_mday && d.hour == tm.tm_hour && d.min == tm.tm_min &&
				d.sec == tm.tm_sec && d.wday == tm.tm_wday,
			"%lld", (long long)t);
		cr_assert_eq(os_date_unix(&d), t);
	}
}

Test(time, fields_out_of_range_carry)
{
	static const struct os_date rows[][2] = {
		{ { .year = 2026, .month = 14, .day = 1 }, { .year = 2027, .month = 2, .day = 1 } },
		{ { .year = 2026, .month = 0, .day = 31 },
			{ .year = 2025, .month = 12, .day = 31 } },
		{ { .year = 2026, .month = -11, .day = 1 },
			{ .year = 2025, .month = 1, .day = 1 } },
		{ { .year = 2024, .month = 2, .day = 30 }, { .year = 2024, .month = 3, .day = 1 } },
		{ { .year = 2026, .month = 1, .day = 1, .hour = -1, .sec = 3600 },
			{ .year = 2026, .month = 1, .day = 1 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(os_date_unix(&rows[i][0]), os_date_unix(&rows[i][1]), "row %zu", i);
}

Test(time, deadlines)
{
	os_time t = os_now();

	cr_expect_geq(os_now(), t);
	cr_expect_eq(os_after(OS_FOREVER), OS_FOREVER);
	cr_expect_geq(os_after(OS_SEC), t + OS_SEC);
	cr_expect_leq(os_wall_sec() - (int64_t)time(NULL), 1);
	cr_expect_geq(os_wall_sec() - (int64_t)time(NULL), -1);
}
