/* SPDX-License-Identifier: ISC */
/*
 * Addresses: what a request's target means, and where it stands in the branch (docs/dav-layout.md).
 *
 *	/                                    the service itself
 *	/.well-known/caldav, carddav         leads to the root
 *	/principals/<user>/                  a person
 *	/<home>/<user>/                      the home set; <home> is the service's: calendars, contacts
 *	/<home>/<user>/<collection>/<item>   and deeper, where collections stand in plain ones
 *
 *	err = dav_path_parse(&p, &arena, x->target);            a target, an href, a Destination
 *	dav_href(&b, &p);                                       the one way we write it
 *	err = dav_item_file(&b, p.segs, p.n);                   personal/3f/lunch.ics
 */
#ifndef SERVICES_DAV_PATH_H
#define SERVICES_DAV_PATH_H

#include "os/base.h"

#define DAV_SEGS_MAX   8
#define DAV_NAME_MAX   200 /* bytes of one segment, decoded */
#define DAV_TARGET_MAX 8192

enum dav_place {
	DAV_ROOT,
	DAV_WELL_KNOWN,
	DAV_PRINCIPALS, /* /principals/ */
	DAV_PRINCIPAL,
	DAV_HOMES,    /* /<home>/ */
	DAV_RESOURCE, /* /<home>/<user>/ and what is below it */
	DAV_ELSEWHERE
};
struct dav_path {
	enum dav_place place;
	struct str home, user, well_known;
	struct str segs[DAV_SEGS_MAX]; /* below the home set, decoded */
	size_t n;
	bool slash; /* it ended in one */
};
/* Takes an absolute URL as well, whatever its authority. ERR_BAD: no path, a NUL, an encoded slash, "." or
 * ".."; ERR_LIMIT. Strings lie in the arena or borrow `target`. */
MUST_CHECK int dav_path_parse(struct dav_path *out, struct arena *a, struct str target);
/* Absolute path, percent-encoded; `collection`: with a slash at its end. */
void dav_href(struct buf *b, const struct dav_path *p, bool collection);
/* One more segment of an href. */
void dav_href_segment(struct buf *b, struct str seg);

/* Folder of a collection in the branch, "" for the home set. */
void dav_collection_folder(struct buf *b, const struct str *segs, size_t n);
/* File of an item: the collection's folder, two hex digits of the SHA-256 of its name, the name. */
void dav_item_file(struct buf *b, const struct str *segs, size_t n);
/* Where an item's dead properties stand, beside it: "%=" and its file's name. */
void dav_props_file(struct buf *b, const struct str *segs, size_t n);
/* Names of a collection's folder and an item's file alone, and back; unescaping is exact. */
void dav_folder_name(struct buf *b, struct str seg);
void dav_name_unescape(struct buf *b, struct str file);
/* "<folder>/<hh>/<file>" of an item, which stands in a collection's folder; false: another file, such
 * as an item's properties. */
bool dav_item_path(struct str *folder, struct str *file, struct str path);
/* Is this entry of a collection's folder one of the 256 that hold items? */
bool dav_is_shard(struct str name);

#endif
