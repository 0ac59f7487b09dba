/* SPDX-License-Identifier: ISC */
#ifndef OS_ARENA_IMPL_H
#define OS_ARENA_IMPL_H

#include "os/base.h"

/*
 * Make `old` (old_n bytes, or NULL) n bytes long, n >= old_n, in place where that is possible.
 * NULL past the cap; `old` stays valid then.
 */
void *arena_grow(struct arena *a, void *old, size_t old_n, size_t n);

#endif
