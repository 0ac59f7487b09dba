/* SPDX-License-Identifier: ISC */
/* Items that came to have one UID under two names. */
#include "services/dav/merge_tree_impl.h"

static int uid_of(struct str *out, struct tree_merge *m, const struct store_oid *id)
{
	struct dav_facts facts;
	struct dav_refusal why;
	struct str bytes;
	int err = merge_blob(&bytes, m, id);

	*out = STR("");
	if (err >= 0 && m->service->check(&facts, &why, &m->scratch, NULL, bytes) >= 0)
		*out = arena_dup(&m->a, facts.uid);
	return err == ERR_LIMIT ? 0 : err < 0 ? err : out->p ? 0 : merge_too_large();
}

static int by_uid(const void *a, const void *b)
{
	const struct held *x = a, *y = b;
	int cmp = str_cmp(x->folder, y->folder);

	if (cmp == 0)
		cmp = str_cmp(x->uid, y->uid);
	return cmp ? cmp : str_cmp(x->name, y->name);
}

static int hold(
	struct held *h, struct tree_merge *m, const struct file *f, const struct store_oid *blob)
{
	struct str file;
	struct buf name;
	int err;

	*h = (struct held){ .path = f->path, .blob = *blob };
	if (!dav_item_path(&h->folder, &file, f->path))
		return 0;
	buf_init(&name, &m->a);
	dav_name_unescape(&name, file);
	h->name = buf_str(&name);
	err = name.err < 0 ? merge_too_large() : uid_of(&h->uid, m, blob);
	merge_turn(m);
	return err;
}

/* What the base had of all that a side changed, by UID. */
static int read_old(struct tree_merge *m)
{
	int err = 0;

	m->old = arena_alloc(&m->a, (m->of[0].n + m->of[1].n + 1) * sizeof(*m->old));
	if (!m->old)
		return merge_too_large();
	for (int s = 0; s < 2; s++)
		for (size_t i = 0; i < m->of[s].n && err >= 0; i++) {
			const struct file *f = &m->of[s].v[i];
			if (!f->has_before)
				continue;
			err = hold(&m->old[m->old_n], m, f, &f->before);
			m->old_n += m->old[m->old_n].uid.n > 0;
		}
	if (m->old_n > 1)
		qsort(m->old, m->old_n, sizeof(*m->old), by_uid);
	return err;
}

/* What the base had under this UID. */
static int find_base(struct str *out, bool *has, struct tree_merge *m, const struct held *h)
{
	struct held first = { .folder = h->folder, .uid = h->uid, .name = STR("") };
	int err = m->old ? 0 : read_old(m);
	size_t from = 0, to = m->old_n;

	while (from < to) {
		size_t middle = (from + to) / 2;
		if (by_uid(&m->old[middle], &first) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	*has = err >= 0 && from < m->old_n && str_eq(m->old[from].folder, h->folder) &&
		str_eq(m->old[from].uid, h->uid);
	return *has ? merge_blob(out, m, &m->old[from].blob) : err;
}

static struct str props_of(struct arena *a, const struct held *h)
{
	size_t cut = h->path.n;

	while (cut > 0 && h->path.p[cut - 1] != '/')
		cut--;
	return arena_fmt(
		a, "%.*s%%=%.*s", (int)cut, h->path.p, (int)(h->path.n - cut), h->path.p + cut);
}

static int join_props(struct tree_merge *m, const struct held *into, const struct held *from)
{
	struct str to = props_of(&m->scratch, into), at = props_of(&m->scratch, from), x = STR(""),
		   y;
	struct buf text;
	int err = to.p && at.p ? store_edit_bytes(&y, &m->scratch, m->e, at, DAV_META_MAX)
			       : merge_too_large();

	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	err = store_edit_bytes(&x, &m->scratch, m->e, to, DAV_META_MAX);
	buf_init(&text, &m->scratch);
	if (err >= 0 || err == ERR_NOENT)
		err = dav_meta_merge(&text, &m->scratch, NULL, x, y);
	if (err >= 0)
		err = store_edit_put_bytes(m->e, to, buf_str(&text));
	return err < 0 ? err : store_edit_del(m->e, at);
}

/* Two items of one UID: the lower name has what both come to. */
static int join_two(struct tree_merge *m, const struct held *into, const struct held *from)
{
	struct str base, x, y, copy;
	struct dav_merged d;
	bool has;
	int err = find_base(&base, &has, m, into);

	if (err >= 0)
		err = store_edit_bytes(&x, &m->scratch, m->e, into->path, DAV_ITEM_MAX);
	if (err >= 0)
		err = merge_blob(&y, m, &from->blob);
	if (err >= 0)
		err = merge_items(&d, m, has ? &base : NULL, x, y);
	if (err >= 0 && d.copy.p && (str_eq(d.copy, x) || str_eq(d.copy, y)))
		return 0; /* too large to become one of another UID: rather twice than lost */
	if (err >= 0)
		err = store_edit_put_bytes(m->e, into->path, d.bytes);
	if (err >= 0)
		err = join_props(m, into, from);
	if (err >= 0)
		err = store_edit_del(m->e, from->path);
	if (err >= 0 && m->notes)
		buf_fmt(m->notes, "%.*s: %.*s and %.*s are one item; it is %.*s\n",
			STR_ARG(into->folder), STR_ARG(into->name), STR_ARG(from->name),
			STR_ARG(into->name));
	return err >= 0 && d.copy.p ? merge_put_copy(&copy, m, &d, into->folder, into->name, true)
				    : err;
}

/* Is it a collection whose items have UIDs of their own? */
static bool is_ours(struct tree_merge *m, struct str folder)
{
	struct dav_meta meta;
	struct str text,
		path = arena_fmt(
			&m->scratch, "%.*s%s.collection", STR_ARG(folder), folder.n ? "/" : "");

	return path.p && store_edit_bytes(&text, &m->scratch, m->e, path, DAV_META_MAX) >= 0 &&
		dav_meta_parse(&meta, &m->scratch, text) >= 0 && meta.kind == m->service->kind;
}

int merge_unique(struct tree_merge *m)
{
	struct store_entry root;
	struct files now;
	struct held *v;
	size_t n = 0, first = 0;
	int err = store_edit_find(&root, m->e, STR(""));

	if (err >= 0)
		err = merge_changes(&now, m, &root.oid);
	if (err < 0)
		return err;
	v = arena_alloc(&m->a, (now.n + 1) * sizeof(*v));
	if (!v)
		return merge_too_large();
	for (size_t i = 0; i < now.n && err >= 0; i++) {
		if (!now.v[i].has_after)
			continue;
		err = hold(&v[n], m, &now.v[i], &now.v[i].after);
		n += v[n].uid.n > 0;
	}
	if (err >= 0 && n > 1)
		qsort(v, n, sizeof(*v), by_uid);
	for (size_t i = 1; i < n && err >= 0; i++) {
		if (!str_eq(v[i].folder, v[first].folder) || !str_eq(v[i].uid, v[first].uid)) {
			first = i;
			continue;
		}
		if (is_ours(m, v[i].folder))
			err = join_two(m, &v[first], &v[i]);
		merge_turn(m);
	}
	return err;
}
