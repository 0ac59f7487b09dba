/* SPDX-License-Identifier: ISC */
/*
 * What reports ask of calendars: filters (RFC 4791, 9.7 to 9.9) and parts of objects (9.6). Pure.
 *
 *	err = cal_filter_check(&why, filter);             refuses what is malformed or not supported
 *	bool yes = cal_filter_match(o, filter);
 *	err = cal_data(&out, &arena, bytes, asked);       the whole, or what the calendar-data element asks for
 */
#ifndef SERVICES_CALENDAR_QUERY_H
#define SERVICES_CALENDAR_QUERY_H

#include "services/calendar/ical.h"
#include "services/dav/match.h"
#include "services/dav/request.h"

/* What can be written as a date: of the years 1 to 9999. */
#define CAL_TIME_MIN      ((int64_t)-62135596800)
#define CAL_TIME_MAX      ((int64_t)253402300799)
#define CAL_ATTENDEES_MAX 1000 /* of one component */
#define CAL_ALARMS_MAX    50
/* A time-range, expand, limit-recurrence-set ... element: its start and end; ERR_BAD. */
MUST_CHECK int cal_window(struct ical_window *out, const struct xml *x);
/* Does it lie between min-date-time and max-date-time? (Four digits can't be beyond the latter.) */
MUST_CHECK int cal_window_check(struct dav_refusal *why, const struct ical_window *w);
MUST_CHECK int cal_filter_check(struct dav_refusal *why, const struct xml *filter);
bool cal_filter_match(struct ical *o, const struct xml *filter);
MUST_CHECK int cal_data(struct buf *out, struct arena *a, struct str bytes, const struct xml *asked,
	const void *zone);
/* Is what the calendar-data element asks for there to be had? */
MUST_CHECK int cal_data_check(struct dav_refusal *why, const struct xml *asked);

/* ---- reports ---- */
void cal_query(struct dav_request *r, const struct xml *root);
void cal_free_busy(struct dav_request *r, const struct xml *root);

#endif
