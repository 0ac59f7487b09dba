/* SPDX-License-Identifier: ISC */
/* What is not on disk yet: objects by id, and changes of tables by key. In memory only. */
#ifndef STORE_OVERLAY_IMPL_H
#define STORE_OVERLAY_IMPL_H

#include "store/kv_impl.h"
#include "store/store.h"

/* An object's bytes, shared by the maps that hold it. */
struct obj {
	struct store_oid id;
	unsigned refs;
	uint8_t type; /* git's numbers: 1 commit, 2 tree, 3 blob, 4 tag */
	size_t n;
	struct obj *next;  /* in the order of arrival; the loose list's alone */
	struct obj *reach; /* not NULL: a ref of the group being written reaches it */
	uint8_t p[];
};
struct obj *obj_new(const struct store_oid *id, int type, struct str bytes); /* NULL: no memory */
struct obj *obj_ref(struct obj *o);
void obj_unref(struct obj *o);

struct omap {
	struct obj **slots;
	size_t cap, n, bytes;
};
struct obj *omap_get(const struct omap *m, const struct store_oid *id);
MUST_CHECK int omap_add(struct omap *m, struct obj *o); /* takes a reference; again is fine */
void omap_del(struct omap *m, const struct store_oid *id);
void omap_free(struct omap *m); /* back to empty */

/* A skip list in (table, key) order. */
struct change {
	uint8_t table; /* enum kv_table */
	bool del;
	uint8_t levels;
	uint16_t key_n;
	uint32_t value_n;
	struct change *next[]; /* `levels` of them, then key and value */
};
static inline struct str change_key(const struct change *c)
{
	return str_n((const char *)(c->next + c->levels), c->key_n);
}
static inline struct str change_value(const struct change *c)
{
	return str_n((const char *)(c->next + c->levels) + c->key_n, c->value_n);
}

#define CHANGES_LEVELS 10
struct changes {
	struct change *first[CHANGES_LEVELS];
	size_t n, bytes;
	size_t per[KV_TABLES]; /* how many of each table */
};
/* 0 with *out, ERR_NOENT when deleted here, ERR_AGAIN when nothing is known about it here. */
MUST_CHECK int changes_get(
	struct str *out, const struct changes *m, enum kv_table t, struct str key);
MUST_CHECK int changes_put(struct changes *m, enum kv_table t, struct str key, struct str value);
MUST_CHECK int changes_del(struct changes *m, enum kv_table t, struct str key);
/* Everything of `from` into `m`, the newer one winning; `from` is empty afterwards. Takes no
 * memory, so it can't fail. */
void changes_move(struct changes *m, struct changes *from);
void changes_free(struct changes *m); /* back to empty */
/* In order, deletions too: the first, those of one table from a key on, the one behind; NULL. */
static inline struct change *changes_first(const struct changes *m)
{
	return m->first[0];
}
static inline struct change *changes_next(const struct change *c)
{
	return c->next[0];
}
/* The first with a key >= `key`, or > `key` when `past`, in this table. */
struct change *changes_seek(const struct changes *m, enum kv_table t, struct str key, bool past);
static inline struct change *changes_next_in(const struct change *c)
{
	return c->next[0] && c->next[0]->table == c->table ? c->next[0] : NULL;
}

#endif
