/* SPDX-License-Identifier: ISC */
/* What a client PUT over a state it did not know comes back to it, or stands beside it; and only then. */
#include "services/calendar/calendar.h"
#include "services/dav/rejected.h"
#include "tests/dav/rig.h"

#define CAL "/calendars/alice/calendar/"

static const char *event(struct rig *r, const char *uid, const char *title, const char *place)
{
	return arena_fmt(&r->a,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:%s\r\n"
		"DTSTAMP:20261121T000000Z\r\nDTSTART:20260105T100000Z\r\nSUMMARY:%s\r\nLOCATION:%"
		"s\r\n"
		"ATTENDEE:mailto:bob@example.org\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
		uid, title, place)
		.p;
}

static const char *match(struct rig *r, struct str tag)
{
	return arena_fmt(&r->a, "If-Match: %.*s\r\n", STR_ARG(tag)).p;
}

/* PUT without a condition; its ETag as If-Match. */
static const char *put(struct rig *r, const char *path, const char *body)
{
	int status = ask(r, "PUT", path, NULL, body);

	cr_assert(status == 201 || status == 204, "%d %.*s", status, STR_ARG(r->reply));
	return match(r, header(r, "ETag"));
}

static int items(struct rig *r)
{
	want(r, 207,
		ask(r, "PROPFIND", CAL, "Depth: 1\r\n",
			"<propfind xmlns='DAV:'><prop><getetag/></prop></propfind>"));
	return times(r, ".ics</D:href>");
}

static bool stands(struct rig *r, const char *path, const char *a, const char *b)
{
	want(r, 200, ask(r, "GET", path, NULL, NULL));
	return says(r, a) && says(r, b);
}

/* The one item beside x.ics. */
static const char *beside(struct rig *r)
{
	cr_assert_eq(items(r), 2);
	struct str rest = r->reply, one;
	ptrdiff_t at;

	while ((at = str_find(rest, STR("<D:href>" CAL))) >= 0) {
		rest = str_sub(rest, (size_t)at + 8, rest.n);
		str_cut(&one, &rest, rest, '<');
		if (!str_ends(one, STR("/")) && !str_ends(one, STR("/x.ics")))
			return arena_dup(&r->a, one).p;
	}
	cr_assert(false, "no copy");
	return "";
}

static void clean(struct rig *r)
{
	const char *first = put(r, CAL "x.ics", event(r, "x", "a", "b"));

	put(r, CAL "x.ics", event(r, "x", "a2", "b"));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "a", "b2")));
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:a2", "LOCATION:b2"), "%.*s", STR_ARG(r->reply));
	cr_expect_eq(items(r), 1);
	/* Again, and again: nothing more comes of it, also after somebody took it back. */
	put(r, CAL "x.ics", event(r, "x", "a3", "b"));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "a", "b2")));
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:a3", "LOCATION:b\r"));
	rig_reopen(r);
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "a", "b2")));
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:a3", "LOCATION:b\r") && items(r) == 1);
	struct store_oid head;
	cr_expect_eq(store_ref_get(&head, r->cfg.store, STR("refs/rejected/alice")), 0);
}
Test(rejected, clean)
{
	rig_run(&calendar_service, clean);
}

static void clash(struct rig *r)
{
	const char *first = put(r, CAL "x.ics", event(r, "x", "a", "b")), *copy, *now;

	put(r, CAL "x.ics", event(r, "x", "mine", "b"));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "yours", "b")));
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:mine", "LOCATION:b"));
	copy = beside(r);
	cr_expect(stands(r, copy, "SUMMARY:yours (conflict\\, test 21 Nov)", "RELATED-TO"), "%.*s",
		STR_ARG(r->reply));
	cr_expect(!says(r, "ATTENDEE") && !says(r, "UID:x\r"));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "yours", "b")));
	cr_expect_eq(items(r), 2);
	/* Its client asks a person, who says: mine. The copy says nothing more then. */
	want(r, 200, ask(r, "GET", CAL "x.ics", NULL, NULL));
	now = match(r, header(r, "ETag"));
	want(r, 204, ask(r, "PUT", CAL "x.ics", now, event(r, "x", "yours", "b")));
	cr_expect_eq(items(r), 1);
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:yours", "LOCATION:b"));
}
Test(rejected, clash)
{
	rig_run(&calendar_service, clash);
}

static const char *series(struct rig *r, const char *place, const char *title)
{
	return arena_fmt(&r->a,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:x\r\n"
		"DTSTAMP:20261121T000000Z\r\nDTSTART:20260105T100000Z\r\n"
		"RRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY:s\r\nLOCATION:%s\r\nEND:VEVENT\r\n"
		"BEGIN:VEVENT\r\nUID:x\r\nDTSTAMP:20261121T000000Z\r\n"
		"RECURRENCE-ID:20260106T100000Z\r\nDTSTART:20260106T120000Z\r\n"
		"SUMMARY:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
		place, title)
		.p;
}

/* The two clash in one occurrence; what else is new of the refused one is in the copy as well: join in rejected.c. */
static void clash_in_one(struct rig *r)
{
	const char *first = put(r, CAL "x.ics", series(r, "here", "a")), *copy;

	put(r, CAL "x.ics", series(r, "here", "mine"));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, series(r, "there", "yours")));
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:mine", "LOCATION:here"));
	copy = beside(r);
	cr_expect(stands(r, copy, "SUMMARY:yours", "LOCATION:there"), "%.*s", STR_ARG(r->reply));
	/* When nothing else is, the occurrence alone. */
	want(r, 204, ask(r, "DELETE", copy, NULL, NULL));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, series(r, "here", "yours")));
	cr_expect(stands(r, beside(r), "SUMMARY:yours", "UID") && !says(r, "RRULE"));
}
Test(rejected, clash_in_one)
{
	rig_run(&calendar_service, clash_in_one);
}

/* What is too large for a UID of its own is no second item of this one: put_copy in rejected.c. */
static void too_large_to_copy(struct rig *r)
{
	char *pad = arena_alloc(&r->a, DAV_ITEM_MAX);
	size_t n = DAV_ITEM_MAX - strlen(event(r, "x", "mine1", "")) - 1;
	const char *first;

	cr_assert_not_null(pad);
	memset(pad, 'p', n);
	pad[n] = 0;
	first = put(r, CAL "x.ics", event(r, "x", "first", pad));
	put(r, CAL "x.ics", event(r, "x", "mine1", pad));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "yours", pad)));
	cr_expect_eq(items(r), 1);
	put(r, CAL "x.ics", event(r, "x", "mine2", "b"));
}
Test(rejected, too_large_to_copy)
{
	rig_run(&calendar_service, too_large_to_copy);
}

/* A copy that a person has edited stays. */
static void copy_is_somebodys(struct rig *r)
{
	const char *first = put(r, CAL "x.ics", event(r, "x", "a", "b")), *copy;

	put(r, CAL "x.ics", event(r, "x", "mine", "b"));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "yours", "b")));
	copy = beside(r);
	want(r, 200, ask(r, "GET", copy, NULL, NULL));
	ptrdiff_t at = str_find(r->reply, STR("LOCATION:b"));
	char *edited = (char *)(void *)arena_dup(&r->a, r->reply).p;
	edited[at + 9] = 'c';
	put(r, copy, edited);
	put(r, CAL "x.ics", event(r, "x", "yours", "b"));
	cr_expect_eq(items(r), 2);
}
Test(rejected, copy_is_somebodys)
{
	rig_run(&calendar_service, copy_is_somebodys);
}

/* The If header names states as well as If-Match. */
static void by_if(struct rig *r)
{
	struct str tag = STR_NONE;

	put(r, CAL "x.ics", event(r, "x", "a", "b"));
	tag = arena_dup(&r->a, header(r, "ETag"));
	put(r, CAL "x.ics", event(r, "x", "a2", "b"));
	want(r, 412,
		ask(r, "PUT", CAL "x.ics",
			arena_fmt(&r->a, "If: (Not [\"1\"] <urn:x> [%.*s])\r\n", STR_ARG(tag)).p,
			event(r, "x", "a", "b2")));
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:a2", "LOCATION:b2"), "%.*s", STR_ARG(r->reply));
	cr_expect_eq(items(r), 1);
	/* a lock nobody has: no edit of what stood here; a state that it must not have */
	want(r, 412,
		ask(r, "PUT", CAL "x.ics", "If: (<opaquelocktoken:1>)\r\n",
			event(r, "x", "z", "z")));
	want(r, 412,
		ask(r, "PUT", CAL "x.ics",
			arena_fmt(&r->a, "If: (<urn:x> Not [%.*s])\r\n", STR_ARG(tag)).p,
			event(r, "x", "z", "z")));
	/* the state it has, and something else that does not hold */
	tag = arena_dup(&r->a, header(r, "ETag"));
	want(r, 412,
		ask(r, "PUT", CAL "x.ics",
			arena_fmt(&r->a, "If: ([%.*s] <urn:x>)\r\n", STR_ARG(tag)).p,
			event(r, "x", "z", "z")));
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:a2", "LOCATION:b2") && items(r) == 1);
}
Test(rejected, by_if)
{
	rig_run(&calendar_service, by_if);
}

static void nothing_new(struct rig *r)
{
	const char *first = put(r, CAL "x.ics", event(r, "x", "a", "b"));

	put(r, CAL "x.ics", event(r, "x", "a2", "b"));
	/* the base again; what is there; what is there already in it */
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "a", "b")));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "a2", "b")));
	want(r, 412, ask(r, "PUT", CAL "x.ics", "If-None-Match: *\r\n", event(r, "x", "a2", "b")));
	want(r, 412, ask(r, "DELETE", CAL "x.ics", first, NULL));
	/* a name that is taken: its client finds another */
	want(r, 412, ask(r, "PUT", CAL "x.ics", "If-None-Match: *\r\n", event(r, "y", "n", "b")));
	want(r, 201, ask(r, "PUT", CAL "y.ics", "If-None-Match: *\r\n", event(r, "y", "n", "b")));
	want(r, 412, ask(r, "PUT", CAL "no.ics", "If-Match: *\r\n", event(r, "n", "n", "b")));
	/* a tag that is nobody's: it was never seen here */
	want(r, 412, ask(r, "PUT", CAL "x.ics", "If-Match: \"1-2\"\r\n", event(r, "x", "z", "z")));
	want(r, 403, ask(r, "PUT", CAL "x.ics", first, "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"));
	cr_expect_eq(items(r), 2);
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:a2", "LOCATION:b"));
}
Test(rejected, nothing_new)
{
	rig_run(&calendar_service, nothing_new);
}

/* A state this item never had is no base, whosever it is. */
static void unknown_base(struct rig *r)
{
	const char *other = put(r, CAL "y.ics", event(r, "y", "a", "b"));

	want(r, 204, ask(r, "DELETE", CAL "y.ics", NULL, NULL));
	put(r, CAL "x.ics", event(r, "x", "a", "b"));
	want(r, 412, ask(r, "PUT", CAL "x.ics", other, event(r, "x", "a", "b2")));
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:a", "LOCATION:b\r"));
	cr_expect(stands(r, beside(r), "SUMMARY:a (conflict", "LOCATION:b2"));
	want(r, 412, ask(r, "PUT", CAL "x.ics", "If-None-Match: *\r\n", event(r, "x", "a", "b2")));
	cr_expect_eq(items(r), 2);
}
Test(rejected, unknown_base)
{
	rig_run(&calendar_service, unknown_base);
}

static void deleted_meanwhile(struct rig *r)
{
	const char *first = put(r, CAL "x.ics", event(r, "x", "a", "b"));

	want(r, 204, ask(r, "DELETE", CAL "x.ics", NULL, NULL));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "a", "b")));
	want(r, 404, ask(r, "GET", CAL "x.ics", NULL, NULL));
	want(r, 412, ask(r, "PUT", CAL "x.ics", first, event(r, "x", "a2", "b")));
	cr_expect(stands(r, CAL "x.ics", "SUMMARY:a2", "LOCATION:b"));
}
Test(rejected, deleted_meanwhile)
{
	rig_run(&calendar_service, deleted_meanwhile);
}

static int count(void *ctx, struct str name, const struct store_entry *e)
{
	(void)name;
	(void)e;
	++*(int *)ctx;
	return 0;
}

/* A client that never stops: so many copies of one item, so many bodies kept. */
static void bounds(struct rig *r)
{
	const char *first = put(r, CAL "x.ics", event(r, "x", "a", "b"));
	struct store_oid head;
	struct store_commit c;
	int kept = 0;

	put(r, CAL "x.ics", event(r, "x", "mine", "b"));
	for (unsigned i = 0; i < DAV_REJECTED_MAX + 10; i++)
		want(r, 412,
			ask(r, "PUT", CAL "x.ics", first,
				event(r, "x", arena_fmt(&r->a, "t%u", i).p, "b")));
	cr_expect_eq(items(r), 1 + DAV_REJECTED_EACH);
	cr_assert_eq(store_ref_get(&head, r->cfg.store, STR("refs/rejected/alice")), 0);
	cr_assert_eq(store_commit_get(&c, &r->a, r->cfg.store, &head), 0);
	cr_assert_eq(store_list(r->cfg.store, &c.tree, STR_NONE, count, &kept), 0);
	cr_expect_eq(kept, 2 * DAV_REJECTED_MAX);
}
Test(rejected, bounds)
{
	rig_run(&calendar_service, bounds);
}
