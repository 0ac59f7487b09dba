/* SPDX-License-Identifier: ISC */
/*
 * Moving refs to commits that are here already. The open group is written first, so that the refs
 * are what they seem; then the moves make a group of their own.
 */
#include "store/reach_impl.h"

#define MOVES_MAX 1024

struct target { /* of one move */
	bool has_old, has_new;
	struct store_oid old_tree, new_tree;
	struct why *why;
};

/* Git keeps a ref as a file: none may be a folder of another. */
static int name_free(struct store *s, struct str ref)
{
	char room[2 + REF_MAX];
	struct str key, value, from = sys_key(room, 'r', ref);
	struct ref_value v;
	int err;

	for (size_t i = 0; i < ref.n; i++)
		if (ref.p[i] == '/' && ref_read(&v, s, str_sub(ref, 0, i)) >= 0)
			return err_set(ERR_CONFLICT, "store: ref %.*s is in the way of %.*s",
				(int)i, ref.p, STR_ARG(ref));
	room[from.n++] = '/';
	err = kv_next(&key, &value, s->kv, KV_SYS, from, false);
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	if (str_starts(key, from))
		return err_set(ERR_CONFLICT, "store: ref %.*s is in the way of %.*s",
			STR_ARG(str_sub(key, 1, key.n)), STR_ARG(ref));
	return 0;
}

static int check_target(struct target *t, struct store *s, const struct store_ref_move *m)
{
	struct walk_commit c;
	struct head h;
	char hex[STORE_HEX];
	int err = walk_commit_get(&c, s, m->to);

	if (err < 0)
		return err;
	err = head_get(&h, s, &c.tree);
	if (err >= 0 && h.type != OBJ_TREE)
		err = err_set(ERR_BAD, "store: commit %s has no tree", store_oid_hex(hex, m->to));
	t->has_new = true;
	t->new_tree = c.tree;
	return err;
}

/* Does the ref stand where the move says? And where does it go? */
static int check_move(struct target *t, struct store *s, const struct store_ref_move *m)
{
	struct ref_value v = { 0 };
	int err = ref_read(&v, s, m->ref);

	if (err < 0 && err != ERR_NOENT)
		return err;
	t->has_old = err >= 0;
	t->old_tree = v.tree;
	if (!oid_opt_eq(m->from, t->has_old ? &v.commit : NULL))
		return err_set(ERR_CONFLICT, "store: ref %.*s %s", STR_ARG(m->ref),
			!t->has_old       ? "is not there"
				: m->from ? "has moved meanwhile"
					  : "is there already");
	if (m->to && !t->has_old && (err = name_free(s, m->ref)) < 0)
		return err;
	return m->to ? check_target(t, s, m) : 0;
}

/* Into the group; on failure it holds nothing that would be written. */
static int join_moves(struct store *s, struct group *g, const struct store_ref_move *moves,
	struct target *t, size_t count, const struct store_why *why)
{
	struct gref *r;
	int err = 0;

	for (size_t i = 0; i < count && err >= 0; i++) {
		err = group_ref_add(&r, s, g, moves[i].ref);
		if (err >= 0 && !(t[i].why = why_new(why)))
			err = err_set(ERR_NOMEM, "store: out of memory");
	}
	for (size_t i = 0; i < count && err >= 0; i++) {
		if (oid_opt_eq(moves[i].from, moves[i].to))
			continue;
		r = group_ref(g, moves[i].ref);
		gref_fix(r, moves[i].to, t[i].has_new ? &t[i].new_tree : NULL, t[i].why);
		t[i].why = NULL;
	}
	return err;
}

/* Holding the turn; t: `count` of them, zeroed. */
static int move_all(struct store *s, const struct store_ref_move *moves, struct target *t,
	size_t count, const struct store_why *why, struct store_edit *with)
{
	struct changes kv = { 0 };
	struct group *g;
	int err = group_flush(s);

	if (err >= 0 && with && with->in && with->in->err < 0)
		err = with->in->err;
	for (size_t i = 0; i < count && err >= 0; i++)
		err = check_move(&t[i], s, &moves[i]);
	if (err >= 0)
		err = space_check(s, count * 512 + (with ? edit_bytes(with) : 0), with);
	if (err >= 0)
		err = group_open(&g, s);
	for (size_t i = 0; i < count && err >= 0; i++)
		if (!oid_opt_eq(moves[i].from, moves[i].to))
			err = derive_move(s, &kv, g->seq, moves[i].ref,
				t[i].has_old ? &t[i].old_tree : NULL,
				t[i].has_new ? &t[i].new_tree : NULL);
	if (err >= 0 && with)
		err = edit_give(g, with);
	if (err >= 0)
		err = join_moves(s, g, moves, t, count, why);
	if (err >= 0) {
		changes_move(&g->kv, &kv);
		g->edits += !with;
		err = group_flush(s);
	}
	changes_free(&kv);
	return err;
}

int refs_move(struct store *s, const struct store_ref_move *moves, size_t count,
	const struct store_why *why, struct store_edit *with)
{
	struct target *t = calloc(count, sizeof(*t));
	int err;

	if (!t)
		return err_set(ERR_NOMEM, "store: out of memory");
	err = move_all(s, moves, t, count, why, with);
	for (size_t i = 0; i < count; i++)
		free(t[i].why);
	free(t);
	return err;
}

static int check_names(const struct store_ref_move *moves, size_t count)
{
	if (count > MOVES_MAX)
		return err_set(ERR_LIMIT, "store: over %d refs at once", MOVES_MAX);
	for (size_t i = 0; i < count; i++) {
		int err = ref_name_check(moves[i].ref);
		if (err < 0)
			return err;
		for (size_t k = 0; k < i; k++)
			if (str_eq(moves[i].ref, moves[k].ref))
				return err_set(ERR_BAD, "store: ref %.*s is moved twice",
					STR_ARG(moves[i].ref));
	}
	return 0;
}

int store_ref_update(struct store *s, const struct store_ref_move *moves, size_t count,
	const struct store_why *why, os_time deadline)
{
	int err = check_names(moves, count);

	if (err < 0 || count == 0)
		return err;
	store_user_add(s);
	err = store_turn(s, deadline);
	if (err >= 0) {
		err = refs_move(s, moves, count, why, NULL);
		store_turn_end(s);
	}
	store_user_del(s);
	return err;
}
