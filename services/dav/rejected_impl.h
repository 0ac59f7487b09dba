/* SPDX-License-Identifier: ISC */
/* Refused edits: what is done about them (rejected.c), and how they are kept (rejected_keep.c). */
#ifndef SERVICES_DAV_REJECTED_IMPL_H
#define SERVICES_DAV_REJECTED_IMPL_H

#include "services/dav/merge.h"
#include "services/dav/rejected.h"

#define TAGS_MAX 4 /* of an If-Match, or an If, that are looked at */

struct rejected {
	struct dav_request *r;
	struct store *s;
	struct str bytes, file, folder; /* the item's */
	struct str ref;                 /* where it is kept */
	const struct dav_meta *meta;    /* the collection's */
	bool has_base;
	bool made_up; /* If-Match and If have no tag that this server could have given */
	struct store_oid base;
	struct str base_bytes;
	unsigned copies;  /* made of this item and still remembered */
	const char *what; /* was done: "merged", "copied", "put back", "kept"; NULL: nothing new */
	struct str copy;  /* its file */
	struct store_oid copy_blob;
};

struct rejected_why {          /* as it was kept */
	struct str item, copy; /* files; copy: "" */
	struct store_oid body, base, copy_blob;
	bool has_base;
	int64_t time_sec;
};
typedef int rejected_fn(void *ctx, const struct rejected_why *w); /* < 0 stops and is returned */

/* ---- rejected_keep.c ---- */
/* Was this blob ever at `path` in the branch? Looks at so many commits, newest first. BLOCKS */
MUST_CHECK int dav_had(
	bool *had, struct store *s, struct str ref, struct str path, const struct store_oid *blob);
/* Was it refused before, and dealt with? Also counts j->copies. */
MUST_CHECK int dav_rejected_known(bool *known, struct rejected *j);
/* Keeps it, and forgets what is over the limits. BLOCKS */
MUST_CHECK int dav_rejected_keep(struct rejected *j);
/* Those of the item. fn may write to the store. */
MUST_CHECK int dav_rejected_of(struct rejected *j, rejected_fn *fn, void *ctx);

#endif
