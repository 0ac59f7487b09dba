/* SPDX-License-Identifier: ISC */
/*
 * Keeping a store for twenty years: checking it, forgetting what nobody wants any more, and making
 * room.
 *
 *	struct store_verify v = { .mismatch = complain, .progress = show, .ctx = c };
 *	err = store_verify(s, &v);                             0 and v.mismatches == 0: sound
 *
 *	err = store_horizon_set(s, STR("refs/heads/alice"), &h);      keep 365 days
 *	err = store_sweep(s, &w);                              gives back what no ref, pin or spool needs
 */
#ifndef STORE_KEEP_H
#define STORE_KEEP_H

#include "store/store.h"

struct store_verify {
	uint64_t objects, rows, mismatches; /* so far */
	void (*mismatch)(
		void *ctx, struct str what); /* "object 1234…: bytes do not match their id" */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};
/* Re-hashes every object, checks reachability from every ref, derives every row again and compares.
 * BLOCKS (yields often). */
MUST_CHECK int store_verify(struct store *s, struct store_verify *v);

/* ---- pins: commits kept although no ref reaches them, by name ---- */
/* A device's merge base, a person's snapshot. `commit` NULL: unpin. BLOCKS. */
MUST_CHECK int store_pin(struct store *s, struct str name, const struct store_oid *commit);
MUST_CHECK int store_pin_list(struct store *s, struct str prefix, store_ref_fn *fn, void *ctx);

/* ---- the horizon: how far back a branch's history is kept ---- */
struct store_horizon {
	uint32_t keep_days;     /* 0: all, the default */
	uint32_t keep_days_min; /* under space pressure it may shrink towards this; 0: never */
};
MUST_CHECK int store_horizon_set(struct store *s, struct str ref, const struct store_horizon *h);
MUST_CHECK int store_horizon_get(struct store_horizon *out, struct store *s, struct str ref);
/* Is `id` on the shallow boundary: a commit here whose parents are no longer kept? */
bool store_shallow_has(struct store *s, const struct store_oid *id);
/* These commits are about to come from where history is cut: their parents will not. BLOCKS. */
MUST_CHECK int store_shallow_add(struct store *s, const struct store_oid *ids, size_t n);
MUST_CHECK int store_shallow_list(
	struct store *s, int (*fn)(void *ctx, const struct store_oid *id), void *ctx);

/* ---- sweep ---- */
struct store_sweep {
	/* So far: objects that are needed; those of them that were moved; bytes. */
	uint64_t objects, kept, moved_bytes, freed_bytes;
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};
/*
 * Moves the horizons forward, marks what refs, pins and spools reach, and frees the units of the
 * log that hold nothing else, a bit at a time while others are served. A power cut at any moment
 * loses nothing. ERR_BUSY: one is under way. BLOCKS.
 */
MUST_CHECK int store_sweep(struct store *s, struct store_sweep *w);
/* Is free space running out, and has enough been written since the last sweep to make one worth it? */
bool store_sweep_wanted(const struct store *s);
/* From now until store_close a fiber of the store's own sweeps when it is wanted. Once. */
MUST_CHECK int store_keep(struct store *s);

#endif
