/* SPDX-License-Identifier: ISC */
/*
 * What libical's rules and times want of the rest of it. Time zones: times are floating or in UTC
 * (services/calendar has zones of its own). Values: dates as text.
 */
#include "icaltimezone.h"
#include "icalvalue.h"

#include <stdio.h>

struct _icaltimezone {
	char only;
};
static icaltimezone utc;

icaltimezone *icaltimezone_get_utc_timezone(void)
{
	return &utc;
}

const char *icaltimezone_get_tzid(icaltimezone *zone)
{
	return zone ? "UTC" : NULL;
}

void icaltimezone_convert_time(
	struct icaltimetype *t, icaltimezone *from_zone, icaltimezone *to_zone)
{
	(void)t; /* from UTC to UTC, or to or from floating: the same numbers */
	(void)from_zone;
	(void)to_zone;
}

/* Callers have 20 bytes. */
void print_date_to_string(char *str, const struct icaltimetype *t)
{
	snprintf(str, 20, "%04d%02d%02d", t->year, t->month, t->day);
}

void print_datetime_to_string(char *str, const struct icaltimetype *t)
{
	snprintf(str, 20, "%04d%02d%02dT%02d%02d%02d%s", t->year, t->month, t->day, t->hour,
		t->minute, t->second, t->zone ? "Z" : "");
}
