/* SPDX-License-Identifier: ISC */
/*
 * A service's control endpoint (services/control/control.h), whether the service runs or not: a
 * running one is asked over HTTPS; of a stopped one the disk is opened here and asked in the same
 * words. In a fiber.
 *
 *	struct prov_client c;
 *	err = prov_client_open(&c, p, service);
 *	err = prov_call(&reply, &c, "GET", "/v1/users", NULL);
 *	prov_client_close(&c);
 */
#ifndef PROVISIONER_CLIENT_H
#define PROVISIONER_CLIENT_H

#include "provisioner/driver.h"
#include "provisioner/estate.h"
#include "services/control/control.h"
#include "sync/fetch.h"

#include <jansson.h>

struct prov_client {
	struct prov *p;
	const struct prov_service *s;
	const char *token;
	char hint[128]; /* of the last error reply; "" for none */
	/* running */
	struct os_tls *tls;
	/* stopped */
	struct os_disk *disk;
	struct store *store;
	struct id_registry *registry;
	struct prov_driver driver;
	struct control *control;
};
/* ERR_BUSY: it runs but can't be asked yet, or somebody else has its disk. */
MUST_CHECK int prov_client_open(
	struct prov_client *c, struct prov *p, const struct prov_service *s);
void prov_client_close(struct prov_client *c);

/* One request with a JSON reply, a new reference; NULL body for none; `reply` may be NULL. BLOCKS. */
MUST_CHECK int prov_call(json_t **reply, struct prov_client *c, const char *method,
	const char *target, json_t *body);
/* Every line of a JSON-lines reply; < 0 from fn stops and is returned. BLOCKS. */
typedef int prov_line_fn(void *ctx, const json_t *line);
MUST_CHECK int prov_lines(
	struct prov_client *c, const char *method, const char *target, prov_line_fn *fn, void *ctx);
/* The same of a POST with a body of bytes. BLOCKS. */
MUST_CHECK int prov_send(
	struct prov_client *c, const char *target, struct str body, prov_line_fn *fn, void *ctx);
/* A GET's reply as it comes. BLOCKS. */
typedef int prov_bytes_fn(void *ctx, struct str bytes);
MUST_CHECK int prov_bytes(struct prov_client *c, const char *target, prov_bytes_fn *fn, void *ctx);
/* All its refs as a git repository; `out` borrows from the client. */
void prov_client_remote(struct sync_remote *out, struct prov_client *c);

/* "/v1/log?ref=" and the like: appends the value percent-encoded. */
void prov_encode(struct buf *out, struct str value);

/*
 * What verbs do around it: loads the estate, finds the service (the first word may carry a path,
 * "mail/INBOX"; *path is what follows the slash), opens the client in a fiber, runs fn, closes.
 * fn returns an exit code.
 */
struct prov_session {
	struct prov *p;
	const struct prov_args *args;
	struct prov_estate *e;
	struct prov_client *c;
	struct str path;
	void *ctx;
};
int prov_with_client_ctx(struct prov *p, const struct prov_args *a, const char *service_word,
	int (*fn)(struct prov_session *x), void *ctx);
int prov_with_client(struct prov *p, const struct prov_args *a, const char *service_word,
	int (*fn)(struct prov_session *x));
/* Says what went wrong with a call: PROV_FAILED. */
int prov_client_fail(const struct prov_client *c, int err, const char *what);

#endif
