/* SPDX-License-Identifier: ISC */
#include "os/crypto.h"
#include "store/reach_impl.h"

/* ---- sets ---- */
uint64_t idset_of(const struct store_oid *id)
{
	static unsigned __int128 key[4];
	static bool keyed;
	uint64_t w[3] = { 0 }, h;

	if (!keyed)
		os_random(key, sizeof(key));
	keyed = true;
	memcpy(w, id->b, sizeof(id->b));
	h = (uint64_t)((key[0] + key[1] * w[0] + key[2] * w[1] + key[3] * w[2]) >> 64);
	return h == IDSET_TAKEN ? 0 : h;
}

static size_t idset_find(const struct idset *x, uint64_t h)
{
	size_t i = (h ^ (h >> 29)) & (x->cap - 1);
	while (x->slots[i] && x->slots[i] != h)
		i = (i + 1) & (x->cap - 1);
	return i;
}

bool idset_has(const struct idset *x, uint64_t h)
{
	if (h == 0)
		return x->zero;
	return x->cap && x->slots[idset_find(x, h)] == h;
}

int idset_add(bool *fresh, struct idset *x, uint64_t h)
{
	size_t i;

	if (h == 0) {
		*fresh = !x->zero;
		x->n += *fresh;
		x->zero = true;
		return 0;
	}
	if (x->n * 4 >= x->cap * 3) {
		struct idset big = { .cap = x->cap ? x->cap * 2 : 1024 };
		big.slots = calloc(big.cap, sizeof(*big.slots));
		if (!big.slots)
			return err_set(ERR_NOMEM, "store: out of memory");
		for (size_t k = 0; k < x->cap; k++)
			if (x->slots[k])
				big.slots[idset_find(&big, x->slots[k])] = x->slots[k];
		free(x->slots);
		x->slots = big.slots;
		x->cap = big.cap;
	}
	i = idset_find(x, h);
	*fresh = x->slots[i] == 0;
	x->n += *fresh;
	x->slots[i] = h;
	return 0;
}

bool idset_take(struct idset *x, uint64_t h)
{
	bool had = idset_has(x, h);

	x->n -= had;
	if (h == 0)
		x->zero = false;
	else if (had)
		x->slots[idset_find(x, h)] = IDSET_TAKEN;
	return had;
}

void idset_free(struct idset *x)
{
	free(x->slots);
	*x = (struct idset){ 0 };
}

/* ---- the walk ---- */
static int push(struct reach *r, const uint8_t *id)
{
	struct store_oid oid;
	bool fresh;
	int err;

	memcpy(oid.b, id, sizeof(oid.b));
	err = idset_add(&fresh, &r->seen, idset_of(&oid));
	if (err < 0 || !fresh)
		return err;
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 256;
		struct store_oid *p = realloc(r->stack, cap * sizeof(*p));
		if (!p)
			return err_set(ERR_NOMEM, "store: out of memory");
		r->stack = p;
		r->cap = cap;
	}
	r->stack[r->n++] = oid;
	return 0;
}

static int push_tree(struct reach *r, const struct view *v)
{
	struct tcur c = { v->p, v->n, 0 };
	struct tent t;
	int err;

	while ((err = tree_next(&t, &c)) >= 0) {
		if ((t.mode & 0170000) == 0160000) /* another repository's commit */
			continue;
		err = push(r, t.id);
		if (err < 0)
			return err;
	}
	return err == ERR_NOENT ? 0 : err;
}

/* The header lines "tree", "parent", "object" of a commit or tag name objects; parents not of a
 * commit on the boundary. */
static int push_headers(struct reach *r, const struct store_oid *of, const struct view *v)
{
	struct str line, rest = str_n(v->p, v->n);
	int err = 0;

	while (err >= 0 && str_cut(&line, &rest, rest, '\n') && line.n > 0) {
		struct store_oid id;
		struct str key, value;
		if (!str_cut(&key, &value, line, ' '))
			continue;
		if (!str_eq(key, STR("tree")) && !str_eq(key, STR("parent")) &&
			!str_eq(key, STR("object")))
			break;
		if (str_eq(key, STR("parent")) && store_shallow_has(r->s, of))
			continue;
		err = store_oid_parse(&id, value);
		if (err >= 0)
			err = push(r, id.b);
	}
	return err;
}

static int visit(struct reach *r, const struct store_oid *id)
{
	struct head h;
	struct view v;
	int err = head_get(&h, r->s, id);

	if (err < 0 || h.type == OBJ_BLOB)
		return err;
	err = view_open(&v, r->s, id, 0, OBJECT_BYTES);
	if (err < 0)
		return err;
	err = v.type == OBJ_TREE ? push_tree(r, &v) : push_headers(r, id, &v);
	view_end(&v);
	return err;
}

static int push_ref(void *ctx, struct str ref, const struct store_oid *commit)
{
	(void)ref;
	return push(ctx, commit->b);
}

int reach_walk(struct reach *r, struct str prefix)
{
	int err = store_ref_list(r->s, prefix, push_ref, r);

	for (unsigned turns = 1; r->n > 0 && err >= 0; turns++) {
		struct store_oid id = r->stack[--r->n];
		err = visit(r, &id);
		if ((err == ERR_NOENT || err == ERR_CORRUPT || err == ERR_BAD) && r->missing)
			err = r->missing(r->ctx, &id, err);
		if (turns % YIELD_EVERY == 0)
			os_yield();
	}
	return err;
}

void reach_free(struct reach *r)
{
	idset_free(&r->seen);
	free(r->stack);
	r->stack = NULL;
	r->n = r->cap = 0;
}
