/* SPDX-License-Identifier: ISC */
/*
 * The calendar of RFC 4791, Appendix B, and what the queries of its examples (7.8, 7.10) find in it; then what
 * its sections 7.8, 7.9, 7.10, 9.6, 9.7 and 9.9 say and no example shows. Where the RFC prints an object in two
 * ways it is as the example has it: abcd2 has two overrides (Appendix B leaves one out), abcd3 an X-ABC-GUID,
 * abcd5 is due at noon (in Appendix B on that day, and then 7.8.5 would not find it: abcd5-day).
 */
#include "services/calendar/calendar.h"
#include "tests/dav/rig.h"

#define CAL     "/calendars/alice/rfc/"
#define NL      "\r\n"
#define EASTERN "DTSTART;TZID=US/Eastern:"

static const struct {
	const char *name, *lines;
} items[] = {
	{ "abcd1",
		"BEGIN:VEVENT" NL "DTSTAMP:20060206T001102Z" NL EASTERN "20060102T100000" NL
		"DURATION:PT1H" NL "SUMMARY:Event #1" NL "Description:Go Steelers!" NL
		"UID:74855313FA803DA593CD579A@example.com" NL "END:VEVENT" NL },
	{ "abcd2",
		"BEGIN:VEVENT" NL "DTSTAMP:20060206T001121Z" NL EASTERN "20060102T120000" NL
		"DURATION:PT1H" NL "RRULE:FREQ=DAILY;COUNT=5" NL "SUMMARY:Event #2" NL
		"UID:00959BC664CA650E933C892C@example.com" NL "END:VEVENT" NL "BEGIN:VEVENT" NL
		"DTSTAMP:20060206T001121Z" NL EASTERN "20060104T140000" NL "DURATION:PT1H" NL
		"RECURRENCE-ID;TZID=US/Eastern:20060104T120000" NL "SUMMARY:Event #2 bis" NL
		"UID:00959BC664CA650E933C892C@example.com" NL "END:VEVENT" NL "BEGIN:VEVENT" NL
		"DTSTAMP:20060206T001121Z" NL EASTERN "20060106T140000" NL "DURATION:PT1H" NL
		"RECURRENCE-ID;TZID=US/Eastern:20060106T120000" NL "SUMMARY:Event #2 bis bis" NL
		"UID:00959BC664CA650E933C892C@example.com" NL "END:VEVENT" NL },
	{ "abcd3",
		"BEGIN:VEVENT" NL
		"ATTENDEE;PARTSTAT=ACCEPTED;ROLE=CHAIR:mailto:cyrus@example.com" NL
		"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:lisa@example.com" NL
		"DTSTAMP:20060206T001220Z" NL EASTERN "20060104T100000" NL "DURATION:PT1H" NL
		"LAST-MODIFIED:20060206T001330Z" NL "ORGANIZER:mailto:cyrus@example.com" NL
		"SEQUENCE:1" NL "STATUS:TENTATIVE" NL "SUMMARY:Event #3" NL
		"UID:DC6C50A017428C5216A2F1CD@example.com" NL
		"X-ABC-GUID:E1CX5Dr-0007ym-Hz@example.com" NL "END:VEVENT" NL },
	{ "abcd4",
		"BEGIN:VTODO" NL "DTSTAMP:20060205T235335Z" NL "DUE;VALUE=DATE:20060104" NL
		"STATUS:NEEDS-ACTION" NL "SUMMARY:Task #1" NL
		"UID:DDDEEB7915FA61233B861457@example.com" NL "BEGIN:VALARM" NL "ACTION:AUDIO" NL
		"TRIGGER;RELATED=START:-PT10M" NL "END:VALARM" NL "END:VTODO" NL },
	{ "abcd5",
		"BEGIN:VTODO" NL "DTSTAMP:20060205T235300Z" NL
		"DUE;TZID=US/Eastern:20060106T120000" NL "LAST-MODIFIED:20060205T235308Z" NL
		"SEQUENCE:1" NL "STATUS:NEEDS-ACTION" NL "SUMMARY:Task #2" NL
		"UID:E10BA47467C5C69BB74E8720@example.com" NL "BEGIN:VALARM" NL "ACTION:AUDIO" NL
		"TRIGGER;RELATED=START:-PT10M" NL "END:VALARM" NL "END:VTODO" NL },
	{ "abcd6",
		"BEGIN:VTODO" NL "COMPLETED:20051223T122322Z" NL "DTSTAMP:20060205T235400Z" NL
		"DUE;VALUE=DATE:20051225" NL "LAST-MODIFIED:20060205T235308Z" NL "SEQUENCE:1" NL
		"STATUS:COMPLETED" NL "SUMMARY:Task #3" NL
		"UID:E10BA47467C5C69BB74E8722@example.com" NL "END:VTODO" NL },
	{ "abcd7",
		"BEGIN:VTODO" NL "DTSTAMP:20060205T235600Z" NL "DUE;VALUE=DATE:20060101" NL
		"LAST-MODIFIED:20060205T235308Z" NL "SEQUENCE:1" NL "STATUS:CANCELLED" NL
		"SUMMARY:Task #4" NL "UID:E10BA47467C5C69BB74E8725@example.com" NL "END:VTODO" NL },
	{ "abcd8",
		"BEGIN:VFREEBUSY" NL
		"ORGANIZER;CN=\"Bernard Desruisseaux\":mailto:bernard@example.com" NL
		"UID:76ef34-54a3d2@example.com" NL "DTSTAMP:20050530T123421Z" NL
		"DTSTART:20060101T000000Z" NL "DTEND:20060108T000000Z" NL
		"FREEBUSY:20050531T230000Z/20050601T010000Z" NL
		"FREEBUSY;FBTYPE=BUSY-TENTATIVE:20060102T100000Z/20060102T120000Z" NL
		"FREEBUSY:20060103T100000Z/20060103T120000Z" NL
		"FREEBUSY:20060104T100000Z/20060104T120000Z" NL
		"FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20060105T100000Z/20060105T120000Z" NL
		"FREEBUSY:20060106T100000Z/20060106T120000Z" NL "END:VFREEBUSY" NL },
	{ "abcd5-day",
		"BEGIN:VTODO" NL "DTSTAMP:20060205T235300Z" NL "DUE;VALUE=DATE:20060106" NL
		"STATUS:NEEDS-ACTION" NL "SUMMARY:Task #2" NL "UID:day@example.com" NL
		"BEGIN:VALARM" NL "ACTION:AUDIO" NL "TRIGGER;RELATED=START:-PT10M" NL
		"END:VALARM" NL "END:VTODO" NL },
	/* Not of the RFC: a row of its table each (9.9). */
	{ "todo-duration",
		"BEGIN:VTODO" NL "UID:d" NL "DTSTART:20070101T100000Z" NL "DURATION:PT1H" NL
		"END:VTODO" NL },
	{ "todo-due",
		"BEGIN:VTODO" NL "UID:e" NL "DTSTART:20070201T100000Z" NL "DUE:20070201T110000Z" NL
		"END:VTODO" NL },
	{ "todo-short",
		"BEGIN:VTODO" NL "UID:s" NL "DTSTART:20070301T000000Z" NL "DURATION:PT0S" NL
		"END:VTODO" NL },
	{ "todo-start", "BEGIN:VTODO" NL "UID:f" NL "DTSTART:20070301T100000Z" NL "END:VTODO" NL },
	{ "todo-done-made",
		"BEGIN:VTODO" NL "UID:g" NL "CREATED:20070401T100000Z" NL
		"COMPLETED:20070410T100000Z" NL "END:VTODO" NL },
	{ "todo-done", "BEGIN:VTODO" NL "UID:h" NL "COMPLETED:20070501T100000Z" NL "END:VTODO" NL },
	{ "todo-made", "BEGIN:VTODO" NL "UID:i" NL "CREATED:20080101T100000Z" NL "END:VTODO" NL },
	{ "todo-ever", "BEGIN:VTODO" NL "UID:j" NL "END:VTODO" NL },
	{ "note", "BEGIN:VJOURNAL" NL "UID:k" NL "DTSTART:20070601T100000Z" NL "END:VJOURNAL" NL },
	{ "note-day",
		"BEGIN:VJOURNAL" NL "UID:l" NL "DTSTART;VALUE=DATE:20070602" NL "END:VJOURNAL" NL },
	{ "note-never", "BEGIN:VJOURNAL" NL "UID:m" NL "END:VJOURNAL" NL },
	{ "rings",
		"BEGIN:VEVENT" NL "UID:n" NL "DTSTART:20070701T100000Z" NL
		"DTEND:20070701T120000Z" NL "RRULE:FREQ=DAILY;COUNT=3" NL "BEGIN:VALARM" NL
		"ACTION:DISPLAY" NL "TRIGGER;RELATED=END:PT30M" NL "REPEAT:2" NL "DURATION:PT10M" NL
		"END:VALARM" NL "BEGIN:VALARM" NL "ACTION:DISPLAY" NL
		"TRIGGER;VALUE=DATE-TIME:20070615T080000Z" NL "END:VALARM" NL "END:VEVENT" NL },
	{ "instant", "BEGIN:VEVENT" NL "UID:o" NL "DTSTART:20070801T100000Z" NL "END:VEVENT" NL },
	{ "no-time",
		"BEGIN:VEVENT" NL "UID:p" NL "DTSTART:20070802T100000Z" NL "DURATION:PT0S" NL
		"END:VEVENT" NL },
	{ "day", "BEGIN:VEVENT" NL "UID:q" NL "DTSTART;VALUE=DATE:20070803" NL "END:VEVENT" NL },
	{ "busy-lines",
		"BEGIN:VFREEBUSY" NL "UID:r" NL "DTSTART:20070901T000000Z" NL
		"FREEBUSY:20070901T100000Z/PT1H,20070902T100000Z/PT1H" NL "END:VFREEBUSY" NL },
	{ "busy-never",
		"BEGIN:VFREEBUSY" NL "UID:t" NL "DTSTART:20070901T000000Z" NL "END:VFREEBUSY" NL },
};

#define COMP(name, inner) "<C:comp-filter name='" name "'>" inner "</C:comp-filter>"
#define PROP(name, inner) "<C:prop-filter name='" name "'>" inner "</C:prop-filter>"
#define RANGE(a, b)       "<C:time-range start='" a "' end='" b "'/>"
#define TASK(a, b)        COMP("VTODO", RANGE(a, b))
#define ALARM(comp, a, b) COMP(comp, COMP("VALARM", RANGE(a, b)))
static const struct {
	const char *filter, *found;
} queries[] = {
	/* 7.8.1, 7.8.2 */
	{ COMP("VEVENT", RANGE("20060104T000000Z", "20060105T000000Z")), "abcd2 abcd3" },
	/* 7.8.4 */
	{ COMP("VFREEBUSY", RANGE("20060102T000000Z", "20060103T000000Z")), "abcd8" },
	/* 7.8.5 */
	{ ALARM("VTODO", "20060106T100000Z", "20060107T100000Z"), "abcd5" },
	/* 7.8.6 */
	{ COMP("VEVENT",
		  PROP("UID",
			  "<C:text-match collation='i;octet'>DC6C50A017428C5216A2F1CD@example.com"
			  "</C:text-match>")),
		"abcd3" },
	/* 7.8.7 */
	{ COMP("VEVENT",
		  PROP("ATTENDEE",
			  "<C:text-match collation='i;ascii-casemap'>mailto:lisa@example.com"
			  "</C:text-match><C:param-filter name='PARTSTAT'><C:text-match "
			  "collation='i;ascii-casemap'>NEEDS-ACTION</C:text-match></"
			  "C:param-filter>")),
		"abcd3" },
	/* 7.8.8 */
	{ COMP("VEVENT", ""), "abcd1 abcd2 abcd3 rings instant no-time day" },
	/* 7.8.9 */
	{ COMP("VTODO",
		  PROP("COMPLETED", "<C:is-not-defined/>") PROP("STATUS",
			  "<C:text-match negate-condition='yes'>CANCELLED</C:text-match>")),
		"abcd4 abcd5 abcd5-day" },
	/* 7.8.10: what it refuses is supported here, and matches as text does. */
	{ COMP("VEVENT", PROP("X-ABC-GUID", "<C:text-match>ABC</C:text-match>")), "" },
	{ COMP("VEVENT", PROP("X-ABC-GUID", "<C:text-match>e1cx5</C:text-match>")), "abcd3" },
	/* 9.9, VEVENT, in the order of the rows: DTEND, DURATION (also of no time), an instant, a day */
	{ COMP("VEVENT", RANGE("20070701T120000Z", "20070702T100000Z")), "" },
	{ COMP("VEVENT", RANGE("20070701T115959Z", "20070702T100000Z")), "rings" },
	{ COMP("VEVENT", RANGE("20060102T160000Z", "20060102T170000Z")), "" },
	{ COMP("VEVENT", RANGE("20060102T155959Z", "20060102T170000Z")), "abcd1" },
	{ COMP("VEVENT", RANGE("20070802T100000Z", "20070802T100001Z")), "no-time" },
	{ COMP("VEVENT", RANGE("20070802T100001Z", "20070802T110000Z")), "" },
	{ COMP("VEVENT", RANGE("20070801T100000Z", "20070801T100001Z")), "instant" },
	{ COMP("VEVENT", RANGE("20070801T090000Z", "20070801T100000Z")), "" },
	{ COMP("VEVENT", RANGE("20070803T235959Z", "20070805T000000Z")), "day" },
	{ COMP("VEVENT", RANGE("20070804T000000Z", "20070805T000000Z")), "" },
	/* VFREEBUSY: both ends (the last is within), its lines, neither */
	{ COMP("VFREEBUSY", RANGE("20060108T000000Z", "20060109T000000Z")), "abcd8" },
	{ COMP("VFREEBUSY", RANGE("20060108T000001Z", "20060109T000000Z")), "" },
	{ COMP("VFREEBUSY", RANGE("20070901T105959Z", "20070901T120000Z")), "busy-lines" },
	{ COMP("VFREEBUSY", RANGE("20070901T110000Z", "20070902T100000Z")), "" },
	{ COMP("VFREEBUSY", RANGE("20070902T100000Z", "20070902T100001Z")), "busy-lines" },
	/* 9.9, VTODO, in the order of the rows */
	{ TASK("20070101T110000Z", "20070101T120000Z"), "todo-duration todo-ever" },
	{ TASK("20070101T110001Z", "20070101T120000Z"), "todo-ever" },
	{ TASK("20070101T090000Z", "20070101T100000Z"), "todo-ever" },
	{ TASK("20070201T110000Z", "20070201T120000Z"), "todo-ever" },
	{ TASK("20070201T105959Z", "20070201T120000Z"), "todo-due todo-ever" },
	{ TASK("20070301T000000Z", "20070301T000001Z"), "todo-short todo-ever" },
	{ TASK("20070228T000000Z", "20070301T000000Z"), "todo-short todo-ever" },
	{ TASK("20060106T165959Z", "20060106T170000Z"), "abcd5 todo-ever" },
	{ TASK("20060106T170000Z", "20060106T180000Z"), "todo-ever" },
	{ TASK("20070301T100000Z", "20070301T100001Z"), "todo-start todo-ever" },
	{ TASK("20070301T100001Z", "20070301T120000Z"), "todo-ever" },
	{ TASK("20070405T000000Z", "20070406T000000Z"), "todo-done-made todo-ever" },
	{ TASK("20070410T100001Z", "20070411T000000Z"), "todo-ever" },
	{ TASK("20070501T100000Z", "20070501T110000Z"), "todo-done todo-ever" },
	{ TASK("20070501T100001Z", "20070501T110000Z"), "todo-ever" },
	{ TASK("20080101T100000Z", "20080101T100001Z"), "todo-made todo-ever" },
	/* VJOURNAL */
	{ COMP("VJOURNAL", RANGE("20070601T100000Z", "20070601T100001Z")), "note" },
	{ COMP("VJOURNAL", RANGE("20070601T100001Z", "20070602T000000Z")), "" },
	{ COMP("VJOURNAL", RANGE("20070602T230000Z", "20070603T000000Z")), "note-day" },
	/* VALARM: at the end, twice more; of each occurrence; at a time of its own */
	{ ALARM("VEVENT", "20070701T123000Z", "20070701T123001Z"), "rings" },
	{ ALARM("VEVENT", "20070701T125000Z", "20070701T125001Z"), "rings" },
	{ ALARM("VEVENT", "20070701T125001Z", "20070702T120000Z"), "" },
	{ ALARM("VEVENT", "20070703T124000Z", "20070703T124001Z"), "rings" },
	{ ALARM("VEVENT", "20070704T120000Z", "20070705T000000Z"), "" },
	{ ALARM("VEVENT", "20070615T080000Z", "20070615T080001Z"), "rings" },
	{ COMP("VTODO", COMP("VALARM", "<C:is-not-defined/>")),
		"abcd6 abcd7 todo-duration todo-due todo-short todo-start todo-done-made todo-done "
		"todo-made todo-ever" },
	/* times of properties: at an instant (of a day: as it begins), in a period; the end that DURATION makes */
	{ COMP("VTODO", PROP("COMPLETED", RANGE("20051223T122322Z", "20051223T122323Z"))),
		"abcd6" },
	{ COMP("VTODO", PROP("COMPLETED", RANGE("20051223T122323Z", "20051223T122324Z"))), "" },
	{ COMP("VTODO", PROP("DUE", RANGE("20051225T000000Z", "20051225T000001Z"))), "abcd6" },
	{ COMP("VTODO", PROP("DUE", RANGE("20051225T000001Z", "20051226T000000Z"))), "" },
	{ COMP("VEVENT", PROP("DTEND", RANGE("20060102T160000Z", "20060102T160001Z"))), "abcd1" },
	{ COMP("VEVENT", PROP("DTEND", RANGE("20060102T160001Z", "20060102T170000Z"))), "" },
	{ COMP("VTODO", PROP("DUE", RANGE("20070101T110000Z", "20070101T110001Z"))),
		"todo-duration" },
	{ COMP("VTODO", PROP("DUE", RANGE("20070101T110001Z", "20070101T120000Z"))), "" },
	{ COMP("VEVENT", PROP("LAST-MODIFIED", "<C:time-range start='20060206T001330Z'/>")),
		"abcd3" },
	{ COMP("VFREEBUSY", PROP("FREEBUSY", RANGE("20060104T115900Z", "20060104T130000Z"))),
		"abcd8" },
	{ COMP("VFREEBUSY", PROP("FREEBUSY", RANGE("20060104T120000Z", "20060104T130000Z"))), "" },
};

#define HEAD "BEGIN:VCALENDAR" NL "VERSION:2.0" NL "PRODID:-//Example Corp.//CalDAV Client//EN" NL
#define ZONE \
	"BEGIN:VTIMEZONE" NL "LAST-MODIFIED:20040110T032845Z" NL "TZID:US/Eastern" NL \
	"BEGIN:DAYLIGHT" NL "DTSTART:20000404T020000" NL \
	"RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=4" NL "TZNAME:EDT" NL "TZOFFSETFROM:-0500" NL \
	"TZOFFSETTO:-0400" NL "END:DAYLIGHT" NL "BEGIN:STANDARD" NL "DTSTART:20001026T020000" NL \
	"RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10" NL "TZNAME:EST" NL "TZOFFSETFROM:-0400" NL \
	"TZOFFSETTO:-0500" NL "END:STANDARD" NL "END:VTIMEZONE" NL

static void fill(struct rig *r)
{
	want(r, 201, ask(r, "MKCALENDAR", CAL, NULL, NULL));
	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		bool zoned = strstr(items[i].lines, EASTERN) != NULL;
		want(r, 201,
			ask(r, "PUT", arena_fmt(&r->a, CAL "%s.ics", items[i].name).p, NULL,
				arena_fmt(&r->a, HEAD "%s%sEND:VCALENDAR" NL, zoned ? ZONE : "",
					items[i].lines)
					.p));
	}
}

/* What the reply has as calendar-data of that item. */
static const char *told(struct rig *r, const char *name)
{
	static const char begin[] = "<C:calendar-data>", end[] = "</C:calendar-data>";
	const char *at = strstr(r->reply.p, arena_fmt(&r->a, CAL "%s.ics<", name).p);
	const char *from = at ? strstr(at, begin) : NULL, *to = from ? strstr(from, end) : NULL;
	struct str one, rest = str_n(from, to ? (size_t)(to - from) : 0);
	struct buf b;

	cr_assert_gt(rest.n, strlen(begin), "%s", name);
	buf_init(&b, &r->a);
	rest = str_sub(rest, strlen(begin), rest.n);
	while (rest.n) {
		str_cut(&one, &rest, rest, '\n');
		if (str_ends(one, STR("&#13;")))
			one.n -= 5;
		buf_fmt(&b, "%.*s" NL, STR_ARG(one));
	}
	return b.p;
}

#define NS "xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'"
static int query(
	struct rig *r, const char *at, const char *headers, const char *filter, const char *data)
{
	return ask(r, "REPORT", at, headers,
		arena_fmt(&r->a,
			"<C:calendar-query " NS "><prop><getetag/>%s</prop><C:filter>"
			"<C:comp-filter name='VCALENDAR'>%s</C:comp-filter></C:filter>"
			"</C:calendar-query>",
			data, filter)
			.p);
}

static struct str found(struct rig *r)
{
	struct buf got;

	buf_init(&got, &r->a);
	buf_add(&got, STR(""));
	for (size_t k = 0; k < ARRAY_LEN(items); k++)
		if (says(r, arena_fmt(&r->a, CAL "%s.ics<", items[k].name).p))
			buf_fmt(&got, "%s%s", got.n ? " " : "", items[k].name);
	return buf_str(&got);
}

static void examples(struct rig *r)
{
	fill(r);
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		want(r, 207, query(r, CAL, "Depth: 1\r\n", queries[i].filter, ""));
		cr_expect_str_eq(found(r).p, queries[i].found, "%s", queries[i].filter);
	}
}
Test(rfc4791, examples)
{
	rig_run(&calendar_service, examples);
}

/* ---- calendar-data (9.6) ---- */
#define DATA(inner)    "<C:calendar-data>" inner "</C:calendar-data>"
#define SET(set, a, b) "<C:" set " start='" a "' end='" b "'/>"

static void data(struct rig *r)
{
	const char *week = COMP("VEVENT", RANGE("20060104T000000Z", "20060105T000000Z"));

	fill(r);
	/* 7.8.1 */
	want(r, 207,
		query(r, CAL, "Depth: 1\r\n", week,
			DATA("<C:comp name='VCALENDAR'><C:prop name='VERSION'/><C:comp "
			     "name='VEVENT'><C:prop name='SUMMARY'/><C:prop name='UID'/><C:prop "
			     "name='DTSTART'/><C:prop name='DTEND'/><C:prop name='DURATION'/>"
			     "<C:prop name='RRULE'/><C:prop name='RDATE'/><C:prop name='EXRULE'/>"
			     "<C:prop name='EXDATE'/><C:prop name='RECURRENCE-ID'/></C:comp>"
			     "<C:comp name='VTIMEZONE'/></C:comp>")));
#define EVENT(start, more, summary, uid) \
	"BEGIN:VEVENT" NL EASTERN start NL "DURATION:PT1H" NL more "SUMMARY:" summary NL \
	"UID:" uid "@example.com" NL "END:VEVENT" NL
	cr_expect_str_eq(told(r, "abcd2"),
		"BEGIN:VCALENDAR" NL "VERSION:2.0" NL ZONE EVENT("20060102T120000",
			"RRULE:FREQ=DAILY;COUNT=5" NL, "Event #2", "00959BC664CA650E933C892C")
			EVENT("20060104T140000", "RECURRENCE-ID;TZID=US/Eastern:20060104T120000" NL,
				"Event #2 bis", "00959BC664CA650E933C892C") EVENT("20060106T140000",
				"RECURRENCE-ID;TZID=US/Eastern:20060106T120000" NL,
				"Event #2 bis bis", "00959BC664CA650E933C892C") "END:VCALENDAR" NL);
	cr_expect_str_eq(told(r, "abcd3"),
		"BEGIN:VCALENDAR" NL "VERSION:2.0" NL ZONE EVENT("20060104T100000", "", "Event #3",
			"DC6C50A017428C5216A2F1CD") "END:VCALENDAR" NL);
	/* "novalue": name and parameters (9.6.4) */
	want(r, 207,
		query(r, CAL, "Depth: 1\r\n", COMP("VEVENT", PROP("X-ABC-GUID", "")),
			DATA("<C:comp name='VCALENDAR'><C:comp name='VEVENT'><C:prop "
			     "name='ATTENDEE' novalue='yes'/></C:comp></C:comp>")));
	cr_expect_str_eq(told(r, "abcd3"),
		"BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "ATTENDEE;PARTSTAT=ACCEPTED;ROLE=CHAIR:" NL
		"ATTENDEE;PARTSTAT=NEEDS-ACTION:" NL "END:VEVENT" NL "END:VCALENDAR" NL);
	/* 7.8.2 */
	want(r, 207,
		query(r, CAL, "Depth: 1\r\n", week,
			DATA(SET("limit-recurrence-set", "20060103T000000Z", "20060105T000000Z"))));
	cr_expect(says(r, "SUMMARY:Event #2 bis&#13;") && !says(r, "bis bis"));
	cr_expect(says(r, "RRULE:FREQ=DAILY;COUNT=5") && says(r, "BEGIN:VTIMEZONE"));
	/* 7.8.3 */
	want(r, 207,
		query(r, CAL, "Depth: 1\r\n", week,
			DATA(SET("expand", "20060103T000000Z", "20060105T000000Z"))));
	cr_expect(says(r, "DTSTART:20060103T170000Z") && says(r, "RECURRENCE-ID:20060103T170000Z"));
	cr_expect(says(r, "DTSTART:20060104T190000Z") && says(r, "RECURRENCE-ID:20060104T170000Z"));
	cr_expect(says(r, "DTSTART:20060104T150000Z") && says(r, "ATTENDEE;PARTSTAT=ACCEPTED"));
	cr_expect_eq(times(r, "BEGIN:VEVENT"), 3);
	cr_expect_eq(times(r, "DURATION:PT1H"), 3);
	cr_expect(!says(r, "RRULE") && !says(r, "VTIMEZONE") && !says(r, "TZID"));
	/* The same, some properties of it: the made ones as well. */
	want(r, 207,
		query(r, CAL, "Depth: 1\r\n", week,
			DATA("<C:comp name='VCALENDAR'><C:comp name='VEVENT'><C:prop "
			     "name='DTSTART'/>"
			     "<C:prop name='RECURRENCE-ID' novalue='yes'/></C:comp></C:comp>" SET(
				     "expand", "20060103T000000Z", "20060105T000000Z"))));
	cr_expect(says(r, "DTSTART:20060103T170000Z") && says(r, "RECURRENCE-ID:&#13;"));
	cr_expect(!says(r, "DURATION") && !says(r, "SUMMARY") && !says(r, "RECURRENCE-ID:2006"));
	/* 7.8.4 */
	want(r, 207,
		query(r, CAL, "Depth: 1\r\n",
			COMP("VFREEBUSY", RANGE("20060102T000000Z", "20060103T000000Z")),
			DATA(SET("limit-freebusy-set", "20060102T000000Z", "20060103T000000Z"))));
	cr_expect_str_eq(told(r, "abcd8"),
		HEAD "BEGIN:VFREEBUSY" NL
		     "ORGANIZER;CN=\"Bernard Desruisseaux\":mailto:bernard@example.com" NL
		     "UID:76ef34-54a3d2@example.com" NL "DTSTAMP:20050530T123421Z" NL
		     "DTSTART:20060101T000000Z" NL "DTEND:20060108T000000Z" NL
		     "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20060102T100000Z/20060102T120000Z" NL
		     "END:VFREEBUSY" NL "END:VCALENDAR" NL);
	/* Of a line with several periods, those that are asked for. */
	want(r, 207,
		query(r, CAL, "Depth: 1\r\n",
			COMP("VFREEBUSY", RANGE("20070902T000000Z", "20070903T000000Z")),
			DATA(SET("limit-freebusy-set", "20070902T000000Z", "20070903T000000Z"))));
	cr_expect(says(r, "FREEBUSY:20070902T100000Z/PT1H&#13;") && !says(r, "20070901T10"));
	/* A task's DUE in a zone is told in UTC, though nothing recurs. */
	want(r, 207,
		query(r, CAL, "Depth: 1\r\n", TASK("20060106T160000Z", "20060106T170000Z"),
			DATA(SET("expand", "20060106T160000Z", "20060106T170000Z"))));
	cr_expect(says(r, "DUE:20060106T170000Z"));
}
Test(rfc4791, data)
{
	rig_run(&calendar_service, data);
}

/* ---- 7.10 ---- */
#define FREE_BUSY(a, b) "<C:free-busy-query " NS ">" RANGE(a, b) "</C:free-busy-query>"

static void free_busy(struct rig *r)
{
	static const char *const depths[] = { "Depth: 0\r\n", "Depth: 1\r\n",
		"Depth: infinity\r\n" };

	fill(r);
	for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
		want(r, 200,
			ask(r, "REPORT", CAL, depths[i],
				FREE_BUSY("20060104T110000Z", "20060106T220000Z")));
		cr_expect(says(
			r, "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20060104T150000Z/20060104T160000Z"));
		cr_expect(says(r, "FREEBUSY:20060104T190000Z/20060104T200000Z"));
		cr_expect(says(r, "FREEBUSY:20060105T170000Z/20060105T180000Z"));
		/* of the VFREEBUSY, the first cut off where the query begins */
		cr_expect(says(r, "FREEBUSY:20060104T110000Z/20060104T120000Z"));
		cr_expect(says(r, "FBTYPE=BUSY-UNAVAILABLE:20060105T100000Z/20060105T120000Z"));
		cr_expect_eq(times(r, "FREEBUSY:") + times(r, "FREEBUSY;"), 7);
		/* 7.10.1, its end as the sentence before it has it: the one printed is a day later */
		want(r, 200,
			ask(r, "REPORT", CAL, depths[i],
				FREE_BUSY("20060104T140000Z", "20060104T220000Z")));
		cr_expect(says(r, "DTSTART:20060104T140000Z") && says(r, "DTEND:20060104T220000Z"));
		cr_expect(says(
			r, "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20060104T150000Z/20060104T160000Z"));
		cr_expect(says(r, "FREEBUSY:20060104T190000Z/20060104T200000Z"));
		cr_expect_eq(times(r, "FREEBUSY:") + times(r, "FREEBUSY;"), 2);
	}
	/* Of all calendars; of the home set itself there is nothing. */
	for (int deep = 0; deep < 3; deep++) {
		want(r, 200,
			ask(r, "REPORT", "/calendars/alice/", depths[deep],
				FREE_BUSY("20060105T000000Z", "20060106T000000Z")));
		cr_expect_eq(says(r, "FREEBUSY:20060105T170000Z/20060105T180000Z"), deep > 0);
	}
	want(r, 403,
		ask(r, "REPORT", CAL "abcd1.ics", NULL,
			FREE_BUSY("20060105T000000Z", "20060106T000000Z")));
	want(r, 400, ask(r, "REPORT", CAL, "Depth: 1\r\n", FREE_BUSY("20060105T000000Z", "2006")));
}
Test(rfc4791, free_busy)
{
	rig_run(&calendar_service, free_busy);
}

/* ---- what a report is about (7.2, 7.8, 7.9) ---- */
static const struct {
	const char *at, *depth;
	int found;
} reach[] = {
	{ CAL, NULL, 7 },
	{ CAL, "Depth: 0\r\n", 7 },
	{ CAL, "Depth: 1\r\n", 7 },
	{ CAL, "Depth: infinity\r\n", 7 },
	{ CAL "abcd1.ics", NULL, 1 },
	{ CAL "abcd1.ics", "Depth: 0\r\n", 1 },
	{ CAL "abcd4.ics", "Depth: 0\r\n", 0 },
	{ "/calendars/alice/", NULL, 0 },
	{ "/calendars/alice/", "Depth: 0\r\n", 0 },
	{ "/calendars/alice/", "Depth: 1\r\n", 7 },
	{ "/calendars/alice/", "Depth: infinity\r\n", 8 },
};

static void scopes(struct rig *r)
{
	const char *events = COMP("VEVENT", "");

	fill(r);
	/* The Depth says which calendars are asked; what is in those counts, whatever it is (7.2). */
	want(r, 201, ask(r, "MKCOL", "/calendars/alice/deep/", NULL, NULL));
	want(r, 201, ask(r, "MKCALENDAR", "/calendars/alice/deep/c/", NULL, NULL));
	want(r, 201,
		ask(r, "PUT", "/calendars/alice/deep/c/x", NULL,
			HEAD "BEGIN:VEVENT" NL "UID:x" NL "DTSTART:20060102T100000Z" NL
			     "END:VEVENT" NL "END:VCALENDAR" NL));
	want(r, 201, ask(r, "PUT", "/calendars/alice/deep/plain", NULL, "no item"));
	for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
		want(r, 207, query(r, reach[i].at, reach[i].depth, events, ""));
		cr_expect_eq(times(r, "<D:response>"), reach[i].found, "%s, %s: %d", reach[i].at,
			reach[i].depth, times(r, "<D:response>"));
	}
	want(r, 404, query(r, CAL "none.ics", "Depth: 1\r\n", events, ""));
	want(r, 400, query(r, CAL, "Depth: 2\r\n", events, ""));
	want(r, 403, query(r, "/principals/alice/", "Depth: 1\r\n", events, ""));
	cr_expect(says(r, "<D:supported-report/>"));
#define GET(hrefs) \
	"<C:calendar-multiget " NS "><prop><getetag/></prop>" hrefs "</C:calendar-multiget>"
	want(r, 207,
		ask(r, "REPORT", CAL, NULL,
			GET("<href>" CAL "abcd1.ics</href><href>https://h" CAL
			    "%61bcd2.ics</href><href>/calendars/alice/calendar/x</href><href>" CAL
			    "no.ics</href>")));
	cr_expect_eq(times(r, "<D:getetag>"), 2);
	cr_expect_eq(times(r, "404 Not Found"), 2);
	want(r, 207,
		ask(r, "REPORT", "/calendars/alice/", NULL,
			GET("<href>" CAL "abcd1.ics</href>"
			    "<href>/calendars/alice/deep/plain</href>")));
	cr_expect_eq(times(r, "<D:getetag>"), 1);
	cr_expect_eq(times(r, "403 Forbidden"), 1);
	want(r, 207, ask(r, "REPORT", CAL "abcd1.ics", NULL, GET("")));
	cr_expect_eq(times(r, "<D:getetag>"), 1);
	want(r, 207, ask(r, "REPORT", CAL "abcd1.ics", NULL, GET("<href>" CAL "abcd2.ics</href>")));
	cr_expect_eq(times(r, "404 Not Found"), 1);
}
Test(rfc4791, scopes)
{
	rig_run(&calendar_service, scopes);
}

/* ---- what is refused, and how ---- */
static const struct {
	const char *filter, *data, *condition; /* "": 400 without one */
} refused[] = {
	{ COMP("VTODO", COMP("VEVENT", "")), "", "C:valid-filter" },
	{ COMP("VALARM", ""), "", "C:valid-filter" },
	{ COMP("VCALENDAR", ""), "", "C:valid-filter" },
	{ RANGE("20060101T000000Z", "20070101T000000Z"), "", "C:valid-filter" },
	{ COMP("VTIMEZONE", RANGE("20060101T000000Z", "20070101T000000Z")), "", "C:valid-filter" },
	{ COMP("VPOLL", RANGE("20060101T000000Z", "20070101T000000Z")), "", "C:supported-filter" },
	{ COMP("VEVENT", PROP("SUMMARY", RANGE("20060101T000000Z", "20070101T000000Z"))), "",
		"C:valid-filter" },
	{ COMP("VEVENT", RANGE("20060102T000000Z", "20060101T000000Z")), "", "C:valid-filter" },
	{ COMP("VEVENT", "<C:time-range/>"), "", "" },
	{ COMP("VEVENT", RANGE("20060101T000000", "20060102T000000")), "", "C:valid-filter" },
	{ COMP("VEVENT", "<C:is-not-defined/>" PROP("UID", "")), "", "C:valid-filter" },
	{ COMP("VEVENT", "<C:text-match>x</C:text-match>"), "", "C:valid-filter" },
	{ COMP("VEVENT", PROP("UID", "<C:is-not-defined/><C:text-match>x</C:text-match>")), "",
		"C:valid-filter" },
	{ COMP("VEVENT", PROP("UID", "<C:param-filter/>")), "", "C:valid-filter" },
	{ COMP("VEVENT", PROP("UID", "<C:text-match negate-condition='maybe'>x</C:text-match>")),
		"", "C:valid-filter" },
	{ COMP("VEVENT", PROP("UID", "<C:new/>")), "", "C:supported-filter" },
	{ COMP("VEVENT", RANGE("00000101T000000Z", "20070101T000000Z")), "", "C:min-date-time" },
	{ COMP("VEVENT", PROP("UID", "<C:text-match collation='i;none'>x</C:text-match>")), "",
		"C:supported-collation" },
	{ "", "<C:calendar-data content-type='text/x'/>", "C:supported-calendar-data" },
	{ "", "<C:calendar-data content-type='text/calendar' version='3.0'/>",
		"C:supported-calendar-data" },
	{ "", DATA("<C:expand start='20060101T000000Z'/>"), "" },
	{ "", DATA("<C:expand/>"), "" },
	{ "", DATA(SET("limit-freebusy-set", "2006", "2007")), "" },
};

static void refusals(struct rig *r)
{
	fill(r);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const char *cond = refused[i].condition;
		int status = query(r, CAL, "Depth: 1\r\n", refused[i].filter, refused[i].data);
		cr_expect_eq(status, *cond ? 403 : 400, "%zu: %d", i, status);
		cr_expect(!*cond || says(r, arena_fmt(&r->a, "<%s", cond).p), "%zu: %.*s", i,
			STR_ARG(r->reply));
	}
	/* It names what it can't do (7.8). */
	query(r, CAL, NULL, COMP("VEVENT", PROP("UID", "<C:new/>")), "");
	cr_expect(says(r,
		"<C:supported-filter><prop-filter xmlns=\"urn:ietf:params:xml:ns:caldav\" "
		"name=\"UID\"/></C:supported-filter>"));
	want(r, 403,
		ask(r, "REPORT", CAL, "Depth: 1\r\n",
			"<C:calendar-query " NS
			"><prop/><C:filter><C:comp-filter name='VCALENDAR'/>"
			"</C:filter><C:timezone>BEGIN:VCALENDAR</C:timezone></C:calendar-query>"));
	cr_expect(says(r, "<C:valid-calendar-data/>"));
	want(r, 403,
		ask(r, "REPORT", CAL, "Depth: 1\r\n",
			"<C:calendar-query " NS
			"><prop/><C:filter><C:comp-filter name='VCALENDAR'/>"
			"</C:filter><C:timezone-id>Mars/Base</C:timezone-id></C:calendar-query>"));
	cr_expect(says(r, "<C:valid-timezone/>"));
	want(r, 403,
		ask(r, "REPORT", CAL, NULL,
			"<C:calendar-multiget " NS "><prop><C:calendar-data version='1.0'/></prop>"
			"<href>" CAL "abcd1.ics</href></C:calendar-multiget>"));
	cr_expect(says(r, "<C:supported-calendar-data/>"));
}
Test(rfc4791, refusals)
{
	rig_run(&calendar_service, refusals);
}

/* ---- floating times (7.3): in the zone of the query, else of the calendar, else in UTC ---- */
static void floating(struct rig *r)
{
	static const char filter[] = "<C:filter>" COMP("VCALENDAR",
		COMP("VEVENT", RANGE("20060710T220000Z", "20060711T100000Z"))) "</C:filter>";
	static const char *const zones[] = { "", "<C:timezone-id>Asia/Tokyo</C:timezone-id>",
		"<C:timezone>BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Mine\nBEGIN:STANDARD\n"
		"DTSTART:20000101T000000\nTZOFFSETFROM:-0300\nTZOFFSETTO:-0300\nEND:STANDARD\n"
		"END:VTIMEZONE\nEND:VCALENDAR\n</C:timezone>" };
	/* 11 July: of the UTC day 10 hours are within; of Tokyo's 12 of 15; of Mine's from 3:00 on. */
	static const int day[] = { 1, 1, 1 }, early[] = { 1, 0, 1 }, late[] = { 0, 1, 0 };

	want(r, 201, ask(r, "MKCALENDAR", CAL, NULL, NULL));
#define AT(uid, lines) \
	want(r, 201, \
		ask(r, "PUT", CAL uid, NULL, \
			"BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "UID:" uid NL lines NL \
			"END:VEVENT" NL "END:VCALENDAR" NL))
	AT("day", "DTSTART;VALUE=DATE:20060711");
	AT("early", "DTSTART:20060711T050000");
	AT("late", "DTSTART:20060711T183000");
	for (int round = 0; round < 3; round++) {
		want(r, 207,
			ask(r, "REPORT", CAL, "Depth: 1\r\n",
				arena_fmt(&r->a,
					"<C:calendar-query " NS "><prop><getetag/><C:calendar-data>"
					"<C:expand start='20060710T220000Z' "
					"end='20060711T100000Z'/>"
					"</C:calendar-data></prop>%s%s</C:calendar-query>",
					filter, zones[round])
					.p));
		cr_expect_eq(says(r, CAL "day<"), day[round], "%d", round);
		cr_expect_eq(says(r, CAL "early<"), early[round], "%d", round);
		cr_expect_eq(says(r, CAL "late<"), late[round], "%d", round);
		/* They stay as they are, and are in the data as well. */
		cr_expect_eq(says(r, "DTSTART:20060711T183000&#13;"), late[round], "%d", round);
		cr_expect(says(r, "DTSTART;VALUE=DATE:20060711&#13;"));
	}
#define SET_PROP(inner) \
	want(r, 207, \
		ask(r, "PROPPATCH", CAL, NULL, \
			"<propertyupdate " NS "><set><prop>" inner \
			"</prop></set></propertyupdate>"))
	SET_PROP("<C:calendar-timezone-id>Asia/Tokyo</C:calendar-timezone-id>");
	cr_expect(says(r, "200 OK"));
	/* What is no zone changes nothing (RFC 4791, 5.2.2; RFC 7809, 5.2). */
	SET_PROP("<displayname>x</displayname><C:calendar-timezone>Tokyo</C:calendar-timezone>");
	cr_expect(says(r, "<C:valid-calendar-data/>") && says(r, "424 Failed"));
	SET_PROP("<C:calendar-timezone-id>Mars/Base</C:calendar-timezone-id>");
	cr_expect(says(r, "<C:valid-timezone/>") && !says(r, "200 OK"));
	want(r, 207,
		ask(r, "REPORT", CAL, "Depth: 1\r\n",
			arena_fmt(&r->a,
				"<C:calendar-query " NS "><prop><getetag/></prop>%s"
				"</C:calendar-query>",
				filter)
				.p));
	cr_expect(says(r, CAL "late<") && !says(r, CAL "early<"));
}
Test(rfc4791, floating)
{
	rig_run(&calendar_service, floating);
}

/* ---- limits are told, and hold (5.2.5 to 5.2.9, 5.3.2.1) ---- */
static const char *repeated(struct rig *r, const char *line, int n)
{
	struct buf b;

	buf_init(&b, &r->a);
	buf_addz(&b,
		"BEGIN:VCALENDAR" NL "BEGIN:VEVENT" NL "UID:x" NL "DTSTART:20060711T050000Z" NL);
	for (int i = 0; i < n; i++)
		buf_addz(&b, line);
	buf_addz(&b, "END:VEVENT" NL "END:VCALENDAR" NL);
	return b.p;
}

static void limits(struct rig *r)
{
	struct {
		const char *line;
		int most;
		const char *condition;
	} rows[] = {
		{ "ATTENDEE:mailto:a@b" NL, 1000, "C:max-attendees-per-instance" },
		{ "BEGIN:VALARM" NL "TRIGGER:-PT1M" NL "END:VALARM" NL, 50,
			"C:valid-calendar-object-resource" },
		{ "RRULE:FREQ=SECONDLY;COUNT=2000000000" NL, 0, "C:max-instances" },
		{ "RRULE:FREQ=DAILY;COUNT=10001" NL, 0, "C:max-instances" },
		{ "RRULE:FREQ=DAILY;COUNT=99999999999999999999999" NL, 0, "C:max-instances" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *cond = arena_fmt(&r->a, "<%s/>", rows[i].condition).p;
		const char *at = "/calendars/alice/calendar/x";
		want(r, 403, ask(r, "PUT", at, NULL, repeated(r, rows[i].line, rows[i].most + 1)));
		cr_expect(says(r, cond), "%s: %.*s", cond, STR_ARG(r->reply));
		int status = ask(r, "PUT", at, NULL, repeated(r, rows[i].line, rows[i].most));
		cr_expect(status == 201 || status == 204, "%s: %d", rows[i].line, status);
	}
	want(r, 204,
		ask(r, "PUT", "/calendars/alice/calendar/x", NULL,
			repeated(r, "RRULE:FREQ=DAILY;COUNT=10000" NL, 1)));
	want(r, 207,
		ask(r, "PROPFIND", "/calendars/alice/calendar/", "Depth: 0\r\n",
			"<propfind " NS "><prop><C:max-resource-size/><C:min-date-time/>"
			"<C:max-date-time/><C:max-instances/><C:max-attendees-per-instance/>"
			"<C:supported-calendar-data/><C:supported-collation-set/></prop></"
			"propfind>"));
	cr_expect(!says(r, "HTTP/1.1 404"));
	cr_expect(says(r, ">1048576<") && says(r, ">10000<") && says(r, ">1000<"));
}
Test(rfc4791, limits)
{
	rig_run(&calendar_service, limits);
}
