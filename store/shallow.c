/* SPDX-License-Identifier: ISC */
/* The shallow boundary: KV_SYS, letter s, the commit's id. */
#include "store/store_impl.h"

bool store_shallow_has(struct store *s, const struct store_oid *id)
{
	char room[21];
	struct str value;
	return kv_get(&value, s->kv, KV_SYS, sys_key(room, 's', oid_str(id))) >= 0;
}

struct list {
	int (*fn)(void *ctx, const struct store_oid *id);
	void *ctx;
};

static int list_one(void *ctx, struct str key, struct str value)
{
	struct list *l = ctx;
	struct store_oid id;

	(void)value;
	if (key.n != 1 + sizeof(id.b))
		return err_set(ERR_CORRUPT, "store: a boundary record is damaged");
	memcpy(id.b, key.p + 1, sizeof(id.b));
	return l->fn(l->ctx, &id);
}

int store_shallow_list(struct store *s, int (*fn)(void *ctx, const struct store_oid *id), void *ctx)
{
	struct list l = { fn, ctx };
	return kv_scan(s->kv, KV_SYS, STR("s"), STR_NONE, list_one, &l);
}

static int add_all(struct store *s, const struct store_oid *ids, size_t n)
{
	char room[21];
	struct group *g;
	int err = space_check(s, n * 64, false);

	if (err >= 0)
		err = group_open(&g, s);
	for (size_t i = 0; i < n && err >= 0; i++)
		err = changes_put(&g->kv, KV_SYS, sys_key(room, 's', oid_str(&ids[i])), STR("1"));
	return err < 0 ? err : group_flush(s);
}

int store_shallow_add(struct store *s, const struct store_oid *ids, size_t n)
{
	int err;

	store_user_add(s);
	err = store_turn(s, OS_FOREVER);
	if (err >= 0) {
		err = add_all(s, ids, n);
		store_turn_end(s);
	}
	store_user_del(s);
	return err;
}
