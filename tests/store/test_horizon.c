/* SPDX-License-Identifier: ISC */
/* Histories that end: where, what holds them, and what a clone is told. */
#include "store/reach_impl.h"
#include "tests/store/help.h"

#define DAY 86400

static unsigned length(struct store *s, struct str ref)
{
	struct walk_commit c;
	struct store_oid at;
	unsigned n = 0;

	OK(store_ref_get(&at, s, ref));
	for (;;) {
		OK(walk_commit_get(&c, s, &at));
		n++;
		if (c.parent_count == 0)
			return n;
		at = c.parents[0];
	}
}

static void commits(struct store *s, struct str ref, unsigned from, unsigned to)
{
	struct arena a;

	for (unsigned k = from; k < to; k++) {
		arena_init(&a, 4096);
		OK(put_text(s, ref, STR("one"), num(&a, "text %u", k)));
		OK(put_text(s, ref, num(&a, "many/%u", k), num(&a, "text %u", k)));
		arena_free(&a);
	}
}

static void sweep(struct store *s)
{
	struct store_sweep w = { 0 };
	OK(store_sweep(s, &w));
	cr_expect_eq(verify_count(s, NULL), 0);
}

/* Reckons horizons of 30 days as if everything up to now were older. */
static void grow_old(struct store *s)
{
	int64_t now = os_wall_sec();

	s->ahead_sec = 30 * DAY;
	while (os_wall_sec() <= now + 1)
		os_sleep(os_after(100 * OS_MS));
	s->ahead_sec = 30 * DAY - (os_wall_sec() - now);
}

static int counted(void *ctx, const struct store_oid *id)
{
	(void)id;
	++*(unsigned *)ctx;
	return 0;
}

static unsigned boundary(struct store *s)
{
	unsigned n = 0;
	OK(store_shallow_list(s, counted, &n));
	return n;
}

static int logged(void *ctx, const struct store_commit *c)
{
	(void)c;
	++*(unsigned *)ctx;
	return 0;
}

static const struct store_horizon month = { .keep_days = 30 };

/* Was it kept? */
static bool is_here(struct store *s, const struct store_oid *id)
{
	struct head h;
	return head_get(&h, s, id) >= 0;
}

static int cut_once_and_again(void *p)
{
	struct fake_disk *f = p;
	struct store_oid first, then, at;
	struct store_horizon h;
	struct store *s;
	struct arena a;
	unsigned n = 0;

	OK(store_open(&s, &f->d, NULL));
	commits(s, BRANCH, 0, 1);
	OK(store_ref_get(&first, s, BRANCH));
	commits(s, BRANCH, 1, 20);
	OK(store_ref_get(&then, s, BRANCH));
	grow_old(s);
	int64_t moment = os_wall_sec() - 1;
	commits(s, BRANCH, 20, 30);
	sweep(s); /* no horizon: all is kept */
	cr_expect_eq(length(s, BRANCH), 60);
	cr_expect_eq(boundary(s), 0);

	OK(store_horizon_set(s, BRANCH, &month));
	OK(store_horizon_get(&h, s, BRANCH));
	cr_expect_eq(h.keep_days, 30);
	sweep(s);
	cr_expect_eq(length(s, BRANCH), 21, "what came after, and where it stood then: %u",
		length(s, BRANCH));
	cr_expect_eq(boundary(s), 1);
	cr_expect(store_shallow_has(s, &then));
	cr_expect(!is_here(s, &first) && is_here(s, &then));
	OK(store_ref_at(&at, s, BRANCH, moment));
	cr_expect(store_oid_eq(&at, &then), "the state of that day is there");
	cr_expect_eq(store_ref_at(&at, s, BRANCH, moment - 1000), ERR_NOENT);
	OK(store_ref_get(&at, s, BRANCH));
	OK(store_log(s, &at, STR_NONE, logged, &n));
	cr_expect_eq(n, 21);
	/* A clone is told of the boundary. */
	struct store_plan *plan;
	struct store_fetch fetch = { .wants = &at, .want_count = 1, .objects_max = 10000 };
	OK(store_plan_make(&plan, s, &fetch));
	cr_expect(plan->shallow_count == 1 && store_oid_eq(&plan->shallow[0], &then));
	store_plan_free(plan);

	/* Later the boundary moves on, and the one before goes. */
	grow_old(s);
	OK(store_ref_get(&then, s, BRANCH));
	commits(s, BRANCH, 30, 33);
	sweep(s);
	cr_expect_eq(length(s, BRANCH), 7);
	cr_expect_eq(boundary(s), 1);
	cr_expect(store_shallow_has(s, &then));
	arena_init(&a, MIB);
	for (unsigned k = 0; k < 33; k++)
		cr_expect(str_eq(
			text_at(&a, s, BRANCH, num(&a, "many/%u", k)), num(&a, "text %u", k)));
	arena_free(&a);
	store_close(s);
	OK(store_open(&s, &f->d, NULL));
	cr_expect_eq(length(s, BRANCH), 7);
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);
	return 0;
}

/* Breakage it catches: a walk that goes on behind the boundary. */
Test(horizon, moves, .timeout = 60)
{
	on_disk(cut_once_and_again, 16 * MIB);
}

static int move_ref(struct store *s, struct str ref, const struct store_oid *to)
{
	struct store_ref_move m = { ref, NULL, to };
	return store_ref_update(s, &m, 1, &why_test, OS_FOREVER);
}

static int held(void *p)
{
	struct fake_disk *f = p;
	struct store_oid early, pinned, tagged;
	struct store *s;

	OK(store_open(&s, &f->d, NULL));
	commits(s, BRANCH, 0, 5);
	OK(store_ref_get(&early, s, BRANCH));
	commits(s, BRANCH, 5, 10);
	OK(store_ref_get(&pinned, s, BRANCH));
	commits(s, BRANCH, 10, 15);
	OK(store_ref_get(&tagged, s, BRANCH));
	commits(s, BRANCH, 15, 20);
	OK(store_horizon_set(s, BRANCH, &month));
	OK(store_pin(s, STR("base/laptop"), &pinned));
	OK(move_ref(s, STR("refs/devices/phone/b"), &tagged));
	grow_old(s);
	commits(s, BRANCH, 20, 21);

	/* A branch without a horizon shares the history: nothing goes. */
	OK(move_ref(s, STR("refs/heads/copy"), &early));
	sweep(s);
	cr_expect_eq(length(s, BRANCH), 42);
	struct store_ref_move m = { STR("refs/heads/copy"), &early, NULL };
	OK(store_ref_update(s, &m, 1, &why_test, OS_FOREVER));
	sweep(s);
	cr_expect_eq(length(s, BRANCH), 23, "up to the laptop's base: %u", length(s, BRANCH));
	cr_expect(store_shallow_has(s, &pinned) && is_here(s, &pinned));
	cr_expect(is_here(s, &early), "a record of the copy still wants it");

	OK(store_pin(s, STR("base/laptop"), NULL));
	sweep(s);
	cr_expect_eq(length(s, BRANCH), 13, "up to the phone's: %u", length(s, BRANCH));
	cr_expect(store_shallow_has(s, &tagged));

	/* A base is forgotten when its device was not seen for half a year. */
	OK(store_pin(s, STR("base/old"), &tagged));
	m = (struct store_ref_move){ STR("refs/devices/phone/b"), &tagged, NULL };
	OK(store_ref_update(s, &m, 1, &why_test, OS_FOREVER));
	sweep(s);
	cr_expect_eq(length(s, BRANCH), 13);
	s->ahead_sec = 200 * DAY;
	sweep(s);
	cr_expect_eq(length(s, BRANCH), 1);
	store_close(s);
	return 0;
}

Test(horizon, is_held_by_pins_devices_and_branches, .timeout = 60)
{
	on_disk(held, 16 * MIB);
}

static int parallel(void *p)
{
	struct fake_disk *f = p;
	struct store_oid fork, side, to;
	enum store_merged how;
	struct store *s;

	OK(store_open(&s, &f->d, NULL));
	commits(s, BRANCH, 0, 5);
	OK(store_ref_get(&fork, s, BRANCH));
	OK(move_ref(s, STR("refs/devices/a/b"), &fork));
	commits(s, BRANCH, 5, 10); /* and, from the fork, one of a device that comes in late */
	OK(put_text(s, STR("refs/devices/a/b"), STR("late"), STR("x")));
	OK(store_ref_get(&side, s, STR("refs/devices/a/b")));
	OK(store_horizon_set(s, BRANCH, &month));
	OK(store_horizon_set(s, STR("refs/devices/a/b"), &month));
	grow_old(s);
	OK(store_merge(&how, &to, s, BRANCH, &side, OS_FOREVER));
	cr_expect_eq(how, STORE_MERGED_COMMIT);
	struct store_ref_move m = { STR("refs/devices/a/b"), &side, NULL };
	OK(store_ref_update(s, &m, 1, &why_test, OS_FOREVER));
	sweep(s);
	struct walk_commit c;
	OK(walk_commit_get(&c, s, &to));
	cr_expect_eq(c.parent_count, 2);
	cr_expect(is_here(s, &side) && is_here(s, &fork));
	cr_expect(store_shallow_has(s, &fork), "the late one's parent is kept, its past is not");
	cr_expect_eq(boundary(s), 2);
	cr_expect_leq(length(s, BRANCH), 3);
	store_close(s);
	return 0;
}

/* Breakage it catches: a commit that is kept and names one that is not, and says nothing. */
Test(horizon, cuts_side_branches_where_they_left, .timeout = 60)
{
	on_disk(parallel, 16 * MIB);
}

/* ---- under pressure ---- */
#define TURNS 300 /* far more than the disk holds */

/* One file over and over, and not waiting for sweeps. How many were written before one was refused? */
static unsigned write_on(struct store *s)
{
	static uint64_t text[4000];
	uint64_t seed = store_seq(s);
	unsigned k;
	int err = 0;

	for (k = 0; k < TURNS && err >= 0; k++) {
		for (size_t i = 0; i < ARRAY_LEN(text); i++)
			text[i] = fake_random(&seed);
		err = put_text(s, BRANCH, STR("over and over"), str_n(text, sizeof(text)));
	}
	cr_assert(err == 0 || err == ERR_NOSPACE, "%s", err_text(err));
	return err < 0 ? k - 1 : k;
}

static int pressed(void *p)
{
	struct store_horizon h = { .keep_days = 365, .keep_days_min = 30 };
	struct fake_disk *f = p;
	struct store_oid early, then, at;
	struct store *s;
	unsigned n;

	OK(store_open(&s, &f->d, NULL));
	OK(store_keep(s));
	OK(put_text(s, BRANCH, STR("x"), STR("early")));
	OK(store_ref_get(&early, s, BRANCH));
	OK(put_text(s, BRANCH, STR("x"), STR("then")));
	OK(store_ref_get(&then, s, BRANCH));
	OK(store_horizon_set(s, BRANCH, &h));

	/* Room enough: the year is kept, though a month would do. */
	s->ahead_sec = 100 * DAY;
	sweep(s);
	cr_expect(is_here(s, &early) && boundary(s) == 0);

	/* A device's base holds it, whatever the pressure. */
	OK(store_pin(s, STR("base/laptop"), &then));
	n = write_on(s);
	cr_expect_lt(n, TURNS, "history that must be kept does not go on without end");
	cr_expect(is_here(s, &then));

	/* Without it the month is enough, and nobody is refused. */
	OK(store_pin(s, STR("base/laptop"), NULL));
	sweep(s);
	cr_expect_eq(write_on(s), TURNS);
	cr_expect(!is_here(s, &then) && !is_here(s, &early));

	/* Never below the least: what is younger stays, and writes are refused instead. */
	s->ahead_sec = 0;
	OK(store_ref_get(&at, s, BRANCH));
	n = write_on(s);
	cr_expect_lt(n, TURNS);
	sweep(s);
	cr_expect(is_here(s, &at));
	cr_expect_geq(length(s, BRANCH), n);

	/* No least: not even under pressure. */
	s->ahead_sec = 100 * DAY;
	h.keep_days_min = 0;
	OK(store_horizon_set(s, BRANCH, &h));
	sweep(s);
	cr_expect(is_here(s, &at));
	h.keep_days_min = 30;
	OK(store_horizon_set(s, BRANCH, &h));
	cr_expect_eq(write_on(s), TURNS);
	cr_expect(!is_here(s, &at));
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);
	return 0;
}

/* Breakage it catches: a refused write where history could have gone, or history that had to stay. */
Test(horizon, moves_up_to_its_least_before_a_write_is_refused, .timeout = 60)
{
	on_disk(pressed, 4 * MIB);
}

/* ---- no more than makes room ---- */
#define VERSIONS 9

static int drop_record(void *ctx, struct str ref, struct str key, const struct store_ref_record *r)
{
	(void)r;
	return str_eq(ref, BRANCH) ? changes_del(ctx, KV_SYS, key) : 0;
}

/* One version of a large file each 40 days, so far as dates tell. */
static void write_versions(struct store *s, struct store_oid id[VERSIONS])
{
	static char text[600 * 1000];
	struct changes kv = { 0 };
	struct store_edit *e;
	struct group *g;
	uint64_t seed = 1;

	for (unsigned i = 0; i < VERSIONS; i++) {
		struct store_why why = why_test;
		why.time = os_wall_sec() - (int64_t)(330 - 40 * i) * DAY;
		for (size_t k = 0; k < sizeof(text); k++)
			text[k] = (char)fake_random(&seed);
		OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
		OK(store_edit_put_bytes(e, STR("file"), str_n(text, sizeof(text))));
		OK(store_edit_commit(&id[i], e, &why));
	}
	OK(ref_record_each(s, drop_record, &kv));
	OK(store_turn(s, OS_FOREVER));
	OK(group_open(&g, s));
	changes_move(&g->kv, &kv);
	OK(group_flush(s));
	store_turn_end(s);
}

static int little(void *p)
{
	struct store_horizon h = { .keep_days = 400, .keep_days_min = 10 };
	static char text[60 * 1000];
	struct fake_disk *f = p;
	struct store_oid id[VERSIONS];
	struct arena a;
	struct store *s;

	OK(store_open(&s, &f->d, NULL));
	write_versions(s, id);
	OK(store_horizon_set(s, BRANCH, &h));
	sweep(s);
	cr_expect(is_here(s, &id[0]), "there was room");
	arena_init(&a, MIB);
	for (unsigned k = 0; !space_presses(s); k++) { /* nothing of it to be given back */
		noise(text, sizeof(text), 1000 + k);
		OK(put_text(
			s, STR("refs/heads/live"), num(&a, "f%u", k), str_n(text, sizeof(text))));
	}
	arena_free(&a);
	sweep(s);
	cr_expect(!space_presses(s));
	cr_expect(!is_here(s, &id[0]), "the oldest makes room");
	cr_expect(is_here(s, &id[VERSIONS / 2]), "history goes that is not in the way");
	store_close(s);
	return 0;
}

/* Breakage it catches: a year of history given up where a month of it was enough. */
Test(horizon, loses_no_more_than_makes_room)
{
	on_disk(little, 12 * MIB);
}
