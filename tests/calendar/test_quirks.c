/* SPDX-License-Identifier: ISC */
/*
 * Calendar data as programs in the field write it: taken, kept byte for byte, and found at the time it means. Rows are
 * after what users of other servers and clients reported (Radicale, sabre/dav, DAVx5, Nextcloud, vobject, node-ical).
 */
#include "services/calendar/calendar.h"
#include "services/calendar/ical.h"
#include "tests/dav/rig.h"

#define CAL "/calendars/alice/q/"
#define NL  "\r\n"
/* An event around `lines`; it is asked for by the hour that begins at `at`, and the one before. */
#define EV(lines) \
	"BEGIN:VCALENDAR" NL "VERSION:2.0" NL "BEGIN:VEVENT" NL "UID:1" NL lines "END:VEVENT" NL \
	"END:VCALENDAR" NL
#define CUSTOM(name) \
	"BEGIN:VTIMEZONE" NL "TZID:" name NL "BEGIN:STANDARD" NL "DTSTART:16010101T020000" NL \
	"TZOFFSETFROM:-0400" NL "TZOFFSETTO:-0500" NL \
	"RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=1SU;BYMONTH=11" NL "END:STANDARD" NL \
	"BEGIN:DAYLIGHT" NL "DTSTART:16010101T020000" NL "TZOFFSETFROM:-0500" NL \
	"TZOFFSETTO:-0400" NL "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=2SU;BYMONTH=3" NL \
	"END:DAYLIGHT" NL "END:VTIMEZONE" NL
#define ZONED(zone, name) \
	"BEGIN:VCALENDAR" NL zone "BEGIN:VEVENT" NL "UID:1" NL "DTSTART;TZID=" name \
	":20200825T103500" NL "DTEND;TZID=" name ":20200825T115000" NL "END:VEVENT" NL \
	"END:VCALENDAR" NL
static const struct {
	const char *what, *body, *at; /* NULL: at no time */
} rows[] = {
	{ "nothing but what is needed",
		"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20200825T103500Z\n"
		"DURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR",
		"20200825T103000Z" },
	{ "lower case",
		"begin:vcalendar" NL "begin:vevent" NL "uid:1" NL
		"dtstart;tzid=\"Europe/Berlin\":20200825T103500" NL "duration:pt1h" NL
		"end:vevent" NL "end:vcalendar" NL,
		"20200825T083000Z" },
	{ "a byte order mark, blank lines",
		"\xef\xbb\xbf" NL "BEGIN:VCALENDAR" NL NL "BEGIN:VEVENT" NL "UID:1" NL "   " NL
		"DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL "END:VEVENT" NL
		"END:VCALENDAR" NL NL NL,
		"20200825T103000Z" },
	{ "spaces at the ends of lines",
		"BEGIN:VCALENDAR " NL "BEGIN:VEVENT  " NL "UID:1 " NL "DTSTART:20200825T103500Z " NL
		"DTEND:20200825T113500Z\t" NL "CLASS:PUBLIC " NL "END:VEVENT " NL
		"END:VCALENDAR " NL,
		"20200825T103000Z" },
	{ "folded within a character, by a tab, in a name",
		EV("SUMMARY:\xc3" NL " \xa4" NL "DTST" NL "\tART:20200825T10" NL " 3500Z" NL
		   "DURATION:PT1H" NL),
		"20200825T103000Z" },
	{ "escapes that are none",
		EV("SUMMARY:a\\b\\:c\\" NL "DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL),
		"20200825T103000Z" },
	{ "a break in a text that was not escaped",
		EV("DESCRIPTION:Zoom" NL "\\nWeekly from Xpm to Xpm on Tuesday\\, Friday" NL
		   "see below" NL "DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL),
		"20200825T103000Z" },
	{ "a quote that has no end",
		EV("ORGANIZER;CN=\"Antonov, Viktor (ANT Victor)\";SENT-BY=\"mailto:xx@dom.com" NL
		   "DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL),
		"20200825T103000Z" },
	{ "raw quotes and backslashes in a parameter",
		EV("ATTENDEE;CN=Bob \\\"B\\\" X;RSVP=TRUE:mailto:b@x" NL
		   "DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL),
		"20200825T103000Z" },
	{ "properties twice",
		EV("SUMMARY:a" NL "SUMMARY:b" NL "DTSTAMP:1" NL "DTSTAMP:2" NL
		   "DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL "DURATION:PT5H" NL),
		"20200825T103000Z" },
	{ "components of no standard",
		EV("DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL "BEGIN:X-THING" NL "A:b" NL
		   "END:X-THING" NL "BEGIN:VLOCATION" NL "UID:l" NL "END:VLOCATION" NL),
		"20200825T103000Z" },
	{ "characters of another set",
		EV("SUMMARY:\xe4\xf6" NL "DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL),
		"20200825T103000Z" },
	{ "control characters",
		EV("SUMMARY:a\x0b\x1f\x7f" NL "DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL),
		"20200825T103000Z" },
	/* zones */
	{ "a zone of its own", ZONED(CUSTOM("Customized Time Zone"), "Customized Time Zone"),
		"20200825T143000Z" },
	{ "a zone of its own, named by an address",
		ZONED(CUSTOM("tzone://Microsoft/Custom"), "\"tzone://Microsoft/Custom\""),
		"20200825T143000Z" },
	{ "a zone as Windows calls it, not told", ZONED("", "Eastern Standard Time"),
		"20200825T143000Z" },
	{ "as Windows calls it, and told otherwise",
		ZONED(CUSTOM("W. Europe Standard Time"), "W. Europe Standard Time"),
		"20200825T143000Z" },
	{ "a zone as Windows calls it, told as nothing",
		ZONED("BEGIN:VTIMEZONE" NL "TZID:Eastern Standard Time" NL "END:VTIMEZONE" NL,
			"Eastern Standard Time"),
		"20200825T143000Z" },
	{ "a zone nobody knows", ZONED("", "Moon/Base"), "20200825T103000Z" },
	{ "a zone with its vendor's name",
		ZONED("", "/freeassociation.sourceforge.net/Tzfile/America/New_York"),
		"20200825T143000Z" },
	{ "Mozilla's", ZONED("", "/mozilla.org/20050126_1/America/New_York"), "20200825T143000Z" },
	{ "UTC twice", EV("DTSTART;TZID=UTC:20200825T103500Z" NL "DURATION:PT1H" NL),
		"20200825T103000Z" },
	{ "a time type named, after the zone",
		EV("DTSTART;TZID=Asia/Tokyo;VALUE=DATE-TIME:20200825T193500" NL "DURATION:PT1H" NL),
		"20200825T103000Z" },
	/* times */
	{ "an end before the start", EV("DTSTART:20200825T103500Z" NL "DTEND:20200824T103500Z" NL),
		"20200825T103000Z" },
	{ "a negative duration", EV("DTSTART:20200825T103500Z" NL "DURATION:-PT1H" NL),
		"20200825T103000Z" },
	{ "a whole day that ends as it begins",
		EV("DTSTART;VALUE=DATE:20200825" NL "DTEND;VALUE=DATE:20200825" NL),
		"20200825T000000Z" },
	{ "a whole day, not said so", EV("DTSTART:20200825" NL), "20200825T000000Z" },
	{ "the last second of a day", EV("DTSTART:20200825T105960Z" NL "DURATION:PT1H" NL),
		"20200825T103000Z" },
	{ "no time at all", EV("DTSTART:" NL), NULL },
	{ "nonsense for a time", EV("DTSTART:tomorrow" NL "RRULE:FREQ=DAILY" NL), NULL },
	{ "before 1970", EV("DTSTART:19410825T103500Z" NL "DURATION:PT1H" NL), "19410825T103000Z" },
	{ "after 2038, in a zone",
		EV("DTSTART;TZID=Europe/Berlin:20500715T103500" NL "DURATION:PT1H" NL),
		"20500715T083000Z" },
	/* rules */
	{ "an end of a rule without its zone",
		EV("DTSTART;TZID=Europe/Berlin:20200824T103500" NL "DURATION:PT1H" NL
		   "RRULE:FREQ=DAILY;UNTIL=20200825T103500" NL),
		"20200825T083000Z" },
	{ "an end of a rule as a date",
		EV("DTSTART;TZID=Europe/Berlin:20200824T103500" NL "DURATION:PT1H" NL
		   "RRULE:FREQ=DAILY;UNTIL=20200825" NL),
		"20200825T083000Z" },
	{ "a rule in lower case with spaces",
		EV("DTSTART:20200824T103500Z" NL "DURATION:PT1H" NL "RRULE:freq=daily;count=2;" NL),
		"20200825T103000Z" },
	{ "a rule nobody can read",
		EV("DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL "RRULE:FREQ=NEVER" NL),
		"20200825T103000Z" },
	{ "an empty rule and exception",
		EV("DTSTART:20200825T103500Z" NL "DURATION:PT1H" NL "RRULE:" NL "EXDATE:" NL
		   "RDATE:" NL),
		"20200825T103000Z" },
	{ "an exception on another day's date",
		EV("DTSTART:20200824T103500Z" NL "DURATION:PT1H" NL "RRULE:FREQ=DAILY;COUNT=2" NL
		   "EXDATE;VALUE=DATE:20200824" NL),
		"20200825T103000Z" },
	{ "an override of a whole day, by a time",
		EV("DTSTART;VALUE=DATE:20200820" NL "RRULE:FREQ=DAILY;COUNT=3" NL "END:VEVENT" NL
		   "BEGIN:VEVENT" NL "UID:1" NL "RECURRENCE-ID:20200821T000000Z" NL
		   "DTSTART;VALUE=DATE:20200825" NL),
		"20200825T000000Z" },
	{ "one occurrence of a series that is not here",
		EV("RECURRENCE-ID:20200801T103500Z" NL "DTSTART:20200825T103500Z" NL
		   "DURATION:PT1H" NL),
		"20200825T103000Z" },
};

static bool found(struct rig *r, int64_t from)
{
	struct buf b;

	buf_init(&b, &r->a);
	buf_addz(&b,
		"<C:calendar-query xmlns='DAV:' "
		"xmlns:C='urn:ietf:params:xml:ns:caldav'><prop><getetag/>"
		"</prop><C:filter><C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'>"
		"<C:time-range start='");
	ical_utc_write(&b, from, false);
	buf_addz(&b, "' end='");
	ical_utc_write(&b, from + 3600, false);
	buf_addz(&b, "'/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>");
	want(r, 207, ask(r, "REPORT", CAL, "Depth: 1\r\n", b.p));
	return says(r, "<D:getetag>");
}

static void quirks(struct rig *r)
{
	want(r, 201, ask(r, "MKCALENDAR", CAL, NULL, NULL));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ical none = { 0 };
		struct ical_time at;

		want(r, 201, ask(r, "PUT", CAL "x", NULL, rows[i].body));
		cr_expect(header(r, "ETag").n, "%s", rows[i].what);
		want(r, 200, ask(r, "GET", CAL "x", NULL, NULL));
		cr_expect(str_eq(r->reply, str_of(rows[i].body)), "%s", rows[i].what);
		if (rows[i].at) {
			cr_assert_eq(ical_time_parse(&at, &none, str_of(rows[i].at), STR_NONE), 0);
			cr_expect(found(r, at.wall), "%s", rows[i].what);
			cr_expect(!found(r, at.wall - 7200), "%s", rows[i].what);
		}
		want(r, 204, ask(r, "DELETE", CAL "x", NULL, NULL));
	}
}
/* One it catches: only lines that parse are taken. */
Test(quirks, kept_and_found)
{
	rig_run(&calendar_service, quirks);
}
