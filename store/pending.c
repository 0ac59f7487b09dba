/* SPDX-License-Identifier: ISC */
/*
 * Objects that no ref reaches yet. Small finished spools wait in memory ("loose"). What must go
 * to disk before an edit uses it leaves a record in KV_SYS, which the edit's group deletes:
 *	c<content id>   frames being written; no object names them yet
 *	o<object id>    an object
 * What these records still name when the store is opened is deleted.
 */
#include "store/store_impl.h"

#define SWEEP_BATCH 500

static struct str content_key(char room[static 21], uint64_t content)
{
	char id[8];
	store_be64(id, content);
	return sys_key(room, 'c', str_n(id, sizeof(id)));
}

static int note(struct store *s, const struct store_oid *id)
{
	struct obj *o = obj_new(id, OBJ_BLOB, STR_NONE);
	int err = o ? omap_add(&s->pending, o) : err_set(ERR_NOMEM, "store: out of memory");
	obj_unref(o);
	return err;
}

int pending_content_begin(uint64_t *id, struct store *s, struct group *g)
{
	char room[21];
	*id = s->next_content++;
	return changes_put(&g->kv, KV_SYS, content_key(room, *id), STR_NONE);
}

int pending_content_abort(struct store *s, struct group *g, uint64_t content, uint32_t frames)
{
	char room[21], key[FRAME_KEY];
	int err = 0;

	(void)s;
	for (uint32_t n = 0; n < frames && err >= 0; n++)
		err = changes_del(&g->kv, KV_FRAME, frame_key(key, content, n));
	return err < 0 ? err : changes_del(&g->kv, KV_SYS, content_key(room, content));
}

int pending_content_end(struct store *s, struct group *g, uint64_t content, uint64_t size,
	const struct store_oid *id)
{
	char room[21];
	struct buf b;
	int err;

	buf_init(&b, NULL);
	err = object_value_frames(&b, size, content);
	if (err >= 0)
		err = changes_put(&g->kv, KV_OBJ, oid_str(id), buf_str(&b));
	buf_free(&b);
	if (err >= 0)
		err = changes_put(&g->kv, KV_SYS, sys_key(room, 'o', oid_str(id)), STR_NONE);
	if (err >= 0)
		err = changes_del(&g->kv, KV_SYS, content_key(room, content));
	return err < 0 ? err : note(s, id);
}

int pending_add(struct store *s, struct group *g, struct obj *o)
{
	char room[21];
	struct str value;
	int err = kv_get(&value, s->kv, KV_OBJ, oid_str(&o->id));

	if (err != ERR_NOENT)
		return err; /* kept already, perhaps reached by a ref: not ours to sweep */
	err = omap_add(&g->pending, o);
	if (err >= 0 && omap_get(&g->objs, &o->id))
		return 0;
	if (err >= 0)
		err = changes_put(&g->kv, KV_SYS, sys_key(room, 'o', oid_str(&o->id)), STR_NONE);
	return err < 0 ? err : note(s, &o->id);
}

int pending_take(struct store *s, struct group *g, struct obj *o)
{
	struct str value;
	int err = kv_get(&value, s->kv, KV_OBJ, oid_str(&o->id));

	if (err == ERR_NOENT)
		return omap_add(&g->pending, o);
	return err < 0 ? err : pending_adopt(s, &g->kv, &o->id);
}

int pending_adopt(struct store *s, struct changes *kv, const struct store_oid *id)
{
	char room[21];
	if (!omap_get(&s->pending, id))
		return 0;
	return changes_del(kv, KV_SYS, sys_key(room, 'o', oid_str(id)));
}

void pending_forget(struct store *s, const struct store_oid *id)
{
	omap_del(&s->pending, id);
}

/* ---- at open ---- */
struct sweep {
	struct store *s;
	struct changes out;
};

static int batch_end(struct sweep *w)
{
	kv_apply(w->s->kv, &w->out);
	return kv_forward(w->s->kv);
}

static int batch_del(struct sweep *w, enum kv_table t, struct str key)
{
	int err = changes_del(&w->out, t, key);
	return err >= 0 && w->out.n >= SWEEP_BATCH ? batch_end(w) : err;
}

static int sweep_frames(struct sweep *w, uint64_t content)
{
	char room[FRAME_KEY];
	struct str key, value, at = frame_key(room, content, 0);
	int err;

	while ((err = kv_next(&key, &value, w->s->kv, KV_FRAME, at, false)) >= 0) {
		if (key.n != FRAME_KEY || memcmp(key.p, room, 8) != 0)
			return 0;
		memcpy(room, key.p, FRAME_KEY);
		err = batch_del(w, KV_FRAME, at);
		if (err < 0)
			return err;
		for (int i = FRAME_KEY - 1; i >= 8 && ++room[i] == 0;)
			i--; /* the next frame's number */
	}
	return err == ERR_NOENT ? 0 : err;
}

static int sweep_one(struct sweep *w, struct str key)
{
	struct store *s = w->s;
	struct str value, id = str_sub(key, 1, key.n);
	struct head h;
	int err;

	if (key.p[0] == 'c') {
		if (id.n != 8)
			return err_set(ERR_CORRUPT, "store: a pending record is damaged");
		err = sweep_frames(w, load_be64(id.p));
	} else {
		err = kv_get(&value, s->kv, KV_OBJ, id);
		if (err >= 0)
			err = head_parse(&h, value);
		if (err >= 0 && h.form == FORM_FRAMES)
			err = sweep_frames(w, h.content);
		if (err >= 0 || err == ERR_NOENT)
			err = batch_del(w, KV_OBJ, id);
	}
	return err < 0 ? err : batch_del(w, KV_SYS, key);
}

static int sweep_letter(struct sweep *w, char letter)
{
	struct str key, value;
	char room[32];
	struct str from = str_n(&letter, 1);
	int err;

	/* The records vanish under the reader batch by batch, so begin after the last one seen. */
	while ((err = kv_next(&key, &value, w->s->kv, KV_SYS, from, true)) >= 0) {
		if (key.p[0] != letter || key.n > sizeof(room))
			break;
		memcpy(room, key.p, key.n);
		from = str_n(room, key.n);
		err = sweep_one(w, from);
		if (err < 0)
			return err;
	}
	return err < 0 && err != ERR_NOENT ? err : 0;
}

static int last_content(struct store *s)
{
	struct str key;
	int err = kv_last(&key, s->kv, KV_FRAME);

	s->next_content = 1;
	if (err >= 0 && key.n == FRAME_KEY)
		s->next_content = load_be64(key.p) + 1;
	return err == ERR_NOENT ? 0 : err;
}

int pending_sweep(struct store *s)
{
	struct sweep w = { .s = s };
	int err = sweep_letter(&w, 'c');

	if (err >= 0)
		err = sweep_letter(&w, 'o');
	if (err >= 0)
		err = batch_end(&w);
	changes_free(&w.out);
	return err < 0 ? err : last_content(s);
}

/* ---- small finished spools ---- */
int loose_add(struct store *s, struct obj *o)
{
	int err;

	if (omap_get(&s->loose, &o->id))
		return 0;
	err = omap_add(&s->loose, o);
	if (err < 0)
		return err;
	o->next = NULL;
	*s->loose_end = o;
	s->loose_end = &o->next;
	return 0;
}

void loose_del(struct store *s, const struct store_oid *id)
{
	struct obj **at = &s->loose_first, *o = omap_get(&s->loose, id);

	if (!o)
		return;
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	if (!*at)
		s->loose_end = at;
	omap_del(&s->loose, id);
}

void loose_free(struct store *s)
{
	omap_free(&s->loose);
	s->loose_first = NULL;
	s->loose_end = &s->loose_first;
}
