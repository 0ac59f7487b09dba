/* SPDX-License-Identifier: ISC */
#include "services/calendar/calendar.h"
#include "services/calendar/query.h"

static const struct dav_default defaults[] = {
	{ "calendar", "Calendar",
		{ .kind = DAV_CALENDAR, .components = DAV_VEVENT, .color = { "#3A87AD", 7 } } },
	{ "tasks", "Tasks",
		{ .kind = DAV_CALENDAR, .components = DAV_VTODO, .color = { "#C97B12", 7 } } },
	{ 0 },
};

static const struct {
	const char *name;
	unsigned bit;
} components[] = { { "VEVENT", DAV_VEVENT }, { "VTODO", DAV_VTODO }, { "VJOURNAL", DAV_VJOURNAL } };

static int refuse(struct dav_refusal *why, const char *condition)
{
	*why = (struct dav_refusal){ 403, XML_CALDAV, condition };
	return ERR_BAD;
}

static unsigned component_of(const struct content *c)
{
	for (size_t i = 0; i < ARRAY_LEN(components); i++)
		if (str_ieq(c->name, str_of(components[i].name)))
			return components[i].bit;
	return 0;
}

/* One object: components of one type with one UID, and time zones (RFC 4791, 4.1). */
static int one_object(struct dav_facts *out, struct dav_refusal *why, const struct content *cal)
{
	for (const struct content *c = cal->parts; c; c = c->next) {
		struct content_line *uid = content_get(c, STR("UID"), NULL);
		unsigned bit = component_of(c);

		if (!bit) {
			if (str_ieq(c->name, STR("VTIMEZONE")) || str_istarts(c->name, STR("X-")))
				continue;
			return err_set(refuse(why, "supported-calendar-component"),
				"a %.*s is not kept in calendars", STR_ARG(c->name));
		}
		if (!uid || str_trim(uid->value).n == 0)
			return err_set(refuse(why, "valid-calendar-object-resource"),
				"line %u: this %.*s has no UID", (unsigned)c->begin->number,
				STR_ARG(c->name));
		if (out->component &&
			(out->component != bit || !str_eq(out->uid, str_trim(uid->value))))
			return err_set(refuse(why, "valid-calendar-object-resource"),
				"line %u: another UID or another kind of component than before",
				(unsigned)c->begin->number);
		out->component = bit;
		out->uid = str_trim(uid->value);
	}
	if (!out->component)
		return err_set(refuse(why, "valid-calendar-object-resource"),
			"there is no VEVENT, VTODO or VJOURNAL in it");
	return 0;
}

#define SPAN_SLACK (2 * 86400) /* for floating times, whatever zone they are read in */

static int widen(void *ctx, const struct ical_occurrence *x)
{
	struct dav_facts *f = ctx;
	bool first = !f->from && !f->to;

	if (first || x->start < f->from)
		f->from = x->start;
	if (first || x->end > f->to)
		f->to = x->end;
	return 0;
}

/* Between which times it takes place at all, for the index; 0, 0 where that can't be said. */
static void span(struct dav_facts *out, struct arena *a, struct content *root, struct content *cal)
{
	static const struct ical_window always = { INT64_MIN, ICAL_FOREVER };
	struct ical o = { .a = a, .root = root, .cal = cal };

	if (out->component != DAV_VEVENT)
		return;
	for (const struct content *c = cal->parts; c; c = c->next)
		if (content_get(c, STR("RRULE"), NULL) || content_get(c, STR("RDATE"), NULL))
			return;
	if (ical_occurrences(&o, STR("VEVENT"), &always, widen, out) < 0 ||
		(!out->from && !out->to)) {
		out->from = out->to = 0;
		return;
	}
	out->from -= SPAN_SLACK;
	out->to += SPAN_SLACK;
}

static int check(struct dav_facts *out, struct dav_refusal *why, struct arena *a,
	const struct dav_meta *collection, struct str bytes)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root, *cal;
	int err = content_parse(&root, a, bytes, &limits);

	*out = (struct dav_facts){ 0 };
	if (err < 0) {
		(void)refuse(why, "valid-calendar-data");
		return err;
	}
	cal = content_child(root, STR("VCALENDAR"), NULL);
	if (!cal || root->lines || root->parts != cal || cal->next)
		return err_set(
			refuse(why, "valid-calendar-data"), "one VCALENDAR is wanted, no more");
	if (collection && content_get(cal, STR("METHOD"), NULL))
		return err_set(refuse(why, "valid-calendar-object-resource"),
			"an item of a calendar has no METHOD");
	err = one_object(out, why, cal);
	if (err >= 0)
		span(out, a, root, cal);
	if (err >= 0 && collection && collection->components &&
		!(collection->components & out->component))
		return err_set(refuse(why, "supported-calendar-component"),
			"this calendar is for other kinds of items");
	return err;
}

static const struct dav_report reports[] = {
	{ { "urn:ietf:params:xml:ns:caldav", 29 }, "calendar-query", cal_query },
	{ { "urn:ietf:params:xml:ns:caldav", 29 }, "free-busy-query", cal_free_busy },
	{ { 0 }, NULL, NULL },
};

static const struct dav_behind contacts = {
	.name = "contacts",
	.well_known = "carddav",
	.classes = "addressbook",
	.home = { "contacts", 8 },
	.home_ns = { "urn:ietf:params:xml:ns:carddav", 30 },
};

const struct dav_service calendar_service = {
	.name = "calendar",
	.home = { "calendars", 9 },
	.well_known = "caldav",
	.classes = "calendar-access",
	.kind = DAV_CALENDAR,
	.type = { "text/calendar; charset=utf-8", 28 },
	.defaults = defaults,
	.check = check,
	.reports = reports,
	.data_ns = { "urn:ietf:params:xml:ns:caldav", 29 },
	.data_name = "calendar-data",
	.data = cal_data,
	.behind = &contacts,
};
