/* SPDX-License-Identifier: ISC */
#include "os/crypto.h"
#include "services/dav/restore_impl.h"

/* What stands there as the edit is; false: nothing. */
bool restore_stands(struct store_entry *out, struct restoring *g, struct str path)
{
	return store_edit_find(out, g->e, path) >= 0 && out->kind == STORE_BLOB;
}

/* Does just that stand there (NULL: nothing)? */
bool restore_is_as(struct restoring *g, struct str path, const struct store_oid *blob)
{
	struct store_entry now;
	bool there = restore_stands(&now, g, path);

	return there == (blob != NULL) && (!there || store_oid_eq(&now.oid, blob));
}

struct str restore_uid(struct restoring *g, const struct store_oid *blob)
{
	struct dav_about me;

	dav_about(&me, &g->item, words_bytes(g->w, &g->item, blob));
	return me.uid;
}

static int keep(struct restoring *g, struct words_change *c)
{
	struct kept *k = ARENA_NEW(&g->keep, struct kept);

	c->kept = true;
	if (!k || !(k->path = arena_dup(&g->keep, c->path)).p)
		return err_set(ERR_LIMIT, "dav: too much to restore at once");
	k->next = g->kept;
	g->kept = k;
	return 0;
}

/* The file of the item with this UID in that folder, as the edit is; ERR_NOENT. */
static int file_with(struct str *file, struct store_entry *e, struct restoring *g,
	struct str folder, struct str uid)
{
	struct str name;
	struct buf b;
	int err;

	for (const struct aside *x = g->aside; x; x = x->next)
		if (str_eq(x->folder, folder) && str_eq(x->uid, uid)) {
			*file = x->file;
			return restore_stands(e, g, *file) ? 0 : ERR_NOENT;
		}
	err = dav_uid_find(&name, &g->item, g->w->store, g->e, g->r->ref, folder, uid);

	if (err < 0)
		return err;
	buf_init(&b, &g->item);
	buf_fmt(&b, "%.*s/", STR_ARG(folder));
	dav_item_file(&b, &name, 1);
	if (b.err < 0)
		return err_set(ERR_LIMIT, "dav: a name too long");
	*file = arena_dup(&g->turn, buf_str(&b));
	if (!file->p)
		return err_set(ERR_LIMIT, "dav: names too long to restore at once");
	/* Rows do not know of what this edit did. */
	return restore_stands(e, g, *file) && str_eq(restore_uid(g, &e->oid), uid) ? 0 : ERR_NOENT;
}

/* Was the item with this UID in that file then, too? */
static bool was_there(struct restoring *g, struct str file, struct str uid)
{
	struct store_entry e;

	return store_find(&e, g->w->store, &g->then, file) >= 0 && e.kind == STORE_BLOB &&
		str_eq(restore_uid(g, &e.oid), uid);
}

/* Undoing: is it as the undone commits left it? */
static bool as_left(struct restoring *g, struct str file, const struct store_oid *now)
{
	struct store_entry e;

	return store_find(&e, g->w->store, &g->from, file) >= 0 && store_oid_eq(&e.oid, now);
}

static struct str props_of(struct arena *a, struct str file)
{
	struct str folder, name;

	return dav_item_path(&folder, &name, file)
		? arena_fmt(a, "%.*s%%=%.*s", STR_ARG(str_sub(file, 0, file.n - name.n)),
			  STR_ARG(name))
		: STR_NONE;
}

static int drop(struct restoring *g, struct str file)
{
	struct str props = props_of(&g->item, file);
	int err = store_edit_del(g->e, file);

	if (err >= 0 && props.p)
		err = store_edit_del(g->e, props);
	g->changed = true;
	return err == ERR_NOENT ? 0 : err;
}

/* One item is to stand at c->path: what stands for it elsewhere goes. 1: it may not. */
static int make_way(struct restoring *g, struct words_change *c, struct str uid, bool look_only)
{
	struct store_entry e;
	struct str file;

	for (size_t i = 0; i < g->folder_count; i++) {
		struct str folder = g->folders[i];
		int err = file_with(&file, &e, g, folder, uid);
		if (err < 0 && err != ERR_NOENT)
			return err;
		if (err < 0 || str_eq(file, c->path) || was_there(g, file, uid))
			continue;
		if (g->r->undo && !as_left(g, file, &e.oid))
			return 1;
		if (look_only)
			continue;
		c->was = file;
		c->before = e.oid;
		c->has_before = true;
		err = drop(g, file);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Another item, which came since, has the name: it gets one of its own. */
static int set_aside(struct restoring *g, struct str folder, const struct store_oid *blob)
{
	struct str uid = arena_dup(&g->turn, restore_uid(g, blob)), name;
	struct aside *x = ARENA_NEW(&g->turn, struct aside);
	uint8_t hash[OS_SHA256_BYTES];
	struct store_entry e;
	struct buf hex, file;

	if (!uid.n)
		return 0;
	os_sha256(hash, uid);
	buf_init(&hex, &g->turn);
	buf_init(&file, &g->turn);
	os_hex(&hex, str_n(hash, 20));
	buf_addz(&hex, g->w->service->kind == DAV_CALENDAR ? ".ics" : ".vcf");
	name = buf_str(&hex);
	buf_fmt(&file, "%.*s/", STR_ARG(folder));
	dav_item_file(&file, &name, 1);
	if (!x || hex.err < 0 || file.err < 0)
		return err_set(ERR_LIMIT, "dav: names too long to restore at once");
	if (restore_stands(&e, g, buf_str(&file)))
		return err_set(ERR_EXIST, "dav: %.*s is in the way", STR_ARG(name));
	*x = (struct aside){ g->aside, arena_dup(&g->turn, folder), uid, buf_str(&file) };
	g->aside = x;
	return store_edit_put(g->e, x->file, blob, STORE_BLOB);
}

/* The collection it comes back to is there. */
static int make_home(struct restoring *g, struct str folder)
{
	struct str path = arena_fmt(&g->item, "%.*s/.collection", STR_ARG(folder));
	struct store_entry e;

	if (!path.p)
		return err_set(ERR_LIMIT, "dav: a name too long");
	if (restore_stands(&e, g, path) || store_find(&e, g->w->store, &g->then, path) < 0)
		return 0;
	g->changed = true;
	g->collections++;
	return store_edit_put(g->e, path, &e.oid, STORE_BLOB);
}

static int put_back(struct restoring *g, struct words_change *c)
{
	struct store_entry e;
	struct str folder, name, uid;
	bool there = restore_stands(&e, g, c->path);
	int err = 0;

	if (dav_item_path(&folder, &name, c->path)) {
		uid = restore_uid(g, &c->after);
		/* Where it stands already, there is nobody in its way. */
		if (uid.n && !(there && str_eq(restore_uid(g, &e.oid), uid))) {
			err = make_way(g, c, uid, true);
			if (err == 0 && there && !g->r->exact && !g->r->undo)
				err = set_aside(g, folder, &e.oid);
			if (err == 0)
				err = make_way(g, c, uid, false);
		}
		if (err == 0)
			err = make_home(g, folder);
	}
	if (err > 0)
		return keep(g, c);
	g->changed = true;
	return err < 0 ? err : store_edit_put(g->e, c->path, &c->after, STORE_BLOB);
}

static int any_item(void *ctx, struct str file, const struct store_entry *e)
{
	(void)ctx;
	return e->kind == STORE_TREE && dav_is_shard(file) ? ERR_EXIST : 0;
}

/* A collection goes last, once nothing is in it. */
static int take_out(struct restoring *g, struct words_change *c)
{
	bool paged = g->more || g->skip;
	int err = 0;

	if (restore_is_meta(c->path) && g->more && !g->r->dry_run && !g->stuck) {
		c->gone = true; /* its turn comes with the last edit */
		return 0;
	}
	if (restore_is_meta(c->path) && !(paged && g->r->dry_run))
		err = store_edit_list(g->e, str_sub(c->path, 0, c->path.n - sizeof(".collection")),
			any_item, NULL);
	if (err == ERR_EXIST)
		return keep(g, c);
	return err < 0 ? err : drop(g, c->path);
}

/* What is to go from here may have a place to go to. */
static int send_home(struct restoring *g, struct words_change *c)
{
	struct str uid = g->home_count ? restore_uid(g, &c->before) : STR("");
	struct store_entry e;

	for (size_t i = 0; i < g->home_count && uid.n && !restore_is_meta(c->path); i++) {
		struct home *h = &g->homes[i];
		if (!str_eq(h->uid, uid) || restore_stands(&e, g, h->path))
			continue;
		c->was = c->path;
		c->path = h->path;
		c->after = h->blob;
		c->has_after = true;
		h->uid = STR("");
		return store_edit_put(g->e, h->path, &h->blob, STORE_BLOB);
	}
	return 0;
}

static int do_one(struct restoring *g, struct words_change *c)
{
	int err;

	arena_reset(&g->item);
	/* This edit itself may have done it. */
	if (!restore_is_as(g, c->path, c->has_before ? &c->before : NULL)) {
		c->gone = g->again = true;
		return 0;
	}
	if (c->has_after)
		return put_back(g, c);
	err = send_home(g, c);
	if (err >= 0 && c->was.n)
		return drop(g, c->was);
	return err < 0 ? err : take_out(g, c);
}

/* Items first: a collection's own file is taken out behind them. */
int restore_do(struct restoring *g)
{
	int err = 0;

	for (int late = 0; late < 2; late++)
		for (size_t i = 0; i < g->n && err >= 0; i++) {
			struct words_change *c = &g->p[i];
			if ((restore_is_meta(c->path) && !c->has_after) == (late == 1))
				err = do_one(g, c);
		}
	return err;
}
