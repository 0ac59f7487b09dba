/* SPDX-License-Identifier: ISC */
/*
 * Best common ancestors. Both sides' histories are painted, latest commits first; where the colours
 * meet is a common ancestor, and everything before it is stale. Painting ends when only stale
 * commits are left to look at. A best one is never missed, whatever dates the commits carry: no
 * stale commit lies between it and either side. One that is not the best may be found where dates
 * lie; of those found, the ones before another are dropped.
 */
#include "store/base_impl.h"

#define COMMITS_MAX (1u << 19) /* looked at; 8 bytes each */
#define FOUND_MAX   4096

enum { ONE = 1, OTHER = 2, STALE = 4, FOUND = 8, COLOURS = ONE | OTHER | STALE, MARKS = 15 };

/* Commits met: the hash of the id, its lowest bits the marks. */
struct marks {
	uint64_t *slots;
	size_t cap, n;
};

static uint64_t mark_hash(const struct store_oid *id)
{
	return idset_of(id) | (MARKS + 1); /* never 0 */
}

static uint64_t *mark_find(const struct marks *m, uint64_t h)
{
	size_t i = (h >> 5) & (m->cap - 1);

	while (m->slots[i] && ((m->slots[i] ^ h) & ~(uint64_t)MARKS))
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

static int mark_get(uint64_t **out, struct marks *m, const struct store_oid *id)
{
	uint64_t h = mark_hash(id);

	if (m->n * 4 >= m->cap * 3) {
		struct marks big = { .cap = m->cap ? m->cap * 2 : 256, .n = m->n };
		big.slots = calloc(big.cap, sizeof(*big.slots));
		if (!big.slots)
			return err_set(ERR_NOMEM, "store: out of memory");
		for (size_t i = 0; i < m->cap; i++)
			if (m->slots[i])
				*mark_find(&big, m->slots[i]) = m->slots[i];
		free(m->slots);
		*m = big;
	}
	*out = mark_find(m, h);
	if (!**out) {
		if (m->n == COMMITS_MAX)
			return err_set(ERR_LIMIT, "store: no common ancestor within %u commits",
				COMMITS_MAX);
		m->n++;
		**out = h & ~(uint64_t)MARKS;
	}
	return 0;
}

struct paint {
	struct store *s;
	struct marks marks;
	struct heap h; /* `want`: not stale when put there */
	struct oids found;
};

/* Adds marks; a commit that got new ones is looked at (again). */
static int colour(struct paint *p, const struct store_oid *id, unsigned marks)
{
	struct walk_commit c;
	uint64_t *m;
	int err = mark_get(&m, &p->marks, id);

	if (err < 0 || (*m & marks) == marks)
		return err;
	*m |= marks;
	err = walk_commit_get(&c, p->s, id);
	return err < 0 ? err : heap_add(&p->h, (struct heap_item){ c.time, *id, !(*m & STALE) });
}

static int look(struct paint *p, const struct heap_item *x)
{
	struct walk_commit c;
	uint64_t *m;
	unsigned give;
	int err = mark_get(&m, &p->marks, &x->id);

	if (err < 0)
		return err;
	give = *m & COLOURS;
	if (give == (ONE | OTHER)) {
		if (!(*m & FOUND)) {
			*m |= FOUND;
			if (p->found.n == FOUND_MAX)
				return err_set(
					ERR_LIMIT, "store: over %d common ancestors", FOUND_MAX);
			err = oids_add(&p->found, &x->id);
		}
		give |= STALE;
	}
	if (err >= 0)
		err = walk_commit_get(&c, p->s, &x->id);
	for (size_t i = 0; i < c.parent_count && err >= 0; i++)
		err = colour(p, &c.parents[i], give);
	return err;
}

static bool is_stale(struct paint *p, const struct store_oid *id)
{
	return *mark_find(&p->marks, mark_hash(id)) & STALE;
}

static int paint(struct paint *p)
{
	int err = 0;

	for (unsigned turns = 1; p->h.wants > 0 && err >= 0; turns++) {
		struct heap_item x = heap_take(&p->h);
		err = look(p, &x);
		if (turns % YIELD_EVERY == 0)
			os_yield();
	}
	return err;
}

static void paint_free(struct paint *p)
{
	free(p->marks.slots);
	free(p->h.p);
	free(p->found.p);
}

/* Best first only by chance: those found, without the stale, into `out`. */
static int common(struct oids *out, struct store *s, const struct store_oid *a, size_t n,
	const struct store_oid *b)
{
	struct paint p = { .s = s };
	int err = colour(&p, b, OTHER);

	for (size_t i = 0; i < n && err >= 0; i++)
		err = colour(&p, &a[i], ONE);
	if (err >= 0)
		err = paint(&p);
	for (size_t i = 0; i < p.found.n && err >= 0; i++)
		if (!is_stale(&p, &p.found.p[i]))
			err = oids_add(out, &p.found.p[i]);
	paint_free(&p);
	return err;
}

/* Is `id` before one of the others? */
static int before_another(
	bool *is, struct store *s, const struct store_oid *id, const struct oids *others)
{
	struct oids met = { 0 };
	int err = common(&met, s, others->p, others->n, id);

	*is = false;
	for (size_t i = 0; i < met.n; i++)
		*is |= store_oid_eq(&met.p[i], id);
	free(met.p);
	return err;
}

static int drop_lesser(struct oids *v, struct store *s)
{
	int err = 0;

	for (size_t i = 0; v->n > 1 && i < v->n && err >= 0;) {
		struct store_oid id = v->p[i];
		bool lesser;
		v->p[i] = v->p[--v->n];
		err = before_another(&lesser, s, &id, v);
		if (err < 0 || lesser)
			continue;
		v->p[v->n++] = v->p[i];
		v->p[i++] = id;
	}
	return err;
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct store_oid));
}

int base_find(struct oids *out, struct store *s, const struct store_oid *a, size_t n,
	const struct store_oid *b)
{
	int err = common(out, s, a, n, b);

	if (err >= 0)
		err = drop_lesser(out, s);
	if (err >= 0 && out->n > 1)
		qsort(out->p, out->n, sizeof(*out->p), by_id);
	return err;
}

int store_merge_base(struct store_oid *out, size_t *n, size_t cap, struct store *s,
	const struct store_oid *a, const struct store_oid *b)
{
	struct oids found = { 0 };
	unsigned walk;
	int err;

	if (s->closing)
		return err_set(ERR_CLOSED, "store: closing");
	store_user_add(s);
	walk = history_begin(s);
	err = base_find(&found, s, a, 1, b);
	history_end(s, walk);
	store_user_del(s);
	*n = found.n < cap ? found.n : cap;
	if (err >= 0 && *n)
		memcpy(out, found.p, *n * sizeof(*out));
	free(found.p);
	return err;
}
