/* SPDX-License-Identifier: ISC */
/* History in files, for services without words of their own and for people who ask for it. Rows are
 * gathered first and sent then: reads of the store may not wait for a peer. */
#include "services/control/control_impl.h"

#define CHANGES_MAX 500
#define TEXT_MAX    4096        /* bytes of a blob shown as text */
#define TEXTS_MAX   (96 * 1024) /* of all of them together */

struct rows {
	struct store *s;
	struct arena arena;
	json_t *list;
	uint64_t texts; /* bytes of blobs taken so far */
	bool more;      /* there would have been more */
};

static bool is_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && !strchr("\t\r\n", s.p[i]))
			return false;
	return memchr(s.p, '\0', s.n) == NULL;
}

/* The blob as a JSON string when it is small text, else null; its size in any case. */
static json_t *side(struct rows *r, const struct store_oid *id)
{
	char hex[STORE_HEX];
	json_t *text = NULL;
	struct str bytes;
	uint64_t size;

	if (!id)
		return json_null();
	if (store_blob_size(&size, r->s, id) < 0)
		return json_pack("{s:s,s:n,s:n}", "oid", store_oid_hex(hex, id), "size", "text");
	if (size <= TEXT_MAX && r->texts + size <= TEXTS_MAX &&
		store_blob_all(&bytes, &r->arena, r->s, id, TEXT_MAX) == 0) {
		r->texts += size;
		if (bytes.n == 0 || is_text(bytes))
			text = control_text(bytes);
	}
	return json_pack("{s:s,s:I,s:o}", "oid", store_oid_hex(hex, id), "size", (json_int_t)size,
		"text", text ? text : json_null());
}

static int change_row(void *ctx, const struct store_change *ch)
{
	struct rows *r = ctx;
	const char *change = !ch->before ? "added" : !ch->after ? "removed" : "changed";

	if (json_array_size(r->list) >= CHANGES_MAX) {
		r->more = true;
		return ERR_CLOSED;
	}
	return json_array_append_new(r->list,
		       json_pack("{s:s,s:o,s:o,s:o}", "change", change, "path",
			       control_text(ch->path), "before", side(r, ch->before), "after",
			       side(r, ch->after))) < 0
		? ERR_NOMEM
		: 0;
}

static int diff(void *ctx, struct str ref, const struct store_oid *old_tree,
	const struct store_oid *new_tree, struct str path, control_row_fn *fn, void *to)
{
	struct rows r = { .s = ctx, .list = json_array() };
	json_t *row;
	size_t i;
	int err;

	(void)ref;
	arena_init(&r.arena, 1 << 20);
	err = store_diff(r.s, old_tree, new_tree, path, change_row, &r);
	if (err == ERR_CLOSED && r.more)
		err = 0;
	json_array_foreach(r.list, i, row)
	{
		if (err == 0)
			err = fn(to, json_incref(row));
	}
	if (err == 0 && r.more)
		err = fn(to, json_pack("{s:b}", "more", 1));
	json_decref(r.list);
	arena_free(&r.arena);
	return err;
}

/* ---- log ---- */
struct follow {
	struct store *s;
	struct control_walk *w;
};
struct state {
	bool there;
	struct store_entry e;
};

static int look(void *ctx, void *state, const struct store_oid *tree, const void *newer,
	const struct store_oid *newer_tree)
{
	struct follow *f = ctx;
	struct state *st = state;
	int err = store_find(&st->e, f->s, tree, f->w->path);

	(void)newer, (void)newer_tree;
	st->there = err >= 0;
	return err == ERR_NOENT ? 0 : err;
}

static bool same(const void *a, const void *b)
{
	const struct state *x = a, *y = b;

	return x->there == y->there && (!x->there || store_oid_eq(&x->e.oid, &y->e.oid));
}

static int told(void *ctx, const struct store_commit *c, const void *state, const void *before)
{
	struct follow *f = ctx;

	if (!before && !((const struct state *)state)->there)
		return 0;
	return f->w->fn(f->w->ctx, c, f->w->path);
}

static int walk_log(void *ctx, struct arena *a, struct control_walk *w)
{
	static const struct store_lines_ops ops = { sizeof(struct state), look, same, told };
	struct follow f = { ctx, w };
	int err;

	(void)a;
	w->next = w->from;
	err = store_lines_walk(&w->next, f.s, &ops, &f, w->scan_max);
	w->more = w->next.n > 0;
	w->next_path = w->path;
	return err;
}

void control_files(struct control_words *out, struct store *s)
{
	*out = (struct control_words){ .diff = diff, .log = walk_log, .ctx = s };
}
