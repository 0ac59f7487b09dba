/* SPDX-License-Identifier: ISC */
/*
 * What stood in a calendar or address book at an earlier commit, as a new commit. As for mail
 * (docs/decisions/0011): what came since stays, unless it is to be exact; an item has one place, so one that
 * stands elsewhere now, under its UID, is taken out there as it comes back, wherever the path points,
 * unless it stood there as well then. Exactly also means: what stood elsewhere then goes there, not away.
 * Undoing takes back what is still as the undone commits left it.
 *
 * An edit begins, what differs is gathered under its turn, done, and committed; as often as there is
 * something left to do. Rows are told between edits, as telling may wait for a peer.
 */
#include "os/fiber.h"
#include "services/dav/words_impl.h"
#include "store/exchange.h"

#define CHUNK   1024 /* changes of one commit: others wait for it */
#define EDIT_NS (30 * OS_SEC)
#define FOLDERS 256 /* collections an item may have gone to */

struct home { /* where an item stood then, and stands no more */
	struct str path, uid;
	struct store_oid blob;
};
struct restoring {
	struct dav_words *w;
	struct control_restore *r;
	struct words_scope scope;
	struct store_oid then, from; /* trees: wanted; undo: what was left behind */
	struct store_oid now;        /* as the edit found it */
	struct arena keep, turn, item;
	struct words_change *p; /* of this edit */
	size_t n;
	struct str folders[FOLDERS];
	size_t folder_count;
	struct home *homes;
	size_t home_count;
	struct store_edit *e;
	uint64_t skip, seen; /* of a dry run: changes gathered before */
	bool changed, more;
	uint64_t back, moved, changes, removed, collections;
};

/* ---- gathering ---- */
static int take(void *ctx, const struct store_change *c)
{
	struct restoring *g = ctx;
	bool undo = g->r->undo;

	if (!c->after && !undo && !g->r->exact) /* it came since: it stays */
		return 0;
	if (g->seen++ < g->skip)
		return 0;
	if (g->n == CHUNK) {
		g->more = true;
		return ERR_CLOSED;
	}
	struct words_change *one = &g->p[g->n];
	*one = (struct words_change){ .path = arena_dup(&g->turn, c->path), .was = STR("") };
	if (!one->path.p)
		return err_set(ERR_LIMIT, "dav: names too long to restore at once");
	one->has_before = c->before != NULL;
	one->has_after = c->after != NULL;
	if (c->before)
		one->before = *c->before;
	if (c->after)
		one->after = *c->after;
	g->n++;
	return 0;
}

static int take_folder(struct restoring *g, struct str folder)
{
	struct str kept = arena_dup(&g->turn, folder);

	if (g->folder_count == FOLDERS || !kept.p)
		return err_set(ERR_LIMIT, "dav: over %d collections", FOLDERS);
	g->folders[g->folder_count++] = kept;
	return 0;
}

static int each_folder(void *ctx, struct str file, const struct store_entry *e)
{
	struct restoring *g = ctx;

	return e->kind == STORE_TREE && !dav_is_shard(file) ? take_folder(g, file) : 0;
}

static struct str uid_of(struct restoring *g, const struct store_oid *blob)
{
	struct dav_about me;

	dav_about(&me, &g->item, words_bytes(g->w, &g->item, blob));
	return me.uid;
}

static int take_home(void *ctx, const struct store_change *c)
{
	struct restoring *g = ctx;
	struct str folder, name;
	struct home *h = &g->homes[g->home_count];

	if (c->before || !c->after || !dav_item_path(&folder, &name, c->path))
		return 0;
	if (g->home_count == CHUNK)
		return ERR_CLOSED;
	arena_reset(&g->item);
	*h = (struct home){ arena_dup(&g->turn, c->path), arena_dup(&g->turn, uid_of(g, c->after)),
		*c->after };
	g->home_count += h->uid.n > 0;
	return h->path.p ? 0 : err_set(ERR_LIMIT, "dav: names too long to restore at once");
}

static int gather(struct restoring *g)
{
	struct store *s = g->w->store;
	struct store_entry top;
	int err = store_edit_find(&top, g->e, STR(""));

	arena_reset(&g->turn);
	g->n = g->folder_count = g->home_count = 0;
	g->seen = 0;
	g->more = false;
	if (err < 0)
		return err;
	g->now = top.oid;
	err = store_list(s, &g->now, STR_NONE, each_folder, g);
	/* What was moved here since goes where it stood. */
	if (err >= 0 && (g->r->exact || g->r->undo))
		err = store_diff(
			s, g->r->undo ? &g->from : &g->now, &g->then, STR(""), take_home, g);
	if (err >= 0 || err == ERR_CLOSED)
		err = store_diff(s, g->r->undo ? &g->from : &g->now, &g->then,
			words_under(&g->scope), take, g);
	return err == ERR_CLOSED && g->more ? 0 : err;
}

/* ---- doing ---- */
/* What stands there as the edit is: false: nothing. */
static bool stands(struct store_entry *out, struct restoring *g, struct str path)
{
	return store_edit_find(out, g->e, path) >= 0 && out->kind == STORE_BLOB;
}

/* The file of the item with this UID in that folder, as the edit is; ERR_NOENT. */
static int file_with(struct str *file, struct store_entry *e, struct restoring *g,
	struct str folder, struct str uid)
{
	struct str name;
	struct buf b;
	int err = dav_uid_find(&name, &g->item, g->w->store, g->e, g->r->ref, folder, uid);

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
	return stands(e, g, *file) && str_eq(uid_of(g, &e->oid), uid) ? 0 : ERR_NOENT;
}

/* Was the item with this UID in that file then, too? */
static bool was_there(struct restoring *g, struct str file, struct str uid)
{
	struct store_entry e;

	return store_find(&e, g->w->store, &g->then, file) >= 0 && e.kind == STORE_BLOB &&
		str_eq(uid_of(g, &e.oid), uid);
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
static int make_way(struct restoring *g, struct words_change *c, struct str own, struct str uid)
{
	struct store_entry e;
	struct str file;

	for (size_t i = 0; i < g->folder_count; i++) {
		struct str folder = g->folders[i];
		int err = file_with(&file, &e, g, folder, uid);
		if (err < 0 && err != ERR_NOENT)
			return err;
		if (err < 0 || str_eq(file, c->path) ||
			(!str_eq(folder, own) && was_there(g, file, uid)))
			continue;
		if (g->r->undo && !as_left(g, file, &e.oid))
			return 1;
		c->was = file;
		c->before = e.oid;
		c->has_before = true;
		err = drop(g, file);
		if (err < 0)
			return err;
	}
	return 0;
}

/* The collection it comes back to is there. */
static int make_home(struct restoring *g, struct str folder)
{
	struct str path = arena_fmt(&g->item, "%.*s/.collection", STR_ARG(folder));
	struct store_entry e;

	if (!path.p)
		return err_set(ERR_LIMIT, "dav: a name too long");
	if (stands(&e, g, path) || store_find(&e, g->w->store, &g->then, path) < 0)
		return 0;
	g->changed = true;
	g->collections++;
	return store_edit_put(g->e, path, &e.oid, STORE_BLOB);
}

static int put_back(struct restoring *g, struct words_change *c)
{
	struct store_entry e;
	struct str folder, name, uid;
	int err = 0;

	if (dav_item_path(&folder, &name, c->path)) {
		uid = uid_of(g, &c->after);
		if (uid.n && !stands(&e, g, c->path))
			err = make_way(g, c, folder, uid);
		if (err == 0)
			err = make_home(g, folder);
	}
	if (err > 0) {
		c->kept = true;
		return 0;
	}
	g->changed = true;
	return err < 0 ? err : store_edit_put(g->e, c->path, &c->after, STORE_BLOB);
}

static int any_item(void *ctx, struct str file, const struct store_entry *e)
{
	(void)ctx;
	return e->kind == STORE_TREE && dav_is_shard(file) ? ERR_EXIST : 0;
}

static bool is_meta(struct str path)
{
	return str_ends(path, STR("/.collection"));
}

static int take_out(struct restoring *g, struct words_change *c)
{
	/* A collection goes last, once nothing is in it. */
	if (is_meta(c->path)) {
		int err = store_edit_list(g->e,
			str_sub(c->path, 0, c->path.n - sizeof(".collection")), any_item, NULL);
		if (err == ERR_EXIST) {
			c->kept = true;
			return 0;
		}
	}
	return drop(g, c->path);
}

/* What is to go from here may have a place to go to. */
static int send_home(struct restoring *g, struct words_change *c)
{
	struct str uid = g->home_count ? uid_of(g, &c->before) : STR("");
	struct store_entry e;

	for (size_t i = 0; i < g->home_count && uid.n && !is_meta(c->path); i++) {
		struct home *h = &g->homes[i];
		if (!str_eq(h->uid, uid) || stands(&e, g, h->path))
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
	struct store_entry now;
	bool there = stands(&now, g, c->path);
	int err;

	arena_reset(&g->item);
	/* It is not, or no longer, as it was when it was compared. */
	if (there != c->has_before || (there && !store_oid_eq(&now.oid, &c->before))) {
		c->gone = true;
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
static int do_all(struct restoring *g)
{
	int err = 0;

	for (int late = 0; late < 2; late++)
		for (size_t i = 0; i < g->n && err >= 0; i++) {
			struct words_change *c = &g->p[i];
			if ((is_meta(c->path) && !c->has_after) == (late == 1))
				err = do_one(g, c);
		}
	return err;
}

/* ---- telling ---- */
static void count(struct restoring *g, const struct words_change *c)
{
	if (is_meta(c->path))
		g->collections++;
	else if (c->was.n)
		g->moved++;
	else if (!c->has_after)
		g->removed++;
	else if (c->has_before)
		g->changes++;
	else
		g->back++;
}

static int tell(struct restoring *g)
{
	const struct store_oid *trees[2] = { &g->now, &g->then };
	int err = 0;

	for (size_t i = 0; i < g->n && err >= 0; i++) {
		struct words_change *c = &g->p[i];
		json_t *row = words_row(g->w, trees, c, true);
		if (!row)
			continue;
		if (!c->kept)
			count(g, c);
		err = g->r->row(g->r->ctx, row);
		os_yield();
	}
	return err;
}

static int commit(struct restoring *g)
{
	struct control_restore *r = g->r;
	struct str user = str_sub(r->ref, sizeof("refs/heads/") - 1, r->ref.n);
	struct str path = words_path(&g->turn, &g->scope);
	char to[STORE_HEX], from[STORE_HEX];
	struct store_why why = { .name = user };
	struct buf b;
	int err;

	store_oid_hex(to, &r->to);
	store_oid_hex(from, &r->from);
	buf_init(&b, &g->turn);
	buf_fmt(&b, "%s: restore %.*s", g->w->service->name, STR_ARG(path.n ? path : STR("all")));
	if (r->undo)
		buf_fmt(&b, ", undo %.12s..%.12s", to, from);
	else
		buf_fmt(&b, " as of %.12s%s\n\nOf-Commit: %s", to, r->exact ? ", exactly" : "", to);
	why.email =
		arena_fmt(&g->turn, "%.*s@%.*s", STR_ARG(user), STR_ARG(id_domain(g->w->registry)));
	if (b.err < 0 || !why.email.p) {
		store_edit_abort(g->e);
		return err_set(ERR_LIMIT, "dav: names too long to restore at once");
	}
	why.message = buf_str(&b);
	err = store_edit_commit(&r->last, g->e, &why);
	if (err >= 0 && r->commits++ == 0)
		r->first = r->last;
	return err;
}

static int one_edit(struct restoring *g)
{
	int err = store_edit_begin(&g->e, g->w->store, g->r->ref, os_after(EDIT_NS));

	if (err < 0)
		return err;
	if (g->r->exact)
		store_edit_use_reserve(g->e); /* it may be what makes room */
	g->changed = false;
	err = gather(g);
	if (err >= 0)
		err = do_all(g);
	if (err < 0 || !g->changed || g->r->dry_run)
		store_edit_abort(g->e);
	else
		err = commit(g);
	/* What was done differs no more, but for an undo, which compares two commits. */
	for (size_t i = 0; i < g->n; i++)
		g->skip += g->r->undo || g->r->dry_run || g->p[i].kept || g->p[i].gone;
	return err < 0 ? err : tell(g);
}

/* ---- all of it ---- */
static int tree_of(struct store_oid *out, struct store *s, const struct store_oid *commit)
{
	struct arena a;
	struct store_commit c;
	int err;

	arena_init(&a, 1 << 20);
	err = store_commit_get(&c, &a, s, commit);
	if (err >= 0)
		*out = c.tree;
	arena_free(&a);
	return err;
}

static int check_history(struct restoring *g)
{
	struct control_restore *r = g->r;
	struct store_oid ids[2] = { r->to, r->from };
	bool found[2] = { false, false };
	size_t n = r->undo ? 2 : 1;
	char hex[STORE_HEX];
	int err = store_reached(found, g->w->store, &r->before, 1, ids, n);

	for (size_t i = 0; err >= 0 && i < n; i++)
		if (!found[i])
			err = err_set(ERR_BAD, "commit %.12s is not in the history of %.*s",
				store_oid_hex(hex, &ids[i]), STR_ARG(r->ref));
	return err;
}

/* The path is of then, or of what is there now. */
static int find_scope(struct restoring *g)
{
	struct store_oid now;
	struct store_entry e;
	int err = words_scope(&g->scope, &g->keep, g->w, g->r->ref, g->r->path, &g->then);

	if (err == ERR_NOENT && g->r->undo)
		err = words_scope(&g->scope, &g->keep, g->w, g->r->ref, g->r->path, &g->from);
	if (err == ERR_NOENT && tree_of(&now, g->w->store, &g->r->before) >= 0) {
		err = words_scope(&g->scope, &g->keep, g->w, g->r->ref, g->r->path, &now);
		if (err >= 0 && g->scope.file.n && !g->r->exact && !g->r->undo &&
			store_find(&e, g->w->store, &g->then, g->scope.file) < 0)
			err = err_set(ERR_NOENT, "there was no \"%.*s\" then", STR_ARG(g->r->path));
	}
	return err;
}

static int run(struct restoring *g)
{
	struct control_restore *r = g->r;
	int err = store_ref_get(&r->before, g->w->store, r->ref);

	if (err >= 0)
		err = check_history(g);
	if (err >= 0)
		err = tree_of(&g->then, g->w->store, &r->to);
	if (err >= 0 && r->undo)
		err = tree_of(&g->from, g->w->store, &r->from);
	if (err >= 0)
		err = find_scope(g);
	if (err < 0)
		return err;
	do
		err = one_edit(g);
	while (err >= 0 && g->more);
	return err;
}

int words_restore(void *ctx, struct control_restore *r)
{
	struct restoring *g = calloc(1, sizeof(*g));
	int err;

	if (!g)
		return err_set(ERR_NOMEM, "dav: out of memory");
	g->w = ctx;
	g->r = r;
	g->p = calloc(CHUNK, sizeof(*g->p));
	g->homes = calloc(CHUNK, sizeof(*g->homes));
	arena_init(&g->keep, WORDS_ROOM);
	arena_init(&g->turn, WORDS_ROOM);
	arena_init(&g->item, 2 * DAV_ABOUT_ROOM);
	err = g->p && g->homes ? run(g) : err_set(ERR_NOMEM, "dav: out of memory");
	r->counts = json_pack("{s:I,s:I,s:I,s:I,s:I}", "back", (json_int_t)g->back, "moved",
		(json_int_t)g->moved, "changed", (json_int_t)g->changes, "removed",
		(json_int_t)g->removed, "collections", (json_int_t)g->collections);
	arena_free(&g->keep);
	arena_free(&g->turn);
	arena_free(&g->item);
	free(g->homes);
	free(g->p);
	free(g);
	return err;
}
