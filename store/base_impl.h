/* SPDX-License-Identifier: ISC */
#ifndef STORE_BASE_IMPL_H
#define STORE_BASE_IMPL_H

#include "store/reach_impl.h"

/* The best common ancestors of `b` and all of `a` taken as one, lowest id first; `out->p` is the
 * caller's to free. ERR_LIMIT: too much history to look at. BLOCKS (yields often). */
MUST_CHECK int base_find(struct oids *out, struct store *s, const struct store_oid *a, size_t n,
	const struct store_oid *b);

#endif
