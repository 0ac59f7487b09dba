/* SPDX-License-Identifier: ISC */
/*
 * The private control endpoint every service has: HTTPS, a bearer token, JSON. What the `allod`
 * command and nobody else talks to.
 *
 *	struct control_config cfg = { .store = s, .registry = reg, .tls = tls, .token = token,
 *		.name = STR("mail"), .version = STR("0.1") };
 *	err = control_start(&cfg);                 listens on CONTROL_PORT until the service stops
 *
 *	GET  /v1/status                            {name, version, uptime_sec, memory, connections, store}
 *	GET  /metrics                              Prometheus text
 *	GET  /v1/refs                              one line each: {ref, commit}
 *	GET  /v1/log?ref=&path=&from=&limit=       one line a commit, newest first, with `changes`; last
 *	                                           {more, from, path} to go on with, and on=1
 *	GET  /v1/show?ref=&path=&commit=           the commit, then one line a change
 *	GET  /v1/diff?ref=&path=&from=&to=         {from, to}, then one line a change
 *	POST /v1/restore?ref=&path=&to=&exact=1&dry_run=1    {as_of}, one line a change; last {ok, commits,
 *	                                           before, counts}; undo=FROM takes back to..FROM
 *	POST /v1/items?ref=&collection=&source=&keep=1&dry_run=1    items in (services/control/items.h) -> one
 *	                                           line each, {n, change, item, why}; last {ok, commit}
 *	GET  /v1/items?ref=&collection=            items out: lines {collection, ...} and {item, bytes}, that
 *	                                           many bytes behind it; last {ok}
 *	POST /v1/verify                            lines of {done, total}, {mismatch}; last {ok, objects, mismatches}
 *	POST /v1/sweep                             lines of {done, total}; last {ok, objects, kept, moved_bytes, freed_bytes}
 *	GET  /v1/keeping?user=                     {user, keep_days, keep_days_min}; 0: all history
 *	POST /v1/keeping?user=&keep_days=&keep_days_min=   sets them; the next sweep forgets
 *	GET  /v1/milestones?ref=&every=&until=     {commit} of every so many commits, newest first, down to
 *	                                           the commit `until`
 *	GET  /git/info/refs?service=git-upload-pack    all refs as one git repository (sync/git.h):
 *	POST /git/git-upload-pack                      clone and fetch
 *	POST /v1/snapshot                          {endpoint, written}: what it told its clients, on
 *	                                           branches of its own; of a stopped one, and with
 *	                                           {warning}, those that are there
 *	GET  /v1/users                             {users: [{user, name}]}
 *	POST /v1/users                             {user, name} -> the same
 *	GET  /v1/users/<user>/app-passwords        {passwords: [{client, created}]}
 *	POST /v1/users/<user>/app-passwords        {client, password?} -> {user, client, password}
 *	DELETE /v1/users/<user>/app-passwords/<client>
 *	GET  /v1/users/<user>/device-tokens        {tokens: [{device, created, expires}]}
 *	POST /v1/users/<user>/device-tokens        {device, days?, token?} -> {user, device, token, expires}
 *	DELETE /v1/users/<user>/device-tokens/<device>
 *	POST /v1/powerdown                         {ok}; then the service stops in order
 *
 * History is told in the service's words (services/control/words.h), with raw=1 in files. `from`,
 * `to` and `commit` are ids, refs, each with ~N, or moments: @<Unix seconds>.
 *
 * "One line each" is JSON lines. An error is {error, hint} with a fitting status; in a stream that
 * has begun it is the last line.
 */
#ifndef SERVICES_CONTROL_CONTROL_H
#define SERVICES_CONTROL_CONTROL_H

#include "identity/registry.h"
#include "os/http.h"
#include "os/tls.h"

#define CONTROL_PORT            8443
#define CONTROL_CONNECTIONS_MAX 16
#define CONTROL_ENDPOINT        32 /* bytes of an endpoint's id, at most */

struct control_items;
struct control_words;
struct control_config {
	struct store *store;
	struct id_registry *registry; /* NULL: no users here */
	struct os_tls *tls;           /* for control_start only */
	struct str token;             /* at least 32 bytes; compared in constant time */
	struct str name, version;
	const struct control_words *words; /* NULL: none */
	const struct control_items *items; /* NULL: none */
	/* Brings refs/endpoints/<endpoint>/ up to date, BLOCKS; NULL: not here. `endpoint` has room. */
	int (*snapshot)(char *endpoint, size_t *written, void *ctx);
	void *snapshot_ctx;
	uint64_t git_objects_max; /* of one fetch; 0: as memory allows */
};
/* All of it is borrowed for ever (the strings are copied). */
MUST_CHECK int control_start(const struct control_config *cfg);

/* The same over a stream of the caller's, for a program that opened the store itself. */
struct control;
MUST_CHECK int control_open(struct control **out, const struct control_config *cfg);
void control_close(struct control *c);
void control_serve(struct control *c, struct os_stream *s); /* BLOCKS; closes s */

#endif
