/* SPDX-License-Identifier: ISC */
/*
 * Requests handed on to one other server, as a gateway does it (RFC 9110, 3.7 and 7.6).
 *
 *	struct http_upstream *u;
 *	err = http_upstream_new(&u, &(struct http_upstream_config){ .to = addr, .tls = tls,
 *		.host = STR("contacts.example.org"), .words = "contacts" });
 *	http_forward(x, u);              in a handler: the request is answered, whatever happens
 *
 * Method, target, fields and bodies go on as they came, without what belongs to one connection. Bodies
 * pass in parts, as fast as the slower side takes them: memory does not depend on their size. The
 * other server's 100 Continue is waited for when the client waits for one; an answer that comes before the
 * body's end ends the body. Connections are kept for the next request.
 *
 *	503, Retry-After    it can't be reached, or too many are waiting for it: nothing was sent
 *	502, 504            it went away, or said nothing for long: whether the request took effect, nobody knows
 *	508                 the request has been here before
 * A reply that breaks in the middle does not look whole (http_cut).
 */
#ifndef OS_HTTP_FORWARD_H
#define OS_HTTP_FORWARD_H

#include "os/http.h"
#include "os/tls.h"

#define HTTP_FORWARDS_MAX 32 /* at once */

struct http_upstream_config { /* strings are borrowed for ever */
	struct os_addr to;
	struct os_tls *tls; /* NULL: plain HTTP, in tests */
	struct str host;    /* what its certificate has to name; ours in Via */
	const char *words;  /* for people: "contacts" can't be reached */
};
struct http_upstream;
MUST_CHECK int http_upstream_new(
	struct http_upstream **out, const struct http_upstream_config *cfg);
void http_upstream_free(struct http_upstream *u);             /* nobody forwards any more */
void http_forward(struct http_x *x, struct http_upstream *u); /* BLOCKS */

#endif
