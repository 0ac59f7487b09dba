/* SPDX-License-Identifier: ISC */
/*
 * A series of which one side moved all while the other changed or took out single occurrences, which are
 * named by the time they had; or of which one side took out what the other changed. Both are settled in
 * the parsed sides, before these are compared.
 */
#include "os/time.h"
#include "services/dav/merge_series_impl.h"

static int too_large(void)
{
	return err_set(ERR_LIMIT, "over the memory for one merge");
}

/* ---- times ---- */
bool series_moment(struct moment *out, const struct content_line *l, struct str value)
{
	struct str zone = content_param(l, STR("TZID")), s = str_trim(value);
	uint64_t day, time = 0;
	struct os_date d;

	if ((s.n != 8 && s.n != 15 && s.n != 16) || str_u64(&day, str_sub(s, 0, 8), 99991231) < 0)
		return false;
	if (s.n > 8 &&
		(s.p[8] != 'T' || str_u64(&time, str_sub(s, 9, 15), 235960) < 0 ||
			(s.n == 16 && s.p[15] != 'Z')))
		return false;
	d = (struct os_date){ .year = (int)(day / 10000),
		.month = (int)(day / 100 % 100),
		.day = (int)(day % 100),
		.hour = (int)(time / 10000),
		.min = (int)(time / 100 % 100),
		.sec = (int)(time % 100) };
	*out = (struct moment){ os_date_unix(&d), s.n, zone.p ? zone : STR("") };
	return true;
}

struct str series_text(struct arena *a, const struct moment *m)
{
	struct os_date d;

	os_date_of(&d, m->sec);
	if (m->digits == 8)
		return arena_fmt(a, "%04d%02d%02d", d.year, d.month, d.day);
	return arena_fmt(a, "%04d%02d%02dT%02d%02d%02d%s", d.year, d.month, d.day, d.hour, d.min,
		d.sec, m->digits == 16 ? "Z" : "");
}

bool series_one_form(const struct moment *x, const struct moment *y)
{
	return x->digits == y->digits && str_eq(x->zone, y->zone);
}

int series_cmp(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	if (x->sec != y->sec)
		return x->sec < y->sec ? -1 : 1;
	if (x->digits != y->digits)
		return x->digits < y->digits ? -1 : 1;
	return str_cmp(x->zone, y->zone);
}

bool series_has(const struct moments *m, const struct moment *one)
{
	return m->n && bsearch(one, m->v, m->n, sizeof(*one), series_cmp);
}

static int add(struct moments *m, struct arena *a, const struct moment *one)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 32;
		struct moment *v = arena_alloc(a, cap * sizeof(*v));
		if (!v)
			return too_large();
		if (m->n)
			memcpy(v, m->v, m->n * sizeof(*v));
		m->v = v;
		m->cap = cap;
	}
	m->v[m->n++] = *one;
	return 0;
}

/* ---- a side ---- */
struct content_line *series_id(const struct content *c)
{
	return content_get(c, STR("RECURRENCE-ID"), NULL);
}

static int add_values(struct moments *m, struct arena *a, const struct content *c, struct str name)
{
	struct content_line *l = NULL;
	struct moment one;
	int err = 0;

	while ((l = content_get(c, name, l)) != NULL) {
		struct str rest = l->value;
		do {
			struct str value = merge_element(&rest), start, end;
			str_cut(&start, &end, value, '/'); /* a period */
			if (series_moment(&one, l, start))
				err = add(m, a, &one);
		} while (rest.n && err >= 0);
		if (err < 0)
			return err;
	}
	return 0;
}

static void sort(struct moments *m)
{
	if (m->n > 1)
		qsort(m->v, m->n, sizeof(*m->v), series_cmp);
}

static int by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int read_times(struct series *s, struct arena *a)
{
	struct content_line *start = content_get(s->master, STR("DTSTART"), NULL);
	enum merge_kind kind = merge_kind_of(s->master);
	struct str v[32];
	struct buf b;
	size_t n = 0;
	int err = 0;

	for (const struct content_line *l = s->master->lines; l && err >= 0; l = l->next)
		if (n < ARRAY_LEN(v) && merge_rule(kind, l) == HOW_TIME)
			err = merge_line_meaning(&v[n++], a, &l, 1);
	if (err < 0)
		return err;
	s->has_start = n < ARRAY_LEN(v) && start && series_moment(&s->start, start, start->value);
	qsort(v, n, sizeof(*v), by_bytes);
	buf_init(&b, a);
	for (size_t i = 0; i < n; i++) {
		buf_add(&b, v[i]);
		buf_addc(&b, '\n');
	}
	s->time = buf_str(&b);
	return b.err < 0 ? too_large() : 0;
}

static int read_series(struct series *s, struct arena *a, struct content *cal)
{
	struct moment one;
	int err = 0;

	*s = (struct series){ .cal = cal };
	for (struct content *c = cal ? cal->parts : NULL; c && err >= 0; c = c->next) {
		struct content_line *id = series_id(c);
		if (id && series_moment(&one, id, id->value))
			err = add(&s->over, a, &one);
		else if (!id && !s->master && !str_ieq(c->name, STR("VTIMEZONE")))
			s->master = c;
	}
	if (err < 0 || !s->master)
		return err;
	err = add_values(&s->gone, a, s->master, STR("EXDATE"));
	if (err >= 0)
		err = add_values(&s->more, a, s->master, STR("RDATE"));
	sort(&s->over);
	sort(&s->gone);
	sort(&s->more);
	return err < 0 ? err : read_times(s, a);
}

bool series_knows(const struct series *s, const struct moment *m)
{
	return series_has(&s->over, m) || series_has(&s->gone, m) || series_has(&s->more, m);
}

static const struct content *find_part(const struct series *s, const struct moment *m)
{
	struct moment one;

	for (const struct content *c = s->cal ? s->cal->parts : NULL; c; c = c->next) {
		struct content_line *id = series_id(c);
		if (id && series_moment(&one, id, id->value) && series_cmp(&one, m) == 0)
			return c;
	}
	return NULL;
}

int series_is_edit(bool *yes, struct arena *a, const struct series *base,
	const struct content *part, const struct moment *m)
{
	const struct content *before = find_part(base, m);
	struct str old = STR(""), now = STR("");
	int err = before ? merge_meaning(&old, a, before, false) : 0;

	if (err >= 0)
		err = merge_meaning(&now, a, part, false);
	*yes = !str_eq(old, now);
	return err;
}

/* ---- rewriting ---- */
int series_set(struct content *c, struct content_line *l, struct arena *a, struct str value)
{
	struct str head = merge_head(a, l);
	struct buf line, raw;

	buf_init(&line, a);
	buf_init(&raw, a);
	buf_add(&line, head);
	buf_add(&line, value);
	merge_fold(&raw, a, buf_str(&line), l);
	l->value = value;
	l->raw = buf_str(&raw);
	c->changed = true;
	return !head.p || !value.p || line.err < 0 || raw.err < 0 ? too_large() : 0;
}

int series_written(struct content *c, struct arena *a)
{
	struct buf b;

	if (!c->changed)
		return 0;
	buf_init(&b, a);
	content_write(&b, c);
	c->raw = buf_str(&b);
	return b.err < 0 ? too_large() : 0;
}

/* ---- taken out here, changed there ---- */
static bool stands_there(int *err, struct arena *a, const struct series *base,
	const struct series *here, const struct series *there, const struct moment *m)
{
	bool edit = false;

	if (!series_has(&there->over, m) || series_has(&here->over, m) ||
		series_has(&there->gone, m))
		return false;
	*err = series_is_edit(&edit, a, base, find_part(there, m), m);
	return edit;
}

/* An edit beats a deletion: here's EXDATEs of what there changed. */
static int drop_gone(
	struct arena *a, const struct series *base, struct series *here, const struct series *there)
{
	struct content_line **at = &here->master->lines, *l;
	int err = 0;

	while ((l = *at) != NULL && err >= 0) {
		struct content_line **from = at;
		struct str rest = l->value;
		size_t dropped = 0;
		struct buf b;

		at = &l->next;
		if (!str_ieq(l->name, STR("EXDATE")))
			continue;
		buf_init(&b, a);
		do {
			struct str value = merge_element(&rest);
			struct moment m;
			if (series_moment(&m, l, value) &&
				stands_there(&err, a, base, here, there, &m))
				dropped++;
			else
				buf_fmt(&b, "%s%.*s", b.n ? "," : "", STR_ARG(value));
		} while (rest.n && err >= 0);
		if (err < 0 || !dropped)
			continue;
		if (b.n) {
			err = b.err < 0 ? b.err : series_set(here->master, l, a, buf_str(&b));
		} else {
			*from = l->next;
			at = from;
			here->master->changed = true;
		}
	}
	return err < 0 ? err : series_written(here->master, a);
}

/* ---- the contract ---- */
static int read_all(struct series s[SIDES], struct arena *a, struct content *const cal[SIDES])
{
	int err = 0;

	for (int i = BASE; i < SIDES && err >= 0; i++)
		err = read_series(&s[i], a, cal[i]);
	return err;
}

int merge_align(struct merge_strays *out, struct arena *a, struct content *const cal[3], bool moves)
{
	struct series s[SIDES];
	int err = read_all(s, a, cal);

	*out = (struct merge_strays){ 0 };
	if (err < 0 || !s[X].master || !s[Y].master)
		return err;
	if (moves && s[BASE].master) {
		err = series_follow(out, a, s);
		if (err >= 0)
			err = read_all(s, a, cal);
	}
	if (err >= 0)
		err = drop_gone(a, &s[BASE], &s[X], &s[Y]);
	return err < 0 ? err : drop_gone(a, &s[BASE], &s[Y], &s[X]);
}
