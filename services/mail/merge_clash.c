/* SPDX-License-Identifier: ISC */
/*
 * Two messages under one identity: a replica was rolled back and numbered new mail as its older mail
 * is numbered elsewhere. The one with the lower blob id keeps the identity, the other gets one of
 * its own, in the same mailbox.
 */
#include "services/mail/merge_impl.h"

int mail_merge_twin(struct merge *m, const struct merge_clash *place)
{
	int err = mail_grow(&m->twins, &m->twin_cap, m->twin_count, sizeof(*m->twins));
	if (err == 0)
		m->twins[m->twin_count++] = *place;
	return err;
}

/* ---- lanes that both sides wrote to ---- */
struct lane_search {
	struct merge *m;
	uint32_t lane, above, upto; /* numbers that both gave out since the base */
	size_t node;
	enum merge_side side;
};

static int on_added(void *ctx, const struct store_change *c)
{
	struct lane_search *l = ctx;
	char path[64];
	uint32_t lane, seq;
	if (c->after == NULL || c->path.n > 40)
		return 0;
	snprintf(path, sizeof(path), "%08x/%.*s", l->lane, STR_ARG(c->path));
	if (!mail_path_parse_message(&lane, &seq, str_of(path)) || seq <= l->above || seq > l->upto)
		return 0;
	return mail_merge_twin(
		l->m, &(struct merge_clash){ lane, seq, l->node, l->side, *c->after });
}

/* The lane's messages that the side has in a mailbox and the base has not. */
static int search_node(struct lane_search *l)
{
	struct merge *m = l->m;
	struct merge_trio x = mail_merge_below(m, &m->nodes[l->node], true);
	struct store_entry was, is;
	char name[9];
	snprintf(name, sizeof(name), "%08x", l->lane);
	if (!x.there[l->side] || mail_merge_same(&x, BASE, l->side))
		return 0;
	int err = store_find(&is, m->s, &x.at[l->side].oid, str_of(name));
	if (err < 0 || is.kind != STORE_TREE)
		return err == ERR_NOENT ? 0 : err;
	err = x.there[BASE] ? store_find(&was, m->s, &x.at[BASE].oid, str_of(name)) : ERR_NOENT;
	bool had = err == 0 && was.kind == STORE_TREE;
	if (err < 0 && err != ERR_NOENT)
		return err;
	return store_diff(m->s, had ? &was.oid : NULL, &is.oid, STR_NONE, on_added, l);
}

static uint32_t mark_of(const struct merge *m, enum merge_side s, uint32_t lane)
{
	uint32_t mark;
	return mail_lanes_find(&mark, m->lanes[s], lane) ? mark : 0;
}

/* A lane has one writer: only after a roll-back have both sides raised its mark. */
static int search_lane(struct merge *m, uint32_t lane)
{
	struct lane_search l = { .m = m, .lane = lane, .above = mark_of(m, BASE, lane) };
	uint32_t ours = mark_of(m, OURS, lane), theirs = mark_of(m, THEIRS, lane);
	int err = 0;
	l.upto = ours < theirs ? ours : theirs;
	for (l.node = 0; err == 0 && l.upto > l.above && l.node < m->node_count; l.node++)
		for (l.side = OURS; err == 0 && l.side < SIDES; l.side++)
			err = search_node(&l);
	return err;
}

static int search_lanes(struct merge *m)
{
	struct str text = m->lanes[OURS];
	int err = 0;
	while (err == 0 && text.n > 0) {
		struct str line;
		uint32_t lane;
		str_cut(&line, &text, text, '\n');
		if (mail_hex32(&lane, str_sub(line, 0, 8), 8))
			err = search_lane(m, lane);
	}
	return err;
}

/* ---- twins ---- */
static int twin_cmp(const void *a, const void *b)
{
	const struct merge_clash *x = a, *y = b;
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	int c = memcmp(x->blob.b, y->blob.b, sizeof(x->blob.b));
	return c != 0 ? c : x->node < y->node ? -1 : x->node > y->node;
}

/* Out of its place, if it is what stands there, to take another identity. */
static int take_out(struct merge *m, const struct merge_clash *c)
{
	struct store_entry e;
	struct str path;
	int err = mail_merge_message(&path, m, c->node, c->lane, c->seq);
	if (err == 0)
		err = store_edit_find(&e, m->e, path);
	if (err == ERR_NOENT || (err == 0 && !store_oid_eq(&e.oid, &c->blob)))
		return 0;
	if (err == 0)
		err = mail_merge_del(m, path);
	if (err == 0)
		err = mail_merge_fix(m, c->node, c->lane, c->seq, NULL);
	if (err == 0)
		err = mail_grow(&m->clashes, &m->clash_cap, m->clash_count, sizeof(*m->clashes));
	if (err == 0)
		m->clashes[m->clash_count++] = *c;
	return err;
}

static int part_twins(struct merge *m)
{
	const struct merge_clash *first = m->twins;
	int err = 0;
	if (m->twin_count > 1)
		qsort(m->twins, m->twin_count, sizeof(*m->twins), twin_cmp);
	for (size_t i = 0; err == 0 && i < m->twin_count; i++) {
		const struct merge_clash *c = &m->twins[i];
		if (c->lane != first->lane || c->seq != first->seq)
			first = c;
		else if (!store_oid_eq(&c->blob, &first->blob))
			err = take_out(m, c);
	}
	return err;
}

/* ---- another identity ---- */
/* An identity made of the bytes' own id: whoever merges comes to the same. */
static int free_identity(
	uint32_t *lane, uint32_t *seq, struct merge *m, const struct merge_clash *c)
{
	struct store_entry e;
	struct str path;
	*lane = mail_get32((const char *)c->blob.b);
	*seq = mail_get32((const char *)c->blob.b + 4) & 0x7fffffff;
	*lane += *lane == 0;
	for (;;) {
		*seq += 1;
		int err = mail_merge_message(&path, m, c->node, *lane, *seq);
		if (err == 0)
			err = store_edit_find(&e, m->e, path);
		if (err == ERR_NOENT || (err == 0 && store_oid_eq(&e.oid, &c->blob)))
			return 0;
		if (err < 0)
			return err;
	}
}

static int raise_lane(struct merge *m, uint32_t lane, uint32_t seq)
{
	struct str text;
	int err = store_edit_bytes(&text, &m->arena, m->e, STR(".lanes"), 64 * 1024);
	if (err < 0)
		return err == ERR_NOENT || err == ERR_LIMIT || err == ERR_BAD ? 0 : err;
	m->text.n = 0;
	mail_lanes_raise(&m->text, text, lane, seq);
	return m->text.err < 0 ? m->text.err : mail_merge_text(m, STR(".lanes"), buf_str(&m->text));
}

int mail_merge_clashes(struct merge *m)
{
	int err = m->has_base ? search_lanes(m) : 0;
	if (err == 0)
		err = part_twins(m);
	for (size_t i = 0; err == 0 && i < m->clash_count; i++) {
		const struct merge_clash *c = &m->clashes[i];
		const struct merge_node *n = &m->nodes[c->node];
		struct mail_line line = { 0 };
		uint32_t lane, seq;
		err = mail_merge_find_line(&line, m, n, c->side, c->lane, c->seq);
		if (err == ERR_NOENT)
			err = 0;
		if (err == 0)
			err = free_identity(&lane, &seq, m, c);
		if (err == 0)
			err = mail_merge_enter(m, c->node, lane, seq, &c->blob, &line);
		if (err == 0)
			err = raise_lane(m, lane, seq);
		if (err == 0)
			mail_merge_note(m,
				"%.*s: two messages were numbered %08x.%08x: one is now "
				"%08x.%08x",
				STR_ARG(n->path), c->lane, c->seq, lane, seq);
	}
	return err;
}
