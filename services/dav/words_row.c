/* SPDX-License-Identifier: ISC */
/* One change as JSON for programs, and in it a line for people. */
#include "services/dav/words_impl.h"

#define TITLE_MAX 80  /* bytes in the line; the field has all of it */
#define VALUE_MAX 300 /* of a value in a field */

struct telling {
	struct dav_words *w;
	const struct store_oid *const *trees;
	struct arena a;
	const struct words_change *c;
	bool restored;
	struct buf text;
};

struct str words_bytes(struct dav_words *w, struct arena *a, const struct store_oid *blob)
{
	struct str bytes;

	return store_blob_all(&bytes, a, w->store, blob, DAV_ITEM_MAX) < 0 ? STR("") : bytes;
}

static void set(json_t *row, const char *key, struct str s)
{
	json_object_set_new(row, key, control_text(s));
}

/* Cut between characters. */
static struct str shortened(struct str s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max > 0 && ((uint8_t)s.p[max] & 0xc0) == 0x80)
		max--;
	return str_sub(s, 0, max);
}

/* ---- where ---- */
/* What the collection is called, in the new tree or else in the old one. */
static struct str collection_name(struct telling *t, struct str folder)
{
	struct store_entry e;
	struct dav_meta m;
	struct buf b;

	for (int i = 1; i >= 0 && folder.n; i--)
		if (t->trees[i] && store_find(&e, t->w->store, t->trees[i], folder) >= 0 &&
			e.kind == STORE_TREE &&
			dav_meta_read(&m, &t->a, t->w->store, &e.oid) >= 0 && m.name.n)
			return m.name;
	buf_init(&b, &t->a);
	buf_add(&b, STR(""));
	dav_name_unescape(&b, folder);
	return b.err < 0 ? STR("") : buf_str(&b);
}

static struct str item_id(struct telling *t, struct str path)
{
	return words_path(&t->a, &(struct words_scope){ STR(""), path });
}

/* ---- items ---- */
/* One change's word for programs. */
static const char *word(const struct telling *t)
{
	const struct words_change *c = t->c;

	return c->kept          ? "kept"
		: c->was.n      ? "moved"
		: !c->has_after ? "removed"
		: c->has_before ? "changed"
		: t->restored   ? "back"
				: "added";
}

static void add_detail(struct buf *b, const struct dav_about *me)
{
	if (me->detail.n)
		buf_fmt(b, str_chr(me->detail, '@') >= 0 ? " <%.*s>" : " (%.*s)",
			STR_ARG(shortened(me->detail, TITLE_MAX)));
}

/* Words of what differs, each once: "time, location". */
static void add_words(struct buf *b, const struct dav_difference *list, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		bool told = false;
		for (size_t k = 0; k < i; k++)
			told |= str_eq(list[k].word, list[i].word);
		if (told)
			continue;
		buf_fmt(b, "%s%.*s", any ? ", " : ": ", STR_ARG(list[i].word));
		any = true;
	}
}

static void add_properties(json_t *row, struct telling *t)
{
	struct dav_difference *list;
	json_t *all = json_array();
	size_t n;

	if (dav_differences(&list, &n, &t->a, words_bytes(t->w, &t->a, &t->c->before),
		    words_bytes(t->w, &t->a, &t->c->after)) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		json_t *one = json_object();
		set(one, "name", list[i].name);
		set(one, "word", list[i].word);
		if (list[i].of.n)
			set(one, "of", list[i].of);
		set(one, "before", shortened(list[i].before, VALUE_MAX));
		set(one, "after", shortened(list[i].after, VALUE_MAX));
		json_array_append_new(all, one);
	}
	json_object_set_new(row, "properties", all);
	if (n)
		add_words(&t->text, list, n);
	else if (!t->c->was.n)
		buf_add(&t->text, STR(": nothing that is shown"));
}

static void add_item(json_t *row, struct telling *t, struct str folder, struct str file)
{
	static const struct {
		const char *change, *said, *restored;
	} before[] = { { "added", "added ", "" }, { "back", "", "back " },
		{ "removed", "removed ", "removed " }, { "changed", "changed ", "as it was " },
		{ "moved", "", "back " }, { "kept", "", "left, something newer is in its way " } };
	const struct words_change *c = t->c;
	struct dav_about me;
	struct str was_folder, was_file, title, name = collection_name(t, folder);
	struct buf plain;

	dav_about(&me, &t->a, words_bytes(t->w, &t->a, c->has_after ? &c->after : &c->before));
	buf_init(&plain, &t->a);
	dav_name_unescape(&plain, file);
	title = me.title.n ? me.title : me.uid.n || plain.err < 0 ? me.uid : buf_str(&plain);
	set(row, "collection", folder);
	set(row, "name", name);
	set(row, "item", item_id(t, c->path));
	json_object_set_new(row, "kind", json_string(me.kind ? me.kind : "file"));
	set(row, "uid", me.uid);
	set(row, "title", title);
	set(row, "detail", me.detail);
	if (c->was.n && dav_item_path(&was_folder, &was_file, c->was)) {
		set(row, "was", item_id(t, c->was));
		if (!str_eq(was_folder, folder))
			buf_fmt(&t->text, "%.*s -> ", STR_ARG(collection_name(t, was_folder)));
	}
	buf_fmt(&t->text, "%.*s: ", STR_ARG(name));
	for (size_t i = 0; i < ARRAY_LEN(before); i++)
		if (strcmp(before[i].change, word(t)) == 0)
			buf_addz(&t->text, t->restored ? before[i].restored : before[i].said);
	buf_fmt(&t->text, "\"%.*s%s\"", STR_ARG(shortened(title, TITLE_MAX)),
		title.n > TITLE_MAX ? "…" : "");
	if (c->has_before && c->has_after && !c->kept)
		add_properties(row, t);
	else
		add_detail(&t->text, &me);
}

/* ---- collections ---- */
static void add_collection(json_t *row, struct telling *t, struct str folder)
{
	const struct words_change *c = t->c;
	struct str name = collection_name(t, folder);
	const char *what = t->w->service->kind == DAV_CALENDAR ? "calendar" : "address book";
	const char *change = !c->has_after ? "collection-removed"
		: c->has_before            ? "collection-changed"
					   : "collection-made";

	json_object_set_new(row, "change", json_string(c->kept ? "kept" : change));
	set(row, "collection", folder);
	set(row, "name", name);
	buf_fmt(&t->text, "%s %.*s %s", what, STR_ARG(name),
		c->kept                 ? "stays: there is more in it now"
			: !c->has_after ? "removed"
			: c->has_before ? t->restored ? "as it was: name, colour or the like"
						      : "changed: name, colour or the like"
			: t->restored   ? "made again"
					: "made");
}

static bool is_collection(struct str *folder, struct str path)
{
	static const char end[] = "/.collection";

	if (!str_ends(path, str_of(end)))
		return false;
	*folder = str_sub(path, 0, path.n - (sizeof(end) - 1));
	return true;
}

json_t *words_row(struct dav_words *w, const struct store_oid *const trees[2],
	const struct words_change *c, bool restored)
{
	struct telling t = { .w = w, .trees = trees, .c = c, .restored = restored };
	struct str folder, file;
	json_t *row = c->gone ? NULL : json_object();

	if (!row)
		return NULL;
	arena_init(&t.a, 2 * DAV_ABOUT_ROOM);
	buf_init(&t.text, NULL);
	if (is_collection(&folder, c->path)) {
		add_collection(row, &t, folder);
	} else if (dav_item_path(&folder, &file, c->path)) {
		json_object_set_new(row, "change", json_string(word(&t)));
		add_item(row, &t, folder, file);
	}
	if (t.text.n) {
		set(row, "text", buf_str(&t.text));
	} else { /* what nobody needs to know of, such as an item's dead properties */
		json_decref(row);
		row = NULL;
	}
	buf_free(&t.text);
	arena_free(&t.a);
	return row;
}
