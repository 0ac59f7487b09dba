/* SPDX-License-Identifier: ISC */
/* Items in and out, many at a time. */
#include "services/calendar/calendar.h"
#include "services/dav/words.h"
#include "tests/dav/rig.h"

#define HOME "/calendars/alice/"

static struct dav_words mine;
static struct control_items items;

static void begin(struct rig *r)
{
	mine = (struct dav_words){ r->cfg.store, &calendar_service, r->cfg.registry };
	dav_transfer(&items, &mine);
}

static struct str item(struct rig *r, const char *kind, const char *uid, const char *more)
{
	return arena_fmt(&r->a,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:%s\r\nUID:%s\r\nDTSTAMP:"
		"20260101T000000Z\r\n%sEND:%s\r\nEND:VCALENDAR\r\n",
		kind, uid, more, kind);
}

/* "added calendar/a.ics; refused; " */
static int tell(void *ctx, json_t *row)
{
	const char *where = json_string_value(json_object_get(row, "item"));

	buf_fmt(ctx, "%s", json_string_value(json_object_get(row, "change")));
	if (where)
		buf_fmt(ctx, " %s", where);
	buf_addz(ctx, "; ");
	json_decref(row);
	return 0;
}

#define took(r, x, want, ...) \
	do { \
		struct str list_[] = { __VA_ARGS__ }; \
		struct buf said_; \
		buf_init(&said_, &(r)->a); \
		buf_add(&said_, STR("")); \
		(x)->ref = STR("refs/heads/alice"); \
		(x)->items = list_; \
		(x)->n = ARRAY_LEN(list_); \
		(x)->row = tell; \
		(x)->ctx = &said_; \
		cr_assert_eq(items.take(items.ctx, (x)), 0, "line %d: %s", __LINE__, err_text(0)); \
		cr_assert_str_eq(said_.p, (want), "line %d: %s", __LINE__, said_.p); \
	} while (0)

static bool there(struct rig *r, const char *path, const char *text)
{
	return ask(r, "GET", arena_fmt(&r->a, HOME "%s", path).p, NULL, NULL) == 200 &&
		says(r, text);
}

static void comes_in(struct rig *r)
{
	struct control_intake x = { .source = STR("a.ics") },
			      named = { .collection = STR("Plans") };
	struct control_intake dry = { .dry_run = true }, keep = { .keep = true };
	struct store_commit c;
	struct control_intake tasks = { .collection = STR("Tasks") };

	begin(r);
	/* The account is not there yet; each goes where it belongs. */
	took(r, &dry, "added calendar/a.ics; ", item(r, "VEVENT", "a", "SUMMARY:A\r\n"));
	cr_assert_not(dry.committed);
	took(r, &x,
		"added calendar/a.ics; added tasks/t.ics; refused; refused; added "
		"calendar/9cdf6a50100a862e14286c7a334296daf7da8b45.ics; ",
		item(r, "VEVENT", "a", "SUMMARY:A\r\n"), item(r, "VTODO", "t", "SUMMARY:T\r\n"),
		item(r, "VJOURNAL", "j", ""), STR("BEGIN:VCALENDAR\r\nnonsense"),
		item(r, "VEVENT", "../../x", ""));
	cr_assert(x.committed);
	cr_assert_eq(store_commit_get(&c, &r->a, r->cfg.store, &x.commit), 0);
	cr_assert_eq(c.parent_count, 1, "there is something to go back to");
	cr_assert(there(r, "calendar/a.ics", "SUMMARY:A") && there(r, "tasks/t.ics", "SUMMARY:T"));
	/* The same again, whatever its order, and when it was written. */
	x.committed = false;
	took(r, &x, "unchanged calendar/a.ics; unchanged calendar/a.ics; ",
		item(r, "VEVENT", "a", "SUMMARY:A\r\n"),
		STR("BEGIN:VCALENDAR\nPRODID:other\nVERSION:2.0\nBEGIN:VEVENT\nSUMMARY:\n A\n"
		    "DTSTAMP:20270101T000000Z\nUID:a\nEND:VEVENT\nEND:VCALENDAR\n"));
	cr_assert_not(x.committed, "nothing changed");
	took(r, &keep, "kept calendar/a.ics; ", item(r, "VEVENT", "a", "SUMMARY:B\r\n"));
	cr_assert(there(r, "calendar/a.ics", "SUMMARY:A"));
	took(r, &x, "replaced calendar/a.ics; ", item(r, "VEVENT", "a", "SUMMARY:B\r\n"));
	cr_assert(there(r, "calendar/a.ics", "SUMMARY:B"));
	/* Where its UID stands, and under the name it has there. */
	want(r, 201, ask(r, "MKCALENDAR", HOME "work/", NULL, NULL));
	want(r, 201, ask(r, "PUT", HOME "work/other.ics", NULL, item(r, "VEVENT", "w", "").p));
	took(r, &x, "replaced work/other.ics; ", item(r, "VEVENT", "w", "SUMMARY:W\r\n"));
	took(r, &named, "collection-made; added Plans/w.ics; added Plans/j.ics; ",
		item(r, "VEVENT", "w", "SUMMARY:W\r\n"), item(r, "VJOURNAL", "j", ""));
	took(r, &named, "unchanged Plans/w.ics; ", item(r, "VEVENT", "w", "SUMMARY:W\r\n"));
	took(r, &tasks, "refused; ", item(r, "VEVENT", "e", ""));
	/* Another item has the name its UID would give. */
	want(r, 201, ask(r, "PUT", HOME "calendar/n.ics", NULL, item(r, "VEVENT", "m", "").p));
	took(r, &x, "added calendar/1b16b1df538ba12dc3f97edbb85caa7050d46c14.ics; ",
		item(r, "VEVENT", "n", "SUMMARY:N\r\n"));
	cr_assert(there(r, "calendar/n.ics", "UID:m"));
}

Test(transfer, in)
{
	rig_run(&calendar_service, comes_in);
}

static int head(void *ctx, json_t *row)
{
	buf_fmt(ctx, "[%s %s]", json_string_value(json_object_get(row, "collection")),
		json_string_value(json_object_get(row, "name")));
	json_decref(row);
	return 0;
}

static int one(void *ctx, struct str name, struct str bytes)
{
	buf_fmt(ctx, " %.*s%s", STR_ARG(name), str_find(bytes, STR("UID:")) >= 0 ? "" : "!");
	return 0;
}

static void goes_out(struct rig *r)
{
	struct buf said;
	struct control_outgo out = {
		.ref = STR("refs/heads/alice"), .head = head, .item = one, .ctx = &said
	};

	begin(r);
	buf_init(&said, &r->a);
	buf_add(&said, STR(""));
	cr_assert_eq(items.give(items.ctx, &out), 0);
	cr_assert_str_eq(said.p, "", "nothing was ever there");
	want(r, 201, ask(r, "PUT", HOME "calendar/a%3Ab.ics", NULL, item(r, "VEVENT", "a", "").p));
	want(r, 201, ask(r, "MKCOL", HOME "plain/", NULL, NULL));
	want(r, 201, ask(r, "PUT", HOME "plain/notes", NULL, "text"));
	want(r, 201, ask(r, "MKCALENDAR", HOME "plain/inner/", NULL, NULL));
	want(r, 201, ask(r, "PUT", HOME "plain/inner/b", NULL, item(r, "VEVENT", "b", "").p));
	cr_assert_eq(items.give(items.ctx, &out), 0);
	cr_assert_str_eq(said.p, "[calendar Calendar] a:b.ics[tasks Tasks][plain/inner (null)] b",
		"%s", said.p);
	said.n = 0;
	out.collection = STR("Calendar");
	cr_assert_eq(items.give(items.ctx, &out), 0);
	cr_assert_str_eq(said.p, "[calendar Calendar] a:b.ics");
	out.collection = STR("Nothing");
	cr_assert_eq(items.give(items.ctx, &out), ERR_NOENT);
}

Test(transfer, out)
{
	rig_run(&calendar_service, goes_out);
}
