/* SPDX-License-Identifier: ISC */
/* Commits, as far as walks over history need them; and what is before what. */
#include "store/reach_impl.h"

int oids_add(struct oids *v, const struct store_oid *id)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? v->cap * 2 : 64;
		struct store_oid *p = realloc(v->p, cap * sizeof(*p));
		if (!p)
			return err_set(ERR_NOMEM, "store: out of memory");
		v->p = p;
		v->cap = cap;
	}
	v->p[v->n++] = *id;
	return 0;
}

/* ---- commits ---- */
int walk_commit_get(struct walk_commit *out, struct store *s, const struct store_oid *id)
{
	struct commit_fields c;
	struct view v;
	int err = view_open(&v, s, id, OBJ_COMMIT, OBJECT_BYTES);

	if (err < 0)
		return err;
	err = commit_parse(&c, str_n(v.p, v.n));
	view_end(&v);
	if (err < 0)
		return err;
	*out = (struct walk_commit){ .id = *id, .tree = c.tree, .time = c.time };
	out->cut = c.parent_count && store_shallow_has(s, id);
	out->parent_count = out->cut ? 0 : c.parent_count;
	memcpy(out->parents, c.parents, out->parent_count * sizeof(c.parents[0]));
	return 0;
}

int commit_tree(struct store_oid *out, struct store *s, const struct store_oid *id)
{
	struct walk_commit c;
	int err = walk_commit_get(&c, s, id);

	if (err >= 0)
		*out = c.tree;
	return err;
}

int commit_parent(struct store_oid *out, struct store *s, const struct store_oid *id)
{
	struct walk_commit c;
	int err = walk_commit_get(&c, s, id);

	if (err >= 0 && c.parent_count == 0)
		err = err_set(ERR_NOENT, "store: history does not go back that far");
	if (err >= 0)
		*out = c.parents[0];
	return err;
}

int heap_add(struct heap *h, struct heap_item x)
{
	size_t i = h->n;

	if (h->n == h->cap) {
		size_t cap = h->cap ? h->cap * 2 : 64;
		void *p = realloc(h->p, cap * sizeof(*h->p));
		if (!p)
			return err_set(ERR_NOMEM, "store: out of memory");
		h->p = p;
		h->cap = cap;
	}
	h->n++;
	h->wants += x.want;
	for (; i > 0 && h->p[(i - 1) / 2].time < x.time; i = (i - 1) / 2)
		h->p[i] = h->p[(i - 1) / 2];
	h->p[i] = x;
	return 0;
}

struct heap_item heap_take(struct heap *h)
{
	struct heap_item top = h->p[0], last = h->p[--h->n];
	size_t i = 0, child;

	h->wants -= top.want;
	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n && h->p[child + 1].time > h->p[child].time)
			child++;
		if (h->p[child].time <= last.time)
			break;
		h->p[i] = h->p[child];
		i = child;
	}
	if (h->n)
		h->p[i] = last;
	return top;
}

int heap_visit(
	struct heap *h, struct idset *seen, struct store *s, const struct store_oid *id, bool want)
{
	struct walk_commit c;
	bool fresh;
	int err = idset_add(&fresh, seen, idset_of(id));

	if (err >= 0 && fresh)
		err = walk_commit_get(&c, s, id);
	if (err < 0 || !fresh)
		return err;
	return heap_add(h, (struct heap_item){ c.time, *id, want });
}

bool is_commit(struct store *s, const struct store_oid *id)
{
	struct head h;
	return head_get(&h, s, id) >= 0 && h.type == OBJ_COMMIT;
}

/* Marks what of ids is `id`; how many that were not marked before. */
static size_t mark(bool *found, const struct store_oid *ids, size_t n, const struct store_oid *id)
{
	size_t marked = 0;

	for (size_t i = 0; i < n; i++)
		if (!found[i] && store_oid_eq(&ids[i], id)) {
			found[i] = true;
			marked++;
		}
	return marked;
}

static int reached(bool *found, struct store *s, struct heap *h, struct idset *seen,
	const struct store_oid *ids, size_t n, const struct idset *sought, size_t left)
{
	int err = 0;

	for (unsigned turns = 1; h->n > 0 && left > 0 && err >= 0; turns++) {
		struct heap_item x = heap_take(h);
		struct walk_commit c;

		if (set_has(sought, &x.id))
			left -= mark(found, ids, n, &x.id);
		err = walk_commit_get(&c, s, &x.id);
		for (size_t i = 0; i < c.parent_count && err >= 0; i++)
			err = heap_visit(h, seen, s, &c.parents[i], true);
		if (turns % YIELD_EVERY == 0)
			os_yield();
	}
	return err;
}

int store_reached(bool *found, struct store *s, const struct store_oid *tips, size_t tip_count,
	const struct store_oid *ids, size_t id_count)
{
	struct heap h = { 0 };
	struct idset seen = { 0 }, sought = { 0 };
	size_t left = 0;
	unsigned walk;
	int err = 0;

	if (s->closing)
		return err_set(ERR_CLOSED, "store: closing");
	store_user_add(s);
	walk = history_begin(s);
	for (size_t i = 0; i < id_count && err >= 0; i++) {
		found[i] = false;
		if (!is_commit(s, &ids[i]))
			continue;
		left++;
		err = set_add(&sought, &ids[i]);
	}
	for (size_t i = 0; i < tip_count && err >= 0; i++)
		err = heap_visit(&h, &seen, s, &tips[i], true);
	if (err >= 0)
		err = reached(found, s, &h, &seen, ids, id_count, &sought, left);
	free(h.p);
	idset_free(&seen);
	idset_free(&sought);
	history_end(s, walk);
	store_user_del(s);
	return err;
}
