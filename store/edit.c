/* SPDX-License-Identifier: ISC */
/* Edits: one fiber's turn to change one branch and local records. */
#include "store/store_impl.h"

static const struct store_oid empty_tree = { { 0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9, 0xa0,
	0x60, 0xe5, 0x4b, 0xf8, 0xd6, 0x92, 0x88, 0xfb, 0xee, 0x49, 0x04 } };

static void edit_free(struct store_edit *e)
{
	node_free(e->root);
	omap_free(&e->objs);
	omap_free(&e->adopted);
	changes_free(&e->kv);
	group_unref(e->in);
	free(e);
}

/* Where the branch stands for the next edit: after the edits of the open group. */
static int edit_base(bool *has, struct store_oid *base, struct store *s, struct str ref)
{
	struct gref *r = s->group ? group_ref(s->group, ref) : NULL;
	struct ref_value v = { 0 };
	int err;

	if (r) {
		*has = r->has_tree;
		*base = r->tree;
		return 0;
	}
	err = ref_read(&v, s, ref);
	*has = err >= 0;
	*base = v.tree;
	return err == ERR_NOENT ? 0 : err;
}

static bool warm_take(struct store_edit *e, const struct store_oid *tree)
{
	struct warm *w = &e->s->warm;

	if (!w->root || !tree || !store_oid_eq(&w->tree, tree))
		return false;
	e->root = w->root;
	e->warm_bytes = w->bytes;
	w->root = NULL;
	return true;
}

/* After node_write: its folders are what `tree` names, whatever becomes of the edit. */
static void warm_keep(struct store_edit *e, const struct store_oid *tree)
{
	struct warm *w = &e->s->warm;
	size_t bytes = e->warm_bytes + e->node_bytes;

	if (bytes > WARM_BYTES)
		return;
	node_free(w->root);
	*w = (struct warm){ e->root, *tree, bytes };
	e->root = NULL;
}

/* Standing at `tree`; NULL: at nothing. */
static int edit_new(
	struct store_edit **out, struct store *s, struct str ref, const struct store_oid *tree)
{
	struct store_edit *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return err_set(ERR_NOMEM, "store: out of memory");
	e->s = s;
	memcpy(e->name, ref.p, ref.n);
	e->ref = str_n(e->name, ref.n);
	err = warm_take(e, tree) ? 0 : node_load(&e->root, e, tree);
	if (err < 0)
		edit_free(e);
	else
		*out = e;
	return err;
}

static int begin(struct store_edit **out, struct store *s, struct str ref, os_time deadline,
	bool use_reserve)
{
	struct store_oid base;
	bool has;
	int err = ref_name_check(ref);

	if (err < 0)
		return err;
	store_user_add(s);
	if (!use_reserve)
		space_wait(s, deadline);
	err = store_turn(s, deadline);
	if (err < 0) {
		store_user_del(s);
		return err;
	}
	err = edit_base(&has, &base, s, ref);
	if (err >= 0)
		err = edit_new(out, s, ref, has ? &base : NULL);
	if (err < 0) {
		store_turn_end(s);
		store_user_del(s);
		return err;
	}
	s->edit = *out;
	s->edit->has_base = has;
	s->edit->base = base;
	s->edit->use_reserve = use_reserve;
	return 0;
}

int store_edit_begin(struct store_edit **out, struct store *s, struct str ref, os_time deadline)
{
	return begin(out, s, ref, deadline, false);
}

int store_edit_begin_reserved(
	struct store_edit **out, struct store *s, struct str ref, os_time deadline)
{
	return begin(out, s, ref, deadline, true);
}

struct store *store_edit_store(struct store_edit *e)
{
	return e->s;
}

static void edit_end(struct store_edit *e)
{
	struct store *s = e->s;
	s->edit = NULL;
	edit_free(e);
}

void store_edit_abort(struct store_edit *e)
{
	struct store *s = e->s;
	edit_end(e);
	store_turn_end(s);
	store_user_del(s);
}

/* ---- detached ---- */
int edit_detach(struct store_edit **out, struct store *s, struct str ref,
	const struct store_oid *tree, bool turnless)
{
	int err = edit_new(out, s, ref, tree);

	if (err < 0)
		return err;
	(*out)->turnless = turnless;
	(*out)->next = s->detached;
	s->detached = *out;
	return 0;
}

void edit_detached_end(struct store_edit *e)
{
	struct store_edit **at = &e->s->detached;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	edit_free(e);
}

int edit_stand_at(struct store_edit *e, const struct store_oid *tree)
{
	struct node *old = e->root;
	size_t bytes = e->node_bytes;
	int err;

	e->node_bytes = 0;
	err = node_load(&e->root, e, tree);
	if (err < 0) {
		e->root = old;
		e->node_bytes = bytes;
		return err;
	}
	e->warm_bytes = 0;
	node_free(old);
	return 0;
}

size_t edit_bytes(const struct store_edit *e)
{
	return e->objs.bytes + e->kv.bytes + e->node_bytes;
}

int edit_new_object(struct store_oid *id, struct store_edit *e, int type, struct str bytes)
{
	struct obj *o;
	int err = oid_of(id, e->s, type, bytes);

	if (err < 0 || omap_get(&e->objs, id))
		return err;
	if (edit_bytes(e) + bytes.n > EDIT_BYTES)
		return err_set(ERR_LIMIT, "store: one edit changes too much");
	o = obj_new(id, type, bytes);
	if (!o)
		return err_set(ERR_NOMEM, "store: out of memory");
	err = omap_add(&e->objs, o);
	obj_unref(o);
	return err;
}

/* ---- reading through the edit ---- */
/* The folder a path's last segment stands in; the last segment in *name. */
static int edit_parent(
	struct node **out, struct str *name, struct store_edit *e, struct str path, bool make)
{
	size_t cut = path.n;
	int err = path_check(path);

	if (err < 0)
		return err;
	while (cut > 0 && path.p[cut - 1] != '/')
		cut--;
	*name = str_sub(path, cut, path.n);
	return node_walk(out, e, e->root, str_sub(path, 0, cut ? cut - 1 : 0), make);
}

int store_edit_find(struct store_entry *out, struct store_edit *e, struct str path)
{
	struct node *n;
	struct str name;
	struct tent t;
	int err;

	if (path.n == 0) {
		bool empty;
		out->kind = STORE_TREE;
		return node_write(&out->oid, &empty, e, e->root);
	}
	err = edit_parent(&n, &name, e, path, false);
	if (err >= 0)
		err = node_get(&t, e, n, name);
	if (err >= 0)
		tent_entry(out, &t);
	return err;
}

int store_edit_list(struct store_edit *e, struct str path, store_list_fn *fn, void *ctx)
{
	struct store_entry at;
	int err = store_edit_find(&at, e, path);

	if (err < 0)
		return err;
	if (at.kind != STORE_TREE)
		return ERR_NOENT;
	return store_list(e->s, &at.oid, STR_NONE, fn, ctx);
}

int store_edit_bytes(
	struct str *out, struct arena *a, struct store_edit *e, struct str path, size_t max)
{
	struct store_entry at;
	int err = store_edit_find(&at, e, path);

	if (err < 0)
		return err;
	if (at.kind != STORE_BLOB)
		return err_set(ERR_BAD, "store: %.*s is a folder", STR_ARG(path));
	return store_blob_all(out, a, e->s, &at.oid, max);
}

/* ---- changing ---- */
int store_edit_put(
	struct store_edit *e, struct str path, const struct store_oid *id, enum store_kind kind)
{
	struct node *n;
	struct str name;
	struct head h;
	int err = head_get(&h, e->s, id);

	if (kind == STORE_TREE && store_oid_eq(id, &empty_tree)) {
		err = path.n ? store_edit_del(e, path) : err_set(ERR_BAD, "store: empty path");
		return err == ERR_NOENT ? 0 : err;
	}
	if (err < 0)
		return err;
	if (h.type != (kind == STORE_TREE ? OBJ_TREE : OBJ_BLOB))
		return err_set(ERR_BAD, "store: put as a %s what is a %s",
			kind == STORE_TREE ? "tree" : "blob", obj_type_name(h.type));
	if (h.obj) { /* fresh: this edit now needs it as well */
		err = omap_add(&e->objs, h.obj);
		if (err < 0)
			return err;
	}
	err = pending_adopt(e->s, &e->adopted, id);
	if (err < 0)
		return err;
	if (path.n == 0) {
		if (kind != STORE_TREE)
			return err_set(ERR_BAD, "store: empty path");
		return edit_stand_at(e, id);
	}
	err = edit_parent(&n, &name, e, path, true);
	if (err < 0)
		return err;
	e->grows |= kind == STORE_BLOB;
	return node_set(e, n, name, kind == STORE_TREE ? MODE_TREE : MODE_BLOB, id);
}

static int put_content(struct store_oid *id, struct store_edit *e, struct str bytes)
{
	int err = e->turnless ? store_turn(e->s, OS_FOREVER) : 0;

	if (err < 0)
		return err;
	err = content_whole(id, e, bytes);
	if (e->turnless)
		store_turn_end(e->s);
	return err;
}

int store_edit_put_bytes(struct store_edit *e, struct str path, struct str bytes)
{
	struct store_oid id;
	int err;

	if (path.n == 0)
		return err_set(ERR_BAD, "store: empty path");
	if (bytes.n > FRAME_BYTES)
		err = put_content(&id, e, bytes);
	else
		err = edit_new_object(&id, e, OBJ_BLOB, bytes);
	return err < 0 ? err : store_edit_put(e, path, &id, STORE_BLOB);
}

int store_edit_del(struct store_edit *e, struct str path)
{
	struct node *n;
	struct str name;
	int err;

	if (path.n == 0)
		return err_set(ERR_BAD, "store: empty path");
	err = edit_parent(&n, &name, e, path, false);
	return err < 0 ? err : node_del(e, n, name);
}

/* ---- local records ---- */
int kv_check(struct str key, struct str value)
{
	if (key.n == 0 || key.n > STORE_KEY_MAX)
		return err_set(ERR_LIMIT, "store: a key has 1 to %d bytes", STORE_KEY_MAX);
	if (value.n > STORE_VALUE_MAX)
		return err_set(ERR_LIMIT, "store: a value has at most %d bytes", STORE_VALUE_MAX);
	return 0;
}

int store_edit_local_get(struct str *out, struct store_edit *e, struct str key)
{
	return changes_view(out, e->s, &e->kv, KV_LOCAL, key);
}

int store_edit_row_get(struct str *out, struct store_edit *e, struct str key)
{
	return changes_view(out, e->s, &e->kv, KV_ROW, key);
}

int store_edit_local_put(struct store_edit *e, struct str key, struct str value)
{
	int err = kv_check(key, value);
	if (err < 0)
		return err;
	if (edit_bytes(e) + value.n > EDIT_BYTES)
		return err_set(ERR_LIMIT, "store: one edit changes too much");
	return changes_put(&e->kv, KV_LOCAL, key, value);
}

int store_edit_local_del(struct store_edit *e, struct str key)
{
	int err = kv_check(key, STR_NONE);
	return err < 0 ? err : changes_del(&e->kv, KV_LOCAL, key);
}

/* ---- commit ---- */
/* Into the group: from here on this edit cannot fail alone. */
int edit_give(struct group *g, struct store_edit *e)
{
	int err = 0;

	for (size_t i = 0; i < e->objs.cap && err >= 0; i++)
		if (e->objs.slots[i])
			err = omap_add(&g->objs, e->objs.slots[i]);
	for (size_t i = 0; i < e->adopted.cap && err >= 0; i++)
		if (e->adopted.slots[i])
			err = omap_add(&g->adopted, e->adopted.slots[i]);
	if (err < 0)
		return err; /* objects nobody reaches are not written */
	changes_move(&g->kv, &e->kv);
	g->edits++;
	return 0;
}

static int edit_join(struct store_edit *e, struct gref *r, struct group *g, bool has_tree,
	const struct store_oid *tree, struct why *w)
{
	int err = edit_give(g, e);

	if (err >= 0 && w) {
		*r->whys_end = w;
		r->whys_end = &w->next;
		r->count++;
		r->has_tree = has_tree;
		r->tree = *tree;
	}
	return err;
}

/* Adds the edit to the open group; *rp stays NULL when there is nothing to write or wait for. */
static int edit_seal(struct gref **rp, struct store_edit *e, const struct store_why *w)
{
	struct store_oid tree;
	struct group *g;
	struct why *why = NULL;
	bool empty, changed;
	int err;

	if (e->in && e->in->done && e->in->err < 0)
		return e->in->err;
	err = node_write(&tree, &empty, e, e->root);
	if (err < 0)
		return err;
	changed = e->has_base ? !store_oid_eq(&tree, &e->base) : !empty;
	if (!changed && e->kv.n == 0 && !e->s->group)
		return 0;
	err = space_check(e->s, edit_bytes(e), e->grows && !e->use_reserve);
	if (err >= 0)
		err = group_open(&g, e->s);
	if (err >= 0 && changed)
		err = derive_move(
			e->s, &e->kv, g->seq, e->ref, e->has_base ? &e->base : NULL, &tree);
	if (err >= 0)
		err = group_ref_add(rp, e->s, g, e->ref);
	if (err < 0)
		return err;
	if (changed && !(why = why_new(w)))
		return err_set(ERR_NOMEM, "store: out of memory");
	err = edit_join(e, *rp, g, e->has_base || changed, &tree, why);
	if (err < 0)
		free(why);
	else
		warm_keep(e, &tree);
	return err;
}

int store_edit_commit(struct store_oid *commit, struct store_edit *e, const struct store_why *why)
{
	struct store *s = e->s;
	struct gref *r = NULL;
	struct group *g;
	struct ref_value head = { 0 };
	int err = edit_seal(&r, e, why);

	if (err >= 0 && !r && ref_read(&head, s, e->ref) < 0)
		head = (struct ref_value){ 0 };
	if (err < 0 || !r) {
		store_edit_abort(e);
	} else {
		edit_end(e);
		g = s->group;
		g->refs++;
		err = group_wait(s, g);
		if (r->has_commit)
			head.commit = r->commit;
		group_unref(g);
		store_user_del(s);
	}
	if (err >= 0 && commit)
		*commit = head.commit;
	return err;
}
