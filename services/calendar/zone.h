/* SPDX-License-Identifier: ISC */
/*
 * Time zones, from the IANA data in the image (TZif, RFC 8536) by name. Pure: no clock, no files.
 *
 *	struct zone z;
 *	err = zone_find(&z, STR("Europe/Berlin"));
 *	int64_t t = zone_to_utc(&z, zone_seconds(2026, 3, 29, 2, 30, 0));     a time on the wall there
 *	int32_t off = zone_offset(&z, t);                                    seconds east of UTC at t
 *
 * Local times that do not exist (the clock was put forward) are read with the offset before the gap,
 * those that exist twice as the first one: RFC 5545, 3.3.5.
 */
#ifndef SERVICES_CALENDAR_ZONE_H
#define SERVICES_CALENDAR_ZONE_H

#include "os/base.h"

/* POSIX TZ, what goes on for ever (RFC 8536, 3.3.1). */
struct zone_change {
	char kind; /* 'M' month.week.day, 'J' day 1..365 without leap day, '0' day 0..365 */
	int month, week, day;
	int32_t at; /* seconds of that day, may be negative or over a day */
};
struct zone_rule {
	int32_t standard, daylight; /* east of UTC */
	bool has_daylight;
	struct zone_change start, end;
};

struct zone { /* borrows the data in the image */
	struct str name;
	const unsigned char *times; /* 8 bytes each, big-endian */
	const unsigned char *types; /* one per time: index of an info */
	const unsigned char *infos; /* 6 bytes each */
	uint32_t time_count, info_count;
	struct str rule; /* for what comes after the last time; may be empty */
	bool has_rule;
	struct zone_rule then;
};
/* Case is folded, as clients do; a leading "/vendor/…/" prefix of old calendars is passed over
 * ("/citadel.org/20210210_1/Europe/Berlin"). ERR_NOENT. */
MUST_CHECK int zone_find(struct zone *out, struct str name);
MUST_CHECK int zone_parse(struct zone *out, struct str name, struct str tzif); /* ERR_CORRUPT */
/* The IANA name of what Windows calls "W. Europe Standard Time"; STR_NONE. */
struct str zone_windows(struct str name);
int32_t zone_offset(const struct zone *z, int64_t utc);
int64_t zone_to_utc(const struct zone *z, int64_t local);

/* Seconds since 1970-01-01T00:00:00 of a time on some wall, whatever the zone; months and days may
 * be out of range and are carried over. */
int64_t zone_seconds(int64_t year, int month, int day, int hour, int minute, int second);

#endif
