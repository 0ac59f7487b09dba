/* SPDX-License-Identifier: ISC */
/* Two open-addressed tables: objects by id, changes by table and key. */
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
static uint32_t key_hash(enum kv_table t, struct str key)
{
	uint32_t h = 2166136261u ^ (uint32_t)t;
	for (size_t i = 0; i < key.n; i++)
		h = (h ^ (uint8_t)key.p[i]) * 16777619u;
	return h ^ (h >> 15);
}

static size_t changes_find(const struct changes *m, uint32_t hash, enum kv_table t, struct str key)
{
	size_t i = hash & (m->cap - 1);
	for (struct change *c; (c = m->slots[i]); i = (i + 1) & (m->cap - 1))
		if (c->hash == hash && c->table == t && str_eq(change_key(c), key))
			break;
	return i;
}

int changes_get(struct str *out, const struct changes *m, enum kv_table t, struct str key)
{
	struct change *c;

	if (!m->n)
		return ERR_AGAIN;
	c = m->slots[changes_find(m, key_hash(t, key), t, key)];
	if (!c)
		return ERR_AGAIN;
	if (c->del)
		return ERR_NOENT;
	*out = change_value(c);
	return 0;
}

static int changes_room(struct changes *m, size_t want)
{
	struct changes big = { .cap = m->cap ? m->cap : 32 };

	while (want * 4 >= big.cap * 3)
		big.cap *= 2;
	if (big.cap == m->cap)
		return 0;
	big.slots = calloc(big.cap, sizeof(*big.slots));
	if (!big.slots)
		return err_set(ERR_NOMEM, "store: out of memory");
	for (size_t i = 0; i < m->cap; i++) {
		struct change *c = m->slots[i];
		if (c)
			big.slots[changes_find(&big, c->hash, c->table, change_key(c))] = c;
	}
	free(m->slots);
	m->slots = big.slots;
	m->cap = big.cap;
	return 0;
}

static size_t change_bytes(const struct change *c)
{
	return sizeof(*c) + c->key_n + c->value_n + sizeof(struct change *);
}

/* There is room for it. */
static void changes_set(struct changes *m, struct change *c)
{
	size_t i = changes_find(m, c->hash, c->table, change_key(c));
	if (m->slots[i]) {
		m->bytes -= change_bytes(m->slots[i]);
		free(m->slots[i]);
	} else {
		m->n++;
	}
	m->slots[i] = c;
	m->bytes += change_bytes(c);
}

static int changes_new(
	struct changes *m, enum kv_table t, struct str key, struct str value, bool del)
{
	struct change *c;
	int err = changes_room(m, m->n + 1);

	if (err < 0)
		return err;
	c = malloc(sizeof(*c) + key.n + value.n);
	if (!c)
		return err_set(ERR_NOMEM, "store: out of memory");
	*c = (struct change){ key_hash(t, key), (uint8_t)t, del, (uint16_t)key.n,
		(uint32_t)value.n };
	memcpy(c->p, key.p, key.n);
	if (value.n)
		memcpy(c->p + key.n, value.p, value.n);
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

int changes_move(struct changes *m, struct changes *from)
{
	int err = changes_room(m, m->n + from->n + 1);
	if (err < 0)
		return err;
	for (size_t i = 0; i < from->cap; i++)
		if (from->slots[i])
			changes_set(m, from->slots[i]);
	free(from->slots);
	*from = (struct changes){ 0 };
	return 0;
}

void changes_free(struct changes *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->slots[i]);
	free(m->slots);
	*m = (struct changes){ 0 };
}

static int change_cmp(const void *a, const void *b)
{
	const struct change *x = *(struct change *const *)a, *y = *(struct change *const *)b;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return str_cmp(change_key(x), change_key(y));
}

struct change **changes_sorted(const struct changes *m)
{
	struct change **all = malloc((m->n + 1) * sizeof(struct change *));
	size_t n = 0;

	if (!all)
		return NULL;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i])
			all[n++] = m->slots[i];
	qsort(all, n, sizeof(all[0]), change_cmp);
	return all;
}
