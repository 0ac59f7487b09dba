/* SPDX-License-Identifier: ISC */
/* Three replicas in one store, edited and merged into each other in any order, until all stand at one
 * commit; then every UID stands once, and the rows are those that a rebuild makes. */
#include "services/calendar/calendar.h"
#include "tests/dav/rig.h"

#define REPLICAS 3
static const char *const refs[REPLICAS] = { "refs/heads/alice", "refs/devices/a/alice",
	"refs/devices/b/alice" };
static const struct store_why why = { { "t", 1 }, { "t", 1 }, { "t", 1 }, 1 };

static unsigned roll(uint64_t *seed, unsigned n)
{
	return (unsigned)(fake_random(seed) >> 20) % n;
}

#define NAMES 3 /* that one item may have */

static struct str file(struct rig *r, unsigned uid, unsigned name)
{
	struct str segs[2] = { STR("calendar"), arena_fmt(&r->a, "n%u-%u.ics", uid, name) };
	struct buf path;

	buf_init(&path, &r->a);
	dav_item_file(&path, segs, 2);
	return buf_str(&path);
}

static struct str text(struct rig *r, unsigned uid, unsigned token)
{
	return arena_fmt(&r->a,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u%u\r\n"
		"DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T100000Z\r\nSUMMARY:t%u\r\n"
		"LOCATION:l%u\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
		uid, token % 2 ? token : 0, token % 2 ? 0 : token);
}

/* Puts an item under one of its names, or none. */
static void edit(struct rig *r, const char *ref, uint64_t *seed, unsigned *token)
{
	unsigned uid = roll(seed, 6), name = roll(seed, NAMES + 1);
	struct store_edit *e;

	cr_assert_eq(store_edit_begin(&e, r->cfg.store, str_of(ref), OS_FOREVER), 0);
	for (unsigned i = 0; i < NAMES; i++)
		(void)!store_edit_del(e, file(r, uid, i));
	if (name < NAMES)
		cr_assert_eq(
			store_edit_put_bytes(e, file(r, uid, name), text(r, uid, ++*token)), 0);
	cr_assert_eq(store_edit_commit(NULL, e, &why), 0);
}

static void merge(struct rig *r, unsigned into, unsigned from)
{
	struct store_oid tip;
	enum store_merged how;
	int err = store_ref_get(&tip, r->cfg.store, str_of(refs[from]));

	cr_assert_eq(err, 0);
	err = store_merge(&how, NULL, r->cfg.store, str_of(refs[into]), &tip, OS_FOREVER);
	cr_assert_eq(err, 0, "%s", err_text(err));
}

static bool all_one(struct rig *r)
{
	struct store_oid tip[REPLICAS];

	for (int i = 0; i < REPLICAS; i++)
		cr_assert_eq(store_ref_get(&tip[i], r->cfg.store, str_of(refs[i])), 0);
	return store_oid_eq(&tip[0], &tip[1]) && store_oid_eq(&tip[0], &tip[2]);
}

struct dump {
	struct buf text;
	unsigned uids, items;
};

static int on_row(void *ctx, struct str key, struct str value)
{
	struct dump *d = ctx;

	d->uids += key.p[0] == 'u';
	d->items += key.p[0] == 'i';
	buf_add(&d->text, key);
	buf_add(&d->text, value);
	return 0;
}

static struct dump rows(struct rig *r)
{
	struct dump d = { 0 };

	buf_init(&d.text, &r->a);
	buf_add(&d.text, STR(""));
	cr_assert_eq(store_row_scan(r->cfg.store, STR_NONE, STR_NONE, on_row, &d), 0);
	return d;
}

static void world(struct rig *r, uint64_t *seed, unsigned *token, unsigned number)
{
	unsigned rounds = 0;

	for (unsigned i = 0; i < 20; i++) {
		unsigned into = roll(seed, REPLICAS), from = roll(seed, REPLICAS);
		if (roll(seed, 3))
			edit(r, refs[into], seed, token);
		else if (into != from)
			merge(r, into, from);
	}
	while (!all_one(r) && rounds++ < 8)
		for (unsigned i = 0; i < REPLICAS; i++)
			merge(r, i, (i + 1 + roll(seed, REPLICAS - 1)) % REPLICAS);
	cr_assert(all_one(r), "%u: they come to no end", number);
}

static void replicas(struct rig *r)
{
	uint64_t seed = 5;
	unsigned token = 0;
	struct store_oid head;

	want(r, 207, ask(r, "PROPFIND", "/calendars/alice/", "Depth: 0\r\n", NULL));
	cr_assert_eq(store_ref_get(&head, r->cfg.store, STR("refs/heads/alice")), 0);
	for (int i = 1; i < REPLICAS; i++) {
		struct store_ref_move move = { str_of(refs[i]), NULL, &head };
		cr_assert_eq(store_ref_update(r->cfg.store, &move, 1, &why, OS_FOREVER), 0);
	}
	for (unsigned i = 0; i < 30; i++)
		world(r, &seed, &token, i);
	struct dump before = rows(r), after;
	rig_rebuild(r);
	after = rows(r);
	cr_expect(before.items > 5 && before.uids == before.items, "%u of %u", before.uids,
		before.items);
	cr_expect(str_eq(buf_str(&before.text), buf_str(&after.text)),
		"the rows are others when rebuilt");
}
Test(merge_live, replicas)
{
	rig_run(&calendar_service, replicas);
}
