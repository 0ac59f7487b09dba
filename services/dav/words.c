/* SPDX-License-Identifier: ISC */
#include "os/fiber.h"
#include "services/dav/words_impl.h"

#define CHANGES_MAX 20000 /* told at once */
#define PAIRS_MAX   4000  /* changes among which moves are looked for */

static int is_collection(void *ctx, struct str name, const struct store_entry *e)
{
	struct store *s = ctx;
	struct store_entry file;

	(void)name;
	return e->kind == STORE_TREE && store_find(&file, s, &e->oid, STR(".collection")) >= 0
		? ERR_EXIST
		: 0;
}

/* A branch of ours: one with collections, or one that lost them all. */
static bool speaks(void *ctx, const struct store_oid *tree)
{
	struct dav_words *w = ctx;
	struct store_entry e;

	return store_find(&e, w->store, tree, STR(".gitattributes")) >= 0 ||
		store_list(w->store, tree, STR_NONE, is_collection, w->store) == ERR_EXIST;
}

/* ---- gathering ---- */
int words_change_of(struct words_change *out, struct arena *a, const struct store_change *c)
{
	*out = (struct words_change){ .path = arena_dup(a, c->path),
		.was = STR(""),
		.has_before = c->before != NULL,
		.has_after = c->after != NULL };
	if (c->before)
		out->before = *c->before;
	if (c->after)
		out->after = *c->after;
	return out->path.p ? 0 : err_set(ERR_LIMIT, "dav: names too long for one turn");
}

struct gather {
	struct arena a;
	struct words_change *p;
	size_t n, cap;
	bool more;
};

static int take(void *ctx, const struct store_change *c)
{
	struct gather *g = ctx;

	if (g->n == CHANGES_MAX) {
		g->more = true;
		return ERR_CLOSED;
	}
	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 64;
		struct words_change *p = realloc(g->p, cap * sizeof(*p));
		if (!p)
			return err_set(ERR_NOMEM, "dav: out of memory");
		g->p = p;
		g->cap = cap;
	}
	if (words_change_of(&g->p[g->n], &g->a, c) < 0) {
		g->more = true;
		return ERR_CLOSED;
	}
	g->n++;
	return 0;
}

/* ---- moves: what went here and came there ---- */
struct end { /* of a move */
	struct str uid;
	size_t i;
};

static int by_uid(const void *a, const void *b)
{
	const struct end *x = a, *y = b;
	int by = str_cmp(x->uid, y->uid);

	return by ? by : (x->i > y->i) - (x->i < y->i);
}

/* The items that only came, or only went, by UID. */
static size_t ends(struct end *out, struct gather *g, struct dav_words *w, bool came)
{
	struct str folder, file;
	struct dav_about me;
	struct arena a;
	size_t n = 0;

	arena_init(&a, DAV_ABOUT_ROOM);
	for (size_t i = 0; i < g->n; i++) {
		struct words_change *c = &g->p[i];
		if (c->has_before == c->has_after || c->has_after != came ||
			!dav_item_path(&folder, &file, c->path))
			continue;
		arena_reset(&a);
		dav_about(&me, &a, words_bytes(w, &a, came ? &c->after : &c->before));
		out[n].uid = arena_dup(&g->a, me.uid);
		out[n].i = i;
		n += me.uid.n > 0 && out[n].uid.p;
		os_yield();
	}
	arena_free(&a);
	if (n)
		qsort(out, n, sizeof(*out), by_uid);
	return n;
}

static void pair(
	struct gather *g, const struct end *from, size_t from_n, const struct end *to, size_t to_n)
{
	for (size_t i = 0, k = 0; i < from_n && k < to_n;) {
		int by = str_cmp(from[i].uid, to[k].uid);
		if (by == 0) {
			struct words_change *old = &g->p[from[i].i], *new = &g->p[to[k].i];
			new->was = old->path;
			new->before = old->before;
			new->has_before = true;
			old->gone = true;
		}
		i += by <= 0;
		k += by >= 0;
	}
}

static int find_moves(struct gather *g, struct dav_words *w)
{
	struct end *all;
	size_t came, went;

	if (g->n < 2 || g->n > PAIRS_MAX)
		return 0;
	all = calloc(g->n, sizeof(*all));
	if (!all)
		return err_set(ERR_NOMEM, "dav: out of memory");
	came = ends(all, g, w, true);
	went = came && came < g->n ? ends(all + came, g, w, false) : 0;
	pair(g, all + came, went, all, came);
	free(all);
	return 0;
}

/* Of one item: what happened to it, wherever. */
static void only(struct gather *g, struct str file)
{
	for (size_t i = 0; i < g->n; i++)
		g->p[i].gone |= !str_eq(g->p[i].path, file) && !str_eq(g->p[i].was, file);
}

/* ---- diff ---- */
static int tell(struct gather *g, struct dav_words *w, const struct store_oid *const trees[2],
	control_row_fn *fn, void *to)
{
	int err = 0;

	for (size_t i = 0; i < g->n && err >= 0; i++) {
		json_t *row = words_row(w, trees, &g->p[i], false);
		if (row)
			err = fn(to, row);
		os_yield();
	}
	if (err >= 0 && g->more)
		err = fn(to, json_pack("{s:b}", "more", 1));
	return err;
}

static int diff(void *ctx, struct str ref, const struct store_oid *old_tree,
	const struct store_oid *new_tree, struct str path, control_row_fn *fn, void *to)
{
	const struct store_oid *trees[2] = { old_tree, new_tree };
	struct dav_words *w = ctx;
	struct gather g = { 0 };
	struct words_scope sc;
	int err = ERR_NOENT;

	arena_init(&g.a, WORDS_ROOM);
	for (int i = 1; i >= 0 && err == ERR_NOENT; i--)
		if (trees[i])
			err = words_scope(&sc, &g.a, w, ref, path, trees[i]);
	if (err >= 0)
		err = store_diff(
			w->store, old_tree, new_tree, sc.file.n ? STR("") : sc.folder, take, &g);
	if (err == ERR_CLOSED && g.more)
		err = 0;
	if (err >= 0)
		err = find_moves(&g, w);
	if (err >= 0 && sc.file.n)
		only(&g, sc.file);
	if (err >= 0)
		err = tell(&g, w, trees, fn, to);
	arena_free(&g.a);
	free(g.p);
	return err;
}

void dav_words(struct control_words *out, struct dav_words *w)
{
	*out = (struct control_words){
		.speaks = speaks,
		.diff = diff,
		.log = words_log,
		.last = words_last,
		.restore = words_restore,
		.ctx = w,
	};
}

void dav_transfer(struct control_items *out, struct dav_words *w)
{
	*out = (struct control_items){ .take = dav_intake, .give = dav_outgo, .ctx = w };
}
