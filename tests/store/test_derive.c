/* SPDX-License-Identifier: ISC */
#include "store/store_impl.h"
#include "tests/store/help.h"

/*
 * Rows: one per blob, path -> its bytes, made from the difference alone; a number per path is a
 * local record given once. A blob "fail" makes derive() fail.
 */
static unsigned calls;
static bool skips; /* a driver gone wrong */

static int on_change(void *ctx, const struct store_change *c)
{
	struct store_derive *d = ctx;
	struct str text, number;
	char room[STORE_KEY_MAX];
	struct arena a;
	int err;

	if (str_eq(c->path, STR("fail")))
		return err_set(ERR_BAD, "derive: told to fail");
	if (!c->after)
		return store_derive_row_del(d, c->path);
	arena_init(&a, MIB);
	snprintf(room, sizeof(room), "n/%.*s", STR_ARG(c->path));
	err = store_derive_local_get(&number, d, str_of(room));
	if (err == ERR_NOENT)
		err = store_derive_local_put(d, str_of(room), STR("7"));
	if (err >= 0)
		err = store_blob_all(&text, &a, store_derive_store(d), c->after, 100000);
	if (err >= 0 && !skips)
		err = store_derive_row_put(d, c->path, text);
	arena_free(&a);
	return err;
}

static int derive(void *ctx, struct store_derive *d, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	(void)ctx;
	(void)ref;
	calls++;
	return store_diff(store_derive_store(d), old_tree, new_tree, STR(""), on_change, d);
}
static const struct store_driver one = { .name = "test", .version = 1, .derive = derive },
				 two = { .name = "test", .version = 2, .derive = derive };

static int collect(void *ctx, struct str key, struct str value)
{
	buf_fmt(ctx, "%.*s=%.*s ", STR_ARG(key), STR_ARG(value));
	return 0;
}

static const char *rows(struct arena *a, struct store *s)
{
	struct buf b;
	buf_init(&b, a);
	buf_add(&b, STR(""));
	buf_addc(&b, ' ');
	OK(store_row_scan(s, STR_NONE, STR_NONE, collect, &b));
	return b.p;
}

static void begin_put(struct store_edit **e, struct store *s, const char *path, const char *text)
{
	OK(store_edit_begin(e, s, BRANCH, OS_FOREVER));
	OK(store_edit_put_bytes(*e, str_of(path), str_of(text)));
}

static int rows_follow(void *p)
{
	struct fake_disk *f = p;
	struct store *s;
	struct store_edit *e;
	struct arena a;
	struct str v;

	arena_init(&a, MIB);
	OK(store_open(&s, &f->d, &one));
	OK(put_text(s, BRANCH, STR("a/x"), STR("1")));
	OK(put_text(s, BRANCH, STR("b"), STR("2")));
	cr_expect_str_eq(rows(&a, s), " a/x=1 b=2 ");
	OK(store_local_get(&v, &a, s, STR("n/b")));
	cr_expect_eq(verify_count(s, NULL), 0);

	/* derive() fails: that edit is as if it had never been, local records included. */
	begin_put(&e, s, "fail", "3");
	OK(store_edit_put_bytes(e, STR("b"), STR("lost")));
	OK(store_edit_local_put(e, STR("mine"), STR("lost")));
	cr_expect_eq(store_edit_commit(NULL, e, &why_test), ERR_BAD);
	cr_expect_str_eq(rows(&a, s), " a/x=1 b=2 ");
	cr_expect_eq(store_local_get(&v, &a, s, STR("mine")), ERR_NOENT);
	OK(put_text(s, BRANCH, STR("c"), STR("4")));
	cr_expect_str_eq(rows(&a, s), " a/x=1 b=2 c=4 ");
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(store_edit_del(e, STR("a")));
	OK(store_edit_commit(NULL, e, &why_test));
	cr_expect_str_eq(rows(&a, s), " b=2 c=4 ");
	store_close(s);

	/* Opened again nothing is derived again; by another version everything is. */
	calls = 0;
	OK(store_open(&s, &f->d, &one));
	cr_expect_eq(calls, 0);
	store_close(s);
	OK(store_open(&s, &f->d, &two));
	cr_expect_eq(calls, 1);
	cr_expect_str_eq(rows(&a, s), " b=2 c=4 ");
	store_close(s);

	/* Changed by a tool that has no driver: derived again. */
	OK(store_open(&s, &f->d, NULL));
	OK(put_text(s, BRANCH, STR("d"), STR("5")));
	store_close(s);
	OK(store_open(&s, &f->d, &two));
	cr_expect_str_eq(rows(&a, s), " b=2 c=4 d=5 ");
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);
	arena_free(&a);
	return 0;
}

/* Breakage it catches: rows of a failed edit left in the group. */
Test(derive, rows_follow_the_branch)
{
	on_disk(rows_follow, 4 * MIB);
}

static int wrong_rows(void *p)
{
	struct fake_disk *f = p;
	struct store *s;
	struct arena a;
	struct buf what;

	arena_init(&a, MIB);
	OK(store_open(&s, &f->d, &one));
	OK(put_text(s, BRANCH, STR("a"), STR("1")));
	skips = true;
	OK(put_text(s, BRANCH, STR("b"), STR("2"))); /* its row is missing */
	OK(put_text(s, BRANCH, STR("a"), STR("3"))); /* its row is old */
	skips = false;
	buf_init(&what, &a);
	cr_expect_eq(verify_count(s, &what), 2, "%s", what.p);
	cr_expect(str_find(buf_str(&what), STR("row 61: differs")) >= 0, "%s", what.p);
	cr_expect(str_find(buf_str(&what), STR("row 62: derived but not stored")) >= 0);
	cr_expect_str_eq(rows(&a, s), " a=1 ", "verify changes nothing");
	skips = true;
	buf_init(&what, &a);
	cr_expect_eq(verify_count(s, &what), 1);
	cr_expect(str_find(buf_str(&what), STR("row 61: stored but not derived")) >= 0);
	skips = false;
	store_close(s);
	arena_free(&a);
	return 0;
}

Test(derive, verify_compares_rows)
{
	on_disk(wrong_rows, 4 * MIB);
}

/* ---- rebuilding more than memory should hold, and power cuts while at it ---- */
static void cut_while_building(struct fake_disk *f)
{
	static uint64_t seed = 4;
	struct fake_disk *cut;
	struct store *s;
	struct arena a;
	struct str v;

	f->on_flush = NULL; /* once */
	cut = fake_disk_cut(f, &seed);
	arena_init(&a, MIB);
	OK(store_open(&s, &cut->d, &two));
	OK(store_row_get(&v, &a, s, STR("r/0")));
	OK(store_row_get(&v, &a, s, STR("r/399")));
	cr_expect_eq(v.n, 20000);
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);
	arena_free(&a);
	os_disk_close(&cut->d);
}

static int rebuild_much(void *p)
{
	struct fake_disk *f = p;
	static char text[20000];
	struct store *s;
	struct arena a;
	struct store_stats st;

	arena_init(&a, MIB);
	OK(store_open(&s, &f->d, &one));
	for (unsigned k = 0; k < 400; k++) {
		memset(text, 'a' + (int)(k % 26), sizeof(text));
		OK(put_text(s, BRANCH, num(&a, "r/%u", k), str_n(text, sizeof(text))));
	}
	store_close(s);
	f->on_flush = cut_while_building;
	OK(store_open(&s, &f->d, &two));
	store_stats(&st, s);
	cr_expect_gt(st.flushes, 4, "8 MB of rows go to disk piecemeal");
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);
	arena_free(&a);
	return 0;
}

Test(derive, rebuilds_piecemeal_and_starts_over)
{
	on_disk(rebuild_much, 64 * MIB);
}

/* ---- watching ---- */
static unsigned seen;
static struct store_oid seen_commit;

static void watcher(void *ctx, struct str ref, const struct store_oid *commit)
{
	cr_expect_eq(ctx, &seen);
	cr_expect(str_eq(ref, BRANCH));
	seen++;
	seen_commit = *commit;
}

static int watching(void *p)
{
	struct fake_disk *f = p;
	struct store *s;
	struct store_edit *e;
	struct store_oid head;

	OK(store_open(&s, &f->d, NULL));
	OK(store_watch(s, watcher, &seen));
	OK(put_text(s, BRANCH, STR("a"), STR("1")));
	OK(store_ref_get(&head, s, BRANCH));
	cr_expect_eq(seen, 1);
	cr_expect(store_oid_eq(&head, &seen_commit));
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER)); /* moves no ref */
	OK(store_edit_local_put(e, STR("k"), STR("v")));
	OK(store_edit_commit(NULL, e, &why_test));
	cr_expect_eq(seen, 1);
	store_close(s);
	return 0;
}

Test(derive, watchers_hear_of_moved_refs)
{
	on_disk(watching, 4 * MIB);
}
