/* SPDX-License-Identifier: ISC */
#include "services/dav/tree.h"

static int folder_find(struct store_oid *out, struct store *s, const struct store_oid *root,
	const struct str *segs, size_t n)
{
	struct store_entry e = { .oid = *root, .kind = STORE_TREE };
	struct buf folder;
	int err = 0;

	buf_init(&folder, NULL);
	for (size_t i = 0; i < n && err >= 0; i++) {
		struct store_oid at = e.oid;
		folder.n = 0;
		dav_folder_name(&folder, segs[i]);
		err = folder.err;
		if (err >= 0)
			err = store_find(&e, s, &at, buf_str(&folder));
		if (err >= 0 && e.kind != STORE_TREE)
			err = ERR_NOENT;
	}
	buf_free(&folder);
	*out = e.oid;
	return err;
}

static int item_find(struct store_oid *out, struct store *s, const struct store_oid *folder,
	const struct str *name)
{
	struct store_entry e;
	struct buf file;
	int err;

	buf_init(&file, NULL);
	dav_item_file(&file, name, 1);
	err = file.err < 0 ? file.err : store_find(&e, s, folder, buf_str(&file));
	buf_free(&file);
	if (err >= 0 && e.kind != STORE_BLOB)
		err = ERR_NOENT;
	if (err >= 0)
		*out = e.oid;
	return err;
}

int dav_node_find(struct dav_node *out, struct store *s, const struct store_oid *root,
	const struct str *segs, size_t n)
{
	struct store_oid above;
	int err;

	*out = (struct dav_node){ .collection = true };
	if (n == 0) {
		if (root)
			out->oid = *root;
		return 0;
	}
	if (!root)
		return ERR_NOENT;
	err = folder_find(&above, s, root, segs, n - 1);
	if (err < 0)
		return err;
	err = folder_find(&out->oid, s, &above, &segs[n - 1], 1);
	if (err != ERR_NOENT)
		return err;
	out->collection = false;
	return item_find(&out->oid, s, &above, &segs[n - 1]);
}

/* ---- members ---- */
struct members {
	struct store *s;
	dav_child_fn *fn;
	void *ctx;
	struct buf name;
	bool items; /* of a shard */
};

static int member(void *ctx, struct str file, const struct store_entry *e)
{
	struct members *m = ctx;
	struct dav_node node = { .collection = !m->items, .oid = e->oid };

	if (m->items ? e->kind != STORE_BLOB || str_starts(file, STR("%="))
		     : e->kind != STORE_TREE || dav_is_shard(file))
		return 0;
	m->name.n = 0;
	dav_name_unescape(&m->name, file);
	return m->name.err < 0 ? m->name.err : m->fn(m->ctx, buf_str(&m->name), &node);
}

static int shard(void *ctx, struct str file, const struct store_entry *e)
{
	struct members *m = ctx;

	if (e->kind != STORE_TREE || !dav_is_shard(file))
		return 0;
	return store_list(m->s, &e->oid, STR_NONE, member, m);
}

int dav_children(struct store *s, const struct store_oid *tree, dav_child_fn *fn, void *ctx)
{
	struct members m = { .s = s, .fn = fn, .ctx = ctx };
	int err;

	buf_init(&m.name, NULL);
	err = store_list(s, tree, STR_NONE, member, &m);
	m.items = true;
	if (err >= 0)
		err = store_list(s, tree, STR_NONE, shard, &m);
	buf_free(&m.name);
	return err;
}
