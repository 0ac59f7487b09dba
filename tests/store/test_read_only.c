/* SPDX-License-Identifier: ISC */
/*
 * A bad place in the part of the log that an open replays: what was acknowledged before it is served,
 * nothing is written any more, and once the place can be read again nothing is missing.
 */
#include "os/log.h"
#include "store/store_impl.h"
#include "tests/store/help.h"

#define EDITS  6
#define SEALED 3 /* units full before the edits to replay */

/* One row a ref: its tree. */
static int derive(void *ctx, struct store_derive *d, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	(void)ctx;
	(void)old_tree;
	return new_tree ? store_derive_row_put(d, ref, oid_str(new_tree))
			: store_derive_row_del(d, ref);
}
static const struct store_driver driver = { .name = "trees", .version = 1, .derive = derive };

struct tail {
	struct fake_disk *disk; /* as after a crash */
	struct super super;
	uint64_t from[EDITS + 1]; /* bytes of the disk where the groups begin */
};

static uint64_t log_end(struct store *s)
{
	struct log_pos at;

	log_tell(&at, s->log);
	return UNITS_AT + (uint64_t)at.unit * s->super.unit_bytes + at.at;
}

static void write_edit(struct store *s, unsigned i)
{
	static char text[20000];
	struct arena a;

	arena_init(&a, 4096);
	noise(text, sizeof(text), i);
	OK(put_text(s, BRANCH, num(&a, "edit%u", i), str_n(text, 100 + i * 900)));
	arena_free(&a);
}

static void make_tail(struct tail *t, struct fake_disk *f)
{
	static char text[50000];
	struct store *s;

	f->eager = true;
	OK(store_open(&s, &f->d, &driver));
	for (unsigned i = 0; log_end(s) < UNITS_AT + SEALED * (uint64_t)s->super.unit_bytes; i++) {
		noise(text, sizeof(text), 1000 + i);
		OK(put_text(s, STR("refs/heads/old"), STR("file"), str_n(text, sizeof(text))));
	}
	OK(put_text(s, BRANCH, STR("first"), STR("x")));
	store_close(s);
	OK(store_open(&s, &f->d, &driver));
	for (unsigned i = 0; i < EDITS; i++) {
		t->from[i] = log_end(s);
		write_edit(s, i);
	}
	t->from[EDITS] = log_end(s);
	cr_assert_lt(t->from[EDITS] - t->from[0], s->super.unit_bytes, "in one unit");
	t->super = s->super;
	t->disk = fake_disk_sure(f);
	store_close(s);
}

static void lose_index(struct fake_disk *g, const struct super *u)
{
	for (unsigned i = 0; i < u->extent_count; i++)
		memset(g->live + UNITS_AT + (uint64_t)u->extents[i].unit * u->unit_bytes, 0,
			(size_t)u->extents[i].units * u->unit_bytes);
}

/* Edits 0 to n - 1 are there, with their row; what was sealed before as well. */
static void holds(struct store *s, unsigned n, const char *what)
{
	struct arena a;
	struct store_oid tree = tree_of(s, BRANCH);
	struct str row;

	arena_init(&a, MIB);
	for (unsigned i = 0; i < EDITS; i++)
		cr_expect_eq(text_at(&a, s, BRANCH, num(&a, "edit%u", i)).p != NULL, i < n,
			"%s: edit %u of %u", what, i, n);
	cr_expect_eq(text_at(&a, s, STR("refs/heads/old"), STR("file")).n, 50000, "%s", what);
	OK(store_row_get(&row, &a, s, BRANCH));
	cr_expect(str_eq(row, oid_str(&tree)), "%s: a row that does not belong", what);
	arena_free(&a);
}

static void refuses(struct store *s, const char *place, const char *what)
{
	struct store_stats st;
	struct buf found;
	struct store_edit *e;
	struct store_sweep w = { 0 };

	store_stats(&st, s);
	cr_assert_not_null(st.read_only, "%s", what);
	cr_expect_not_null(strstr(st.read_only, place), "%s: %s", what, st.read_only);
	cr_expect_eq(store_edit_begin(&e, s, BRANCH, OS_FOREVER), ERR_CORRUPT, "%s", what);
	cr_expect_not_null(strstr(err_text(ERR_CORRUPT), place), "%s", err_text(ERR_CORRUPT));
	cr_expect_not_null(strstr(err_text(ERR_CORRUPT), "recovered from a backup"), "%s",
		err_text(ERR_CORRUPT));
	cr_expect_eq(store_sweep(s, &w), ERR_CORRUPT, "%s", what);
	buf_init(&found, NULL);
	cr_expect_gt(verify_count(s, &found), 0, "%s: verify", what);
	buf_addc(&found, 0);
	cr_expect_not_null(strstr(found.p, place), "%s: verify says %s", what, found.p);
	buf_free(&found);
}

/* Edit `n` can't be read, or is damaged, at byte `at` of the disk. */
static void spoil_one(struct tail *t, unsigned n, uint64_t at, bool unreadable, bool no_index)
{
	struct fake_disk *g = fake_disk_sure(t->disk);
	uint64_t log_bytes = (SEALED + 2) * (uint64_t)t->super.unit_bytes;
	uint8_t *before = malloc(log_bytes);
	char what[100];
	struct store *s;
	struct store_stats st;

	os_assert(before);
	snprintf(what, sizeof(what), "byte %llu of edit %u %s%s", (unsigned long long)at, n,
		unreadable ? "unreadable" : "flipped", no_index ? ", index lost" : "");
	if (no_index)
		lose_index(g, &t->super);
	if (unreadable)
		g->bad_at = at / LOG_BLOCK * LOG_BLOCK, g->bad_n = LOG_BLOCK;
	else
		g->live[at] ^= 4;
	memcpy(before, g->live + UNITS_AT, log_bytes);
	for (int again = 0; again < 2; again++) {
		OK(store_open(&s, &g->d, &driver));
		holds(s, n, what);
		refuses(s, "byte", what);
		store_close(s);
	}
	cr_expect_eq(memcmp(before, g->live + UNITS_AT, log_bytes), 0, "%s: written to", what);
	if (!unreadable)
		g->live[at] ^= 4;
	g->bad_n = 0;
	OK(store_open(&s, &g->d, &driver));
	store_stats(&st, s);
	cr_expect_null(st.read_only, "%s: healed", what);
	holds(s, EDITS, what);
	OK(put_text(s, BRANCH, STR("more"), STR("x")));
	cr_expect_eq(verify_count(s, NULL), 0, "%s: healed", what);
	store_close(s);
	os_disk_close(&g->d);
	free(before);
}

static int places(void *p)
{
	struct tail t;

	make_tail(&t, p);
	os_log_level(OS_ERROR + 1);
	for (unsigned n = 0; n < EDITS; n++)
		for (uint64_t at = t.from[n]; at < t.from[n + 1]; at += 3 * (uint64_t)LOG_BLOCK)
			for (int how = 0; how < 4; how++) {
				/* Of the last one nobody can tell that it was whole before. */
				if (how % 2 == 0 || n + 1 < EDITS)
					spoil_one(&t, n, at + 9, how % 2 == 0, how / 2);
			}
	os_disk_close(&t.disk->d);
	return 0;
}

/* Breakage it catches: an open that is refused for a bad sector, or cuts what it can't read. */
Test(read_only, a_bad_place_where_replay_goes)
{
	on_disk(places, 4 * MIB);
}

/* With the index gone: a sealed unit whose first block tells nothing. */
static int sealed_unit(void *p)
{
	struct tail t;
	struct store *s;

	make_tail(&t, p);
	os_log_level(OS_ERROR + 1);
	for (int unreadable = 0; unreadable < 2; unreadable++) {
		struct fake_disk *g = fake_disk_sure(t.disk);
		uint64_t at = UNITS_AT + t.super.unit_bytes;
		lose_index(g, &t.super);
		if (unreadable)
			g->bad_at = at, g->bad_n = LOG_BLOCK;
		else
			g->live[at + 50] ^= 1;
		for (int again = 0; again < 2; again++) {
			OK(store_open(&s, &g->d, &driver));
			holds(s, EDITS, "sealed");
			refuses(s, unreadable ? "unit 1, byte 0" : "unit 0 and unit 2", "sealed");
			store_close(s);
		}
		if (!unreadable)
			g->live[at + 50] ^= 1;
		g->bad_n = 0;
		OK(store_open(&s, &g->d, &driver));
		holds(s, EDITS, "sealed, healed");
		OK(put_text(s, BRANCH, STR("more"), STR("x")));
		cr_expect_eq(verify_count(s, NULL), 0);
		store_close(s);
		os_disk_close(&g->d);
	}
	os_disk_close(&t.disk->d);
	return 0;
}

/* Breakage it catches: a rebuild that takes a gap in the log for what a sweep gave back. */
Test(read_only, a_unit_missing_when_the_index_is_made_again)
{
	on_disk(sealed_unit, 4 * MIB);
}

/* ---- room for the index ---- */
#define FREE 6 /* units behind the log's */

/* More rows than there is room for. */
static int derive_much(void *ctx, struct store_derive *d, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	static char text[2000];
	char key[40];
	int err = 0;

	(void)ctx;
	(void)ref;
	(void)old_tree;
	for (unsigned i = 0; new_tree && i < 2000 && err >= 0; i++) {
		snprintf(key, sizeof(key), "row%u", i);
		err = store_derive_row_put(d, str_of(key), str_n(text, sizeof(text)));
	}
	return err;
}
static const struct store_driver much = { .name = "much", .version = 1, .derive = derive_much };

static int no_room(void *p)
{
	static char text[50000];
	struct fake_disk *f = p, *full;
	struct store *s;
	struct super u;
	uint64_t from, bytes, n = 0;

	f->eager = true;
	os_log_level(OS_ERROR + 1);
	OK(store_open(&s, &f->d, NULL));
	OK(put_text(s, BRANCH, STR("first"), STR("x")));
	store_close(s);
	OK(store_open(&s, &f->d, NULL));
	from = log_end(s);
	for (; log_units_free(s->log) > FREE; n++) {
		noise(text, sizeof(text), n);
		OK(put_text(s, STR("refs/heads/new"), STR("file"), str_n(text, sizeof(text))));
	}
	u = s->super;
	bytes = log_end(s) - UNITS_AT;
	full = fake_disk_sure(f);
	store_close(s);
	for (int no_index = 0; no_index < 2; no_index++) {
		struct fake_disk *g = fake_disk_sure(full);
		uint8_t *before = malloc(bytes);
		struct arena a;
		os_assert(before);
		if (no_index)
			lose_index(g, &u);
		g->live[from + 9] ^= 4;
		memcpy(before, g->live + UNITS_AT, bytes);
		int err = store_open(&s, &g->d, &much);
		cr_expect(err == 0 || err == ERR_NOSPACE, "%d %s", err, err_text(err));
		if (err == 0)
			store_close(s);
		cr_expect_eq(memcmp(before, g->live + UNITS_AT, bytes), 0, "%d", no_index);
		g->live[from + 9] ^= 4;
		OK(store_open(&s, &g->d, NULL));
		arena_init(&a, MIB);
		cr_expect(str_eq(text_at(&a, s, STR("refs/heads/new"), STR("file")),
				  str_n(text, sizeof(text))),
			"%d", no_index);
		arena_free(&a);
		store_close(s);
		os_disk_close(&g->d);
		free(before);
	}
	os_disk_close(&full->d);
	return 0;
}

/* Breakage it catches: the index grows into units of a damaged log that replay did not reach. */
Test(read_only, what_replay_did_not_reach_is_not_overwritten)
{
	on_disk(no_room, 4 * MIB);
}

/* ---- the index ---- */
/* All of it reads right, or reading says that the index is damaged. */
static bool reads(struct store *s)
{
	struct store_stats st;
	struct store_oid id;
	struct arena a;
	struct str text;
	int err;

	arena_init(&a, MIB);
	err = store_ref_get(&id, s, BRANCH);
	for (unsigned i = 0; i < EDITS && err >= 0; i++)
		err = read_text(&text, &a, s, BRANCH, num(&a, "edit%u", i));
	if (err >= 0)
		err = store_row_get(&text, &a, s, BRANCH);
	arena_free(&a);
	store_stats(&st, s);
	cr_expect(
		err >= 0 || (err == ERR_CORRUPT && st.index_damaged), "%d %s", err, err_text(err));
	return err >= 0;
}

static int index_pages(void *p)
{
	struct tail t;
	unsigned rebuilt = 0, told = 0;

	make_tail(&t, p);
	os_log_level(OS_ERROR + 1);
	uint64_t from = UNITS_AT + (uint64_t)t.super.extents[0].unit * t.super.unit_bytes;
	uint64_t bytes = (uint64_t)t.super.extents[0].units * t.super.unit_bytes;
	for (uint64_t at = from; at < from + bytes; at += 4096)
		for (int sector = 0; sector < 8; sector += 7) {
			struct fake_disk *g = fake_disk_sure(t.disk);
			struct store_stats st;
			struct store *s;
			g->bad_at = at + (uint64_t)sector * LOG_BLOCK;
			g->bad_n = LOG_BLOCK;
			OK(store_open(&s, &g->d, &driver));
			store_stats(&st, s);
			rebuilt += st.index_rebuilds > 0;
			told += !reads(s);
			store_close(s);
			OK(store_open(&s, &g->d, &driver));
			holds(s, EDITS, "the index");
			cr_expect_eq(verify_count(s, NULL), 0);
			OK(put_text(s, BRANCH, STR("more"), STR("x")));
			store_close(s);
			os_disk_close(&g->d);
		}
	cr_expect_gt(rebuilt, 2);
	printf("index: made again %u times at once, %u later\n", rebuilt, told);
	os_disk_close(&t.disk->d);
	return 0;
}

/* Breakage it catches: a page of the index touched that can't be read, which ends the machine. */
Test(read_only, a_page_of_the_index_that_can_not_be_read)
{
	on_disk(index_pages, 4 * MIB);
}
