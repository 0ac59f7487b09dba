/* SPDX-License-Identifier: ISC */
/*
 * What an item is in people's words, whether two say the same, and what differs between them; for
 * iCalendar objects and vCards alike. Pure, and tolerant: of what can't be read there is less to say.
 *
 *	struct dav_about me;
 *	dav_about(&me, &arena, bytes);        event, "Dentist", "Mon 5 Jan 2026 9:00, Europe/Berlin"
 *	err = dav_differences(&list, &n, &arena, old, new);      LOCATION: "Room 1", "Room 2"; ...
 */
#ifndef SERVICES_DAV_ABOUT_H
#define SERVICES_DAV_ABOUT_H

#include "os/base.h"

#define DAV_MEANING        32
#define DAV_ABOUT_ROOM     (16u << 20) /* an arena this large takes any two items */
#define DAV_DIFFERENCE_MAX 64          /* told of one item */

struct dav_about {        /* strings lie in the arena or the bytes; "" where there is none */
	const char *kind; /* event, task, journal, contact; NULL: none of them */
	struct str uid, title;
	struct str detail; /* when it begins; a contact's address */
};
void dav_about(struct dav_about *out, struct arena *a, struct str bytes);

struct dav_difference {
	struct str name; /* of the property, upper case; VALARM and the like: a part of it */
	struct str word; /* for people: "location"; several properties may share one: "time" */
	struct str of;   /* RECURRENCE-ID of the occurrence it is about; "" */
	struct str before, after; /* values as text, several joined by "; "; "" */
};
/* What only tells of the writing, such as DTSTAMP, is no difference. ERR_BAD: one can't be read; ERR_LIMIT. */
MUST_CHECK int dav_differences(struct dav_difference **out, size_t *n, struct arena *a,
	struct str before, struct str after);
/*
 * The same for items that say the same, whatever the order of their lines, folds, line ends and time
 * zone definitions, and when they were written out.
 */
MUST_CHECK int dav_meaning(uint8_t out[static DAV_MEANING], struct arena *a, struct str bytes);

#endif
