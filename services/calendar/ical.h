/* SPDX-License-Identifier: ISC */
/*
 * iCalendar objects (RFC 5545): their times, and when what they describe takes place. Pure: bytes in,
 * answers out. Recurrence rules are unrolled by libical, one rule at a time and on wall-clock time;
 * zones, sets, exceptions and overrides are ours.
 *
 *	struct ical *o;
 *	err = ical_parse(&o, &arena, bytes);
 *	struct ical_window w = { .from = t0, .to = t1 };             UTC, half open
 *	err = ical_occurrences(o, &w, on_occurrence, ctx);            those that overlap it, unordered
 *
 * Budgets (ICAL_*) end what would run long: then ERR_LIMIT.
 */
#ifndef SERVICES_CALENDAR_ICAL_H
#define SERVICES_CALENDAR_ICAL_H

#include "services/calendar/zone.h"
#include "services/dav/content.h"

#define ICAL_INSTANCES_MAX 10000  /* told for one object and window */
#define ICAL_STEPS_MAX     200000 /* of rules, for one object and window */
#define ICAL_ONSETS_MAX    600    /* changes of one VTIMEZONE */
#define ICAL_FOREVER       INT64_MAX

enum ical_kind { ICAL_DATE, ICAL_FLOATING, ICAL_ZONED, ICAL_UTC };
struct ical_zone;
struct ical_time {
	enum ical_kind kind;
	int64_t wall;                 /* seconds on the wall; UTC: seconds in UTC */
	const struct ical_zone *zone; /* ZONED */
};
struct ical {
	struct arena *a;
	struct content *root, *cal;
	struct ical_zone *zones;      /* as they were needed */
	const struct ical_zone *home; /* of floating times and dates; NULL: UTC */
	uint32_t zone_rules;          /* of VTIMEZONEs, followed so far */
};
MUST_CHECK int ical_parse(struct ical **out, struct arena *a, struct str bytes);
/* By IANA name, else by the object's own VTIMEZONE, else by the name Windows has for it; NULL: none of these
 * (then its times are floating). */
const struct ical_zone *ical_zone_of(struct ical *o, struct str tzid);
/* The zone that a calendar's timezone property (a VCALENDAR with one VTIMEZONE) describes; NULL. */
const struct ical_zone *ical_zone_read(struct arena *a, struct str vcalendar);

/* A line's value (its first, where there may be several); ERR_BAD. */
MUST_CHECK int ical_time_of(struct ical_time *out, struct ical *o, const struct content_line *l);
MUST_CHECK int ical_time_parse(
	struct ical_time *out, struct ical *o, struct str value, struct str tzid);
int64_t ical_utc(const struct ical *o, const struct ical_time *t);
int64_t ical_home_wall(const struct ical *o, int64_t utc); /* of floating times */
/* "start/end" or "start/duration", in UTC; its start as it stands. */
MUST_CHECK int ical_period(int64_t *from, int64_t *to, struct ical_time *start, struct ical *o,
	struct str value, struct str tzid);
MUST_CHECK int ical_duration(int64_t *sec, struct str value); /* RFC 5545, 3.3.6 */
/* 20260101T100000Z of seconds in UTC; `date`: 20260101. */
void ical_utc_write(struct buf *b, int64_t utc, bool date);

struct ical_window {
	int64_t from, to;
};
struct ical_occurrence {
	const struct content *part; /* the master, or the override that stands for it */
	int64_t start, end;  /* UTC; equal: an instant; of a part without DTSTART its DUE, or 0 */
	struct ical_time id; /* RECURRENCE-ID of it; where it would have started */
	enum ical_kind kind; /* of its start */
	bool recurs;         /* of a set of several */
};
typedef int ical_occurrence_fn(void *ctx, const struct ical_occurrence *x); /* < 0 stops */
/*
 * Of all parts named `name`. When each is taken to overlap the window: RFC 4791, 9.9, for VEVENT, VTODO,
 * VJOURNAL and VFREEBUSY. ERR_LIMIT: a budget was used up.
 */
MUST_CHECK int ical_occurrences(struct ical *o, struct str name, const struct ical_window *w,
	ical_occurrence_fn *fn, void *ctx);
/* Does anything of the part `only` overlap it (its alarms: of a VALARM of it)? 1, 0, or < 0. */
MUST_CHECK int ical_overlaps(
	struct ical *o, const struct content *only, const struct ical_window *w);
MUST_CHECK int ical_alarm_overlaps(struct ical *o, const struct content *part,
	const struct content *alarm, const struct ical_window *w);

#endif
