/* SPDX-License-Identifier: ISC */
/*
 * For the command, on the host: a bare git repository in a folder, from a pack and a list of refs.
 *
 *	struct git_dir *g;
 *	err = git_dir_begin(&g, "/home/alice/mail.git");
 *	err = git_dir_pack(g, bytes); ...                as store_pack, or the network, gives them
 *	err = git_dir_ref(g, STR("refs/heads/alice"), &commit); ...
 *	err = git_dir_end(g, STR("refs/heads/alice"));   what HEAD names; frees g in every case
 *
 * The folder is made when absent; one with something else in it is refused (ERR_EXIST), an
 * earlier export is brought up to date. Its refs change at once, after the objects are there.
 */
#ifndef STORE_GIT_DIR_H
#define STORE_GIT_DIR_H

#include "store/store.h"

struct git_dir;
MUST_CHECK int git_dir_begin(struct git_dir **out, const char *path);
MUST_CHECK int git_dir_pack(struct git_dir *g, struct str bytes);
MUST_CHECK int git_dir_ref(struct git_dir *g, struct str name, const struct store_oid *id);
MUST_CHECK int git_dir_end(struct git_dir *g, struct str head);
void git_dir_abort(struct git_dir *g);

#endif
