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
#include "services/dav/restore_impl.h"
#include "store/exchange.h"

#define CHUNK     1024 /* changes of one commit: others wait for it */
#define EDIT_NS   (30 * OS_SEC)
#define AGAIN_MAX 8 /* times that what one edit did lets another do the rest */

static bool was_kept(const struct restoring *g, struct str path)
{
	for (const struct kept *k = g->kept; k; k = k->next)
		if (str_eq(k->path, path))
			return true;
	return false;
}

/* ---- gathering ---- */
static int take(void *ctx, const struct store_change *c)
{
	struct restoring *g = ctx;
	bool undo = g->r->undo;

	if (!c->after && !undo && !g->r->exact) /* it came since: it stays */
		return 0;
	if ((undo && !restore_is_as(g, c->path, c->before)) || was_kept(g, c->path))
		return 0;
	if (g->seen++ < g->skip)
		return 0;
	if (g->n == CHUNK) {
		g->more = true;
		return ERR_CLOSED;
	}
	int err = words_change_of(&g->p[g->n], &g->turn, c);
	g->n += err >= 0;
	return err;
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
	*h = (struct home){ arena_dup(&g->turn, c->path),
		arena_dup(&g->turn, restore_uid(g, c->after)), *c->after };
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

/* ---- telling ---- */
static void count(struct restoring *g, const struct words_change *c)
{
	if (restore_is_meta(c->path))
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
	os_time most = os_after(EDIT_NS);
	int err = g->r->exact /* it may be what makes room */
		? store_edit_begin_reserved(&g->e, g->w->store, g->r->ref, most)
		: store_edit_begin(&g->e, g->w->store, g->r->ref, most);

	if (err < 0)
		return err;
	g->changed = g->again = false;
	g->aside = NULL;
	err = gather(g);
	if (err >= 0)
		err = restore_do(g);
	if (err < 0 || !g->changed || g->r->dry_run)
		store_edit_abort(g->e);
	else
		err = commit(g);
	/* What was done differs no more, or is no longer as it was left; nothing is done in a dry run. */
	g->skip += g->r->dry_run ? g->n : 0;
	g->stuck = !g->changed;
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
	for (int again = 0; again < AGAIN_MAX; again += !g->more) {
		err = one_edit(g);
		if (err < 0 || (!g->more && !(g->again && g->changed && !r->dry_run)))
			break;
	}
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
