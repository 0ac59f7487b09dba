/* SPDX-License-Identifier: ISC */
/*
 * What the sender's refs reach. Most is found near: in the trees that what was received is compared
 * with. For the rest the refs' trees are walked, the newest first, until all of it was met.
 */
#include "store/receive_impl.h"

#define SEEN_FACTOR 4 /* trees and commits looked at, over objects_max */

struct tips {
	struct known *k;
	struct str prefix;
};

static int add_tip(void *ctx, struct str ref, const struct store_oid *id)
{
	struct tips *t = ctx;
	struct known *k = t->k;

	if (ref.n > t->prefix.n && ref.p[t->prefix.n] != '/')
		return 0;
	return oids_add(&k->tips, id);
}

int known_begin(
	struct known *k, struct store_receive *r, const struct str *prefixes, size_t prefix_count)
{
	int err = 0;

	*k = (struct known){ .r = r };
	for (size_t i = 0; i < prefix_count && err >= 0; i++)
		err = store_ref_list(r->s, prefixes[i], add_tip, &(struct tips){ k, prefixes[i] });
	for (size_t i = 0; i < k->tips.n && err >= 0; i++)
		err = oids_add(&r->roots, &k->tips.p[i]);
	return err;
}

int known_near(struct known *k, const struct store_oid *id)
{
	return set_add(&k->near, id);
}

/* ---- the walk ---- */
struct sought {
	struct idset ids;
	size_t left;
};

static void meet(struct known *k, struct sought *w, const struct store_oid *id)
{
	bool fresh = false;
	uint64_t h = idset_of(id);

	if (idset_has(&w->ids, h) && !idset_has(&k->near, h) &&
		idset_add(&fresh, &k->near, h) >= 0 && fresh)
		w->left--;
}

/* Once each. */
static int visit(struct known *k, struct sought *w, struct oids *list, const struct store_oid *id)
{
	bool fresh;
	int err = idset_add(&fresh, &k->seen, idset_of(id));

	if (err < 0 || !fresh)
		return err;
	if (k->seen.n / SEEN_FACTOR > k->r->limits.objects_max)
		return err_set(ERR_LIMIT,
			"your repository is too large to look through for what "
			"this push lacks: push it whole (git push --no-thin)");
	meet(k, w, id);
	return oids_add(list, id);
}

static int walk_tree(struct known *k, struct sought *w, const struct store_oid *id)
{
	struct view v;
	struct tent t;
	int err = view_open(&v, k->r->s, id, OBJ_TREE, OBJECT_BYTES);
	struct tcur c = { v.p, v.n, 0 };

	if (err < 0)
		return err;
	while ((err = tree_next(&t, &c)) >= 0) {
		struct store_oid below;
		memcpy(below.b, t.id, sizeof(below.b));
		if (mode_folder(t.mode))
			err = visit(k, w, &k->trees, &below);
		else
			meet(k, w, &below);
		if (err < 0)
			break;
	}
	view_end(&v);
	receive_rest(k->r, c.n + 256);
	return err == ERR_NOENT ? 0 : err;
}

static int walk_commit(struct known *k, struct sought *w, const struct store_oid *id)
{
	struct walk_commit c;
	int err = walk_commit_get(&c, k->r->s, id);

	if (err >= 0)
		err = visit(k, w, &k->trees, &c.tree);
	for (size_t i = 0; err >= 0 && i < c.parent_count; i++)
		err = visit(k, w, &k->commits, &c.parents[i]);
	receive_rest(k->r, 256);
	return err;
}

static void walk_end(struct known *k)
{
	free(k->commits.p);
	free(k->trees.p);
	idset_free(&k->seen);
	k->commits = k->trees = (struct oids){ 0 };
	k->commit_at = 0;
}

static int walk(struct known *k, struct sought *w)
{
	struct store_oid id;
	int err = 0;

	for (size_t i = 0; i < k->tips.n && err >= 0; i++)
		err = visit(k, w, &k->commits, &k->tips.p[i]);
	while (w->left > 0 && err >= 0) {
		if (k->trees.n > 0) {
			id = k->trees.p[--k->trees.n];
			err = walk_tree(k, w, &id);
		} else if (k->commit_at < k->commits.n) {
			id = k->commits.p[k->commit_at++];
			err = walk_commit(k, w, &id);
		} else {
			break;
		}
	}
	walk_end(k);
	return err;
}

int known_find(bool *found, struct known *k, const struct store_oid *ids, size_t n)
{
	struct sought w = { 0 };
	int err = 0;

	for (size_t i = 0; i < n && err >= 0; i++) {
		bool fresh = false;
		if (!set_has(&k->near, &ids[i]))
			err = idset_add(&fresh, &w.ids, idset_of(&ids[i]));
		w.left += fresh;
	}
	if (err >= 0)
		err = walk(k, &w);
	for (size_t i = 0; i < n; i++)
		found[i] = set_has(&k->near, &ids[i]);
	idset_free(&w.ids);
	return err;
}

void known_end(struct known *k)
{
	free(k->tips.p);
	idset_free(&k->near);
}

/* ---- depth ---- */
int too_deep(void)
{
	return err_set(ERR_BAD, "a path over %d names long", STORE_DEPTH_MAX);
}

struct layer { /* of folders, each once */
	struct idset set;
	struct oids list;
};

static void layer_free(struct layer *y)
{
	idset_free(&y->set);
	free(y->list.p);
}

static int add_folders(struct layer *next, struct store_receive *r, const struct store_oid *tree)
{
	struct view v;
	struct tent t;
	int err = view_open(&v, r->s, tree, OBJ_TREE, OBJECT_BYTES);
	struct tcur at = { v.p, v.n, 0 };

	if (err < 0)
		return err;
	while ((err = tree_next(&t, &at)) >= 0) {
		struct store_oid id;
		bool fresh = false;
		memcpy(id.b, t.id, sizeof(id.b));
		if (mode_folder(t.mode))
			err = idset_add(&fresh, &next->set, idset_of(&id));
		if (err >= 0 && fresh)
			err = oids_add(&next->list, &id);
		if (err < 0)
			break;
	}
	view_end(&v);
	receive_rest(r, at.n + 256);
	return err == ERR_NOENT ? 0 : err;
}

int folders_fit(struct store_receive *r, const struct store_oid *tree, unsigned depth)
{
	struct layer now = { 0 }, next;
	int err = oids_add(&now.list, tree);

	for (; now.list.n > 0 && err >= 0; depth++) {
		next = (struct layer){ 0 };
		if (depth >= STORE_DEPTH_MAX)
			err = too_deep();
		for (size_t i = 0; i < now.list.n && err >= 0; i++)
			err = add_folders(&next, r, &now.list.p[i]);
		layer_free(&now);
		now = next;
	}
	layer_free(&now);
	return err;
}
