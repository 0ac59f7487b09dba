/* SPDX-License-Identifier: ISC */
#include "os/platform.h"
#include "os/time.h"

#define DAY_SEC ((int64_t)86400)

os_time os_now(void)
{
	return (os_time)plat_mono_ns();
}

os_time os_wall(void)
{
	return plat_wall_ns();
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t os_wall_sec(void)
{
	return floor_div(plat_wall_ns(), OS_SEC);
}

/*
 * Days are counted in 400-year eras that begin on 1 March, so that the leap day is
 * the last day of a year and the month lengths follow (153 * m + 2) / 5.
 */
void os_date_of(struct os_date *out, int64_t unix_sec)
{
	int64_t days = floor_div(unix_sec, DAY_SEC), rest = unix_sec - days * DAY_SEC;
	int64_t era = floor_div(days + 719468, 146097);
	int doe = (int)(days + 719468 - era * 146097);
	int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int m = (5 * doy + 2) / 153;

	out->day = doy - (153 * m + 2) / 5 + 1;
	out->month = m < 10 ? m + 3 : m - 9;
	out->year = (int)(era * 400 + yoe + (out->month <= 2));
	out->hour = (int)(rest / 3600);
	out->min = (int)(rest / 60 % 60);
	out->sec = (int)(rest % 60);
	out->wday = (int)(days + 4 - floor_div(days + 4, 7) * 7);
}

int64_t os_date_unix(const struct os_date *d)
{
	int64_t month = (int64_t)d->month - 1;
	int64_t year = d->year + floor_div(month, 12);
	int64_t era;
	int m, yoe;

	m = (int)(month - floor_div(month, 12) * 12); /* 0 January */
	year -= m < 2;
	m = m < 2 ? m + 10 : m - 2; /* 0 March */
	era = floor_div(year, 400);
	yoe = (int)(year - era * 400);
	return ((era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + (153 * m + 2) / 5 - 719468) +
		       (int64_t)d->day - 1) *
		DAY_SEC +
		(int64_t)d->hour * 3600 + (int64_t)d->min * 60 + d->sec;
}
