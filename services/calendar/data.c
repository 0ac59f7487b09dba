/* SPDX-License-Identifier: ISC */
/* calendar-data (RFC 4791, 9.6): whole objects, some of their properties, or their occurrences. */
#include "services/calendar/query.h"

struct data {
	struct buf *out;
	struct ical *o;
	const struct xml *comp; /* what to show of the VCALENDAR; NULL: all */
	struct ical_window w;
};

/* ---- which properties ---- */
static const struct xml *comp_for(const struct xml *parent, struct str name, bool *all)
{
	*all = !parent || xml_child(parent, XML_CALDAV, "allcomp");
	for (const struct xml *c = xml_child(parent, XML_CALDAV, "comp"); c; c = xml_again(c))
		if (str_ieq(xml_attr(c, "name"), name))
			return c;
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

static void add_line(struct buf *b, const struct content_line *l, const struct xml *comp)
{
	bool value;

	if (!wanted(l, comp, &value))
		return;
	if (value)
		add_raw(b, l->raw);
	else
		buf_fmt(b, "%.*s:\r\n", STR_ARG(l->name));
}

static void add_part(struct data *d, const struct content *c, const struct xml *comp);

static void add_parts(struct data *d, const struct content *c, const struct xml *comp)
{
	for (const struct content *p = c->parts; p; p = p->next) {
		bool all;
		const struct xml *x = comp_for(comp, p->name, &all);
		if (all && !x)
			add_raw(d->out, p->raw);
		else if (x)
			add_part(d, p, x);
	}
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as objects are
static void add_part(struct data *d, const struct content *c, const struct xml *comp)
{
	add_raw(d->out, c->begin->raw);
	for (const struct content_line *l = c->lines; l; l = l->next)
		add_line(d->out, l, comp);
	add_parts(d, c, comp);
	add_raw(d->out, c->end->raw);
}

/* ---- expand ---- */
static void add_time(struct buf *b, const char *name, const struct ical_occurrence *x, int64_t utc,
	const struct ical *o)
{
	bool floating = x->id.kind == ICAL_FLOATING || x->date;
	int64_t t = utc;

	/* Dates and floating times stay as they are: on the wall of the calendar. */
	if (floating)
		t += x->id.wall - ical_utc(o, &x->id);
	buf_fmt(b, "%s%s:", name, x->date ? ";VALUE=DATE" : "");
	ical_utc_write(b, t, x->date);
	if (floating && !x->date && b->n)
		b->n--; /* no Z */
	buf_add(b, STR("\r\n"));
}

static int add_occurrence(void *ctx, const struct ical_occurrence *x)
{
	static const char *const skipped[] = { "RRULE", "RDATE", "EXDATE", "EXRULE", "DTSTART",
		"DTEND", "DUE", "DURATION", "RECURRENCE-ID" };
	struct data *d = ctx;
	struct buf *b = d->out;
	bool all, timed = content_get(x->part, STR("DTSTART"), NULL) != NULL;
	const struct xml *comp = comp_for(d->comp, x->part->name, &all);
	const struct content_line *end = content_get(x->part, STR("DTEND"), NULL);

	if (!comp && !all)
		return 0;
	add_raw(b, x->part->begin->raw);
	if (timed) {
		add_time(b, "DTSTART", x, x->start, d->o);
		if (end || content_get(x->part, STR("DURATION"), NULL) ||
			content_get(x->part, STR("DUE"), NULL))
			add_time(b, str_ieq(x->part->name, STR("VTODO")) ? "DUE" : "DTEND", x,
				x->end, d->o);
	}
	if (timed && x->recurs)
		add_time(b, "RECURRENCE-ID", x, ical_utc(d->o, &x->id), d->o);
	for (const struct content_line *l = x->part->lines; l; l = l->next) {
		bool skip = false;
		for (size_t i = 0; timed && i < ARRAY_LEN(skipped); i++)
			skip |= str_ieq(l->name, str_of(skipped[i]));
		if (!skip)
			add_line(b, l, comp);
	}
	add_parts(d, x->part, comp);
	add_raw(b, x->part->end->raw);
	return b->err;
}

static int expand(struct data *d)
{
	static const char *const names[] = { "VEVENT", "VTODO", "VJOURNAL" };
	int err = 0;

	add_raw(d->out, d->o->cal->begin->raw);
	for (const struct content_line *l = d->o->cal->lines; l; l = l->next)
		add_line(d->out, l, d->comp);
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
		add_line(d->out, l, d->comp);
	for (const struct content *p = d->o->cal->parts; p; p = p->next) {
		bool all;
		const struct xml *x = comp_for(d->comp, p->name, &all);
		if (!override_wanted(d, p))
			continue;
		if (all && !x)
			add_raw(d->out, p->raw);
		else if (x)
			add_part(d, p, x);
	}
	add_raw(d->out, d->o->cal->end->raw);
}

int cal_data(struct buf *out, struct arena *a, struct str bytes, const struct xml *asked)
{
	const struct xml *spread = xml_child(asked, XML_CALDAV, "expand"),
			 *limit = xml_child(asked, XML_CALDAV, "limit-recurrence-set");
	struct data d = { .out = out, .comp = xml_child(asked, XML_CALDAV, "comp") };
	size_t mark = out->n;
	int err;

	if (!spread && !limit && !d.comp) {
		buf_add(out, bytes);
		return out->err;
	}
	err = ical_parse(&d.o, a, bytes);
	if (err >= 0 && (spread || limit))
		err = cal_window(&d.w, spread ? spread : limit);
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
