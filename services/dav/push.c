/* SPDX-License-Identifier: ISC */
/* Checking a push: what differs from the commit the device began from. */
#include "services/dav/push.h"
#include "services/dav/dav_impl.h"

#define ARENA_BYTES   (16u << 20)
#define SCRATCH_BYTES (24u << 20)
#define CHANGES_MAX   100000
#define REST_TURNS    16
#define PATH_SHOWN    120

struct new_item {
	struct str folder, uid, name;
};
struct push {
	const struct dav_config *cfg;
	struct store *s;
	struct store_oid tree, base;
	bool has_base;
	struct dav_request rows; /* whose branch the rows are asked of */
	struct arena a, scratch;
	struct new_item *items; /* those with a UID */
	size_t item_n, item_cap;
	struct str folder; /* whose kind is known */
	struct dav_meta meta;
	unsigned changes;
};

static int bad(struct str path, const char *what)
{
	return err_set(ERR_BAD, "\"%.*s\" %s", (int)(path.n < PATH_SHOWN ? path.n : PATH_SHOWN),
		path.p, what);
}

/* ---- where the device began ---- */
static int tree_of(struct store_oid *tree, struct push *u, const struct store_oid *commit)
{
	struct store_commit c;
	int err = store_commit_get(&c, &u->scratch, u->s, commit);

	if (err >= 0)
		*tree = c.tree;
	arena_reset(&u->scratch);
	return err;
}

static int find_base(struct push *u, const struct git_push *p)
{
	struct store_oid head, common;
	size_t n = 0;
	int err = store_ref_get(&head, u->s, u->rows.ref);

	if (err == ERR_NOENT)
		return 0;
	if (err >= 0)
		err = store_merge_base(&common, &n, 1, u->s, &head, p->tip);
	if (err >= 0 && n == 0)
		return err_set(ERR_BAD, "it shares no history with %.*s: begin from a clone",
			STR_ARG(u->rows.ref));
	u->has_base = true;
	return err < 0 ? err : tree_of(&u->base, u, &common);
}

/* ---- names ---- */
/* The names a folder stands for, if it is spelled as they are; false: it is not. */
static bool read_folder(struct str segs[DAV_SEGS_MAX], size_t *n, struct push *u, struct str folder)
{
	struct str one, rest = folder;
	struct buf name, again;

	buf_init(&again, &u->scratch);
	for (*n = 0; rest.n > 0; (*n)++) {
		str_cut(&one, &rest, rest, '/');
		buf_init(&name, &u->scratch);
		dav_name_unescape(&name, one);
		if (*n == DAV_SEGS_MAX - 1 || name.err < 0 || name.n == 0 || name.n > DAV_NAME_MAX)
			return false;
		segs[*n] = buf_str(&name);
	}
	buf_add(&again, STR(""));
	dav_collection_folder(&again, segs, *n);
	return again.err >= 0 && *n > 0 && str_eq(buf_str(&again), folder);
}

/* Is `path`, of an item or its properties, where its name belongs? */
static bool read_item(struct str *name, struct push *u, struct str folder, struct str file,
	struct str path, bool props)
{
	struct str segs[DAV_SEGS_MAX];
	struct buf b, again;
	size_t n;

	if (!read_folder(segs, &n, u, folder))
		return false;
	buf_init(&b, &u->a);
	dav_name_unescape(&b, file);
	if (b.err < 0 || b.n == 0 || b.n > DAV_NAME_MAX || memchr(b.p, '/', b.n) ||
		memchr(b.p, 0, b.n) || str_eq(buf_str(&b), STR(".")) ||
		str_eq(buf_str(&b), STR("..")))
		return false;
	segs[n++] = *name = buf_str(&b);
	buf_init(&again, &u->scratch);
	if (props)
		dav_props_file(&again, segs, n);
	else
		dav_item_file(&again, segs, n);
	return again.err >= 0 && str_eq(buf_str(&again), path);
}

/* ---- collections ---- */
static int read_meta(
	struct push *u, const struct store_oid *tree, struct str folder, struct str *text)
{
	struct str path = arena_fmt(&u->scratch, "%.*s/.collection", STR_ARG(folder));
	struct store_entry e;
	int err = path.p ? store_find(&e, u->s, tree, path) : ERR_LIMIT;

	if (err >= 0 && e.kind != STORE_BLOB)
		err = ERR_NOENT;
	return err < 0 ? err : store_blob_all(text, &u->scratch, u->s, &e.oid, DAV_META_MAX);
}

/* The collection the folder is, of the tip. */
static int collection(struct push *u, struct str folder)
{
	struct str text;
	int err;

	if (u->folder.p && str_eq(u->folder, folder))
		return 0;
	err = read_meta(u, &u->tree, folder, &text);
	if (err == ERR_NOENT)
		return bad(folder, "has items but no .collection");
	if (err >= 0)
		text = arena_dup(&u->a, text);
	u->folder = arena_dup(&u->a, folder);
	if (err >= 0 && (!text.p || !u->folder.p))
		return err_set(ERR_LIMIT, "it changes too much at once: push less");
	return err < 0 ? err : dav_meta_parse(&u->meta, &u->a, text);
}

static int check_text(struct str path, struct str text)
{
	struct str line;

	if (text.n == 0 || !str_ends(text, STR("\n")) || memchr(text.p, 0, text.n))
		return bad(path, "is not lines \"key value\"");
	while (text.n) {
		str_cut(&line, &text, text, '\n');
		if (str_chr(line, ' ') <= 0)
			return bad(path, "is not lines \"key value\"");
	}
	return 0;
}

static int read_file(struct str *text, struct push *u, struct str path, const struct store_oid *id)
{
	int err = store_blob_all(text, &u->scratch, u->s, id, DAV_META_MAX);

	if (err == ERR_LIMIT)
		return err_set(ERR_BAD, "\"%.*s\" is over %d bytes",
			(int)(path.n < PATH_SHOWN ? path.n : PATH_SHOWN), path.p, DAV_META_MAX);
	return err < 0 ? err : check_text(path, *text);
}

/* Nothing but plain ones leads to a collection. */
static int check_above(struct push *u, struct str folder)
{
	struct dav_meta meta;
	struct str text;

	for (size_t i = 0; i < folder.n; i++) {
		if (folder.p[i] != '/')
			continue;
		int err = read_meta(u, &u->tree, str_sub(folder, 0, i), &text);
		if (err == ERR_NOENT)
			return bad(
				str_sub(folder, 0, i), "has collections in it but no .collection");
		if (err >= 0)
			err = dav_meta_parse(&meta, &u->scratch, text);
		if (err >= 0 && meta.kind != DAV_PLAIN)
			return bad(folder, "is a collection in one that is not plain");
		if (err < 0)
			return err;
	}
	return 0;
}

static int check_collection(struct push *u, const struct store_change *c)
{
	struct str segs[DAV_SEGS_MAX], text, was, folder = str_sub(c->path, 0, c->path.n - 12);
	struct dav_meta meta, before;
	struct store_entry e;
	size_t n;
	int err;

	if (!c->after)
		return store_find(&e, u->s, &u->tree, folder) < 0
			? 0
			: bad(folder, "is no collection any more, but not empty");
	if (!read_folder(segs, &n, u, folder))
		return bad(folder, "is not how a collection's folder is written");
	err = read_file(&text, u, c->path, c->after);
	if (err >= 0)
		err = dav_meta_parse(&meta, &u->scratch, text);
	if (err >= 0 && !str_starts(text, STR("kind ")))
		return bad(c->path, "does not begin with its kind");
	if (err >= 0 && meta.kind != DAV_PLAIN && meta.kind != u->cfg->service->kind)
		return bad(c->path, "is of a kind that is not kept here");
	if (err >= 0 && c->before) {
		err = store_blob_all(&was, &u->scratch, u->s, c->before, DAV_META_MAX);
		if (err >= 0)
			err = dav_meta_parse(&before, &u->scratch, was);
		if (err >= 0 && before.kind != meta.kind)
			return bad(c->path, "changes the kind of the collection");
	}
	return err < 0 ? err : check_above(u, folder);
}

/* ---- items ---- */
static int add_item(struct push *u, struct str folder, struct str name, struct str uid)
{
	struct new_item *more;

	if (u->item_n == u->item_cap) {
		u->item_cap = u->item_cap ? 2 * u->item_cap : 64;
		more = realloc(u->items, u->item_cap * sizeof(*more));
		if (!more)
			return err_set(ERR_NOMEM, "out of memory");
		u->items = more;
	}
	u->items[u->item_n] =
		(struct new_item){ arena_dup(&u->a, folder), arena_dup(&u->a, uid), name };
	more = &u->items[u->item_n++];
	return more->folder.p && more->uid.p
		? 0
		: err_set(ERR_LIMIT, "it changes too much at once: push less");
}

static int check_item(
	struct push *u, const struct store_change *c, struct str folder, struct str file)
{
	struct dav_facts facts = { .uid = STR("") };
	struct dav_refusal why;
	struct str name, bytes;
	int err;

	if (!c->after)
		return 0;
	if (!read_item(&name, u, folder, file, c->path, false))
		return bad(c->path, "is not where an item of this name stands");
	err = collection(u, folder);
	if (err >= 0)
		err = store_blob_all(&bytes, &u->scratch, u->s, c->after, DAV_ITEM_MAX);
	if (err == ERR_LIMIT)
		return bad(c->path, "is larger than 1 MiB");
	if (err < 0 || u->meta.kind != u->cfg->service->kind)
		return err;
	err = u->cfg->service->check(&facts, &why, &u->scratch, &u->meta, bytes);
	if (err == ERR_BAD || err == ERR_LIMIT) {
		struct str said = arena_dup(&u->scratch, str_of(err_text(err)));
		return err_set(ERR_BAD, "\"%.*s\": %s",
			(int)(c->path.n < PATH_SHOWN ? c->path.n : PATH_SHOWN), c->path.p,
			said.p ? said.p : "no item of this collection");
	}
	return err >= 0 && facts.uid.n ? add_item(u, folder, name, facts.uid) : err;
}

static int check_props(struct push *u, const struct store_change *c, size_t cut)
{
	struct str name, text, folder = str_sub(c->path, 0, cut > 4 ? cut - 4 : 0);
	struct str file = str_sub(c->path, cut + 2, c->path.n);
	struct store_entry e;
	struct str item;
	int err;

	if (!c->after)
		return 0;
	if (!read_item(&name, u, folder, file, c->path, true))
		return bad(c->path, "is not where properties of this name stand");
	item = arena_fmt(&u->scratch, "%.*s%.*s", (int)cut, c->path.p, STR_ARG(file));
	if (!item.p || store_find(&e, u->s, &u->tree, item) < 0)
		return bad(c->path, "has no item");
	err = read_file(&text, u, c->path, c->after);
	return err;
}

static int by_uid(const void *a, const void *b)
{
	const struct new_item *x = a, *y = b;
	int cmp = str_cmp(x->folder, y->folder);

	return cmp ? cmp : str_cmp(x->uid, y->uid);
}

/* Another item of the tip has this UID, one that was there before? */
static int check_known(struct push *u, const struct new_item *i)
{
	struct str segs[DAV_SEGS_MAX], name, bytes;
	struct dav_facts facts;
	struct dav_refusal why;
	struct store_entry e;
	struct buf path;
	size_t n;
	int err = dav_uid_name(&name, &u->rows, NULL, i->folder, i->uid);

	if (err < 0 || str_eq(name, i->name) || !read_folder(segs, &n, u, i->folder))
		return err == ERR_NOENT ? 0 : err < 0 ? err : 0;
	segs[n++] = name;
	buf_init(&path, &u->scratch);
	dav_item_file(&path, segs, n);
	err = path.err < 0 ? path.err : store_find(&e, u->s, &u->tree, buf_str(&path));
	if (err >= 0)
		err = store_blob_all(&bytes, &u->scratch, u->s, &e.oid, DAV_ITEM_MAX);
	if (err < 0)
		return err == ERR_NOENT || err == ERR_LIMIT ? 0 : err;
	if (u->cfg->service->check(&facts, &why, &u->scratch, NULL, bytes) < 0 ||
		!str_eq(facts.uid, i->uid))
		return 0;
	return err_set(ERR_BAD, "\"%.*s\" and \"%.*s\" in \"%.*s\" have the same UID",
		STR_ARG(i->name), STR_ARG(name), STR_ARG(i->folder));
}

static int check_uids(struct push *u)
{
	int err = 0;

	if (u->item_n > 1)
		qsort(u->items, u->item_n, sizeof(*u->items), by_uid);
	for (size_t i = 0; i < u->item_n && err >= 0; i++) {
		if (i > 0 && by_uid(&u->items[i - 1], &u->items[i]) == 0)
			return err_set(ERR_BAD,
				"\"%.*s\" and \"%.*s\" in \"%.*s\" have the same UID",
				STR_ARG(u->items[i - 1].name), STR_ARG(u->items[i].name),
				STR_ARG(u->items[i].folder));
		err = check_known(u, &u->items[i]);
		arena_reset(&u->scratch);
		if (i % REST_TURNS == 0)
			os_yield();
	}
	return err;
}

/* ---- what differs ---- */
static int check_attributes(struct push *u, const struct store_change *c)
{
	struct str text = STR("");
	int err = c->after ? store_blob_all(&text, &u->scratch, u->s, c->after, 4096) : 0;

	return err < 0 && err != ERR_LIMIT       ? err
		: str_eq(text, STR("* -text\n")) ? 0
						 : bad(c->path, "must say \"* -text\"");
}

static int check_change(struct push *u, const struct store_change *c)
{
	size_t cut = c->path.n;
	struct str folder, file;

	if (str_eq(c->path, STR(".gitattributes")))
		return check_attributes(u, c);
	if (str_ends(c->path, STR("/.collection")))
		return check_collection(u, c);
	if (dav_item_path(&folder, &file, c->path))
		return check_item(u, c, folder, file);
	while (cut > 0 && c->path.p[cut - 1] != '/')
		cut--;
	if (cut > 3 && str_starts(str_sub(c->path, cut, c->path.n), STR("%=")))
		return check_props(u, c, cut);
	return c->after ? bad(c->path, "is no part of a collection (docs/dav-layout.md)") : 0;
}

static int on_change(void *ctx, const struct store_change *c)
{
	struct push *u = ctx;
	int err;

	if (++u->changes > CHANGES_MAX)
		return err_set(ERR_LIMIT, "over %d files at once: push less", CHANGES_MAX);
	if (u->changes % REST_TURNS == 0)
		os_yield(); /* trees that were opened are the walk's own */
	err = check_change(u, c);
	arena_reset(&u->scratch);
	return err;
}

static int check(struct push *u, const struct git_push *p)
{
	int err = tree_of(&u->tree, u, p->tip);

	if (err >= 0)
		err = find_base(u, p);
	if (err >= 0)
		err = store_diff(
			u->s, u->has_base ? &u->base : NULL, &u->tree, STR(""), on_change, u);
	return err < 0 ? err : check_uids(u);
}

int dav_push_check(void *config, const struct git_push *p)
{
	struct push *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return err_set(ERR_NOMEM, "out of memory");
	u->cfg = config;
	u->s = u->cfg->store;
	arena_init(&u->a, ARENA_BYTES);
	arena_init(&u->scratch, SCRATCH_BYTES);
	arena_init(&u->rows.a, ARENA_BYTES);
	u->rows.cfg = config;
	u->rows.ref = arena_fmt(&u->a, "refs/heads/%.*s", STR_ARG(p->user));
	err = u->rows.ref.p ? check(u, p) : err_set(ERR_LIMIT, "the user's name is too long");
	arena_free(&u->rows.a);
	arena_free(&u->scratch);
	arena_free(&u->a);
	free(u->items);
	free(u);
	return err;
}
