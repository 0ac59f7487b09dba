/* SPDX-License-Identifier: ISC */
/* Files of three trees, descending only where all three differ. */
#include "services/mail/merge_impl.h"

#include "os/fiber.h"

#define YIELD_EACH 256 /* folders */

bool mail_merge_same(const struct merge_trio *x, enum merge_side a, enum merge_side b)
{
	return x->there[a] == x->there[b] &&
		(!x->there[a] ||
			(x->at[a].kind == x->at[b].kind &&
				store_oid_eq(&x->at[a].oid, &x->at[b].oid)));
}

/* ---- writing ---- */
int mail_merge_beside(struct merge *m, struct str path, const struct store_entry *e)
{
	char hex[STORE_HEX], room[STORE_NAME_MAX + 1];
	struct buf to;
	size_t cut = path.n;
	while (cut > 0 && path.p[cut - 1] != '/')
		cut--;
	struct str name = str_sub(path, cut, path.n);
	snprintf(room, sizeof(room), "%.*s~%.16s", STR_ARG(str_sub(name, 0, STORE_NAME_MAX - 17)),
		store_oid_hex(hex, &e->oid));
	buf_init(&to, NULL);
	buf_add(&to, str_sub(path, 0, cut));
	buf_addz(&to, room);
	int err = to.err < 0 ? to.err : store_edit_put(m->e, buf_str(&to), &e->oid, e->kind);
	if (err == ERR_EXIST || err == ERR_BAD)
		err = 0; /* only somebody who made the name on purpose gets here */
	mail_merge_note(m, "%.*s: two files of this name: one is now %s", STR_ARG(path), room);
	buf_free(&to);
	return err;
}

/* Files that stand where the path wants folders step aside. */
static int clear_way(struct merge *m, struct str path)
{
	struct store_entry e;
	for (size_t i = 0; i < path.n; i++) {
		struct str part = str_sub(path, 0, i);
		if (path.p[i] != '/')
			continue;
		int err = store_edit_find(&e, m->e, part);
		if (err == ERR_NOENT)
			return 0;
		if (err < 0 || e.kind == STORE_TREE)
			continue;
		err = store_edit_del(m->e, part);
		return err < 0 ? err : mail_merge_beside(m, part, &e);
	}
	return 0;
}

int mail_merge_put(struct merge *m, struct str path, const struct store_entry *e)
{
	struct store_entry have;
	if (m->dry)
		return 0;
	int err = store_edit_put(m->e, path, &e->oid, e->kind);
	if (err == ERR_EXIST) {
		err = clear_way(m, path);
		if (err == 0)
			err = store_edit_put(m->e, path, &e->oid, e->kind);
	}
	if (err == ERR_EXIST && e->kind == STORE_BLOB)
		return mail_merge_beside(m, path, e);
	if (err == ERR_EXIST) {
		err = store_edit_find(&have, m->e, path);
		if (err == 0)
			err = store_edit_del(m->e, path);
		if (err == 0)
			err = store_edit_put(m->e, path, &e->oid, e->kind);
		if (err == 0)
			err = mail_merge_beside(m, path, &have);
	}
	if (err == ERR_BAD) { /* a name git forbids */
		mail_merge_note(m, "%.*s: left out: git forbids the name", STR_ARG(path));
		err = 0;
	}
	return err;
}

int mail_merge_text(struct merge *m, struct str path, struct str text)
{
	struct store_entry have;
	if (m->dry)
		return 0;
	int err = store_edit_put_bytes(m->e, path, text);
	if (err != ERR_EXIST)
		return err;
	err = clear_way(m, path);
	bool other = err == 0 && store_edit_find(&have, m->e, path) == 0;
	if (other)
		err = store_edit_del(m->e, path);
	if (err == 0)
		err = store_edit_put_bytes(m->e, path, text);
	return err < 0 || !other ? err : mail_merge_beside(m, path, &have);
}

int mail_merge_del(struct merge *m, struct str path)
{
	if (m->dry)
		return 0;
	int err = store_edit_del(m->e, path);
	return err == ERR_NOENT || err == ERR_BAD ? 0 : err;
}

/* ---- what neither side left alone ---- */
/* No file of ours. */
static int other_files(struct merge *m, const struct merge_trio *x)
{
	const struct store_entry *o = &x->at[OURS], *t = &x->at[THEIRS];
	struct str path = buf_str(&m->path);
	if (!x->there[THEIRS]) /* an edit beats a delete */
		return 0;
	if (!x->there[OURS])
		return mail_merge_put(m, path, t);
	bool ours_first = o->kind != t->kind ? o->kind == STORE_TREE
					     : memcmp(o->oid.b, t->oid.b, sizeof(o->oid.b)) < 0;
	if (m->dry)
		return 0;
	int err = mail_merge_del(m, path);
	if (err == 0)
		err = mail_merge_put(m, path, ours_first ? o : t);
	return err < 0 ? err : mail_merge_beside(m, path, ours_first ? t : o);
}

/* Two sides have it, and both changed it, or one took it out. */
static int message(struct merge *m, const struct merge_trio *x, uint32_t lane, uint32_t seq)
{
	const struct store_entry *o = &x->at[OURS], *t = &x->at[THEIRS];
	if (!x->there[OURS] || !x->there[THEIRS]) {
		enum merge_side s = x->there[OURS] ? OURS : THEIRS;
		if (m->has_base || !mail_merge_known(m, merge_other(s), lane, seq))
			return s == OURS ? 0 : mail_merge_put(m, buf_str(&m->path), t);
		int err = mail_grow(&m->doubts, &m->doubt_cap, m->doubt_count, sizeof(*m->doubts));
		if (err == 0)
			m->doubts[m->doubt_count++] = (struct merge_doubt){ lane, seq, m->node, s };
		return err;
	}
	enum merge_side loser = memcmp(o->oid.b, t->oid.b, sizeof(o->oid.b)) < 0 ? THEIRS : OURS;
	int err = mail_grow(&m->clashes, &m->clash_cap, m->clash_count, sizeof(*m->clashes));
	if (err == 0)
		m->clashes[m->clash_count++] =
			(struct merge_clash){ lane, seq, m->node, loser, x->at[loser].oid };
	return err < 0 || loser == THEIRS ? err : mail_merge_put(m, buf_str(&m->path), t);
}

static int files(struct merge *m, const struct merge_trio *x, enum merge_what what)
{
	uint32_t lane, seq;
	struct str below = str_sub(buf_str(&m->path), m->below, m->path.n);
	if (what == MERGE_MESSAGES && mail_path_parse_message(&lane, &seq, below))
		return message(m, x, lane, seq);
	if (what == MERGE_LEAVES && mail_path_parse_leaf(&lane, &seq, below))
		return mail_merge_leaf(m, x, lane);
	if (mail_merge_same(x, BASE, OURS) && x->there[THEIRS])
		return mail_merge_put(m, buf_str(&m->path), &x->at[THEIRS]);
	return mail_merge_same(x, BASE, THEIRS) ? 0 : other_files(m, x);
}

/* ---- descending ---- */
/* Without a base: has `s` ever known a message of the lane the path is in, or is it above all? */
static bool lane_known(const struct merge *m, enum merge_side s)
{
	uint32_t mark, lane;
	if (m->path.n < m->below + 8)
		return true;
	return mail_hex32(&lane, str_sub(buf_str(&m->path), m->below, m->below + 8), 8) &&
		mail_lanes_find(&mark, m->lanes[s], lane);
}

bool mail_merge_known(const struct merge *m, enum merge_side s, uint32_t lane, uint32_t seq)
{
	uint32_t mark;
	return mail_lanes_find(&mark, m->lanes[s], lane) && seq <= mark;
}

static int descend(
	struct merge *m, const struct merge_trio *x, enum merge_what what, unsigned depth)
{
	struct merge_items l;
	size_t at = m->path.n;
	int err = mail_merge_read(&l, m, x);
	if (err < 0)
		return err;
	for (size_t i = 0; err == 0 && i < l.n; i++) {
		buf_addc(&m->path, '/');
		buf_add(&m->path, merge_item_name(&l, &l.v[i]));
		err = m->path.err;
		if (err == 0)
			err = mail_merge_tree(m, &l.v[i].x, what, depth + 1);
		m->path.n = at;
	}
	mail_merge_items_free(&l);
	return err;
}

int mail_merge_tree(
	struct merge *m, const struct merge_trio *x, enum merge_what what, unsigned depth)
{
	bool by_marks = !m->has_base;
	if (mail_merge_same(x, OURS, THEIRS))
		return what == MERGE_LEAVES && m->has_base && !mail_merge_same(x, BASE, OURS)
			? mail_merge_both_dropped(m, x)
			: 0;
	if (mail_merge_same(x, BASE, THEIRS) && !(by_marks && lane_known(m, THEIRS)))
		return 0;
	if (mail_merge_same(x, BASE, OURS) && !(by_marks && lane_known(m, OURS)))
		return x->there[THEIRS] ? mail_merge_put(m, buf_str(&m->path), &x->at[THEIRS])
					: mail_merge_del(m, buf_str(&m->path));
	unsigned trees = 0, blobs = 0;
	for (enum merge_side s = BASE; s < SIDES; s++)
		*(x->at[s].kind == STORE_TREE ? &trees : &blobs) += x->there[s];
	if (blobs == 0 && depth < MERGE_DEPTH_MAX) {
		if (++m->turns % YIELD_EACH == 0)
			os_yield();
		return descend(m, x, what, depth);
	}
	return trees == 0 ? files(m, x, what) : other_files(m, x);
}

/* ---- files of folders ---- */
int mail_merge_loose_out(struct merge *m)
{
	int err = 0;
	for (size_t i = 0; err == 0 && i < m->loose_count; i++)
		if (!m->loose[i].folder && m->loose[i].x.there[OURS])
			err = mail_merge_del(m, m->loose[i].path);
	for (size_t i = 0; err == 0 && i < m->loose_count; i++)
		if (m->loose[i].folder)
			err = store_edit_merge_paths(m->e, m->loose[i].path,
				m->has_base ? &m->root[BASE] : NULL, &m->root[THEIRS], m->notes);
	return err;
}

/* Whoever stands there by now is a mailbox's. */
static int put_loose(struct merge *m, struct str path, const struct store_entry *e)
{
	struct store_entry have;
	int err = store_edit_find(&have, m->e, path);
	return err == ERR_NOENT ? mail_merge_put(m, path, e)
		: err < 0       ? err
				: mail_merge_beside(m, path, e);
}

static int loose_in(struct merge *m, const struct merge_loose *l)
{
	const struct merge_trio *x = &l->x;
	const struct store_entry *o = &x->at[OURS], *t = &x->at[THEIRS];
	if (mail_merge_same(x, OURS, THEIRS) || mail_merge_same(x, BASE, THEIRS))
		return x->there[OURS] ? put_loose(m, l->path, o) : 0;
	if (mail_merge_same(x, BASE, OURS) || !x->there[OURS])
		return x->there[THEIRS] ? put_loose(m, l->path, t) : 0;
	if (!x->there[THEIRS])
		return put_loose(m, l->path, o);
	bool swap = memcmp(t->oid.b, o->oid.b, sizeof(o->oid.b)) < 0;
	int err = put_loose(m, l->path, swap ? t : o);
	return err < 0 ? err : mail_merge_beside(m, l->path, swap ? o : t);
}

int mail_merge_loose_in(struct merge *m)
{
	int err = 0;
	for (size_t i = 0; err == 0 && i < m->loose_count; i++)
		err = m->loose[i].folder ? 0 : loose_in(m, &m->loose[i]);
	return err;
}
