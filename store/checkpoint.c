/* SPDX-License-Identifier: ISC */
/*
 * A checkpoint, while others write: a mark, then a bit at a time all keys as they are by then, a
 * mark. Whoever reads the log from the first mark on knows every key: one changed or deleted
 * meanwhile is in the groups in between.
 */
#include "store/store_impl.h"

#define CHUNK_BYTES (64 * 1024)

bool checkpoint_wants(enum kv_table t, struct str key)
{
	if (t == KV_SYS) /* units, and where the index stands; which rows are derived */
		return key.p[0] != 'u' && !str_eq(key, KV_LAST) && !str_eq(key, KEY_GARBAGE) &&
			!str_eq(key, STR("mdriver"));
	return t == KV_LOCAL;
}

struct cursor {
	enum kv_table t;
	char key[512]; /* the last one written; as long as LMDB allows */
	size_t n;
};

/* The next keys; c->t is KV_ROW at the end. */
static int put_some(struct store *s, struct cursor *c)
{
	size_t bytes = 0;

	while (bytes < CHUNK_BYTES) {
		struct str key, value, from = str_n(c->key, c->n);
		int err = kv_next(&key, &value, s->kv, c->t, from, c->n > 0);
		if (err == ERR_NOENT) {
			c->n = 0;
			c->t = c->t == KV_SYS ? KV_LOCAL : KV_ROW;
			if (c->t == KV_ROW)
				return 0;
			continue;
		}
		if (err < 0)
			return err;
		if (key.n > sizeof(c->key))
			return err_set(ERR_CORRUPT, "store: index: a key is too long");
		memcpy(c->key, key.p, key.n);
		c->n = key.n;
		if (checkpoint_wants(c->t, key))
			err = log_put(s->log, c->t, key, value);
		if (err < 0)
			return err;
		bytes += key.n + value.n;
	}
	return 0;
}

enum step { BEGINS, KEYS, ENDS };

/* One group of its own. */
static int write_step(struct store *s, enum step step, struct cursor *c)
{
	int err = log_begin(s->log, s->seq + 1);

	if (err >= 0)
		err = step == KEYS ? put_some(s, c) : log_mark(s->log, step == ENDS);
	if (err >= 0)
		err = log_commit(s->log);
	if (err >= 0)
		s->seq++;
	else
		log_abort(s->log);
	if (err == ERR_IO)
		store_fail(s, err, "store: the disk has failed; writing stopped");
	return err;
}

static int take_step(struct store *s, enum step step, struct cursor *c)
{
	int err = store_turn(s, OS_FOREVER);

	if (err < 0)
		return err;
	err = group_flush(s);
	if (err >= 0)
		err = write_step(s, step, c);
	store_turn_end(s);
	os_yield();
	return err;
}

int checkpoint_write(uint64_t *from, struct store *s)
{
	struct cursor *c = calloc(1, sizeof(*c));
	struct log_pos at;
	int err = c ? 0 : err_set(ERR_NOMEM, "store: out of memory");

	log_tell(&at, s->log);
	if (err >= 0)
		err = take_step(s, BEGINS, c);
	if (err >= 0)
		c->t = KV_SYS;
	while (err >= 0 && c->t != KV_ROW)
		err = take_step(s, KEYS, c);
	free(c);
	if (err >= 0)
		err = take_step(s, ENDS, NULL);
	if (err >= 0)
		*from = at.generation;
	return err;
}
