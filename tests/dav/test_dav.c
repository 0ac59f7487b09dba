/* SPDX-License-Identifier: ISC */
/* The methods, over a service whose items are lines "uid=..."; one test a family. */
#include "tests/dav/rig.h"
#include "os/crypto.h"
#include "os/fiber.h"

static int check(struct dav_facts *out, struct dav_refusal *why, struct arena *a,
	const struct dav_meta *collection, struct str bytes)
{
	struct str line, rest;

	(void)a;
	(void)collection;
	*why = (struct dav_refusal){ 403, XML_CARDDAV, "valid-address-data", NULL };
	if (!str_starts(bytes, STR("uid=")))
		return err_set(ERR_BAD, "no uid");
	str_cut(&line, &rest, bytes, '\n');
	*out = (struct dav_facts){ .uid = str_sub(line, 4, line.n) };
	return 0;
}

static int data(struct buf *out, struct arena *a, struct str bytes, const struct xml *asked,
	const void *zone)
{
	(void)a;
	(void)asked;
	(void)zone;
	buf_add(out, bytes);
	return out->err;
}

static const struct dav_default defaults[] = { { "book", "Book", { .kind = DAV_ADDRESSBOOK } },
	{ 0 } };
static const struct dav_report reports[] = { { { 0 }, NULL, NULL } };
static const struct dav_service service = {
	.name = "toy",
	.home = { "contacts", 8 },
	.well_known = "carddav",
	.classes = "addressbook",
	.kind = DAV_ADDRESSBOOK,
	.type = { "text/toy", 8 },
	.defaults = defaults,
	.check = check,
	.reports = reports,
	.data_ns = { "urn:ietf:params:xml:ns:carddav", 30 },
	.data_name = "address-data",
	.data = data,
};

#define HOME "/contacts/alice/"
#define BOOK HOME "book/"
#define PROPFIND(props) \
	"<propfind xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:carddav'><prop>" props \
	"</prop></propfind>"

/* ---- who may ----  */
static void doors(struct rig *r)
{
	want(r, 401, ask(r, "PROPFIND", "/", "Authorization: Basic x\r\n", NULL));
	cr_expect(str_istarts(header(r, "WWW-Authenticate"), STR("Basic realm=")));
	want(r, 401, ask(r, "OPTIONS", "/", "Authorization: Basic YWxpY2U6eA==\r\n", NULL));
	want(r, 301, ask(r, "PROPFIND", "/.well-known/carddav", "Authorization: x\r\n", NULL));
	cr_expect(str_eq(header(r, "Location"), STR("/")));
	want(r, 404, ask(r, "PROPFIND", "/.well-known/caldav", NULL, NULL));
	want(r, 403, ask(r, "PROPFIND", "/contacts/bob/", "Depth: 0\r\n", NULL));
	want(r, 403, ask(r, "PUT", "/contacts/bob/book/x", NULL, "uid=1"));
	want(r, 403, ask(r, "PROPFIND", "/principals/bob/", "Depth: 0\r\n", NULL));
	want(r, 404, ask(r, "PROPFIND", "/calendars/alice/", "Depth: 0\r\n", NULL));
	want(r, 404, ask(r, "GET", BOOK "none", NULL, NULL));
	want(r, 400, ask(r, "GET", BOOK "a%2fb", NULL, NULL));
	want(r, 405, ask(r, "PATCH", BOOK, NULL, "x"));
	want(r, 200, ask(r, "OPTIONS", "/principals/alice/", NULL, NULL));
	cr_expect(str_find(header(r, "DAV"), STR("addressbook")) > 0);
	want(r, 200, ask(r, "GET", "/", NULL, NULL));
	cr_expect(
		says(r, "app-password") && str_starts(header(r, "Content-Type"), STR("text/html")));
}
Test(dav, doors)
{
	rig_run(&service, doors);
}

/* What a device's token opens is the git repository. */
static void tokens(struct rig *r)
{
	struct id_key laptop = { ID_TOKEN, STR("alice"), STR("laptop") };
	struct str token = STR_NONE;
	struct buf basic;
	const char *both[2];

	cr_assert_eq(id_secret_add(&token, &r->a, r->cfg.registry, &laptop, os_wall_sec() + 60), 0);
	buf_init(&basic, &r->a);
	os_base64(&basic, arena_fmt(&r->a, "alice:%.*s", STR_ARG(token)));
	both[0] = arena_fmt(&r->a, "Authorization: Basic %s\r\n", basic.p).p;
	both[1] = arena_fmt(&r->a, "Authorization: Bearer %.*s\r\n", STR_ARG(token)).p;
	for (int i = 0; i < 2; i++) {
		want(r, 401, ask(r, "PROPFIND", HOME, both[i], NULL));
		cr_expect(str_istarts(header(r, "WWW-Authenticate"), STR("Basic realm=")));
		want(r, 401, ask(r, "PUT", BOOK "x", both[i], "uid=1"));
		want(r, 200,
			ask(r, "GET", "/alice.git/info/refs?service=git-upload-pack", both[i],
				NULL));
	}
}
Test(dav, takes_no_tokens)
{
	rig_run(&service, tokens);
}

static void discovery(struct rig *r)
{
	want(r, 207,
		ask(r, "PROPFIND", "/", "Depth: 0\r\n",
			PROPFIND("<current-user-principal/><nope/>")));
	cr_expect(says(r, "<D:current-user-principal><D:href>/principals/alice/</D:href>"));
	cr_expect(says(r, "<D:nope/></D:prop><D:status>HTTP/1.1 404"));
	want(r, 207,
		ask(r, "PROPFIND", "/", "Depth: 0\r\nPrefer: return=minimal\r\n",
			PROPFIND("<current-user-principal/><nope/>")));
	cr_expect(!says(r, "nope"));
	want(r, 207,
		ask(r, "PROPFIND", "/principals/alice/", "Depth: 0\r\n",
			PROPFIND("<resourcetype/><C:addressbook-home-set/>")));
	cr_expect(says(r, "<D:principal/>") && says(r, "<D:href>" HOME "</D:href>"));
	want(r, 207,
		ask(r, "PROPFIND", HOME, "Depth: 1\r\n",
			PROPFIND("<resourcetype/><displayname/><current-user-privilege-set/>")));
	cr_expect(says(r, "<D:href>" BOOK "</D:href>") && says(r, "<CR:addressbook/>"));
	cr_expect(says(r, "<D:read/>") && says(r, "Book"));
	/* Without a Depth it is infinity (RFC 4918, 9.1); beyond the homes there is no end of it. */
	want(r, 207, ask(r, "PROPFIND", HOME, NULL, NULL));
	cr_expect(says(r, "<D:href>" HOME "</D:href>") && says(r, "<D:href>" BOOK "</D:href>"));
	want(r, 403, ask(r, "PROPFIND", "/", NULL, NULL));
	cr_expect(says(r, "<D:propfind-finite-depth/>"));
	want(r, 400, ask(r, "PROPFIND", HOME, "Depth: 1\r\n", "<a"));
	want(r, 400, ask(r, "PROPFIND", HOME, "Depth: 1\r\n", "<!DOCTYPE a><a/>"));
	want(r, 400, ask(r, "PROPFIND", HOME, "Depth: 2\r\n", NULL));
}
Test(dav, discovery)
{
	rig_run(&service, discovery);
}

/* ---- items ---- */
static void items(struct rig *r)
{
	struct str tag, second;
	const char *match;

	want(r, 201, ask(r, "PUT", BOOK "a%20b.vcf", "If-None-Match: *\r\n", "uid=1"));
	tag = header(r, "ETag");
	cr_expect(tag.n == 42);
	want(r, 200, ask(r, "GET", "http://x" BOOK "a%20b.vcf", NULL, NULL));
	cr_expect(says(r, "uid=1") && str_eq(header(r, "ETag"), tag));
	want(r, 412, ask(r, "PUT", BOOK "a%20b.vcf", "If-None-Match: *\r\n", "uid=1"));
	want(r, 412, ask(r, "PUT", BOOK "a%20b.vcf", "If-Match: \"x\"\r\n", "uid=1"));
	match = arena_fmt(&r->a, "If-Match: %.*s\r\n", STR_ARG(tag)).p;
	want(r, 204, ask(r, "PUT", BOOK "a%20b.vcf", match, "uid=1\nchanged"));
	second = header(r, "ETag");
	cr_expect(!str_eq(tag, second));
	want(r, 412, ask(r, "DELETE", BOOK "a%20b.vcf", match, NULL));
	want(r, 412, ask(r, "PUT", BOOK "new", "If-Match: *\r\n", "uid=2"));
	want(r, 304,
		ask(r, "GET", BOOK "a%20b.vcf",
			arena_fmt(&r->a, "If-None-Match: %.*s\r\n", STR_ARG(second)).p, NULL));
	want(r, 403, ask(r, "PUT", BOOK "bad", NULL, "nothing"));
	cr_expect(says(r, "<CR:valid-address-data/>"));
	want(r, 400, ask(r, "PUT", BOOK "part", "Content-Range: bytes 0-4/9\r\n", "uid=1"));
	want(r, 409, ask(r, "PUT", HOME "none/x", NULL, "uid=1"));
	want(r, 405, ask(r, "PUT", HOME "book", NULL, "uid=1"));
	want(r, 403, ask(r, "DELETE", HOME, NULL, NULL));
	want(r, 204, ask(r, "DELETE", BOOK "a%20b.vcf", NULL, NULL));
	want(r, 404, ask(r, "GET", BOOK "a%20b.vcf", NULL, NULL));
	want(r, 404, ask(r, "DELETE", BOOK "a%20b.vcf", NULL, NULL));
}
Test(dav, items)
{
	rig_run(&service, items);
}

static void too_large(struct rig *r)
{
	char *big = arena_alloc(&r->a, DAV_ITEM_MAX + 2);

	memset(big, 'x', DAV_ITEM_MAX + 1);
	memcpy(big, "uid=", 4);
	big[DAV_ITEM_MAX + 1] = 0;
	want(r, 403, ask(r, "PUT", BOOK "big", NULL, big));
	cr_expect(says(r, "max-resource-size"));
	big[DAV_ITEM_MAX] = 0;
	want(r, 201, ask(r, "PUT", BOOK "big", NULL, big));
	want(r, 200, ask(r, "GET", BOOK "big", NULL, NULL));
	cr_expect_eq(r->reply.n, DAV_ITEM_MAX);
}
Test(dav, too_large)
{
	rig_run(&service, too_large);
}

/* A UID stands once in a collection, whatever the rows went through. */
static void uids(struct rig *r)
{
	want(r, 201, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
	for (int i = 0; i < 3; i++) {
		want(r, 409, ask(r, "PUT", BOOK "b", NULL, "uid=1"));
		cr_expect(says(r, "no-uid-conflict") && says(r, BOOK "a"));
		want(r, 204, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
		if (i == 0)
			rig_reopen(r);
		else
			rig_rebuild(r);
	}
	want(r, 201,
		ask(r, "MKCOL", HOME "other/", "Content-Type: application/xml\r\n",
			"<mkcol xmlns='DAV:'><set><prop><resourcetype><collection/>"
			"<addressbook xmlns='urn:ietf:params:xml:ns:carddav'/></resourcetype>"
			"</prop></set></mkcol>"));
	want(r, 201, ask(r, "PUT", HOME "other/b", NULL, "uid=1"));
	want(r, 409, ask(r, "MOVE", HOME "other/b", "Destination: " BOOK "c\r\n", NULL));
	want(r, 201, ask(r, "MOVE", BOOK "a", "Destination: " BOOK "c\r\n", NULL));
	want(r, 409, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
	want(r, 204, ask(r, "DELETE", BOOK "c", NULL, NULL));
	want(r, 201, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
	/* Nor does an item become another one: dav_uid_kept in item.c. */
	want(r, 409, ask(r, "PUT", BOOK "a", NULL, "uid=2"));
	cr_expect(says(r, "no-uid-conflict") && says(r, BOOK "a"));
	want(r, 204, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
	/* By COPY or MOVE neither, from elsewhere or from beside it; the same one may come back. */
	want(r, 201, ask(r, "PUT", BOOK "e", NULL, "uid=5"));
	want(r, 201, ask(r, "PUT", HOME "other/f", NULL, "uid=6"));
	/* What may not be replaced is told before whose UID it has. */
	want(r, 412,
		ask(r, "COPY", HOME "other/f", "Overwrite: F\r\nDestination: " BOOK "a\r\n", NULL));
	want(r, 409, ask(r, "COPY", HOME "other/f", "Destination: " BOOK "a\r\n", NULL));
	cr_expect(says(r, "<CR:no-uid-conflict><D:href>" BOOK "a</D:href>"));
	want(r, 409, ask(r, "MOVE", HOME "other/f", "Destination: " BOOK "a\r\n", NULL));
	want(r, 409, ask(r, "MOVE", BOOK "e", "Destination: " BOOK "a\r\n", NULL));
	want(r, 200, ask(r, "GET", BOOK "a", NULL, NULL));
	cr_expect(says(r, "uid=1"));
	want(r, 204, ask(r, "COPY", HOME "other/b", "Destination: " BOOK "a\r\n", NULL));
	/* Books stand in no book. */
	want(r, 403, ask(r, "COPY", HOME "other/", "Destination: " BOOK "x/\r\n", NULL));
	cr_expect(says(r, "<CR:addressbook-collection-location-ok/>"));
}
Test(dav, uids)
{
	rig_run(&service, uids);
}

/* What was checked before the turn came has to hold in it: the collection goes away between. */
struct late {
	struct rig r;
	const char *method, *target, *headers, *body;
	int status; /* of the reply, once there */
};

static void late(void *arg)
{
	struct late *l = arg;
	l->status = ask(&l->r, l->method, l->target, l->headers, l->body);
}

static void lateness(struct rig *r)
{
	static const struct late rows[] = {
		{ .method = "PUT", .target = BOOK "x", .body = "uid=9" },
		{ .method = "COPY",
			.target = HOME "note",
			.headers = "Destination: " BOOK "x\r\n" },
		{ .method = "MKCOL", .target = HOME "plain/in/" },
	};
	static const char mkcol[] = "<mkcol xmlns='DAV:'><set><prop><resourcetype><collection/>"
				    "<addressbook xmlns='urn:ietf:params:xml:ns:carddav'/>"
				    "</resourcetype></prop></set></mkcol>";
	struct store_why why = { STR("alice"), STR("a@b"), STR("delete"), 0 };

	want(r, 201, ask(r, "PUT", HOME "note", NULL, "uid=1"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *folder = i < 2 ? "book" : "plain";
		struct late *l = arena_alloc(&r->a, sizeof(*l));
		struct store_edit *e;

		if (i == 1)
			want(r, 201, ask(r, "MKCOL", BOOK, NULL, mkcol));
		if (i == 2)
			want(r, 201, ask(r, "MKCOL", HOME "plain/", NULL, NULL));
		*l = rows[i];
		l->r = *r;
		arena_init(&l->r.a, 1 << 20);
		cr_assert_eq(
			store_edit_begin(&e, r->cfg.store, STR("refs/heads/alice"), OS_FOREVER), 0);
		cr_assert_eq(os_spawn("late", late, l), 0);
		for (int k = 0; k < 100; k++)
			os_yield(); /* it has checked, and waits */
		cr_assert_eq(l->status, 0, "%s did not wait", l->method);
		cr_assert_eq(store_edit_del(e, str_of(folder)), 0);
		cr_assert_eq(store_edit_commit(NULL, e, &why), 0);
		while (l->status == 0)
			os_sleep(os_after(OS_MS));
		cr_expect_eq(l->status, 409, "%s: %d", l->method, l->status);
		want(r, 404, ask(r, "GET", i < 2 ? BOOK : HOME "plain/", NULL, NULL));
		arena_free(&l->r.a);
	}
}
Test(dav, lateness)
{
	rig_run(&service, lateness);
}

/* What If named stood there when the request came, and another device was faster: caught is a DELETE or PROPPATCH
 * that does not look again in its turn, and takes out what nobody has seen. */
static void overtaken(struct rig *r)
{
	static const char *const methods[] = { "DELETE", "PROPPATCH" };
	static const char set[] = "<propertyupdate xmlns='DAV:'><set><prop><displayname>b"
				  "</displayname></prop></set></propertyupdate>";
	struct store_why why = { STR("alice"), STR("a@b"), STR("put"), 0 };
	struct str at[] = { STR("book"), STR("a") };
	struct buf file;

	buf_init(&file, &r->a);
	dav_item_file(&file, at, 2);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		struct late *l = arena_alloc(&r->a, sizeof(*l));
		struct store_edit *e;

		want(r, i ? 204 : 201, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
		*l = (struct late){ .r = *r,
			.method = methods[i],
			.target = BOOK "a",
			.headers =
				arena_fmt(&r->a, "If: ([%.*s])\r\n", STR_ARG(header(r, "ETag"))).p,
			.body = i ? set : NULL };
		arena_init(&l->r.a, 1 << 20);
		cr_assert_eq(
			store_edit_begin(&e, r->cfg.store, STR("refs/heads/alice"), OS_FOREVER), 0);
		cr_assert_eq(os_spawn("late", late, l), 0);
		for (int k = 0; k < 100; k++)
			os_yield(); /* it has looked, and waits */
		cr_assert_eq(l->status, 0, "%s did not wait", l->method);
		cr_assert_eq(store_edit_put_bytes(e, buf_str(&file), STR("uid=1\nnew")), 0);
		cr_assert_eq(store_edit_commit(NULL, e, &why), 0);
		while (l->status == 0)
			os_sleep(os_after(OS_MS));
		cr_expect_eq(l->status, 412, "%s: %d", l->method, l->status);
		want(r, 200, ask(r, "GET", BOOK "a", NULL, NULL));
		cr_expect(says(r, "new"));
		arena_free(&l->r.a);
	}
	want(r, 412, ask(r, "PROPPATCH", BOOK "a", "If-Match: \"1\"\r\n", set));
}
Test(dav, overtaken)
{
	rig_run(&service, overtaken);
}

/* Copies of copies: some dozens of requests would fill any disk's index. */
static void copies(struct rig *r)
{
	want(r, 201, ask(r, "MKCOL", HOME "p0/", NULL, NULL));
	want(r, 201, ask(r, "PUT", HOME "p0/x", NULL, "uid=1"));
	for (int i = 0; i < 4; i++) {
		const char *from = arena_fmt(&r->a, HOME "p%d/", i).p;
		want(r, 201, ask(r, "MKCOL", arena_fmt(&r->a, HOME "p%d/", i + 1).p, NULL, NULL));
		for (int k = 0; k < 10; k++)
			want(r, 201,
				ask(r, "COPY", from,
					arena_fmt(
						&r->a, "Destination: " HOME "p%d/%d/\r\n", i + 1, k)
						.p,
					NULL));
	}
	want(r, 507, ask(r, "COPY", HOME "p4/", "Destination: " HOME "p5/\r\n", NULL));
	want(r, 201, ask(r, "COPY", HOME "p4/", "Depth: 0\r\nDestination: " HOME "p5/\r\n", NULL));
	want(r, 201, ask(r, "MOVE", HOME "p4/", "Destination: " HOME "p6/\r\n", NULL));
}
Test(dav, copies)
{
	rig_run(&service, copies);
}

/* Many at once with one UID: one of them is let in. */
static struct {
	struct rig *rig;
	unsigned begun, ended, in, refused;
} race;

static void racer(void *arg)
{
	struct rig r = { .cfg = race.rig->cfg, .password = race.rig->password };

	(void)arg;
	arena_init(&r.a, 1 << 20);
	int status =
		ask(&r, "PUT", arena_fmt(&r.a, BOOK "racer%u", race.begun++).p, NULL, "uid=race");
	race.in += status == 201;
	race.refused += status == 409;
	arena_free(&r.a);
	race.ended++;
}

static void races(struct rig *r)
{
	race.rig = r;
	/* The first ones also find no account yet, and all of them get one. */
	for (unsigned round = 1; round <= 2; round++) {
		for (int i = 0; i < 8; i++)
			cr_assert_eq(os_spawn("racer", racer, NULL), 0);
		while (race.ended < 8 * round)
			os_yield();
		cr_expect_eq(race.in, 1u, "%u", race.in);
		cr_expect_eq(race.refused, 8 * round - 1, "%u", race.refused);
	}
}
Test(dav, races)
{
	rig_run(&service, races);
}

/* ---- collections and properties ---- */
static void properties(struct rig *r)
{
	static const char set[] =
		"<propertyupdate xmlns='DAV:' xmlns:x='urn:x'><set><prop><displayname>A &amp; b"
		"</displayname><x:one a='1'>v<x:two/></x:one></prop></set></propertyupdate>";

	want(r, 207, ask(r, "PROPPATCH", BOOK, NULL, set));
	cr_expect_eq(times(r, "200 OK"), 1);
	want(r, 207,
		ask(r, "PROPFIND", BOOK, "Depth: 0\r\n",
			PROPFIND("<displayname/><one xmlns='urn:x'/>")));
	cr_expect(says(r, "<D:displayname>A &amp; b</D:displayname>"));
	cr_expect(says(r, "<one xmlns=\"urn:x\" a=\"1\">v<two xmlns=\"urn:x\"/></one>"));
	want(r, 207,
		ask(r, "PROPPATCH", BOOK, NULL,
			"<propertyupdate xmlns='DAV:'><set><prop><displayname>no</displayname>"
			"<getetag>x</getetag></prop></set></propertyupdate>"));
	cr_expect(says(r, "403 Forbidden") && says(r, "424 Failed") &&
		says(r, "cannot-modify-protected-property"));
	want(r, 207,
		ask(r, "PROPPATCH", BOOK, NULL,
			"<propertyupdate xmlns='DAV:'><remove><prop><one xmlns='urn:x'/></prop>"
			"</remove></propertyupdate>"));
	want(r, 207,
		ask(r, "PROPFIND", BOOK, "Depth: 0\r\n",
			PROPFIND("<displayname/><one xmlns='urn:x'/>")));
	cr_expect(says(r, "A &amp; b") && says(r, "404 Not Found"));
	/* An item's go with it. */
	want(r, 201, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
	want(r, 207, ask(r, "PROPPATCH", BOOK "a", NULL, set));
	cr_expect(says(r, "200 OK") && !says(r, "403 Forbidden"));
	want(r, 201, ask(r, "MOVE", BOOK "a", "Destination: " BOOK "b\r\n", NULL));
	want(r, 207,
		ask(r, "PROPFIND", BOOK "b", "Depth: 0\r\n",
			PROPFIND("<displayname/><one xmlns='urn:x'/>")));
	cr_expect(says(r, ">v<") && says(r, "A &amp; b"));
	want(r, 207,
		ask(r, "PROPFIND", BOOK "b", "Depth: 0\r\n",
			"<propfind xmlns='DAV:'><propname/></propfind>"));
	cr_expect(says(r, "<D:displayname/>") && !says(r, "calendar-color"));
	want(r, 204, ask(r, "DELETE", BOOK "b", NULL, NULL));
	want(r, 201, ask(r, "PUT", BOOK "b", NULL, "uid=1"));
	want(r, 207,
		ask(r, "PROPFIND", BOOK "b", "Depth: 0\r\n", PROPFIND("<one xmlns='urn:x'/>")));
	cr_expect(!says(r, ">v<"));
	want(r, 207, ask(r, "PROPFIND", BOOK, "Depth: 1\r\n", PROPFIND("<getetag/>")));
	cr_expect_eq(times(r, "<D:response>"), 2);
}
Test(dav, properties)
{
	rig_run(&service, properties);
}

static void collections(struct rig *r)
{
	want(r, 201, ask(r, "MKCOL", HOME "plain/", NULL, NULL));
	want(r, 405, ask(r, "MKCOL", HOME "plain/", NULL, NULL));
	want(r, 409, ask(r, "MKCOL", HOME "none/x/", NULL, NULL));
	want(r, 403, ask(r, "MKCOL", BOOK "x/", NULL, NULL));
	want(r, 415, ask(r, "MKCOL", HOME "x/", "Content-Type: text/plain\r\n", "x"));
	want(r, 201, ask(r, "MKCOL", HOME "plain/ab/", NULL, NULL));
	want(r, 201, ask(r, "PUT", HOME "plain/ab/anything", NULL, "no uid at all"));
	want(r, 201, ask(r, "COPY", HOME "plain/", "Destination: " HOME "copy/\r\n", NULL));
	want(r, 412,
		ask(r, "COPY", HOME "plain/", "Overwrite: F\r\nDestination: " HOME "copy/\r\n",
			NULL));
	want(r, 204, ask(r, "MOVE", HOME "plain/", "Destination: " HOME "copy/\r\n", NULL));
	want(r, 404, ask(r, "GET", HOME "plain/ab/anything", NULL, NULL));
	want(r, 200, ask(r, "GET", HOME "copy/ab/anything", NULL, NULL));
	want(r, 403, ask(r, "MOVE", HOME "copy/", "Destination: " HOME "copy/ab/x/\r\n", NULL));
	want(r, 403, ask(r, "COPY", HOME "copy/ab/anything", "Destination: " BOOK "x\r\n", NULL));
	want(r, 400, ask(r, "COPY", HOME "copy/ab/anything", NULL, NULL));
	want(r, 403,
		ask(r, "COPY", HOME "copy/ab/anything", "Destination: /contacts/bob/x\r\n", NULL));
	want(r, 204, ask(r, "DELETE", HOME "copy/", NULL, NULL));
	want(r, 207, ask(r, "PROPFIND", HOME, "Depth: 1\r\n", PROPFIND("<getetag/>")));
	cr_expect_eq(times(r, "<D:response>"), 2);
}
Test(dav, collections)
{
	rig_run(&service, collections);
}

/* ---- reports ---- */
static const char *sync(struct rig *r, const char *token, const char *more)
{
	struct str body = arena_fmt(&r->a,
		"<sync-collection xmlns='DAV:'><sync-token>%s</sync-token><sync-level>1"
		"</sync-level>%s<prop><getetag/></prop></sync-collection>",
		token, more);

	want(r, 207, ask(r, "REPORT", BOOK, NULL, body.p));
	return between(r, "<D:sync-token>", "</D:sync-token>");
}

static void syncs(struct rig *r)
{
	const char *t0 = sync(r, "", ""), *t1, *t2, *t;

	cr_expect_eq(times(r, "<D:response>"), 0);
	want(r, 201, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
	want(r, 201, ask(r, "PUT", BOOK "b", NULL, "uid=2"));
	t1 = sync(r, t0, "");
	cr_expect_eq(times(r, "<D:response>"), 2);
	cr_expect_str_eq(sync(r, t1, ""), t1);
	cr_expect_eq(times(r, "<D:response>"), 0);
	want(r, 204, ask(r, "DELETE", BOOK "a", NULL, NULL));
	want(r, 204, ask(r, "PUT", BOOK "b", NULL, "uid=2\n"));
	want(r, 201, ask(r, "PUT", BOOK "c", NULL, "uid=3"));
	rig_reopen(r);
	t2 = sync(r, t1, "");
	cr_expect_eq(times(r, "<D:response>"), 3);
	cr_expect_eq(times(r, "404 Not Found"), 1);
	cr_expect(says(r, "<D:href>" BOOK "a</D:href><D:status>HTTP/1.1 404"));
	/* From nothing there are no tombstones; who made it has to hear that it is gone since (RFC 6578, 3.5.2). */
	cr_expect_str_eq(sync(r, "", ""), t2);
	cr_expect_eq(times(r, "<D:response>"), 2);
	want(r, 201, ask(r, "PUT", BOOK "d", NULL, "uid=4"));
	want(r, 204, ask(r, "DELETE", BOOK "d", NULL, NULL));
	want(r, 201, ask(r, "MKCOL", HOME "beside/", NULL, NULL));
	t1 = sync(r, t2, "");
	cr_expect(says(r, "<D:href>" BOOK "d</D:href><D:status>HTTP/1.1 404"));
	cr_expect_eq(times(r, "<D:response>"), 1);
	cr_expect_str_eq(sync(r, t1, ""), t1);
	cr_expect_eq(times(r, "<D:response>"), 0);
	/* The same, with what else has changed, bit by bit. */
	want(r, 201, ask(r, "PUT", BOOK "d", NULL, "uid=4"));
	want(r, 201, ask(r, "PUT", BOOK "e", NULL, "uid=5"));
	want(r, 204, ask(r, "DELETE", BOOK "e", NULL, NULL));
	want(r, 204, ask(r, "DELETE", BOOK "d", NULL, NULL));
	want(r, 204, ask(r, "PUT", BOOK "c", NULL, "uid=3\n"));
	t = t1;
	for (int i = 0; i < 3; i++) {
		t = sync(r, t, "<limit><nresults>1</nresults></limit>");
		cr_expect_eq(times(r, "HTTP/1.1 507"), i < 2);
		cr_expect_eq(times(r, "404 Not Found") + times(r, "200 OK"), 1);
	}
	t2 = sync(r, t1, "");
	cr_expect_str_eq(t, t2);
	cr_expect_eq(times(r, "404 Not Found"), 2);
	/* Bit by bit, while it changes. */
	for (int i = 0; i < 10; i++)
		want(r, 201,
			ask(r, "PUT", arena_fmt(&r->a, BOOK "n%d", i).p, NULL,
				arena_fmt(&r->a, "uid=n%d", i).p));
	int seen = 0, rounds = 0;
	t = t2;
	do {
		t = sync(r, t, "<limit><nresults>3</nresults></limit>");
		seen += times(r, "<D:getetag>");
		if (rounds++ == 1)
			want(r, 201, ask(r, "PUT", BOOK "late", NULL, "uid=late"));
		sync(r, t, "<limit><nresults>3</nresults></limit>");
	} while (times(r, "<D:response>") > 0 && rounds < 20);
	cr_expect_eq(seen, 11);
}
Test(dav, syncs)
{
	rig_run(&service, syncs);
}

static void home_token(struct rig *r)
{
	const char *t;

	want(r, 207, ask(r, "PROPFIND", HOME, "Depth: 0\r\n", PROPFIND("<sync-token/>")));
	t = between(r, "<D:sync-token>", "</D:sync-token>");
	want(r, 207,
		ask(r, "REPORT", HOME, NULL,
			arena_fmt(&r->a,
				"<sync-collection xmlns='DAV:'><sync-token>%s</sync-token><prop/>"
				"</sync-collection>",
				t)
				.p));
	cr_expect_str_eq(between(r, "<D:sync-token>", "</D:sync-token>"), t);
}
/* A home set has no .collection, and its tokens hold all the same. */
Test(dav, home_token)
{
	rig_run(&service, home_token);
}

/* What is a member of a home set is a collection: it has changed when anything in it has. */
static void home_syncs(struct rig *r)
{
#define SYNC(r, at, headers, token, level) \
	ask(r, "REPORT", at, headers, \
		arena_fmt(&(r)->a, \
			"<sync-collection xmlns='DAV:'><sync-token>%s</sync-token>" level \
			"<prop><displayname/></prop></sync-collection>", \
			token) \
			.p)
	const char *level = "<D:sync-token>", *end = "</D:sync-token>", *t0, *t1;

	want(r, 207, SYNC(r, HOME, NULL, "", "<sync-level>1</sync-level>"));
	t0 = between(r, level, end);
	cr_expect(says(r, "<D:href>" BOOK "</D:href>") && times(r, "<D:response>") == 1);
	want(r, 201, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
	want(r, 201, ask(r, "PUT", BOOK "b", NULL, "uid=2"));
	want(r, 201, ask(r, "MKCOL", HOME "plain/", NULL, NULL));
	want(r, 207, SYNC(r, HOME, "Depth: 0\r\n", t0, "<sync-level>1</sync-level>"));
	cr_expect(says(r, "<D:href>" BOOK "</D:href>") && says(r, HOME "plain/<"));
	cr_expect_eq(times(r, "<D:response>"), 2);
	/* One by one. */
	want(r, 207,
		SYNC(r, HOME, "Depth: 0\r\n", t0,
			"<sync-level>1</sync-level><limit><nresults>1</nresults></limit>"));
	cr_expect(says(r, "<D:number-of-matches-within-limits/>") && times(r, "200 OK") == 1);
	t1 = between(r, level, end);
	want(r, 207, SYNC(r, HOME, "Depth: 0\r\n", t1, "<sync-level>1</sync-level>"));
	cr_expect_eq(times(r, "<D:response>"), 1);
	t1 = between(r, level, end);
	want(r, 204, ask(r, "DELETE", HOME "plain/", NULL, NULL));
	want(r, 207, SYNC(r, HOME, NULL, t1, ""));
	cr_expect(says(r, "<D:href>" HOME "plain/</D:href><D:status>HTTP/1.1 404"));
	cr_expect_eq(times(r, "<D:response>"), 1);
	/* RFC 6578, 3.2 and 3.3 */
	want(r, 400, SYNC(r, BOOK, "Depth: infinity\r\n", "", "<sync-level>1</sync-level>"));
	want(r, 207, SYNC(r, BOOK, "Depth: 1\r\n", "", "<sync-level>1</sync-level>"));
	/* Appendix A: the Depth is the level that is not there. */
	want(r, 207, SYNC(r, BOOK, "Depth: infinity\r\n", "", ""));
	want(r, 403, SYNC(r, HOME, "Depth: infinity\r\n", "", ""));
	want(r, 400, SYNC(r, BOOK, NULL, "", "<sync-level>2</sync-level>"));
	want(r, 207, SYNC(r, BOOK, NULL, "", "<sync-level>infinite</sync-level>"));
	want(r, 403, SYNC(r, HOME, NULL, "", "<sync-level>infinite</sync-level>"));
	cr_expect(says(r, "<D:sync-traversal-supported/>"));
	/* An item that has come back is told, though it is as it was (RFC 6578, 3.5.1). */
	want(r, 207, SYNC(r, BOOK, NULL, "", ""));
	t0 = between(r, level, end);
	want(r, 204, ask(r, "DELETE", BOOK "a", NULL, NULL));
	want(r, 207, SYNC(r, BOOK, NULL, t0, ""));
	t1 = between(r, level, end);
	want(r, 201, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
	want(r, 207, SYNC(r, BOOK, NULL, t0, ""));
	cr_expect(says(r, BOOK "a</D:href><D:propstat>") && times(r, "<D:response>") == 1);
	/* A collection that came and went. */
	want(r, 207, SYNC(r, HOME, NULL, "", ""));
	t0 = between(r, level, end);
	want(r, 201, ask(r, "MKCOL", HOME "brief/", NULL, NULL));
	want(r, 201, ask(r, "PUT", HOME "brief/x", NULL, "uid=9"));
	want(r, 204, ask(r, "DELETE", HOME "brief/", NULL, NULL));
	want(r, 207, SYNC(r, HOME, NULL, t0, ""));
	cr_expect(says(r, "<D:href>" HOME "brief/</D:href><D:status>HTTP/1.1 404"));
	cr_expect_eq(times(r, "<D:response>"), 1);
	want(r, 207, SYNC(r, BOOK, NULL, "", ""));
	want(r, 207, SYNC(r, BOOK, NULL, t1, ""));
	cr_expect(says(r, BOOK "a</D:href><D:propstat>") && times(r, "<D:response>") == 1);
}
Test(dav, home_syncs)
{
	rig_run(&service, home_syncs);
}

static void bad_tokens(struct rig *r)
{
	char *t, *u;

	want(r, 201, ask(r, "PUT", BOOK "a", NULL, "uid=1"));
	t = (char *)sync(r, "", "");
	cr_expect(strchr(t, ':'));
	u = (char *)sync(r, "", "");
	t[30] = t[30] == 'a' ? 'b' : 'a';
	u[strlen(u) - 1] ^= 1;
	for (int i = 0; i < 5; i++) {
		const char *tokens[] = { t, u, "urn:allod:sync:", "bogus", "http://other/12" };
		want(r, 403,
			ask(r, "REPORT", BOOK, NULL,
				arena_fmt(&r->a,
					"<sync-collection xmlns='DAV:'><sync-token>%s"
					"</sync-token><prop/></sync-collection>",
					tokens[i])
					.p));
		cr_expect(says(r, "<D:valid-sync-token/>"));
	}
	/* Another collection's. */
	want(r, 201, ask(r, "MKCOL", HOME "plain/", NULL, NULL));
	const char *other = sync(r, "", "");
	want(r, 403,
		ask(r, "REPORT", HOME "plain/", NULL,
			arena_fmt(&r->a,
				"<sync-collection xmlns='DAV:'><sync-token>%s</sync-token>"
				"<prop/></sync-collection>",
				other)
				.p));
	want(r, 403, ask(r, "REPORT", BOOK, NULL, "<nope xmlns='DAV:'/>"));
	cr_expect(says(r, "supported-report"));
}
Test(dav, bad_tokens)
{
	rig_run(&service, bad_tokens);
}

static void multigets(struct rig *r)
{
	static const char get[] =
		"<C:addressbook-multiget xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:carddav'>"
		"<prop><getetag/><C:address-data/></prop><href>" BOOK "a%20b</href><href>" BOOK
		"none</href><href>/contacts/bob/book/x</href><href>https://h" BOOK "c</href>"
		"<href>%</href></C:addressbook-multiget>";

	want(r, 201, ask(r, "PUT", BOOK "a%20b", NULL, "uid=<1>"));
	want(r, 201, ask(r, "PUT", BOOK "c", NULL, "uid=2"));
	for (int depth = 0; depth < 2; depth++) {
		want(r, 207, ask(r, "REPORT", BOOK, depth ? "Depth: 1\r\n" : "Depth: 0\r\n", get));
		cr_expect_eq(times(r, "<D:response>"), 5);
		cr_expect_eq(times(r, "404 Not Found"), 3);
		cr_expect(says(r, "<CR:address-data>uid=&lt;1&gt;</CR:address-data>"));
	}
}
Test(dav, multigets)
{
	rig_run(&service, multigets);
}
