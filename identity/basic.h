/* SPDX-License-Identifier: ISC */
/*
 * Who makes an HTTP request: Basic (RFC 7617) with an app password.
 *
 *	if (id_basic(&who, reg, guard, x, "dav") < 0)
 *		return;                                  the request was answered: 401, or 429
 */
#ifndef IDENTITY_BASIC_H
#define IDENTITY_BASIC_H

#include "identity/guard.h"
#include "identity/registry.h"
#include "os/http.h"

/* `svc` is what the log calls the service. BLOCKS. */
MUST_CHECK int id_basic(struct id_login *who, struct id_registry *r, struct id_guard *g,
	struct http_x *x, const char *svc);
/*
 * With a device's token as well: as the password, or as a Bearer token (RFC 6750). That names no user,
 * so it has to be a token of `owner`, to whom belongs what is asked for. One that has expired is
 * told so: 401, as a Bearer 403, of which git shows the text. BLOCKS.
 */
MUST_CHECK int id_basic_or_token(struct id_login *who, struct id_registry *r, struct id_guard *g,
	struct http_x *x, const char *svc, struct str owner);

#endif
