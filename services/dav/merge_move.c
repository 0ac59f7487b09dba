/* SPDX-License-Identifier: ISC */
/*
 * Series that a side moved. Where each occurrence has one that it became (the same rule, all of it later or
 * earlier by one span on the wall), those of the other side go along. A rule that names its days keeps its
 * occurrences when DTSTART goes to another day: nothing to follow.
 */
#include "os/time.h"
#include "services/dav/merge_series_impl.h"

#define DAY INT64_C(86400)

static int too_large(void)
{
	return err_set(ERR_LIMIT, "over the memory for one merge");
}

/* ---- rules ---- */
struct rule {
	unsigned count; /* of RRULE lines */
	bool odd;       /* EXRULE, or rules of hours */
	int64_t period; /* seconds from one occurrence to the next, when that is the whole rule; 0 */
	bool days;      /* it names the days itself */
	uint64_t interval;
	struct str freq, all, rest; /* rest: of `all` what is not said by DTSTART */
};

static bool is_part(struct str name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, str_of(names[i])))
			return true;
	return false;
}

static int read_rule(struct rule *r, struct arena *a, const struct series *s)
{
	static const char *const apart[] = { "FREQ", "INTERVAL", "UNTIL", "COUNT", "WKST", "" };
	static const char *const hours[] = { "BYHOUR", "BYMINUTE", "BYSECOND" };
	static const char *const often[] = { "HOURLY", "MINUTELY", "SECONDLY" };
	static const char *const days[] = { "BYDAY", "BYMONTHDAY", "BYYEARDAY" };
	static const char week[] = "SUMOTUWETHFRSA";
	struct content_line *l = content_get(s->master, STR("RRULE"), NULL);
	struct str left, one, name, value;
	struct buf all, rest;
	struct os_date d;

	os_date_of(&d, s->start.sec);
	*r = (struct rule){ .interval = 1, .freq = STR("") };
	r->odd = content_get(s->master, STR("EXRULE"), NULL) != NULL;
	for (struct content_line *x = l; x; x = content_get(s->master, STR("RRULE"), x))
		r->count++;
	buf_init(&all, a);
	buf_init(&rest, a);
	left = l ? merge_upper(a, str_trim(l->value)) : STR("");
	while (left.n) {
		str_cut(&one, &left, left, ';');
		str_cut(&name, &value, one, '=');
		if (str_eq(name, STR("FREQ")))
			r->freq = value;
		if (str_eq(name, STR("INTERVAL")))
			r->odd |= str_u64(&r->interval, value, 10000) < 0 || r->interval == 0;
		if (!is_part(name, apart, ARRAY_LEN(apart)))
			buf_fmt(&all, "%.*s;", STR_ARG(one));
		r->odd |= is_part(name, hours, ARRAY_LEN(hours));
		r->days |= is_part(name, days, ARRAY_LEN(days));
		if (str_eq(name, STR("BYDAY")) && str_eq(r->freq, STR("WEEKLY")) &&
			str_eq(value, str_n(week + (size_t)2 * d.wday, 2)))
			continue;
		if (!is_part(name, apart, ARRAY_LEN(apart)))
			buf_fmt(&rest, "%.*s;", STR_ARG(one));
	}
	r->all = buf_str(&all);
	r->rest = buf_str(&rest);
	r->odd |= is_part(r->freq, often, ARRAY_LEN(often));
	if (!r->rest.n && r->interval)
		r->period = (int64_t)r->interval *
			(str_eq(r->freq, STR("DAILY"))                   ? DAY
					: str_eq(r->freq, STR("WEEKLY")) ? 7 * DAY
									 : 0);
	return all.err < 0 || rest.err < 0 ? too_large() : 0;
}

enum follow { STAYS, SHIFTS, FIRST_SHIFTS, LOST };

/* What became of the occurrences of `from` when it was moved to `to`. */
static int follow(enum follow *out, int64_t *shift, struct arena *a, const struct series *from,
	const struct series *to)
{
	int64_t d = to->start.sec - from->start.sec;
	struct rule p, q;
	bool one_day = from->start.sec / DAY == to->start.sec / DAY;
	int err = read_rule(&p, a, from);

	if (err >= 0)
		err = read_rule(&q, a, to);
	*shift = d;
	*out = LOST;
	if (err < 0 || !series_one_form(&from->start, &to->start) || p.odd || q.odd ||
		p.count > 1 || p.count != q.count || !str_eq(p.freq, q.freq) ||
		p.interval != q.interval)
		return err;
	if (p.count == 0)
		*out = FIRST_SHIFTS;
	else if (str_eq(p.all, q.all) && p.days && p.interval == 1 && d % DAY == 0)
		*out = STAYS; /* the rule says which days, DTSTART from when on */
	else if (p.period && p.period == q.period)
		*out = (*shift = d % p.period) == 0 ? STAYS : SHIFTS;
	else if (str_eq(p.all, q.all) && one_day)
		*out = SHIFTS;
	return 0;
}

/* ---- one occurrence ---- */
static int shift_line(
	struct content *c, struct content_line *l, struct arena *a, int64_t by, bool *done)
{
	struct moment m;

	*done = l && series_moment(&m, l, l->value);
	if (!*done)
		return 0;
	m.sec += by;
	return series_set(c, l, a, series_text(a, &m));
}

/* An occurrence: what it replaces, and itself when it stood there. */
static int shift_part(struct content *c, struct arena *a, const struct moment *id, int64_t by)
{
	static const char *const times[] = { "DTSTART", "DTEND", "DUE" };
	struct content_line *start = content_get(c, STR("DTSTART"), NULL);
	struct moment m;
	bool along = start && series_moment(&m, start, start->value) && series_cmp(&m, id) == 0,
	     done;
	int err = shift_line(c, series_id(c), a, by, &done);

	for (size_t i = 0; along && i < ARRAY_LEN(times) && err >= 0; i++)
		err = shift_line(c, content_get(c, str_of(times[i]), NULL), a, by, &done);
	return err < 0 ? err : series_written(c, a);
}

/* ---- following a move ---- */
struct moving {
	struct arena *a;
	struct series *s; /* of all sides */
	bool moved[SIDES];
	enum follow how;
	int64_t shift;
	struct merge_strays *strays;
};

/* Is this one of the old time? Not when who moved the series left it there. */
static bool is_behind(const struct moving *v, const struct moment *m)
{
	bool left = false, taken = false;
	struct moment to = *m;

	to.sec += v->shift;
	for (int s = X; s < SIDES; s++) {
		left |= v->moved[s] && series_knows(&v->s[s], m);
		taken |= v->moved[s] && v->how != LOST && series_knows(&v->s[s], &to);
	}
	if (left && !taken)
		return false;
	return v->how != FIRST_SHIFTS || series_cmp(m, &v->s[BASE].start) == 0;
}

static bool can_shift(const struct moving *v, const struct series *s, const struct moment *m)
{
	struct moment to = *m;

	to.sec += v->shift;
	return v->how != LOST && series_one_form(m, &v->s[BASE].start) &&
		!series_has(&s->over, &to) && !series_has(&s->gone, &to);
}

static int stray(struct moving *v, int side, const struct content *c, const struct moment *id)
{
	bool edit = false;
	int err = side == BASE ? 0 : series_is_edit(&edit, v->a, &v->s[BASE], c, id);

	if (err < 0 || !edit)
		return err;
	v->strays->side = side;
	return v->strays->n++ ? 0 : merge_part_key(&v->strays->key, v->a, c);
}

static int follow_parts(struct moving *v, int side)
{
	struct series *s = &v->s[side];
	int err = 0;

	for (struct content *c = s->cal->parts; c && err >= 0; c = c->next) {
		struct content_line *l = series_id(c);
		struct moment id;
		if (!l || !series_moment(&id, l, l->value) || !is_behind(v, &id))
			continue;
		if (can_shift(v, s, &id))
			err = shift_part(c, v->a, &id, v->shift);
		else
			err = stray(v, side, c, &id);
	}
	return err;
}

static int follow_gone(struct moving *v, int side)
{
	struct series *s = &v->s[side];
	struct content_line *l = NULL;
	int err = 0;

	while (err >= 0 && (l = content_get(s->master, STR("EXDATE"), l)) != NULL) {
		struct str rest = l->value;
		bool changed = false;
		struct buf b;

		buf_init(&b, v->a);
		do {
			struct str value = merge_element(&rest);
			struct moment m;
			if (series_moment(&m, l, value) && is_behind(v, &m) &&
				can_shift(v, s, &m)) {
				m.sec += v->shift;
				value = series_text(v->a, &m);
				changed = true;
			}
			buf_fmt(&b, "%s%.*s", b.n ? "," : "", STR_ARG(value));
		} while (rest.n);
		if (b.err < 0)
			err = too_large();
		else if (changed)
			err = series_set(s->master, l, v->a, buf_str(&b));
	}
	return err < 0 ? err : series_written(s->master, v->a);
}

static bool started_elsewhere(const struct series *base, const struct series *s)
{
	return base->has_start && s->has_start && series_cmp(&base->start, &s->start) != 0;
}

int series_follow(struct merge_strays *strays, struct arena *a, struct series s[SIDES])
{
	struct moving v = { .a = a, .s = s, .strays = strays };
	int mover = X, err;

	for (int i = X; i < SIDES; i++)
		v.moved[i] = s[i].has_start && started_elsewhere(&s[BASE], &s[i]);
	if (!v.moved[X] && !v.moved[Y])
		return 0;
	if (!v.moved[X])
		mover = Y;
	/* Two moves, or a move and another rule: they clash, unless they are one. */
	if (!str_eq(s[X].time, s[Y].time) && !str_eq(s[X + Y - mover].time, s[BASE].time))
		return 0;
	err = follow(&v.how, &v.shift, a, &s[BASE], &s[mover]);
	for (int i = BASE; i < SIDES && err >= 0 && v.how != STAYS; i++) {
		if (v.moved[i])
			continue;
		err = follow_parts(&v, i);
		if (err >= 0)
			err = follow_gone(&v, i);
	}
	return err;
}
