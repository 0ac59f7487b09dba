/* SPDX-License-Identifier: ISC */
/*
 * HTTP Basic (RFC 7617) with an app password.
 *
 *	if (id_basic(&who, reg, guard, x, "git") < 0)
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

#endif
