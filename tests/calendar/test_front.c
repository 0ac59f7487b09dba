/* SPDX-License-Identifier: ISC */
/* One origin: what the service in front says of the one behind it. */
#include "services/calendar/calendar.h"
#include "tests/dav/rig.h"

#define BOTH \
	"<propfind xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' " \
	"xmlns:R='urn:ietf:params:xml:ns:carddav'><prop><current-user-principal/>" \
	"<C:calendar-home-set/><R:addressbook-home-set/></prop></propfind>"
#define CLASSES "1, 3, extended-mkcol, calendar-access"

static bool is(struct str s, const char *text)
{
	return str_eq(s, str_of(text));
}

static void alone(struct rig *r)
{
	want(r, 200, ask(r, "OPTIONS", "/principals/alice/", NULL, NULL));
	cr_expect(is(header(r, "DAV"), CLASSES));
	want(r, 404, ask(r, "PROPFIND", "/.well-known/carddav", NULL, NULL));
	want(r, 404, ask(r, "PROPFIND", "/contacts/alice/", "Depth: 0\r\n", NULL));
	want(r, 207, ask(r, "PROPFIND", "/", "Depth: 1\r\n", BOTH));
	cr_expect(says(r, "<CR:addressbook-home-set/></D:prop><D:status>HTTP/1.1 404") &&
		!says(r, "/contacts/"));
}

static void front(struct rig *r)
{
	struct http_upstream_config nobody = { .host = STR("contacts.example.org"),
		.words = "contacts" };

	alone(r);
	cr_assert_eq(os_addr_parse(&nobody.to, STR("127.0.0.1:1"), 0), 0);
	cr_assert_eq(http_upstream_new(&r->cfg.upstream, &nobody), 0);
	for (int i = 0; i < 2; i++) {
		want(r, 200, ask(r, "OPTIONS", i ? "/" : "/principals/alice/", NULL, NULL));
		cr_expect(is(header(r, "DAV"), CLASSES ", addressbook"));
		want(r, 301,
			ask(r, "PROPFIND", i ? "/.well-known/carddav" : "/.well-known/caldav",
				"Authorization: x\r\n", NULL));
	}
	want(r, 200, ask(r, "OPTIONS", "/calendars/alice/", NULL, NULL));
	cr_expect(is(header(r, "DAV"), CLASSES));
	want(r, 207, ask(r, "PROPFIND", "/", "Depth: 1\r\n", BOTH));
	cr_expect(says(r, "<D:response><D:href>/contacts/</D:href>"));
	cr_expect_eq(times(r, "<D:href>/principals/alice/</D:href>"), 4);
	want(r, 207, ask(r, "PROPFIND", "/principals/alice/", "Depth: 0\r\n", BOTH));
	cr_expect(says(r,
		"<C:calendar-home-set><D:href>/calendars/alice/</D:href></C:calendar-home-set>"
		"<CR:addressbook-home-set><D:href>/contacts/alice/</D:href>"));
	/* Handed on, which fails here; but only for who has a password. */
	want(r, 401, ask(r, "PROPFIND", "/contacts/alice/", "Authorization: Basic eA==\r\n", NULL));
	want(r, 503, ask(r, "PROPFIND", "/contacts/alice/", "Depth: 0\r\n", NULL));
	cr_expect(is(header(r, "Retry-After"), "5") && says(r, "contacts can't be reached"));
	want(r, 503, ask(r, "GET", "https://x/contacts/", NULL, NULL));
	want(r, 403,
		ask(r, "COPY", "/calendars/alice/calendar/", "Destination: /contacts/alice/x\r\n",
			NULL));
	http_upstream_free(r->cfg.upstream);
	r->cfg.upstream = NULL;
}
Test(front, speaks_for_both)
{
	rig_run(&calendar_service, front);
}
