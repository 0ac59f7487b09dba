/* SPDX-License-Identifier: ISC */
/* Naming commits, walking back through them, and comparing trees. */
#include "store/store_impl.h"

#define YIELD_EVERY 64
#define LOG_ARENA   (1024 * 1024)
#define ABBREV_MIN  4

/* ---- resolve ---- */
static int abbreviated(struct store_oid *out, struct store *s, struct str hex)
{
	struct store_oid low = { { 0 } };
	struct str key, value, from = oid_str(&low);
	bool past = false, found = false;
	int err;

	for (size_t i = 0; i < hex.n; i++)
		low.b[i / 2] |= (uint8_t)(hex_digit(hex.p[i]) << (i % 2 ? 0 : 4));
	while ((err = kv_next(&key, &value, s->kv, KV_OBJ, from, past)) >= 0 && key.n == 20) {
		char text[STORE_HEX];
		struct store_oid id;
		struct head h;
		memcpy(id.b, key.p, sizeof(id.b));
		if (!str_istarts(str_n(store_oid_hex(text, &id), 40), hex))
			break;
		if (head_parse(&h, value) >= 0 && h.type == OBJ_COMMIT) {
			if (found)
				return err_set(ERR_CONFLICT, "store: %.*s names several commits",
					STR_ARG(hex));
			found = true;
			*out = id;
		}
		low = id;
		past = true;
	}
	if (err < 0 && err != ERR_NOENT)
		return err;
	return found ? 0 : err_set(ERR_NOENT, "store: no commit %.*s", STR_ARG(hex));
}

static bool is_hex(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (hex_digit(s.p[i]) < 0)
			return false;
	return s.n >= ABBREV_MIN && s.n <= STORE_HEX - 1;
}

/* A ref's name in full, or without refs/, or without refs/heads/. */
static int by_ref(struct store_oid *out, struct store *s, struct str name)
{
	static const char *const before[] = { "", "refs/", "refs/heads/" };
	char full[REF_MAX + 1];
	int err = ERR_NOENT;

	for (size_t i = 0; i < ARRAY_LEN(before) && err == ERR_NOENT; i++) {
		struct ref_value v;
		int n = snprintf(full, sizeof(full), "%s%.*s", before[i], STR_ARG(name));
		if (n < 0 || n >= (int)sizeof(full))
			continue;
		err = ref_read(&v, s, str_n(full, (size_t)n));
		if (err >= 0)
			*out = v.commit;
	}
	return err;
}

int store_resolve(struct store_oid *out, struct store *s, struct str text)
{
	struct str name, back;
	uint64_t steps = 0;
	struct store_oid id, tree;
	bool walks = str_cut(&name, &back, text, '~');
	int err = 0;

	if (walks && back.n == 0)
		steps = 1;
	else if (walks)
		err = str_u64(&steps, back, 1000000000);
	if (err < 0)
		return err_set(ERR_BAD, "store: %.*s: a number follows ~", STR_ARG(text));
	err = by_ref(&id, s, name);
	if (err == ERR_NOENT && is_hex(name))
		err = abbreviated(&id, s, name);
	else if (err == ERR_NOENT)
		err = err_set(ERR_NOENT, "store: no ref or commit %.*s", STR_ARG(name));
	if (err >= 0) /* is it one, and whole? */
		err = commit_tree(&tree, s, &id);
	while (err >= 0 && steps-- > 0)
		err = commit_parent(&id, s, &id);
	if (err >= 0)
		*out = id;
	return err;
}

/* ---- log ---- */
static int at_path(struct store_entry *out, bool *there, struct store *s,
	const struct store_oid *tree, struct str path)
{
	int err = store_find(out, s, tree, path);
	*there = err >= 0;
	return err == ERR_NOENT ? 0 : err;
}

int store_log(
	struct store *s, const struct store_oid *from, struct str path, store_log_fn *fn, void *ctx)
{
	struct arena a[2]; /* this commit and its parent, turn by turn */
	struct store_commit c[2];
	struct store_entry here, before;
	bool there, was = false;
	unsigned turns = 0, i = 0;
	int err;

	arena_init(&a[0], LOG_ARENA);
	arena_init(&a[1], LOG_ARENA);
	err = store_commit_get(&c[0], &a[0], s, from);
	if (err >= 0)
		err = at_path(&here, &there, s, &c[0].tree, path);
	while (err >= 0) {
		bool more = c[i].parent_count > 0 && !store_shallow_has(s, &c[i].id);
		was = false;
		arena_reset(&a[!i]);
		if (more)
			err = store_commit_get(&c[!i], &a[!i], s, &c[i].parents[0]);
		if (more && err >= 0)
			err = at_path(&before, &was, s, &c[!i].tree, path);
		if (err < 0)
			break;
		if (path.n == 0 || there != was || (there && !store_oid_eq(&here.oid, &before.oid)))
			err = fn(ctx, &c[i]);
		if (!more)
			break;
		here = before;
		there = was;
		i = !i;
		if (++turns % YIELD_EVERY == 0)
			os_yield();
	}
	arena_free(&a[0]);
	arena_free(&a[1]);
	return err == ERR_CLOSED ? 0 : err;
}

/* ---- diff ---- */
struct diff {
	struct store *s;
	store_diff_fn *fn;
	void *ctx;
	char path[STORE_PATH_MAX];
	size_t n;
	/* Folders under comparison, innermost last; a side is absent when there is none. */
	struct level {
		struct view v[2];
		struct tcur c[2];
		struct tent t[2];
		bool has[2];
		size_t path_n;
	} levels[STORE_DEPTH_MAX + 1];
	int depth;
};

static int advance(struct level *l, int side)
{
	int err = l->c[side].p ? tree_next(&l->t[side], &l->c[side]) : ERR_NOENT;
	l->has[side] = err >= 0;
	return err == ERR_NOENT ? 0 : err;
}

static int enter(struct diff *d, const struct store_oid *ids[2])
{
	struct level *l;
	int err = 0;

	if (d->depth > STORE_DEPTH_MAX)
		return err_set(ERR_LIMIT, "store: over %d folders deep", STORE_DEPTH_MAX);
	l = &d->levels[d->depth++];
	*l = (struct level){ .path_n = d->n };
	for (int i = 0; i < 2 && err >= 0; i++) {
		if (!ids[i])
			continue;
		err = tree_open(&l->v[i], d->s, ids[i]);
		if (err >= 0)
			l->c[i] = (struct tcur){ l->v[i].p, l->v[i].n, 0 };
		if (err >= 0)
			err = advance(l, i);
	}
	return err;
}

static void leave(struct diff *d)
{
	struct level *l = &d->levels[--d->depth];
	view_end(&l->v[0]);
	view_end(&l->v[1]);
}

static int set_path(struct diff *d, size_t base, struct str name)
{
	if (base + 1 + name.n > sizeof(d->path))
		return err_set(ERR_LIMIT, "store: path over %d bytes", STORE_PATH_MAX);
	d->n = base;
	if (base)
		d->path[d->n++] = '/';
	memcpy(d->path + d->n, name.p, name.n);
	d->n += name.n;
	return 0;
}

static int changed(struct diff *d, const struct store_oid *before, const struct store_oid *after)
{
	struct store_change c = { str_n(d->path, d->n), before, after };
	return d->fn(d->ctx, &c);
}

/* One entry: on both sides, or (other NULL) on one. */
static int compare(struct diff *d, struct level *l, bool has[2])
{
	struct tent *t = has[0] ? &l->t[0] : &l->t[1];
	struct store_oid id[2];
	const struct store_oid *ids[2] = { NULL, NULL };
	bool folder = mode_folder(t->mode);
	int err;

	for (int i = 0; i < 2; i++) {
		if (!has[i])
			continue;
		memcpy(id[i].b, l->t[i].id, sizeof(id[i].b));
		ids[i] = &id[i];
	}
	if (ids[0] && ids[1] && store_oid_eq(ids[0], ids[1]))
		return 0;
	err = set_path(d, l->path_n, t->name);
	if (err < 0)
		return err;
	return folder ? enter(d, ids) : changed(d, ids[0], ids[1]);
}

static int step(struct diff *d)
{
	struct level *l = &d->levels[d->depth - 1];
	bool has[2] = { l->has[0], l->has[1] };
	int err;

	if (!has[0] && !has[1]) {
		leave(d);
		return 0;
	}
	if (has[0] && has[1]) {
		int c = tree_cmp(l->t[0].name, mode_folder(l->t[0].mode), l->t[1].name,
			mode_folder(l->t[1].mode));
		has[0] = c <= 0;
		has[1] = c >= 0;
	}
	err = compare(d, l, has);
	for (int i = 0; i < 2 && err >= 0; i++)
		if (has[i])
			err = advance(l, i);
	return err;
}

int store_diff(struct store *s, const struct store_oid *old_tree, const struct store_oid *new_tree,
	struct str under, store_diff_fn *fn, void *ctx)
{
	const struct store_oid *trees[2] = { old_tree, new_tree };
	struct store_entry at[2];
	const struct store_oid *files[2] = { NULL, NULL };
	struct diff *d;
	int err = path_check(under);

	if (err < 0)
		return err;
	d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(ERR_NOMEM, "store: out of memory");
	d->s = s;
	d->fn = fn;
	d->ctx = ctx;
	memcpy(d->path, under.p ? under.p : "", under.n);
	d->n = under.n;
	for (int i = 0; i < 2 && err >= 0; i++) {
		bool there = false;
		if (trees[i])
			err = at_path(&at[i], &there, s, trees[i], under);
		trees[i] = there && at[i].kind == STORE_TREE ? &at[i].oid : NULL;
		files[i] = there && at[i].kind == STORE_BLOB ? &at[i].oid : NULL;
	}
	if (err >= 0 && !oid_opt_eq(files[0], files[1]))
		err = changed(d, files[0], files[1]);
	if (err >= 0 && !oid_opt_eq(trees[0], trees[1]))
		err = enter(d, trees);
	while (err >= 0 && d->depth > 0)
		err = step(d);
	while (d->depth > 0)
		leave(d);
	free(d);
	return err;
}
