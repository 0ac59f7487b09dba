/* SPDX-License-Identifier: ISC */
#include "services/calendar/calendar.h"
#include "services/calendar/query.h"
#include "services/dav/front.h"

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
} components[] = { { "VEVENT", DAV_VEVENT }, { "VTODO", DAV_VTODO }, { "VJOURNAL", DAV_VJOURNAL },
	{ "VFREEBUSY", DAV_VFREEBUSY } };

static int refuse(struct dav_refusal *why, const char *condition)
{
	*why = (struct dav_refusal){ 403, XML_CALDAV, condition, NULL };
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
			"there is no VEVENT, VTODO, VJOURNAL or VFREEBUSY in it");
	return 0;
}

/* ---- limits that are told as properties (RFC 4791, 5.2.6 to 5.2.9) ---- */
/* How many instances a rule says it has; one without COUNT has no end, or one that a date sets. */
static uint64_t rule_count(struct str rule)
{
	struct str one, key, value;
	uint64_t n;

	while (rule.n) {
		str_cut(&one, &rule, rule, ';');
		if (str_cut(&key, &value, one, '=') && str_ieq(str_trim(key), STR("COUNT")) &&
			str_u64(&n, str_trim(value), UINT64_MAX) != ERR_BAD)
			return n;
	}
	return 0;
}

static size_t count(const struct content *c, struct str name)
{
	size_t n = 0;

	for (const struct content_line *l = content_get(c, name, NULL); l;
		l = content_get(c, name, l))
		n++;
	return n;
}

static int limits_of(struct dav_refusal *why, struct arena *a, const struct content *c)
{
	struct ical none = { .a = a };
	struct content_line *l = content_get(c, STR("RRULE"), NULL);
	struct ical_time t;
	size_t alarms = 0;

	for (; l; l = content_get(c, STR("RRULE"), l))
		if (rule_count(l->value) > ICAL_INSTANCES_MAX)
			return err_set(refuse(why, "max-instances"), "line %u: over %d instances",
				(unsigned)l->number, ICAL_INSTANCES_MAX);
	if (count(c, STR("ATTENDEE")) > CAL_ATTENDEES_MAX)
		return err_set(refuse(why, "max-attendees-per-instance"), "over %d attendees",
			CAL_ATTENDEES_MAX);
	for (const struct content *p = c->parts; p; p = p->next)
		alarms += str_ieq(p->name, STR("VALARM"));
	if (alarms > CAL_ALARMS_MAX)
		return err_set(refuse(why, "valid-calendar-object-resource"), "over %d alarms",
			CAL_ALARMS_MAX);
	l = content_get(c, STR("DTSTART"), NULL);
	if (l && ical_time_of(&t, &none, l) == 0 && t.wall < CAL_TIME_MIN)
		return err_set(refuse(why, "min-date-time"), "line %u: a time before the year 1",
			(unsigned)l->number);
	return 0;
}

static int within_limits(struct dav_refusal *why, struct arena *a, const struct content *cal)
{
	int err = 0;

	for (const struct content *c = cal->parts; c && err >= 0; c = c->next)
		if (component_of(c))
			err = limits_of(why, a, c);
	return err;
}

#define SPAN_SLACK (2 * 86400) /* for floating times, whatever zone they are read in */

struct extent {
	bool any;
	int64_t from, to;
};

static int widen(void *ctx, const struct ical_occurrence *x)
{
	struct extent *f = ctx;

	if (!f->any || x->start < f->from)
		f->from = x->start;
	if (!f->any || x->end > f->to)
		f->to = x->end;
	f->any = true;
	return 0;
}

/* Has it an end: is every rule of it bounded? */
static bool ends(const struct content *c)
{
	struct content_line *l = content_get(c, STR("RRULE"), NULL);

	for (; l; l = content_get(c, STR("RRULE"), l)) {
		struct str one, key, value, rule = l->value;
		bool bounded = false;
		while (rule.n) {
			str_cut(&one, &rule, rule, ';');
			str_cut(&key, &value, one, '=');
			key = str_trim(key);
			bounded |= str_ieq(key, STR("COUNT")) || str_ieq(key, STR("UNTIL"));
		}
		if (!bounded)
			return false;
	}
	return true;
}

/* Between which times it takes place at all, for the index; 0, 0 where that can't be said. */
static void span(struct dav_facts *out, struct arena *a, struct content *root, struct content *cal)
{
	struct ical_window w = { INT64_MIN, ICAL_FOREVER };
	struct ical o = { .a = a, .root = root, .cal = cal };
	struct extent f = { 0 };
	struct ical_time start;
	int err;

	if (out->component != DAV_VEVENT)
		return;
	for (const struct content *c = cal->parts; c; c = c->next) {
		struct content_line *l = content_get(c, STR("DTSTART"), NULL);
		if (!str_ieq(c->name, STR("VEVENT")) || ends(c) || w.to != ICAL_FOREVER)
			continue;
		if (!l || ical_time_of(&start, &o, l) < 0)
			return;
		w.to = ical_utc(&o, &start) + 1; /* what begins first; it goes on for ever */
	}
	err = ical_occurrences(&o, STR("VEVENT"), &w, widen, &f);
	if (err < 0 || !f.any)
		return;
	out->from = f.from - SPAN_SLACK;
	out->to = w.to == ICAL_FOREVER ? f.to + SPAN_SLACK : INT64_MAX;
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
	if (err >= 0 && collection)
		err = within_limits(why, a, cal);
	if (err >= 0)
		span(out, a, root, cal);
	if (err >= 0 && collection && collection->components &&
		!(collection->components & out->component))
		return err_set(refuse(why, "supported-calendar-component"),
			"this calendar is for other kinds of items");
	return err;
}

static int prop_check(struct arena *a, const struct xml *prop)
{
	struct str value = str_trim(xml_inner(a, prop));
	struct ical none = { .a = a };

	if (value.n == 0) /* as good as none */
		return 0;
	if (xml_is(prop, XML_CALDAV, "calendar-timezone") && !ical_zone_read(a, value))
		return err_set(ERR_BAD, "a calendar-timezone is a VCALENDAR with one VTIMEZONE");
	if (xml_is(prop, XML_CALDAV, "calendar-timezone-id") && !ical_zone_of(&none, value))
		return err_set(ERR_UNSUPPORTED, "no such time zone is known");
	return 0;
}

static const struct dav_limit limits[] = {
	{ "min-date-time", "00010101T000000Z" },
	{ "max-date-time", "99991231T235959Z" },
	{ "max-instances", "10000" },
	{ "max-attendees-per-instance", "1000" },
	{ NULL, NULL },
};
_Static_assert(ICAL_INSTANCES_MAX == 10000 && CAL_ATTENDEES_MAX == 1000, "as it is told");

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
	.open = dav_front_open,
	.forward = http_forward,
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
	.limits = limits,
	.data_ns = { "urn:ietf:params:xml:ns:caldav", 29 },
	.data_name = "calendar-data",
	.data = cal_data,
	.data_check = cal_data_check,
	.prop_check = prop_check,
	.behind = &contacts,
};
