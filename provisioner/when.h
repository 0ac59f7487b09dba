/* SPDX-License-Identifier: ISC */
/*
 * Moments in the words people use. Pure.
 *
 *	now                         today, yesterday         14:00, 2pm, noon, midnight
 *	2 hours ago, a week ago     monday, last monday      20 Nov, Nov 20 2025, 20.11.
 *	@1795182000                 last week, last month    2026-11-20
 *	2026-11-20T14:00Z           2026-11-20 14:00+01:00
 *
 * A day and a time may stand together in either order. What names no year, day or week is the last
 * one that is not to come: "14:00" before two o'clock is yesterday's. Times are those of the zone
 * given unless they say their own. A day, week, month or year without a time is all of it.
 * Where clocks are set back a time is the first of the two; where they are set forward, one that is
 * left out is as much later.
 */
#ifndef PROVISIONER_WHEN_H
#define PROVISIONER_WHEN_H

#include "os/time.h"

struct prov_zone {
	/* Seconds east of UTC at a moment. */
	int32_t (*east)(const struct prov_zone *z, int64_t unix_sec);
};
extern const struct prov_zone prov_zone_here; /* of this machine: $TZ, /etc/localtime */

struct prov_when {
	int64_t first, last; /* Unix seconds; the same for an instant */
};
/* ERR_BAD: not understood, no such day, or still to come; the sentence says which. */
MUST_CHECK int prov_when(
	struct prov_when *out, struct str text, int64_t now, const struct prov_zone *z);

#define PROV_WHEN_EXAMPLES \
	"such as \"yesterday 14:00\", \"2 hours ago\", \"monday\", \"20 Nov\" or \"2026-11-20 " \
	"14:00\""
#define PROV_WHEN_TEXT 48
/* "Fri 20 Nov 2026 13:58:12 +0100" */
const char *prov_when_text(
	char out[static PROV_WHEN_TEXT], int64_t unix_sec, const struct prov_zone *z);
/* The same, but of this year and to the minute: "20 Nov 13:58"; else "20 Nov 2025". */
const char *prov_when_short(
	char out[static PROV_WHEN_TEXT], int64_t unix_sec, int64_t now, const struct prov_zone *z);

#endif
