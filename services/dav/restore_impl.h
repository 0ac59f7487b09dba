/* SPDX-License-Identifier: ISC */
/*
 *	restore.c      edit after edit, what is gathered for each, and telling
 *	restore_do.c   one change of an edit
 */
#ifndef SERVICES_DAV_RESTORE_IMPL_H
#define SERVICES_DAV_RESTORE_IMPL_H

#include "services/dav/words_impl.h"

#define FOLDERS 256 /* collections an item may have gone to */

struct home { /* where an item stood then, and stands no more */
	struct str path, uid;
	struct store_oid blob;
};
struct restoring {
	struct dav_words *w;
	struct control_restore *r;
	struct words_scope scope;
	struct store_oid then, from; /* trees: wanted; undo: what was left behind */
	struct store_oid now;        /* as the edit found it */
	struct arena keep, turn, item;
	struct words_change *p; /* of this edit */
	size_t n;
	struct str folders[FOLDERS];
	size_t folder_count;
	struct home *homes;
	size_t home_count;
	struct store_edit *e;
	uint64_t skip, seen; /* of a dry run: changes gathered before */
	struct aside {       /* what came since under a name that is taken back, in this edit */
		struct aside *next;
		struct str folder, uid, file;
	} *aside;
	bool again;   /* something could not be done in this edit because of what it did */
	struct kept { /* what was left as it is, once and for all */
		struct kept *next;
		struct str path;
	} *kept;
	bool changed, more;
	bool stuck; /* the edit before did nothing */
	uint64_t back, moved, changes, removed, collections;
};

/* What stands there as the edit is; false: nothing. */
bool restore_stands(struct store_entry *out, struct restoring *g, struct str path);
/* Does just that stand there (NULL: nothing)? */
bool restore_is_as(struct restoring *g, struct str path, const struct store_oid *blob);
struct str restore_uid(struct restoring *g, const struct store_oid *blob); /* in g->item */
static inline bool restore_is_meta(struct str path)
{
	return str_ends(path, STR("/.collection"));
}
/* Does what was gathered; what is left as it is, is marked. */
MUST_CHECK int restore_do(struct restoring *g);

#endif
