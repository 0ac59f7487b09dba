/* SPDX-License-Identifier: ISC */
/* Pins: KV_SYS, letter p, the name; the commit's id, Unix seconds (8 bytes). */
#include "store/sweep_impl.h"

#define LETTER    'p'
#define PIN_VALUE 28

static int pin(struct store *s, struct str key, const struct store_oid *commit)
{
	char value[PIN_VALUE];
	struct walk_commit c;
	struct group *g;
	int err = group_flush(s);

	if (err >= 0 && commit)
		err = walk_commit_get(&c, s, commit);
	if (err >= 0)
		err = space_check(s, 512, false);
	if (err >= 0)
		err = group_open(&g, s);
	if (err < 0)
		return err;
	if (commit) {
		memcpy(value, commit->b, sizeof(commit->b));
		store_be64(value + sizeof(commit->b), (uint64_t)os_wall_sec());
		err = changes_put(&g->kv, KV_SYS, key, str_n(value, sizeof(value)));
	} else {
		err = changes_del(&g->kv, KV_SYS, key);
	}
	return err < 0 ? err : group_flush(s);
}

int store_pin(struct store *s, struct str name, const struct store_oid *commit)
{
	char room[1 + REF_MAX];
	int err;

	if (name.n == 0 || name.n > REF_MAX)
		return err_set(ERR_BAD, "store: a pin's name has 1 to %d bytes", REF_MAX);
	err = store_turn(s, OS_FOREVER);
	if (err < 0)
		return err;
	err = pin(s, sys_key(room, LETTER, name), commit);
	s->swept_at = 0;
	store_turn_end(s);
	return err;
}

struct list {
	pin_fn *fn;
	void *ctx;
};

static int list_one(void *ctx, struct str key, struct str value)
{
	struct list *l = ctx;
	struct store_oid id;

	if (value.n != PIN_VALUE)
		return err_set(ERR_CORRUPT, "store: a pin is damaged");
	memcpy(id.b, value.p, sizeof(id.b));
	return l->fn(l->ctx, str_sub(key, 1, key.n), &id, (int64_t)load_be64(value.p + 20));
}

int pin_each(struct store *s, struct str prefix, pin_fn *fn, void *ctx)
{
	char room[1 + REF_MAX];
	struct list l = { fn, ctx };

	if (prefix.n > REF_MAX)
		return 0;
	return kv_scan(s->kv, KV_SYS, sys_key(room, LETTER, prefix), STR_NONE, list_one, &l);
}

struct named {
	store_ref_fn *fn;
	void *ctx;
};

static int name_one(void *ctx, struct str name, const struct store_oid *commit, int64_t time)
{
	struct named *n = ctx;

	(void)time;
	return n->fn(n->ctx, name, commit);
}

int store_pin_list(struct store *s, struct str prefix, store_ref_fn *fn, void *ctx)
{
	struct named n = { fn, ctx };
	return pin_each(s, prefix, name_one, &n);
}
