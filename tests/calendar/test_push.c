/* SPDX-License-Identifier: ISC */
/* What a device may push, and what it is told otherwise. */
#include "services/calendar/calendar.h"
#include "services/dav/push.h"
#include "tests/dav/rig.h"

#define EVENT(uid) \
	"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" uid \
	"\r\nDTSTAMP:20261121T000000Z\r\nDTSTART:20260105T100000Z\r\nSUMMARY:a\r\nEND:VEVENT\r\n" \
	"END:VCALENDAR\r\n"
#define CAL    "kind calendar\n"
#define LAPTOP STR("refs/devices/laptop/alice")

/* One file that is put, or deleted (text NULL): what is said. A path that begins with ! is an item's: its
 * folder of two digits is put in. */
static const struct row {
	const char *path, *text, *says;
} rows[] = {
	{ "!calendar/new.ics", EVENT("new"), NULL },
	{ "!calendar/have.ics", EVENT("have2"), NULL },
	{ "!calendar/have.ics", NULL, NULL },
	{ "!calendar/odd%3Aname.ics", EVENT("new"), NULL },
	{ "work/.collection", CAL "name Work\n", NULL },
	{ "work/.collection", "kind plain\nx-unknown y\n", NULL },
	{ "calendar/00/new.ics", EVENT("new"), "is not where an item of this name stands" },
	{ "!calendar/odd:name.ics", EVENT("new"), "is not where an item of this name stands" },
	{ "!calendar/a%41.ics", EVENT("new"), "is not where an item of this name stands" },
	{ "!nowhere/new.ics", EVENT("new"), "has items but no .collection" },
	{ "!calendar/new.ics", EVENT("have"), "have the same UID" },
	{ "!calendar/new.ics", "x", "new.ics" },
	{ "!tasks/new.ics", EVENT("new"), "this calendar is for other kinds of items" },
	{ "calendar/.collection", "kind plain\n", "changes the kind" },
	{ "calendar/.collection", NULL, "is no collection any more, but not empty" },
	{ "calendar/in/.collection", CAL, "is a collection in one that is not plain" },
	{ "up/in/.collection", CAL, "has collections in it but no .collection" },
	{ "work/.collection", "kind addressbook\n", "is of a kind that is not kept here" },
	{ "work/.collection", "name x\n", "does not begin with its kind" },
	{ "work/.collection", "kind calendar", "is not lines" },
	{ "work/.collection", "", "is not lines" },
	{ "w:x/.collection", CAL, "is not how a collection's folder is written" },
	{ ".gitattributes", "* text\n", "must say" },
	{ ".gitattributes", NULL, "must say" },
	{ "README", "x", "is no part of a collection" },
	{ "calendar/README", "x", "is no part of a collection" },
	{ ".collection", CAL, "is no part of a collection" },
	{ "calendar/00/%=none.ics", "kind plain\n", "is not where properties of this name stand" },
};

static const char *full(struct rig *r, const char *path)
{
	struct str segs[2], file;
	struct buf name, whole;

	if (path[0] != '!')
		return path;
	str_cut(&segs[0], &file, str_of(path + 1), '/');
	buf_init(&name, &r->a);
	buf_init(&whole, &r->a);
	dav_name_unescape(&name, file);
	segs[1] = buf_str(&name);
	dav_item_file(&whole, segs, 2);
	whole.n -= whole.n - (segs[0].n + 4); /* the file as spelled */
	buf_add(&whole, file);
	return whole.p;
}

static void one(struct rig *r, const struct row *row, const struct store_oid *head)
{
	static const struct store_why why = { { "t", 1 }, { "t", 1 }, { "t", 1 }, 1 };
	struct git_push p = { STR("alice"), STR("laptop"), NULL };
	struct store_ref_move move = { LAPTOP, NULL, head };
	struct store_oid tip;
	struct store_edit *e;
	int err;

	cr_assert_eq(store_ref_update(r->cfg.store, &move, 1, &why, OS_FOREVER), 0);
	cr_assert_eq(store_edit_begin(&e, r->cfg.store, LAPTOP, OS_FOREVER), 0);
	err = row->text ? store_edit_put_bytes(e, str_of(full(r, row->path)), str_of(row->text))
			: store_edit_del(e, str_of(full(r, row->path)));
	cr_assert_eq(err, 0, "%s: %s", row->path, err_text(err));
	cr_assert_eq(store_edit_commit(&tip, e, &why), 0);
	p.tip = &tip;
	err = dav_push_check(&r->cfg, &p);
	cr_expect_eq(err, row->says ? ERR_BAD : 0, "%s: %d %s", row->path, err, err_text(err));
	cr_expect(
		!row->says || strstr(err_text(err), row->says), "%s: %s", row->path, err_text(err));
	move = (struct store_ref_move){ LAPTOP, &tip, NULL };
	cr_assert_eq(store_ref_update(r->cfg.store, &move, 1, &why, OS_FOREVER), 0);
}

static void table(struct rig *r)
{
	struct store_oid head;

	want(r, 201, ask(r, "PUT", "/calendars/alice/calendar/have.ics", NULL, EVENT("have")));
	cr_assert_eq(store_ref_get(&head, r->cfg.store, STR("refs/heads/alice")), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		one(r, &rows[i], &head);
}
Test(push, table)
{
	rig_run(&calendar_service, table);
}
