/* SPDX-License-Identifier: ISC */
/* When the parts of an object take place: rules, sets, exceptions and overrides (RFC 5545, 3.8.5). */
#include "services/calendar/ical_impl.h"

#define SLACK_SEC     (2 * 86400) /* a wall is never further than this from UTC */
#define OVERRIDES_MAX 2000
#define EXDATES_MAX   5000
#define RULES_MAX     20 /* RRULEs of a part: each may be walked for long and give nothing */

int ical_parse(struct ical **out, struct arena *a, struct str bytes)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct ical *o = ARENA_NEW(a, struct ical);
	int err;

	if (!o)
		return err_set(ERR_LIMIT, "calendar: over the memory for one item");
	o->a = a;
	err = content_parse(&o->root, a, bytes, &limits);
	if (err < 0)
		return err;
	o->cal = content_child(o->root, STR("VCALENDAR"), NULL);
	if (!o->cal)
		return err_set(ERR_BAD, "calendar: no VCALENDAR in it");
	*out = o;
	return 0;
}

/* ---- one part, without its recurrence ---- */
struct span { /* of a part */
	struct ical_time start;
	bool has_start, has_end, due;
	int64_t length; /* exact seconds, or, if `nominal`, seconds on the wall */
	bool nominal;
};

static bool is_time(struct ical_time *t, struct ical *o, const struct content *c, const char *name)
{
	struct content_line *l = content_get(c, str_of(name), NULL);
	return l && ical_time_of(t, o, l) == 0;
}

static void span_of(struct span *s, struct ical *o, const struct content *c)
{
	struct content_line *l = content_get(c, STR("DURATION"), NULL);
	struct ical_time end;

	*s = (struct span){ 0 };
	s->has_start = is_time(&s->start, o, c, "DTSTART");
	if (!s->has_start)
		return;
	s->has_end = is_time(&end, o, c, "DTEND");
	s->due = !s->has_end && is_time(&end, o, c, "DUE");
	if (s->has_end || s->due) {
		s->has_end = true;
		s->nominal = end.kind == ICAL_DATE && s->start.kind == ICAL_DATE;
		s->length = s->nominal ? end.wall - s->start.wall
				       : ical_utc(o, &end) - ical_utc(o, &s->start);
		if (s->nominal && s->length <= 0 && !s->due)
			s->length = 86400; /* some write the day itself as its end */
	} else if (l && ical_duration(&s->length, l->value) == 0) {
		s->has_end = true;
		s->nominal = s->length % 86400 == 0;
	} else if (s->start.kind == ICAL_DATE && !str_ieq(c->name, STR("VTODO"))) {
		s->nominal = true;
		s->length = 86400;
	}
	if (s->length < 0)
		s->length = 0;
}

static int64_t end_of(const struct ical *o, const struct span *s, const struct ical_time *start)
{
	struct ical_time end = *start;

	if (!s->nominal)
		return ical_utc(o, start) + s->length;
	end.wall += s->length;
	return ical_utc(o, &end);
}

/* RFC 4791, 9.9: does [start, end) overlap it? */
static bool overlap(const struct ical_window *w, int64_t start, int64_t end)
{
	return end > start ? w->from < end && w->to > start : w->from <= start && w->to > start;
}

static bool todo_overlaps(struct ical *o, const struct content *c, const struct ical_window *w)
{
	struct ical_time t;
	bool due = is_time(&t, o, c, "DUE");
	int64_t d = due ? ical_utc(o, &t) : 0, done = 0, made = 0;
	bool completed, created;

	if (due)
		return w->from < d && w->to >= d;
	completed = is_time(&t, o, c, "COMPLETED");
	if (completed)
		done = ical_utc(o, &t);
	created = is_time(&t, o, c, "CREATED");
	if (created)
		made = ical_utc(o, &t);
	if (completed && created)
		return (w->from <= made || w->from <= done) && (w->to >= made || w->to >= done);
	if (completed)
		return w->from <= done && w->to >= done;
	return !created || w->to > made;
}

static bool todo_instance(
	const struct ical_window *w, const struct span *s, int64_t start, int64_t end)
{
	if (!s->has_end)
		return w->from <= start && w->to > start;
	if (!s->due) /* a DURATION reaches to its very end */
		return w->from <= end && (w->to > start || w->to >= end);
	return (w->from < end || w->from <= start) && (w->to > start || w->to >= end);
}

int ical_period(int64_t *from, int64_t *to, struct ical_time *start, struct ical *o,
	struct str value, struct str tzid)
{
	struct str a, b;
	struct ical_time end;
	int64_t sec;
	int err;

	str_cut(&a, &b, str_trim(value), '/');
	err = ical_time_parse(start, o, a, tzid);
	if (err < 0)
		return err;
	*from = ical_utc(o, start);
	if (ical_duration(&sec, b) == 0) {
		*to = *from + sec;
		return 0;
	}
	err = ical_time_parse(&end, o, b, tzid);
	*to = err < 0 ? *from : ical_utc(o, &end);
	return err;
}

static bool freebusy_overlaps(struct ical *o, const struct content *c, const struct ical_window *w)
{
	struct ical_time start, end;
	struct content_line *l = content_get(c, STR("FREEBUSY"), NULL);

	if (is_time(&start, o, c, "DTSTART") && is_time(&end, o, c, "DTEND"))
		return w->from <= ical_utc(o, &end) && w->to > ical_utc(o, &start);
	for (; l; l = content_get(c, STR("FREEBUSY"), l))
		for (struct str one, rest = l->value; rest.n;) {
			int64_t from, to;
			str_cut(&one, &rest, rest, ',');
			if (ical_period(&from, &to, &start, o, one, STR_NONE) == 0 &&
				w->from < to && w->to > from)
				return true;
		}
	return false;
}

/* ---- the recurrence set ---- */
struct instance {
	int64_t utc;
	struct ical_time start;
	int64_t end; /* of an RDATE that is a period; else 0 */
};
struct override {
	const struct content *part;
	int64_t id; /* UTC of its RECURRENCE-ID */
	bool future;
	struct span span;
};
struct run {
	struct ical *o;
	const struct ical_window *w;
	ical_occurrence_fn *fn;
	void *ctx;
	const struct content *master, *only;
	struct span span;
	struct instance *list;
	size_t n, cap;
	int64_t *gone; /* EXDATEs, UTC */
	size_t gone_n;
	struct override *over;
	size_t over_n;
	uint32_t steps, told;
	bool is_todo, recurs;
};

static int add(struct run *r, const struct ical_time *start, int64_t end)
{
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 64;
		struct instance *more;

		if (r->n >= ICAL_INSTANCES_MAX)
			return err_set(
				ERR_LIMIT, "calendar: over %d occurrences", ICAL_INSTANCES_MAX);
		more = arena_alloc(r->o->a, cap * sizeof(*more));
		if (!more)
			return err_set(ERR_LIMIT, "calendar: over the memory for one item");
		if (r->n)
			memcpy(more, r->list, r->n * sizeof(*more));
		r->list = more;
		r->cap = cap;
	}
	r->list[r->n++] = (struct instance){ ical_utc(r->o, start), *start, end };
	return 0;
}

static int on_wall(void *ctx, int64_t wall)
{
	struct run *r = ctx;
	struct ical_time t = r->span.start;

	t.wall = wall;
	return add(r, &t, 0);
}

/* How far back an occurrence can begin and still reach into the window. */
static int64_t reach(const struct run *r)
{
	int64_t most = r->span.length;

	for (size_t i = 0; i < r->over_n; i++) /* a moved series moves what comes after */
		if (r->over[i].future) {
			int64_t shift = r->over[i].id - ical_utc(r->o, &r->over[i].span.start);
			int64_t len = r->over[i].span.length + (shift < 0 ? -shift : shift);
			most = len > most ? len : most;
		}
	return most + SLACK_SEC;
}

static int rules(struct run *r)
{
	const struct ical_time *s = &r->span.start;
	struct content_line *l;
	int err = 0, n = 0;

	for (l = content_get(r->master, STR("RRULE"), NULL); l && err >= 0;
		l = content_get(r->master, STR("RRULE"), l)) {
		if (n++ == RULES_MAX)
			return err_set(ERR_LIMIT, "calendar: over %d rules", RULES_MAX);
		struct ical_rule rule = { .text = l->value,
			.start = *s,
			.steps = &r->steps,
			.until_zone = s->kind == ICAL_ZONED ? s->zone : r->o->home };
		rule.from = r->w->from > INT64_MIN / 2 ? r->w->from - reach(r) : INT64_MIN / 2;
		rule.to = r->w->to < INT64_MAX / 2 ? r->w->to + reach(r) : INT64_MAX / 2;
		err = ical_rule_run(&rule, on_wall, r);
		if (err == ERR_BAD) /* a rule nobody can read: the event still takes place once */
			err = 0;
	}
	return err;
}

static int rdates(struct run *r)
{
	struct content_line *l = content_get(r->master, STR("RDATE"), NULL);
	int err = 0;

	for (; l && err >= 0; l = content_get(r->master, STR("RDATE"), l))
		for (struct str one, rest = l->value; rest.n && err >= 0;) {
			struct str tzid = content_param(l, STR("TZID"));
			struct ical_time t;
			int64_t from, to = 0;
			str_cut(&one, &rest, rest, ',');
			if (str_chr(one, '/') >= 0
					? ical_period(&from, &to, &t, r->o, one, tzid) == 0
					: ical_time_parse(&t, r->o, one, tzid) == 0)
				err = add(r, &t, to);
		}
	return err;
}

/* Which occurrence is meant, by an EXDATE or RECURRENCE-ID: a date is what is on that day, and of whole days the
 * date alone counts, as clients mean it. */
static int64_t which_utc(const struct run *r, struct ical_time t)
{
	const struct ical_time *start = &r->span.start;
	int64_t clock = ((t.wall % 86400) + 86400) % 86400;

	if (r->master && t.kind == ICAL_DATE && start->kind != ICAL_DATE)
		t = (struct ical_time){ start->kind,
			t.wall + ((start->wall % 86400) + 86400) % 86400, start->zone };
	else if (r->master && t.kind != ICAL_DATE && start->kind == ICAL_DATE)
		t = (struct ical_time){ .kind = ICAL_DATE, .wall = t.wall - clock };
	return ical_utc(r->o, &t);
}

static int exdates(struct run *r)
{
	struct content_line *l = content_get(r->master, STR("EXDATE"), NULL);

	if (!l)
		return 0;
	r->gone = arena_alloc(r->o->a, EXDATES_MAX * sizeof(*r->gone));
	if (!r->gone)
		return err_set(ERR_LIMIT, "calendar: over the memory for one item");
	for (; l; l = content_get(r->master, STR("EXDATE"), l))
		for (struct str one, rest = l->value; rest.n;) {
			struct ical_time t;
			str_cut(&one, &rest, rest, ',');
			if (ical_time_parse(&t, r->o, one, content_param(l, STR("TZID"))) < 0)
				continue;
			if (r->gone_n == EXDATES_MAX)
				return err_set(
					ERR_LIMIT, "calendar: over %d exceptions", EXDATES_MAX);
			r->gone[r->gone_n++] = which_utc(r, t);
		}
	return 0;
}

static bool is_gone(const struct run *r, int64_t utc)
{
	for (size_t i = 0; i < r->gone_n; i++)
		if (r->gone[i] == utc)
			return true;
	return false;
}

static int overrides(struct run *r, struct str name)
{
	size_t count = 0;

	for (const struct content *c = content_child(r->o->cal, name, NULL); c;
		c = content_child(r->o->cal, name, c))
		count += c != r->master;
	if (count > OVERRIDES_MAX)
		return err_set(ERR_LIMIT, "calendar: over %d overrides", OVERRIDES_MAX);
	r->over = arena_alloc(r->o->a, (count + 1) * sizeof(*r->over));
	if (!r->over)
		return err_set(ERR_LIMIT, "calendar: over the memory for one item");
	for (const struct content *c = content_child(r->o->cal, name, NULL); c;
		c = content_child(r->o->cal, name, c)) {
		struct content_line *l = content_get(c, STR("RECURRENCE-ID"), NULL);
		struct override *v = &r->over[r->over_n];
		struct ical_time t;

		if (c == r->master || !l || ical_time_of(&t, r->o, l) < 0)
			continue;
		*v = (struct override){ .part = c, .id = which_utc(r, t) };
		v->future = str_ieq(content_param(l, STR("RANGE")), STR("THISANDFUTURE"));
		span_of(&v->span, r->o, c);
		r->over_n += v->span.has_start;
	}
	return 0;
}

/* ---- telling ---- */
static int tell(struct run *r, const struct content *part, const struct span *s, int64_t start,
	int64_t end, const struct ical_time *id)
{
	struct ical_occurrence x = { part, start, end, *id, s->start.kind, r->recurs };

	if (r->only && part != r->only)
		return 0;
	if (r->is_todo ? !todo_instance(r->w, s, start, end) : !overlap(r->w, start, end))
		return 0;
	if (r->told++ == ICAL_INSTANCES_MAX)
		return err_set(ERR_LIMIT, "calendar: over %d occurrences", ICAL_INSTANCES_MAX);
	return r->fn(r->ctx, &x);
}

static int tell_override(struct run *r, const struct override *v)
{
	struct content_line *l = content_get(v->part, STR("RECURRENCE-ID"), NULL);
	struct ical_time id;
	int err = ical_time_of(&id, r->o, l);

	return err < 0 ? 0
		       : tell(r, v->part, &v->span, ical_utc(r->o, &v->span.start),
				 end_of(r->o, &v->span, &v->span.start), &id);
}

static int tell_instance(struct run *r, const struct instance *i)
{
	const struct override *last = NULL;
	struct ical_time start = i->start;

	for (size_t k = 0; k < r->over_n; k++) {
		if (r->over[k].id == i->utc)
			return 0; /* told as itself */
		if (r->over[k].future && r->over[k].id < i->utc &&
			(!last || r->over[k].id > last->id))
			last = &r->over[k];
	}
	if (last) { /* the series as it goes on from there */
		int64_t utc = i->utc + ical_utc(r->o, &last->span.start) - last->id;
		return tell(r, last->part, &last->span, utc, utc + last->span.length, &i->start);
	}
	return tell(r, r->master, &r->span, i->utc,
		i->end ? i->end : end_of(r->o, &r->span, &start), &i->start);
}

static int instance_cmp(const void *a, const void *b)
{
	const struct instance *x = a, *y = b;
	return (x->utc > y->utc) - (x->utc < y->utc);
}

static int series(struct run *r, struct str name)
{
	int err = overrides(r, name);

	r->recurs = content_get(r->master, STR("RRULE"), NULL) ||
		content_get(r->master, STR("RDATE"), NULL);
	if (err >= 0)
		err = exdates(r);
	if (err >= 0)
		err = add(r, &r->span.start, 0);
	if (err >= 0)
		err = rules(r);
	if (err >= 0)
		err = rdates(r);
	if (err < 0)
		return err;
	qsort(r->list, r->n, sizeof(*r->list), instance_cmp);
	for (size_t i = 0; i < r->n && err >= 0; i++)
		if ((i == 0 || r->list[i].utc != r->list[i - 1].utc) && !is_gone(r, r->list[i].utc))
			err = tell_instance(r, &r->list[i]);
	for (size_t i = 0; i < r->over_n && err >= 0; i++)
		err = tell_override(r, &r->over[i]);
	return err;
}

/* A part that has no DTSTART, or is alone. */
static int alone(struct run *r, const struct content *c)
{
	struct ical_time due = { .kind = ICAL_UTC };
	struct ical_occurrence x = { .part = c, .id = due, .kind = ICAL_UTC };
	bool in = false;

	if (r->only && c != r->only)
		return 0;
	if (is_time(&due, r->o, c, "DUE"))
		x.start = x.end = ical_utc(r->o, &due);
	if (str_ieq(c->name, STR("VTODO")))
		in = todo_overlaps(r->o, c, r->w);
	else if (str_ieq(c->name, STR("VFREEBUSY")))
		in = freebusy_overlaps(r->o, c, r->w);
	return in ? r->fn(r->ctx, &x) : 0;
}

static int occurrences(struct run *r, struct str name)
{
	struct content *c = content_child(r->o->cal, name, NULL);
	int err = 0;

	r->is_todo = str_ieq(name, STR("VTODO"));
	r->steps = ICAL_STEPS_MAX;
	for (; c && err >= 0; c = content_child(r->o->cal, name, c)) {
		struct span s;
		span_of(&s, r->o, c);
		if (content_get(c, STR("RECURRENCE-ID"), NULL)) {
			/* Without a master (an invitation to one of a series) it stands alone. */
			continue;
		}
		if (!s.has_start || str_ieq(name, STR("VFREEBUSY"))) {
			err = alone(r, c);
			continue;
		}
		r->master = c;
		r->span = s;
		err = series(r, name);
		r->n = r->cap = r->gone_n = r->over_n = 0;
		r->list = NULL;
	}
	if (err < 0 || r->master)
		return err;
	r->recurs = true;
	err = overrides(r, name);
	for (size_t i = 0; i < r->over_n && err >= 0; i++)
		err = tell_override(r, &r->over[i]);
	return err;
}

int ical_occurrences(struct ical *o, struct str name, const struct ical_window *w,
	ical_occurrence_fn *fn, void *ctx)
{
	struct run r = { .o = o, .w = w, .fn = fn, .ctx = ctx };
	return occurrences(&r, name);
}

static int enough(void *ctx, const struct ical_occurrence *x)
{
	(void)x;
	*(bool *)ctx = true;
	return ERR_CLOSED;
}

int ical_overlaps(struct ical *o, const struct content *only, const struct ical_window *w)
{
	bool found = false;
	struct run r = { .o = o, .w = w, .fn = enough, .ctx = &found, .only = only };
	int err = occurrences(&r, only->name);

	if (found)
		return 1;
	return err;
}
