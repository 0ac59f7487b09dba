/* SPDX-License-Identifier: ISC */
/* Does an object match a calendar-query's filter? */
#include "services/calendar/query.h"

#define PROP_MAX 64

static const struct xml *part(const struct xml *x, const char *name)
{
	return xml_child(x, XML_CALDAV, name);
}

int cal_window(struct ical_window *out, const struct xml *x)
{
	struct ical none = { 0 };
	struct str from = xml_attr(x, "start"), to = xml_attr(x, "end");
	struct ical_time t;

	*out = (struct ical_window){ INT64_MIN, ICAL_FOREVER };
	if (!from.p && !to.p)
		return err_set(ERR_BAD, "a time range without start and end");
	if (from.p) {
		if (ical_time_parse(&t, &none, from, STR_NONE) < 0 || t.kind != ICAL_UTC)
			return err_set(ERR_BAD, "a time range that begins at no time in UTC");
		out->from = t.wall;
	}
	if (to.p) {
		if (ical_time_parse(&t, &none, to, STR_NONE) < 0 || t.kind != ICAL_UTC)
			return err_set(ERR_BAD, "a time range that ends at no time in UTC");
		out->to = t.wall;
	}
	return out->from < out->to ? 0
				   : err_set(ERR_BAD, "a time range that ends before it begins");
}

/* ---- is it a filter at all? (RFC 4791, 9.7) ---- */
static int refuse(struct dav_refusal *why, const char *condition, int err)
{
	*why = (struct dav_refusal){ 403, XML_CALDAV, condition, NULL };
	return err;
}

/* The filter that asks for what can't be done is named (RFC 4791, 7.8). */
static int unsupported(struct dav_refusal *why, const struct xml *filter, int err)
{
	*why = (struct dav_refusal){ 403, XML_CALDAV, "supported-filter", filter };
	return err;
}

static int invalid(struct dav_refusal *why, const char *what)
{
	return refuse(why, "valid-filter", err_set(ERR_BAD, "%s", what));
}

/* Where components stand, and whether a time range has a meaning there. */
static const struct {
	const char *name, *in;
	bool range;
} known[] = {
	{ "VCALENDAR", "", false },
	{ "VEVENT", "VCALENDAR", true },
	{ "VTODO", "VCALENDAR", true },
	{ "VJOURNAL", "VCALENDAR", true },
	{ "VFREEBUSY", "VCALENDAR", true },
	{ "VTIMEZONE", "VCALENDAR", false },
	{ "STANDARD", "VTIMEZONE", false },
	{ "DAYLIGHT", "VTIMEZONE", false },
	{ "VALARM", "VEVENT", true },
	{ "VALARM", "VTODO", true },
};

static int place_check(struct dav_refusal *why, const struct xml *comp, struct str in, bool range)
{
	struct str name = xml_attr(comp, "name");
	bool here = false, elsewhere = false, ranges = false;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_ieq(name, str_of(known[i].name))) {
			here |= str_ieq(in, str_of(known[i].in));
			elsewhere = true;
			ranges |= known[i].range;
		}
	if (elsewhere && !here)
		return invalid(why, "a comp-filter of a component that never stands there");
	if (!range || ranges)
		return 0;
	return elsewhere
		? invalid(why, "a time range on a component that has no times")
		: unsupported(why, comp,
			  err_set(ERR_BAD, "no time range is known for \"%.*s\"", STR_ARG(name)));
}

/* Properties whose values are times; of others we know nothing. */
static bool timed(struct str name)
{
	static const char *const names[] = { "COMPLETED", "CREATED", "DTSTAMP", "DTSTART", "DTEND",
		"DUE", "LAST-MODIFIED", "RECURRENCE-ID", "RDATE", "EXDATE", "FREEBUSY", "TRIGGER",
		"ACKNOWLEDGED" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(name, str_of(names[i])))
			return true;
	return str_istarts(name, STR("X-"));
}

static int range_check(struct dav_refusal *why, const struct xml *range)
{
	struct ical_window w;

	if (cal_window(&w, range) < 0) {
		(void)refuse(why, "valid-filter", ERR_BAD);
		/* What can't be a time-range at all is no request (9.9), rather than one that is refused. */
		if (!xml_attr(range, "start").p && !xml_attr(range, "end").p)
			why->status = 400;
		return ERR_BAD;
	}
	return cal_window_check(why, &w);
}

int cal_window_check(struct dav_refusal *why, const struct ical_window *w)
{
	if (w->from != INT64_MIN && w->from < CAL_TIME_MIN)
		return refuse(why, "min-date-time", err_set(ERR_BAD, "a time before the year 1"));
	return 0;
}

/* How many children of each kind an element of a filter has. */
struct parts {
	unsigned none, range, match, others;
	const struct xml *ranged;
};

static int parts_count(struct parts *n, struct dav_refusal *why, const struct xml *top)
{
	*n = (struct parts){ 0 };
	if (!xml_attr(top, "name").p)
		return invalid(why, "a filter without a name");
	for (const struct xml *x = xml_first(top); x; x = xml_next(x)) {
		if (xml_is(x, XML_CALDAV, "is-not-defined")) {
			n->none++;
		} else if (xml_is(x, XML_CALDAV, "time-range")) {
			n->range++;
			n->ranged = x;
		} else if (xml_is(x, XML_CALDAV, "text-match")) {
			n->match++;
		} else if (xml_is(x, XML_CALDAV, "comp-filter") ||
			xml_is(x, XML_CALDAV, "prop-filter") ||
			xml_is(x, XML_CALDAV, "param-filter")) {
			n->others++;
		} else {
			return unsupported(why, top,
				err_set(ERR_BAD, "an element \"%.*s\" in the filter",
					STR_ARG(x->name)));
		}
	}
	if (n->none && (n->none + n->range + n->match + n->others > 1))
		return invalid(why, "is-not-defined stands alone");
	if (n->range > 1 || n->match > 1 || (n->range && n->match))
		return invalid(why, "more than one time range or text");
	return n->range ? range_check(why, n->ranged) : 0;
}

static int match_check(struct dav_refusal *why, const struct xml *parent)
{
	const struct xml *m = part(parent, "text-match");
	struct str not = xml_attr(m, "negate-condition");

	if (not.p && !str_eq(not, STR("yes")) && !str_eq(not, STR("no")))
		return invalid(why, "a negate-condition is yes or no");
	return 0;
}

static int prop_check(struct dav_refusal *why, const struct xml *prop)
{
	struct parts n;
	int err = parts_count(&n, why, prop);

	if (err >= 0 && n.range && !timed(xml_attr(prop, "name")))
		return invalid(why, "a time range on a property that is no time");
	if (err >= 0)
		err = match_check(why, prop);
	for (const struct xml *x = xml_first(prop); x && err >= 0; x = xml_next(x)) {
		if (xml_is(x, XML_CALDAV, "param-filter")) {
			err = parts_count(&n, why, x);
			if (err >= 0 && (n.range || n.others))
				err = invalid(why, "a param-filter holds a text-match alone");
			if (err >= 0)
				err = match_check(why, x);
		} else if (xml_is(x, XML_CALDAV, "comp-filter") ||
			xml_is(x, XML_CALDAV, "prop-filter")) {
			err = invalid(why, "a filter in a prop-filter");
		}
	}
	return err;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as components stand in each other
static int comp_check(struct dav_refusal *why, const struct xml *comp, struct str in)
{
	struct parts n;
	int err = parts_count(&n, why, comp);

	if (err >= 0 && n.match)
		err = invalid(why, "a text-match in a comp-filter");
	if (err >= 0)
		err = place_check(why, comp, in, n.range);
	for (const struct xml *x = xml_first(comp); x && err >= 0; x = xml_next(x)) {
		if (xml_is(x, XML_CALDAV, "comp-filter"))
			err = comp_check(why, x, xml_attr(comp, "name"));
		else if (xml_is(x, XML_CALDAV, "prop-filter"))
			err = prop_check(why, x);
		else if (xml_is(x, XML_CALDAV, "param-filter"))
			err = invalid(why, "a param-filter in a comp-filter");
	}
	return err;
}

int cal_filter_check(struct dav_refusal *why, const struct xml *filter)
{
	const struct xml *top = xml_first(filter);
	int err;

	if (!xml_is(top, XML_CALDAV, "comp-filter") || xml_next(top) ||
		!str_ieq(xml_attr(top, "name"), STR("VCALENDAR")))
		return invalid(why, "a filter is one comp-filter of VCALENDAR");
	err = comp_check(why, top, STR(""));
	if (err >= 0 && dav_collations_known(filter) < 0)
		err = refuse(why, "supported-collation", ERR_BAD);
	return err;
}

/* ---- properties ---- */
/* Any of its values: a time (a day is the one it begins at: RFC 4791, 9.9), or a period. */
static bool line_in_window(struct ical *o, const struct content_line *l, const struct xml *range)
{
	struct str tzid = content_param(l, STR("TZID"));
	struct ical_window w;
	struct ical_time t;

	if (cal_window(&w, range) < 0)
		return false;
	for (struct str one, rest = l->value; rest.n;) {
		int64_t from, to;

		str_cut(&one, &rest, rest, ',');
		if (str_chr(one, '/') >= 0) {
			if (ical_period(&from, &to, &t, o, one, tzid) < 0)
				continue;
		} else if (ical_time_parse(&t, o, one, tzid) < 0) {
			continue;
		} else {
			from = to = ical_utc(o, &t);
		}
		if (w.to > from && (to > from ? w.from < to : w.from <= from))
			return true;
	}
	return false;
}

/* The end that a DTSTART and a DURATION make, where it is not written down (9.9). */
static bool end_in_window(
	struct ical *o, const struct content *c, struct str name, const struct xml *range)
{
	struct content_line *from = content_get(c, STR("DTSTART"), NULL),
			    *lasts = content_get(c, STR("DURATION"), NULL);
	const char *end = str_ieq(c->name, STR("VTODO")) ? "DUE" : "DTEND";
	struct ical_window w;
	struct ical_time t;
	int64_t sec;

	if (!str_ieq(name, str_of(end)) || !from || !lasts || ical_time_of(&t, o, from) < 0 ||
		ical_duration(&sec, lasts->value) < 0 || cal_window(&w, range) < 0)
		return false;
	sec += ical_utc(o, &t);
	return w.from <= sec && sec < w.to;
}

static bool prop_matches(struct ical *o, const struct content *c, const struct xml *filter)
{
	struct str name = xml_attr(filter, "name");
	const struct xml *range = part(filter, "time-range"), *match = part(filter, "text-match");
	struct content_line *l = content_get(c, name, NULL);

	if (part(filter, "is-not-defined"))
		return !l;
	if (!l && range && !part(filter, "param-filter"))
		return end_in_window(o, c, name, range);
	for (; l; l = content_get(c, name, l)) {
		if (range && !line_in_window(o, l, range))
			continue;
		if (match) {
			struct str text = content_text(o->a, l->value);
			if (!dav_text_match(o->a, text.p ? text : l->value, match))
				continue;
		}
		if (dav_params_match(o->a, l, filter, false))
			return true;
	}
	return false;
}

/* ---- components ---- */
static bool in_window(struct ical *o, const struct content *parent, const struct content *c,
	const struct xml *range)
{
	struct ical_window w;
	int yes;

	if (cal_window(&w, range) < 0)
		return false;
	if (str_ieq(c->name, STR("VALARM")))
		yes = ical_alarm_overlaps(o, parent, c, &w);
	else if (parent == o->cal)
		yes = ical_overlaps(o, c, &w);
	else
		return false;
	return yes != 0; /* what can't be told for certain is shown rather than hidden */
}

static int is_told(void *ctx, const struct ical_occurrence *x)
{
	(void)x;
	*(bool *)ctx = true;
	return ERR_CLOSED;
}

/* Does any part of that name take place then? Looked at once for the master and all its overrides. */
static bool any_in_window(struct ical *o, struct str name, const struct xml *range)
{
	struct ical_window w;
	bool yes = false;
	int err = cal_window(&w, range);

	if (err < 0)
		return false;
	err = ical_occurrences(o, name, &w, is_told, &yes);
	return yes || err < 0; /* as in in_window */
}

static bool comp_matches(struct ical *o, const struct content *parent, const struct content *c,
	const struct xml *filter);

static bool any_child(struct ical *o, const struct content *parent, const struct xml *filter)
{
	struct str name = xml_attr(filter, "name");
	const struct content *c = content_child(parent, name, NULL);
	const struct xml *only = xml_first(filter);

	if (part(filter, "is-not-defined"))
		return !c;
	if (c && parent == o->cal && xml_is(only, XML_CALDAV, "time-range") && !xml_next(only))
		return any_in_window(o, name, only);
	for (; c; c = content_child(parent, name, c))
		if (comp_matches(o, parent, c, filter))
			return true;
	return false;
}

/* As deep as objects are: a VALARM in a VEVENT in the VCALENDAR. */
// NOLINTNEXTLINE(misc-no-recursion)
static bool comp_matches(struct ical *o, const struct content *parent, const struct content *c,
	const struct xml *filter)
{
	const struct xml *range = part(filter, "time-range");

	for (const struct xml *x = xml_first(filter); x; x = xml_next(x)) {
		if (xml_is(x, XML_CALDAV, "prop-filter") && !prop_matches(o, c, x))
			return false;
		if (xml_is(x, XML_CALDAV, "comp-filter") && !any_child(o, c, x))
			return false;
	}
	return !range || in_window(o, parent, c, range);
}

bool cal_filter_match(struct ical *o, const struct xml *filter)
{
	const struct xml *top = xml_first(filter);

	return part(top, "is-not-defined") ? false : comp_matches(o, NULL, o->cal, top);
}
