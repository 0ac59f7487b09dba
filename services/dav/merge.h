/* SPDX-License-Identifier: ISC */
/*
 * Three-way merges of what a DAV branch holds; the rules are in docs/dav-layout.md, "Merges".
 *
 * One item, property by property; pure:
 *
 *	struct dav_merged m;
 *	err = dav_item_merge(&m, &arena, &base, mine, theirs, STR_NONE);   base NULL: none is known
 *	put(path, m.bytes);
 *	if (m.copy.p) put(m.copy_uid, m.copy);     what could not be joined, as an item of its own
 *	note("%s of both sides; see the copy", m.clashes);
 *
 * Which side is which does not matter: the same bytes in the other order give the same bytes. What
 * nobody changed stands as one side wrote it. merge(o, a, o) = a, and merging again with a side
 * that is in it already changes nothing.
 */
#ifndef SERVICES_DAV_MERGE_H
#define SERVICES_DAV_MERGE_H

#include "os/crypto.h"
#include "services/dav/dav.h"

struct dav_merged {
	struct str bytes;    /* the item afterwards */
	struct str copy;     /* .p NULL: nothing is left over */
	struct str copy_uid; /* its UID, made from the content: a name for its file as well */
	struct str clashes;  /* for people: "SUMMARY, DTSTART"; "" */
};
/*
 * `who`: for the copy's title, "laptop"; STR_NONE. In the arena, or borrowed from what was given. Takes
 * any bytes: what is no single VCALENDAR or vCard is chosen as a whole, the other whole is the copy.
 * ERR_LIMIT: the arena has no room for the item and the copy.
 */
MUST_CHECK int dav_item_merge(struct dav_merged *out, struct arena *a, const struct str *base,
	struct str x, struct str y, struct str who);
/* The same, but where the two clash the values of `stands` stay, whichever of them is the later one. */
MUST_CHECK int dav_item_merge_into(struct dav_merged *out, struct arena *a, const struct str *base,
	struct str stands, struct str other, struct str who);
/* One of the two, the other being the copy: of what must not become one item. */
MUST_CHECK int dav_item_choose(
	struct dav_merged *out, struct arena *a, struct str x, struct str y, struct str who);
/* The copy alone, of an item that could not be merged at all: fills its fields of *out. */
MUST_CHECK int dav_item_copy(
	struct dav_merged *out, struct arena *a, struct str bytes, struct str who);
/* What it says, apart from when and by which program it was written. */
void dav_item_digest(uint8_t out[static OS_SHA256_BYTES], struct str bytes);
bool dav_item_same(struct str x, struct str y); /* of one digest? */

/* .collection or dead properties, line by line. */
MUST_CHECK int dav_meta_merge(
	struct buf *out, struct arena *a, const struct str *base, struct str x, struct str y);

/* The driver's merge (store_driver.merge): `service` is the struct dav_service. */
int dav_merge(void *service, struct store_edit *e, struct str ref, const struct store_oid *base,
	const struct store_oid *theirs, struct buf *notes);
#define DAV_MERGE_VERSION 2

#endif
