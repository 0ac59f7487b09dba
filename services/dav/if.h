/* SPDX-License-Identifier: ISC */
/* Reading an If header, without the resources it speaks of. Pure. */
#ifndef SERVICES_DAV_IF_H
#define SERVICES_DAV_IF_H

#include "os/base.h"

struct dav_if_subject { /* the state of a resource; empty: it has none */
	struct str etag;
	struct str token; /* what a token of it begins with */
};
/* Fills in the state of the resource `tag` names, STR_NONE: of the one the request is about. */
typedef void dav_if_fn(void *ctx, struct dav_if_subject *s, struct str tag);
/* Does it hold? ERR_BAD. */
MUST_CHECK int dav_if_eval(bool *out, struct str in, dav_if_fn *fn, void *ctx);
/* The next entity tag that some resource is to have; *in moves behind it. */
bool dav_if_etag(struct str *etag, struct str *in);

#endif
