/* SPDX-License-Identifier: ISC */
#include "tests/store/help.h"

struct editor {
	struct store *s;
	unsigned i, edits;
};

static void many_edits(void *p)
{
	struct editor *w = p;
	struct arena a;

	arena_init(&a, MIB);
	for (unsigned k = 0; k < w->edits; k++)
		OK(put_text(w->s, BRANCH, num(&a, "x/%u", w->i * 1000 + k), STR("t")));
	arena_free(&a);
}

static int count_flushes(void *p)
{
	struct fake_disk *f = p;
	struct editor w[16];
	struct store_stats st;
	struct store *s;
	uint64_t before;

	OK(store_open(&s, &f->d, NULL));
	before = f->flushes;
	for (unsigned i = 0; i < 16; i++)
		w[i] = (struct editor){ s, i, 20 };
	fibers(16, many_edits, w, sizeof(w[0]));
	store_stats(&st, s);
	cr_expect_eq(st.edits, 320);
	cr_expect_lt(st.groups, 60, "320 edits took %u groups", (unsigned)st.groups);
	cr_expect_lt(f->flushes - before, 130);
	struct store_oid tree = tree_of(s, BRANCH);
	struct arena a;
	arena_init(&a, MIB);
	for (unsigned i = 0; i < 16; i++)
		for (unsigned k = 0; k < 20; k++) {
			struct store_entry e;
			OK(store_find(&e, s, &tree, num(&a, "x/%u", i * 1000 + k)));
		}
	arena_free(&a);
	store_close(s);
	return 0;
}

/* Breakage it catches: every edit flushing for itself. */
Test(group, edits_share_flushes)
{
	on_disk(count_flushes, 8 * MIB);
}

static struct store *the_store;
static unsigned turn_of;

static void say(void *p)
{
	unsigned i = *(unsigned *)p;
	char name[8], path[8], msg[40];
	struct store_edit *e;
	snprintf(name, sizeof(name), "p%u", i);
	snprintf(path, sizeof(path), "f%u", i);
	snprintf(msg, sizeof(msg), "imap: thing %u\n\nbody %u", i, i);
	struct store_why why = { str_of(name), STR("p@x"), str_of(msg), 1700000000 + i };
	struct store_oid commit, head;

	OK(store_edit_begin(&e, the_store, BRANCH, OS_FOREVER));
	cr_expect_eq(i, turn_of++, "first come, first served");
	OK(store_edit_put_bytes(e, str_of(path), STR("t")));
	OK(store_edit_commit(&commit, e, &why));
	OK(store_ref_get(&head, the_store, BRANCH));
	cr_expect(store_oid_eq(&commit, &head));
}

static int one_commit(void *p)
{
	struct fake_disk *f = p;
	unsigned ids[3] = { 0, 1, 2 };
	struct store_commit c;
	struct store_oid id;
	struct arena a;

	OK(store_open(&the_store, &f->d, NULL));
	fibers(3, say, ids, sizeof(ids[0]));
	arena_init(&a, MIB);
	OK(store_ref_get(&id, the_store, BRANCH));
	OK(store_commit_get(&c, &a, the_store, &id));
	cr_expect_eq(c.parent_count, 0, "one commit for three edits");
	cr_expect(str_eq(c.message,
			  STR("imap: thing 0 (+2 more)\n"
			      "\n* p0 <p@x>: imap: thing 0\n\n  body 0\n"
			      "\n* p1 <p@x>: imap: thing 1\n\n  body 1\n"
			      "\n* p2 <p@x>: imap: thing 2\n\n  body 2\n")),
		"%.*s", STR_ARG(c.message));
	cr_expect_eq(c.time, 1700000002);
	store_close(the_store);
	arena_free(&a);
	return 0;
}

Test(group, one_branch_one_commit_and_everybody_named)
{
	on_disk(one_commit, 4 * MIB);
}

/* ---- closing ---- */
static bool committed;

static void slow_edit(void *p)
{
	struct store_edit *e;

	(void)p;
	OK(store_edit_begin(&e, the_store, BRANCH, OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("f"), STR("t")));
	for (int i = 0; i < 5; i++)
		os_yield();
	OK(store_edit_commit(NULL, e, &why_test));
	committed = true;
}

static void late_edit(void *p)
{
	struct store_edit *e;
	int err;

	(void)p;
	os_yield();
	err = store_edit_begin(&e, the_store, STR("refs/heads/late"), OS_FOREVER);
	cr_expect(err == ERR_CLOSED || err == 0, "%d", err);
	if (err >= 0)
		store_edit_abort(e);
}

static void close_it(void *p)
{
	(void)p;
	os_yield();
	os_yield();
	store_close(the_store);
	cr_expect(committed, "closed under an edit");
}

static void closing(void *p)
{
	static void (*const what[])(void *) = { slow_edit, late_edit, close_it };
	what[*(unsigned *)p](p);
}

static int close_waits(void *p)
{
	struct fake_disk *f = p;
	unsigned ids[3] = { 0, 1, 2 };
	struct arena a;

	OK(store_open(&the_store, &f->d, NULL));
	fibers(3, closing, ids, sizeof(ids[0]));
	OK(store_open(&the_store, &f->d, NULL));
	arena_init(&a, MIB);
	cr_expect(str_eq(text_at(&a, the_store, BRANCH, STR("f")), STR("t")));
	store_close(the_store);
	arena_free(&a);
	return 0;
}

Test(group, closing_waits_for_edits)
{
	on_disk(close_waits, 4 * MIB);
}

/* ---- readers while a group is written ---- */
struct shared {
	struct fake_disk *f;
	struct store *s;
	bool over;
	unsigned reads, changes;
};
static struct shared shared;

/* `n` and the local record move together, never back, and never to what is not flushed. */
static void reader(void *p)
{
	struct shared *h = p;
	uint64_t last = 0, seed = 7;
	struct arena a;

	arena_init(&a, MIB);
	while (!h->over) {
		struct str text = text_at(&a, h->s, BRANCH, STR("n")), local = STR_NONE;
		uint64_t n = 0;
		if (text.p) {
			OK(str_u64(&n, text, 1000));
			OK(store_local_get(&local, &a, h->s, STR("n")));
			cr_expect(str_eq(local, text), "half a group is visible");
		}
		cr_expect_geq(n, last);
		if (n > last) {
			struct fake_disk *cut;
			struct store *s;
			h->changes++;
			do /* until nothing of the unflushed is kept */
				cut = fake_disk_cut(h->f, &seed);
			while (memcmp(cut->live, h->f->durable, cut->d.size_bytes) != 0 &&
				(os_disk_close(&cut->d), true));
			OK(store_open(&s, &cut->d, NULL));
			struct str flushed = text_at(&a, s, BRANCH, STR("n"));
			uint64_t m = 0;
			cr_expect(flushed.p && str_u64(&m, flushed, 1000) == 0 && m >= n,
				"a reader saw what a power cut takes back");
			store_close(s);
			os_disk_close(&cut->d);
		}
		last = n;
		h->reads++;
		arena_reset(&a);
		os_yield();
	}
	arena_free(&a);
}

static void counter(void *p)
{
	struct shared *h = p;
	struct arena a;

	arena_init(&a, MIB);
	for (unsigned k = 1; k <= 60; k++) {
		struct store_edit *e;
		struct str text = num(&a, "%u", k);
		OK(store_edit_begin(&e, h->s, BRANCH, OS_FOREVER));
		OK(store_edit_put_bytes(e, STR("n"), text));
		OK(store_edit_put_bytes(e, num(&a, "x/%2$x/%1$u", k), text));
		OK(store_edit_local_put(e, STR("n"), text));
		OK(store_edit_commit(NULL, e, &why_test));
		arena_reset(&a);
	}
	h->over = true;
	arena_free(&a);
}

static void either(void *p)
{
	if (*(unsigned *)p)
		reader(&shared);
	else
		counter(&shared);
}

static int reading(void *p)
{
	unsigned who[2] = { 0, 1 };

	shared = (struct shared){ .f = p };
	OK(store_open(&shared.s, &shared.f->d, NULL));
	fibers(2, either, who, sizeof(who[0]));
	cr_expect_gt(shared.reads, 3 * shared.changes, "readers run during flushes");
	cr_expect_gt(shared.changes, 30);
	store_close(shared.s);
	return 0;
}

/* Breakage it catches: renewing the reader before the meta page is flushed. */
Test(group, readers_see_only_what_is_flushed)
{
	on_disk(reading, 4 * MIB);
}
