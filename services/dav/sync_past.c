/* SPDX-License-Identifier: ISC */
/* What came and went, or went and came back, between two states of a collection (RFC 6578, 3.5). */
#include "services/dav/dav_impl.h"
#include "services/dav/sync_impl.h"

#include <stdlib.h>

#define COMMITS_MAX \
	2000 /* looked at for one report; who was away for longer hears of the difference alone */
#define NAMES_MAX 10000

struct past {
	struct dav_request *r;
	struct store_oid since, newer; /* of newer: the collection's tree in the commit after */
	unsigned commits;
	struct str *names; /* paths in the collection */
	size_t n, cap;
};

static int keep_name(struct past *p, struct str name)
{
	struct arena *a = &p->r->a;

	if (p->n == NAMES_MAX)
		return 0;
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 16;
		struct str *names = arena_alloc(a, cap * sizeof(*names));
		if (!names)
			return err_set(ERR_LIMIT, "dav: over the memory for one request");
		if (p->n)
			memcpy(names, p->names, p->n * sizeof(*names));
		p->names = names;
		p->cap = cap;
	}
	name = arena_dup(a, name);
	if (!name.p)
		return err_set(ERR_LIMIT, "dav: over the memory for one request");
	p->names[p->n++] = name;
	return 0;
}

/* An item as its path, a collection as something in it: what the report makes of a change. */
static int went(void *ctx, const struct store_change *c)
{
	struct past *p = ctx;
	struct str head, rest;

	if (c->after || !str_cut(&head, &rest, c->path, '/'))
		return 0;
	if (!dav_is_shard(head) && p->n && str_starts(p->names[p->n - 1], head) &&
		p->names[p->n - 1].n == head.n + 2)
		return 0;
	return keep_name(
		p, dav_is_shard(head) ? c->path : arena_fmt(&p->r->item, "%.*s/-", STR_ARG(head)));
}

static int on_commit(void *ctx, const struct store_commit *c)
{
	struct past *p = ctx;
	struct dav_request *r = p->r;
	struct dav_node node;
	int err;

	if (p->commits++ == COMMITS_MAX)
		return ERR_CLOSED;
	err = dav_node_find(&node, r->cfg->store, &c->tree, r->path.segs, r->path.n);
	if (err < 0 || !node.collection) /* it was not there yet */
		return err < 0 && err != ERR_NOENT ? err : ERR_CLOSED;
	if (p->commits > 1 && !store_oid_eq(&node.oid, &p->newer))
		err = store_diff(r->cfg->store, &node.oid, &p->newer, STR(""), went, p);
	p->newer = node.oid;
	return err < 0 ? err : store_oid_eq(&c->id, &p->since) ? ERR_CLOSED : 0;
}

static int name_cmp(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool find(
	struct store_oid *out, struct store *s, const struct store_oid *tree, struct str at)
{
	struct store_entry e;
	bool is = store_find(&e, s, tree, at) >= 0;

	if (is)
		*out = e.oid;
	return is;
}

/* What the difference between the two trees does not tell. */
static int tell(struct past *p, const struct dav_sync_span *x, store_diff_fn *fn, void *ctx)
{
	struct store *s = p->r->cfg->store;
	int err = 0;

	if (p->n)
		qsort(p->names, p->n, sizeof(*p->names), name_cmp);
	for (size_t i = 0; i < p->n && err >= 0; i++) {
		struct store_oid was, is;
		struct str head, rest;
		bool before, after, item;

		if (i && str_eq(p->names[i], p->names[i - 1]))
			continue;
		item = str_cut(&head, &rest, p->names[i], '/') && dav_is_shard(head);
		before = find(&was, s, &x->from, item ? p->names[i] : head);
		after = find(&is, s, &x->to, item ? p->names[i] : head);
		if (before != after || (before && (!item || !store_oid_eq(&was, &is))))
			continue;
		err = fn(ctx,
			&(struct store_change){ .path = p->names[i], .after = after ? &is : NULL });
	}
	return err;
}

int dav_sync_past(
	struct dav_request *r, const struct dav_sync_span *x, store_diff_fn *fn, void *ctx)
{
	struct past p = { .r = r, .since = x->since };
	int err = store_oid_eq(&x->since, &x->until)
		? 0
		: store_log(r->cfg->store, &x->until, STR_NONE, on_commit, &p);

	arena_reset(&r->item);
	return err < 0 ? err : tell(&p, x, fn, ctx);
}
