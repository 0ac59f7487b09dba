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

static int refuse(struct dav_refusal *why, const char *condition, int err)
{
	*why = (struct dav_refusal){ 403, XML_CALDAV, condition };
	return err;
}

static int check(struct dav_refusal *why, const struct xml *top)
{
	struct ical_window w;
	int err = 0;

	for (const struct xml *x = xml_first(top); x && err >= 0; x = xml_next(x)) {
		bool filter = xml_is(x, XML_CALDAV, "comp-filter") ||
			xml_is(x, XML_CALDAV, "prop-filter") ||
			xml_is(x, XML_CALDAV, "param-filter");

		if (filter && !xml_attr(x, "name").p)
			err = refuse(
				why, "valid-filter", err_set(ERR_BAD, "a filter without a name"));
		else if (xml_is(x, XML_CALDAV, "time-range"))
			err = cal_window(&w, x) < 0 ? refuse(why, "valid-filter", ERR_BAD) : 0;
		else if (filter)
			err = check(why, x);
		else if (!xml_is(x, XML_CALDAV, "is-not-defined") &&
			!xml_is(x, XML_CALDAV, "text-match"))
			err = refuse(why, "supported-filter",
				err_set(ERR_BAD, "an element \"%.*s\" in the filter",
					STR_ARG(x->name)));
	}
	return err;
}

int cal_filter_check(struct dav_refusal *why, const struct xml *filter)
{
	const struct xml *top = xml_first(filter);
	struct str name = xml_attr(top, "name");
	int err;

	if (!xml_is(filter, XML_CALDAV, "filter") || !xml_is(top, XML_CALDAV, "comp-filter") ||
		!str_ieq(name, STR("VCALENDAR")))
		return refuse(why, "valid-filter",
			err_set(ERR_BAD, "a filter begins with a comp-filter of VCALENDAR"));
	err = check(why, filter);
	if (err >= 0 && dav_collations_known(filter) < 0)
		err = refuse(why, "supported-collation", ERR_BAD);
	return err;
}

/* ---- properties ---- */
static bool line_in_window(struct ical *o, const struct content_line *l, const struct xml *range)
{
	struct ical_window w;
	struct ical_time t;
	int64_t at;

	if (cal_window(&w, range) < 0 || ical_time_of(&t, o, l) < 0)
		return false;
	at = ical_utc(o, &t);
	return w.from <= at && at < w.to;
}

static bool prop_matches(struct ical *o, const struct content *c, const struct xml *filter)
{
	struct str name = xml_attr(filter, "name");
	const struct xml *range = part(filter, "time-range"), *match = part(filter, "text-match");
	struct content_line *l = content_get(c, name, NULL);

	if (part(filter, "is-not-defined"))
		return !l;
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
