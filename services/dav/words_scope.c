/* SPDX-License-Identifier: ISC */
/* What a path names. */
#include "os/fiber.h"
#include "services/dav/words_impl.h"

#define SEARCH_MAX 20000 /* commits looked at for what is gone */

struct finder {
	struct dav_words *w;
	struct arena *a;
	struct str path;
};

/* ---- collections ---- */
struct level {
	struct store *s;
	struct arena *a;
	struct str rest, name; /* asked for; the best display name so far */
	struct store_oid oid;
	struct str folder; /* its entry */
	bool found, folded;
};

/* Does the path begin with this name? */
static bool begins(struct str path, struct str name, bool fold)
{
	struct str head = str_sub(path, 0, name.n);

	return name.n && path.n >= name.n && (path.n == name.n || path.p[name.n] == '/') &&
		(fold ? str_ieq(head, name) : str_eq(head, name));
}

/* The longest name wins, and one that is spelled the same. */
static int try_name(void *ctx, struct str file, const struct store_entry *e)
{
	struct level *l = ctx;
	struct dav_meta m;
	bool exact;

	if (e->kind != STORE_TREE || dav_is_shard(file) ||
		dav_meta_read(&m, l->a, l->s, &e->oid) < 0)
		return 0;
	exact = begins(l->rest, m.name, false);
	if (!exact && !begins(l->rest, m.name, true))
		return 0;
	if (l->found && (m.name.n < l->name.n || (m.name.n == l->name.n && !l->folded)))
		return 0;
	l->found = true;
	l->folded = !exact;
	l->name = m.name;
	l->oid = e->oid;
	l->folder = arena_dup(l->a, file);
	return l->folder.p ? 0 : err_set(ERR_LIMIT, "dav: too many collections");
}

/* One collection deeper, if the path goes on with one: 1. */
static int descend(struct level *l, const struct store_oid *tree)
{
	struct store_entry e;
	struct str seg, below;
	struct buf b;
	int err;

	str_cut(&seg, &below, l->rest, '/');
	l->found = false;
	buf_init(&b, l->a);
	buf_add(&b, STR(""));
	dav_folder_name(&b, seg);
	err = b.err < 0 ? b.err : seg.n ? store_find(&e, l->s, tree, buf_str(&b)) : ERR_NOENT;
	if (err >= 0 && e.kind == STORE_TREE) {
		l->found = true;
		l->name = seg;
		l->oid = e.oid;
		l->folder = buf_str(&b);
		return 1;
	}
	if (err < 0 && err != ERR_NOENT && err != ERR_BAD)
		return err;
	err = store_list(l->s, tree, STR_NONE, try_name, l);
	return err < 0 ? err : l->found;
}

/* The collection the path begins with; *rest follows it. ERR_NOENT. */
static int collection(struct words_scope *out, struct str *rest, struct store_oid *oid,
	const struct finder *f, const struct store_oid *tree)
{
	struct level l = { .s = f->w->store, .a = f->a, .rest = f->path };
	struct buf folder;
	int err = 1;

	*out = (struct words_scope){ STR(""), STR("") };
	*oid = *tree;
	buf_init(&folder, f->a);
	buf_add(&folder, STR(""));
	for (int depth = 0; l.rest.n && depth < DAV_SEGS_MAX; depth++) {
		err = descend(&l, oid);
		if (err <= 0)
			break;
		buf_fmt(&folder, "%s%.*s", folder.n ? "/" : "", STR_ARG(l.folder));
		*oid = l.oid;
		l.rest = str_sub(l.rest, l.name.n, l.rest.n);
		while (str_starts(l.rest, STR("/")))
			l.rest = str_sub(l.rest, 1, l.rest.n);
	}
	if (err < 0 || folder.err < 0)
		return err < 0 ? err : err_set(ERR_LIMIT, "dav: a path too long");
	out->folder = buf_str(&folder);
	*rest = l.rest;
	return folder.n || !f->path.n
		? 0
		: err_set(ERR_NOENT, "there is no collection \"%.*s\"", STR_ARG(f->path));
}

/* ---- items ---- */
static struct str file_of(struct arena *a, struct str folder, struct str name)
{
	struct buf b;

	buf_init(&b, a);
	buf_fmt(&b, "%.*s/", STR_ARG(folder));
	dav_item_file(&b, &name, 1);
	return b.err < 0 ? STR_NONE : buf_str(&b);
}

static int by_name(struct words_scope *out, const struct finder *f, const struct store_oid *tree,
	struct str name)
{
	static const char *const suffixes[] = { "", ".ics", ".vcf" };
	struct store_entry e;
	int err = ERR_NOENT;

	for (size_t i = 0; i < ARRAY_LEN(suffixes) && err == ERR_NOENT; i++) {
		struct str whole = arena_fmt(f->a, "%.*s%s", STR_ARG(name), suffixes[i]);
		struct str file = whole.p && name.n <= DAV_NAME_MAX && str_chr(name, '/') < 0
			? file_of(f->a, out->folder, whole)
			: STR_NONE;
		err = file.p ? store_find(&e, f->w->store, tree, file) : ERR_NOENT;
		if (err >= 0)
			out->file = file;
	}
	return err;
}

struct item {
	struct str name;
	struct store_oid oid;
};
struct items {
	struct arena *a;
	struct item *p;
	size_t n, cap;
};

static int add_item(void *ctx, struct str name, const struct dav_node *node)
{
	struct items *v = ctx;

	if (node->collection)
		return 0;
	if (v->n == v->cap) {
		size_t cap = v->cap ? 2 * v->cap : 256;
		struct item *p = realloc(v->p, cap * sizeof(*p));
		if (!p)
			return err_set(ERR_NOMEM, "dav: out of memory");
		v->p = p;
		v->cap = cap;
	}
	v->p[v->n] = (struct item){ arena_dup(v->a, name), node->oid };
	return v->p[v->n++].name.p
		? 0
		: err_set(ERR_LIMIT, "dav: too many items to look for a title: give the UID");
}

/* 2: its UID; 1: its title, or nearly. */
static int is_called(struct dav_words *w, const struct store_oid *blob, struct str what)
{
	struct dav_about me;
	struct arena a;
	int yes;

	arena_init(&a, DAV_ABOUT_ROOM);
	dav_about(&me, &a, words_bytes(w, &a, blob));
	yes = str_eq(me.uid, what) ? 2 : me.title.n && str_ieq(me.title, what) ? 1 : 0;
	arena_free(&a);
	return yes;
}

static int by_title(struct words_scope *out, const struct finder *f,
	const struct store_oid *collection_tree, struct str what)
{
	struct items v = { .a = f->a };
	struct str found = STR_NONE;
	int err = dav_children(f->w->store, collection_tree, add_item, &v);

	for (size_t i = 0; i < v.n && err >= 0; i++) {
		int how = is_called(f->w, &v.p[i].oid, what);
		os_yield();
		if (how == 1 && found.p)
			err = err_set(ERR_BAD,
				"\"%.*s\" is %.*s as well as %.*s: give its file's name",
				STR_ARG(what), STR_ARG(found), STR_ARG(v.p[i].name));
		if (how)
			found = v.p[i].name;
		if (how == 2)
			break;
	}
	free(v.p);
	if (err < 0)
		return err;
	if (!found.p)
		return err_set(ERR_NOENT, "there is no item \"%.*s\"", STR_ARG(what));
	out->file = file_of(f->a, out->folder, found);
	return out->file.p ? 0 : err_set(ERR_LIMIT, "dav: a path too long");
}

static int by_uid(struct words_scope *out, const struct finder *f, struct str ref,
	const struct store_oid *tree, struct str uid)
{
	struct str name;
	int err = dav_uid_find(&name, f->a, f->w->store, NULL, ref, out->folder, uid);

	return err < 0 ? err : by_name(out, f, tree, name);
}

int words_scope(struct words_scope *out, struct arena *a, struct dav_words *w, struct str ref,
	struct str path, const struct store_oid *tree)
{
	struct finder f = { w, a, path };
	struct store_oid oid;
	struct str rest;
	int err;

	while (str_ends(f.path, STR("/")))
		f.path.n--;
	err = collection(out, &rest, &oid, &f, tree);
	if (err < 0 || !rest.n)
		return err;
	err = by_name(out, &f, tree, rest);
	if (err == ERR_NOENT)
		err = by_uid(out, &f, ref, tree, rest);
	return err == ERR_NOENT ? by_title(out, &f, &oid, rest) : err;
}

/* ---- what is gone ---- */
struct back {
	struct finder f; /* its arena is of one commit */
	struct arena turn, *kept;
	struct words_scope *out;
	struct store_oid newer, last;
	struct str rest; /* of the path, behind the collection */
	bool has_newer, found;
	uint32_t seen;
};

static int went(void *ctx, const struct store_change *c)
{
	struct back *b = ctx;
	struct str folder, file, name;
	struct buf plain;

	if (!c->before || c->after || !dav_item_path(&folder, &file, c->path) ||
		!str_eq(folder, b->out->folder))
		return 0;
	buf_init(&plain, &b->turn);
	dav_name_unescape(&plain, file);
	if (plain.err < 0)
		return err_set(ERR_LIMIT, "dav: too much went at once to look through");
	name = buf_str(&plain);
	if (!str_eq(name, b->rest) &&
		!(str_starts(name, b->rest) && name.n == b->rest.n + 4 &&
			name.p[b->rest.n] == '.') &&
		!is_called(b->f.w, c->before, b->rest))
		return 0;
	b->out->file = arena_dup(b->kept, c->path);
	return ERR_EXIST;
}

/* Did it stand in this tree, and not in the one after? ERR_EXIST: yes. */
static int stood(struct back *b, const struct store_oid *tree)
{
	struct store_oid oid;
	int err = collection(b->out, &b->rest, &oid, &b->f, tree);

	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	err = b->rest.n ? store_diff(b->f.w->store, tree, &b->newer, b->out->folder, went, b)
			: ERR_EXIST;
	if (err == ERR_EXIST)
		b->out->folder = arena_dup(b->kept, b->out->folder);
	return err;
}

static int look(void *ctx, const struct store_commit *c)
{
	struct back *b = ctx;
	int err = 0;

	if (b->seen++ == SEARCH_MAX)
		return ERR_CLOSED;
	if (b->has_newer && !store_oid_eq(&b->newer, &c->tree))
		err = stood(b, &c->tree);
	arena_reset(&b->turn);
	b->newer = c->tree;
	b->last = c->id;
	b->has_newer = true;
	b->found = err == ERR_EXIST;
	return b->found ? ERR_CLOSED : err;
}

int words_scope_back(struct words_scope *out, struct store_oid *last, struct arena *a,
	struct dav_words *w, struct str path, const struct store_oid *from)
{
	struct back b = { .kept = a, .out = out };
	int err;

	arena_init(&b.turn, WORDS_ROOM);
	b.f = (struct finder){ w, &b.turn, path };
	while (str_ends(b.f.path, STR("/")))
		b.f.path.n--;
	err = store_log(w->store, from, STR(""), look, &b);
	arena_free(&b.turn);
	if (err >= 0 && !b.found)
		err = err_set(ERR_NOENT, "\"%.*s\" is not there, and nothing of that name went",
			STR_ARG(path));
	*last = b.last;
	return err;
}

struct str words_path(struct arena *a, const struct words_scope *sc)
{
	struct str folder = sc->folder, file = STR("");
	struct buf b;

	if (sc->file.n && !dav_item_path(&folder, &file, sc->file))
		return STR("");
	buf_init(&b, a);
	buf_add(&b, STR(""));
	dav_name_unescape(&b, folder);
	if (file.n)
		buf_addc(&b, '/');
	dav_name_unescape(&b, file);
	return b.err < 0 ? STR("") : buf_str(&b);
}
