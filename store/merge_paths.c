/* SPDX-License-Identifier: ISC */
/*
 * The merge for trees nobody knows more about: path by path, with the base. A change on one side
 * only is taken; the same change on both is one; an edit beats a deletion; else both are kept: of
 * two files the one with the lower id under the name, the other beside it under a name that says
 * so; a file where the other side has a folder likewise. Which side is which never matters.
 */
#include "store/store_impl.h"

#define SIDES      3
#define YIELD_EACH 256
#define EXT_MAX    16 /* bytes of what counts as a file name's extension */
#define TRIES_MAX  1000

enum { BASE, OURS, THEIRS };

/* A folder of one side, by name: git's order has the file "a" and the folder "a" apart. */
struct side {
	struct view v;
	uint32_t *at;
	size_t n, i;
	struct tent t; /* the i-th, while i < n */
};

struct late {            /* a file that must make way */
	struct str name; /* borrowed from its side */
	uint32_t mode;
	struct store_oid id;
	bool folder; /* for a folder: if that is empty in the end, it need not */
	size_t placed_n;
	char placed[STORE_NAME_MAX];
};

struct level {
	struct side side[SIDES];
	size_t path_n; /* of the folder's own path */
	struct late *late;
	size_t late_n, late_cap;
};

struct paths {
	struct store_edit *e;
	struct buf *notes;
	struct str only; /* in the first level; .p NULL: everything */
	char path[STORE_PATH_MAX];
	size_t n;
	int depth;
	unsigned turns;
	struct level levels[STORE_DEPTH_MAX + 1];
};

/* ---- folders by name ---- */
static int tent_at(struct tent *t, const struct side *x, size_t i)
{
	struct tcur c = { x->v.p, x->v.n, x->at[i] };
	return tree_next(t, &c);
}

static int name_cmp(struct str a, struct str b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* By insertion: only a folder moves, over files whose names begin with its own. */
static int sort_side(struct side *x)
{
	struct tent t, before;
	int err = 0;

	for (size_t i = 1; i < x->n && err >= 0; i++) {
		uint32_t at = x->at[i];
		size_t k = i;
		err = tent_at(&t, x, i);
		for (; k > 0 && err >= 0; k--) {
			err = tent_at(&before, x, k - 1);
			if (err < 0 || name_cmp(before.name, t.name) <= 0)
				break;
			x->at[k] = x->at[k - 1];
		}
		x->at[k] = at;
	}
	return err;
}

static int side_open(struct side *x, struct store *s, const struct store_oid *tree)
{
	struct tcur c;
	struct tent t;
	size_t n = 0;
	int err;

	if (!tree)
		return 0;
	err = view_open(&x->v, s, tree, OBJ_TREE, OBJECT_BYTES);
	if (err < 0)
		return err;
	c = (struct tcur){ x->v.p, x->v.n, 0 };
	while ((err = tree_next(&t, &c)) >= 0)
		n++;
	if (err != ERR_NOENT)
		return err;
	x->at = malloc((n + 1) * sizeof(*x->at));
	if (!x->at)
		return err_set(ERR_NOMEM, "store: out of memory");
	for (c.at = 0; tree_next(&t, &c) >= 0;)
		x->at[x->n++] = (uint32_t)t.at;
	err = sort_side(x);
	return err >= 0 && x->n ? tent_at(&x->t, x, 0) : err;
}

static int side_step(struct side *x)
{
	return ++x->i < x->n ? tent_at(&x->t, x, x->i) : 0;
}

/* The entry called `name`, or ERR_NOENT. */
static int side_get(struct tent *t, const struct side *x, struct str name)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c, err = tent_at(t, x, mid);
		if (err < 0)
			return err;
		c = name_cmp(t->name, name);
		if (c == 0)
			return 0;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return ERR_NOENT;
}

static int enter(struct paths *p, const struct store_oid *const trees[SIDES])
{
	struct level *l;
	int err = 0;

	if (p->depth > STORE_DEPTH_MAX)
		return err_set(ERR_LIMIT, "store: over %d folders deep", STORE_DEPTH_MAX);
	l = &p->levels[p->depth++];
	*l = (struct level){ .path_n = p->n };
	for (int i = 0; i < SIDES && err >= 0; i++)
		err = side_open(&l->side[i], p->e->s, trees[i]);
	return err;
}

static void leave(struct paths *p)
{
	struct level *l = &p->levels[--p->depth];

	for (int i = 0; i < SIDES; i++) {
		view_end(&l->side[i].v);
		free(l->side[i].at);
	}
	free(l->late);
	p->n = l->path_n;
}

/* ---- changing the edit ---- */
static int set_path(struct paths *p, size_t base, struct str name)
{
	if (base + 1 + name.n > sizeof(p->path))
		return err_set(ERR_LIMIT, "store: path over %d bytes", STORE_PATH_MAX);
	p->n = base;
	if (base)
		p->path[p->n++] = '/';
	memcpy(p->path + p->n, name.p, name.n);
	p->n += name.n;
	return 0;
}

/* What stands at `name` of this level's folder becomes (mode, id), or mode 0: nothing. */
static int put(struct paths *p, const struct level *l, struct str name, uint32_t mode,
	const struct store_oid *id)
{
	struct node *n;
	struct tent t;
	int err = node_walk(&n, p->e, p->e->root, str_n(p->path, l->path_n), mode != 0);

	if (err >= 0)
		err = node_get(&t, p->e, n, name);
	if (err >= 0 && t.mode != mode)
		err = node_del(p->e, n, name);
	if (err == ERR_NOENT)
		err = 0;
	if (err < 0 || mode == 0)
		return err;
	p->e->grows = true;
	return node_set(p->e, n, name, mode, id);
}

static int put_tent(struct paths *p, const struct level *l, const struct tent *t)
{
	struct store_oid id;
	memcpy(id.b, t->id, sizeof(id.b));
	return put(p, l, t->name, t->mode, &id);
}

static bool there(struct paths *p, const struct level *l, struct str name)
{
	struct node *n;
	struct tent t;
	return node_walk(&n, p->e, p->e->root, str_n(p->path, l->path_n), false) >= 0 &&
		node_get(&t, p->e, n, name) >= 0;
}

static void note(struct paths *p, struct str path, const char *what)
{
	if (p->notes)
		buf_fmt(p->notes, "%.*s: %s\n", STR_ARG(path), what);
}

static struct str path_of(const struct paths *p)
{
	return str_n(p->path, p->n);
}

/* ---- files that make way ---- */
static int make_way(struct level *l, const struct tent *t, bool folder)
{
	struct late *x;

	if (l->late_n == l->late_cap) {
		size_t cap = l->late_cap ? l->late_cap * 2 : 4;
		void *more = realloc(l->late, cap * sizeof(*l->late));
		if (!more)
			return err_set(ERR_NOMEM, "store: out of memory");
		l->late = more;
		l->late_cap = cap;
	}
	x = &l->late[l->late_n++];
	*x = (struct late){ .name = t->name, .mode = t->mode, .folder = folder };
	memcpy(x->id.b, t->id, sizeof(x->id.b));
	return 0;
}

/* "name (conflict 1234567).ext"; the n-th try is longer. */
static struct str conflict_name(char out[static STORE_NAME_MAX], const struct late *x, unsigned n)
{
	char hex[STORE_HEX], mark[80];
	size_t stem = x->name.n, ext;
	int len;

	store_oid_hex(hex, &x->id);
	len = n < 2 ? snprintf(mark, sizeof(mark), " (conflict %.*s)", n ? 40 : 7, hex)
		    : snprintf(mark, sizeof(mark), " (conflict %s-%u)", hex, n);
	while (stem > 0 && x->name.p[stem - 1] != '.')
		stem--;
	stem = stem > 1 && x->name.n - stem <= EXT_MAX ? stem - 1 : x->name.n;
	ext = x->name.n - stem;
	if (stem + (size_t)len + ext > STORE_NAME_MAX) {
		stem = STORE_NAME_MAX - (size_t)len - ext;
		while (stem > 0 && ((uint8_t)x->name.p[stem] & 0xc0) == 0x80)
			stem--; /* whole characters */
	}
	memcpy(out, x->name.p, stem);
	memcpy(out + stem, mark, (size_t)len);
	memcpy(out + stem + (size_t)len, x->name.p + x->name.n - ext, ext);
	return str_n(out, stem + (size_t)len + ext);
}

/* Is nothing else by that name on either side, nor put there before? */
static int name_free(bool *is, const struct level *l, const struct late *x, struct str name)
{
	struct tent t;
	int err = 0;

	*is = true;
	for (int i = OURS; i <= THEIRS && *is; i++) {
		err = side_get(&t, &l->side[i], name);
		if (err >= 0)
			*is = t.mode == x->mode && memcmp(t.id, x->id.b, sizeof(x->id.b)) == 0;
		else if (err != ERR_NOENT)
			return err;
	}
	for (const struct late *y = l->late; y < x && *is; y++)
		if (str_eq(str_n(y->placed, y->placed_n), name))
			*is = y->mode == x->mode && store_oid_eq(&y->id, &x->id);
	return 0;
}

static int place(struct paths *p, struct level *l, struct late *x)
{
	struct str name = x->name;
	bool is = x->folder && !there(p, l, name);
	int err = set_path(p, l->path_n, name);

	for (unsigned n = 0; !is && err >= 0; n++) {
		if (n == TRIES_MAX)
			return err_set(ERR_LIMIT, "store: no name left for a conflict copy");
		name = conflict_name(x->placed, x, n);
		err = name_free(&is, l, x, name);
	}
	if (err < 0)
		return err;
	if (name.p == x->placed) {
		x->placed_n = name.n;
		if (p->notes)
			buf_fmt(p->notes, "%.*s: %s; kept as %.*s too\n", STR_ARG(path_of(p)),
				x->folder ? "a file here, a folder there" : "changed on both sides",
				STR_ARG(name));
	}
	return put(p, l, name, x->mode, &x->id);
}

/* ---- one entry ---- */
static bool same(const struct tent *a, const struct tent *b)
{
	if (!a || !b)
		return a == b;
	return a->mode == b->mode && memcmp(a->id, b->id, 20) == 0;
}

static bool is_folder(const struct tent *t)
{
	return t && mode_folder(t->mode);
}

static bool regular(const struct tent *t)
{
	return t && (t->mode & 0170000) == 0100000;
}

/* Two files that differ, not only from the base. */
static int both_files(struct paths *p, struct level *l, const struct tent *o, const struct tent *a,
	const struct tent *b)
{
	int c = memcmp(a->id, b->id, 20);
	struct tent t = c > 0 || (c == 0 && b->mode > a->mode) ? *b : *a;

	/* Bytes and mode are changed apart. */
	if (regular(o) && regular(a) && regular(b) &&
		(c == 0 || !memcmp(o->id, a->id, 20) || !memcmp(o->id, b->id, 20))) {
		t = memcmp(o->id, a->id, 20) ? *a : *b;
		t.mode = o->mode == a->mode  ? b->mode
			: o->mode == b->mode ? a->mode
			: a->mode > b->mode  ? a->mode
					     : b->mode;
		return put_tent(p, l, &t);
	}
	if (c) {
		int err = make_way(l, c < 0 ? b : a, false);
		if (err < 0)
			return err;
	}
	return put_tent(p, l, &t);
}

static int descend(struct paths *p, const struct tent *const t[SIDES])
{
	struct store_oid id[SIDES];
	const struct store_oid *trees[SIDES] = { NULL };

	for (int i = 0; i < SIDES; i++)
		if (is_folder(t[i])) {
			memcpy(id[i].b, t[i]->id, sizeof(id[i].b));
			trees[i] = &id[i];
		}
	return enter(p, trees);
}

static int merge_entry(struct paths *p, struct level *l, const struct tent *const t[SIDES])
{
	const struct tent *o = t[BASE], *a = t[OURS], *b = t[THEIRS], *file;
	int err = 0;

	if (same(a, b) || same(o, b))
		return 0;
	err = set_path(p, l->path_n, b ? b->name : a ? a->name : o->name);
	if (err < 0)
		return err;
	if (same(o, a))
		return b ? put_tent(p, l, b) : put(p, l, o->name, 0, NULL);
	if (is_folder(a) || is_folder(b)) {
		file = a && !is_folder(a) ? a : b && !is_folder(b) ? b : NULL;
		if (file)
			err = make_way(l, file, true);
		if (err >= 0 && file && file == a)
			err = put(p, l, a->name, 0, NULL);
		return err < 0 ? err : descend(p, t);
	}
	if (a && b)
		return both_files(p, l, o, a, b);
	note(p, path_of(p), "changed on one side, deleted on the other; kept");
	return a ? 0 : put_tent(p, l, b);
}

static int step(struct paths *p)
{
	struct level *l = &p->levels[p->depth - 1];
	const struct tent *t[SIDES] = { NULL };
	struct tent copy[SIDES];
	struct str name = STR_NONE;
	int err = 0;

	for (int i = 0; i < SIDES; i++) {
		struct side *x = &l->side[i];
		if (x->i < x->n && (!name.p || name_cmp(x->t.name, name) < 0))
			name = x->t.name;
	}
	if (!name.p) {
		for (size_t i = 0; i < l->late_n && err >= 0; i++)
			err = place(p, l, &l->late[i]);
		leave(p);
		return err;
	}
	for (int i = 0; i < SIDES && err >= 0; i++) {
		struct side *x = &l->side[i];
		if (x->i == x->n || !str_eq(x->t.name, name))
			continue;
		copy[i] = x->t;
		t[i] = &copy[i];
		err = side_step(x);
	}
	if (err >= 0 && (p->depth > 1 || !p->only.p || str_eq(name, p->only)))
		err = merge_entry(p, l, t);
	if (++p->turns % YIELD_EACH == 0)
		os_yield();
	return err;
}

/* The folder around `under` on each side: siblings' names must be known. */
static int start(struct paths *p, struct str under, const struct store_oid *base,
	const struct store_oid *theirs)
{
	const struct store_oid *trees[SIDES] = { base, NULL, theirs };
	struct store_entry at[SIDES];
	size_t cut = under.n;
	struct str folder;
	int err = 0;

	while (cut > 0 && under.p[cut - 1] != '/')
		cut--;
	folder = str_sub(under, 0, cut ? cut - 1 : 0);
	if (under.n)
		p->only = str_sub(under, cut, under.n);
	memcpy(p->path, folder.n ? folder.p : "", folder.n);
	p->n = folder.n;
	for (int i = 0; i < SIDES; i++) {
		if (i != OURS && !trees[i])
			continue;
		err = i == OURS ? store_edit_find(&at[i], p->e, folder)
				: store_find(&at[i], p->e->s, trees[i], folder);
		if (err < 0 && err != ERR_NOENT)
			return err;
		trees[i] = err >= 0 && at[i].kind == STORE_TREE ? &at[i].oid : NULL;
	}
	return enter(p, trees);
}

int store_edit_merge_paths(struct store_edit *e, struct str under, const struct store_oid *base,
	const struct store_oid *theirs, struct buf *notes)
{
	struct paths *p;
	int err = path_check(under);

	if (err < 0)
		return err;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(ERR_NOMEM, "store: out of memory");
	p->e = e;
	p->notes = notes;
	err = start(p, under, base, theirs);
	while (err >= 0 && p->depth > 0)
		err = step(p);
	while (p->depth > 0)
		leave(p);
	free(p);
	return err;
}
