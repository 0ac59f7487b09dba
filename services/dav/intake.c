/* SPDX-License-Identifier: ISC */
/* Items from elsewhere, many in one commit: each checked as a PUT would be. */
#include "os/crypto.h"
#include "services/dav/dav_impl.h"
#include "services/dav/words_impl.h"

#define COLLECTIONS 256
#define EDIT_NS     (30 * OS_SEC)
#define UID_NAME    120 /* bytes of a UID that may be a name */

struct place { /* a collection */
	struct str folder;
	struct dav_meta meta;
};
struct taking {
	struct dav_words *w;
	struct control_intake *in;
	struct store_edit *e;
	struct store_oid root;
	struct arena keep, item;
	struct place places[COLLECTIONS];
	size_t n;
	bool named; /* the one there is was asked for */
	json_t *rows;
	unsigned long long added, replaced;
};

/* ---- collections ---- */
static int add_place(struct taking *t, struct str folder, const struct store_oid *tree)
{
	struct place *p = &t->places[t->n];
	int err = dav_meta_read(&p->meta, &t->keep, t->w->store, tree);

	if (err < 0 || p->meta.kind != t->w->service->kind)
		return err;
	p->folder = arena_dup(&t->keep, folder);
	if (!p->folder.p)
		return err_set(ERR_LIMIT, "dav: too many collections");
	t->n++;
	return 0;
}

static int each(void *ctx, struct str file, const struct store_entry *e)
{
	struct taking *t = ctx;

	if (e->kind != STORE_TREE || dav_is_shard(file) || t->n == COLLECTIONS)
		return 0;
	return add_place(t, file, &e->oid);
}

/* Those every account has come first: they are where things belong. */
static void defaults_first(struct taking *t)
{
	size_t at = 0;

	for (const struct dav_default *d = t->w->service->defaults; d->folder; d++)
		for (size_t i = at; i < t->n; i++)
			if (str_eq(t->places[i].folder, str_of(d->folder))) {
				struct place p = t->places[i];
				t->places[i] = t->places[at];
				t->places[at++] = p;
				break;
			}
}

static int make_place(struct taking *t)
{
	struct place *p = &t->places[0];
	struct str path;
	struct buf folder, text;
	json_t *row;

	if (str_chr(t->in->collection, '/') >= 0 || t->in->collection.n > DAV_NAME_MAX)
		return err_set(
			ERR_NOENT, "there is no collection \"%.*s\"", STR_ARG(t->in->collection));
	buf_init(&folder, &t->keep);
	buf_init(&text, &t->keep);
	dav_folder_name(&folder, t->in->collection);
	p->meta = (struct dav_meta){ .kind = t->w->service->kind, .name = t->in->collection };
	dav_meta_format(&text, &p->meta);
	p->folder = buf_str(&folder);
	path = arena_fmt(&t->keep, "%.*s/.collection", STR_ARG(p->folder));
	if (folder.err < 0 || text.err < 0 || !path.p)
		return err_set(ERR_LIMIT, "dav: a name too long");
	t->n = 1;
	row = json_pack("{s:s,s:o}", "change", "collection-made", "collection",
		control_text(t->in->collection));
	json_array_append_new(t->rows, row);
	return store_edit_put_bytes(t->e, path, buf_str(&text));
}

static int find_places(struct taking *t)
{
	struct words_scope sc;
	struct store_entry e;
	int err = store_edit_find(&e, t->e, STR(""));

	if (err < 0)
		return err;
	t->root = e.oid;
	t->named = t->in->collection.n > 0;
	if (!t->named) {
		err = store_list(t->w->store, &t->root, STR_NONE, each, t);
		defaults_first(t);
		return err;
	}
	err = words_scope(&sc, &t->keep, t->w, t->in->ref, t->in->collection, &t->root);
	if (err == ERR_NOENT)
		return make_place(t);
	if (err >= 0 && sc.file.n)
		err = err_set(ERR_BAD, "\"%.*s\" is an item, not a collection",
			STR_ARG(t->in->collection));
	if (err >= 0)
		err = store_find(&e, t->w->store, &t->root, sc.folder);
	if (err >= 0)
		err = add_place(t, sc.folder, &e.oid);
	return err < 0 || t->n
		? err
		: err_set(ERR_BAD, "\"%.*s\" is no %s", STR_ARG(t->in->collection),
			  t->w->service->kind == DAV_CALENDAR ? "calendar" : "address book");
}

/* ---- one item ---- */
struct item {
	struct str bytes, uid;
	unsigned component;
	const struct place *place;
	struct str file, name; /* in the branch; in URLs */
	bool there;
	struct store_oid now;
};

static int file_of(struct str *out, struct taking *t, struct str folder, struct str name)
{
	struct buf b;

	buf_init(&b, &t->item);
	buf_fmt(&b, "%.*s/", STR_ARG(folder));
	dav_item_file(&b, &name, 1);
	*out = buf_str(&b);
	return b.err < 0 ? err_set(ERR_LIMIT, "dav: over the memory for one item") : 0;
}

/* Where its UID stands in that collection; ERR_NOENT. */
static int find_there(struct item *x, struct taking *t, const struct place *p)
{
	struct store_entry e;
	int err =
		dav_uid_find(&x->name, &t->item, t->w->store, t->e, t->in->ref, p->folder, x->uid);

	if (err >= 0)
		err = file_of(&x->file, t, p->folder, x->name);
	if (err >= 0)
		err = store_edit_find(&e, t->e, x->file);
	if (err < 0)
		return err;
	x->there = true;
	x->now = e.oid;
	x->place = p;
	return 0;
}

static int choose_place(struct item *x, struct taking *t)
{
	int err = ERR_NOENT;

	for (size_t i = 0; i < t->n && err == ERR_NOENT; i++)
		err = find_there(x, t, &t->places[i]);
	if (err != ERR_NOENT)
		return err;
	for (size_t i = 0; i < t->n && !x->place; i++)
		if (t->named || !t->places[i].meta.components || !x->component ||
			(t->places[i].meta.components & x->component))
			x->place = &t->places[i];
	return x->place ? 0 : err_set(ERR_BAD, "no collection takes this kind of item: name one");
}

/* A UID that is a decent file name names its item; else a hash of it does. */
static bool is_decent(struct str uid)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_@+=.";

	for (size_t i = 0; i < uid.n; i++)
		if (!memchr(plain, uid.p[i], sizeof(plain) - 1))
			return false;
	return uid.n > 0 && uid.n <= UID_NAME && uid.p[0] != '.';
}

static int new_name(struct item *x, struct taking *t)
{
	const char *suffix = t->w->service->kind == DAV_CALENDAR ? "ics" : "vcf";
	uint8_t hash[OS_SHA256_BYTES];
	struct store_entry e;
	int err = 0;

	os_sha256(hash, x->uid);
	for (int i = is_decent(x->uid) ? 0 : 1; i < 8; i++) {
		struct buf b;
		buf_init(&b, &t->item);
		if (i == 0)
			buf_add(&b, x->uid);
		else
			os_hex(&b, str_n(hash, 20));
		if (i > 1)
			buf_fmt(&b, "-%d", i);
		buf_fmt(&b, ".%s", suffix);
		x->name = buf_str(&b);
		err = b.err < 0 ? b.err : file_of(&x->file, t, x->place->folder, x->name);
		if (err >= 0)
			err = store_edit_find(&e, t->e, x->file);
		if (err == ERR_NOENT)
			return 0;
		if (err < 0)
			return err;
	}
	return err_set(ERR_EXIST, "other items have all the names for it");
}

/* Does what is there say the same? */
static bool says_the_same(struct item *x, struct taking *t)
{
	uint8_t old[DAV_MEANING], new[DAV_MEANING];
	struct str bytes = words_bytes(t->w, &t->item, &x->now);

	return str_eq(bytes, x->bytes) ||
		(dav_meaning(old, &t->item, bytes) >= 0 &&
			dav_meaning(new, &t->item, x->bytes) >= 0 &&
			memcmp(old, new, sizeof(old)) == 0);
}

/* What becomes of it, a word; NULL and < 0: refused, or the whole fails. */
static const char *decide(int *err, struct item *x, struct taking *t)
{
	const struct dav_service *s = t->w->service;
	const struct dav_meta any = { .kind = s->kind };
	struct dav_facts facts;
	struct dav_refusal why;
	unsigned takes;

	*err = s->check(&facts, &why, &t->item, &any, x->bytes);
	if (*err < 0)
		return NULL;
	x->uid = facts.uid;
	x->component = facts.component;
	*err = x->uid.n ? choose_place(x, t) : err_set(ERR_BAD, "it has no UID");
	takes = *err < 0 ? 0 : x->place->meta.components;
	if (takes && !(takes & x->component))
		*err = err_set(ERR_BAD, "this calendar is for other kinds of items");
	if (*err >= 0 && !x->there)
		*err = new_name(x, t);
	if (*err < 0)
		return NULL;
	if (x->there && t->in->keep)
		return "kept";
	return !x->there ? "added" : says_the_same(x, t) ? "unchanged" : "replaced";
}

static int tell(struct taking *t, size_t n, const struct item *x, const char *change, int why)
{
	json_t *row = json_pack("{s:I,s:s}", "n", (json_int_t)n, "change", change);
	struct words_scope sc = { .file = x->file };

	if (row && x->uid.n)
		json_object_set_new(row, "uid", control_text(x->uid));
	if (row && why < 0)
		json_object_set_new(row, "why", control_text(str_of(err_text(why))));
	else if (row)
		json_object_set_new(row, "item", control_text(words_path(&t->item, &sc)));
	return row && json_array_append_new(t->rows, row) == 0
		? 0
		: err_set(ERR_NOMEM, "out of memory");
}

static int take_one(struct taking *t, size_t n)
{
	struct item x = { .bytes = t->in->items[n] };
	const char *change;
	int err;

	arena_reset(&t->item);
	change = decide(&err, &x, t);
	if (err == ERR_BAD || err == ERR_LIMIT || err == ERR_EXIST)
		return tell(t, n, &x, "refused", err);
	if (err < 0)
		return err;
	if (strcmp(change, "added") == 0 || strcmp(change, "replaced") == 0) {
		t->added += !x.there;
		t->replaced += x.there;
		err = store_edit_put_bytes(t->e, x.file, x.bytes);
	}
	return err < 0 ? err : tell(t, n, &x, change, 0);
}

/* ---- all of them ---- */
static int commit(struct store_oid *out, struct taking *t, struct str message)
{
	struct str user = str_sub(t->in->ref, sizeof("refs/heads/") - 1, t->in->ref.n);
	struct store_why why = { .name = user, .message = message };

	why.email =
		arena_fmt(&t->keep, "%.*s@%.*s", STR_ARG(user), STR_ARG(id_domain(t->w->registry)));
	if (!message.p || !why.email.p) {
		store_edit_abort(t->e);
		return err_set(ERR_LIMIT, "dav: over the memory for one request");
	}
	return store_edit_commit(out, t->e, &why);
}

static int commit_items(struct taking *t)
{
	struct str source = str_sub(t->in->source, 0, 200);
	int err = commit(&t->in->commit, t,
		arena_fmt(&t->keep, "%s: import %llu%s%.*s\n\n%llu new, %llu replaced",
			t->w->service->name, t->added + t->replaced, source.n ? " from " : "",
			STR_ARG(source), t->added, t->replaced));

	t->in->committed = err >= 0;
	return err;
}

/* What every account has is a commit before the first import, which can then be taken back. */
static int found(struct taking *t)
{
	struct store *s = t->w->store;
	struct store_entry there;
	int err = store_edit_begin(&t->e, s, t->in->ref, os_after(EDIT_NS));

	if (err < 0 || store_edit_find(&there, t->e, STR(".gitattributes")) >= 0)
		return err;
	err = dav_found_in(t->e, &t->keep, t->w->service);
	if (err < 0) {
		store_edit_abort(t->e);
		return err;
	}
	if (t->in->dry_run)
		return 0;
	err = commit(NULL, t, arena_fmt(&t->keep, "%s: begin", t->w->service->name));
	return err < 0 ? err : store_edit_begin(&t->e, s, t->in->ref, os_after(EDIT_NS));
}

static int run(struct taking *t)
{
	struct control_intake *in = t->in;
	int err;

	if (!str_starts(in->ref, STR("refs/heads/")) || str_eq(in->ref, STR("refs/heads/estate")))
		return err_set(ERR_BAD, "%.*s is nobody's branch", STR_ARG(in->ref));
	err = found(t);
	if (err < 0)
		return err;
	err = find_places(t);
	for (size_t i = 0; i < in->n && err >= 0; i++)
		err = take_one(t, i);
	if (err < 0 || in->dry_run || t->added + t->replaced == 0)
		store_edit_abort(t->e);
	else
		err = commit_items(t);
	return err;
}

int dav_intake(void *ctx, struct control_intake *in)
{
	struct taking *t = calloc(1, sizeof(*t));
	json_t *row;
	size_t i;
	int err;

	if (!t)
		return err_set(ERR_NOMEM, "dav: out of memory");
	t->w = ctx;
	t->in = in;
	t->rows = json_array();
	arena_init(&t->keep, WORDS_ROOM);
	arena_init(&t->item, 2 * DAV_ABOUT_ROOM);
	err = run(t);
	json_array_foreach(t->rows, i, row)
	{
		if (err >= 0)
			err = in->row(in->ctx, json_incref(row));
	}
	json_decref(t->rows);
	arena_free(&t->keep);
	arena_free(&t->item);
	free(t);
	return err;
}
