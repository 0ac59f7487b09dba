/* SPDX-License-Identifier: ISC */
/* A branch of a store as a static site: its tree is what is served, its tip the version. */
#ifndef SERVICES_HELLO_SITE_H
#define SERVICES_HELLO_SITE_H

#include "os/http.h"
#include "store/store.h"

struct site {
	struct store *store;
	struct str branch; /* "refs/heads/site" */
};

/*
 * The handler for http_serve; ctx is a struct site. Folders show their index.html, names that
 * begin with a dot are not served, the object id is the ETag.
 */
void site_serve(struct http_x *x, void *ctx);

#endif
