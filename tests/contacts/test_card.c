/* SPDX-License-Identifier: ISC */
/* vCards told in another version: a row a property, and whole cards there and back. */
#include "services/contacts/card.h"
#include "services/contacts/contacts.h"
#include "tests/dav/rig.h"

#define BOOK "/contacts/alice/contacts/"
#define NL   "\r\n"

/* Lines of a card of version `from`, and what stands for them in `to`; FN and N are left out of both. */
static const struct {
	const char *from, *lines, *to, *want;
} rows[] = {
	{ "3.0", "TEL;TYPE=HOME,PREF:1" NL, "4.0", "TEL;TYPE=HOME;PREF=1:1" NL },
	{ "4.0", "TEL;PREF=2;TYPE=home:1" NL "TEL;PREF=50:2" NL "TEL:3" NL, "3.0",
		"TEL;TYPE=home;TYPE=PREF:1" NL "TEL:2" NL "TEL:3" NL },
	{ "3.0", "EMAIL;TYPE=INTERNET,WORK:a@b" NL, "4.0", "EMAIL;TYPE=WORK:a@b" NL },
	{ "4.0", "EMAIL;TYPE=work:a@b" NL, "3.0", "EMAIL;TYPE=work:a@b" NL },
	/* pictures and sounds */
	{ "3.0", "PHOTO;ENCODING=b;TYPE=JPEG:/9j/AAAA" NL, "4.0",
		"PHOTO:data:image/jpeg;base64,/9j/AAAA" NL },
	{ "3.0", "PHOTO;ENCODING=B:iVBORw0KGgoAAA" NL, "4.0",
		"PHOTO:data:image/png;base64,iVBORw0KGgoAAA" NL },
	{ "3.0", "PHOTO;VALUE=URI;TYPE=GIF:http://x/a.gif" NL, "4.0",
		"PHOTO;MEDIATYPE=image/gif:http://x/a.gif" NL },
	{ "4.0", "PHOTO:data:image/jpeg;base64,/9j/AAAA" NL, "3.0",
		"PHOTO;ENCODING=b;TYPE=JPEG:/9j/AAAA" NL },
	{ "4.0", "PHOTO:data:image/png;base64\\,AAAA" NL, "3.0",
		"PHOTO;ENCODING=b;TYPE=PNG:AAAA" NL },
	{ "4.0", "LOGO;MEDIATYPE=image/gif:http://x/a.gif" NL, "3.0",
		"LOGO;VALUE=uri;TYPE=GIF:http://x/a.gif" NL },
	{ "3.0", "SOUND;TYPE=OGG;ENCODING=b:AAAA" NL, "4.0",
		"SOUND:data:audio/ogg;base64,AAAA" NL },
	{ "3.0", "KEY;TYPE=PGP;ENCODING=b:AAAA" NL, "4.0",
		"KEY:data:application/pgp-keys;base64,AAAA" NL },
	{ "4.0", "KEY:data:application/pgp-keys;base64,AAAA" NL, "3.0",
		"KEY;ENCODING=b;TYPE=PGP:AAAA" NL },
	/* dates */
	{ "3.0", "BDAY:1996-04-15" NL, "4.0", "BDAY:19960415" NL },
	{ "3.0", "BDAY;VALUE=date:1996-04-15" NL, "4.0", "BDAY:19960415" NL },
	{ "3.0", "BDAY:1953-10-15T23:10:00Z" NL, "4.0", "BDAY:19531015T231000Z" NL },
	{ "3.0", "BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-15" NL, "4.0", "BDAY:--0415" NL },
	{ "3.0", "BDAY;VALUE=text:circa 1800" NL, "4.0", "BDAY;VALUE=text:circa 1800" NL },
	{ "3.0", "BDAY:unknown" NL, "4.0", "BDAY:unknown" NL },
	{ "4.0", "BDAY:19960415" NL, "3.0", "BDAY:1996-04-15" NL },
	{ "4.0", "BDAY:--0415" NL, "3.0", "BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-15" NL },
	{ "4.0", "BDAY:19531015T231000-0500" NL, "3.0", "BDAY:1953-10-15T23:10:00-05:00" NL },
	{ "4.0", "BDAY:1985-04" NL, "3.0", "BDAY:1985-04" NL },
	{ "4.0", "ANNIVERSARY:20090808" NL, "3.0", "X-ANNIVERSARY:2009-08-08" NL },
	{ "3.0", "X-ANNIVERSARY:2009-08-08" NL, "4.0", "ANNIVERSARY:20090808" NL },
	{ "3.0", "REV:1995-10-31T22:27:10Z" NL, "4.0", "REV:19951031T222710Z" NL },
	{ "4.0", "REV:19951031T222710Z" NL, "3.0", "REV:1995-10-31T22:27:10Z" NL },
	/* places and zones */
	{ "3.0", "GEO:37.386013;-122.082932" NL, "4.0", "GEO:geo:37.386013,-122.082932" NL },
	{ "4.0", "GEO:geo:37.386013,-122.082932;u=35" NL, "3.0", "GEO:37.386013;-122.082932" NL },
	{ "3.0", "TZ:-05:00" NL, "4.0", "TZ;VALUE=utc-offset:-0500" NL },
	{ "4.0", "TZ;VALUE=utc-offset:-0500" NL, "3.0", "TZ:-05:00" NL },
	{ "4.0", "TZ:Raleigh/North America" NL, "3.0", "TZ;VALUE=text:Raleigh/North America" NL },
	{ "3.0", "TZ;VALUE=text:Europe/Berlin" NL, "4.0", "TZ:Europe/Berlin" NL },
	/* numbers and names of things */
	{ "4.0", "TEL;VALUE=uri;TYPE=voice:tel:+1-555-555-5555;ext=5448" NL, "3.0",
		"TEL;TYPE=voice:+1-555-555-5555 x5448" NL },
	{ "3.0", "UID:one" NL, "4.0", "UID;VALUE=text:one" NL },
	{ "3.0", "UID:urn:uuid:4fbe8971" NL, "4.0", "UID:urn:uuid:4fbe8971" NL },
	{ "4.0", "UID;VALUE=text:one" NL, "3.0", "UID:one" NL },
	{ "3.0", "SORT-STRING:Harten" NL, "4.0", "" },
	{ "3.0", "AGENT;VALUE=uri:CID:JQPUBLIC" NL, "4.0", "RELATED;TYPE=agent:CID:JQPUBLIC" NL },
	{ "4.0", "RELATED;TYPE=agent:urn:uuid:1" NL "RELATED;TYPE=friend:urn:uuid:2" NL, "3.0",
		"AGENT;VALUE=uri:urn:uuid:1" NL "RELATED;TYPE=friend:urn:uuid:2" NL },
	/* groups and firms */
	{ "3.0", "X-ADDRESSBOOKSERVER-KIND:group" NL "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:1" NL,
		"4.0", "KIND:group" NL "MEMBER:urn:uuid:1" NL },
	{ "4.0", "KIND:group" NL "MEMBER:urn:uuid:1" NL, "3.0",
		"X-ADDRESSBOOKSERVER-KIND:group" NL "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:1" NL },
	{ "3.0", "X-ABShowAs:COMPANY" NL, "4.0", "KIND:org" NL },
	{ "4.0", "KIND:org" NL, "3.0", "X-ABShowAs:COMPANY" NL },
	{ "4.0", "KIND:individual" NL, "3.0", "KIND:individual" NL },
	/* labels: with the address of the same types; alone */
	{ "3.0",
		"ADR;TYPE=HOME:;;1 Way;;;;" NL "ADR;TYPE=WORK:;;2 Way;;;;" NL
		"LABEL;TYPE=WORK:2 Way\\nTown" NL,
		"4.0",
		"ADR;TYPE=HOME:;;1 Way;;;;" NL "ADR;TYPE=WORK;LABEL=2 Way^nTown:;;2 Way;;;;" NL },
	{ "3.0", "LABEL;TYPE=HOME:a\\, b" NL, "4.0", "ADR;TYPE=HOME;LABEL=\"a, b\":;;;;;;" NL },
	{ "4.0", "ADR;LABEL=\"2 Way^nTown\";TYPE=work:;;2 Way;;;;" NL, "3.0",
		"LABEL;TYPE=work:2 Way\\nTown" NL "ADR;TYPE=work:;;2 Way;;;;" NL },
	/* what neither changes: groups, X-, escapes, several in one */
	{ "3.0", "item1.URL:http://x" NL "item1.X-ABLabel:_$!<HomePage>!$_" NL, "4.0",
		"item1.URL:http://x" NL "item1.X-ABLabel:_$!<HomePage>!$_" NL },
	{ "4.0", "NOTE;LANGUAGE=en;ALTID=1;PID=1.1:a\\, b\\; c\\nd" NL "X-FOO;A=b:c" NL, "3.0",
		"NOTE;LANGUAGE=en:a\\, b\\; c\\nd" NL "X-FOO;A=b:c" NL },
	{ "4.0", "X-P;A=\"^'q^'^^\":v" NL, "4.0", "X-P;A=^'q^'^^:v" NL },
	{ "4.0", "X-P;A=\"^'q^'\":v" NL, "3.0", "X-P;A='q':v" NL },
	{ "3.0", "NOTE;CHARSET=UTF-8:x" NL, "4.0", "NOTE:x" NL },
	{ "3.0", "NOTE;CHARSET=ISO-8859-1:\xe4" NL, "4.0", "NOTE:\xc3\xa4" NL },
	/* 2.1 */
	{ "2.1", "NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:a=C3=A4=0D=0Ab, c=\r\n;d" NL, "3.0",
		"NOTE:a\xc3\xa4\\nb\\, c\\;d" NL },
	{ "2.1", "TEL;HOME;VOICE;PREF:1" NL, "4.0", "TEL;TYPE=HOME;TYPE=VOICE;PREF=1:1" NL },
	{ "2.1", "TEL;HOME;VOICE:1" NL, "3.0", "TEL;TYPE=HOME;TYPE=VOICE:1" NL },
	{ "2.1", "PHOTO;JPEG;ENCODING=BASE64:\r\n /9j/\r\n AAAA" NL NL, "3.0",
		"PHOTO;TYPE=JPEG;ENCODING=b:/9j/AAAA" NL },
	{ "2.1", "PHOTO;JPEG;BASE64:\r\n /9j/\r\n AAAA" NL NL, "4.0",
		"PHOTO:data:image/jpeg;base64,/9j/AAAA" NL },
	{ "2.1", "ADR;WORK;QUOTED-PRINTABLE:;;a, b=0D=0Ac;T\\;own" NL, "3.0",
		"ADR;TYPE=WORK:;;a\\, b\\nc;T\\;own" NL },
};

static struct str convert(struct arena *a, const char *from, const char *lines, const char *to)
{
	const struct content *card;
	struct buf out;

	buf_init(&out, a);
	cr_assert_eq(card_read(&card, a,
			     arena_fmt(a, "BEGIN:VCARD" NL "VERSION:%s" NL "%sEND:VCARD" NL, from,
				     lines)),
		0, "%s", lines);
	cr_assert_eq(card_convert(&out, a, card, card_version_of(str_of(to)), NULL, NULL), 0);
	return buf_str(&out);
}

Test(card, properties)
{
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str want = arena_fmt(&a,
			"BEGIN:VCARD" NL "VERSION:%s" NL "FN:x" NL "N:x;;;;" NL "%sEND:VCARD" NL,
			rows[i].to, rows[i].want);
		struct str got = convert(&a, rows[i].from,
			arena_fmt(&a, "FN:x" NL "N:x;;;;" NL "%s", rows[i].lines).p, rows[i].to);
		/* SORT-STRING goes into N. */
		if (!strstr(rows[i].lines, "SORT-STRING"))
			cr_expect(str_eq(got, want), "%s: %.*s", rows[i].lines, STR_ARG(got));
		else
			cr_expect(str_find(got, STR("N;SORT-AS=Harten:x;;;;" NL)) > 0);
	}
	arena_free(&a);
}

/* FN is made where it is missing, and N for 3.0; lines are folded between characters. */
Test(card, completed)
{
	static const struct {
		const char *from, *lines, *to, *want;
	} made[] = {
		{ "3.0", "N:Stevenson;John;;;" NL, "4.0", "FN:John Stevenson" NL },
		{ "3.0", "ORG:Plant\\, Inc.;Unit" NL, "4.0", "FN:Plant\\, Inc." NL },
		{ "3.0", "EMAIL:a@b" NL, "4.0", "FN:a@b" NL },
		{ "4.0", "FN:Eve A." NL, "3.0", "N:Eve A.;;;;" NL },
		{ "4.0", "X:y" NL, "3.0", "FN:" NL "N:;;;;" NL },
		{ "3.0",
			"FN:x" NL
			"NOTE;LANGUAGE=de:12345678901234567890123456789012345678901234567890"
			"12345678\xc3\xa4\xc3\xb6" NL,
			"4.0",
			"NOTE;LANGUAGE=de:12345678901234567890123456789012345678901234567890"
			"12345678" NL " \xc3\xa4\xc3\xb6" NL },
	};
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		struct str got = convert(&a, made[i].from, made[i].lines, made[i].to);
		cr_expect(str_find(got, str_of(made[i].want)) > 0, "%s: %.*s", made[i].want,
			STR_ARG(got));
	}
	arena_free(&a);
}

/* A card as address books write it is the same after two conversions. */
Test(card, there_and_back)
{
	static const char card[] =
		"N:Gump;Forrest;;Mr.;" NL "FN:Forrest Gump" NL "ORG:Bubba Gump Shrimp Co." NL
		"PHOTO;ENCODING=b;TYPE=GIF:R0lGODdh" NL "TEL;TYPE=WORK;TYPE=VOICE:(111) 555-1212" NL
		"TEL;TYPE=HOME;TYPE=PREF:(404) 555-1212" NL "LABEL;TYPE=WORK:42 Plantation St." NL
		"ADR;TYPE=WORK:;;42 Plantation St.;Baytown;LA;30314;USA" NL "BDAY:1944-06-06" NL
		"GEO:30.3;-91.1" NL "TZ:-06:00" NL "REV:2008-04-24T19:52:43Z" NL "UID:gump" NL
		"X-ADDRESSBOOKSERVER-KIND:group" NL "item1.X-ABLabel:x" NL;
	struct arena a;
	struct str there, back;

	arena_init(&a, 1 << 20);
	there = convert(&a, "3.0", card, "4.0");
	there = str_sub(there, strlen("BEGIN:VCARD" NL "VERSION:4.0" NL), there.n - 11);
	back = convert(&a, "4.0", arena_dup(&a, there).p, "3.0");
	cr_expect(str_eq(back,
			  arena_fmt(&a, "BEGIN:VCARD" NL "VERSION:3.0" NL "%sEND:VCARD" NL, card)),
		"%.*s", STR_ARG(back));
	arena_free(&a);
}

static const struct {
	const char *accept;
	enum card_version is, want;
} accepts[] = {
	{ "text/vcard;version=4.0", CARD_30, CARD_40 },
	{ "text/vcard; version=\"3.0\"", CARD_40, CARD_30 },
	{ "text/vcard", CARD_40, CARD_40 },
	{ "*/*", CARD_30, CARD_30 },
	{ "text/vcard;version=4.0, text/vcard;version=3.0", CARD_30, CARD_30 },
	{ "text/vcard;version=4.0;q=0.9, text/vcard;version=3.0;q=0.85", CARD_30, CARD_40 },
	{ "text/vcard;version=4.0, */*;q=0.1", CARD_30, CARD_40 },
	{ "text/vcard;version=5.0", CARD_30, CARD_30 },
	{ "application/json;version=4.0", CARD_30, CARD_30 },
	{ "text/vcard;version=3.0", CARD_21, CARD_30 },
	{ "", CARD_21, CARD_21 },
};

Test(card, accept)
{
	for (size_t i = 0; i < ARRAY_LEN(accepts); i++)
		cr_expect_eq(card_accepted(str_of(accepts[i].accept), accepts[i].is),
			accepts[i].want, "%s", accepts[i].accept);
}

/* ---- over HTTP: what is stored stays, and so does its tag ---- */
static int get(struct rig *r, const char *data)
{
	return ask(r, "REPORT", BOOK, NULL,
		arena_fmt(&r->a,
			"<C:addressbook-multiget xmlns='DAV:' "
			"xmlns:C='urn:ietf:params:xml:ns:carddav'><prop><getetag/>%s</"
			"prop><href>" BOOK "a</href></C:addressbook-multiget>",
			data)
			.p);
}

static void asked(struct rig *r)
{
	static const char card[] =
		"BEGIN:VCARD" NL "VERSION:3.0" NL "UID:a" NL "FN:x" NL "N:x;;;;" NL
		"PHOTO;ENCODING=b;TYPE=JPEG:/9j/AAAA" NL "END:VCARD" NL;
	struct str tag;

	want(r, 201, ask(r, "PUT", BOOK "a", NULL, card));
	tag = header(r, "ETag");
	want(r, 200, ask(r, "GET", BOOK "a", "Accept: text/vcard; version=4.0\r\n", NULL));
	cr_expect(says(r, "VERSION:4.0") && says(r, "PHOTO:data:image/jpeg;base64,/9j/AAAA"));
	cr_expect(str_eq(header(r, "ETag"), tag) && str_eq(header(r, "Vary"), STR("Accept")));
	cr_expect(str_starts(header(r, "Content-Type"), STR("text/vcard; version=4.0")));
	want(r, 200, ask(r, "GET", BOOK "a", "Accept: text/vcard, */*\r\n", NULL));
	cr_expect(str_eq(r->reply, str_of(card)) && str_eq(header(r, "ETag"), tag));
	want(r, 207, get(r, "<C:address-data content-type='text/vcard' version='4.0'/>"));
	cr_expect(says(r, "PHOTO:data:image/jpeg") && says(r, arena_dup(&r->a, tag).p));
	want(r, 207, get(r, "<C:address-data version='3.0'/>"));
	cr_expect(says(r, "PHOTO;ENCODING=b;TYPE=JPEG:"));
	want(r, 207, get(r, "<C:address-data/>"));
	cr_expect(says(r, "PHOTO;ENCODING=b;TYPE=JPEG:"));
	want(r, 207,
		get(r,
			"<C:address-data version='4.0'><C:prop name='UID'/><C:prop name='PHOTO'/>"
			"</C:address-data>"));
	cr_expect(says(r, "UID;VALUE=text:a") && says(r, "PHOTO:data:") && !says(r, "FN:"));
	cr_expect(says(r, "VERSION:4.0"));
}
Test(card, asked)
{
	rig_run(&contacts_service, asked);
}

/* A photo as large as an item may be is converted within the memory of one item. */
static void large(struct rig *r)
{
	static const char head[] = "BEGIN:VCARD" NL "VERSION:3.0" NL "UID:a" NL "FN:x" NL
				   "N:x;;;;" NL "PHOTO;ENCODING=b;TYPE=JPEG:",
			  tail[] = NL "END:VCARD" NL;
	char *card = arena_alloc(&r->a, DAV_ITEM_MAX + 1);
	size_t n = sizeof(head) - 1, end = DAV_ITEM_MAX - sizeof(tail) + 1;

	memcpy(card, head, n);
	for (size_t column = n; n < end; column++) {
		if (column % 75 == 74 && n + 3 < end) {
			memcpy(card + n, NL " ", 3);
			n += 3;
		} else {
			card[n++] = 'A';
		}
	}
	memcpy(card + n, tail, sizeof(tail));
	want(r, 201, ask(r, "PUT", BOOK "a", NULL, card));
	want(r, 200, ask(r, "GET", BOOK "a", "Accept: text/vcard; version=4.0\r\n", NULL));
	cr_expect(says(r, "PHOTO:data:image/jpeg;base64,AAAA"));
	want(r, 207, get(r, "<C:address-data version='4.0'/>"));
	cr_expect(says(r, "PHOTO:data:image/jpeg;base64,AAAA"));
	want(r, 207,
		get(r, "<C:address-data version='4.0'><C:prop name='PHOTO'/></C:address-data>"));
	cr_expect(says(r, "PHOTO:data:image/jpeg;base64,AAAA"));
}
Test(card, large)
{
	rig_run(&contacts_service, large);
}
