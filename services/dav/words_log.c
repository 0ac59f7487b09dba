/* SPDX-License-Identifier: ISC */
/*
 * The commits that changed a collection or an item: those whose tree holds something else there than
 * all their parents' (store/lines.h). An item is followed to where it stood before it was moved: in
 * the commit that brought it here, one with the same bytes went from there.
 */
#include "services/dav/words_impl.h"

struct follow {
	struct dav_words *w;
	struct control_walk *walk;
	struct arena *kept; /* the caller's */
	struct words_scope scope;
	struct words_scope last; /* that was looked at */
	struct store_oid sought; /* bytes of what may have been moved */
};
struct state {
	struct words_scope scope;
	struct store_oid oid;
	bool there;
};

static int at(struct state *st, struct follow *f, const struct store_oid *tree)
{
	struct store_entry e;
	int err = store_find(&e, f->w->store, tree, words_under(&st->scope));

	st->there = err >= 0;
	st->oid = e.oid;
	return err == ERR_NOENT ? 0 : err;
}

static int same_bytes(void *ctx, const struct store_change *c)
{
	struct follow *f = ctx;

	if (!c->before || c->after || !store_oid_eq(c->before, &f->sought))
		return 0;
	f->last.file = arena_dup(f->kept, c->path);
	return ERR_EXIST;
}

/* It is not in `older`, but in the commit after: did it stand elsewhere? */
static int moved_from(struct state *st, struct follow *f, const struct store_oid *older,
	const struct state *newer, const struct store_oid *newer_tree)
{
	int err;

	f->sought = newer->oid;
	f->last = st->scope;
	err = store_diff(f->w->store, older, newer_tree, STR(""), same_bytes, f);
	if (err != ERR_EXIST)
		return err;
	st->scope = f->last;
	return st->scope.file.p ? at(st, f, older)
				: err_set(ERR_LIMIT, "dav: it was moved too often");
}

static int look(void *ctx, void *state, const struct store_oid *tree, const void *newer,
	const struct store_oid *newer_tree)
{
	struct follow *f = ctx;
	struct state *st = state;
	const struct state *after = newer;
	int err;

	st->scope = after ? after->scope : f->scope;
	err = at(st, f, tree);
	if (err >= 0 && after && after->there && !st->there && st->scope.file.n)
		err = moved_from(st, f, tree, after, newer_tree);
	f->last = st->scope;
	return err;
}

static bool same(const void *a, const void *b)
{
	const struct state *x = a, *y = b;

	return x->there == y->there &&
		(!x->there ||
			(store_oid_eq(&x->oid, &y->oid) && str_eq(x->scope.file, y->scope.file)));
}

static int told(void *ctx, const struct store_commit *c, const void *state, const void *before)
{
	struct follow *f = ctx;
	const struct state *st = state;

	if (!before && !st->there)
		return 0;
	return f->walk->fn(f->walk->ctx, c, words_path(f->kept, &st->scope));
}

/* Where a walk goes on, the path is one of ours and may name what is not there. */
static int at_its_word(struct words_scope *out, struct arena *a, struct str path)
{
	size_t cut = path.n;
	struct buf b;

	while (cut > 0 && path.p[cut - 1] != '/')
		cut--;
	if (!str_ends(path, STR(".ics")) && !str_ends(path, STR(".vcf")))
		cut = path.n + 1;
	buf_init(&b, a);
	buf_add(&b, STR(""));
	struct str seg, rest = str_sub(path, 0, cut ? cut - 1 : 0);
	while (rest.n) {
		str_cut(&seg, &rest, rest, '/');
		if (b.n)
			buf_addc(&b, '/');
		dav_folder_name(&b, seg);
	}
	*out = (struct words_scope){ arena_dup(a, buf_str(&b)), STR("") };
	if (cut <= path.n) {
		struct str name = str_sub(path, cut, path.n);
		buf_addc(&b, '/');
		dav_item_file(&b, &name, 1);
		out->file = buf_str(&b);
	}
	return b.err < 0 || !out->folder.p ? err_set(ERR_LIMIT, "dav: a path too long") : 0;
}

int words_log(void *ctx, struct arena *a, struct control_walk *walk)
{
	static const struct store_lines_ops ops = { sizeof(struct state), look, same, told };
	struct follow f = { .w = ctx, .walk = walk };
	struct store_commit c;
	struct store_oid last;
	struct arena turn;
	int err;

	arena_init(&turn, 1 << 20);
	err = store_commit_get(&c, &turn, f.w->store, walk->from.open);
	arena_free(&turn);
	arena_init(&turn, WORDS_ROOM);
	f.kept = &turn;
	if (err >= 0)
		err = words_scope(&f.scope, &turn, f.w, walk->ref, walk->path, &c.tree);
	if (err == ERR_NOENT && walk->goes_on)
		err = at_its_word(&f.scope, &turn, walk->path);
	else if (err == ERR_NOENT)
		err = words_scope_back(&f.scope, &last, &turn, f.w, walk->path, walk->from.open);
	walk->next = walk->from;
	if (err >= 0)
		err = store_lines_walk(&walk->next, f.w->store, &ops, &f, walk->scan_max);
	if (err >= 0 && walk->next.n > 0) {
		struct str path = walk->more ? walk->next_path : words_path(&turn, &f.last);
		walk->more = true;
		walk->next_path = arena_dup(a, path);
	}
	arena_free(&turn);
	return err;
}

int words_last(struct store_oid *out, void *ctx, struct str ref, struct str path)
{
	struct dav_words *w = ctx;
	struct words_scope sc;
	struct store_commit c;
	struct store_oid head;
	struct arena a;
	int err = store_ref_get(&head, w->store, ref);

	arena_init(&a, WORDS_ROOM);
	if (err >= 0)
		err = store_commit_get(&c, &a, w->store, &head);
	if (err >= 0)
		err = words_scope(&sc, &a, w, ref, path, &c.tree);
	if (err >= 0)
		err = err_set(
			ERR_EXIST, "\"%.*s\" is there now: as of when (--at)?", STR_ARG(path));
	else if (err == ERR_NOENT)
		err = words_scope_back(&sc, out, &a, w, path, &head);
	arena_free(&a);
	return err;
}
