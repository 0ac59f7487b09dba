/* SPDX-License-Identifier: ISC */
/* addressbook-query over HTTP: one row a filter and whom it finds; what a book takes. */
#include "services/contacts/contacts.h"
#include "tests/dav/rig.h"

#define BOOK "/contacts/alice/contacts/"
#define NL   "\r\n"

static const struct {
	const char *name, *lines;
} cards[] = {
	{ "bob",
		"FN:Bob M\xc3\xbcller" NL "N:M\xc3\xbcller;Bob;;;" NL
		"EMAIL;TYPE=work:bob@example.org" NL "EMAIL;TYPE=home:bob@home.example" NL
		"NICKNAME:Bobby" NL },
	{ "eve",
		"FN:Eve" NL "N:;Eve;;;" NL "item1.TEL;TYPE=cell,voice:+49 123" NL
		"item1.X-ABLABEL:Mobile" NL "NOTE:knows\\, Bob" NL },
	{ "org",
		"FN:\xd0\x97\xd0\xb0\xd0\xb2\xd0\xbe\xd0\xb4" NL "ORG:Plant" NL
		"EMAIL:info@plant.example" NL },
};

#define PF(name, inner) "<C:prop-filter name='" name "'>" inner "</C:prop-filter>"
#define TM(attrs, text) "<C:text-match " attrs ">" text "</C:text-match>"
static const struct {
	const char *filter, *found;
} queries[] = {
	{ "<C:filter/>", "bob eve org" },
	{ "<C:filter>" PF("FN", TM("", "BOB")) "</C:filter>", "bob" },
	{ "<C:filter>" PF("FN", TM("match-type='equals'", "eve")) "</C:filter>", "eve" },
	{ "<C:filter>" PF("FN", TM("match-type='equals'", "ev")) "</C:filter>", "" },
	{ "<C:filter>" PF("FN", TM("match-type='starts-with'", "bob")) "</C:filter>", "bob" },
	{ "<C:filter>" PF("FN", TM("match-type='ends-with'", "M\xc3\x9cLLER")) "</C:filter>",
		"bob" },
	{ "<C:filter>" PF("FN", TM("collation='i;ascii-casemap'", "m\xc3\x9cller")) "</C:filter>",
		"" },
	{ "<C:filter>" PF("FN", TM("", "\xd0\xb7\xd0\x90\xd0\x92")) "</C:filter>", "org" },
	{ "<C:filter>" PF("EMAIL", "") "</C:filter>", "bob org" },
	{ "<C:filter>" PF("EMAIL", "<C:is-not-defined/>") "</C:filter>", "eve" },
	{ "<C:filter test='anyof'>" PF("FN", TM("", "eve")) PF("ORG", "") "</C:filter>",
		"eve org" },
	{ "<C:filter test='allof'>" PF("EMAIL", "") PF("ORG", "") "</C:filter>", "org" },
	{ "<C:filter><C:prop-filter name='EMAIL' test='allof'>" TM("", "home")
			TM("", "bob") "</C:prop-filter></C:filter>",
		"bob" },
	{ "<C:filter><C:prop-filter name='EMAIL' test='allof'>" TM("", "example.org")
			TM("", "home") "</C:prop-filter></C:filter>",
		"" },
	{ "<C:filter>" PF("EMAIL",
		  "<C:param-filter name='TYPE'>" TM("", "HOME") "</C:param-filter>") "</C:filter>",
		"bob" },
	{ "<C:filter>" PF("TEL",
		  "<C:param-filter name='TYPE'>" TM(
			  "match-type='equals'", "voice") "</C:param-filter>") "</C:filter>",
		"eve" },
	{ "<C:filter>" PF("EMAIL",
		  "<C:param-filter name='TYPE'><C:is-not-defined/></C:param-filter>") "</C:filter>",
		"org" },
	{ "<C:filter>" PF("item1.TEL", "") "</C:filter>", "eve" },
	{ "<C:filter>" PF("item2.TEL", "") "</C:filter>", "" },
	{ "<C:filter>" PF("NOTE", TM("", "knows, bob")) "</C:filter>", "eve" },
	{ "<C:filter>" PF("FN", TM("negate-condition='yes'", "bob")) "</C:filter>", "eve org" },
};

static const struct {
	const char *filter, *data;
	int status;
	const char *condition;
} refused[] = {
	{ "><C:nope/>", "", 403, "<CR:supported-filter/>" },
	{ ">" PF("FN", "<C:comp-filter/>"), "", 403,
		"<CR:supported-filter><prop-filter xmlns=\"urn:ietf:params:xml:ns:carddav\" "
		"name=\"FN\"/></CR:supported-filter>" },
	{ ">" PF("TEL", "<C:param-filter name='X'><C:param-filter name='Y'/></C:param-filter>"), "",
		403, "<CR:supported-filter><param-filter " },
	{ "><C:prop-filter/>", "", 400, "" },
	{ " test='some'>", "", 400, "" },
	{ ">" PF("FN", TM("match-type='like'", "x")), "", 400, "" },
	{ ">" PF("FN", TM("negate-condition='true'", "x")), "", 400, "" },
	{ ">" PF("FN", "<C:is-not-defined/>" TM("", "x")), "", 400, "" },
	{ ">", "<C:address-data content-type='text/x'/>", 403, "<CR:supported-address-data/>" },
	{ ">", "<C:address-data content-type='text/vcard' version='5.0'/>", 403,
		"<CR:supported-address-data/>" },
};

static int query(struct rig *r, const char *filter, const char *data, const char *more)
{
	return ask(r, "REPORT", BOOK, "Depth: 1\r\n",
		arena_fmt(&r->a,
			"<C:addressbook-query xmlns='DAV:' "
			"xmlns:C='urn:ietf:params:xml:ns:carddav'>"
			"<prop><getetag/>%s</prop>%s%s</C:addressbook-query>",
			data, filter, more)
			.p);
}

static void filters(struct rig *r)
{
	for (size_t i = 0; i < ARRAY_LEN(cards); i++)
		want(r, 201,
			ask(r, "PUT", arena_fmt(&r->a, BOOK "%s", cards[i].name).p, NULL,
				arena_fmt(&r->a,
					"BEGIN:VCARD" NL "VERSION:3.0" NL "UID:%s" NL
					"%sEND:VCARD" NL,
					cards[i].name, cards[i].lines)
					.p));
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		struct buf got;
		buf_init(&got, &r->a);
		buf_add(&got, STR(""));
		want(r, 207, query(r, queries[i].filter, "", ""));
		for (size_t k = 0; k < ARRAY_LEN(cards); k++)
			if (says(r, arena_fmt(&r->a, BOOK "%s<", cards[k].name).p))
				buf_fmt(&got, "%s%s", got.n ? " " : "", cards[k].name);
		cr_expect_str_eq(got.p, queries[i].found, "%s: %s", queries[i].filter, got.p);
	}
	want(r, 207, query(r, "<C:filter/>", "", "<C:limit><C:nresults>2</C:nresults></C:limit>"));
	cr_expect_eq(times(r, "<D:getetag>"), 2);
	cr_expect_eq(times(r, "HTTP/1.1 507"), 1);
	cr_expect(says(r, "<D:error><D:number-of-matches-within-limits/></D:error>"));
	want(r, 207,
		query(r, "<C:filter>" PF("FN", TM("", "eve")) "</C:filter>",
			"<C:address-data><C:prop name='FN'/><C:prop name='TEL'/></C:address-data>",
			""));
	cr_expect(says(r, "VERSION:3.0") && says(r, "item1.TEL") && !says(r, "NOTE"));
	/* A group in the name is that group; without the value, its parameters stay (10.4.2). In both versions. */
	for (int v = 3; v <= 4; v++) {
		want(r, 207,
			query(r, "<C:filter>" PF("FN", TM("", "eve")) "</C:filter>",
				arena_fmt(&r->a,
					"<C:address-data content-type='text/vcard' version='%d.0'>"
					"<C:prop name='item1.TEL' novalue='yes'/>"
					"<C:prop name='item2.FN'/></C:address-data>",
					v)
					.p,
				""));
		cr_expect(says(r, "item1.TEL;") && says(r, ":&#13;\nEND:VCARD"), "%.*s",
			STR_ARG(r->reply));
		cr_expect(!says(r, "FN"));
	}
	want(r, 403,
		query(r, "<C:filter>" PF("FN", TM("collation='x'", "eve")) "</C:filter>", "", ""));
	cr_expect(says(r, "supported-collation"));
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		want(r, refused[i].status,
			query(r, arena_fmt(&r->a, "<C:filter%s</C:filter>", refused[i].filter).p,
				refused[i].data, ""));
		cr_expect(says(r, refused[i].condition), "%s", refused[i].filter);
	}
	want(r, 400, query(r, "", "", ""));
}
Test(query, filters)
{
	rig_run(&contacts_service, filters);
}

static const struct {
	const char *body;
	int status;
	const char *condition;
} puts_[] = {
	{ "BEGIN:VCARD" NL "VERSION:4.0" NL "FN:x" NL "END:VCARD" NL, 201, "" },
	{ "BEGIN:VCARD\nVERSION:2.1\nFN;QUOTED-PRINTABLE:=\nx\nEND:VCARD", 201, "" },
	{ "", 403, "valid-address-data" },
	{ "BEGIN:VCARD" NL "VERSION:4.0" NL, 403, "valid-address-data" },
	{ "BEGIN:VCARD" NL "FN:no version" NL "END:VCARD" NL, 201, "" },
	{ "BEGIN:VCARD" NL "VERSION:5.0" NL "END:VCARD" NL, 403, "supported-address-data" },
	{ "BEGIN:VCARD" NL "VERSION:3.0" NL "END:VCARD" NL "BEGIN:VCARD" NL "VERSION:3.0" NL
	  "END:VCARD" NL,
		403, "valid-address-data" },
	{ "BEGIN:VCALENDAR" NL "END:VCALENDAR" NL, 403, "valid-address-data" },
	/* As address books write them. */
	{ "\xef\xbb\xbf" NL "BEGIN:VCARD" NL NL "VERSION:3.0 " NL "TEL;TYPE=CELL:4*" NL
	  "END:VCARD " NL NL,
		201, "" },
	{ "begin:vcard\nversion:3.0\nfn:\xc3\n \xa4\nn:;;;;\nend:vcard", 201, "" },
	{ "BEGIN:VCARD" NL "PROFILE:VCARD" NL "VERSION:3.0" NL "FN:x" NL "ORG:;" NL
	  "REV;VALUE=DATE-TIME:2018-08-06T10:46:49,147Z" NL "END:VCARD" NL,
		201, "" },
	{ "BEGIN:VCARD" NL "VERSION:3.0" NL "FN:x" NL "NOTE:a line" NL
	  "and its next, not escaped" NL NL "ADR;TYPE=\"HOME:;;1 Way" NL "END:VCARD" NL,
		201, "" },
	{ "BEGIN:VCARD" NL "VERSION:2.1" NL "N:x" NL "AGENT:" NL "BEGIN:VCARD" NL "VERSION:2.1" NL
	  "N:y" NL "END:VCARD" NL "PHOTO;GIF;BASE64:" NL "    R0lGODdh" NL NL "END:VCARD" NL,
		201, "" },
	{ "BEGIN:VCARD" NL "VERSION:3.0" NL "FN:a" NL "FN:b" NL "N:x" NL "TEL;;TYPE=;X=:1" NL
	  "item1.item2.URL:x" NL "X-\xe4:\xff" NL "CATEGORIES:" NL "END:VCARD" NL,
		201, "" },
};

/* RFC 6352, 8.6.3 to 8.6.5: the queries of its examples. */
static void examples(struct rig *r)
{
	static const char *const book[][2] = {
		{ "v102",
			"FN:Cyrus Daboo" NL "N:Daboo;Cyrus" NL "NICKNAME:me" NL
			"EMAIL;TYPE=INTERNET,PREF:daboo@example.com" NL },
		{ "v104", "FN:Oliver Daboo" NL "N:Daboo;Oliver" NL "EMAIL:oliver@example.com" NL },
		{ "v107", "FN:Boo Da" NL "N:Da;Boo" NL "EMAIL:DABOO@example.org" NL },
		{ "v108", "FN:Mel" NL "N:Mel" NL "EMAIL:mel@example.org" NL },
	};
	static const char daboo[] =
		"<C:filter test='anyof'><C:prop-filter name='FN'><C:text-match "
		"collation='i;unicode-casemap' "
		"match-type='contains'>daboo</C:text-match></C:prop-filter>"
		"<C:prop-filter name='EMAIL'><C:text-match collation='i;unicode-casemap' "
		"match-type='contains'>daboo</C:text-match></C:prop-filter></C:filter>";

	for (size_t i = 0; i < ARRAY_LEN(book); i++)
		want(r, 201,
			ask(r, "PUT", arena_fmt(&r->a, BOOK "%s.vcf", book[i][0]).p, NULL,
				arena_fmt(&r->a,
					"BEGIN:VCARD" NL "VERSION:3.0" NL "UID:%s" NL
					"%sEND:VCARD" NL,
					book[i][0], book[i][1])
					.p));
	want(r, 207,
		query(r,
			"<C:filter><C:prop-filter name='NICKNAME'><C:text-match "
			"collation='i;unicode-casemap' match-type='equals'>me</C:text-match>"
			"</C:prop-filter></C:filter>",
			"<C:address-data><C:prop name='VERSION'/><C:prop name='UID'/><C:prop "
			"name='NICKNAME'/><C:prop name='EMAIL'/><C:prop "
			"name='FN'/></C:address-data>",
			""));
	cr_expect(says(r, "v102.vcf<") && times(r, "<D:response>") == 1);
	cr_expect(says(r, "NICKNAME:me") && says(r, "EMAIL;TYPE") && !says(r, "N:Daboo"));
	want(r, 207, query(r, daboo, "", ""));
	cr_expect(says(r, "v102") && says(r, "v104") && says(r, "v107") && !says(r, "v108"));
	want(r, 207, query(r, daboo, "", "<C:limit><C:nresults>2</C:nresults></C:limit>"));
	cr_expect_eq(times(r, "<D:getetag>"), 2);
	cr_expect(says(r, "<D:href>" BOOK "</D:href><D:status>HTTP/1.1 507"));
	/* Of another type, and said to be. */
	want(r, 403,
		ask(r, "PUT", BOOK "x", "Content-Type: application/vcard+json\r\n", "[\"vcard\"]"));
	cr_expect(says(r, "<CR:supported-address-data/>"));
	want(r, 403, ask(r, "PUT", BOOK "x", "Content-Type: text/vcard\r\n", "[\"vcard\"]"));
	cr_expect(says(r, "<CR:valid-address-data/>"));
}
Test(query, examples)
{
	rig_run(&contacts_service, examples);
}

static void takes(struct rig *r)
{
	for (size_t i = 0; i < ARRAY_LEN(puts_); i++) {
		const char *at = arena_fmt(&r->a, BOOK "%zu", i).p;
		want(r, puts_[i].status, ask(r, "PUT", at, NULL, puts_[i].body));
		cr_expect(says(r, puts_[i].condition), "%zu: %.*s", i, STR_ARG(r->reply));
		if (puts_[i].status == 201) {
			want(r, 200, ask(r, "GET", at, NULL, NULL));
			cr_expect(str_eq(r->reply, str_of(puts_[i].body)));
		}
	}
}
Test(query, takes)
{
	rig_run(&contacts_service, takes);
}
