/* SPDX-License-Identifier: ISC */
/*
 * Is everything below a tip there? New commits first, back to those that must be the sender's; then
 * the tree of each beside its parents' trees: what stands unchanged at its place is fine, what is new
 * must be of the pack, and the little that is neither (something moved) must be the sender's own.
 */
#include "store/receive_impl.h"

#define BESIDE       3           /* trees that each is compared with */
#define OPEN_BYTES   (4u << 20)  /* of trees on the way from the root */
#define PATHS_MAX    (16u << 20) /* files and folders that one tree unfolds to */
#define UNPROVEN_MAX (128u * 1024)

struct unproven { /* named, not in the pack */
	struct store_oid id, in;
	bool folder;
	uint8_t depth; /* names in its path */
};
struct level {
	struct rec *rec;
	struct view now, old[BESIDE];
	struct tcur at, old_at[BESIDE];
	struct tent beside[BESIDE]; /* the next of each old tree; id NULL: none */
	uint64_t paths;
	uint32_t height;
};
struct check {
	struct store_receive *r;
	struct store *s;
	struct known known;
	struct oids todo, fresh, parents; /* commits: to look at, of the pack, not of it */
	struct unproven *unproven;
	size_t unproven_n, unproven_cap;
	struct walk_commit commit, parent; /* at hand */
	struct store_oid beside[BESIDE];   /* the trees to compare the commit's with */
	bool own[BESIDE];                  /* one of the sender's refs reaches it */
	unsigned beside_n;
	struct level levels[STORE_DEPTH_MAX]; /* from the root */
	unsigned depth;
	size_t open_bytes;
};

static int lacking(const char *what, const struct store_oid *in, const struct store_oid *id)
{
	char a[STORE_HEX], b[STORE_HEX];
	return err_set(ERR_BAD,
		"%s %.10s names %s, which is neither in the pack nor in your repository", what,
		store_oid_hex(a, in), store_oid_hex(b, id));
}

static int wrong_kind(const struct store_oid *in, const struct store_oid *id)
{
	char a[STORE_HEX], b[STORE_HEX];
	return err_set(ERR_BAD, "%.10s names %s as what it is not", store_oid_hex(a, in),
		store_oid_hex(b, id));
}

/* ---- commits ---- */
/* A commit of the pack that was not met yet goes on top of those to look at. */
static int visit_commit(
	bool *fresh, struct check *c, const struct store_oid *in, const struct store_oid *id)
{
	struct rec *rec = recs_find(&c->r->recs, id);

	*fresh = rec && !(rec->flags & REC_SEEN);
	if (rec && rec->type != OBJ_COMMIT)
		return wrong_kind(in, id);
	if (!*fresh)
		return 0;
	rec->flags |= REC_SEEN;
	return oids_add(&c->todo, id);
}

/* Those of the pack, parents first: what stands in a parent is proven before it proves anything. */
static int find_commits(struct check *c, const struct store_oid *tip)
{
	bool deeper;
	int err = visit_commit(&deeper, c, tip, tip);

	if (err >= 0 && !deeper)
		err = oids_add(&c->parents, tip);
	while (c->todo.n > 0 && err >= 0) {
		struct store_oid id = c->todo.p[c->todo.n - 1];
		struct walk_commit w;

		deeper = false;
		err = walk_commit_get(&w, c->s, &id);
		for (size_t i = 0; err >= 0 && !deeper && i < w.parent_count; i++)
			err = visit_commit(&deeper, c, &id, &w.parents[i]);
		receive_rest(c->r, 256);
		if (err < 0 || deeper)
			continue;
		c->todo.n--;
		err = oids_add(&c->fresh, &id);
		for (size_t i = 0; err >= 0 && i < w.parent_count; i++)
			if (!recs_find(&c->r->recs, &w.parents[i]))
				err = oids_add(&c->parents, &w.parents[i]);
	}
	return err;
}

static int check_parents(struct check *c, const struct store_oid *tip)
{
	bool *found = calloc(c->parents.n ? c->parents.n : 1, sizeof(*found));
	int err;

	if (!found)
		return err_set(ERR_NOMEM, "out of memory");
	err = store_reached(
		found, c->s, c->known.tips.p, c->known.tips.n, c->parents.p, c->parents.n);
	for (size_t i = 0; i < c->parents.n && err >= 0; i++)
		if (!found[i])
			err = lacking("the history of", tip, &c->parents.p[i]);
	free(found);
	return err;
}

/* ---- trees ---- */
static int leave_unproven(struct check *c, const struct tent *t)
{
	struct level *l = &c->levels[c->depth - 1];
	struct unproven *u;

	if (c->unproven_n == UNPROVEN_MAX)
		return err_set(ERR_LIMIT,
			"over %u things moved at once: push it whole "
			"(git push --no-thin)",
			UNPROVEN_MAX);
	if (c->unproven_n == c->unproven_cap) {
		size_t cap = c->unproven_cap ? c->unproven_cap * 2 : 64;
		u = realloc(c->unproven, cap * sizeof(*u));
		if (!u)
			return err_set(ERR_NOMEM, "out of memory");
		c->unproven = u;
		c->unproven_cap = cap;
	}
	u = &c->unproven[c->unproven_n++];
	*u = (struct unproven){
		.in = l->rec->id, .folder = mode_folder(t->mode), .depth = (uint8_t)c->depth
	};
	memcpy(u->id.b, t->id, sizeof(u->id.b));
	return 0;
}

static int beside_next(struct check *c, struct level *l, unsigned k)
{
	struct store_oid id;
	int err = tree_next(&l->beside[k], &l->old_at[k]);

	if (err == ERR_NOENT) {
		l->beside[k].id = NULL;
		return 0;
	}
	if (err < 0 || !c->own[k])
		return err;
	memcpy(id.b, l->beside[k].id, sizeof(id.b));
	return known_near(&c->known, &id);
}

static int old_open(struct check *c, struct level *l, unsigned k, const struct store_oid *id)
{
	int err = view_open(&l->old[k], c->s, id, OBJ_TREE, OBJECT_BYTES);

	if (err < 0)
		return err;
	l->old_at[k] = (struct tcur){ l->old[k].p, l->old[k].n, 0 };
	c->open_bytes += l->old[k].n;
	return beside_next(c, l, k);
}

/* Goes down into a tree of the pack; olds[k] may be NULL. */
static int enter(struct check *c, struct rec *rec, const struct store_oid *const *olds)
{
	struct level *l;
	int err;

	if (c->depth == STORE_DEPTH_MAX)
		return too_deep();
	l = &c->levels[c->depth];
	*l = (struct level){ .rec = rec };
	c->depth++;
	err = view_open(&l->now, c->s, &rec->id, OBJ_TREE, OBJECT_BYTES);
	if (err < 0)
		return err;
	l->at = (struct tcur){ l->now.p, l->now.n, 0 };
	c->open_bytes += l->now.n;
	for (unsigned k = 0; k < BESIDE && err >= 0; k++)
		if (olds[k])
			err = old_open(c, l, k, olds[k]);
	if (err >= 0 && c->open_bytes > OPEN_BYTES)
		err = err_set(ERR_LIMIT, "folders too large within each other");
	receive_rest(c->r, l->now.n + 256);
	return err;
}

static void close_level(struct check *c)
{
	struct level *l = &c->levels[--c->depth];

	c->open_bytes -= l->now.n;
	view_end(&l->now);
	for (unsigned k = 0; k < BESIDE; k++) {
		c->open_bytes -= l->old[k].n;
		view_end(&l->old[k]);
	}
}

/* A tree of the pack that is complete stands below the present level. */
static int count_below(struct check *c, const struct rec *rec)
{
	struct level *l = &c->levels[c->depth - 1];

	if (c->depth + rec->height >= STORE_DEPTH_MAX)
		return too_deep();
	l->paths += rec->paths;
	if (l->height < rec->height + 1)
		l->height = rec->height + 1;
	return 0;
}

static int leave(struct check *c)
{
	struct level *l = &c->levels[c->depth - 1];
	struct rec *rec = l->rec;
	int err = 0;

	for (unsigned k = 0; k < BESIDE; k++)
		while (l->beside[k].id && err >= 0)
			err = beside_next(c, l, k);
	rec->paths = (uint32_t)l->paths;
	rec->height = l->height;
	rec->flags |= REC_SEEN;
	close_level(c);
	return err < 0 || c->depth == 0 ? err : count_below(c, rec);
}

/* What stands at the same place before; *same: as it is now. */
static int look_beside(
	const struct tent **out, bool *same, struct check *c, struct level *l, const struct tent *t)
{
	for (unsigned k = 0; k < BESIDE; k++) {
		struct tent *o = &l->beside[k];
		int err, order = 1;

		while (o->id &&
			(order = tree_cmp(
				 o->name, mode_folder(o->mode), t->name, mode_folder(t->mode))) < 0)
			if ((err = beside_next(c, l, k)) < 0)
				return err;
		out[k] = o->id && order == 0 ? o : NULL;
		if (out[k] && memcmp(o->id, t->id, 20) == 0)
			*same = true;
	}
	return 0;
}

static int check_entry(struct check *c, const struct tent *t)
{
	struct level *l = &c->levels[c->depth - 1];
	const struct store_oid *olds[BESIDE] = { 0 };
	struct store_oid id, old[BESIDE];
	const struct tent *o[BESIDE];
	bool same = false;
	struct rec *rec;
	int err = look_beside(o, &same, c, l, t);

	if (++l->paths > PATHS_MAX)
		return err_set(ERR_LIMIT, "the tree unfolds to over %u files", PATHS_MAX);
	if (err < 0 || same)
		return err;
	memcpy(id.b, t->id, sizeof(id.b));
	rec = recs_find(&c->r->recs, &id);
	if (!rec)
		return leave_unproven(c, t);
	if (rec->type != (mode_folder(t->mode) ? OBJ_TREE : OBJ_BLOB))
		return wrong_kind(&l->rec->id, &id);
	if (rec->type == OBJ_BLOB)
		return 0;
	if (rec->flags & REC_SEEN)
		return count_below(c, rec);
	for (unsigned k = 0; k < BESIDE; k++)
		if (o[k] && mode_folder(o[k]->mode)) {
			memcpy(old[k].b, o[k]->id, sizeof(old[k].b));
			olds[k] = &old[k];
		}
	return enter(c, rec, olds);
}

static int check_below(struct check *c)
{
	int err = 0;

	while (c->depth > 0 && err >= 0) {
		struct tent t;
		err = tree_next(&t, &c->levels[c->depth - 1].at);
		if (err >= 0)
			err = check_entry(c, &t);
		else if (err == ERR_NOENT)
			err = leave(c);
	}
	while (c->depth > 0)
		close_level(c);
	return err;
}

static int put_beside(struct check *c, const struct store_oid *commit)
{
	int err = walk_commit_get(&c->parent, c->s, commit);

	for (unsigned k = 0; k < c->beside_n; k++)
		if (store_oid_eq(&c->beside[k], &c->parent.tree) && c->own[k])
			return err;
	c->own[c->beside_n] = !recs_find(&c->r->recs, commit);
	c->beside[c->beside_n++] = c->parent.tree;
	return err;
}

/* Two parents', and that of a commit the sender had from here: what moved is likely there. */
static int find_beside(struct check *c)
{
	const struct walk_commit *w = &c->commit;
	int err = 0;

	c->beside_n = 0;
	for (size_t k = 0; k < w->parent_count && k < BESIDE - 1 && err >= 0; k++)
		err = put_beside(c, &w->parents[k]);
	return err < 0 || c->parents.n == 0 ? err : put_beside(c, &c->parents.p[0]);
}

/* The commit's tree is not of the pack. */
static int outside_tree(struct check *c, const struct store_oid *commit)
{
	struct tent root = { .mode = MODE_TREE, .id = c->commit.tree.b };
	int err;

	c->levels[0] = (struct level){ .rec = recs_find(&c->r->recs, commit) };
	c->depth = 1;
	err = leave_unproven(c, &root);
	c->depth = 0;
	if (err >= 0)
		c->unproven[c->unproven_n - 1].depth = 0;
	return err;
}

static int check_tree(struct check *c, const struct store_oid *commit)
{
	const struct store_oid *olds[BESIDE] = { 0 };
	struct rec *rec;
	int err = walk_commit_get(&c->commit, c->s, commit);

	if (err >= 0)
		err = find_beside(c);
	for (unsigned k = 0; k < c->beside_n && err >= 0; k++) {
		olds[k] = &c->beside[k];
		if (store_oid_eq(olds[k], &c->commit.tree))
			return 0; /* that commit's own check sees to it */
	}
	if (err < 0)
		return err;
	rec = recs_find(&c->r->recs, &c->commit.tree);
	if (!rec)
		return outside_tree(c, commit);
	if (rec->type != OBJ_TREE)
		return wrong_kind(commit, &c->commit.tree);
	if (rec->flags & REC_SEEN)
		return 0;
	err = enter(c, rec, olds);
	return err < 0 ? err : check_below(c);
}

/* ---- what is not in the pack ---- */
static int judge(struct check *c, const struct unproven *u, bool found)
{
	struct head h;
	int err;

	if (!found)
		return lacking("tree", &u->in, &u->id);
	err = head_get(&h, c->s, &u->id);
	if (err < 0)
		return err;
	if (h.type != (u->folder ? OBJ_TREE : OBJ_BLOB))
		return wrong_kind(&u->in, &u->id);
	return u->folder ? folders_fit(c->r, &u->id, u->depth) : 0;
}

static int check_unproven(struct check *c)
{
	size_t n = c->unproven_n + c->r->bases.n;
	bool *found = calloc(n ? n : 1, sizeof(*found));
	struct store_oid *ids = calloc(n ? n : 1, sizeof(*ids));
	int err = found && ids ? 0 : err_set(ERR_NOMEM, "out of memory");

	for (size_t i = 0; i < n && err >= 0; i++)
		ids[i] = i < c->unproven_n ? c->unproven[i].id : c->r->bases.p[i - c->unproven_n];
	for (size_t i = c->unproven_n; i < n && err >= 0; i++) {
		struct rec *rec = recs_find(&c->r->recs, &ids[i]); /* it came later, of itself */
		if (rec && !(rec->flags & REC_OUTSIDE))
			err = known_near(&c->known, &ids[i]);
	}
	if (err >= 0)
		err = known_find(found, &c->known, ids, n);
	for (size_t i = c->unproven_n; i < n && err >= 0; i++)
		if (!found[i])
			err = no_base(&ids[i]);
	for (size_t i = 0; i < c->unproven_n && err >= 0; i++)
		err = judge(c, &c->unproven[i], found[i]);
	free(found);
	free(ids);
	return err;
}

/* ---- the contract ---- */
static int check_all(struct check *c, const struct store_oid *tip)
{
	int err;

	if (c->r->doubt_err) { /* then something of the pack is missing: only say why */
		err = check_unproven(c);
		return err < 0 ? err : err_set(c->r->doubt_err, "%s", c->r->doubt);
	}
	err = find_commits(c, tip);
	if (err >= 0)
		err = check_parents(c, tip);
	for (size_t i = 0; i < c->fresh.n && err >= 0; i++)
		err = check_tree(c, &c->fresh.p[i]);
	return err < 0 ? err : check_unproven(c);
}

int store_receive_check(struct store_receive *r, const struct store_oid *tip,
	const struct str *prefixes, size_t prefix_count)
{
	struct check *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return err_set(ERR_NOMEM, "out of memory");
	os_assert(r->finished);
	c->r = r;
	c->s = r->s;
	for (uint32_t i = 0; i < r->recs.n; i++)
		recs_get(&r->recs, i)->flags &= (uint8_t)~REC_SEEN;
	err = known_begin(&c->known, r, prefixes, prefix_count);
	if (err >= 0)
		err = check_all(c, tip);
	known_end(&c->known);
	free(c->todo.p);
	free(c->fresh.p);
	free(c->parents.p);
	free(c->unproven);
	free(c);
	return err;
}
