/* SPDX-License-Identifier: ISC */
/* Folders of mailboxes in two trees, side by side, descending only where they differ. */
#include "services/mail/mailbox_impl.h"

static int too_many(void)
{
	return err_set(ERR_LIMIT, "mail: too many mailboxes");
}

static int add_below(struct mail_folder *f, struct str name, const struct store_oid *oid)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		struct mail_below *more = arena_alloc(f->a, cap * sizeof(*more));
		if (more == NULL)
			return too_many();
		if (f->n > 0)
			memcpy(more, f->below, f->n * sizeof(*more));
		f->below = more;
		f->cap = cap;
	}
	struct mail_below *it = &f->below[f->n++];
	it->oid = *oid;
	it->name = arena_dup(f->a, name);
	return it->name.p != NULL ? 0 : too_many();
}

static int take_entry(void *ctx, struct str name, const struct store_entry *e)
{
	struct mail_folder *f = ctx;
	if (name.n == 0 || name.p[0] != '.')
		return e->kind == STORE_TREE ? add_below(f, name, &e->oid) : 0;
	if (e->kind == STORE_BLOB && str_eq(name, STR(".mailbox"))) {
		f->has_file = true;
		f->file = e->oid;
	} else if (e->kind == STORE_TREE && str_eq(name, STR(".m"))) {
		f->side.has_m = true;
		f->side.m = e->oid;
	} else if (e->kind == STORE_TREE && str_eq(name, STR(".f"))) {
		f->side.has_f = true;
		f->side.f = e->oid;
	}
	return 0;
}

int mail_folder_read(
	struct mail_folder *out, struct store *s, struct arena *a, const struct store_oid *tree)
{
	*out = (struct mail_folder){ .a = a };
	return tree != NULL ? store_list(s, tree, STR_NONE, take_entry, out) : 0;
}

/* git's order of folders. */
static int below_cmp(const struct mail_below *a, const struct mail_below *b)
{
	size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
	int c = memcmp(a->name.p, b->name.p, n);
	if (c != 0)
		return c;
	int x = a->name.n > n ? (uint8_t)a->name.p[n] : '/';
	int y = b->name.n > n ? (uint8_t)b->name.p[n] : '/';
	return a->name.n == b->name.n ? 0 : x < y ? -1 : 1;
}

struct walk {
	struct store *s;
	struct arena *a;
	struct buf path;
	mail_walk_fn *fn;
	void *ctx;
};

static int walk(struct walk *w, const struct store_oid *old_tree, const struct store_oid *new_tree,
	unsigned depth)
{
	struct mail_folder old, new;
	size_t i = 0, k = 0, path_n = w->path.n;
	int err = mail_folder_read(&old, w->s, w->a, old_tree);
	if (err == 0)
		err = mail_folder_read(&new, w->s, w->a, new_tree);
	if (err == 0 && depth > 0)
		err = w->fn(w->ctx, buf_str(&w->path), &old, &new);
	if (depth == MAIL_DEPTH_MAX)
		return err;
	while (err == 0 && (i < old.n || k < new.n)) {
		int c = i == old.n ? 1 : k == new.n ? -1 : below_cmp(&old.below[i], &new.below[k]);
		const struct mail_below *o = c <= 0 ? &old.below[i++] : NULL;
		const struct mail_below *n = c >= 0 ? &new.below[k++] : NULL;
		if (o != NULL && n != NULL && store_oid_eq(&o->oid, &n->oid))
			continue;
		if (path_n > 0)
			buf_addc(&w->path, '/');
		buf_add(&w->path, o != NULL ? o->name : n->name);
		err = w->path.err < 0 ? w->path.err
				      : walk(w, o != NULL ? &o->oid : NULL,
						n != NULL ? &n->oid : NULL, depth + 1);
		w->path.n = path_n;
	}
	return err;
}

int mail_walk(struct store *s, struct arena *a, const struct store_oid *old_tree,
	const struct store_oid *new_tree, mail_walk_fn *fn, void *ctx)
{
	struct walk w = { .s = s, .a = a, .fn = fn, .ctx = ctx };
	buf_init(&w.path, NULL);
	int err = walk(&w, old_tree, new_tree, 0);
	buf_free(&w.path);
	return err;
}

/* ---- one tree ---- */
static int is_folder(struct store *s, const struct store_oid *tree, struct str path)
{
	struct store_entry e;
	int err = store_find(&e, s, tree, path);
	return err == 0 && e.kind != STORE_TREE ? ERR_NOENT : err;
}

int mail_tree_folder(struct str *path, struct arena *a, struct store *s,
	const struct store_oid *tree, struct str name)
{
	struct buf b;
	struct str level;
	bool more = name.n > 0;
	int err = 0;
	buf_init(&b, a);
	while (err == 0 && more) {
		more = str_cut(&level, &name, name, '/');
		if (b.n > 0)
			buf_addc(&b, '/');
		size_t n = b.n;
		mail_name_escape(&b, level);
		err = b.err < 0 ? b.err : is_folder(s, tree, buf_str(&b));
		if (err != ERR_NOENT)
			continue;
		b.n = n;
		mail_name_escape_clash(&b, level);
		err = b.err < 0 ? b.err : is_folder(s, tree, buf_str(&b));
	}
	*path = buf_str(&b);
	return err;
}

struct search {
	struct store *s;
	struct arena *a;
	const struct mail_id *id;
	struct buf message; /* its path below .m */
	struct str path;
};

static int look_in(
	void *ctx, struct str path, const struct mail_folder *old, const struct mail_folder *new)
{
	struct search *x = ctx;
	struct mail_file file;
	struct store_entry e;
	struct str text;
	bool here = false;
	(void)old;
	if (x->id == NULL) {
		here = new->side.has_m &&store_find(&e, x->s, &new->side.m, buf_str(&x->message)) ==
			0;
	} else if (new->has_file) {
		int err = store_blob_all(&text, x->a, x->s, &new->file, MAIL_FILE_MAX);
		if (err < 0)
			return err == ERR_LIMIT ? 0 : err;
		mail_file_parse(&file, text);
		here = file.exists && mail_id_eq(&file.id, x->id);
	}
	if (!here)
		return 0;
	x->path = arena_dup(x->a, path);
	return ERR_EXIST; /* no further */
}

int mail_tree_search(struct str *path, struct arena *a, struct store *s,
	const struct store_oid *tree, const struct mail_id *id, uint32_t lane, uint32_t seq)
{
	struct search x = { .s = s, .a = a, .id = id };
	buf_init(&x.message, a);
	mail_path_message(&x.message, lane, seq);
	int err = x.message.err < 0 ? x.message.err : mail_walk(s, a, NULL, tree, look_in, &x);
	*path = x.path;
	return err == ERR_EXIST ? 0 : err;
}
