/* SPDX-License-Identifier: ISC */
/* A text by its lines, and a content line by its parameters. */
#include "services/dav/merge_impl.h"

/* ---- lines as they came ---- */
struct str merge_unfold(struct arena *a, struct str raw)
{
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < raw.n; i++) {
		size_t end = i + (raw.p[i] == '\r' && i + 1 < raw.n && raw.p[i + 1] == '\n');
		if (raw.p[end] != '\n') {
			buf_addc(&b, raw.p[i]);
			continue;
		}
		i = end + (end + 1 < raw.n && (raw.p[end + 1] == ' ' || raw.p[end + 1] == '\t'));
	}
	return b.err < 0 ? STR_NONE : buf_str(&b);
}

struct str merge_head(struct arena *a, const struct content_line *l)
{
	struct str s = merge_unfold(a, l->raw);

	return !s.p || s.n < l->value.n ? STR_NONE : str_sub(s, 0, s.n - l->value.n);
}

void merge_add_raw(struct buf *b, struct str raw)
{
	buf_add(b, raw);
	if (raw.n > 0 && raw.p[raw.n - 1] != '\n')
		buf_add(b, raw.p[raw.n - 1] == '=' ? STR("\r\n\r\n") : STR("\r\n"));
}

void merge_fold(struct buf *b, struct arena *a, struct str line, const struct content_line *like)
{
	struct buf text;

	if (!str_ends(like->raw, STR("\n")) || str_ends(like->raw, STR("\r\n"))) {
		content_fold(b, line);
		return;
	}
	buf_init(&text, a);
	content_fold(&text, line);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != '\r')
			buf_addc(b, text.p[i]);
	if (text.err < 0)
		b->err = text.err;
}

/* ---- text ---- */
#define TEXT_LINES_MAX 2000
#define TEXT_CELLS_MAX (1u << 20)

struct text {
	struct str *v;
	size_t n;
	int32_t *to; /* of the base: its line on this side; -1 */
};

static bool split(struct text *t, struct arena *a, struct str value)
{
	struct str rest = content_text(a, value), line;

	t->v = arena_alloc(a, TEXT_LINES_MAX * sizeof(*t->v));
	if (!rest.p || !t->v)
		return false;
	for (bool more = true; more;) {
		if (t->n == TEXT_LINES_MAX)
			return false;
		more = str_cut(&line, &rest, rest, '\n');
		t->v[t->n++] = line;
	}
	return true;
}

/* Which lines of the base are on the side as well: the longest common subsequence. */
static bool match(struct text *side, const struct text *base, struct arena *a)
{
	size_t head = 0, tail = 0, n, m;
	uint16_t *t;

	side->to = arena_alloc(a, (base->n + 1) * sizeof(*side->to));
	if (!side->to)
		return false;
	for (size_t i = 0; i < base->n; i++)
		side->to[i] = -1;
	for (; head < base->n && head < side->n && str_eq(base->v[head], side->v[head]); head++)
		side->to[head] = (int32_t)head;
	for (; head + tail < base->n && head + tail < side->n &&
		str_eq(base->v[base->n - 1 - tail], side->v[side->n - 1 - tail]);
		tail++)
		side->to[base->n - 1 - tail] = (int32_t)(side->n - 1 - tail);
	n = base->n - head - tail;
	m = side->n - head - tail;
	if ((n + 1) * (m + 1) > TEXT_CELLS_MAX)
		return false;
	t = arena_zalloc(a, (n + 1) * (m + 1) * sizeof(*t));
	if (!t)
		return false;
#define T(i, k) t[(i) * (m + 1) + (k)]
	for (size_t i = n; i-- > 0;)
		for (size_t k = m; k-- > 0;)
			T(i, k) = str_eq(base->v[head + i], side->v[head + k])
				? (uint16_t)(T(i + 1, k + 1) + 1)
				: T(i + 1, k) > T(i, k + 1) ? T(i + 1, k)
							    : T(i, k + 1);
	for (size_t i = 0, k = 0; i < n && k < m;) {
		if (str_eq(base->v[head + i], side->v[head + k]))
			side->to[head + i++] = (int32_t)(head + k++);
		else if (T(i + 1, k) >= T(i, k + 1))
			i++;
		else
			k++;
	}
#undef T
	return true;
}

struct piece {
	const struct text *t;
	size_t from, to;
};

static bool alike(struct piece p, struct piece q)
{
	if (p.to - p.from != q.to - q.from)
		return false;
	for (size_t i = 0; i < p.to - p.from; i++)
		if (!str_eq(p.t->v[p.from + i], q.t->v[q.from + i]))
			return false;
	return true;
}

static void add_piece(struct buf *b, bool *any, struct piece p)
{
	for (size_t i = p.from; i < p.to; i++) {
		if (*any)
			buf_add(b, STR("\\n"));
		*any = true;
		content_text_add(b, p.t->v[i]);
	}
}

bool merge_by_lines(struct str *out, struct arena *a, struct str base, struct str x, struct str y)
{
	struct text t[SIDES] = { 0 };
	size_t at[SIDES] = { 0 };
	bool any = false;
	struct buf b;

	if (!split(&t[BASE], a, base) || !split(&t[X], a, x) || !split(&t[Y], a, y) ||
		!match(&t[X], &t[BASE], a) || !match(&t[Y], &t[BASE], a))
		return false;
	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i <= t[BASE].n; i++) {
		bool last = i == t[BASE].n;
		if (!last && (t[X].to[i] < 0 || t[Y].to[i] < 0))
			continue;
		struct piece o = { &t[BASE], at[BASE], i };
		struct piece p = { &t[X], at[X], last ? t[X].n : (size_t)t[X].to[i] };
		struct piece q = { &t[Y], at[Y], last ? t[Y].n : (size_t)t[Y].to[i] };
		if (alike(o, p) || alike(p, q))
			add_piece(&b, &any, q);
		else if (alike(o, q))
			add_piece(&b, &any, p);
		else
			return false;
		if (last)
			break;
		add_piece(&b, &any, (struct piece){ &t[BASE], i, i + 1 });
		at[BASE] = i + 1;
		at[X] = p.to + 1;
		at[Y] = q.to + 1;
	}
	*out = buf_str(&b);
	return b.err >= 0;
}

/* ---- parameters ---- */
struct param {
	struct str name, value, upper; /* upper: of the name */
};
struct params {
	struct param *v;
	size_t n;
};

static bool read_params(struct params *p, struct arena *a, const struct content_line *l)
{
	*p = (struct params){ 0 };
	if (!l)
		return true;
	p->v = arena_alloc(a, (l->param_count + 1) * sizeof(*p->v));
	for (uint32_t i = 0; p->v && i < l->param_count; i++) {
		struct param *one = &p->v[p->n++];
		*one = (struct param){ l->params[i].name, l->params[i].value,
			merge_upper(a, l->params[i].name) };
		if (!one->upper.p)
			return false;
	}
	return p->v != NULL;
}

/* All values of a name; TYPE: of the one value. */
static struct str values_of(
	const struct params *p, struct arena *a, const struct param *of, bool type)
{
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->v[i].upper, of->upper) &&
			(!type || str_ieq(p->v[i].value, of->value))) {
			buf_addc(&b, 1);
			buf_add(&b, type ? STR("") : p->v[i].value);
		}
	return b.err < 0 ? STR_NONE : buf_str(&b);
}

/* X, Y: that side's; BASE: the same on both. */
static int param_side(const struct params p[SIDES], struct arena *a, bool based,
	const struct param *of, int partstat, int stamps)
{
	bool type = str_eq(of->upper, STR("TYPE"));
	bool answer = str_eq(of->upper, STR("PARTSTAT"));
	struct str v[SIDES];

	for (int s = BASE; s < SIDES; s++) {
		v[s] = values_of(&p[s], a, of, type);
		if (!v[s].p)
			return ERR_LIMIT;
	}
	if (str_eq(v[X], v[Y]))
		return BASE;
	if (answer && partstat != BASE)
		return partstat;
	if (based && str_eq(v[BASE], v[X]))
		return Y;
	if (based && str_eq(v[BASE], v[Y]))
		return X;
	if (v[X].n == 0 || v[Y].n == 0)
		return v[X].n ? X : Y;
	if (answer && stamps != 0)
		return stamps > 0 ? X : Y;
	return str_cmp(v[X], v[Y]) > 0 ? X : Y;
}

static void write_param(struct buf *b, const struct param *p)
{
	bool quote = p->value.n == 0;

	for (size_t i = 0; i < p->value.n; i++)
		quote |= strchr(":;, ", p->value.p[i]) != NULL;
	buf_fmt(b, ";%.*s=%s", STR_ARG(p->name), quote ? "\"" : "");
	for (size_t i = 0; i < p->value.n; i++) { /* RFC 6868 */
		char c = p->value.p[i];
		if (c == '\n' || c == '"' || c == '^')
			buf_add(b, c == '\n' ? STR("^n") : c == '"' ? STR("^'") : STR("^^"));
		else
			buf_addc(b, c);
	}
	if (quote)
		buf_addc(b, '"');
}

int merge_params(struct str *out, int *same, struct arena *a,
	const struct content_line *const l[SIDES], int partstat, int stamps)
{
	struct params p[SIDES];
	bool is[SIDES] = { true, true, true };
	struct buf b;

	if (!read_params(&p[BASE], a, l[BASE]) || !read_params(&p[X], a, l[X]) ||
		!read_params(&p[Y], a, l[Y]))
		return err_set(ERR_LIMIT, "over the memory for one merge");
	buf_init(&b, a);
	if (l[X]->group.n)
		buf_fmt(&b, "%.*s.", STR_ARG(l[X]->group));
	buf_add(&b, l[X]->name);
	for (int s = X; s < SIDES; s++)
		for (size_t i = 0; i < p[s].n; i++) {
			const struct param *of = &p[s].v[i];
			int side = param_side(p, a, l[BASE] != NULL, of, partstat, stamps);
			if (side < 0)
				return err_set(side, "over the memory for one merge");
			if (side != BASE)
				is[side == X ? Y : X] = false;
			if (side == s || (side == BASE && s == X))
				write_param(&b, of);
		}
	buf_addc(&b, ':');
	buf_add(&b, is[X] ? l[X]->value : l[Y]->value);
	*same = is[X] && is[Y] ? (str_cmp(l[X]->raw, l[Y]->raw) <= 0 ? X : Y)
		: is[X]        ? X
		: is[Y]        ? Y
			       : SIDES;
	*out = buf_str(&b);
	return b.err < 0 ? err_set(ERR_LIMIT, "over the memory for one merge") : 0;
}
