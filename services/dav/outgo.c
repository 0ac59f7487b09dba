/* SPDX-License-Identifier: ISC */
/* All items of a person, one after the other, from one tree of the branch. */
#include "services/dav/words_impl.h"

#define COLLECTIONS 1000

struct entry {
	struct str name; /* in the branch */
	struct store_oid oid;
};
struct going {
	struct dav_words *w;
	struct control_outgo *out;
	struct arena keep, turn, item;
	struct entry *p; /* of the folder at hand; collections: with their paths */
	size_t n, cap;
};

static int add(struct going *g, struct arena *a, struct str name, const struct store_oid *oid)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 64;
		struct entry *p = realloc(g->p, cap * sizeof(*p));
		if (!p)
			return err_set(ERR_NOMEM, "dav: out of memory");
		g->p = p;
		g->cap = cap;
	}
	g->p[g->n] = (struct entry){ arena_dup(a, name), *oid };
	return g->p[g->n++].name.p ? 0 : err_set(ERR_LIMIT, "dav: over the memory for a listing");
}

/* ---- items ---- */
static int each_item(void *ctx, struct str file, const struct store_entry *e)
{
	struct going *g = ctx;
	bool props = str_starts(file, STR("%="));

	return e->kind == STORE_BLOB && !props ? add(g, &g->turn, file, &e->oid) : 0;
}

static int give_shard(struct going *g, const struct store_oid *shard)
{
	struct buf name;
	int err;

	g->n = 0;
	arena_reset(&g->turn);
	err = store_list(g->w->store, shard, STR_NONE, each_item, g);
	for (size_t i = 0; i < g->n && err >= 0; i++) {
		struct str bytes;
		arena_reset(&g->item);
		buf_init(&name, &g->item);
		dav_name_unescape(&name, g->p[i].name);
		if (name.err < 0)
			return name.err;
		err = store_blob_all(&bytes, &g->item, g->w->store, &g->p[i].oid, DAV_ITEM_MAX);
		if (err == ERR_LIMIT) /* of a plain collection that became ours by a push */
			err = g->out->left_out(g->out->ctx, buf_str(&name), "it is over 1 MiB");
		else if (err >= 0)
			err = g->out->item(g->out->ctx, buf_str(&name), bytes);
	}
	return err;
}

struct shards {
	struct store_oid oid[256];
	size_t n;
};

static int each_shard(void *ctx, struct str file, const struct store_entry *e)
{
	struct shards *s = ctx;

	if (e->kind == STORE_TREE && dav_is_shard(file) && s->n < ARRAY_LEN(s->oid))
		s->oid[s->n++] = e->oid;
	return 0;
}

static int give_items(struct going *g, const struct store_oid *tree)
{
	struct shards *s = calloc(1, sizeof(*s));
	int err = s ? store_list(g->w->store, tree, STR_NONE, each_shard, s)
		    : err_set(ERR_NOMEM, "dav: out of memory");

	for (size_t i = 0; err >= 0 && i < s->n; i++)
		err = give_shard(g, &s->oid[i]);
	free(s);
	return err;
}

/* ---- collections ---- */
static void set(json_t *j, const char *key, struct str s)
{
	if (s.n)
		json_object_set_new(j, key, control_text(s));
}

static int give_collection(struct going *g, const struct entry *c)
{
	static const char *const kinds[] = { "plain", "calendar", "addressbook" };
	struct words_scope sc = { c->name, STR("") };
	struct dav_meta m;
	json_t *head;
	int err = dav_meta_read(&m, &g->keep, g->w->store, &c->oid);

	if (err < 0 || m.kind != g->w->service->kind)
		return err;
	head = json_pack("{s:s}", "kind", kinds[m.kind]);
	set(head, "collection", words_path(&g->keep, &sc));
	set(head, "name", m.name);
	set(head, "description", m.description);
	set(head, "color", m.color);
	set(head, "order", m.order);
	err = g->out->head(g->out->ctx, head);
	return err < 0 ? err : give_items(g, &c->oid);
}

struct below {
	struct going *g;
	struct str folder;
};

static int each_folder(void *ctx, struct str file, const struct store_entry *e)
{
	struct below *b = ctx;
	struct str path;

	if (e->kind != STORE_TREE || dav_is_shard(file))
		return 0;
	if (b->g->n == COLLECTIONS)
		return err_set(ERR_LIMIT, "dav: over %d collections", COLLECTIONS);
	path = arena_fmt(&b->g->keep, "%.*s%s%.*s", STR_ARG(b->folder), b->folder.n ? "/" : "",
		STR_ARG(file));
	return path.p ? add(b->g, &b->g->keep, path, &e->oid) : ERR_LIMIT;
}

/* All of them, those in others behind those they stand in. */
static int find_folders(struct going *g, const struct words_scope *sc, const struct store_oid *root)
{
	struct store_entry e = { .oid = *root };
	int err = 0;

	if (sc->folder.n) {
		err = store_find(&e, g->w->store, root, sc->folder);
		return err < 0 ? err : add(g, &g->keep, sc->folder, &e.oid);
	}
	err = store_list(g->w->store, root, STR_NONE, each_folder, &(struct below){ g, STR("") });
	for (size_t i = 0; i < g->n && err >= 0; i++) {
		struct below b = { g, g->p[i].name };
		struct store_oid oid = g->p[i].oid; /* the list may move */
		err = store_list(g->w->store, &oid, STR_NONE, each_folder, &b);
	}
	return err;
}

static int run(struct going *g)
{
	struct words_scope sc = { STR(""), STR("") };
	struct store_commit c;
	struct store_oid head;
	struct entry *all;
	size_t n;
	int err = store_ref_get(&head, g->w->store, g->out->ref);

	if (err == ERR_NOENT) /* nothing was ever there */
		return g->out->collection.n ? err : 0;
	if (err >= 0)
		err = store_commit_get(&c, &g->keep, g->w->store, &head);
	if (err >= 0 && g->out->collection.n)
		err = words_scope(&sc, &g->keep, g->w, g->out->ref, g->out->collection, &c.tree);
	if (err >= 0 && sc.file.n)
		err = err_set(ERR_BAD, "\"%.*s\" is an item, not a collection",
			STR_ARG(g->out->collection));
	if (err >= 0)
		err = find_folders(g, &sc, &c.tree);
	all = g->p;
	n = g->n;
	g->p = NULL;
	g->n = g->cap = 0;
	for (size_t i = 0; i < n && err >= 0; i++)
		err = give_collection(g, &all[i]);
	free(all);
	return err;
}

int dav_outgo(void *ctx, struct control_outgo *out)
{
	struct going g = { .w = ctx, .out = out };
	int err;

	arena_init(&g.keep, WORDS_ROOM);
	arena_init(&g.turn, WORDS_ROOM);
	arena_init(&g.item, DAV_ITEM_MAX + 65536);
	err = run(&g);
	arena_free(&g.keep);
	arena_free(&g.turn);
	arena_free(&g.item);
	free(g.p);
	return err;
}
