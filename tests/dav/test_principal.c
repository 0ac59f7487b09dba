/* SPDX-License-Identifier: ISC */
/* Principals, reports on them, the If header, the page; asked of a calendar's toy twin. */
#include "tests/dav/rig.h"

static int check(struct dav_facts *out, struct dav_refusal *why, struct arena *a,
	const struct dav_meta *collection, struct str bytes)
{
	(void)why, (void)a, (void)collection, (void)bytes;
	*out = (struct dav_facts){ .uid = STR("") };
	return 0;
}

static int data(struct buf *out, struct arena *a, struct str bytes, const struct xml *asked,
	const void *zone)
{
	(void)a, (void)asked, (void)zone;
	buf_add(out, bytes);
	return out->err;
}

static void no_report(struct dav_request *r, const struct xml *root)
{
	(void)r, (void)root;
}

static const struct dav_default defaults[] = { { "cal", "<Cal>", { .kind = DAV_CALENDAR } },
	{ 0 } };
static const struct dav_report reports[] = {
	{ { "urn:ietf:params:xml:ns:caldav", 29 }, "calendar-query", no_report },
	{ { 0 }, NULL, NULL },
};
static const struct dav_service service = {
	.name = "toy",
	.home = { "calendars", 9 },
	.well_known = "caldav",
	.classes = "calendar-access",
	.kind = DAV_CALENDAR,
	.type = { "text/toy", 8 },
	.defaults = defaults,
	.check = check,
	.reports = reports,
	.data_ns = { "urn:ietf:params:xml:ns:caldav", 29 },
	.data_name = "calendar-data",
	.data = data,
};

#define HOME            "/calendars/alice/"
#define CAL             HOME "cal/"
#define NS              " xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'"
#define PROPFIND(props) "<propfind" NS "><prop>" props "</prop></propfind>"

/* ---- expand-property ---- */
static void expands(struct rig *r)
{
	want(r, 207,
		ask(r, "REPORT", "/", "Depth: 0\r\n",
			"<expand-property" NS "><property name='current-user-principal'>"
			"<property name='displayname'/>"
			"<property name='calendar-home-set' "
			"namespace='urn:ietf:params:xml:ns:caldav'><property name='owner'/>"
			"<property name='nope'/></property></property>"
			"<property name='resourcetype'/><property "
			"name='gone'/></expand-property>"));
	cr_expect(says(r,
			  "<D:current-user-principal><D:response><D:href>/principals/alice/"
			  "</D:href><D:propstat><D:prop><D:displayname>Alice</D:displayname>"
			  "<C:calendar-home-set><D:response><D:href>" HOME "</D:href>"
			  "<D:propstat><D:prop><D:owner><D:href>/principals/alice/</D:href>"
			  "</D:owner></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
			  "<D:propstat><D:prop><D:nope/></D:prop><D:status>HTTP/1.1 404"),
		"%.*s", STR_ARG(r->reply));
	cr_expect(says(r, "<D:resourcetype><D:collection/></D:resourcetype></D:prop>"));
	cr_expect(says(r, "<D:prop><D:gone/></D:prop><D:status>HTTP/1.1 404"));
	/* What can't be an element's name does not become one: "x><evil/>" is not well-formed when told back. */
	want(r, 207,
		ask(r, "REPORT", "/", NULL,
			"<expand-property" NS "><property name='x&gt;&lt;evil/'/><property "
			"name='1a'/><property name='a b'/><property name='a-1.b'/>"
			"</expand-property>"));
	cr_expect(says(r, "<D:propstat><D:prop><D:a-1.b/></D:prop>"), "%.*s", STR_ARG(r->reply));
	/* What names nothing here stays as it is; what is not asked deeper, too. */
	want(r, 207,
		ask(r, "REPORT", "/principals/alice/", NULL,
			"<expand-property" NS "><property name='calendar-user-address-set' "
			"namespace='urn:ietf:params:xml:ns:caldav'><property name='displayname'/>"
			"</property><property name='principal-URL'/></expand-property>"));
	cr_expect(says(r, "<D:href>mailto:alice@example.org</D:href><D:response>"));
	cr_expect(
		says(r, "<D:principal-URL><D:href>/principals/alice/</D:href></D:principal-URL>"));
	want(r, 201, ask(r, "PUT", CAL "a", NULL, "1"));
	want(r, 207,
		ask(r, "REPORT", CAL, "Depth: 1\r\n",
			"<expand-property" NS "><property name='owner'><property "
			"name='displayname'/></property></expand-property>"));
	cr_expect_eq(times(r, "<D:displayname>Alice</D:displayname>"), 2);
	/* As deep as it likes. */
	struct buf b;
	buf_init(&b, &r->a);
	buf_addz(&b, "<expand-property" NS ">");
	for (int i = 0; i < 40; i++)
		buf_addz(&b, "<property name='owner'>");
	for (int i = 0; i < 40; i++)
		buf_addz(&b, "</property>");
	buf_addz(&b, "</expand-property>");
	want(r, 207, ask(r, "REPORT", CAL, NULL, b.p));
	cr_expect_lt(times(r, "<D:response>"), 12);
	want(r, 404, ask(r, "REPORT", CAL "none", NULL, "<expand-property" NS "/>"));
}
Test(principal, expands)
{
	rig_run(&service, expands);
}

/* ---- RFC 3744, 9 ---- */
#define SEARCH(more, prop, text) \
	"<principal-property-search" NS more "><property-search><prop>" prop "</prop><match>" text \
	"</match></property-search><prop><displayname/>" \
	"<C:calendar-home-set/></prop></principal-property-search>"

static void searches(struct rig *r)
{
	static const struct {
		const char *body;
		int found;
	} rows[] = {
		{ SEARCH("", "<displayname/>", "LIC"), 1 },
		{ SEARCH("", "<displayname/>", "bob"), 0 },
		{ SEARCH("", "<C:calendar-user-address-set/>", "mailto:alice@example.org"), 1 },
		{ SEARCH("", "<displayname/><C:calendar-user-address-set/>", "alice"), 1 },
		{ SEARCH("", "<displayname/><nope/>", "alice"), 0 },
		{ SEARCH("", "", "alice"), 0 },
		{ "<principal-property-search" NS " test='anyof'><property-search><prop>"
		  "<displayname/></prop><match>bob</match></property-search><property-search><prop>"
		  "<displayname/></prop><match>al</match></property-search>"
		  "<prop><displayname/></prop></principal-property-search>",
			1 },
		{ "<principal-property-search" NS "><property-search><prop>"
		  "<displayname/></prop><match>bob</match></property-search><property-search><prop>"
		  "<displayname/></prop><match>al</match></property-search>"
		  "<prop><displayname/></prop></principal-property-search>",
			0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		want(r, 207, ask(r, "REPORT", "/principals/", "Depth: 0\r\n", rows[i].body));
		cr_expect_eq(times(r, "<D:href>/principals/alice/</D:href><D:propstat>"),
			rows[i].found, "row %zu: %.*s", i, STR_ARG(r->reply));
	}
	want(r, 207, ask(r, "REPORT", CAL, NULL, SEARCH("", "<displayname/>", "alice")));
	cr_expect(!says(r, "<D:response>"));
	want(r, 207,
		ask(r, "REPORT", CAL, NULL,
			"<principal-property-search" NS "><property-search><prop><displayname/>"
			"</prop><match>alice</match></property-search>"
			"<apply-to-principal-collection-set/></principal-property-search>"));
	cr_expect(says(r, "<D:href>/principals/alice/</D:href><D:status>HTTP/1.1 200 OK"));
	want(r, 400, ask(r, "REPORT", "/principals/", NULL, "<principal-property-search" NS "/>"));
	want(r, 200,
		ask(r, "REPORT", "/principals/", NULL, "<principal-search-property-set" NS "/>"));
	cr_expect(says(r,
		"<D:principal-search-property><D:prop><D:displayname/></D:prop><D:description "));
	want(r, 207,
		ask(r, "REPORT", "/principals/", "Depth: 0\r\n",
			"<principal-match" NS
			"><self/><prop><displayname/></prop></principal-match>"));
	cr_expect_eq(times(r, "<D:response>"), 1);
	cr_expect(says(r, "<D:displayname>Alice</D:displayname>"));
	want(r, 207,
		ask(r, "REPORT", CAL, NULL, "<principal-match" NS "><self/></principal-match>"));
	cr_expect_eq(times(r, "<D:response>"), 0);
	want(r, 201, ask(r, "PUT", CAL "a", NULL, "1"));
	want(r, 207,
		ask(r, "REPORT", HOME, NULL,
			"<principal-match" NS "><principal-property><owner/></principal-property>"
			"</principal-match>"));
	cr_expect_eq(times(r, "<D:response>"), 3);
	want(r, 400, ask(r, "REPORT", HOME, NULL, "<principal-match" NS "/>"));
}
Test(principal, searches)
{
	rig_run(&service, searches);
}

#define HAS(name) says(r, "<D:report><D:" name "/></D:report>")
static void supported(struct rig *r)
{
	want(r, 201, ask(r, "PUT", CAL "a", NULL, "1"));
	want(r, 207,
		ask(r, "PROPFIND", CAL "a", "Depth: 0\r\n", PROPFIND("<supported-report-set/>")));
	cr_expect(HAS("expand-property") && !HAS("sync-collection") && !HAS("principal-match"));
	want(r, 207,
		ask(r, "PROPFIND", "/principals/alice/", "Depth: 0\r\n",
			PROPFIND("<supported-report-set/><alternate-URI-set/><group-membership/>"
				 "<group-member-set/><email-address-set "
				 "xmlns='http://calendarserver.org/ns/'/>")));
	cr_expect(HAS("principal-property-search") && HAS("expand-property") &&
		!HAS("sync-collection") && !says(r, "404 Not Found"));
	cr_expect(says(r, "<CS:email-address>alice@example.org</CS:email-address>"));
	want(r, 207, ask(r, "PROPFIND", HOME, "Depth: 1\r\n", PROPFIND("<supported-report-set/>")));
	cr_expect_eq(times(r, "<D:report><D:sync-collection/>"), 2);
	cr_expect_eq(times(r, "<D:report><C:calendar-multiget/>"), 2);
	cr_expect_eq(times(r, "<D:report><C:calendar-query/>"), 2);
	want(r, 207,
		ask(r, "PROPFIND", HOME, "Depth: 0\r\n",
			PROPFIND("<quota-used-bytes/><quota-available-bytes/>")));
	cr_expect(!says(r, "404 Not Found"));
}
Test(principal, supported_reports)
{
	rig_run(&service, supported);
}

/* ---- If ---- */
static void ifs(struct rig *r)
{
	struct str etag, token;
	enum { HERE = 1, OTHER = 2, TOKEN = 4 };
	static const struct {
		int status;
		const char *header; /* %s: the item's tag, %t: the calendar's sync token */
	} rows[] = {
		{ 204, "([%s])" },
		{ 412, "([\"no\"])" },
		{ 412, "([W/%s])" },
		{ 204, "([\"no\"]) ([%s])" },
		{ 412, "([%s] [\"no\"])" },
		{ 204, "(Not [\"no\"] [%s])" },
		{ 412, "(Not [%s])" },
		{ 412, "(<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2>)" },
		{ 412, "(<urn:uuid:x> [%s])" },
		{ 204, "(Not <DAV:no-lock>)" },
		{ 204, "(<urn:uuid:x>) (Not <DAV:no-lock> [%s])" },
		{ 204, "<" CAL "a> ([%s])" },
		{ 204, "<https://host:1" CAL "a>([%s])" },
		{ 412, "<" CAL "b> ([%s])" },
		{ 204, "<" CAL "b> ([%s]) </x> (<a:b>) <" CAL "a> ([\"no\"]) ([%s])" },
		{ 204, "<" CAL "> (<%t>)" },
		{ 412, "<" CAL "a> (<%t>)" },
		{ 412, "(<%t>)" },
		{ 412, "<" HOME "> (<%t>)" },
		{ 412, "</calendars/bob/cal/> (<%t>)" },
		{ 400, "" },
		{ 400, "()" },
		{ 400, "[%s]" },
		{ 400, "([%s]" },
		{ 400, "([%s" },
		{ 400, "(<x" },
		{ 400, "(Not)" },
		{ 400, "</a>" },
		{ 400, "</a> </b> ([%s])" },
		{ 400, "([%s]) </a> ([%s])" },
		{ 400, "([%s]) x" },
		{ 400, "(x)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b;

		(void)ask(r, "PUT", CAL "a", NULL, "0");
		want(r, 204, ask(r, "PUT", CAL "a", NULL, "1"));
		etag = header(r, "ETag");
		want(r, 207, ask(r, "PROPFIND", CAL, "Depth: 0\r\n", PROPFIND("<sync-token/>")));
		token = str_of(between(r, "<D:sync-token>", "</D:sync-token>"));
		buf_init(&b, &r->a);
		buf_addz(&b, "If: ");
		for (const char *p = rows[i].header; *p; p++) {
			bool t = p[0] == '%' && p[1] == 't', s = p[0] == '%' && p[1] == 's';
			if (s || t)
				buf_add(&b, s ? etag : token), p++;
			else
				buf_addc(&b, *p);
		}
		buf_addz(&b, "\r\n");
		int got = ask(r, "PUT", CAL "a", b.p, "2");
		cr_expect_eq(got, rows[i].status, "%s: %d", rows[i].header, got);
		want(r, 200, ask(r, "GET", CAL "a", NULL, NULL));
		cr_expect(says(r, got == 204 ? "2" : "1"), "%s", rows[i].header);
	}
	/* Of other methods as well. */
	want(r, 412, ask(r, "DELETE", CAL "a", "If: (<urn:x:y>)\r\n", NULL));
	want(r, 412, ask(r, "MKCOL", HOME "n/", "If: (<urn:x:y>)\r\n", NULL));
	want(r, 412, ask(r, "PROPPATCH", CAL, "If: ([\"x\"])\r\n", "<propertyupdate" NS "/>"));
	/* Dates that nobody knows are no condition. */
	want(r, 200,
		ask(r, "GET", CAL "a", "If-Modified-Since: Sat, 29 Oct 2044 19:43:31 GMT\r\n",
			NULL));
	want(r, 204,
		ask(r, "DELETE", CAL "a", "If-Unmodified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\n",
			NULL));
}
Test(principal, if_header)
{
	rig_run(&service, ifs);
}

/* ---- a browser ---- */
static void pages(struct rig *r)
{
	/* No password is asked for at /, and nobody is named. */
	want(r, 200, ask(r, "GET", "/", "X-Authorization: none\r\nAccept: text/html\r\n", NULL));
	cr_expect(says(r, "<h1>Allod: toy</h1>") && !says(r, "alice"));
	want(r, 401, ask(r, "GET", "/", "Authorization: Basic eA==\r\n", NULL));
	want(r, 401, ask(r, "PROPFIND", "/", "X-Authorization: none\r\n", NULL));
	want(r, 401, ask(r, "GET", HOME, "X-Authorization: none\r\n", NULL));
	cr_expect(str_istarts(header(r, "WWW-Authenticate"), STR("Basic ")));
	want(r, 200, ask(r, "GET", HOME, NULL, NULL));
	cr_expect(says(r, "belongs to alice"));
	want(r, 200, ask(r, "GET", CAL, NULL, NULL));
	cr_expect(says(r, "&lt;Cal&gt;") && !says(r, "<Cal>"));
	cr_expect(str_find(header(r, "Content-Security-Policy"), STR("default-src 'none'")) >= 0);
	want(r, 200, ask(r, "HEAD", CAL, NULL, NULL));
}
Test(principal, pages)
{
	rig_run(&service, pages);
}

/* ---- what is asked, and how much of it is told ---- */
static void asks(struct rig *r)
{
	want(r, 207,
		ask(r, "PROPFIND", CAL, "Depth: 0\r\n", "<propfind" NS "><allprop/></propfind>"));
	cr_expect(says(r, "displayname") && !says(r, "supported-report-set"));
	want(r, 207,
		ask(r, "PROPFIND", CAL, "Depth: 0\r\n",
			"<propfind" NS "><allprop/><include><owner/><displayname/><nope/></include>"
			"</propfind>"));
	cr_expect_eq(times(r, "<D:displayname>"), 1);
	cr_expect(says(r, "<D:owner><D:href>") &&
		says(r, "<D:nope/></D:prop><D:status>HTTP/1.1 404"));
	want(r, 207,
		ask(r, "PROPFIND", CAL, "Depth: 0\r\n",
			"<propfind" NS "><allprop/><include><displayname/></include></propfind>"));
	cr_expect_eq(times(r, "<D:propstat>"), 1);
	static const char *const briefly[] = { "Prefer: return=minimal\r\n",
		"Prefer: wait=5, return=minimal; x=y\r\n",
		"Prefer: wait=5\r\nPrefer: return-minimal\r\n", "Brief: t\r\n" };
	for (size_t i = 0; i < ARRAY_LEN(briefly); i++) {
		want(r, 207,
			ask(r, "PROPFIND", CAL, arena_fmt(&r->a, "Depth: 0\r\n%s", briefly[i]).p,
				PROPFIND("<displayname/><nope/>")));
		cr_expect(!says(r, "nope") && says(r, "displayname"), "%s", briefly[i]);
		cr_expect_eq(header(r, "Preference-Applied").n > 0, i < 3);
		/* Of a PROPPATCH only what failed; a body that tells of successes alone is what nobody asked for. */
		want(r, 200,
			ask(r, "PROPPATCH", CAL, briefly[i],
				"<propertyupdate" NS "><set><prop>"
				"<displayname>&lt;Cal></displayname></prop></set></"
				"propertyupdate>"));
		cr_expect(!says(r, "multistatus"));
		cr_expect_eq(header(r, "Preference-Applied").n > 0, i < 3);
		want(r, 207,
			ask(r, "PROPPATCH", CAL, briefly[i],
				"<propertyupdate" NS "><set><prop>"
				"<getetag>1</getetag></prop></set></propertyupdate>"));
		cr_expect(says(r, "<D:getetag/>"));
	}
	/* The item as it is kept, in the answer to what keeps it (RFC 7240, 4.2; RFC 8144, 3.1). */
	want(r, 201, ask(r, "PUT", CAL "a", "Prefer: return=representation\r\n", "1"));
	cr_expect(str_eq(r->reply, STR("1")) && header(r, "ETag").n);
	cr_expect(str_eq(header(r, "Content-Location"), STR(CAL "a")));
	cr_expect(str_eq(header(r, "Preference-Applied"), STR("return=representation")));
	cr_expect(str_starts(header(r, "Content-Type"), STR("text/toy")));
	want(r, 200, ask(r, "PUT", CAL "a", "Prefer: return=representation\r\n", "2"));
	cr_expect(str_eq(r->reply, STR("2")));
	want(r, 204, ask(r, "PUT", CAL "a", NULL, "1"));
	cr_expect_eq(header(r, "Content-Location").n, 0);
	want(r, 204, ask(r, "DELETE", CAL "a", NULL, NULL));
	want(r, 207,
		ask(r, "PROPFIND", CAL, "Depth: 0\r\nPrefer: return=minimally\r\n",
			PROPFIND("<nope/>")));
	cr_expect(says(r, "<D:nope/>"));
	want(r, 207,
		ask(r, "PROPFIND", HOME, "Depth: 1\r\nPrefer: depth-noroot\r\n",
			PROPFIND("<owner/>")));
	cr_expect_eq(times(r, "<D:response>"), 1);
	cr_expect(says(r, "<D:href>" CAL "</D:href>"));
	want(r, 200, ask(r, "OPTIONS", "*", NULL, NULL));
}
Test(principal, asks)
{
	rig_run(&service, asks);
}
