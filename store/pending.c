/* SPDX-License-Identifier: ISC */
/*
 * Objects that no ref reaches yet. Small finished spools wait in memory ("loose"). What must go
 * to disk before an edit uses it is noted in `pending`, in memory alone: after a restart it is
 * garbage in the log like any other, for the sweep.
 */
#include "store/store_impl.h"

int pending_note(struct store *s, const struct store_oid *id)
{
	struct obj *o = obj_new(id, OBJ_BLOB, STR_NONE);
	int err = o ? omap_add(&s->pending, o) : err_set(ERR_NOMEM, "store: out of memory");
	obj_unref(o);
	return err;
}

/* Whatever of it is in the log already is garbage. */
int pending_content_abort(struct group *g, uint64_t content, uint32_t frames)
{
	char key[FRAME_KEY];
	int err = 0;

	for (uint32_t n = 0; n < frames && err >= 0; n++)
		err = changes_del(&g->kv, KV_FRAME, frame_key(key, content, n));
	return err;
}

int pending_content_end(struct store *s, struct group *g, uint64_t content, uint64_t size,
	const struct store_oid *id)
{
	const struct head h = {
		.type = OBJ_BLOB, .size = size, .form = FORM_FRAMES, .content = content
	};
	char room[OBJECT_VALUE_MAX];
	int err = changes_put(&g->kv, KV_OBJ, oid_str(id), object_value(room, &h));

	return err < 0 ? err : pending_note(s, id);
}

int pending_add(struct store *s, struct group *g, struct obj *o)
{
	int err = pending_take(s, g, o);

	return err < 0 ? err : pending_note(s, &o->id);
}

int pending_take(struct store *s, struct group *g, struct obj *o)
{
	struct head there;
	int err = object_stored(&there, s, &o->id);

	return err == ERR_NOENT ? omap_add(&g->pending, o) : err;
}

int pending_adopt(struct store *s, struct omap *adopted, const struct store_oid *id)
{
	struct obj *o = omap_get(&s->pending, id);
	return o ? omap_add(adopted, o) : 0;
}

void pending_forget(struct store *s, const struct omap *adopted)
{
	for (size_t i = 0; i < adopted->cap; i++)
		if (adopted->slots[i])
			omap_del(&s->pending, &adopted->slots[i]->id);
}

int pending_open(struct store *s)
{
	struct str key;
	int err = kv_last(&key, s->kv, KV_FRAME);

	s->next_content = 1;
	if (err >= 0 && key.n == FRAME_KEY)
		s->next_content = load_be64(key.p) + 1;
	return err == ERR_NOENT ? 0 : err;
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
