/* SPDX-License-Identifier: ISC */
#include "store/store_impl.h"

#define BATCH_BYTES (128 * 1024)

/* A group that held some of them and was not written makes the rest worthless. */
static int still_there(const struct taker *t)
{
	if (t->in && t->in->done && t->in->err < 0)
		return err_set(t->in->err, "store: received objects were lost with their group");
	return 0;
}

static int give_all(struct taker *t)
{
	struct store *s = t->s;
	struct group *g;
	int err = space_check(s, t->fresh.bytes, true);

	for (size_t i = 0; i < t->fresh.cap && err >= 0; i++) {
		if (!t->fresh.slots[i])
			continue;
		err = spool_group(&g, &t->in, s);
		if (err >= 0)
			err = pending_take(s, g, t->fresh.slots[i]);
		if (err >= 0)
			err = flush_if_big(s);
	}
	return err;
}

int take_flush(struct taker *t)
{
	int err = still_there(t);

	if (err < 0 || t->fresh.n == 0)
		return err;
	space_wait(t->s, OS_FOREVER);
	err = store_turn(t->s, OS_FOREVER);
	if (err < 0)
		return err;
	err = give_all(t);
	store_turn_end(t->s);
	omap_free(&t->fresh);
	return err;
}

int take_object(struct store_oid *id, struct taker *t, int type, struct str bytes)
{
	struct obj *o;
	int err = oid_of(id, t->s, type, bytes);

	if (err < 0 || omap_get(&t->fresh, id))
		return err;
	o = obj_new(id, type, bytes);
	if (!o)
		return err_set(ERR_NOMEM, "store: out of memory");
	err = omap_add(&t->fresh, o);
	obj_unref(o);
	return err < 0 || t->fresh.bytes < BATCH_BYTES ? err : take_flush(t);
}

int take_spooled(struct taker *t, const struct store_oid *id)
{
	struct store *s = t->s;
	struct group *g;
	int err = store_turn(s, OS_FOREVER);

	if (err < 0)
		return err;
	err = spool_group(&g, &t->in, s);
	store_turn_end(s);
	omap_del(&s->pending, id); /* the receiver answers for it from here on */
	return err;
}

struct obj *take_get(struct taker *t, const struct store_oid *id)
{
	return omap_get(&t->fresh, id);
}

void take_end(struct taker *t)
{
	omap_free(&t->fresh);
	group_unref(t->in);
	t->in = NULL;
}
