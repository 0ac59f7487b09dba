/* SPDX-License-Identifier: ISC */
/*
 * Blobs that come piece by piece. Up to one frame they stay in memory; longer ones go to disk
 * frame by frame, in groups shared with everybody's edits, and are hashed at the end by reading
 * them again, since git wants the length first.
 */
#include "store/store_impl.h"

struct store_spool {
	struct spooling in_making; /* first; ->content: id of its frames */
	struct store *s;
	char *p; /* the frame being filled */
	size_t n, cap;
	uint64_t size;
	bool on_disk;
	uint32_t frames;
	struct group *in; /* the last one it gave frames to */
	int err;          /* sticky */
};

/* A frame given to a group that was lost is lost. */
int spool_group(struct group **out, struct group **in, struct store *s)
{
	int err = group_open(out, s);

	if (err < 0 || *in == *out)
		return err;
	if (*in && (*in)->err < 0)
		return err_set((*in)->err, "store: a spool was lost with its group");
	group_unref(*in);
	(*out)->refs++;
	*in = *out;
	return 0;
}

int flush_if_big(struct store *s)
{
	return s->group && group_bytes(s->group) > GROUP_BYTES ? group_flush(s) : 0;
}

int store_spool_begin(struct store_spool **out, struct store *s)
{
	struct store_spool *w;

	if (s->closing)
		return err_set(ERR_CLOSED, "store: closing");
	if (s->failed)
		return err_set(s->fail_err, "%s", s->fail_text);
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_set(ERR_NOMEM, "store: out of memory");
	w->s = s;
	w->in_making.next = s->spools;
	s->spools = &w->in_making;
	store_user_add(s);
	*out = w;
	return 0;
}

static int spool_frame_locked(struct store_spool *w)
{
	struct store *s = w->s;
	struct group *g;
	int err = space_check(s, w->n, true);

	if (err >= 0)
		err = spool_group(&g, &w->in, s);
	if (err >= 0 && !w->on_disk) {
		w->in_making.content = s->next_content++;
		w->on_disk = true;
	}
	if (err >= 0)
		err = frame_put(s, &g->kv, w->in_making.content, w->frames, str_n(w->p, w->n));
	if (err >= 0) {
		w->frames++;
		w->n = 0;
		err = flush_if_big(s);
	}
	return err;
}

static int spool_frame(struct store_spool *w)
{
	space_wait(w->s, OS_FOREVER);
	int err = store_turn(w->s, OS_FOREVER);
	if (err < 0)
		return err;
	err = spool_frame_locked(w);
	store_turn_end(w->s);
	return err;
}

static int spool_room(struct store_spool *w, size_t want)
{
	size_t cap = w->cap ? w->cap : 4096;
	char *p;

	while (cap < want && cap < FRAME_BYTES)
		cap *= 2;
	if (cap == w->cap)
		return 0;
	p = realloc(w->p, cap);
	if (!p)
		return err_set(ERR_NOMEM, "store: out of memory");
	w->p = p;
	w->cap = cap;
	return 0;
}

int store_spool_write(struct store_spool *w, struct str bytes)
{
	while (bytes.n > 0 && w->err >= 0) {
		size_t take = FRAME_BYTES - w->n;
		if (take == 0) {
			w->err = spool_frame(w);
			continue;
		}
		if (take > bytes.n)
			take = bytes.n;
		if (w->size + take > STORE_BLOB_MAX)
			w->err = err_set(ERR_LIMIT, "store: blob over %u bytes", STORE_BLOB_MAX);
		else
			w->err = spool_room(w, w->n + take);
		if (w->err < 0)
			break;
		memcpy(w->p + w->n, bytes.p, take);
		w->n += take;
		w->size += take;
		bytes = str_sub(bytes, take, bytes.n);
	}
	return w->err;
}

static void spool_free(struct store_spool *w)
{
	struct store *s = w->s;
	struct spooling **at = &s->spools;

	while (*at != &w->in_making)
		at = &(*at)->next;
	*at = w->in_making.next;
	group_unref(w->in);
	free(w->p);
	free(w);
	store_user_del(s);
}

void store_spool_abort(struct store_spool *w)
{
	struct store *s = w->s;
	struct group *g;

	/* Also when this fails, the sweep finds the frames. */
	if (w->on_disk && !s->closing && store_turn(s, OS_FOREVER) >= 0) {
		if (group_open(&g, s) >= 0 &&
			pending_content_abort(g, w->in_making.content, w->frames) >= 0 &&
			group_bytes(g) > GROUP_BYTES)
			group_write(s);
		store_turn_end(s);
	}
	spool_free(w);
}

/* ---- the end ---- */
static int hash_frames(struct store_oid *id, struct store *s, uint64_t content, uint64_t size)
{
	struct sha1 *h = malloc(sizeof(*h));
	uint64_t at = 0;
	int err = 0;

	if (!h)
		return err_set(ERR_NOMEM, "store: out of memory");
	sha1_object(h, OBJ_BLOB, size);
	for (uint32_t n = 0; at < size && err >= 0; n++) {
		uint32_t len = size - at < FRAME_BYTES ? (uint32_t)(size - at) : FRAME_BYTES;
		/* Frames of the group being written are still seen; nothing waits in here. */
		err = frame_load(s, content, n, len);
		if (err >= 0)
			sha1_add(h, str_n(s->frame, len));
		at += len;
		if (n % 8 == 7)
			os_yield();
	}
	if (err >= 0)
		err = sha1_end(id, h);
	free(h);
	return err;
}

/* Will it still be there when the edit under way is taken back? */
static bool is_kept(struct store *s, const struct store_oid *id)
{
	struct str value, key = oid_str(id);
	struct head there;

	if (omap_get(&s->loose, id) || (s->group && omap_get(&s->group->pending, id)))
		return true;
	if (s->group && changes_get(&value, &s->group->kv, KV_OBJ, key) >= 0)
		return true;
	return object_stored(&there, s, id) >= 0;
}

static int finish_small(struct store_oid *id, struct store_spool *w)
{
	struct store *s = w->s;
	struct obj *o;
	int err = oid_of(id, s, OBJ_BLOB, str_n(w->p, w->n));

	if (err >= 0 && is_kept(s, id))
		return pending_note(s, id); /* perhaps nothing else needs it */
	if (err < 0)
		return err;
	o = obj_new(id, OBJ_BLOB, str_n(w->p, w->n));
	if (!o)
		return err_set(ERR_NOMEM, "store: out of memory");
	err = loose_add(s, o);
	obj_unref(o);
	if (err < 0 || s->loose.bytes <= LOOSE_BYTES)
		return err;
	/* Too many wait for their edits: the oldest go to disk. */
	err = store_turn(s, OS_FOREVER);
	if (err < 0)
		return err;
	while (err >= 0 && s->loose.bytes > LOOSE_BYTES / 2) {
		struct group *g;
		o = obj_ref(s->loose_first);
		err = group_open(&g, s);
		if (err >= 0)
			err = pending_add(s, g, o);
		if (err >= 0)
			loose_del(s, &o->id);
		obj_unref(o);
	}
	if (err >= 0)
		err = flush_if_big(s);
	store_turn_end(s);
	return err;
}

static int finish_large(struct store_oid *id, struct store_spool *w)
{
	struct store *s = w->s;
	struct group *g;
	int err = w->n ? spool_frame(w) : 0;

	if (err >= 0)
		err = hash_frames(id, s, w->in_making.content, w->size);
	if (err >= 0)
		err = store_turn(s, OS_FOREVER);
	if (err < 0)
		return err;
	err = spool_group(&g, &w->in, s);
	if (err >= 0 && is_kept(s, id)) {
		err = pending_note(s, id);
		if (err >= 0)
			err = pending_content_abort(g, w->in_making.content, w->frames);
	} else if (err >= 0)
		err = pending_content_end(s, g, w->in_making.content, w->size, id);
	if (err >= 0) {
		w->on_disk = false;
		err = flush_if_big(s);
	}
	store_turn_end(s);
	return err;
}

int store_spool_finish(struct store_oid *id, uint64_t *size, struct store_spool *w)
{
	int err = w->err;

	if (err >= 0)
		err = w->on_disk ? finish_large(id, w) : finish_small(id, w);
	if (err >= 0 && size)
		*size = w->size;
	if (err < 0) {
		store_spool_abort(w);
		return err;
	}
	spool_free(w);
	return 0;
}

/* ---- a large blob put by an edit ---- */
int content_whole(struct store_oid *id, struct store_edit *e, struct str bytes)
{
	struct store *s = e->s;
	struct group *g;
	uint64_t content;
	uint32_t n = 0;
	int err = oid_of(id, s, OBJ_BLOB, bytes);

	if (err < 0 || is_kept(s, id))
		return err;
	if (bytes.n > STORE_BLOB_MAX)
		return err_set(ERR_LIMIT, "store: blob over %u bytes", STORE_BLOB_MAX);
	err = space_check(s, bytes.n, true);
	if (err >= 0)
		err = spool_group(&g, &e->in, s);
	content = s->next_content++;
	for (size_t at = 0; at < bytes.n && err >= 0; at += FRAME_BYTES) {
		err = spool_group(&g, &e->in, s);
		if (err >= 0)
			err = frame_put(
				s, &g->kv, content, n++, str_sub(bytes, at, at + FRAME_BYTES));
		if (err >= 0)
			err = flush_if_big(s);
	}
	if (err >= 0)
		err = spool_group(&g, &e->in, s);
	return err < 0 ? err : pending_content_end(s, g, content, bytes.n, id);
}
