/* SPDX-License-Identifier: ISC */
/*
 * Collections and items as they stand in a branch (docs/dav-layout.md), read from any tree of it.
 *
 *	err = dav_node_find(&node, &arena, store, &root, p.segs, p.n);    ERR_NOENT
 *	if (node.collection) err = dav_meta_read(&meta, &arena, store, &node.oid);
 *	err = dav_children(store, &node.oid, fn, ctx);
 */
#ifndef SERVICES_DAV_TREE_H
#define SERVICES_DAV_TREE_H

#include "services/dav/path.h"
#include "store/store.h"

#define DAV_META_MAX  (64 * 1024) /* bytes of .collection */
#define DAV_PROPS_MAX 100         /* dead properties of one resource */

/* A resource: a collection and its tree, or an item and its blob; the blob's id is its ETag. */
struct dav_node {
	bool collection;
	struct store_oid oid;
};
/* n == 0: the home set, which is there even before anything is in it (root NULL). */
MUST_CHECK int dav_node_find(struct dav_node *out, struct store *s, const struct store_oid *root,
	const struct str *segs, size_t n);

typedef int dav_child_fn(
	void *ctx, struct str name, const struct dav_node *node); /* < 0 stops and is returned */
/* Members of a collection, collections first; names as in URLs, borrowed during the call. fn must not
 * write to the store. */
MUST_CHECK int dav_children(
	struct store *s, const struct store_oid *tree, dav_child_fn *fn, void *ctx);

/* The name of the item in `folder` (as dav_collection_folder) with this UID, as the edit sees it but
 * for its own changes (NULL: as is durable); ERR_NOENT. `ref` is the branch. In the arena. */
MUST_CHECK int dav_uid_find(struct str *name, struct arena *a, struct store *s,
	struct store_edit *e, struct str ref, struct str folder, struct str uid);

/* ---- .collection ---- */
enum dav_kind { DAV_PLAIN, DAV_CALENDAR, DAV_ADDRESSBOOK };
enum { DAV_VEVENT = 1, DAV_VTODO = 2, DAV_VJOURNAL = 4, DAV_VFREEBUSY = 8 };
struct dav_prop {                 /* dead: kept and given back, not understood */
	struct str ns, name, xml; /* the whole element, standing alone */
};
struct dav_meta {
	enum dav_kind kind;
	unsigned components; /* of a calendar; 0: all */
	struct str name, description, color, order, timezone, timezone_id;
	struct dav_prop *props;
	size_t prop_count;
};
/* Tolerant: what it does not know it passes over; a missing file is a plain collection. */
MUST_CHECK int dav_meta_read(
	struct dav_meta *out, struct arena *a, struct store *s, const struct store_oid *collection);
MUST_CHECK int dav_meta_parse(struct dav_meta *out, struct arena *a, struct str text);
void dav_meta_format(struct buf *b, const struct dav_meta *m);
/* Sets, or with xml.n == 0 removes, a dead property; ERR_LIMIT. */
MUST_CHECK int dav_prop_set(
	struct dav_meta *m, struct arena *a, struct str ns, struct str name, struct str xml);

#endif
