/* SPDX-License-Identifier: ISC */
/* Part of a merge that a service without series does without: its image has a merge_align that finds nothing. */
#ifndef SERVICES_DAV_MERGE_ALIGN_H
#define SERVICES_DAV_MERGE_ALIGN_H

#include "services/dav/content.h"

struct merge_strays { /* changed occurrences of a series the other side moved, without a place in it */
	size_t n;
	int side;       /* X, Y */
	struct str key; /* of the first one */
};
/*
 * Makes the three (base, which may be NULL, x and y) speak of the same occurrences, in place. `moves`: RECURRENCE-IDs
 * and EXDATEs of what was not moved follow the move of the other side, where each occurrence has one that it became;
 * else they stay, and those that count are told. An EXDATE for what the other side changed goes.
 */
MUST_CHECK int merge_align(
	struct merge_strays *out, struct arena *a, struct content *const cal[3], bool moves);

#endif
