/* SPDX-License-Identifier: ISC */
/*
 * A store's branches as git repositories over HTTPS: clone and fetch, protocol v2 and v0.
 *
 *	struct git_config cfg = { .store = s, .registry = reg, .guard = guard, .tls = tls };
 *	git_session(&cfg, stream);                one connection; TLS, HTTP, closes the stream
 *
 *	GET  /alice.git/info/refs?service=git-upload-pack
 *	POST /alice.git/git-upload-pack           gzip and chunked bodies as well
 *
 * HTTP Basic with an app password. alice sees alice.git alone: there HEAD is refs/heads/alice,
 * and what else is hers; every other path is 404, whether or not there is something.
 * What may be wanted is what her refs reach, so that a tip that moved on can still be fetched.
 *
 * The estate's own machinery, which was let in by other means, sees every ref of the store:
 *
 *	git_answer(x, store, STR("info/refs"));   one request, below a path of the caller's
 */
#ifndef SYNC_GIT_H
#define SYNC_GIT_H

#include "identity/guard.h"
#include "identity/registry.h"
#include "os/http.h"
#include "os/tls.h"

struct git_config { /* all borrowed for ever */
	struct store *store;
	struct id_registry *registry;
	struct id_guard *guard;
	struct os_tls *tls;
};
void git_session(const struct git_config *cfg, struct os_stream *raw); /* BLOCKS; closes raw */
/* The same after TLS, for tests. */
void git_serve(const struct git_config *cfg, struct os_stream *s); /* BLOCKS; closes s */
/* One request for the repository of all refs, HEAD none; `rest` is what follows its path. BLOCKS */
void git_answer(struct http_x *x, struct store *s, struct str rest);

#endif
