/* SPDX-License-Identifier: ISC */
/* Monotonic time for deadlines, wall time for people and protocols. */
#ifndef OS_TIME_H
#define OS_TIME_H

#include "os/base.h"

typedef int64_t os_time; /* nanoseconds */
#define OS_MS      ((os_time)1000000)
#define OS_SEC     ((os_time)1000000000)
#define OS_FOREVER ((os_time)INT64_MAX)

os_time os_now(void);      /* monotonic, from boot; what every deadline is measured in */
os_time os_wall(void);     /* since 1970 UTC */
int64_t os_wall_sec(void); /* the same in whole seconds */

/* now + d, saturating at OS_FOREVER. */
static inline os_time os_after(os_time d)
{
	os_time t = os_now();
	return d >= OS_FOREVER - t ? OS_FOREVER : t + d;
}

/* Civil time, proleptic Gregorian, no leap seconds. */
struct os_date {
	int year, month, day; /* month 1..12, day 1..31 */
	int hour, min, sec;
	int wday; /* 0 Sunday */
};
void os_date_of(struct os_date *out, int64_t unix_sec);
int64_t os_date_unix(const struct os_date *d); /* wday ignored; fields need not be normal */

#endif
