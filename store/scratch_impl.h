/* SPDX-License-Identifier: ISC */
/* Deriving again to compare (verify.c): what derive() would write, without writing it. */
#ifndef STORE_SCRATCH_IMPL_H
#define STORE_SCRATCH_IMPL_H

#include "store/store_impl.h"

struct scratch;
/* ERR_AGAIN: nothing written here under this key. */
MUST_CHECK int scratch_get(struct str *out, struct scratch *x, enum kv_table t, struct str key);
MUST_CHECK int scratch_set(
	struct scratch *x, enum kv_table t, struct str key, struct str value, bool del);
MUST_CHECK int derive_run(struct store_derive *d, struct str ref, const struct store_oid *old_tree,
	const struct store_oid *new_tree);

#endif
