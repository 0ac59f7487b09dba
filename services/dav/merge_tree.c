/* SPDX-License-Identifier: ISC */
/*
 * The merge of a branch of collections. Files that both sides changed are merged first, and put into
 * both sides' trees; what differs after that is a matter of paths alone, which the store merges. Then
 * what belongs together is brought together: a collection that got an item keeps what it is, properties go
 * with their item, and a UID stands once in a collection.
 */
#include "services/dav/merge_tree_impl.h"

#define ARENA_BYTES   (24u << 20)
#define SCRATCH_BYTES (32u << 20)
#define CHECK_BYTES   (16u << 20)
#define TURNS         16 /* items between two turns of others */

int merge_too_large(void)
{
	return err_set(ERR_LIMIT, "dav: the sides differ too much to merge");
}

void merge_turn(struct tree_merge *m)
{
	arena_free(&m->scratch);
	if (++m->turns % TURNS == 0)
		os_yield();
}

static void *grow(struct arena *a, void *v, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? 2 * *cap : 64;
	void *p;

	if (n < *cap)
		return v;
	p = arena_alloc(a, more * size);
	if (p && n)
		memcpy(p, v, n * size);
	*cap = p ? more : *cap;
	return p;
}

/* ---- what changed ---- */
static int add_file(void *ctx, const struct store_change *c)
{
	struct files *f = ctx;
	struct file *one;

	f->v = grow(f->a, f->v, &f->cap, f->n, sizeof(*f->v));
	if (!f->v)
		return merge_too_large();
	one = &f->v[f->n++];
	*one = (struct file){ .path = arena_dup(f->a, c->path),
		.has_before = c->before != NULL,
		.has_after = c->after != NULL };
	if (c->before)
		one->before = *c->before;
	if (c->after)
		one->after = *c->after;
	return one->path.p ? 0 : merge_too_large();
}

static int by_path(const void *a, const void *b)
{
	return str_cmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

int merge_changes(struct files *out, struct tree_merge *m, const struct store_oid *side)
{
	int err;

	*out = (struct files){ .a = &m->a };
	err = store_diff(m->s, m->has_base ? &m->base : NULL, side, STR(""), add_file, out);
	if (err >= 0 && out->n > 1)
		qsort(out->v, out->n, sizeof(*out->v), by_path);
	return err;
}

static bool is_meta(struct str path)
{
	size_t cut = path.n;

	while (cut > 0 && path.p[cut - 1] != '/')
		cut--;
	path = str_sub(path, cut, path.n);
	return str_eq(path, STR(".collection")) || str_starts(path, STR("%="));
}

/* ---- files that both sides changed ---- */
int merge_blob(struct str *out, struct tree_merge *m, const struct store_oid *id)
{
	return store_blob_all(out, &m->scratch, m->s, id, DAV_ITEM_MAX);
}

static int remember(struct tree_merge *m, struct str path)
{
	struct store_entry e;
	int err = store_edit_find(&e, m->e, path);

	m->puts = grow(&m->a, m->puts, &m->put_cap, m->put_n, sizeof(*m->puts));
	if (err >= 0 && !m->puts)
		err = merge_too_large();
	if (err >= 0)
		m->puts[m->put_n++] = (struct put){ path, e.oid };
	return err;
}

static bool stands(struct tree_merge *m, const struct store_oid *tree, struct str path)
{
	struct store_entry e;
	return store_find(&e, m->s, tree, path) >= 0;
}

static struct str extension(struct str name)
{
	for (size_t i = name.n; i > 0 && name.n - i < 8; i--)
		if (name.p[i - 1] == '.')
			return str_sub(name, i - 1, name.n);
	return STR("");
}

int merge_put_copy(struct str *path, struct tree_merge *m, const struct dav_merged *d,
	struct str folder, struct str name, bool result)
{
	struct str file =
		arena_fmt(&m->a, "%.*s%.*s", STR_ARG(d->copy_uid), STR_ARG(extension(name)));
	struct store_entry there;
	struct buf b;

	*path = STR_NONE;
	buf_init(&b, &m->a);
	buf_fmt(&b, "%.*s%s", STR_ARG(folder), folder.n ? "/" : "");
	dav_item_file(&b, &file, 1);
	if (b.err < 0 || !file.p)
		return merge_too_large();
	if (m->notes)
		buf_fmt(m->notes,
			"%.*s/%.*s: both sides changed %.*s; what is not in it is in %.*s\n",
			STR_ARG(folder), STR_ARG(name), STR_ARG(d->clashes), STR_ARG(file));
	if (result ? store_edit_find(&there, m->e, buf_str(&b)) >= 0
		   : stands(m, &m->ours, buf_str(&b)) || stands(m, &m->theirs, buf_str(&b)))
		return 0;
	*path = buf_str(&b);
	return store_edit_put_bytes(m->e, *path, d->copy);
}

static bool is_item(struct tree_merge *m, struct str bytes)
{
	const struct dav_meta any = { .kind = m->service->kind };
	struct dav_facts facts;
	struct dav_refusal why;
	struct arena a;
	bool is;

	arena_init(&a, CHECK_BYTES);
	is = m->service->check(&facts, &why, &a, &any, bytes) >= 0;
	arena_free(&a);
	return is;
}

int merge_items(struct dav_merged *out, struct tree_merge *m, const struct str *base, struct str x,
	struct str y)
{
	int err = dav_item_merge(out, &m->scratch, base, x, y, STR_NONE);

	if (err < 0 || is_item(m, out->bytes) || !is_item(m, x) || !is_item(m, y))
		return err;
	return dav_item_choose(out, &m->scratch, x, y, STR_NONE);
}

static int merge_item(struct tree_merge *m, const struct file *f, const struct str *base,
	struct str x, struct str y)
{
	struct str folder, file, copy;
	struct dav_merged d;
	struct buf name;
	int err = merge_items(&d, m, base, x, y);

	if (err >= 0)
		err = store_edit_put_bytes(m->e, f->path, d.bytes);
	if (err >= 0)
		err = remember(m, f->path);
	if (err < 0 || !d.copy.p || !dav_item_path(&folder, &file, f->path))
		return err;
	buf_init(&name, &m->scratch);
	dav_name_unescape(&name, file);
	err = name.err < 0 ? name.err : merge_put_copy(&copy, m, &d, folder, buf_str(&name), false);
	return err >= 0 && copy.p ? remember(m, copy) : err;
}

/* The edit stands at theirs. */
static int merge_file(struct tree_merge *m, const struct file *x, const struct file *y)
{
	struct str folder, file, base, p, q;
	bool meta = is_meta(x->path), based = x->has_before;
	struct buf text;
	int err;

	if (!meta && !dav_item_path(&folder, &file, x->path))
		return 0; /* none of ours: the store keeps both */
	err = merge_blob(&p, m, &x->after);
	if (err >= 0)
		err = merge_blob(&q, m, &y->after);
	if (err >= 0 && based) {
		err = merge_blob(&base, m, &x->before);
		based = err >= 0;
		if (err == ERR_LIMIT)
			err = 0;
	}
	if (err < 0)
		return err == ERR_LIMIT ? 0 : err; /* larger than any item: likewise */
	if (!meta)
		return merge_item(m, x, based ? &base : NULL, p, q);
	buf_init(&text, &m->scratch);
	err = dav_meta_merge(&text, &m->scratch, based ? &base : NULL, p, q);
	if (err >= 0)
		err = store_edit_put_bytes(m->e, x->path, buf_str(&text));
	return err < 0 ? err : remember(m, x->path);
}

static int merge_files(struct tree_merge *m)
{
	size_t i = 0, k = 0;
	int err = 0;

	while (i < m->of[0].n && k < m->of[1].n && err >= 0) {
		const struct file *x = &m->of[0].v[i], *y = &m->of[1].v[k];
		int cmp = str_cmp(x->path, y->path);
		i += cmp <= 0;
		k += cmp >= 0;
		if (cmp != 0 || !x->has_after || !y->has_after ||
			store_oid_eq(&x->after, &y->after))
			continue;
		if (!m->at_theirs)
			err = store_edit_put(m->e, STR(""), &m->theirs, STORE_TREE);
		m->at_theirs = true;
		if (err >= 0)
			err = merge_file(m, x, y);
		merge_turn(m);
	}
	return err;
}

/* By paths, what was merged being the same on both sides. */
static int merge_rest(struct tree_merge *m)
{
	struct store_entry theirs = { .oid = m->theirs };
	int err = 0;

	if (m->at_theirs) {
		err = store_edit_find(&theirs, m->e, STR(""));
		if (err >= 0)
			err = store_edit_put(m->e, STR(""), &m->ours, STORE_TREE);
	}
	for (size_t i = 0; i < m->put_n && err >= 0; i++)
		err = store_edit_put(m->e, m->puts[i].path, &m->puts[i].blob, STORE_BLOB);
	if (err < 0)
		return err;
	return store_edit_merge_paths(
		m->e, STR(""), m->has_base ? &m->base : NULL, &theirs.oid, m->notes);
}

/* ---- what belongs together ---- */
/* A collection that was deleted while the other side wrote into it. */
static int keep_collection(struct tree_merge *m, const struct file *f)
{
	struct store_entry e;
	struct str folder;

	if (f->has_after || !str_ends(f->path, STR("/.collection")))
		return 0;
	folder = str_sub(f->path, 0, f->path.n - 12);
	if (store_edit_find(&e, m->e, folder) < 0 || store_edit_find(&e, m->e, f->path) >= 0)
		return 0;
	if (m->notes)
		buf_fmt(m->notes, "%.*s: deleted on one side, but the other wrote into it; kept\n",
			STR_ARG(folder));
	return store_edit_put(m->e, f->path, &f->before, STORE_BLOB);
}

/* Properties of an item that went. */
static int drop_props(struct tree_merge *m, const struct file *f)
{
	size_t cut = f->path.n;
	struct store_entry e;
	struct str item;

	while (cut > 0 && f->path.p[cut - 1] != '/')
		cut--;
	if (!str_starts(str_sub(f->path, cut, f->path.n), STR("%=")))
		return 0;
	item = arena_fmt(&m->scratch, "%.*s%.*s", (int)cut, f->path.p, (int)(f->path.n - cut - 2),
		f->path.p + cut + 2);
	if (!item.p)
		return merge_too_large();
	if (store_edit_find(&e, m->e, item) >= 0 || store_edit_find(&e, m->e, f->path) < 0)
		return 0;
	return store_edit_del(m->e, f->path);
}

static int tidy(struct tree_merge *m)
{
	size_t i = 0, k = 0;
	int err = 0;

	while ((i < m->of[0].n || k < m->of[1].n) && err >= 0) {
		bool second = i == m->of[0].n ||
			(k < m->of[1].n && by_path(&m->of[1].v[k], &m->of[0].v[i]) < 0);
		const struct file *f = second ? &m->of[1].v[k++] : &m->of[0].v[i++];
		err = keep_collection(m, f);
		if (err >= 0)
			err = drop_props(m, f);
		arena_reset(&m->scratch);
	}
	return err;
}

/* ---- the contract ---- */
static int merge_all(struct tree_merge *m)
{
	int err = merge_changes(&m->of[0], m, &m->ours);

	if (err >= 0)
		err = merge_changes(&m->of[1], m, &m->theirs);
	if (err >= 0)
		err = merge_files(m);
	if (err >= 0)
		err = merge_rest(m);
	if (err >= 0)
		err = tidy(m);
	return err < 0 ? err : merge_unique(m);
}

int dav_merge(void *service, struct store_edit *e, struct str ref, const struct store_oid *base,
	const struct store_oid *theirs, struct buf *notes)
{
	struct tree_merge m = { .service = service,
		.e = e,
		.s = store_edit_store(e),
		.notes = notes,
		.has_base = base != NULL,
		.theirs = *theirs };
	struct store_entry ours;
	int err = store_edit_find(&ours, e, STR(""));

	if (err < 0)
		return err;
	if (str_eq(ref, STR("refs/heads/estate")))
		return store_edit_merge_paths(e, STR(""), base, theirs, notes);
	m.ours = ours.oid;
	if (base)
		m.base = *base;
	arena_init(&m.a, ARENA_BYTES);
	arena_init(&m.scratch, SCRATCH_BYTES);
	err = merge_all(&m);
	arena_free(&m.scratch);
	arena_free(&m.a);
	return err;
}
