/* SPDX-License-Identifier: ISC */
/* Objects by id in an open-addressed table; changes in a skip list. */
#include "store/overlay_impl.h"

/* ---- objects ---- */
struct obj *obj_new(const struct store_oid *id, int type, struct str bytes)
{
	struct obj *o = malloc(sizeof(*o) + bytes.n + 1);
	if (!o)
		return NULL;
	o->id = *id;
	o->refs = 1;
	o->type = (uint8_t)type;
	o->n = bytes.n;
	o->next = o->reach = NULL;
	if (bytes.n)
		memcpy(o->p, bytes.p, bytes.n);
	o->p[bytes.n] = 0;
	return o;
}

struct obj *obj_ref(struct obj *o)
{
	o->refs++;
	return o;
}

void obj_unref(struct obj *o)
{
	if (o && --o->refs == 0)
		free(o);
}

static size_t oid_slot(const struct store_oid *id, size_t cap)
{
	uint64_t h;
	memcpy(&h, id->b, sizeof(h));
	return h & (cap - 1);
}

static size_t omap_find(const struct omap *m, const struct store_oid *id)
{
	size_t i = oid_slot(id, m->cap);
	while (m->slots[i] && !store_oid_eq(&m->slots[i]->id, id))
		i = (i + 1) & (m->cap - 1);
	return i;
}

struct obj *omap_get(const struct omap *m, const struct store_oid *id)
{
	return m->n ? m->slots[omap_find(m, id)] : NULL;
}

static int omap_grow(struct omap *m)
{
	struct omap big = { .cap = m->cap ? m->cap * 2 : 32 };

	big.slots = calloc(big.cap, sizeof(*big.slots));
	if (!big.slots)
		return err_set(ERR_NOMEM, "store: out of memory");
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i])
			big.slots[omap_find(&big, &m->slots[i]->id)] = m->slots[i];
	free(m->slots);
	m->slots = big.slots;
	m->cap = big.cap;
	return 0;
}

int omap_add(struct omap *m, struct obj *o)
{
	size_t i;

	if (m->n * 4 >= m->cap * 3) {
		int err = omap_grow(m);
		if (err < 0)
			return err;
	}
	i = omap_find(m, &o->id);
	if (m->slots[i])
		return 0;
	m->slots[i] = obj_ref(o);
	m->n++;
	m->bytes += o->n + sizeof(*o);
	return 0;
}

void omap_del(struct omap *m, const struct store_oid *id)
{
	size_t i, hole;
	struct obj *o = omap_get(m, id);

	if (!o)
		return;
	hole = omap_find(m, id);
	m->n--;
	m->bytes -= o->n + sizeof(*o);
	obj_unref(o);
	/* Close the gap, so that a probe never stops short of what lies behind it. */
	for (i = (hole + 1) & (m->cap - 1); m->slots[i]; i = (i + 1) & (m->cap - 1)) {
		size_t home = oid_slot(&m->slots[i]->id, m->cap);
		if (((i - home) & (m->cap - 1)) < ((i - hole) & (m->cap - 1)))
			continue;
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->slots[hole] = NULL;
}

void omap_free(struct omap *m)
{
	for (size_t i = 0; i < m->cap; i++)
		obj_unref(m->slots[i]);
	free(m->slots);
	*m = (struct omap){ 0 };
}

/* ---- changes ---- */
/* Where the first change at or behind (t, key) hangs, on every level. */
struct trail {
	struct change **at[CHANGES_LEVELS];
};

static int change_cmp(const struct change *c, enum kv_table t, struct str key)
{
	if (c->table != t)
		return c->table < t ? -1 : 1;
	return str_cmp(change_key(c), key);
}

static struct change *changes_find(
	struct trail *out, const struct changes *m, enum kv_table t, struct str key)
{
	struct change *const *row = m->first; /* the links of the last change before it */

	for (int i = CHANGES_LEVELS - 1; i >= 0; i--) {
		while (row[i] && change_cmp(row[i], t, key) < 0)
			row = row[i]->next;
		if (out)
			out->at[i] = (struct change **)(uintptr_t)&row[i];
	}
	return row[0];
}

struct change *changes_seek(const struct changes *m, enum kv_table t, struct str key, bool past)
{
	struct change *c = changes_find(NULL, m, t, key);

	if (past && c && change_cmp(c, t, key) == 0)
		c = c->next[0];
	return c && c->table == t ? c : NULL;
}

int changes_get(struct str *out, const struct changes *m, enum kv_table t, struct str key)
{
	struct change *c = m->n ? changes_find(NULL, m, t, key) : NULL;

	if (!c || change_cmp(c, t, key) != 0)
		return ERR_AGAIN;
	if (c->del)
		return ERR_NOENT;
	*out = change_value(c);
	return 0;
}

static size_t change_bytes(const struct change *c)
{
	return sizeof(*c) + c->levels * sizeof(c->next[0]) + c->key_n + c->value_n + sizeof(size_t);
}

static void changes_set(struct changes *m, struct change *c)
{
	struct trail t;
	struct change *old = changes_find(&t, m, c->table, change_key(c));

	if (old && change_cmp(old, c->table, change_key(c)) == 0) {
		for (int i = 0; i < old->levels; i++)
			*t.at[i] = old->next[i];
		m->n--;
		m->per[old->table]--;
		m->bytes -= change_bytes(old);
		free(old);
	}
	for (int i = 0; i < c->levels; i++) {
		c->next[i] = *t.at[i];
		*t.at[i] = c;
	}
	m->n++;
	m->per[c->table]++;
	m->bytes += change_bytes(c);
}

/* One in four reaches each next level. */
static uint8_t pick_levels(void)
{
	static uint64_t seed = 0x9e3779b97f4a7c15u;
	uint8_t n = 1;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	for (uint64_t x = seed >> 20; n < CHANGES_LEVELS && (x & 3) == 0; x >>= 2)
		n++;
	return n;
}

static int changes_new(
	struct changes *m, enum kv_table t, struct str key, struct str value, bool del)
{
	uint8_t levels = pick_levels();
	size_t links = levels * sizeof(struct change *);
	struct change *c = malloc(sizeof(*c) + links + key.n + value.n);

	if (!c)
		return err_set(ERR_NOMEM, "store: out of memory");
	*c = (struct change){ (uint8_t)t, del, levels, (uint16_t)key.n, (uint32_t)value.n };
	memcpy((char *)(c + 1) + links, key.p, key.n);
	if (value.n)
		memcpy((char *)(c + 1) + links + key.n, value.p, value.n);
	changes_set(m, c);
	return 0;
}

int changes_put(struct changes *m, enum kv_table t, struct str key, struct str value)
{
	return changes_new(m, t, key, value, false);
}

int changes_del(struct changes *m, enum kv_table t, struct str key)
{
	return changes_new(m, t, key, STR_NONE, true);
}

void changes_move(struct changes *m, struct changes *from)
{
	struct change *next, *c = from->first[0];

	if (m->n == 0) {
		*m = *from;
		c = NULL;
	}
	for (; c; c = next) {
		next = c->next[0];
		changes_set(m, c);
	}
	*from = (struct changes){ 0 };
}

void changes_free(struct changes *m)
{
	for (struct change *c = m->first[0], *next; c; c = next) {
		next = c->next[0];
		free(c);
	}
	*m = (struct changes){ 0 };
}
