/* SPDX-License-Identifier: ISC */
/* calendar-query, expand, free-busy: over HTTP, one row a filter and what it finds. */
#include "services/calendar/calendar.h"
#include "services/calendar/ical.h"
#include "tests/dav/rig.h"

#define CAL "/calendars/alice/calendar/"
#define NL  "\r\n"

static const struct {
	const char *name, *lines;
} events[] = {
	{ "plain",
		"DTSTART:20260105T100000Z" NL "DTEND:20260105T110000Z" NL "SUMMARY:Plain Lunch" NL
		"CATEGORIES:Work,Food" NL },
	{ "berlin",
		"DTSTART;TZID=Europe/Berlin:20260106T003000" NL "DURATION:PT1H" NL
		"SUMMARY:\xc3\x84rger" NL "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:a@b" NL },
	{ "floating", "DTSTART:20260107T090000" NL "DTEND:20260107T100000" NL },
	{ "day", "DTSTART;VALUE=DATE:20260108" NL "SUMMARY:Whole day" NL },
	{ "instant", "DTSTART:20260109T120000Z" NL },
	{ "weekly",
		"DTSTART;TZID=Europe/Berlin:20260202T090000" NL
		"DTEND;TZID=Europe/Berlin:20260202T100000" NL "RRULE:FREQ=WEEKLY;COUNT=10" NL
		"EXDATE;TZID=Europe/Berlin:20260216T090000" NL "SUMMARY:Weekly" NL "BEGIN:VALARM" NL
		"ACTION:DISPLAY" NL "TRIGGER:-P1D" NL "END:VALARM" NL "END:VEVENT" NL
		"BEGIN:VEVENT" NL "UID:weekly" NL
		"RECURRENCE-ID;TZID=Europe/Berlin:20260223T090000" NL
		"DTSTART;TZID=Europe/Berlin:20260224T150000" NL
		"DTEND;TZID=Europe/Berlin:20260224T160000" NL "SUMMARY:Moved" NL },
	{ "yearly",
		"DTSTART;VALUE=DATE:20000229" NL "RRULE:FREQ=YEARLY" NL "TRANSP:TRANSPARENT" NL },
};

#define EV(inner)   "<C:comp-filter name='VEVENT'>" inner "</C:comp-filter>"
#define RANGE(a, b) "<C:time-range start='" a "' end='" b "'/>"
static const struct {
	const char *filter, *found;
} queries[] = {
	{ "", "plain berlin floating day instant weekly yearly" },
	{ EV(""), "plain berlin floating day instant weekly yearly" },
	{ "<C:comp-filter name='VTODO'/>", "" },
	{ "<C:comp-filter name='VTODO'><C:is-not-defined/></C:comp-filter>",
		"plain berlin floating day instant weekly yearly" },
	{ EV(RANGE("20260105T110000Z", "20260105T230000Z")), "" },
	{ EV(RANGE("20260105T105959Z", "20260105T230000Z")), "plain" },
	{ EV(RANGE("20260105T233000Z", "20260106T000000Z")), "berlin" },
	{ EV(RANGE("20260106T003000Z", "20260106T010000Z")), "" },
	{ EV(RANGE("20260107T090000Z", "20260107T093000Z")), "floating" },
	{ EV(RANGE("20260108T235900Z", "20260109T000000Z")), "day" },
	{ EV(RANGE("20260109T120000Z", "20260109T120001Z")), "instant" },
	{ EV(RANGE("20260109T110000Z", "20260109T120000Z")), "" },
	{ EV("<C:time-range start='20260109T000000Z'/>"), "instant weekly yearly" },
	{ EV("<C:time-range end='20260106T000000Z'/>"), "plain berlin yearly" },
	{ EV(RANGE("20260209T080000Z", "20260209T090000Z")), "weekly" },
	{ EV(RANGE("20260216T080000Z", "20260216T090000Z")), "" }, /* EXDATE */
	{ EV(RANGE("20260223T080000Z", "20260223T090000Z")), "" }, /* moved away */
	{ EV(RANGE("20260224T140000Z", "20260224T150000Z")), "weekly" },
	{ EV(RANGE("20260406T070000Z", "20260406T080000Z")), "weekly" }, /* the clock changed */
	{ EV(RANGE("20260413T000000Z", "20260420T000000Z")), "" },       /* COUNT */
	{ EV(RANGE("20280229T000000Z", "20280301T000000Z")), "yearly" },
	{ EV(RANGE("20270228T000000Z", "20270302T000000Z")), "" },
	{ EV("<C:comp-filter name='VALARM'>" RANGE(
		  "20260208T080000Z", "20260208T080001Z") "</C:comp-filter>"),
		"weekly" },
	{ EV("<C:comp-filter name='VALARM'>" RANGE(
		  "20260208T080001Z", "20260215T080000Z") "</C:comp-filter>"),
		"" },
	{ EV("<C:prop-filter name='SUMMARY'><C:text-match>LUNCH</C:text-match></C:prop-filter>"),
		"plain" },
	{ EV("<C:prop-filter name='SUMMARY'><C:text-match collation='i;octet'>LUNCH</C:text-match>"
	     "</C:prop-filter>"),
		"" },
	{ EV("<C:prop-filter name='summary'><C:text-match collation='i;unicode-casemap'>\xc3\xa4RG"
	     "</C:text-match></C:prop-filter>"),
		"berlin" },
	{ EV("<C:prop-filter name='SUMMARY'><C:text-match negate-condition='yes'>e</C:text-match>"
	     "</C:prop-filter>"),
		"plain" },
	{ EV("<C:prop-filter name='SUMMARY'><C:is-not-defined/></C:prop-filter>"),
		"floating instant yearly" },
	{ EV("<C:prop-filter name='ATTENDEE'><C:param-filter name='PARTSTAT'><C:text-match>needs"
	     "</C:text-match></C:param-filter></C:prop-filter>"),
		"berlin" },
	{ EV("<C:prop-filter name='ATTENDEE'><C:param-filter name='CN'><C:is-not-defined/>"
	     "</C:param-filter></C:prop-filter>"),
		"berlin" },
	{ EV("<C:prop-filter name='DTSTART'>" RANGE(
		  "20260105T000000Z", "20260106T000000Z") "</C:prop-filter>"),
		"plain berlin" },
	{ EV(RANGE("20260101T000000Z",
		  "20260201T000000Z") "<C:prop-filter name='CATEGORIES'>"
				      "<C:text-match>food</C:text-match></C:prop-filter>"),
		"plain" },
};

static void fill(struct rig *r)
{
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		want(r, 201,
			ask(r, "PUT", arena_fmt(&r->a, CAL "%s", events[i].name).p, NULL,
				arena_fmt(&r->a,
					"BEGIN:VCALENDAR" NL "VERSION:2.0" NL "BEGIN:VEVENT" NL
					"UID:%s" NL "%sEND:VEVENT" NL "END:VCALENDAR" NL,
					events[i].name, events[i].lines)
					.p));
}

static int query(struct rig *r, const char *filter, const char *data)
{
	return ask(r, "REPORT", CAL, "Depth: 1\r\n",
		arena_fmt(&r->a,
			"<C:calendar-query xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'>"
			"<prop><getetag/>%s</prop><C:filter><C:comp-filter name='VCALENDAR'>%s"
			"</C:comp-filter></C:filter></C:calendar-query>",
			data, filter)
			.p);
}

/* What the index says of a series: over before, not yet begun, moved to before its first, for ever. */
static const struct {
	const char *name, *lines;
} spans[] = {
	{ "until", "DTSTART:20200101T100000Z" NL "RRULE:FREQ=WEEKLY;UNTIL=20210101T000000Z" NL },
	{ "count", "DTSTART:20200101T100000Z" NL "RRULE:FREQ=DAILY;COUNT=400" NL },
	{ "moved",
		"DTSTART:20200101T100000Z" NL "RRULE:FREQ=WEEKLY" NL "END:VEVENT" NL
		"BEGIN:VEVENT" NL "UID:moved" NL "RECURRENCE-ID:20200108T100000Z" NL
		"DTSTART:20190101T100000Z" NL },
	{ "extra",
		"DTSTART:20200101T100000Z" NL "RRULE:FREQ=WEEKLY;COUNT=2" NL
		"RDATE:20300101T100000Z" NL },
	{ "late",
		"DTSTART:20200101T100000Z" NL "RRULE:FREQ=WEEKLY;COUNT=2" NL "END:VEVENT" NL
		"BEGIN:VEVENT" NL "UID:late" NL "RECURRENCE-ID:20200108T100000Z" NL
		"DTSTART:20310101T100000Z" NL "DURATION:P10D" NL },
	{ "ever", "DTSTART;VALUE=DATE:20200101" NL "RRULE:FREQ=DAILY" NL },
};
static const struct {
	const char *filter, *found;
} windows[] = {
	{ EV(RANGE("20180101T000000Z", "20181231T000000Z")), "" },
	{ EV(RANGE("20190101T000000Z", "20190102T000000Z")), "moved" },
	{ EV(RANGE("20200101T000000Z", "20200101T120000Z")), "until count moved extra late ever" },
	{ EV(RANGE("20201230T000000Z", "20201231T000000Z")), "until count moved ever" },
	{ EV(RANGE("20210203T000000Z", "20210204T000000Z")), "count moved ever" },
	{ EV(RANGE("20210210T000000Z", "20210211T000000Z")), "moved ever" },
	{ EV(RANGE("20300101T000000Z", "20300102T000000Z")), "extra ever" },
	{ EV(RANGE("20310110T000000Z", "20310111T000000Z")), "late ever" },
	{ EV(RANGE("24990101T000000Z", "24990109T000000Z")), "moved ever" },
};

static void bounded(struct rig *r)
{
	for (size_t i = 0; i < ARRAY_LEN(spans); i++)
		want(r, 201,
			ask(r, "PUT", arena_fmt(&r->a, CAL "%s", spans[i].name).p, NULL,
				arena_fmt(&r->a,
					"BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "UID:%s" NL
					"%sEND:VEVENT" NL "END:VCALENDAR" NL,
					spans[i].name, spans[i].lines)
					.p));
	for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
		struct buf got;
		buf_init(&got, &r->a);
		buf_add(&got, STR(""));
		want(r, 207, query(r, windows[i].filter, ""));
		for (size_t k = 0; k < ARRAY_LEN(spans); k++)
			if (says(r, arena_fmt(&r->a, CAL "%s<", spans[k].name).p))
				buf_fmt(&got, "%s%s", got.n ? " " : "", spans[k].name);
		cr_expect_str_eq(got.p, windows[i].found, "%s", windows[i].filter);
	}
}
Test(query, bounded)
{
	rig_run(&calendar_service, bounded);
}

static void filters(struct rig *r)
{
	fill(r);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
			struct buf got;
			buf_init(&got, &r->a);
			buf_add(&got, STR(""));
			want(r, 207, query(r, queries[i].filter, ""));
			for (size_t k = 0; k < ARRAY_LEN(events); k++)
				if (says(r, arena_fmt(&r->a, CAL "%s<", events[k].name).p))
					buf_fmt(&got, "%s%s", got.n ? " " : "", events[k].name);
			cr_expect_str_eq(
				got.p, queries[i].found, "%s: %s", queries[i].filter, got.p);
		}
		rig_rebuild(r);
	}
}
Test(query, filters)
{
	rig_run(&calendar_service, filters);
}

static const struct {
	const char *body, *condition;
} refused[] = {
	{ "", "valid-filter" },
	{ "<C:filter/>", "valid-filter" },
	{ "<C:filter><C:comp-filter name='VEVENT'/></C:filter>", "valid-filter" },
	{ "<C:filter><C:comp-filter name='VCALENDAR'>" EV(
		  "<C:time-range/>") "</C:comp-filter></C:filter>",
		"valid-filter" },
	{ "<C:filter><C:comp-filter name='VCALENDAR'>" EV(
		  "<C:time-range start='20260101T000000'/>") "</C:comp-filter></C:filter>",
		"valid-filter" },
	{ "<C:filter><C:comp-filter name='VCALENDAR'>" EV(
		  "<C:nope/>") "</C:comp-filter></C:filter>",
		"supported-filter" },
	{ "<C:filter><C:comp-filter name='VCALENDAR'>" EV(
		  "<C:prop-filter name='X'><C:text-match "
		  "collation='i;x'>a</C:text-match></C:prop-filter>") "</C:comp-filter></C:filter>",
		"supported-collation" },
};

static void refusals(struct rig *r)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		int status = ask(r, "REPORT", CAL, NULL,
			arena_fmt(&r->a,
				"<C:calendar-query xmlns='DAV:' "
				"xmlns:C='urn:ietf:params:xml:ns:caldav'>"
				"<prop/>%s</C:calendar-query>",
				refused[i].body)
				.p);
		cr_expect(status == 403 || status == 400, "%zu: %d", i, status);
		cr_expect(says(r, refused[i].condition), "%zu: %.*s", i, STR_ARG(r->reply));
	}
}
Test(query, refusals)
{
	rig_run(&calendar_service, refusals);
}

/* ---- parts of objects ---- */
static void expands(struct rig *r)
{
	fill(r);
	want(r, 207,
		query(r, EV(RANGE("20260201T000000Z", "20260302T000000Z")),
			"<C:calendar-data><C:expand start='20260201T000000Z' "
			"end='20260302T000000Z'/></C:calendar-data>"));
	cr_expect_eq(times(r, "BEGIN:VEVENT"), 3);
	cr_expect(says(r, "DTSTART:20260202T080000Z") && says(r, "RECURRENCE-ID:20260202T080000Z"));
	cr_expect(says(r, "DTSTART:20260224T140000Z") && says(r, "RECURRENCE-ID:20260223T080000Z"));
	cr_expect(says(r, "SUMMARY:Moved") && !says(r, "RRULE") && !says(r, "20260216"));
	cr_expect(!says(r, "TZID") && times(r, "BEGIN:VALARM") == 2);
	want(r, 207,
		query(r, EV(RANGE("20280101T000000Z", "20290101T000000Z")),
			"<C:calendar-data><C:expand start='20280101T000000Z' "
			"end='20290101T000000Z'/></C:calendar-data>"));
	cr_expect(says(r, "DTSTART;VALUE=DATE:20280229") &&
		says(r, "RECURRENCE-ID;VALUE=DATE:20280229"));
	want(r, 207,
		query(r, EV(RANGE("20260107T000000Z", "20260108T000000Z")),
			"<C:calendar-data><C:expand start='20260107T000000Z' "
			"end='20260108T000000Z'/></C:calendar-data>"));
	cr_expect(says(r, "DTSTART:20260107T090000&#13;"));
	want(r, 207,
		query(r, EV(RANGE("20260201T000000Z", "20260202T120000Z")),
			"<C:calendar-data><C:limit-recurrence-set start='20260201T000000Z' "
			"end='20260202T120000Z'/></C:calendar-data>"));
	cr_expect(says(r, "RRULE") && !says(r, "Moved"));
	want(r, 207,
		query(r, EV(RANGE("20260105T000000Z", "20260105T120000Z")),
			"<C:calendar-data><C:comp name='VCALENDAR'><C:prop name='VERSION'/>"
			"<C:comp name='VEVENT'><C:prop name='SUMMARY'/><C:prop name='UID' "
			"novalue='yes'/></C:comp></C:comp></C:calendar-data>"));
	cr_expect(says(r, "VERSION:2.0") && says(r, "SUMMARY:Plain Lunch") && says(r, "UID:&#13;"));
	cr_expect(!says(r, "DTSTART"));
}
Test(query, expands)
{
	rig_run(&calendar_service, expands);
}

static void free_busy(struct rig *r)
{
	fill(r);
	want(r, 201,
		ask(r, "PUT", CAL "maybe", NULL,
			"BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "UID:maybe" NL
			"DTSTART:20260105T103000Z" NL "DTEND:20260105T113000Z" NL
			"STATUS:TENTATIVE" NL "END:VEVENT" NL "END:VCALENDAR" NL));
	want(r, 201,
		ask(r, "PUT", CAL "touching", NULL,
			"BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "UID:touching" NL
			"DTSTART:20260105T110000Z" NL "DTEND:20260105T120000Z" NL "END:VEVENT" NL
			"END:VCALENDAR" NL));
	want(r, 200,
		ask(r, "REPORT", CAL, "Depth: 1\r\n",
			"<C:free-busy-query xmlns:C='urn:ietf:params:xml:ns:caldav'>"
			"<C:time-range start='20260105T103000Z' end='20260301T000000Z'/>"
			"</C:free-busy-query>"));
	cr_expect(str_starts(header(r, "Content-Type"), STR("text/calendar")));
	cr_expect(says(r, "FREEBUSY:20260105T103000Z/20260105T120000Z"));
	cr_expect(says(r, "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260105T103000Z/20260105T113000Z"));
	cr_expect(says(r, "FREEBUSY:20260224T140000Z/20260224T150000Z"));
	cr_expect(!says(r, "20260223T08") && !says(r, "20260228"));
	want(r, 400,
		ask(r, "REPORT", CAL, NULL,
			"<C:free-busy-query xmlns:C='urn:ietf:params:xml:ns:caldav'/>"));
}
Test(query, free_busy)
{
	rig_run(&calendar_service, free_busy);
}

/* ---- what a calendar takes ---- */
#define VCAL(s) "BEGIN:VCALENDAR" NL s "END:VCALENDAR" NL
static const struct {
	const char *body;
	int status;
	const char *condition;
} puts_[] = {
	{ VCAL("BEGIN:VEVENT" NL "UID:1" NL "DTSTART:20260101T000000Z" NL "END:VEVENT" NL), 201,
		"" },
	{ "", 403, "valid-calendar-data" },
	{ "hello", 403, "valid-calendar-data" },
	{ "BEGIN:VCARD" NL "END:VCARD" NL, 403, "valid-calendar-data" },
	{ "BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "UID:1" NL "END:VCALENDAR" NL, 403,
		"valid-calendar-data" },
	{ VCAL(""), 403, "valid-calendar-object-resource" },
	{ VCAL("BEGIN:VEVENT" NL "END:VEVENT" NL), 403, "valid-calendar-object-resource" },
	{ VCAL("METHOD:REQUEST" NL "BEGIN:VEVENT" NL "UID:2" NL "END:VEVENT" NL), 403,
		"valid-calendar-object-resource" },
	{ VCAL("BEGIN:VEVENT" NL "UID:1" NL "END:VEVENT" NL "BEGIN:VEVENT" NL "UID:2" NL
	       "END:VEVENT" NL),
		403, "valid-calendar-object-resource" },
	{ VCAL("BEGIN:VTODO" NL "UID:3" NL "END:VTODO" NL), 403, "supported-calendar-component" },
	{ VCAL("BEGIN:X-THING" NL "END:X-THING" NL "BEGIN:VEVENT" NL "UID:4" NL
	       "DTSTART:nonsense" NL "RRULE:FREQ=NEVER" NL "END:VEVENT" NL),
		201, "" },
};

static void takes(struct rig *r)
{
	for (size_t i = 0; i < ARRAY_LEN(puts_); i++) {
		want(r, puts_[i].status,
			ask(r, "PUT", arena_fmt(&r->a, CAL "%zu", i).p, NULL, puts_[i].body));
		cr_expect(says(r, puts_[i].condition), "%zu: %.*s", i, STR_ARG(r->reply));
	}
	want(r, 201,
		ask(r, "MKCALENDAR", "/calendars/alice/new/", NULL,
			"<C:mkcalendar xmlns='DAV:' "
			"xmlns:C='urn:ietf:params:xml:ns:caldav'><set><prop>"
			"<displayname>New</displayname><C:supported-calendar-component-set>"
			"<C:comp name='VTODO'/></C:supported-calendar-component-set></prop></set>"
			"</C:mkcalendar>"));
	want(r, 207,
		ask(r, "MKCALENDAR", "/calendars/alice/not/", NULL,
			"<C:mkcalendar xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><set>"
			"<prop><getetag>x</getetag></prop></set></C:mkcalendar>"));
	cr_expect(says(r, "<D:href>/calendars/alice/not/</D:href><D:propstat>"));
	cr_expect(says(r, "<D:cannot-modify-protected-property/>"));
	want(r, 404, ask(r, "GET", "/calendars/alice/not/", NULL, NULL));
	/* A precondition (RFC 4791, 5.3.1), and nothing but that is in the error (RFC 3253, 1.6). */
	want(r, 403, ask(r, "MKCALENDAR", "/calendars/alice/new/", NULL, NULL));
	cr_expect(says(r, "<D:resource-must-be-null/><error-description xmlns="));
	want(r, 207,
		ask(r, "PROPFIND", "/calendars/alice/new/", "Depth: 0\r\n",
			"<propfind "
			"xmlns='DAV:'><prop><displayname/><C:supported-calendar-component-set"
			" xmlns:C='urn:ietf:params:xml:ns:caldav'/></prop></propfind>"));
	cr_expect(says(r, "New") && says(r, "VTODO") && !says(r, "VEVENT"));
	want(r, 403, ask(r, "PUT", "/calendars/alice/new/x", NULL, puts_[0].body));
	want(r, 201,
		ask(r, "PUT", "/calendars/alice/new/x", NULL,
			VCAL("BEGIN:VTODO" NL "UID:3" NL "END:VTODO" NL)));
	want(r, 403, ask(r, "MKCALENDAR", "/calendars/alice/new/deeper/", NULL, NULL));
	cr_expect(says(r, "calendar-collection-location-ok"));
}
Test(query, takes)
{
	rig_run(&calendar_service, takes);
}

/* ---- what is hard to look through ---- */
static void hostile(struct rig *r)
{
	struct buf b;

	/* Each part is within bounds, the sum beyond every year there is. */
	buf_init(&b, &r->a);
	buf_addz(&b,
		"BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "UID:long" NL
		"DTSTART;TZID=Europe/Berlin:20260101T000000" NL "DURATION:P");
	for (int i = 0; i < 4000; i++)
		buf_addz(&b, "99999999W");
	buf_addz(&b, NL "END:VEVENT" NL "END:VCALENDAR" NL);
	buf_addc(&b, 0);
	want(r, 201, ask(r, "PUT", CAL "long", NULL, b.p));
	/* Nothing comes of any of these, which takes libical a while to see. */
	b.n = 0;
	buf_addz(&b,
		"BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "UID:rules" NL
		"DTSTART:20260101T000000Z" NL);
	for (int i = 0; i < 20000; i++)
		buf_addz(&b, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30" NL);
	buf_addz(&b, "END:VEVENT" NL "END:VCALENDAR" NL);
	buf_addc(&b, 0);
	want(r, 201, ask(r, "PUT", CAL "rules", NULL, b.p));
	b.n = 0;
	buf_addz(&b, "BEGIN:VCALENDAR" NL "BEGIN:VTIMEZONE" NL "TZID:Mine" NL);
	for (int i = 0; i < 6000; i++)
		buf_addz(&b,
			"BEGIN:STANDARD" NL "DTSTART:19700101T000000" NL "TZOFFSETFROM:+0100" NL
			"TZOFFSETTO:+0200" NL "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30" NL
			"END:STANDARD" NL);
	buf_addz(&b,
		"END:VTIMEZONE" NL "BEGIN:VEVENT" NL "UID:zone" NL
		"DTSTART;TZID=Mine:20260101T000000" NL "END:VEVENT" NL "END:VCALENDAR" NL);
	buf_addc(&b, 0);
	want(r, 201, ask(r, "PUT", CAL "zone", NULL, b.p));
	want(r, 207, query(r, EV(RANGE("20270101T000000Z", "20280101T000000Z")), ""));
	cr_expect(!says(r, CAL "long<") && !says(r, CAL "zone<"));
}
Test(query, hostile, .timeout = 60)
{
	rig_run(&calendar_service, hostile);
}

/* A series of years, each week moved by hand: it is looked through within the memory of one item. */
static void moved_often(struct rig *r)
{
	struct buf b;

	buf_init(&b, &r->a);
	buf_addz(&b,
		"BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "UID:often" NL "DTSTART:20200106T100000Z" NL
		"DTEND:20200106T110000Z" NL "RRULE:FREQ=WEEKLY;COUNT=400" NL
		"EXDATE:20200113T100000Z" NL "END:VEVENT" NL);
	for (int i = 2; i < 400; i++) {
		buf_addz(&b, "BEGIN:VEVENT" NL "UID:often" NL "RECURRENCE-ID:");
		ical_utc_write(&b, 1578304800 + i * 604800LL, false);
		buf_addz(&b, NL "DTSTART:");
		ical_utc_write(&b, 1578304800 + i * 604800LL + 3600, false);
		buf_addz(&b, NL "DURATION:PT1H" NL "END:VEVENT" NL);
	}
	buf_addz(&b, "END:VCALENDAR" NL);
	buf_addc(&b, 0);
	want(r, 201, ask(r, "PUT", CAL "often", NULL, b.p));
	want(r, 207, query(r, EV(RANGE("20200120T110000Z", "20200120T120000Z")), ""));
	cr_expect(says(r, CAL "often<"));
	want(r, 207, query(r, EV(RANGE("20200120T100000Z", "20200120T110000Z")), ""));
	cr_expect(!says(r, CAL "often<"));
}
Test(query, moved_often)
{
	rig_run(&calendar_service, moved_often);
}

/* An instant at the very epoch is an occurrence like others: widen in calendar.c. */
static void epoch(struct rig *r)
{
	want(r, 201,
		ask(r, "PUT", CAL "epoch", NULL,
			"BEGIN:VCALENDAR" NL "VERSION:2.0" NL "PRODID:x" NL "BEGIN:VEVENT" NL
			"UID:epoch" NL "DTSTAMP:20260101T000000Z" NL "DTSTART:19700101T000000Z" NL
			"RRULE:FREQ=WEEKLY;COUNT=2" NL "END:VEVENT" NL "END:VCALENDAR" NL));
	want(r, 207,
		ask(r, "REPORT", CAL, "Depth: 1\r\n",
			"<C:calendar-query xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'>"
			"<prop><getetag/></prop><C:filter><C:comp-filter name='VCALENDAR'>" EV(
				RANGE("19691231T000000Z",
					"19700102T000000Z")) "</C:comp-filter></C:filter></"
							     "C:calendar-query>"));
	cr_expect(says(r, CAL "epoch<"));
}
Test(query, epoch)
{
	rig_run(&calendar_service, epoch);
}

/* Occurrences that would fill the memory of a request: the rule is given, not nothing. */
static void too_many(struct rig *r)
{
	char *text = arena_zalloc(&r->a, 20001);

	memset(text, 'x', 20000);
	want(r, 201,
		ask(r, "PUT", CAL "big", NULL,
			arena_fmt(&r->a,
				"BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "UID:big" NL
				"DTSTART:20260101T000000Z" NL "RRULE:FREQ=DAILY" NL
				"DESCRIPTION:%s" NL "END:VEVENT" NL "END:VCALENDAR" NL,
				text)
				.p));
	want(r, 207,
		query(r, EV(""),
			"<C:calendar-data><C:expand start='20260201T000000Z' "
			"end='20360302T000000Z'/></C:calendar-data>"));
	cr_expect(says(r, "RRULE:FREQ=DAILY") && !says(r, "HTTP/1.1 404"));
}
Test(query, too_many)
{
	rig_run(&calendar_service, too_many);
}
