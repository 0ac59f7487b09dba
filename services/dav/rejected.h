/* SPDX-License-Identifier: ISC */
/*
 * What a client tried to PUT over a state it did not know (412) is not lost:
 *
 *	if (!dav_conditions(...)) {
 *		dav_rejected(r, bytes);              before the reply, so that what the client fetches next has it
 *		dav_refuse(r, 412, ...);
 *	}
 *	... a PUT that went through:
 *	dav_settled(r, bytes);                       the client has settled it itself: no copy is needed
 *
 * The state that If-Match or If (RFC 4918, 10.4) names, if this item ever had it, is the base of a three-way merge with what is
 * there now. Clean: the merge is committed. A clash, or no base: what is there stays, and what was refused
 * becomes a conflict copy beside it. Deleted meanwhile: it is there again, as an edit beats a deletion.
 *
 * Nothing is done when it says nothing new: the same as the base, as what is there, or as what
 * was refused before with that base; and nothing without a base that has another UID: its client will find
 * another name for it; nor with tags that no server of ours gives: that is no edit of what stood here.
 *
 * What was refused is kept in the branch refs/rejected/<user>, as <id> and <id>.why: the last ones, up to
 * limits, and what they replace as long as history is kept. An error is logged, and 412 is the reply
 * all the same.
 */
#ifndef SERVICES_DAV_REJECTED_H
#define SERVICES_DAV_REJECTED_H

#include "services/dav/request.h"

#define DAV_REJECTED_MAX   64           /* kept of one user */
#define DAV_REJECTED_BYTES (4u << 20)   /* likewise, together */
#define DAV_REJECTED_SEC   (30 * 86400) /* for so long */
#define DAV_REJECTED_EACH  8            /* conflict copies of one item in that time */

/* `r` is a PUT whose bytes were checked. BLOCKS */
void dav_rejected(struct dav_request *r, struct str bytes);
/* `r` is a PUT that was committed. BLOCKS when there was a conflict. */
void dav_settled(struct dav_request *r, struct str bytes);

#endif
