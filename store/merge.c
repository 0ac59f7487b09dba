/* SPDX-License-Identifier: ISC */
/*
 * Merging two histories. What comes out depends on the two commits alone: the one with the lower id
 * is "ours", the commit's date is the later parent's, its message names the rules. Most of the work
 * is done without the writer's turn; if the branch has moved on meanwhile it is done over again,
 * in the end with the turn.
 */
#include "store/base_impl.h"

#define TRIES         3 /* the last one with the turn */
#define BASES_MAX     8
#define VIRTUALS_MAX  8 /* merges of bases, in one merge */
#define NOTES_MAX     (16 * 1024)
#define PATHS_VERSION 1

struct merge {
	struct store *s;
	struct str into;
	const struct store_oid *from;
	bool has_tip;
	struct store_oid tip;
	enum store_merged how;
	struct store_oid to;  /* where the branch goes */
	struct store_edit *e; /* holds what the merge made */
	unsigned virtuals;
	bool turn; /* held while preparing */
};

/* ---- trees ---- */
static int call_driver(struct merge *m, const struct store_oid *base,
	const struct store_oid *theirs, struct buf *notes)
{
	const struct store_driver *v = m->s->driver;

	if (v && v->merge)
		return v->merge(v->ctx, m->e, m->into, base, theirs, notes);
	return store_edit_merge_paths(m->e, STR(""), base, theirs, notes);
}

/* `notes` NULL: nobody will see them. */
static int merge_trees(struct store_oid *out, struct merge *m, const struct store_oid *base,
	const struct store_oid *ours, const struct store_oid *theirs, struct buf *notes)
{
	struct buf unseen;
	bool empty;
	int err = 0;

	if (store_oid_eq(ours, theirs) || (base && store_oid_eq(base, theirs))) {
		*out = *ours;
		return 0;
	}
	if (base && store_oid_eq(base, ours)) {
		*out = *theirs;
		return 0;
	}
	if (m->e)
		err = edit_stand_at(m->e, ours);
	else
		err = edit_detach(&m->e, m->s, m->into, ours, !m->turn);
	buf_init(&unseen, NULL);
	if (err >= 0)
		err = call_driver(m, base, theirs, notes ? notes : &unseen);
	buf_free(&unseen);
	return err < 0 ? err : node_write(out, &empty, m->e, m->e->root);
}

/* ---- the base ---- */
/*
 * One tree for several bases: they are merged with each other, lowest id first, by bases of their
 * own. Past the limits none is known, and what either side has stays.
 */
static int virtual_base(
	struct store_oid *tree, bool *has, struct merge *m, const struct oids *bases)
{
	struct walk_commit c;
	int err;

	*has = bases->n > 0 && bases->n <= BASES_MAX;
	if (!*has)
		return 0;
	err = walk_commit_get(&c, m->s, &bases->p[0]);
	*tree = c.tree;
	for (size_t i = 1; i < bases->n && err >= 0; i++) {
		struct store_oid inner_tree, sum = *tree;
		struct oids inner = { 0 };
		bool inner_has = false;
		if (m->virtuals++ < VIRTUALS_MAX)
			err = base_find(&inner, m->s, bases->p, i, &bases->p[i]);
		if (err >= 0 || err == ERR_LIMIT)
			err = virtual_base(&inner_tree, &inner_has, m, &inner);
		free(inner.p);
		if (err >= 0)
			err = walk_commit_get(&c, m->s, &bases->p[i]);
		if (err >= 0)
			err = merge_trees(
				tree, m, inner_has ? &inner_tree : NULL, &sum, &c.tree, NULL);
	}
	return err;
}

/* ---- the commit ---- */
static int make_message(struct buf *b, const struct merge *m, struct buf *notes)
{
	const struct store_driver *v = m->s->driver;
	bool typed = v && v->merge;
	struct str line, rest = buf_str(notes);

	buf_fmt(b, "merge by the rules of %s %u\n", typed ? v->name : "paths",
		typed ? (unsigned)v->merge_version : PATHS_VERSION);
	if (rest.n)
		buf_addc(b, '\n');
	while (rest.n > 0) {
		str_cut(&line, &rest, rest, '\n');
		if (b->n + line.n > NOTES_MAX) {
			buf_add(b, STR("...\n"));
			break;
		}
		for (size_t i = 0; i < line.n; i++)
			buf_addc(b, (uint8_t)line.p[i] < ' ' || line.p[i] == 127 ? '?' : line.p[i]);
		buf_addc(b, '\n');
	}
	return b->err;
}

static const struct store_why merger = { { "Allod", 5 }, { "merge@allod.invalid", 19 }, { NULL, 0 },
	0 };

static int make_commit(struct merge *m, const struct store_oid parents[2], int64_t time,
	const struct store_oid *tree, struct buf *notes)
{
	struct store_why why = merger;
	struct buf message, text;
	int err;

	buf_init(&message, NULL);
	buf_init(&text, NULL);
	err = make_message(&message, m, notes);
	why.time = time;
	why.message = buf_str(&message);
	if (err >= 0)
		err = merge_text(&text, tree, parents, &why);
	if (err >= 0 && !m->e) /* the tree was one side's */
		err = edit_detach(&m->e, m->s, m->into, tree, !m->turn);
	if (err >= 0)
		err = edit_new_object(&m->to, m->e, OBJ_COMMIT, buf_str(&text));
	buf_free(&message);
	buf_free(&text);
	m->how = STORE_MERGED_COMMIT;
	return err;
}

static int merge_commits(struct merge *m, const struct store_oid *a, const struct store_oid *b,
	const struct oids *bases)
{
	const struct store_oid parents[2] = { *a, *b };
	struct store_oid base, tree, trees[2];
	int64_t time = 0;
	struct buf notes;
	bool has;
	int err = virtual_base(&base, &has, m, bases);

	for (int i = 0; i < 2 && err >= 0; i++) {
		struct walk_commit c;
		err = walk_commit_get(&c, m->s, &parents[i]);
		trees[i] = c.tree;
		time = c.time > time ? c.time : time;
	}
	buf_init(&notes, NULL);
	if (err >= 0)
		err = merge_trees(&tree, m, has ? &base : NULL, &trees[0], &trees[1], &notes);
	if (err >= 0)
		err = notes.err;
	if (err >= 0)
		err = make_commit(m, parents, time, &tree, &notes);
	buf_free(&notes);
	return err;
}

/* ---- what is to be done ---- */
static bool has_parent(const struct walk_commit *c, const struct store_oid *id)
{
	for (size_t i = 0; i < c->parent_count; i++)
		if (store_oid_eq(&c->parents[i], id))
			return true;
	return false;
}

/* Are they merges of the same commits, to the same end? */
static int twins(bool *are, struct store *s, const struct store_oid *x, const struct store_oid *y)
{
	struct walk_commit a, b;
	int err = walk_commit_get(&a, s, x);

	if (err >= 0)
		err = walk_commit_get(&b, s, y);
	if (err < 0)
		return err;
	*are = a.parent_count > 1 && a.parent_count == b.parent_count &&
		store_oid_eq(&a.tree, &b.tree);
	for (size_t i = 0; i < a.parent_count && *are; i++)
		*are = has_parent(&b, &a.parents[i]);
	return 0;
}

/* Lower id first. */
static int merge_tips(struct merge *m, const struct store_oid *a, const struct store_oid *b)
{
	struct oids bases = { 0 };
	bool are;
	int err = twins(&are, m->s, a, b);

	if (err < 0 || are) {
		m->to = *a;
		return err;
	}
	err = base_find(&bases, m->s, a, 1, b);
	if (err == ERR_LIMIT) { /* so far apart that none is known */
		bases.n = 0;
		err = 0;
	}
	if (err >= 0 && bases.n == 1 && store_oid_eq(&bases.p[0], a))
		m->to = *b;
	else if (err >= 0 && bases.n == 1 && store_oid_eq(&bases.p[0], b))
		m->to = *a;
	else if (err >= 0)
		err = merge_commits(m, a, b, &bases);
	free(bases.p);
	return err;
}

static int prepare(struct merge *m)
{
	struct ref_value v;
	int err = ref_read(&v, m->s, m->into);

	m->how = STORE_MERGED_FORWARD;
	m->virtuals = 0;
	m->has_tip = err >= 0;
	m->to = *m->from;
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	m->tip = v.commit;
	if (memcmp(m->tip.b, m->from->b, sizeof(m->tip.b)) < 0)
		err = merge_tips(m, &m->tip, m->from);
	else if (!store_oid_eq(&m->tip, m->from))
		err = merge_tips(m, m->from, &m->tip);
	if (err >= 0 && store_oid_eq(&m->to, &m->tip))
		m->how = STORE_MERGED_NOTHING;
	return err;
}

/* Holding the turn. ERR_CONFLICT: the branch has moved since. */
static int apply(struct merge *m)
{
	struct store_ref_move move = { m->into, m->has_tip ? &m->tip : NULL, &m->to };

	return refs_move(m->s, &move, 1, &merger, m->e);
}

static void forget(struct merge *m)
{
	if (m->e)
		edit_detached_end(m->e);
	m->e = NULL;
}

static int try_turnless(struct merge *m, os_time deadline)
{
	int err = prepare(m);

	if (err < 0 || m->how == STORE_MERGED_NOTHING)
		return err;
	err = store_turn(m->s, deadline);
	if (err < 0)
		return err;
	err = apply(m);
	store_turn_end(m->s);
	return err;
}

static int try_in_turn(struct merge *m, os_time deadline)
{
	int err = store_turn(m->s, deadline);

	if (err < 0)
		return err;
	m->turn = true;
	err = group_flush(m->s);
	if (err >= 0)
		err = prepare(m);
	if (err >= 0 && m->how != STORE_MERGED_NOTHING)
		err = apply(m);
	forget(m); /* others read nothing of it any more */
	store_turn_end(m->s);
	return err;
}

int store_merge(enum store_merged *how, struct store_oid *commit, struct store *s, struct str into,
	const struct store_oid *from, os_time deadline)
{
	struct merge m = { .s = s, .into = into, .from = from };
	unsigned walk;
	int err = ref_name_check(into);

	if (err < 0)
		return err;
	if (s->closing)
		return err_set(ERR_CLOSED, "store: closing");
	store_user_add(s);
	walk = history_begin(s);
	err = ERR_CONFLICT;
	for (int i = 1; i < TRIES && err == ERR_CONFLICT; i++) {
		forget(&m);
		err = try_turnless(&m, deadline);
	}
	forget(&m);
	if (err == ERR_CONFLICT)
		err = try_in_turn(&m, deadline);
	history_end(s, walk);
	store_user_del(s);
	if (err < 0)
		return err;
	*how = m.how;
	if (commit)
		*commit = m.to;
	return 0;
}
