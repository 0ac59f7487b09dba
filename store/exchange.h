/* SPDX-License-Identifier: ISC */
/*
 * Giving objects to, and taking them from, another git repository: what sync/ stands on.
 *
 *	err = store_plan_make(&p, s, &fetch);                  what they lack
 *	err = store_plan_send(p, sink, ctx);                   as a pack
 *
 *	err = store_receive_begin(&r, s, &limits);
 *	err = store_receive_write(r, bytes); ...               a pack as it comes from the network
 *	err = store_receive_finish(r);                         whole and sound; nobody sees it yet
 *	err = store_receive_check(r, &tip, STR("refs/heads/alice"), ...);  nothing missing below tip
 *	err = store_ref_update(s, &move, 1, &why, deadline);   now it is visible, all at once
 *	store_receive_end(r);                                  what no ref reaches is swept
 */
#ifndef STORE_EXCHANGE_H
#define STORE_EXCHANGE_H

#include "store/store.h"

/* Everything reachable from all refs under `prefix` as one git pack, in bounded memory. BLOCKS in
 * `sink`. */
typedef int store_sink_fn(void *ctx, struct str bytes);
MUST_CHECK int store_pack(struct store *s, struct str prefix, store_sink_fn *sink, void *ctx);

/* ---- fetch: what another repository lacks (sync/) ---- */
/*
 * found[i]: is ids[i] a commit, and one of `tips` or before one of them? Walks back only as far as
 * it takes to find those that exist. BLOCKS (yields often).
 */
MUST_CHECK int store_reached(bool *found, struct store *s, const struct store_oid *tips,
	size_t tip_count, const struct store_oid *ids, size_t id_count);
struct store_fetch {
	const struct store_oid *wants, *haves; /* commits that are here */
	size_t want_count, have_count;
	const struct store_oid *shallows; /* of these the other side lacks the parents */
	size_t shallow_count;
	uint32_t depth;       /* commits from each want on; 0: no new boundary */
	bool relative;        /* depth counts from the shallows instead */
	uint64_t objects_max; /* ERR_LIMIT over it; planning holds up to 24 bytes for each */
};
struct store_plan {
	uint64_t objects;
	struct store_oid *shallow, *unshallow; /* how the other side's boundary changes */
	size_t shallow_count, unshallow_count;
};
/* `f` is borrowed during the call. BLOCKS (yields often). */
MUST_CHECK int store_plan_make(
	struct store_plan **out, struct store *s, const struct store_fetch *f);
/* The pack, no object a delta of another. BLOCKS in `sink`. */
MUST_CHECK int store_plan_send(struct store_plan *p, store_sink_fn *sink, void *ctx);
void store_plan_free(struct store_plan *p); /* NULL is fine */

/* ---- receiving a pack ---- */
struct store_receive;
struct store_receive_limits {
	uint64_t pack_bytes_max;   /* as it comes */
	uint64_t object_bytes_max; /* one object, unpacked */
	uint64_t total_bytes_max;  /* all objects, unpacked: bombs */
	uint32_t objects_max;      /* memory: about 32 bytes each */
	uint32_t delta_depth_max;
};
/* Several may be under way. BLOCKS. */
MUST_CHECK int store_receive_begin(
	struct store_receive **out, struct store *s, const struct store_receive_limits *limits);
/* The next bytes, any number. ERR_BAD, ERR_LIMIT, ERR_NOSPACE, with a sentence for the sender;
 * sticky. BLOCKS. */
MUST_CHECK int store_receive_write(struct store_receive *r, struct str bytes);
/* The pack is at its end: trailer right, every delta's base found, every object well formed. BLOCKS. */
MUST_CHECK int store_receive_finish(struct store_receive *r);
/*
 * Is everything below `tip` either in this pack or reachable from the refs under one of `prefixes`
 * (others' objects do not count: a tree that names one gives nothing away)? ERR_BAD names what is
 * missing and where, and what git fsck would refuse: modes, names, depth over STORE_DEPTH_MAX. BLOCKS.
 */
MUST_CHECK int store_receive_check(struct store_receive *r, const struct store_oid *tip,
	const struct str *prefixes, size_t prefix_count);
void store_receive_end(struct store_receive *r); /* NULL is fine. BLOCKS */

#endif
