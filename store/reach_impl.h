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
#define IDSET_TAKEN UINT64_MAX /* a slot that was taken; no hash */
bool idset_has(const struct idset *x, uint64_t h);
MUST_CHECK int idset_add(bool *fresh, struct idset *x, uint64_t h);
/* Was it there? It no longer is; nothing may be added afterwards. */
bool idset_take(struct idset *x, uint64_t h);
void idset_free(struct idset *x);
/*
 * Of all twenty bytes, under a key of this run: whoever sends us mail can make ids that share
 * their first eight, but not two that meet here.
 */
uint64_t idset_of(const struct store_oid *id);

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

/* ---- pack.c ---- */
/* Objects to send, and what finds those that the log did not show: a list while it is short. */
struct chosen {
	struct idset set; /* by idset_of */
	struct store_oid *list;
	size_t list_n, list_cap;
	bool scan;  /* the list became too long and was dropped */
	uint64_t n; /* objects */
};
/* Uses `want` up: once. BLOCKS. */
MUST_CHECK int pack_chosen(struct store *s, struct chosen *want, store_sink_fn *sink, void *ctx);

/* ---- walk.c: commits, as far as walks need them ---- */
#define YIELD_EVERY 64
struct walk_commit {
	struct store_oid id, tree, parents[COMMIT_PARENTS];
	size_t parent_count; /* 0 on the shallow boundary */
	bool cut;            /* it has parents, not kept here */
	int64_t time;        /* committer's */
};
MUST_CHECK int walk_commit_get(
	struct walk_commit *out, struct store *s, const struct store_oid *id);
bool is_commit(struct store *s, const struct store_oid *id);

struct oids {
	struct store_oid *p;
	size_t n, cap;
};

MUST_CHECK int oids_add(struct oids *v, const struct store_oid *id);
static inline int set_add(struct idset *x, const struct store_oid *id)
{
	bool fresh;
	return idset_add(&fresh, x, idset_of(id));
}
static inline bool set_has(const struct idset *x, const struct store_oid *id)
{
	return idset_has(x, idset_of(id));
}

/* Commits still to be looked at, the latest first. */
struct heap {
	struct heap_item {
		int64_t time;
		struct store_oid id;
		bool want; /* put here as wanted */
	} *p;
	size_t n, cap, wants;
};
MUST_CHECK int heap_add(struct heap *h, struct heap_item x);
struct heap_item heap_take(struct heap *h);
/* Into the heap unless `seen` already. */
MUST_CHECK int heap_visit(
	struct heap *h, struct idset *seen, struct store *s, const struct store_oid *id, bool want);

#endif
