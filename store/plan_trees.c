/* SPDX-License-Identifier: ISC */
/*
 * Which trees and blobs a fetch sends: of each commit those that its parents' trees do not have in
 * the same place. That is enough when the parents are had by the other side, or were gone through
 * before, so commits are taken oldest first; where dates lie a parent is no guide.
 */
#include "store/plan_impl.h"

#define HELD_MAX   16    /* commits of the other side whose trees are looked at */
#define LIST_MAX   32768 /* objects listed one by one; beyond, the index is gone over */
#define GUIDES_MAX 2

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
		return plan_too_many(p);
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

/* A tree, and those in its place that the other side has or gets. */
struct guided {
	struct store_oid now, old[GUIDES_MAX];
	unsigned olds;
};
struct todo {
	struct guided *p;
	size_t n, cap;
};

static int todo_add(struct todo *v, const struct guided *x)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? v->cap * 2 : 64;
		void *p = realloc(v->p, cap * sizeof(*v->p));
		if (!p)
			return err_set(ERR_NOMEM, "store: out of memory");
		v->p = p;
		v->cap = cap;
	}
	v->p[v->n++] = *x;
	return 0;
}

struct guide { /* an old tree, read alongside */
	struct view v;
	struct tcur c;
	struct tent t;
	bool has; /* t */
};

/* On to the entry in the same place as `t`: is there one? */
static int guide_seek(bool *is, struct guide *g, const struct tent *t)
{
	int order = -1, err = 0;

	while (g->has &&
		(order = tree_cmp(
			 g->t.name, mode_folder(g->t.mode), t->name, mode_folder(t->mode))) < 0) {
		err = tree_next(&g->t, &g->c);
		g->has = err >= 0;
	}
	*is = g->has && order == 0;
	return err == ERR_NOENT ? 0 : err;
}

static int choose_entry(struct plan *p, struct todo *todo, const struct tent *t,
	struct guide guides[GUIDES_MAX], unsigned count)
{
	struct guided x = { .olds = 0 };
	bool there, fresh;
	int err = 0;

	if ((t->mode & 0170000) == 0160000) /* another repository's commit */
		return 0;
	for (unsigned i = 0; i < count; i++) {
		err = guide_seek(&there, &guides[i], t);
		if (err < 0)
			return err;
		if (there && memcmp(t->id, guides[i].t.id, 20) == 0)
			return 0;
		if (there)
			memcpy(x.old[x.olds++].b, guides[i].t.id, 20);
	}
	memcpy(x.now.b, t->id, 20);
	err = choose(&fresh, p, &x.now);
	return err < 0 || !fresh || !mode_folder(t->mode) ? err : todo_add(todo, &x);
}

static int choose_below(struct plan *p, struct todo *todo, const struct guided *x)
{
	struct guide guides[GUIDES_MAX] = { 0 };
	struct view now = { 0 };
	struct tcur c;
	struct tent t;
	int err = view_open(&now, p->s, &x->now, OBJ_TREE, OBJECT_BYTES);

	for (unsigned i = 0; i < x->olds && err >= 0; i++) {
		struct guide *g = &guides[i];
		err = view_open(&g->v, p->s, &x->old[i], OBJ_TREE, OBJECT_BYTES);
		if (err < 0)
			break;
		g->c = (struct tcur){ g->v.p, g->v.n, 0 };
		err = tree_next(&g->t, &g->c);
		g->has = err >= 0;
		err = err == ERR_NOENT ? 0 : err;
	}
	c = (struct tcur){ now.p, now.n, 0 };
	while (err >= 0 && (err = tree_next(&t, &c)) >= 0)
		err = choose_entry(p, todo, &t, guides, x->olds);
	for (unsigned i = 0; i < x->olds; i++)
		view_end(&guides[i].v);
	view_end(&now);
	return err == ERR_NOENT ? 0 : err;
}

static int choose_tree(struct plan *p, const struct guided *top)
{
	struct todo todo = { 0 };
	bool fresh;
	int err;

	for (unsigned i = 0; i < top->olds; i++)
		if (store_oid_eq(&top->now, &top->old[i]))
			return 0;
	err = choose(&fresh, p, &top->now);
	if (err >= 0 && fresh)
		err = todo_add(&todo, top);
	for (unsigned turns = 1; todo.n > 0 && err >= 0; turns++) {
		struct guided x = todo.p[--todo.n];
		err = choose_below(p, &todo, &x);
		if (turns % YIELD_EVERY == 0)
			os_yield();
	}
	free(todo.p);
	return err;
}

static int choose_commit(struct plan *p, const struct store_oid *id)
{
	struct guided x = { .olds = 0 };
	struct walk_commit c;
	bool fresh;
	int err = choose(&fresh, p, id);

	if (err >= 0)
		err = walk_commit_get(&c, p->s, id);
	if (err < 0)
		return err;
	x.now = c.tree;
	if (set_has(&p->cut, id))
		c.parent_count = 0; /* they are not sent */
	for (size_t i = 0; i < c.parent_count && x.olds < GUIDES_MAX && err >= 0; i++)
		if (set_has(&p->have, &c.parents[i]) || set_has(&p->done, &c.parents[i]))
			err = commit_tree(&x.old[x.olds++], p->s, &c.parents[i]);
	if (x.olds == 0 && p->has_base)
		x.old[x.olds++] = p->base;
	if (err >= 0)
		err = choose_tree(p, &x);
	return err < 0 ? err : set_add(&p->done, id);
}

/* Where boundaries are involved parents are often no guide: then what the other side's trees hold
 * is listed in full, and left out. */
static int hold_trees(struct plan *p)
{
	const struct store_fetch *f = p->f;
	int err = 0;

	for (size_t i = 0; i < f->have_count && i < HELD_MAX && err >= 0; i++) {
		struct guided x = { .olds = 0 };
		err = commit_tree(&x.now, p->s, &f->haves[i]);
		if (err < 0)
			break;
		if (i == 0)
			p->base = x.now;
		p->has_base = true;
		if (f->depth || f->shallow_count)
			err = choose_tree(p, &x);
	}
	p->held = p->chosen.set;
	free(p->chosen.list);
	p->chosen = (struct chosen){ 0 };
	return err;
}

int plan_trees(struct plan *p)
{
	int err = hold_trees(p);

	for (size_t i = p->commits.n; i > 0 && err >= 0; i--)
		if (!set_has(&p->have, &p->commits.p[i - 1]))
			err = choose_commit(p, &p->commits.p[i - 1]);
	return err;
}
