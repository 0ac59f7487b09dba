/* SPDX-License-Identifier: ISC */
/* A calendar's history in words, and going back in it. */
#include "services/calendar/calendar.h"
#include "services/dav/words.h"
#include "tests/dav/rig.h"

#define HOME "/calendars/alice/"

static struct control_words words;
static struct dav_words mine;
static struct str alice = { "refs/heads/alice", 16 };

static void speak(struct rig *r)
{
	mine = (struct dav_words){ r->cfg.store, &calendar_service, r->cfg.registry };
	dav_words(&words, &mine);
}

static const char *event(struct rig *r, const char *uid, const char *title, const char *more)
{
	return arena_fmt(&r->a,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:"
		"20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260105T090000\r\nSUMMARY:%s\r\n"
		"%sEND:VEVENT\r\nEND:VCALENDAR\r\n",
		uid, title, more)
		.p;
}

static void put(
	struct rig *r, const char *path, const char *uid, const char *title, const char *more)
{
	const char *to = arena_fmt(&r->a, HOME "%s", path).p;
	int status = ask(r, "PUT", to, NULL, event(r, uid, title, more));

	cr_assert(status == 201 || status == 204, "%s: %d\n%.*s", path, status, STR_ARG(r->reply));
}

static struct store_oid tip(struct rig *r)
{
	struct store_oid id;

	cr_assert_eq(store_ref_get(&id, r->cfg.store, alice), 0);
	return id;
}

static struct store_oid tree_of(struct rig *r, struct store_oid commit)
{
	struct store_commit c;

	cr_assert_eq(store_commit_get(&c, &r->a, r->cfg.store, &commit), 0);
	return c.tree;
}

/* Texts of rows, each ended by a line end. */
static int gather(void *ctx, json_t *row)
{
	buf_fmt(ctx, "%s\n", json_string_value(json_object_get(row, "text")));
	json_decref(row);
	return 0;
}

static int gather_commit(void *ctx, const struct store_commit *c, struct str path)
{
	buf_fmt(ctx, "%.*s: %.*s\n", STR_ARG(path), STR_ARG(str_trim(c->message)));
	return 0;
}

/* Lines of `s`, sorted: items stand in the order of hashes. */
static struct str sorted(struct rig *r, struct str s)
{
	struct str line[100], rest = s;
	struct buf b;
	size_t n = 0;

	buf_init(&b, &r->a);
	buf_add(&b, STR(""));
	while (rest.n && n < ARRAY_LEN(line))
		str_cut(&line[n++], &rest, rest, '\n');
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (str_cmp(line[i], line[k]) > 0) {
				struct str t = line[i];
				line[i] = line[k];
				line[k] = t;
			}
	for (size_t i = 0; i < n; i++)
		buf_fmt(&b, "%.*s\n", STR_ARG(line[i]));
	return buf_str(&b);
}

#define texts_are(r, b, text) \
	do { \
		struct str is_ = sorted(r, buf_str(&(b))), want_ = sorted(r, str_of(text)); \
		cr_assert_str_eq(is_.p, want_.p, "line %d: %s", __LINE__, is_.p); \
	} while (0)

static void diff_is(struct rig *r, struct store_oid from, struct store_oid to, const char *path,
	const char *want)
{
	struct store_oid a = tree_of(r, from), b = tree_of(r, to);
	struct buf out;

	buf_init(&out, &r->a);
	cr_assert_eq(words.diff(words.ctx, alice, &a, &b, str_of(path), gather, &out), 0);
	texts_are(r, out, want);
}

static void log_is(struct rig *r, const char *path, const char *want)
{
	struct buf out;
	struct control_walk w = { .ref = alice,
		.path = str_of(path),
		.from = { { tip(r) }, 1 },
		.scan_max = 1000,
		.fn = gather_commit,
		.ctx = &out };

	buf_init(&out, &r->a);
	cr_assert_eq(words.log(words.ctx, &r->a, &w), 0, "%s", err_text(0));
	texts_are(r, out, want);
}

static int go_back(struct rig *r, struct control_restore x, const char *path, const char *want)
{
	struct buf out;
	int err;

	buf_init(&out, &r->a);
	x.ref = alice;
	x.path = str_of(path);
	x.row = gather;
	x.ctx = &out;
	err = words.restore(words.ctx, &x);
	json_decref(x.counts);
	if (err >= 0)
		texts_are(r, out, want);
	return err;
}
#define restored(r, path, want, ...) \
	cr_assert_eq(go_back(r, (struct control_restore){ __VA_ARGS__ }, path, want), 0, \
		"line %d: %s", __LINE__, err_text(-1))

static int ignore(void *ctx, json_t *row)
{
	(void)ctx;
	json_decref(row);
	return 0;
}

static int count(void *ctx, json_t *row)
{
	++*(int *)ctx;
	return ignore(NULL, row);
}

/* Rows told. */
static int went_back(struct rig *r, struct control_restore x)
{
	int n = 0, err;

	x.ref = alice;
	x.path = STR("");
	x.row = count;
	x.ctx = &n;
	err = words.restore(words.ctx, &x);
	json_decref(x.counts);
	cr_assert_eq(err, 0, "%s", err_text(err));
	cr_assert(x.dry_run ? x.commits == 0 : x.commits >= 1);
	(void)r;
	return n;
}

static void tells(struct rig *r)
{
	struct store_oid first, second;

	speak(r);
	put(r, "calendar/a.ics", "a", "Dentist", "");
	first = tip(r);
	put(r, "calendar/a.ics", "a", "Dentist", "LOCATION:Room 1\r\n");
	put(r, "calendar/b.ics", "b", "Lunch", "RRULE:FREQ=DAILY\r\n");
	want(r, 201, ask(r, "MKCALENDAR", HOME "work/", NULL, NULL));
	second = tip(r);
	want(r, 201,
		ask(r, "MOVE", HOME "calendar/b.ics", "Destination: " HOME "work/lunch.ics\r\n",
			NULL));
	want(r, 204, ask(r, "DELETE", HOME "calendar/a.ics", NULL, NULL));
	diff_is(r, first, second, "",
		"Calendar: changed \"Dentist\": location\n"
		"Calendar: added \"Lunch\" (Mon 5 Jan 2026 9:00, Europe/Berlin, repeats)\n"
		"calendar work made\n");
	diff_is(r, second, tip(r), "",
		"Calendar: removed \"Dentist\" (Mon 5 Jan 2026 9:00, Europe/Berlin)\n"
		"Calendar -> work: \"Lunch\"\n");
	diff_is(r, second, tip(r), "Calendar",
		"Calendar: removed \"Dentist\" (Mon 5 Jan 2026 9:00, Europe/Berlin)\n"
		"Calendar: removed \"Lunch\" (Mon 5 Jan 2026 9:00, Europe/Berlin, repeats)\n");
	log_is(r, "calendar/Dentist",
		"calendar/a.ics: calendar: delete calendar/a.ics\n"
		"calendar/a.ics: calendar: put calendar/a.ics\n"
		"calendar/a.ics: calendar: put new calendar/a.ics\n");
	log_is(r, "work/b",
		"work/lunch.ics: calendar: move calendar/b.ics\n"
		"calendar/b.ics: calendar: put new calendar/b.ics\n");
}

Test(words, tell_what_happened)
{
	rig_run(&calendar_service, tells);
}

static bool there(struct rig *r, const char *path, const char *text)
{
	return ask(r, "GET", arena_fmt(&r->a, HOME "%s", path).p, NULL, NULL) == 200 &&
		says(r, text);
}

static void comes_back(struct rig *r)
{
	struct store_oid then;

	speak(r);
	put(r, "calendar/a.ics", "a", "Dentist", "");
	put(r, "calendar/b.ics", "b", "Lunch", "");
	put(r, "calendar/c.ics", "c", "Walk", "");
	want(r, 201, ask(r, "MKCALENDAR", HOME "work/", NULL, NULL));
	put(r, "work/b.ics", "b", "Lunch, too", "");
	then = tip(r);
	want(r, 204, ask(r, "DELETE", HOME "calendar/a.ics", NULL, NULL));
	put(r, "work/moved.ics", "a", "Dentist", "LOCATION:elsewhere\r\n");
	put(r, "calendar/c.ics", "c", "Walk", "LOCATION:park\r\n");
	want(r, 204, ask(r, "DELETE", HOME "calendar/b.ics", NULL, NULL));
	put(r, "calendar/new.ics", "new", "Later", "");
	restored(r, "Calendar",
		"work -> Calendar: back \"Dentist\": location\n"
		"Calendar: as it was \"Walk\": location\n"
		"Calendar: back \"Lunch\" (Mon 5 Jan 2026 9:00, Europe/Berlin)\n",
		.to = then);
	cr_assert(there(r, "calendar/a.ics", "Dentist") && !says(r, "elsewhere"));
	cr_assert_not(there(r, "work/moved.ics", ""), "it stands twice");
	cr_assert(there(r, "work/b.ics", "too"), "it stood in both then");
	cr_assert(there(r, "calendar/new.ics", "Later"), "what came since stays");
	restored(r, "Calendar",
		"Calendar: removed \"Later\" (Mon 5 Jan 2026 9:00, Europe/Berlin)\n", .to = then,
		.exact = true);
	restored(r, "Calendar", "", .to = then, .exact = true);
	/* The index knows of what came back. */
	want(r, 409, ask(r, "PUT", HOME "calendar/other.ics", NULL, event(r, "a", "Again", "")));
}

Test(words, restore_brings_back)
{
	rig_run(&calendar_service, comes_back);
}

static void one_uid(struct rig *r)
{
	struct store_oid then, a, b;

	speak(r);
	put(r, "calendar/a.ics", "a", "Dentist", "");
	then = tip(r);
	want(r, 204, ask(r, "DELETE", HOME "calendar/a.ics", NULL, NULL));
	put(r, "calendar/renamed.ics", "a", "Dentist", "LOCATION:x\r\n");
	restored(r, "", "Calendar: back \"Dentist\": location\n", .to = then);
	cr_assert(there(r, "calendar/a.ics", "Dentist"));
	cr_assert_not(there(r, "calendar/renamed.ics", ""));
	put(r, "calendar/a.ics", "a", "Dentist", "LOCATION:y\r\n");
	/* Its name bears another item now, and itself another name. */
	want(r, 204, ask(r, "DELETE", HOME "calendar/a.ics", NULL, NULL));
	put(r, "calendar/a.ics", "b", "Lunch", "");
	put(r, "calendar/z.ics", "a", "Dentist", "");
	restored(r, "", "Calendar: back \"Dentist\"\n", .to = then);
	cr_assert(there(r, "calendar/a.ics", "Dentist"));
	cr_assert_not(there(r, "calendar/z.ics", ""), "its UID stands twice");
	want(r, 409, ask(r, "PUT", HOME "calendar/y.ics", NULL, event(r, "b", "Again", "")));
	cr_assert(says(r, "no-uid-conflict"), "what came since stays");
	/* Two that changed their names. */
	put(r, "calendar/one.ics", "1", "One", "");
	put(r, "calendar/two.ics", "2", "Two", "");
	then = tip(r);
	want(r, 204, ask(r, "DELETE", HOME "calendar/one.ics", NULL, NULL));
	want(r, 204, ask(r, "DELETE", HOME "calendar/two.ics", NULL, NULL));
	put(r, "calendar/one.ics", "2", "Two", "");
	put(r, "calendar/two.ics", "1", "One", "");
	cr_assert_geq(went_back(r, (struct control_restore){ .to = then }), 1);
	a = tree_of(r, then);
	b = tree_of(r, tip(r));
	cr_assert(store_oid_eq(&a, &b), "all as it was");
	cr_assert_eq(go_back(r, (struct control_restore){ .to = then }, "Calendar/nobody", ""),
		ERR_NOENT);
}

Test(words, restore_keeps_uids_unique)
{
	rig_run(&calendar_service, one_uid);
}

static void undone(struct rig *r)
{
	struct store_oid a, b;

	speak(r);
	put(r, "calendar/a.ics", "a", "Dentist", "");
	put(r, "calendar/b.ics", "b", "Lunch", "");
	a = tip(r);
	put(r, "calendar/a.ics", "a", "Dentist", "LOCATION:wrong\r\n");
	put(r, "calendar/b.ics", "b", "Lunch", "LOCATION:wrong\r\n");
	want(r, 201, ask(r, "MKCALENDAR", HOME "work/", NULL, NULL));
	put(r, "calendar/new.ics", "new", "New", "");
	want(r, 201,
		ask(r, "MOVE", HOME "calendar/new.ics", "Destination: " HOME "work/new.ics\r\n",
			NULL));
	b = tip(r);
	put(r, "calendar/b.ics", "b", "Lunch", "LOCATION:right\r\n");
	restored(r, "",
		"Calendar: as it was \"Dentist\": location\n"
		"calendar work removed\n"
		"work: removed \"New\" (Mon 5 Jan 2026 9:00, Europe/Berlin)\n",
		.to = a, .from = b, .undo = true);
	cr_assert(there(r, "calendar/b.ics", "right"), "what was changed since stays");
	cr_assert(there(r, "calendar/a.ics", "Dentist") && !says(r, "wrong"));
	want(r, 404, ask(r, "PROPFIND", HOME "work/", "Depth: 0\r\n", NULL));
	/* A move is undone as one, and a collection that holds more than it did stays. */
	want(r, 201, ask(r, "MKCALENDAR", HOME "work/", NULL, NULL));
	a = tip(r);
	want(r, 201,
		ask(r, "MOVE", HOME "calendar/a.ics", "Destination: " HOME "work/a.ics\r\n", NULL));
	b = tip(r);
	restored(r, "", "work -> Calendar: back \"Dentist\"\n", .to = a, .from = b, .undo = true);
	a = tip(r);
	want(r, 201, ask(r, "MKCALENDAR", HOME "more/", NULL, NULL));
	b = tip(r);
	put(r, "more/x.ics", "x", "X", "");
	restored(r, "", "calendar more stays: there is more in it now\n", .to = a, .from = b,
		.undo = true);
}

Test(words, undo_takes_back_what_is_as_it_was_left)
{
	rig_run(&calendar_service, undone);
}

static void gone(struct rig *r)
{
	struct store_oid last;

	speak(r);
	want(r, 201, ask(r, "MKCALENDAR", HOME "work/", NULL, NULL));
	put(r, "work/a.ics", "a", "Dentist", "");
	put(r, "work/b.ics", "b", "Lunch", "");
	want(r, 204, ask(r, "DELETE", HOME "work/b.ics", NULL, NULL));
	want(r, 204, ask(r, "DELETE", HOME "work/", NULL, NULL));
	cr_assert_eq(words.last(&last, words.ctx, alice, STR("work/Lunch")), 0);
	restored(r, "work/Lunch", "work: back \"Lunch\" (Mon 5 Jan 2026 9:00, Europe/Berlin)\n",
		.to = last);
	want(r, 207, ask(r, "PROPFIND", HOME "work/", "Depth: 0\r\n", NULL));
	cr_assert(says(r, "caldav"), "it is a calendar again");
	want(r, 204, ask(r, "DELETE", HOME "work/", NULL, NULL));
	cr_assert_eq(words.last(&last, words.ctx, alice, STR("work/a")), 0);
	cr_assert_eq(words.last(&last, words.ctx, alice, STR("Tasks")), ERR_EXIST);
	cr_assert_eq(words.last(&last, words.ctx, alice, STR("work/never")), ERR_NOENT);
	cr_assert_eq(words.last(&last, words.ctx, alice, STR("work")), 0);
	restored(r, "work",
		"calendar work made again\nwork: back \"Lunch\" (Mon 5 Jan 2026 9:00, "
		"Europe/Berlin)\n",
		.to = last);
}

Test(words, restore_makes_collections_again)
{
	rig_run(&calendar_service, gone);
}

/* ---- many ---- */
#define MANY 2500

static void many(struct rig *r, const char *collection)
{
	static struct str list[CONTROL_ITEMS_MAX];
	struct control_intake in = {
		.ref = alice, .collection = str_of(collection), .items = list, .row = ignore
	};
	struct control_items items;

	dav_transfer(&items, &mine);
	for (int i = 0; i < MANY; i += (int)in.n) {
		for (in.n = 0; in.n < CONTROL_ITEMS_MAX && i + (int)in.n < MANY; in.n++) {
			const char *uid = arena_fmt(&r->a, "u%d", i + (int)in.n).p;
			list[in.n] = str_of(event(r, uid, uid, ""));
		}
		cr_assert_eq(items.take(items.ctx, &in), 0);
	}
}

static void in_several(struct rig *r)
{
	struct store_oid a, b, now, then;

	speak(r);
	put(r, "calendar/a.ics", "a", "A", "");
	a = tip(r);
	many(r, "Many");
	b = tip(r);
	cr_assert_eq(
		went_back(r, (struct control_restore){ .to = a, .exact = true, .dry_run = true }),
		MANY + 1);
	cr_assert_eq(went_back(r, (struct control_restore){ .to = a, .exact = true }), MANY + 1);
	now = tree_of(r, tip(r));
	then = tree_of(r, a);
	cr_assert(store_oid_eq(&now, &then), "exactly as it was");
	cr_assert_eq(went_back(r, (struct control_restore){ .to = b }), MANY + 1);
	cr_assert_eq(went_back(r, (struct control_restore){ .to = a, .from = b, .undo = true }),
		MANY + 1);
	want(r, 404, ask(r, "PROPFIND", HOME "Many/", "Depth: 0\r\n", NULL));
}

Test(words, restore_of_many_is_several_commits)
{
	rig_run(&calendar_service, in_several);
}

/* ---- giving ---- */
static int give_head(void *ctx, json_t *collection)
{
	buf_fmt(ctx, "[%s]", json_string_value(json_object_get(collection, "collection")));
	json_decref(collection);
	return 0;
}
static int give_item(void *ctx, struct str name, struct str bytes)
{
	buf_fmt(ctx, " %.*s: %zu", STR_ARG(name), bytes.n);
	return 0;
}
static int give_left_out(void *ctx, struct str name, const char *why)
{
	buf_fmt(ctx, " %.*s: %s", STR_ARG(name), why);
	return 0;
}

/* What a push brought is given as far as it can be, and the rest is named: an export that is silent of it passes for whole. */
static void given(struct rig *r)
{
	struct store_why why = { alice, STR("alice@example.org"), STR("push"), 0 };
	static char large[(1 << 20) + 1];
	struct control_items items;
	struct store_edit *e;
	struct buf b;
	struct control_outgo out = {
		.ref = alice,
		.collection = { "calendar", 8 },
		.head = give_head,
		.item = give_item,
		.left_out = give_left_out,
		.ctx = &b,
	};

	buf_init(&b, &r->a);
	speak(r);
	dav_transfer(&items, &mine);
	want(r, 207, ask(r, "PROPFIND", HOME, "Depth: 1\r\n", NULL));
	cr_assert_eq(store_edit_begin(&e, r->cfg.store, alice, OS_FOREVER), 0);
	cr_assert_eq(store_edit_put_bytes(e, STR("calendar/00/small.ics"), STR("1")), 0);
	cr_assert_eq(
		store_edit_put_bytes(e, STR("calendar/01/large.ics"), str_n(large, sizeof(large))),
		0);
	cr_assert_eq(store_edit_commit(NULL, e, &why), 0);
	cr_assert_eq(items.give(items.ctx, &out), 0);
	cr_expect_str_eq(b.p, "[calendar] small.ics: 1 large.ics: it is over 1 MiB");
}

Test(words, what_is_not_given_is_told)
{
	rig_run(&calendar_service, given);
}
