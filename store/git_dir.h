/* SPDX-License-Identifier: ISC */
/*
 * For the command, on the host: a bare git repository in a folder, from a pack and a list of refs.
 *
 *	struct git_dir *g;
 *	err = git_dir_begin(&g, "/home/alice/mail.git", false);
 *	err = git_dir_had(g, fn, ctx);                   refs of the last time: what need not come again
 *	err = git_dir_pack(g, bytes); ...                what is lacking, as store_plan_send or the network
 *                                                       gives it; nothing at all when nothing is
 *	err = git_dir_ref(g, STR("refs/heads/alice"), &commit); ...
 *	err = git_dir_end(g, STR("refs/heads/alice"));   what HEAD names; frees g in every case
 *
 * The folder is made when absent; one with something else in it is refused (ERR_EXIST), an
 * earlier export is brought up to date. Its refs change at once, after the objects are on stable
 * storage: one that is killed leaves what there was. Every time adds a pack; when there are many,
 * or on demand, the repository is fetched whole and the old packs go.
 */
#ifndef STORE_GIT_DIR_H
#define STORE_GIT_DIR_H

#include "store/store.h"

struct git_dir;
/* `whole`: nothing it had counts. ERR_BUSY: another process is at it. */
MUST_CHECK int git_dir_begin(struct git_dir **out, const char *path, bool whole);
MUST_CHECK int git_dir_had(struct git_dir *g, store_ref_fn *fn, void *ctx);
MUST_CHECK int git_dir_pack(struct git_dir *g, struct str bytes);
/* How much of the pack came. */
void git_dir_progress(const struct git_dir *g, uint64_t *done, uint64_t *total);
MUST_CHECK int git_dir_ref(struct git_dir *g, struct str name, const struct store_oid *id);
/* Of this commit the parents did not come. */
MUST_CHECK int git_dir_shallow(struct git_dir *g, const struct store_oid *id);
MUST_CHECK int git_dir_end(struct git_dir *g, struct str head);
void git_dir_abort(struct git_dir *g);

/* Reading one that nobody is writing: its refs (ERR_NOENT: none were ever written); commits whose
 * parents it lacks (ERR_NOENT: it is whole); the paths of its packs. */
MUST_CHECK int git_dir_refs(const char *path, store_ref_fn *fn, void *ctx);
typedef int git_dir_shallow_fn(void *ctx, const struct store_oid *id); /* < 0 stops */
MUST_CHECK int git_dir_shallows(const char *path, git_dir_shallow_fn *fn, void *ctx);
typedef int git_dir_pack_fn(void *ctx, const char *path); /* < 0 stops and is returned */
MUST_CHECK int git_dir_packs(const char *path, git_dir_pack_fn *fn, void *ctx);

#endif
