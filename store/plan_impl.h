/* SPDX-License-Identifier: ISC */
/* Planning a fetch: plan.c asks plan_commits.c which commits, then plan_trees.c which trees and blobs. */
#ifndef STORE_PLAN_IMPL_H
#define STORE_PLAN_IMPL_H

#include "store/reach_impl.h"

struct plan {
	struct store_plan pub;
	struct store *s;
	unsigned walk; /* history_begin's */
	const struct store_fetch *f;
	struct idset cut;  /* the other side's boundary afterwards */
	struct idset old;  /* and before */
	struct idset have; /* commits it has */
	struct idset held; /* trees and blobs it has, where known */
	struct idset done; /* commits all of whose objects it has or gets */
	struct oids commits, extra, shallow, unshallow;
	struct store_oid base; /* a tree it has */
	bool has_base;
	struct chosen chosen;
};

MUST_CHECK int plan_boundary(struct plan *p);
/* Fills `commits`, the latest first as far as dates tell. */
MUST_CHECK int plan_commits(struct plan *p);
MUST_CHECK int plan_trees(struct plan *p);
int plan_too_many(const struct plan *p);

#endif
