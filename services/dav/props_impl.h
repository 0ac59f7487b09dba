/* SPDX-License-Identifier: ISC */
/*
 * Live properties: a row each, with what they are defined on and how they are written. What no row
 * names is dead: kept as it was set.
 */
#ifndef SERVICES_DAV_PROPS_IMPL_H
#define SERVICES_DAV_PROPS_IMPL_H

#include "services/dav/dav_impl.h"

enum { /* what a property is defined on */
	ON_ITEM = 1,
	ON_COLLECTION = 2, /* of the service's kind */
	ON_PLAIN = 4,      /* plain collections, the home set */
	ON_OTHER = 8,      /* the root, principals */
	ON_FOLDER = ON_COLLECTION | ON_PLAIN | ON_OTHER,
	ON_ALL = ON_ITEM | ON_FOLDER,
	NOT_IN_ALL = 16 /* allprop leaves it out (RFC 3744, 4791, 6352) */
};

struct ask {
	struct buf *b;
	struct dav_request *r;
	struct dav_res *res;
	const struct xml *x; /* the property as asked for */
};

struct prop {
	struct str ns;
	const char *name;
	unsigned on;
	int (*get)(struct ask *q); /* ERR_NOENT: has none */
};
extern const struct prop dav_props[];
extern const size_t dav_prop_count;
const struct prop *dav_prop_find(const struct xml *x); /* NULL: it is dead */
/* Is it defined on this resource? */
bool dav_prop_fits(const struct prop *p, const struct ask *q);

#endif
