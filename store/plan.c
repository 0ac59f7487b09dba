/* SPDX-License-Identifier: ISC */
/*
 * What a fetch sends. Commits first: from the wants back, until what the other side has, or its
 * boundary. Then of each the trees and blobs its parent's tree does not have: the parent is either
 * sent too or held by the other side, so an ordinary fetch costs as much as was changed.
 */
#include "store/reach_impl.h"

#define HELD_MAX 16    /* commits of the other side whose trees are looked at */
#define LIST_MAX 32768 /* objects listed one by one; beyond, the index is gone over */

/* ---- the plan ---- */
struct plan {
	struct store_plan pub;
	struct store *s;
	const struct store_fetch *f;
	struct idset cut;  /* the other side's boundary afterwards */
	struct idset old;  /* and before */
	struct idset have; /* commits it has */
	struct idset held; /* trees and blobs it has, where known */
	struct oids commits, extra, shallow, unshallow;
	struct store_oid base; /* a tree it has */
	bool has_base;
	struct chosen chosen;
};

/* ---- the new boundary ---- */
static int depth_step(struct plan *p, struct oids *next, struct idset *seen,
	const struct store_oid *id, bool last)
{
	struct walk_commit c;
	int err = walk_commit_get(&c, p->s, id);
	bool was = set_has(&p->old, id);

	if (err < 0)
		return err;
	if (last && c.parent_count) {
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

static int find_boundary(struct plan *p)
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
static int too_many(const struct plan *p)
{
	return err_set(ERR_LIMIT,
		"over %llu objects at once are too many for this machine's memory: begin with "
		"--depth=1000, then --deepen",
		(unsigned long long)p->f->objects_max);
}

static int visit_commit(struct plan *p, struct heap *h, struct idset *want, struct heap_item x)
{
	bool had = set_has(&p->have, &x.id);
	struct walk_commit c;
	int err = 0;

	if (x.want && had)
		return 0; /* what leads on from it was put there when it became had */
	if (x.want && p->commits.n >= p->f->objects_max)
		return too_many(p);
	if (x.want)
		err = oids_add(&p->commits, &x.id);
	if (err < 0 || set_has(had ? &p->old : &p->cut, &x.id))
		return err;
	err = walk_commit_get(&c, p->s, &x.id);
	for (size_t i = 0; i < c.parent_count && err >= 0; i++)
		err = heap_visit(h, had ? &p->have : want, p->s, &c.parents[i], !had);
	return err;
}

/*
 * Latest first, wanted and had side by side, until nothing is left that is wanted only. Where
 * clocks went backwards more may be sent than needed, never less.
 */
static int find_commits(struct plan *p)
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

/* ---- which trees and blobs ---- */
static int choose(bool *fresh, struct plan *p, const struct store_oid *id)
{
	struct chosen *c = &p->chosen;
	int err;

	*fresh = false;
	if (set_has(&p->held, id))
		return 0;
	err = idset_add(fresh, &c->set, idset_of(id));

	if (err < 0 || !*fresh)
		return err;
	if (++c->n > p->f->objects_max)
		return too_many(p);
	if (c->scan)
		return 0;
	if (c->list_n == LIST_MAX) {
		free(c->list);
		c->list = NULL;
		c->scan = true;
		return 0;
	}
	struct oids v = { c->list, c->list_n, c->list_cap };
	err = oids_add(&v, id);
	c->list = v.p;
	c->list_n = v.n;
	c->list_cap = v.cap;
	return err;
}

/* Pairs of trees to compare; old_has false: nothing to compare with. */
struct pairs {
	struct pair {
		struct store_oid now, old;
		bool old_has;
	} *p;
	size_t n, cap;
};

static int pairs_add(struct pairs *v, struct pair x)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? v->cap * 2 : 64;
		void *p = realloc(v->p, cap * sizeof(*v->p));
		if (!p)
			return err_set(ERR_NOMEM, "store: out of memory");
		v->p = p;
		v->cap = cap;
	}
	v->p[v->n++] = x;
	return 0;
}

/* One entry of a tree, and what stands in its place in the old one, if anything. */
static int choose_entry(
	struct plan *p, struct pairs *todo, const struct tent *t, const struct tent *old)
{
	struct pair x = { .old_has = old && mode_folder(old->mode) };
	bool fresh;
	int err;

	if ((t->mode & 0170000) == 0160000) /* another repository's commit */
		return 0;
	if (old && memcmp(t->id, old->id, 20) == 0)
		return 0;
	memcpy(x.now.b, t->id, 20);
	err = choose(&fresh, p, &x.now);
	if (err < 0 || !fresh || !mode_folder(t->mode))
		return err;
	if (x.old_has)
		memcpy(x.old.b, old->id, 20);
	return pairs_add(todo, x);
}

static int merge_trees(struct plan *p, struct pairs *todo, struct tcur now, struct tcur old)
{
	struct tent t, o;
	int err, old_err = tree_next(&o, &old);

	while ((err = tree_next(&t, &now)) >= 0) {
		int order = -1;
		while (old_err >= 0 &&
			(order = tree_cmp(
				 o.name, mode_folder(o.mode), t.name, mode_folder(t.mode))) < 0)
			old_err = tree_next(&o, &old);
		err = choose_entry(p, todo, &t, old_err >= 0 && order == 0 ? &o : NULL);
		if (err < 0)
			return err;
		if (old_err < 0 && old_err != ERR_NOENT)
			return old_err;
	}
	return err == ERR_NOENT ? 0 : err;
}

static int choose_pair(struct plan *p, struct pairs *todo, const struct pair *x)
{
	struct view now, old = { 0 };
	int err = view_open(&now, p->s, &x->now, OBJ_TREE, OBJECT_BYTES);

	if (err < 0)
		return err;
	if (x->old_has)
		err = view_open(&old, p->s, &x->old, OBJ_TREE, OBJECT_BYTES);
	if (err >= 0)
		err = merge_trees(p, todo, (struct tcur){ now.p, now.n, 0 },
			(struct tcur){ old.p, old.n, 0 });
	if (x->old_has)
		view_end(&old);
	view_end(&now);
	return err;
}

static int choose_tree(struct plan *p, const struct store_oid *tree, const struct store_oid *old)
{
	struct pairs todo = { 0 };
	struct pair x = { .now = *tree, .old_has = old != NULL };
	bool fresh;
	int err = 0;

	if (old)
		x.old = *old;
	if (old && store_oid_eq(tree, old))
		return 0;
	err = choose(&fresh, p, tree);
	if (err >= 0 && fresh)
		err = pairs_add(&todo, x);
	for (unsigned turns = 1; todo.n > 0 && err >= 0; turns++) {
		x = todo.p[--todo.n];
		err = choose_pair(p, &todo, &x);
		if (turns % YIELD_EVERY == 0)
			os_yield();
	}
	free(todo.p);
	return err;
}

static int choose_commit(struct plan *p, const struct store_oid *id)
{
	struct walk_commit c, parent;
	bool fresh;
	int err = choose(&fresh, p, id);

	if (err >= 0)
		err = walk_commit_get(&c, p->s, id);
	if (err < 0)
		return err;
	if (c.parent_count && !set_has(&p->cut, id)) { /* the parent is sent or had */
		err = walk_commit_get(&parent, p->s, &c.parents[0]);
		return err < 0 ? err : choose_tree(p, &c.tree, &parent.tree);
	}
	return choose_tree(p, &c.tree, p->has_base ? &p->base : NULL);
}

/* Where boundaries are involved a parent is no guide: then what the other side's trees hold is
 * listed in full, and left out. */
static int hold_trees(struct plan *p)
{
	const struct store_fetch *f = p->f;
	int err = 0;

	for (size_t i = 0; i < f->have_count && i < HELD_MAX && err >= 0; i++) {
		struct walk_commit c;
		err = walk_commit_get(&c, p->s, &f->haves[i]);
		if (err < 0)
			break;
		if (i == 0)
			p->base = c.tree;
		p->has_base = true;
		if (f->depth || f->shallow_count)
			err = choose_tree(p, &c.tree, NULL);
	}
	p->held = p->chosen.set;
	free(p->chosen.list);
	p->chosen = (struct chosen){ 0 };
	return err;
}

static int make(struct plan *p)
{
	int err = find_boundary(p);

	if (err >= 0)
		err = find_commits(p);
	if (err >= 0)
		err = hold_trees(p);
	for (size_t i = 0; i < p->commits.n && err >= 0; i++)
		if (!set_has(&p->have, &p->commits.p[i]))
			err = choose_commit(p, &p->commits.p[i]);
	return err;
}

int store_plan_make(struct store_plan **out, struct store *s, const struct store_fetch *f)
{
	struct plan *p;
	int err;

	if (s->closing)
		return err_set(ERR_CLOSED, "store: closing");
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(ERR_NOMEM, "store: out of memory");
	store_user_add(s);
	p->s = s;
	p->f = f;
	err = make(p);
	p->f = NULL;
	free(p->commits.p);
	free(p->extra.p);
	idset_free(&p->cut);
	idset_free(&p->old);
	idset_free(&p->have);
	idset_free(&p->held);
	p->commits = p->extra = (struct oids){ 0 };
	if (!p->chosen.scan)
		idset_free(&p->chosen.set);
	p->pub = (struct store_plan){ p->chosen.n, p->shallow.p, p->unshallow.p, p->shallow.n,
		p->unshallow.n };
	if (err < 0)
		store_plan_free(&p->pub);
	else
		*out = &p->pub;
	return err;
}

int store_plan_send(struct store_plan *pub, store_sink_fn *sink, void *ctx)
{
	struct plan *p = (struct plan *)pub;
	return pack_chosen(p->s, &p->chosen, sink, ctx);
}

void store_plan_free(struct store_plan *pub)
{
	struct plan *p = (struct plan *)pub;

	if (!p)
		return;
	store_user_del(p->s);
	free(p->chosen.list);
	idset_free(&p->chosen.set);
	free(p->shallow.p);
	free(p->unshallow.p);
	free(p);
}
