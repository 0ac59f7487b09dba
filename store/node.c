/* SPDX-License-Identifier: ISC */
/*
 * Folders being changed. A node keeps its git tree as raw bytes and splices entries in and out
 * of them; a folder below becomes a child node when something in it changes. Ids are computed
 * once, bottom up, by node_write.
 */
#include "store/store_impl.h"

struct node {
	uint8_t *raw;
	size_t n, cap;
	struct node *children, *next;
	struct node *parent;
	bool dirty; /* raw differs from `id`, or a child is dirty */
	struct store_oid id;
	size_t name_n;
	char name[]; /* within the parent */
};

static struct str node_name(const struct node *n)
{
	return str_n(n->name, n->name_n);
}

struct str node_raw(const struct node *n)
{
	return str_n(n->raw, n->n);
}

static int node_room(struct store_edit *e, struct node *n, size_t want)
{
	size_t cap = n->cap ? n->cap : 256;
	uint8_t *p;

	if (want <= n->cap)
		return 0;
	while (cap < want)
		cap += cap / 2;
	if (e->node_bytes + (cap - n->cap) > EDIT_BYTES)
		return err_set(ERR_LIMIT, "store: one edit changes too many folders");
	p = realloc(n->raw, cap);
	if (!p)
		return err_set(ERR_NOMEM, "store: out of memory");
	e->node_bytes += cap - n->cap;
	n->raw = p;
	n->cap = cap;
	return 0;
}

static int node_new(struct node **out, struct store_edit *e, struct node *parent, struct str name)
{
	struct node *n = calloc(1, sizeof(*n) + name.n);
	if (!n)
		return err_set(ERR_NOMEM, "store: out of memory");
	n->name_n = name.n;
	if (name.n)
		memcpy(n->name, name.p, name.n);
	n->parent = parent;
	if (parent) {
		n->next = parent->children;
		parent->children = n;
	}
	e->node_bytes += sizeof(*n) + name.n;
	*out = n;
	return 0;
}

static int node_fill(struct store_edit *e, struct node *n, const struct store_oid *tree)
{
	struct view v;
	int err = tree_open(&v, e->s, tree);

	if (err < 0)
		return err;
	err = node_room(e, n, v.n + 64); /* most often one entry is added */
	if (err >= 0) {
		memcpy(n->raw, v.p, v.n);
		n->n = v.n;
		n->id = *tree;
	}
	view_end(&v);
	return err;
}

int node_load(struct node **out, struct store_edit *e, const struct store_oid *tree)
{
	struct node *n = NULL;
	int err = node_new(&n, e, NULL, STR_NONE);

	if (err < 0)
		return err;
	if (tree)
		err = node_fill(e, n, tree);
	else
		n->dirty = true;
	if (err < 0)
		node_free(n);
	else
		*out = n;
	return err;
}

/* Depth first without recursion: a child is unlinked before it is descended into. */
void node_free(struct node *n)
{
	struct node *stop = n ? n->parent : NULL;
	while (n && n != stop) {
		struct node *up, *child = n->children;
		if (child) {
			n->children = child->next;
			n = child;
			continue;
		}
		up = n->parent;
		free(n->raw);
		free(n);
		n = up;
	}
}

static void touch(struct node *n)
{
	for (; n && !n->dirty; n = n->parent)
		n->dirty = true;
}

static struct node *child_get(struct node *n, struct str name)
{
	struct node *c = n->children, **at = &n->children;
	while (c && !str_eq(node_name(c), name)) {
		at = &c->next;
		c = c->next;
	}
	if (c && c != n->children) { /* to the front: paths come in runs */
		*at = c->next;
		c->next = n->children;
		n->children = c;
	}
	return c;
}

static void child_drop(struct node *n, struct str name)
{
	struct node *c = child_get(n, name);
	if (!c)
		return;
	n->children = c->next;
	node_free(c);
}

/* ---- raw entries ---- */
static void raw_del(struct node *n, const struct tent *t)
{
	memmove(n->raw + t->at, n->raw + t->at + t->n, n->n - t->at - t->n);
	n->n -= t->n;
}

static int raw_set(struct store_edit *e, struct node *n, struct str name, uint32_t mode,
	const struct store_oid *id)
{
	struct tcur c = { n->raw, n->n, 0 };
	struct tent t;
	char text[16];
	size_t at, room, text_n;
	int err;

	err = tree_get(&t, node_raw(n), name);
	if (err >= 0 && t.mode == mode) { /* the common case: a new id for the same name */
		memcpy(n->raw + t.at + t.n - 20, id->b, 20);
		return 0;
	}
	if (err >= 0)
		raw_del(n, &t);
	else if (err != ERR_NOENT)
		return err;
	text_n = (size_t)snprintf(text, sizeof(text), "%o ", (unsigned)mode);
	room = text_n + name.n + 21;
	err = node_room(e, n, n->n + room);
	if (err < 0)
		return err;
	c.p = n->raw;
	c.n = at = n->n;
	while ((err = tree_next(&t, &c)) >= 0)
		if (tree_cmp(t.name, mode_folder(t.mode), name, mode_folder(mode)) > 0) {
			at = t.at;
			break;
		}
	if (err < 0 && err != ERR_NOENT)
		return err;
	memmove(n->raw + at + room, n->raw + at, n->n - at);
	memcpy(n->raw + at, text, text_n);
	memcpy(n->raw + at + text_n, name.p, name.n);
	n->raw[at + text_n + name.n] = 0;
	memcpy(n->raw + at + room - 20, id->b, 20);
	n->n += room;
	return 0;
}

/* ---- what edits use ---- */
int node_walk(
	struct node **out, struct store_edit *e, struct node *root, struct str path, bool make)
{
	struct node *n = root;
	struct str seg, rest = path.n ? path : STR_NONE;
	int err;

	while ((err = path_next(&seg, &rest)) >= 0) {
		struct node *child = child_get(n, seg);
		struct store_oid id;
		struct tent t;
		if (child) {
			n = child;
			continue;
		}
		err = tree_get(&t, node_raw(n), seg);
		if (err >= 0 && !mode_folder(t.mode))
			return make ? err_set(ERR_EXIST, "store: %.*s is a file", STR_ARG(seg))
				    : ERR_NOENT;
		if (err < 0 && (err != ERR_NOENT || !make))
			return err;
		if (err >= 0)
			memcpy(id.b, t.id, sizeof(id.b));
		bool fresh = err < 0;
		err = node_new(&child, e, n, seg);
		if (err >= 0 && !fresh)
			err = node_fill(e, child, &id);
		if (err < 0) {
			if (child)
				child_drop(n, seg);
			return err;
		}
		n = child;
	}
	if (err != ERR_NOENT)
		return err;
	*out = n;
	return 0;
}

int node_write(struct store_oid *id, bool *empty, struct store_edit *e, struct node *top)
{
	struct node *n = top, *c;
	int err = 0;

	/* Down into dirty children, up again when none is left: no recursion, no deep stack. */
	while (err >= 0) {
		for (c = n->children; c && !c->dirty; c = c->next)
			;
		if (c) {
			n = c;
			continue;
		}
		if (n->dirty && (n->n > 0 || !n->parent))
			err = edit_new_object(&n->id, e, OBJ_TREE, node_raw(n));
		if (err < 0)
			break;
		if (n->dirty && n->parent) {
			struct tent t;
			if (n->n > 0)
				err = raw_set(e, n->parent, node_name(n), MODE_TREE, &n->id);
			else if (tree_get(&t, node_raw(n->parent), node_name(n)) >= 0)
				raw_del(n->parent, &t);
		}
		n->dirty = false;
		if (n == top)
			break;
		n = n->parent;
		os_assert(n);
	}
	*id = top->id;
	*empty = top->n == 0;
	/* The parent's bytes may now hold the new id, but its own is still to be computed. */
	return err;
}

int node_get(struct tent *out, struct store_edit *e, struct node *n, struct str name)
{
	struct node *c = child_get(n, name);
	if (c && c->dirty) {
		struct store_oid id;
		bool empty;
		int err = node_write(&id, &empty, e, c);
		if (err < 0)
			return err;
	}
	return tree_get(out, node_raw(n), name);
}

int node_set(struct store_edit *e, struct node *n, struct str name, uint32_t mode,
	const struct store_oid *id)
{
	struct tent t;
	int err = node_get(&t, e, n, name);

	if (err < 0 && err != ERR_NOENT)
		return err;
	if (err >= 0 && mode_folder(t.mode) != mode_folder(mode))
		return err_set(ERR_EXIST, "store: %.*s is a %s", STR_ARG(name),
			mode_folder(t.mode) ? "folder" : "file");
	if (err >= 0 && mode == MODE_BLOB)
		mode = t.mode; /* an executable stays one */
	child_drop(n, name);   /* a file too may follow an emptied folder */
	err = raw_set(e, n, name, mode, id);
	if (err >= 0)
		touch(n);
	return err;
}

int node_del(struct store_edit *e, struct node *n, struct str name)
{
	struct tent t;
	int err = node_get(&t, e, n, name);

	if (err < 0)
		return err;
	child_drop(n, name);
	raw_del(n, &t);
	touch(n);
	return 0;
}
