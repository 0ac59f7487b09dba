/* SPDX-License-Identifier: ISC */
#ifndef SERVICES_DAV_SYNC_IMPL_H
#define SERVICES_DAV_SYNC_IMPL_H

#include "services/dav/request.h"

/* Two states of the collection that the request is about: commits of its branch, and its trees in them. */
struct dav_sync_span {
	struct store_oid since, until, from, to;
};
/*
 * For each member that was removed between the two and is now as it was then (gone, or the same again), a
 * change as store_diff tells them; one that the difference of the trees tells is left out. Goes back by first
 * parent, and only so far. BLOCKS.
 */
MUST_CHECK int dav_sync_past(
	struct dav_request *r, const struct dav_sync_span *x, store_diff_fn *fn, void *ctx);

#endif
