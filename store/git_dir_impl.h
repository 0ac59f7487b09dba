/* SPDX-License-Identifier: ISC */
#ifndef STORE_GIT_DIR_IMPL_H
#define STORE_GIT_DIR_IMPL_H

#include "store/git_dir.h"

/* Words for this errno. */
MUST_CHECK int git_dir_errno(const char *what, const char *path);

#endif
