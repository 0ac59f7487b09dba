/* SPDX-License-Identifier: ISC */
#ifndef SERVICES_CALENDAR_ICAL_IMPL_H
#define SERVICES_CALENDAR_ICAL_IMPL_H

#include "os/time.h"
#include "services/calendar/ical.h"

int32_t ical_zone_offset(const struct ical_zone *z, int64_t utc);

/* ---- ical_rule.c: one RRULE on wall-clock time ---- */
struct ical_rule {
	struct str text;
	struct ical_time
		start;    /* what the rule begins with; it is not told unless it is of the rule */
	int64_t from, to; /* wall: from which on, before which to tell; may begin earlier */
	int32_t until_offset;               /* added to an UNTIL in UTC, to get the wall */
	const struct ical_zone *until_zone; /* instead, when there is one */
	uint32_t *steps;                    /* left of the budget */
};
typedef int ical_wall_fn(void *ctx, int64_t wall); /* < 0 stops and is returned */
/* ERR_LIMIT: the budget is used up, or the rule is one that could take for ever; ERR_BAD. */
MUST_CHECK int ical_rule_run(const struct ical_rule *r, ical_wall_fn *fn, void *ctx);

#endif
