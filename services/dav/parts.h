/* SPDX-License-Identifier: ISC */
/*
 * A long file of calendar data or vCards, cut into the components it is made of as it comes: events,
 * tasks, time zones, cards. Pure: bytes in, parts out; holds one part at a time.
 *
 *	err = parts_open(&p, on_part, ctx);
 *	while (more) err = parts_push(p, bytes);
 *	err = parts_close(p);                      what was open is told as broken; frees it
 *
 * Only BEGIN and END lines are looked at, so that what is broken inside a part stays its own fault, and
 * one whose END is missing ends where the next begins. What stands between parts is passed over.
 */
#ifndef SERVICES_DAV_PARTS_H
#define SERVICES_DAV_PARTS_H

#include "os/base.h"

#define PARTS_MAX        (1u << 20) /* bytes of one part */
#define PARTS_PRODID_MAX 500

struct part {              /* borrowed during the call */
	struct str name;   /* as spelled: VEVENT, VTIMEZONE, VCARD */
	struct str bytes;  /* as they came, line ends and folds included */
	struct str prodid; /* of the VCALENDAR it stands in: the value; "" */
	uint64_t from;     /* offset of its first byte in all that was pushed */
	uint32_t line;     /* number of its first line, from 1 */
	uint32_t calendar; /* how many VCALENDARs began before it */
	const char *
		fault; /* NULL: it is whole; else what is wrong with it, and bytes may be part of it */
};
typedef int part_fn(void *ctx, const struct part *p); /* < 0 stops and is returned */
struct parts;
MUST_CHECK int parts_open(struct parts **out, part_fn *fn, void *ctx);
MUST_CHECK int parts_push(struct parts *p, struct str bytes);
MUST_CHECK int parts_close(struct parts *p);

#endif
