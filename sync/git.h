/* SPDX-License-Identifier: ISC */
/*
 * A store's branches as git repositories over HTTPS: clone and fetch, protocol v2 and v0, and push.
 *
 *	struct git_config cfg = { .store = s, .registry = reg, .guard = guard, .tls = tls };
 *	git_session(&cfg, stream);                one connection; TLS, HTTP, closes the stream
 *
 *	GET  /alice.git/info/refs?service=git-upload-pack
 *	POST /alice.git/git-upload-pack           gzip and chunked bodies as well
 *	GET  /alice.git/info/refs?service=git-receive-pack
 *	POST /alice.git/git-receive-pack
 *
 * HTTP Basic with an app password; or a device's token, as the password or as a Bearer token
 * (identity/basic.h). alice sees alice.git alone: there HEAD is refs/heads/alice, and what else is hers;
 * every other path is 404, whether or not there is something.
 * What may be wanted is what her refs reach, so that a tip that moved on can still be fetched.
 *
 * A push goes to refs/devices/<device>/alice, a ref of the device's own, which only moves forward; with a
 * token to that device's alone. What comes is checked (store/exchange.h, then the service's own rules),
 * made visible all at once, and merged into refs/heads/alice before the answer. A merge that fails is
 * tried again at the next push and by git_resume.
 *
 * The estate's own machinery, which was let in by other means, sees every ref of the store:
 *
 *	git_answer(x, store, STR("info/refs"), 0);   one request, below a path of the caller's
 */
#ifndef SYNC_GIT_H
#define SYNC_GIT_H

#include "identity/guard.h"
#include "identity/registry.h"
#include "os/http.h"
#include "os/tls.h"

struct git_push { /* what a service is asked about: all is here, nothing is visible yet */
	struct str user, device;
	const struct store_oid *tip; /* what the device's ref is to be */
};
struct git_config { /* all borrowed for ever */
	struct store *store;
	struct id_registry *registry;
	struct id_guard *guard;
	struct os_tls *tls;
	uint64_t object_bytes_max; /* of a push; 0: 64 MiB */
	/* The service's rules for what a device may push: ERR_BAD with a sentence for the person. NULL:
	 * nothing can be pushed. BLOCKS */
	int (*check_push)(void *ctx, const struct git_push *p);
	void *ctx; /* of check_push */
};
/* Merges what was pushed and could not be merged then. BLOCKS. */
void git_resume(const struct git_config *cfg);
void git_session(const struct git_config *cfg, struct os_stream *raw); /* BLOCKS; closes raw */
/* The same after TLS, for tests. */
void git_serve(const struct git_config *cfg, struct os_stream *s); /* BLOCKS; closes s */
/* One request, as git_serve handles it, for a service that has other paths as well; `cfg` is a struct
 * git_config. BLOCKS */
void git_handle(struct http_x *x, void *cfg);
bool git_is_path(struct str path); /* "/alice.git/..." */
/* One request for the repository of all refs, HEAD none; `rest` is what follows its path. BLOCKS */
void git_answer(struct http_x *x, struct store *s, struct str rest, uint64_t objects_max);

#endif
