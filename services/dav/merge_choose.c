/* SPDX-License-Identifier: ISC */
/* One property of three sides. */
#include "services/dav/merge_impl.h"

#define CLASH_NAMES_MAX 200 /* bytes of what people are told */

int merge_clash(
	struct merge *m, const struct merge_level *l, struct str key, const char *name, int cmp)
{
	struct str full = arena_fmt(m->a, "%.*s\n%.*s", STR_ARG(m->part_key), STR_ARG(key));
	struct str upper = merge_upper(m->a, str_of(name));

	if (!full.p || !upper.p)
		return err_set(ERR_LIMIT, "over the memory for one merge");
	if (m->clash_count == 0)
		m->clash_part = m->part_key;
	else if (!str_eq(m->clash_part, m->part_key))
		m->clash_parts = true;
	if (m->clash_count++ == 0 || str_cmp(full, m->clash_key) < 0) {
		m->clash_key = full;
		m->clash_cmp = l->rank ? l->rank : cmp;
	}
	if (m->clashes.n + upper.n < CLASH_NAMES_MAX && str_find(buf_str(&m->clashes), upper) < 0)
		buf_fmt(&m->clashes, "%s%.*s", m->clashes.n ? ", " : "", STR_ARG(upper));
	return m->clashes.err;
}

/* ---- bundles ---- */
static struct str joined(struct arena *a, const struct merge_units *u, enum merge_how how)
{
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].how == how) {
			buf_add(&b, u->v[i].meaning);
			buf_addc(&b, '\n');
		}
	return b.err < 0 ? STR_NONE : buf_str(&b);
}

/* Whose value it is: X, Y; BASE: both say the same; SIDES: they clash. An edit beats a deletion. */
static int whose(const struct str v[SIDES], bool based)
{
	if (str_eq(v[X], v[Y]))
		return BASE;
	if (based && str_eq(v[BASE], v[X]))
		return Y;
	if (based && str_eq(v[BASE], v[Y]))
		return X;
	return v[X].n == 0 ? Y : v[Y].n == 0 ? X : SIDES;
}

static int bundle(
	int *out, struct str v[SIDES], struct merge *m, struct merge_level *l, enum merge_how how)
{
	for (int s = BASE; s < SIDES; s++) {
		v[s] = joined(m->a, &l->u[s], how);
		if (!v[s].p)
			return err_set(ERR_LIMIT, "over the memory for one merge");
	}
	*out = whose(v, l->c[BASE] != NULL);
	return 0;
}

static bool is_done(const struct content *c)
{
	struct content_line *status = content_get(c, STR("STATUS"), NULL);
	struct content_line *percent = content_get(c, STR("PERCENT-COMPLETE"), NULL);

	return content_get(c, STR("COMPLETED"), NULL) ||
		(status && str_ieq(str_trim(status->value), STR("COMPLETED"))) ||
		(percent && str_eq(str_trim(percent->value), STR("100")));
}

static bool starts_apart(const struct merge_level *l)
{
	struct content_line *x = content_get(l->c[X], STR("DTSTART"), NULL);
	struct content_line *y = content_get(l->c[Y], STR("DTSTART"), NULL);

	return !x || !y || !str_eq(str_trim(x->value), str_trim(y->value)) ||
		!str_eq(content_param(x, STR("TZID")), content_param(y, STR("TZID")));
}

int merge_bundles(struct merge *m, struct merge_level *l)
{
	struct str v[SIDES];
	int err = bundle(&l->time, v, m, l, HOW_TIME);

	bool series = m->depth == 2 && !merge_is_override(m->part_key);

	if (err >= 0 && series && m->stuck && l->time != BASE)
		l->time = SIDES;
	if (err >= 0 && l->time == SIDES && l->kind == KIND_ALARM)
		l->time = str_cmp(v[X], v[Y]) > 0 ? X : Y;
	if (err >= 0 && l->time == SIDES)
		err = merge_clash(m, l, STR("DTSTART"), "DTSTART", str_cmp(v[X], v[Y]));
	if (err >= 0 && l->time == SIDES && series && starts_apart(l))
		m->out_of = m->winner == X ? Y : X;
	if (err >= 0)
		err = bundle(&l->status, v, m, l, HOW_STATUS);
	if (err < 0 || l->status != SIDES)
		return err;
	if (is_done(l->c[X]) || is_done(l->c[Y])) {
		bool both = is_done(l->c[X]) && is_done(l->c[Y]);
		l->status = (both ? str_cmp(v[X], v[Y]) > 0 : is_done(l->c[X])) ? X : Y;
		return 0;
	}
	return merge_clash(m, l, STR("STATUS"), "STATUS", str_cmp(v[X], v[Y]));
}

/* ---- single properties ---- */
static struct str raw_of(const struct merge_unit *u)
{
	return u->line->raw;
}

/* Of two that mean the same; the same one whichever is which. */
static const struct merge_unit *either(const struct merge_unit *x, const struct merge_unit *y)
{
	return str_cmp(raw_of(x), raw_of(y)) <= 0 ? x : y;
}

static const struct merge_unit *greater(const struct merge_unit *x, const struct merge_unit *y)
{
	return str_cmp(x->meaning, y->meaning) >= 0 ? x : y;
}

static uint64_t count_of(struct str value)
{
	uint64_t n = 0;
	return str_u64(&n, str_trim(value), UINT32_MAX) < 0 ? 0 : n;
}

static const struct merge_unit *later(
	const struct merge_unit *x, const struct merge_unit *y, bool first)
{
	int cmp = str_cmp(str_trim(x->line->value), str_trim(y->line->value));

	if (cmp == 0)
		return greater(x, y);
	return (cmp > 0) != first ? x : y;
}

static const struct merge_unit *of_bundle(
	int side, const struct merge *m, const struct merge_unit *const u[SIDES])
{
	if (side == BASE)
		return u[X] && u[Y] ? either(u[X], u[Y]) : NULL;
	return u[side == SIDES ? m->winner : side];
}

/*
 * Whose answer an attendee's line carries: of the later revision; after a move in time the mover's, as
 * nobody has answered that yet; else what changed, and of two the one that was stamped later.
 */
static int partstat_side(const struct merge_level *l)
{
	if (l->sequence[X] != l->sequence[Y])
		return l->sequence[X] > l->sequence[Y] ? X : Y;
	return l->time == X || l->time == Y ? l->time : BASE;
}

static int join_params(struct merge_pick *out, struct merge *m, const struct merge_level *l,
	const struct merge_unit *const u[SIDES])
{
	const struct content_line *lines[SIDES] = { u[BASE] ? u[BASE]->line : NULL, u[X]->line,
		u[Y]->line };
	bool attendee = u[X]->how == HOW_ATTENDEE;
	int stamps = attendee ? str_cmp(l->stamp[X], l->stamp[Y]) : 0, same = SIDES;
	int err = merge_params(
		&out->line, &same, m->a, lines, attendee ? partstat_side(l) : BASE, stamps);

	if (err >= 0 && same != SIDES) {
		out->line = STR_NONE;
		out->unit = u[same];
	}
	return err;
}

static bool params_alike(const struct merge_unit *x, const struct merge_unit *y, struct arena *a)
{
	struct str p = merge_head(a, x->line), q = merge_head(a, y->line);

	return p.p && q.p && str_ieq(p, q);
}

/* Both sides changed it, each its way; or there is no base. */
static int both(struct merge_pick *out, struct merge *m, const struct merge_level *l,
	const struct merge_unit *const u[SIDES])
{
	const struct merge_unit *x = u[X], *y = u[Y];
	enum merge_how how = x->how == y->how ? x->how : HOW_SCALAR;
	struct str text;
	struct buf b;

	if ((how == HOW_MEMBER || how == HOW_ATTENDEE) && x->n == 1 && y->n == 1 &&
		(!u[BASE] || u[BASE]->n == 1) && !merge_is_encoded(x->line) &&
		!merge_is_encoded(y->line))
		return join_params(out, m, l, u);
	if (how == HOW_TEXT && u[BASE] && params_alike(x, y, m->a) &&
		merge_by_lines(&text, m->a, u[BASE]->line->value, x->line->value, y->line->value)) {
		buf_init(&b, m->a);
		buf_add(&b, merge_head(m->a, x->line));
		buf_add(&b, text);
		out->line = buf_str(&b);
		return b.err < 0 ? err_set(ERR_LIMIT, "over the memory for one merge") : 0;
	}
	if (how == HOW_QUIET || l->kind == KIND_ALARM) {
		out->unit = greater(x, y);
		return 0;
	}
	out->unit = u[m->winner];
	return merge_clash(
		m, l, x->key, arena_dup(m->a, x->line->name).p, str_cmp(x->meaning, y->meaning));
}

int merge_choose(struct merge_pick *out, struct merge *m, const struct merge_level *l,
	const struct merge_unit *const u[SIDES])
{
	const struct merge_unit *x = u[X], *y = u[Y], *one = x ? x : y;

	*out = (struct merge_pick){ 0 };
	if (!one)
		return 0;
	if (one->how == HOW_TIME || one->how == HOW_STATUS) {
		out->unit = of_bundle(one->how == HOW_TIME ? l->time : l->status, m, u);
		return 0;
	}
	if (!x || !y) {
		if (!u[BASE] || !merge_same(u[BASE], one))
			out->unit = one;
		return 0;
	}
	if (merge_same(x, y)) {
		out->unit = either(x, y);
		return 0;
	}
	if (x->how == HOW_COUNT) {
		uint64_t p = count_of(x->line->value), q = count_of(y->line->value);
		out->unit = p == q ? greater(x, y) : p > q ? x : y;
	} else if (x->how == HOW_LATEST || x->how == HOW_EARLIEST) {
		out->unit = later(x, y, x->how == HOW_EARLIEST);
	} else if (u[BASE] && merge_same(u[BASE], x) && x->how != HOW_ATTENDEE) {
		out->unit = y;
	} else if (u[BASE] && merge_same(u[BASE], y) && x->how != HOW_ATTENDEE) {
		out->unit = x;
	} else {
		return both(out, m, l, u);
	}
	return 0;
}
