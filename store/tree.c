/* SPDX-License-Identifier: ISC */
/* Git tree objects read in place, paths, and the public reads of trees. */
#include "store/store_impl.h"

int tree_next(struct tent *out, struct tcur *c)
{
	const uint8_t *p = c->p + c->at, *nul;
	size_t left = c->n - c->at, i = 0;
	uint32_t mode = 0;

	if (left == 0)
		return ERR_NOENT;
	while (i < left && i < 7 && p[i] >= '0' && p[i] <= '7')
		mode = mode << 3 | (uint32_t)(p[i++] - '0');
	if (i == 0 || i >= left || p[i] != ' ')
		return err_set(ERR_CORRUPT, "store: a tree is damaged");
	i++;
	nul = memchr(p + i, 0, left - i);
	if (!nul || nul == p + i || left - (size_t)(nul + 1 - p) < 20)
		return err_set(ERR_CORRUPT, "store: a tree is damaged");
	out->name = str_n(p + i, (size_t)(nul - (p + i)));
	out->mode = mode;
	out->id = nul + 1;
	out->at = c->at;
	out->n = (size_t)(nul + 21 - p);
	c->at += out->n;
	return 0;
}

int tree_get(struct tent *out, struct str raw, struct str name)
{
	struct tcur c = { (const uint8_t *)raw.p, raw.n, 0 };
	int err;
	while ((err = tree_next(out, &c)) >= 0)
		if (str_eq(out->name, name))
			return 0;
	return err;
}

int tree_cmp(struct str a, bool a_folder, struct str b, bool b_folder)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = memcmp(a.p, b.p, n), x, y;

	if (c)
		return c;
	x = a.n > n ? (uint8_t)a.p[n] : a_folder ? '/' : 0;
	y = b.n > n ? (uint8_t)b.p[n] : b_folder ? '/' : 0;
	if (x != y || x == 0)
		return x - y;
	return (a.n > b.n) - (a.n < b.n);
}

void tent_entry(struct store_entry *out, const struct tent *t)
{
	memcpy(out->oid.b, t->id, sizeof(out->oid.b));
	out->kind = mode_folder(t->mode) ? STORE_TREE : STORE_BLOB;
}

/* ---- names ---- */
/* Code points that HFS+ drops when it compares names. Length in bytes, or 0. */
static size_t hfs_ignored(struct str s)
{
	static const char *const list[] = { "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x80\x8e",
		"\xe2\x80\x8f", "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad",
		"\xe2\x80\xae", "\xe2\x81\xaa", "\xe2\x81\xab", "\xe2\x81\xac", "\xe2\x81\xad",
		"\xe2\x81\xae", "\xe2\x81\xaf", "\xef\xbb\xbf" };
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		if (str_starts(s, str_n(list[i], 3)))
			return 3;
	return 0;
}

/* Would some file system take `s` for `word`? git fsck rejects such trees. */
static bool disguised(struct str s, struct str word)
{
	char plain[16];
	size_t n = 0;

	if (!memchr(".gG\xe2\xef", s.p[0], 5)) /* what it could begin with */
		return false;
	while (s.n > 0) {
		size_t skip = hfs_ignored(s);
		if (!skip) {
			if (n == sizeof(plain))
				return false;
			plain[n++] = s.p[0];
			skip = 1;
		}
		s = str_sub(s, skip, s.n);
	}
	/* NTFS: trailing spaces and dots, and a stream's name after a colon, do not count. */
	for (size_t i = 0; i < n; i++)
		if (plain[i] == ':')
			n = i;
	while (n > word.n && (plain[n - 1] == ' ' || plain[n - 1] == '.'))
		n--;
	return str_ieq(str_n(plain, n), word);
}

int name_check(struct str name)
{
	struct str part, rest = name;

	if (name.n == 0)
		return err_set(ERR_BAD, "store: empty name in a path");
	if (name.n > STORE_NAME_MAX)
		return err_set(ERR_BAD, "store: name over %d bytes", STORE_NAME_MAX);
	if (memchr(name.p, 0, name.n) || memchr(name.p, '/', name.n))
		return err_set(ERR_BAD, "store: name with NUL or slash");
	if (str_eq(name, STR(".")) || str_eq(name, STR("..")))
		return err_set(ERR_BAD, "store: name \".\" or \"..\"");
	while (rest.n > 0) {
		str_cut(&part, &rest, rest, '\\');
		if (part.n == 0)
			continue;
		if (disguised(part, STR(".git")) || disguised(part, STR("git~1")) ||
			disguised(part, STR(".gitmodules")))
			return err_set(ERR_BAD, "store: git forbids the name %.*s", STR_ARG(name));
	}
	return 0;
}

int path_next(struct str *seg, struct str *rest)
{
	if (rest->p == NULL)
		return ERR_NOENT;
	if (!str_cut(seg, rest, *rest, '/'))
		*rest = STR_NONE;
	return name_check(*seg);
}

int path_check(struct str path)
{
	struct str seg, rest = path;
	int err, depth = 0;

	if (path.n > STORE_PATH_MAX)
		return err_set(ERR_LIMIT, "store: path over %d bytes", STORE_PATH_MAX);
	if (path.n == 0)
		return 0;
	while ((err = path_next(&seg, &rest)) >= 0)
		if (++depth > STORE_DEPTH_MAX)
			return err_set(
				ERR_LIMIT, "store: path over %d folders deep", STORE_DEPTH_MAX);
	return err == ERR_NOENT ? 0 : err;
}

/* ---- public reads ---- */
int tree_open(struct view *v, struct store *s, const struct store_oid *id)
{
	char hex[STORE_HEX];
	int err = view_open(v, s, id, OBJ_TREE, OBJECT_BYTES);

	return err == ERR_NOENT
		? err_set(ERR_CORRUPT, "store: tree %s is missing", store_oid_hex(hex, id))
		: err;
}

int store_find(
	struct store_entry *out, struct store *s, const struct store_oid *tree, struct str path)
{
	struct str seg, rest = path;
	int err;

	out->oid = *tree;
	out->kind = STORE_TREE;
	if (path.n == 0)
		return 0;
	while ((err = path_next(&seg, &rest)) >= 0) {
		struct view v;
		struct tent t;
		if (out->kind != STORE_TREE)
			return ERR_NOENT;
		err = tree_open(&v, s, &out->oid);
		if (err < 0)
			return err;
		err = tree_get(&t, str_n(v.p, v.n), seg);
		if (err >= 0)
			tent_entry(out, &t);
		view_end(&v);
		if (err < 0)
			return err;
	}
	return err == ERR_NOENT ? 0 : err;
}

int tree_list(struct str raw, struct str after, store_list_fn *fn, void *ctx)
{
	struct tcur c = { (const uint8_t *)raw.p, raw.n, 0 };
	struct tent t, last;
	int err;

	if (after.p) {
		/* Gone meanwhile: go on where a file of that name would stand. */
		bool there = tree_get(&last, raw, after) >= 0;
		bool folder = there && mode_folder(last.mode);
		while ((err = tree_next(&t, &c)) >= 0)
			if (tree_cmp(t.name, mode_folder(t.mode), after, folder) > 0)
				break;
		if (err < 0)
			return err == ERR_NOENT ? 0 : err;
		c.at = t.at;
	}
	while ((err = tree_next(&t, &c)) >= 0) {
		struct store_entry e;
		tent_entry(&e, &t);
		err = fn(ctx, t.name, &e);
		if (err < 0)
			return err;
	}
	return err == ERR_NOENT ? 0 : err;
}

int store_list(struct store *s, const struct store_oid *tree, struct str after, store_list_fn *fn,
	void *ctx)
{
	struct view v;
	int err = tree_open(&v, s, tree);

	if (err < 0)
		return err;
	err = tree_list(str_n(v.p, v.n), after, fn, ctx); /* fn may write, or wait */
	view_end(&v);
	return err;
}
