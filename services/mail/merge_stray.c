/* SPDX-License-Identifier: ISC */
/*
 * What crosses mailboxes: a message that one side moved takes along what the other did to its line
 * meanwhile; and, without a base, whether a message that one side lacks was expunged there.
 */
#include "services/mail/merge_impl.h"

#define PLACES_MAX 16

int mail_merge_find(struct store_oid *out, struct merge *m, const struct merge_node *n,
	enum merge_side s, struct str path)
{
	struct merge_trio x = mail_merge_below(m, n, true);
	struct store_entry e;
	int err = x.there[s] ? store_find(&e, m->s, &x.at[s].oid, path) : ERR_NOENT;
	if (err == 0 && e.kind != STORE_BLOB)
		err = ERR_NOENT;
	if (err == 0)
		*out = e.oid;
	return err;
}

/* ---- strays ---- */
struct gains { /* the mailboxes into which a side may have put messages */
	size_t *v[SIDES], n[SIDES];
};
struct place { /* where a stray stands afterwards, and its line there */
	size_t node;
	bool has[SIDES];
	struct mail_line line[SIDES];
};
struct group { /* the strays of one message */
	const struct merge_stray *v;
	size_t n, place_count;
	bool moved[SIDES];
	struct place places[PLACES_MAX];
};

static int find_gains(struct gains *g, struct merge *m)
{
	for (enum merge_side s = OURS; s < SIDES; s++) {
		g->v[s] = malloc((m->node_count + 1) * sizeof(*g->v[s]));
		if (g->v[s] == NULL)
			return err_set(ERR_NOMEM, "mail: no memory to merge");
		for (size_t i = 0; i < m->node_count; i++) {
			struct merge_trio x = mail_merge_below(m, &m->nodes[i], true);
			if (x.there[s] && !mail_merge_same(&x, BASE, s))
				g->v[s][g->n[s]++] = i;
		}
	}
	return 0;
}

static int add_place(struct group *g, struct merge *m, size_t node, enum merge_side s)
{
	struct place *p = NULL;
	for (size_t i = 0; i < g->place_count; i++)
		if (g->places[i].node == node)
			p = &g->places[i];
	if (p == NULL && g->place_count < PLACES_MAX) {
		p = &g->places[g->place_count++];
		*p = (struct place){ .node = node };
	}
	if (p == NULL)
		return 0;
	int err = mail_merge_find_line(&p->line[s], m, &m->nodes[node], s, g->v->lane, g->v->seq);
	p->has[s] = err == 0;
	g->moved[s] = true;
	return err == ERR_NOENT ? 0 : err;
}

static int find_places(struct group *g, struct merge *m, const struct gains *gains)
{
	char room[64];
	struct buf text;
	struct store_oid id;
	int err = 0;
	buf_init(&text, NULL);
	mail_path_message(&text, g->v->lane, g->v->seq);
	if (text.err == 0)
		snprintf(room, sizeof(room), "%.*s", STR_ARG(buf_str(&text)));
	buf_free(&text);
	g->place_count = 0;
	g->moved[OURS] = g->moved[THEIRS] = false;
	for (enum merge_side s = OURS; err == 0 && s < SIDES; s++)
		for (size_t i = 0; err == 0 && i < gains->n[s]; i++) {
			const struct merge_node *n = &m->nodes[gains->v[s][i]];
			err = mail_merge_find(&id, m, n, s, str_of(room));
			if (err == 0 && mail_merge_find(&id, m, n, BASE, str_of(room)) < 0)
				err = add_place(g, m, gains->v[s][i], s);
			if (err == ERR_NOENT)
				err = 0;
		}
	return err;
}

/* The side's own line of the message, when it has none in this place. */
static const struct mail_line *elsewhere(const struct group *g, enum merge_side s)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].has[s])
			return &g->v[i].line[s];
	const struct place *low = NULL;
	for (size_t i = 0; i < g->place_count; i++)
		if (g->places[i].has[s] && (low == NULL || g->places[i].node < low->node))
			low = &g->places[i];
	return low != NULL ? &low->line[s] : NULL;
}

static int settle(struct merge *m, const struct group *g)
{
	struct mail_line done;
	int err = 0;
	for (size_t i = 0; err == 0 && i < g->place_count; i++) {
		const struct place *p = &g->places[i];
		const struct mail_line *side[SIDES] = { elsewhere(g, BASE) };
		for (enum merge_side s = OURS; s < SIDES; s++)
			side[s] = p->has[s] ? &p->line[s] : elsewhere(g, s);
		if (side[OURS] == NULL && side[THEIRS] == NULL)
			continue;
		err = mail_merge_line(&done, &m->arena, side[BASE], side[OURS], side[THEIRS]);
		/* It was saved there by who put it there. */
		if (p->has[OURS] != p->has[THEIRS])
			done.saved_sec = p->line[p->has[OURS] ? OURS : THEIRS].saved_sec;
		if (err == 0)
			err = mail_merge_fix(m, p->node, g->v->lane, g->v->seq, &done);
	}
	return err;
}

static void tell(struct merge *m, const struct group *g)
{
	const struct merge_node *from = &m->nodes[g->v->node];
	struct str path = from->path;
	if (path.p == NULL)
		path = m->spots[from->spot[BASE]].path;
	bool both_left = true;
	for (size_t i = 0; i < g->n; i++)
		both_left = both_left && !g->v[i].has[OURS] && !g->v[i].has[THEIRS];
	if (!both_left || g->place_count == 0)
		return;
	struct str to = m->nodes[g->places[0].node].path;
	if (g->moved[OURS] != g->moved[THEIRS])
		mail_merge_note(m,
			"%.*s: %08x.%08x moved to %.*s on one side and deleted on the other: kept "
			"there",
			STR_ARG(path), g->v->lane, g->v->seq, STR_ARG(to));
	else if (g->place_count > 1) {
		struct str other = m->nodes[g->places[1].node].path;
		bool swap = str_cmp(to, other) > 0;
		mail_merge_note(m, "%.*s: %08x.%08x moved to %.*s and to %.*s: kept in both",
			STR_ARG(path), g->v->lane, g->v->seq, STR_ARG(swap ? other : to),
			STR_ARG(swap ? to : other));
	}
}

static int stray_cmp(const void *a, const void *b)
{
	const struct merge_stray *x = a, *y = b;
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

int mail_merge_strays(struct merge *m)
{
	struct gains gains = { 0 };
	int err = m->stray_count > 0 ? find_gains(&gains, m) : 0;
	if (m->stray_count == MERGE_STRAYS_MAX)
		mail_merge_note(m,
			"over %d messages moved and changed: of the rest, flags set "
			"meanwhile on the other side were not taken along",
			MERGE_STRAYS_MAX - 1);
	struct group *g = malloc(sizeof(*g));
	if (g == NULL && err == 0)
		err = err_set(ERR_NOMEM, "mail: no memory to merge");
	if (m->stray_count > 1)
		qsort(m->strays, m->stray_count, sizeof(*m->strays), stray_cmp);
	for (size_t i = 0; err == 0 && i < m->stray_count; i += g->n) {
		g->v = &m->strays[i];
		for (g->n = 1; i + g->n < m->stray_count && g->v[g->n].lane == g->v->lane &&
			g->v[g->n].seq == g->v->seq;
			g->n++)
			;
		err = find_places(g, m, &gains);
		if (err == 0)
			err = settle(m, g);
		if (err == 0)
			tell(m, g);
	}
	free(g);
	free(gains.v[OURS]);
	free(gains.v[THEIRS]);
	return err;
}

/* ---- messages in the result ---- */
int mail_merge_message(struct str *out, struct merge *m, size_t node, uint32_t lane, uint32_t seq)
{
	m->path.n = 0;
	buf_fmt(&m->path, "%.*s/.m/", STR_ARG(m->nodes[node].path));
	mail_path_message(&m->path, lane, seq);
	*out = buf_str(&m->path);
	return m->path.err;
}

int mail_merge_enter(struct merge *m, size_t node, uint32_t lane, uint32_t seq,
	const struct store_oid *blob, const struct mail_line *line)
{
	struct store_entry e = { *blob, STORE_BLOB };
	struct str path;
	int err = mail_merge_message(&path, m, node, lane, seq);
	if (err == 0)
		err = mail_merge_put(m, path, &e);
	return err < 0 ? err : mail_merge_fix(m, node, lane, seq, line);
}

/* ---- doubts ---- */
static int doubt_cmp(const void *a, const void *b)
{
	const struct merge_doubt *x = a, *y = b;
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static int keep(struct merge *m, const struct merge_doubt *d)
{
	const struct merge_node *n = &m->nodes[d->node];
	struct mail_line line = { 0 };
	struct store_oid id;
	struct str path;
	int err = mail_merge_message(&path, m, d->node, d->lane, d->seq);
	if (err == 0)
		err = mail_merge_find(&id, m, n, d->side, str_sub(path, n->path.n + 4, path.n));
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	err = mail_merge_find_line(&line, m, n, d->side, d->lane, d->seq);
	if (err == 0 || err == ERR_NOENT)
		err = mail_merge_twin(
			m, &(struct merge_clash){ d->lane, d->seq, d->node, d->side, id });
	return err < 0 ? err : mail_merge_enter(m, d->node, d->lane, d->seq, &id, &line);
}

/* Each side has it in another place: moved, but nobody knows by whom, so it stays in both. */
static int solve(struct merge *m, const struct merge_doubt *d, bool moved)
{
	struct str path;
	if (moved)
		return keep(m, d);
	if (d->side == THEIRS)
		return 0;
	int err = mail_merge_message(&path, m, d->node, d->lane, d->seq);
	return err < 0 ? err : mail_merge_del(m, path);
}

int mail_merge_doubts(struct merge *m)
{
	int err = 0;
	if (m->doubt_count > 1)
		qsort(m->doubts, m->doubt_count, sizeof(*m->doubts), doubt_cmp);
	for (size_t i = 0, n; err == 0 && i < m->doubt_count; i += n) {
		const struct merge_doubt *d = &m->doubts[i];
		bool on[SIDES] = { false };
		for (n = 0; i + n < m->doubt_count && d[n].lane == d->lane && d[n].seq == d->seq;
			n++)
			on[d[n].side] = true;
		for (size_t k = 0; err == 0 && k < n; k++)
			err = solve(m, &d[k], on[OURS] && on[THEIRS]);
	}
	return err;
}
