/* SPDX-License-Identifier: ISC */
/* Sets of hashes, and the walk over everything reachable from refs. */
#ifndef STORE_REACH_IMPL_H
#define STORE_REACH_IMPL_H

#include "store/store_impl.h"

/* A set of 64-bit hashes: 8 bytes each at three quarters full. */
struct idset {
	uint64_t *slots;
	size_t cap, n;
	bool zero; /* is 0 in it? */
};
bool idset_has(const struct idset *x, uint64_t h);
MUST_CHECK int idset_add(bool *fresh, struct idset *x, uint64_t h);
void idset_free(struct idset *x);
/* Ids are hashes already: among ten million, two share their first 8 bytes once in 300,000 stores. */
static inline uint64_t idset_of(const struct store_oid *id)
{
	uint64_t h;
	memcpy(&h, id->b, sizeof(h));
	return h;
}

struct reach {
	struct store *s;
	struct idset seen; /* by idset_of */
	struct store_oid *stack;
	size_t n, cap;
	/* An object is named but not there, or can't be read; < 0 stops the walk. */
	int (*missing)(void *ctx, const struct store_oid *id, int err);
	void *ctx;
};
/* Everything below the refs under `prefix`. BLOCKS (yields often). */
MUST_CHECK int reach_walk(struct reach *r, struct str prefix);
void reach_free(struct reach *r);

#endif
