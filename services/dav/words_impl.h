/* SPDX-License-Identifier: ISC */
/*
 *	words.c        the functions a service gives; diff
 *	words_scope.c  what a path names, now or once
 *	words_row.c    one change as JSON and as text
 *	words_log.c    following a collection or an item through the commits
 *	restore.c      what stood then, as a new commit (restore_impl.h)
 *	intake.c       items from elsewhere, many in one commit
 *	outgo.c        all items, one after the other
 */
#ifndef SERVICES_DAV_WORDS_IMPL_H
#define SERVICES_DAV_WORDS_IMPL_H

#include "services/dav/about.h"
#include "services/dav/words.h"

#define WORDS_ROOM (8u << 20) /* names and changes of one answer */

struct words_scope {       /* strings lie in the arena */
	struct str folder; /* of the collection in the branch; "" : all */
	struct str file;   /* of the one item; "" : the whole collection */
};
/* "" or a file's or folder's path in the branch: what to compare below. */
static inline struct str words_under(const struct words_scope *sc)
{
	return sc->file.n ? sc->file : sc->folder;
}
/* ERR_NOENT with a sentence; ERR_BAD: several are called so. BLOCKS. */
MUST_CHECK int words_scope(struct words_scope *out, struct arena *a, struct dav_words *w,
	struct str ref, struct str path, const struct store_oid *tree);
/* The same of what was there in a commit before `from`, which is not; *last: the newest in which it
 * stood. BLOCKS. */
MUST_CHECK int words_scope_back(struct words_scope *out, struct store_oid *last, struct arena *a,
	struct dav_words *w, struct str path, const struct store_oid *from);
/* What is sure to name it again. */
struct str words_path(struct arena *a, const struct words_scope *sc);

struct words_change {
	struct str path; /* in the branch */
	struct store_oid before, after;
	bool has_before, has_after;
	struct str was; /* the path it moved away from; "" */
	bool gone;      /* ... and this is what was left behind: nothing to tell */
	bool kept;      /* of a restore: not done */
};
/* `path` in the arena; ERR_LIMIT: it is full. */
MUST_CHECK int words_change_of(
	struct words_change *out, struct arena *a, const struct store_change *c);
/* A new reference; NULL: nothing to tell, or out of memory. `trees`: the old one, the new one; names are
 * looked up in the new one first. */
json_t *words_row(struct dav_words *w, const struct store_oid *const trees[2],
	const struct words_change *c, bool restored);
/* The item's bytes, or "". */
struct str words_bytes(struct dav_words *w, struct arena *a, const struct store_oid *blob);

MUST_CHECK int dav_intake(void *ctx, struct control_intake *in);
MUST_CHECK int dav_outgo(void *ctx, struct control_outgo *out);
MUST_CHECK int words_log(void *ctx, struct arena *a, struct control_walk *w);
MUST_CHECK int words_last(struct store_oid *out, void *ctx, struct str ref, struct str path);
MUST_CHECK int words_restore(void *ctx, struct control_restore *r);

#endif
