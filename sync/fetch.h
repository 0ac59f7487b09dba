/* SPDX-License-Identifier: ISC */
/*
 * A client of git's smart HTTP, protocol v2: what refs another repository has, and the objects of
 * them that are lacking here.
 *
 *	struct sync_remote r = { .dial = dial, .ctx = c, .host = STR("localhost"),
 *		.path = STR("/alice.git"), .login = STR("Basic YWxpY2U6..."), .idle = 60 * OS_SEC };
 *	err = sync_refs(&r, STR("refs/heads/"), on_ref, ctx);          name and commit of each
 *	struct sync_lack lack = { .wants = tips, .want_count = n, .haves = ours, .have_count = m,
 *		.pack = to_indexer, .ctx = g };
 *	err = sync_fetch(&r, &lack);                                   0: the whole pack was given out
 *
 * Each call makes connections of its own and closes them. The pack goes through as it comes, in
 * bounded memory; whether it is sound its receiver finds out. `haves` are commits that are here
 * with all they reach: those the other side does not know cost 50 bytes each and nothing else.
 */
#ifndef SYNC_FETCH_H
#define SYNC_FETCH_H

#include "os/net.h"
#include "store/exchange.h"

#define SYNC_REFS_MAX  4096 /* wants of one fetch */
#define SYNC_HAVES_MAX 4096 /* more are not told */

struct sync_remote { /* all borrowed */
	/* A new connection, in TLS where there is to be TLS. BLOCKS. */
	int (*dial)(struct os_stream **out, void *ctx);
	void *ctx;
	struct str host;  /* what the Host field says */
	struct str path;  /* of the repository, no slash at the end */
	struct str login; /* value of the Authorization field; STR_NONE: none */
	os_time idle;     /* patience between two parts of an answer */
};
/* Refs that start with `prefix`. ERR_DENIED, ERR_NOENT; ERR_UNSUPPORTED: no git of protocol v2;
 * ERR_IO with what the other side said. BLOCKS. */
MUST_CHECK int sync_refs(
	const struct sync_remote *r, struct str prefix, store_ref_fn *fn, void *ctx);

struct sync_lack {
	const struct store_oid *wants, *haves;
	const struct store_oid *shallows; /* commits that are here without their parents */
	size_t want_count, have_count, shallow_count;
	store_sink_fn *pack; /* may BLOCK */
	/* Before the pack, for each commit whose parents the other side keeps no more; NULL: such
	 * history is refused. */
	int (*shallow)(void *ctx, const struct store_oid *id);
	void (*told)(void *ctx, struct str line); /* what the other side says meanwhile, or NULL */
	void *ctx;
};
/* With no wants nothing is asked. ERR_LIMIT: the other side can't send so much at once; less, such
 * as an earlier commit, it may. BLOCKS. */
MUST_CHECK int sync_fetch(const struct sync_remote *r, const struct sync_lack *lack);

#endif
