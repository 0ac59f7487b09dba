/* SPDX-License-Identifier: ISC */
/*
 * The commits that changed a collection or an item: those whose tree holds something else there than
 * their first parent's. An item is followed to where it stood before it was moved: in the commit that
 * brought it here, one with the same bytes went from there.
 */
#include "services/dav/words_impl.h"

struct follow {
	struct dav_words *w;
	struct control_walk *walk;
	struct arena *kept; /* the caller's */
	struct words_scope scope;
	struct store_oid id, tree; /* of the commit before (a newer one) */
	struct store_oid now;      /* what stood there in it, if has_now */
	bool has_id, has_now, seen, enough;
	uint64_t scanned;
};

static int at(struct store_oid *out, bool *there, struct follow *f, const struct store_oid *tree)
{
	struct store_entry e;
	int err = store_find(&e, f->w->store, tree, words_under(&f->scope));

	*there = err >= 0;
	*out = e.oid;
	return err == ERR_NOENT ? 0 : err;
}

static int tell(struct follow *f)
{
	struct store_commit c;
	struct arena a;
	int err;

	arena_init(&a, 1 << 20);
	err = store_commit_get(&c, &a, f->w->store, &f->id);
	if (err >= 0)
		err = f->walk->fn(f->walk->ctx, &c, words_path(f->kept, &f->scope));
	arena_free(&a);
	return err;
}

static int same_bytes(void *ctx, const struct store_change *c)
{
	struct follow *f = ctx;

	if (!c->before || c->after || !store_oid_eq(c->before, &f->now))
		return 0;
	f->scope.file = arena_dup(f->kept, c->path);
	return ERR_EXIST;
}

/* It is not in `older`, but in the commit after: did it stand elsewhere? */
static int moved_from(struct follow *f, const struct store_oid *older, bool *there)
{
	int err = store_diff(f->w->store, older, &f->tree, STR(""), same_bytes, f);

	*there = err == ERR_EXIST;
	return err == ERR_EXIST ? 0 : err;
}

static int on_commit(void *ctx, const struct store_commit *c)
{
	struct follow *f = ctx;
	struct store_oid then;
	bool there;
	int err = at(&then, &there, f, &c->tree);

	if (err >= 0 && f->has_id &&
		(there != f->has_now || (there && !store_oid_eq(&then, &f->now)))) {
		err = tell(f);
		if (err >= 0 && !there && f->scope.file.n)
			err = moved_from(f, &c->tree, &there);
		then = there && err >= 0 ? (at(&then, &there, f, &c->tree) < 0 ? f->now : then)
					 : then;
	}
	f->seen |= there;
	f->now = then;
	f->has_now = there;
	f->id = c->id;
	f->tree = c->tree;
	f->has_id = true;
	if (err >= 0 && f->scanned++ == f->walk->scan_max) {
		f->walk->more = f->enough = true;
		f->walk->next = c->id;
		f->walk->next_path = words_path(f->kept, &f->scope);
		return ERR_CLOSED;
	}
	f->enough |= err < 0;
	return err;
}

/* The first commit of all made what it holds. */
static int tell_first(struct follow *f)
{
	struct store_commit c;
	struct arena a;
	bool first;
	int err;

	if (!f->has_id || f->enough || !f->has_now)
		return 0;
	arena_init(&a, 1 << 20);
	err = store_commit_get(&c, &a, f->w->store, &f->id);
	first = err >= 0 && c.parent_count == 0;
	arena_free(&a);
	return first ? tell(f) : err;
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
	struct follow f = { .w = ctx, .walk = walk, .kept = a };
	struct store_commit c;
	struct store_oid last;
	struct arena turn;
	int err;

	arena_init(&turn, 1 << 20);
	err = store_commit_get(&c, &turn, f.w->store, &walk->from);
	arena_free(&turn);
	arena_init(&turn, WORDS_ROOM);
	f.kept = &turn;
	if (err >= 0)
		err = words_scope(&f.scope, &turn, f.w, walk->ref, walk->path, &c.tree);
	if (err == ERR_NOENT && walk->goes_on)
		err = at_its_word(&f.scope, &turn, walk->path);
	else if (err == ERR_NOENT)
		err = words_scope_back(&f.scope, &last, &turn, f.w, walk->path, &walk->from);
	if (err >= 0)
		err = store_log(f.w->store, &walk->from, STR(""), on_commit, &f);
	if (err >= 0)
		err = tell_first(&f);
	if (walk->more && walk->next_path.p) {
		walk->next_path = arena_dup(a, walk->next_path);
	}
	arena_free(&turn);
	return err == ERR_CLOSED ? 0 : err;
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
