/* SPDX-License-Identifier: ISC */
/* calendar-data (RFC 4791, 9.6): whole objects, some of their properties, or their occurrences. */
#include "services/calendar/query.h"

struct data {
	struct buf *out;
	struct ical *o;
	const struct xml *comp; /* what to show of the VCALENDAR; NULL: all */
	struct ical_window w;
	struct ical_window *busy; /* limit-freebusy-set; NULL: all */
};

/* ---- which properties ---- */
/* An empty comp is for all of it, as VTIMEZONE in the example of RFC 4791, 7.8.1. */
static const struct xml *comp_for(const struct xml *parent, struct str name, bool *all)
{
	*all = !parent || xml_child(parent, XML_CALDAV, "allcomp");
	for (const struct xml *c = xml_child(parent, XML_CALDAV, "comp"); c; c = xml_again(c))
		if (str_ieq(xml_attr(c, "name"), name)) {
			*all |= !xml_first(c);
			return xml_first(c) ? c : NULL;
		}
	return NULL;
}

static bool wanted(const struct content_line *l, const struct xml *comp, bool *value)
{
	*value = true;
	if (!comp || xml_child(comp, XML_CALDAV, "allprop") || !xml_child(comp, XML_CALDAV, "prop"))
		return !comp || xml_child(comp, XML_CALDAV, "allprop");
	for (const struct xml *p = xml_child(comp, XML_CALDAV, "prop"); p; p = xml_again(p))
		if (str_ieq(xml_attr(p, "name"), l->name)) {
			*value = !str_eq(xml_attr(p, "novalue"), STR("yes"));
			return true;
		}
	return false;
}

static void add_raw(struct buf *b, struct str raw)
{
	buf_add(b, raw);
	if (raw.n && raw.p[raw.n - 1] != '\n')
		buf_add(b, STR("\r\n"));
}

/* Of a FREEBUSY, the periods that reach into the window (RFC 4791, 9.6.7). */
static void add_busy(struct data *d, const struct content_line *l)
{
	struct ical_time start;
	struct buf line;
	bool any = false;

	buf_init(&line, d->o->a);
	buf_add(&line, str_n(l->name.p, (size_t)(l->value.p - l->name.p)));
	for (struct str one, rest = l->value; rest.n;) {
		int64_t from, to;

		str_cut(&one, &rest, rest, ',');
		if (ical_period(&from, &to, &start, d->o, one, STR_NONE) < 0 ||
			from >= d->busy->to || to <= d->busy->from)
			continue;
		if (any)
			buf_addc(&line, ',');
		buf_add(&line, str_trim(one));
		any = true;
	}
	if (any)
		content_fold(d->out, buf_str(&line));
	if (line.err < 0)
		d->out->err = line.err;
}

static void add_line(struct data *d, const struct content_line *l, const struct xml *comp)
{
	bool value;

	if (!wanted(l, comp, &value) || (!value && l->name.n == 0))
		return;
	if (!value) /* its parameters stay (9.6.4) */
		content_fold(d->out, str_n(l->name.p, (size_t)(l->value.p - l->name.p)));
	else if (d->busy && str_ieq(l->name, STR("FREEBUSY")))
		add_busy(d, l);
	else
		add_raw(d->out, l->raw);
}

static void add_part(struct data *d, const struct content *c, const struct xml *comp);

/* A part of what `comp` asks for: as it came, where all of it is wanted. */
// NOLINTNEXTLINE(misc-no-recursion): as deep as objects are
static void add_child(struct data *d, const struct content *p, const struct xml *comp)
{
	bool all;
	const struct xml *x = comp_for(comp, p->name, &all);

	if (all && !x && !d->busy)
		add_raw(d->out, p->raw);
	else if (all || x)
		add_part(d, p, x);
}

// NOLINTNEXTLINE(misc-no-recursion)
static void add_part(struct data *d, const struct content *c, const struct xml *comp)
{
	add_raw(d->out, c->begin->raw);
	for (const struct content_line *l = c->lines; l; l = l->next)
		add_line(d, l, comp);
	for (const struct content *p = c->parts; p; p = p->next)
		add_child(d, p, comp);
	add_raw(d->out, c->end->raw);
}

/* ---- expand (RFC 4791, 9.6.5): no rules, no zones ---- */
/* As the line would be written on that wall: a day, floating, or in UTC. */
static void add_time(
	struct data *d, const struct xml *comp, const char *name, enum ical_kind kind, int64_t wall)
{
	struct content_line l = { .name = str_of(name) };
	bool value;

	if (!wanted(&l, comp, &value))
		return;
	buf_fmt(d->out, "%s%s:", name, kind == ICAL_DATE ? ";VALUE=DATE" : "");
	if (value)
		ical_utc_write(d->out, wall, kind == ICAL_DATE);
	if (value && kind == ICAL_FLOATING && d->out->n)
		d->out->n--; /* no Z */
	buf_add(d->out, STR("\r\n"));
}

static void add_utc(struct data *d, const struct xml *comp, const char *name,
	const struct ical_occurrence *x, int64_t utc)
{
	bool stays = x->kind == ICAL_DATE || x->kind == ICAL_FLOATING;

	add_time(d, comp, name, x->kind, stays ? ical_home_wall(d->o, utc) : utc);
}

/* Another line: a time in a zone is told in UTC. */
static void add_zoneless(struct data *d, const struct content_line *l, const struct xml *comp)
{
	struct ical_time t;

	if (!content_param(l, STR("TZID")).p || str_chr(l->value, ',') >= 0 ||
		ical_time_of(&t, d->o, l) < 0 || t.kind != ICAL_ZONED) {
		add_line(d, l, comp);
		return;
	}
	struct content_line name = { .name = l->name };
	bool value;
	if (!wanted(&name, comp, &value))
		return;
	buf_fmt(d->out, "%.*s:", STR_ARG(l->name));
	if (value)
		ical_utc_write(d->out, ical_utc(d->o, &t), false);
	buf_add(d->out, STR("\r\n"));
}

/* Its end, in the words of the part: DURATION stays where it says the same in UTC. */
static void add_end(struct data *d, const struct xml *comp, const struct ical_occurrence *x)
{
	const struct content_line *l = content_get(x->part, STR("DURATION"), NULL);
	bool todo = str_ieq(x->part->name, STR("VTODO"));
	int64_t sec;

	if (content_get(x->part, STR("DTEND"), NULL) || content_get(x->part, STR("DUE"), NULL))
		add_utc(d, comp, todo ? "DUE" : "DTEND", x, x->end);
	else if (l && ical_duration(&sec, l->value) == 0 && sec == x->end - x->start)
		add_line(d, l, comp);
	else if (l)
		add_utc(d, comp, todo ? "DUE" : "DTEND", x, x->end);
}

static bool is_any(struct str name, const char *const *names)
{
	for (; *names; names++)
		if (str_ieq(name, str_of(*names)))
			return true;
	return false;
}

static int add_occurrence(void *ctx, const struct ical_occurrence *x)
{
	static const char *const never[] = { "RRULE", "RDATE", "EXDATE", "EXRULE", NULL },
				 *const times[] = { "DTSTART", "DTEND", "DUE", "DURATION",
					 "RECURRENCE-ID", NULL };
	struct data *d = ctx;
	bool all, timed = content_get(x->part, STR("DTSTART"), NULL) != NULL;
	const struct xml *comp = comp_for(d->comp, x->part->name, &all);

	if (!comp && !all)
		return 0;
	add_raw(d->out, x->part->begin->raw);
	if (timed) {
		add_utc(d, comp, "DTSTART", x, x->start);
		add_end(d, comp, x);
	}
	if (timed && x->recurs)
		add_time(d, comp, "RECURRENCE-ID", x->id.kind,
			x->id.kind == ICAL_ZONED ? ical_utc(d->o, &x->id) : x->id.wall);
	for (const struct content_line *l = x->part->lines; l; l = l->next)
		if (!is_any(l->name, never) && !(timed && is_any(l->name, times)))
			add_zoneless(d, l, comp);
	for (const struct content *p = x->part->parts; p; p = p->next)
		add_child(d, p, comp);
	add_raw(d->out, x->part->end->raw);
	return d->out->err;
}

static int expand(struct data *d)
{
	static const char *const names[] = { "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY" };
	int err = 0;

	add_raw(d->out, d->o->cal->begin->raw);
	for (const struct content_line *l = d->o->cal->lines; l; l = l->next)
		add_line(d, l, d->comp);
	for (size_t i = 0; i < ARRAY_LEN(names) && err >= 0; i++)
		err = ical_occurrences(d->o, str_of(names[i]), &d->w, add_occurrence, d);
	add_raw(d->out, d->o->cal->end->raw);
	return err;
}

/* ---- limit-recurrence-set ---- */
/* The master always; overrides that take place in the window, or would have. */
static bool override_wanted(struct data *d, const struct content *p)
{
	struct content_line *id = content_get(p, STR("RECURRENCE-ID"), NULL);
	struct ical_time t;
	int64_t at;

	if (!id || ical_time_of(&t, d->o, id) < 0)
		return true;
	at = ical_utc(d->o, &t);
	return (d->w.from <= at && at < d->w.to) ||
		str_ieq(content_param(id, STR("RANGE")), STR("THISANDFUTURE")) ||
		ical_overlaps(d->o, p, &d->w) != 0;
}

static void limited(struct data *d)
{
	add_raw(d->out, d->o->cal->begin->raw);
	for (const struct content_line *l = d->o->cal->lines; l; l = l->next)
		add_line(d, l, d->comp);
	for (const struct content *p = d->o->cal->parts; p; p = p->next)
		if (override_wanted(d, p))
			add_child(d, p, d->comp);
	add_raw(d->out, d->o->cal->end->raw);
}

static const char *const sets[] = { "expand", "limit-recurrence-set", "limit-freebusy-set" };

int cal_data_check(struct dav_refusal *why, const struct xml *asked)
{
	struct str type = xml_attr(asked, "content-type"), version = xml_attr(asked, "version");
	const struct xml *comp = xml_child(asked, XML_CALDAV, "comp");
	struct ical_window w;
	int err = 0;

	*why = (struct dav_refusal){ 403, XML_CALDAV, "supported-calendar-data", NULL };
	if ((type.p && !str_ieq(type, STR("text/calendar"))) ||
		(version.p && !str_eq(version, STR("2.0"))))
		return err_set(ERR_BAD, "calendar data is text/calendar, version 2.0");
	*why = (struct dav_refusal){ .status = 400 };
	if (comp && !str_ieq(xml_attr(comp, "name"), STR("VCALENDAR")))
		return err_set(ERR_BAD, "what is wanted of a VCALENDAR is asked for");
	for (size_t i = 0; i < ARRAY_LEN(sets) && err >= 0; i++) {
		const struct xml *x = xml_child(asked, XML_CALDAV, sets[i]);

		if (!x)
			continue;
		err = cal_window(&w, x);
		if (err >= 0 && (w.from == INT64_MIN || w.to == ICAL_FOREVER))
			err = err_set(ERR_BAD, "%s has a start and an end", sets[i]);
		if (err >= 0)
			err = cal_window_check(why, &w);
	}
	return err;
}

int cal_data(struct buf *out, struct arena *a, struct str bytes, const struct xml *asked,
	const void *zone)
{
	const struct xml *spread = xml_child(asked, XML_CALDAV, sets[0]),
			 *limit = xml_child(asked, XML_CALDAV, sets[1]),
			 *busy = xml_child(asked, XML_CALDAV, sets[2]);
	struct data d = { .out = out, .comp = xml_child(asked, XML_CALDAV, "comp") };
	struct ical_window window;
	size_t mark = out->n;
	int err;

	if (!xml_first(d.comp))
		d.comp = NULL;
	if (!spread && !limit && !busy && !d.comp) {
		buf_add(out, bytes);
		return out->err;
	}
	err = ical_parse(&d.o, a, bytes);
	if (err >= 0)
		d.o->home = zone;
	if (err >= 0 && (spread || limit))
		err = cal_window(&d.w, spread ? spread : limit);
	if (err >= 0 && busy)
		err = cal_window(d.busy = &window, busy);
	if (err < 0)
		return err;
	if (spread)
		err = expand(&d);
	else if (limit)
		limited(&d);
	else
		add_part(&d, d.o->cal, d.comp);
	if (err == ERR_LIMIT) { /* too much to spell out: the rule itself */
		out->n = mark;
		buf_add(out, bytes);
		err = 0;
	}
	return err < 0 ? err : out->err;
}
