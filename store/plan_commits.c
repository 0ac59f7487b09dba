/* SPDX-License-Identifier: ISC */
/*
 * Which commits a fetch sends: from the wants back, until what the other side has, or its boundary.
 * Commits on our own boundary become part of the other side's.
 */
#include "store/plan_impl.h"

/* ---- the new boundary ---- */
static int depth_step(struct plan *p, struct oids *next, struct idset *seen,
	const struct store_oid *id, bool last)
{
	struct walk_commit c;
	int err = walk_commit_get(&c, p->s, id);
	bool was = set_has(&p->old, id);

	if (err < 0)
		return err;
	if (c.cut || (last && c.parent_count)) {
		err = set_add(&p->cut, id);
		return err < 0 || was ? err : oids_add(&p->shallow, id);
	}
	if (was)
		err = oids_add(&p->unshallow, id);
	for (size_t i = 0; i < c.parent_count && err >= 0; i++) {
		bool fresh;
		if (was)
			err = oids_add(&p->extra, &c.parents[i]);
		if (err >= 0)
			err = idset_add(&fresh, seen, idset_of(&c.parents[i]));
		if (err >= 0 && fresh)
			err = oids_add(next, &c.parents[i]);
	}
	return err;
}

/* Generation by generation from where depth is counted. */
static int boundary(struct plan *p)
{
	const struct store_fetch *f = p->f;
	const struct store_oid *from = f->relative ? f->shallows : f->wants;
	size_t count = f->relative ? f->shallow_count : f->want_count;
	uint64_t depth = (uint64_t)f->depth + f->relative, at = 1;
	struct oids now = { 0 }, next = { 0 };
	struct idset seen = { 0 };
	unsigned turns = 0;
	int err = 0;

	for (size_t i = 0; i < count && err >= 0; i++)
		if (is_commit(p->s, &from[i]))
			err = oids_add(&now, &from[i]);
	for (size_t i = 0; i < now.n && err >= 0; i++)
		err = set_add(&seen, &now.p[i]);
	for (; now.n > 0 && err >= 0; at++) {
		for (size_t i = 0; i < now.n && err >= 0; i++) {
			err = depth_step(p, &next, &seen, &now.p[i], at >= depth);
			if (++turns % YIELD_EVERY == 0)
				os_yield();
		}
		free(now.p);
		now = next;
		next = (struct oids){ 0 };
	}
	free(now.p);
	free(next.p);
	idset_free(&seen);
	return err;
}

int plan_boundary(struct plan *p)
{
	const struct store_fetch *f = p->f;
	int err = 0;

	for (size_t i = 0; i < f->shallow_count && err >= 0; i++)
		err = set_add(&p->old, &f->shallows[i]);
	if (err >= 0 && f->depth)
		return boundary(p);
	for (size_t i = 0; i < f->shallow_count && err >= 0; i++)
		err = set_add(&p->cut, &f->shallows[i]);
	return err;
}

/* ---- which commits ---- */
int plan_too_many(const struct plan *p)
{
	return err_set(ERR_LIMIT,
		"over %llu objects at once are too many for this machine's memory: begin with "
		"--depth=1000, then --deepen",
		(unsigned long long)p->f->objects_max);
}

/* Our own history ends here: so does theirs. */
static int shorten(struct plan *p, const struct store_oid *id)
{
	int err = set_add(&p->cut, id);
	return err < 0 ? err : oids_add(&p->shallow, id);
}

static int visit_commit(struct plan *p, struct heap *h, struct idset *want, struct heap_item x)
{
	bool had = set_has(&p->have, &x.id);
	struct walk_commit c;
	int err = 0;

	if (x.want && had)
		return 0; /* what leads on from it was put there when it became had */
	if (x.want && p->commits.n >= p->f->objects_max)
		return plan_too_many(p);
	if (x.want)
		err = oids_add(&p->commits, &x.id);
	if (err < 0 || set_has(had ? &p->old : &p->cut, &x.id))
		return err;
	err = walk_commit_get(&c, p->s, &x.id);
	if (err >= 0 && c.cut && !had)
		err = shorten(p, &x.id);
	for (size_t i = 0; i < c.parent_count && err >= 0; i++)
		err = heap_visit(h, had ? &p->have : want, p->s, &c.parents[i], !had);
	return err;
}

/*
 * Latest first, wanted and had side by side, until nothing is left that is wanted only. Where
 * clocks went backwards more may be sent than needed, never less.
 */
int plan_commits(struct plan *p)
{
	const struct store_fetch *f = p->f;
	struct heap h = { 0 };
	struct idset want = { 0 };
	int err = 0;

	for (size_t i = 0; i < f->have_count && err >= 0; i++)
		err = heap_visit(&h, &p->have, p->s, &f->haves[i], false);
	for (size_t i = 0; i < f->want_count && err >= 0; i++)
		err = heap_visit(&h, &want, p->s, &f->wants[i], true);
	for (size_t i = 0; i < p->extra.n && err >= 0; i++)
		err = heap_visit(&h, &want, p->s, &p->extra.p[i], true);
	for (unsigned turns = 1; h.wants > 0 && err >= 0; turns++) {
		err = visit_commit(p, &h, &want, heap_take(&h));
		if (turns % YIELD_EVERY == 0)
			os_yield();
	}
	free(h.p);
	idset_free(&want);
	return err;
}
