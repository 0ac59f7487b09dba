/* SPDX-License-Identifier: ISC */
/*
 * What needs a flush although a busy life (test_power.c) hardly ever shows it: each moment in a few
 * short recordings, cut in every way.
 */
#include "os/log.h"
#include "store/store_impl.h"
#include "tests/fake/tape.h"
#include "tests/store/help.h"

#define DAY   86400
#define KEPT  4
#define BIG   60 /* twice: over the end of the disk, to its beginning */
#define BYTES 30000

static unsigned rebuilds(struct store *s)
{
	struct store_stats st;

	store_stats(&st, s);
	return (unsigned)st.index_rebuilds + st.index_damaged;
}

static struct str text_of(struct arena *a, unsigned k)
{
	char *p = arena_alloc(a, BYTES);

	cr_assert(p);
	noise(p, BYTES, k);
	return str_n(p, BYTES);
}

static unsigned seed_of(const char *path, unsigned k)
{
	return (unsigned)path[0] * 1000 + k;
}

static int put_some(struct store_edit *e, const char *path, unsigned n)
{
	struct arena a;
	int err = 0;

	for (unsigned k = 0; k < n && err >= 0; k++) {
		arena_init(&a, 2 * BYTES);
		err = store_edit_put_bytes(e, num(&a, path, k), text_of(&a, seed_of(path, k)));
		arena_free(&a);
	}
	return err;
}

static bool has_all(struct store *s, const char *path, unsigned n)
{
	struct arena a;
	bool all = true;

	for (unsigned k = 0; k < n; k++) {
		struct str got;
		arena_init(&a, MIB);
		all &= read_text(&got, &a, s, BRANCH, num(&a, path, k)) >= 0 && got.p &&
			str_eq(got, text_of(&a, seed_of(path, k)));
		arena_free(&a);
	}
	return all;
}

/* ---- units that a sweep gave back are written over at once ---- */
struct recording {
	struct fake_disk *disk;
	struct fake_tape tape;
	size_t from, acked; /* operations before the sweep, and when the last edit returned */
};

static void fill(struct store *s)
{
	struct arena a;
	unsigned k = 0;
	int err = 0;

	for (; err >= 0; k++) {
		arena_init(&a, MIB);
		err = put_text(s, BRANCH, num(&a, "junk/%u", k), text_of(&a, k));
		arena_free(&a);
	}
	cr_assert_eq(err, ERR_NOSPACE, "%s", err_text(err));
	cr_assert_gt(k, 20);
}

static int life(void *p)
{
	const struct store_horizon day = { .keep_days = 1 };
	struct recording *r = p;
	struct store_sweep w = { 0 };
	struct store_edit *e;
	struct store *s;

	OK(store_format(&r->disk->d));
	OK(store_open(&s, &r->disk->d, NULL));
	OK(store_horizon_set(s, BRANCH, &day));
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(put_some(e, "junk/early %u", 16)); /* where the index on the disk begins */
	OK(store_edit_commit(NULL, e, &why_test));
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(put_some(e, "kept/%u", KEPT));
	OK(store_edit_commit(NULL, e, &why_test));
	fill(s);
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(store_edit_del(e, STR("junk")));
	OK(store_edit_commit(NULL, e, &why_test));
	s->ahead_sec = 3 * DAY;
	r->from = r->tape.n;
	OK(store_sweep(s, &w));
	cr_assert_gt(w.freed_bytes, MIB);
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(put_some(e, "more/%u", BIG));
	OK(store_edit_commit(NULL, e, &why_test));
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(put_some(e, "big/%u", BIG));
	OK(store_edit_local_put(e, STR("big"), STR("1")));
	OK(store_edit_commit(NULL, e, &why_test));
	r->acked = r->tape.n;
	store_close(s);
	return 0;
}

static unsigned look(struct fake_disk *cut, bool acked, enum fake_cut how)
{
	struct str there;
	struct store *s;
	struct arena a;
	unsigned bad;
	int err = store_open(&s, &cut->d, NULL);

	if (err < 0) {
		fprintf(stderr, "  it does not open: %s\n", err_text(err));
		return 1;
	}
	arena_init(&a, MIB);
	err = store_local_get(&there, &a, s, STR("big"));
	bad = (err < 0 && (acked || err != ERR_NOENT)) || !has_all(s, "kept/%u", KEPT) ||
		(err >= 0 && (!has_all(s, "more/%u", BIG) || !has_all(s, "big/%u", BIG)));
	if (bad)
		fprintf(stderr, "  something is gone: %s\n", err_text(err));
	if (rebuilds(s) && how != FAKE_GARBLED) {
		fprintf(stderr, "  the index was made again\n");
		bad++;
	}
	arena_free(&a);
	store_close(s);
	return bad;
}

static int written_over(void *arg)
{
	struct recording r = { .disk = fake_disk_new(4 * MIB) };
	struct fake_player p;
	uint64_t seed = 1;
	unsigned bad = 0;

	(void)arg;
	r.disk->tape = &r.tape; /* on it the log comes round once */
	r.disk->eager = true;
	OK(life(&r));
	fake_player_init(&p, &r.tape, r.disk->d.size_bytes);
	for (size_t n = r.from; n <= r.tape.n && !bad; n++)
		for (enum fake_cut how = 0; how < FAKE_CUTS && !bad; how++) {
			struct fake_disk *cut = fake_player_cut(&p, n, how, &seed);
			bad = look(cut, n >= r.acked, how);
			os_disk_close(&cut->d);
			cr_expect_eq(
				bad, 0, "after operation %zu of %zu, way %d", n, r.tape.n, how);
		}
	fake_player_free(&p);
	fake_tape_free(&r.tape);
	os_disk_close(&r.disk->d);
	return 0;
}

/* Breakage it catches: a unit that is free before the index on the disk does without it. */
Test(flush, units_given_back_are_written_over_at_once)
{
	os_log_level(OS_ERROR);
	OK(os_run(written_over, NULL));
}

/* ---- the index brought forward ---- */
static int forwarded(void *p)
{
	struct fake_disk *f = p, *sure;
	struct store *s, *then;
	struct log_pos at;
	struct str value;

	OK(store_open(&s, &f->d, NULL));
	for (unsigned turn = 0; turn < 3; turn++) {
		OK(put_text(s, BRANCH, STR("x"), turn % 2 ? STR("1") : STR("2")));
		OK(store_turn(s, OS_FOREVER));
		OK(index_forward(s));
		store_turn_end(s);
		sure = fake_disk_sure(f);
		OK(store_open(&then, &sure->d, NULL));
		OK(kv_get(&value, then->kv, KV_SYS, KV_LAST));
		OK(log_pos_parse(&at, value));
		cr_expect_eq(at.seq, store_seq(s), "the index on the disk stands at group %llu",
			(unsigned long long)at.seq);
		store_close(then);
		os_disk_close(&sure->d);
	}
	store_close(s);
	return 0;
}

/* Breakage it catches: an index that is called forwarded while the disk still has the old one. */
Test(flush, what_is_forwarded_is_on_the_disk)
{
	on_disk(forwarded, 4 * MIB);
}

/* ---- an index found damaged ---- */
static int given_up(void *p)
{
	struct fake_disk *f = p, *sure;
	struct store *s;
	struct super u;
	struct arena a;

	OK(store_open(&s, &f->d, NULL));
	arena_init(&a, MIB);
	for (unsigned k = 0; k < 200; k++)
		OK(put_text(s, BRANCH, num(&a, "f/%u", k), num(&a, "text %u", k)));
	store_close(s);
	OK(os_disk_flush(&f->d));
	OK(store_open(&s, &f->d, NULL));
	cr_expect_eq(rebuilds(s), 0);
	u = s->super;
	for (uint64_t at = 2 * 4096; at < (uint64_t)u.extents[0].units * u.unit_bytes; at += 4096)
		f->live[UNITS_AT + (uint64_t)u.extents[0].unit * u.unit_bytes + at + 100] ^= 1;
	struct store_verify v = { 0 };
	cr_expect(store_verify(s, &v) < 0 || v.mismatches > 0);
	cr_expect_eq(rebuilds(s), 1, "it is seen, and told");
	store_close(s);
	/* The bits were turned over in what is read, not on the disk: the next start knows all the same. */
	sure = fake_disk_sure(f);
	OK(store_open(&s, &sure->d, NULL));
	cr_expect_eq(rebuilds(s), 1, "it was made again");
	for (unsigned k = 0; k < 200; k++)
		cr_expect(
			str_eq(text_at(&a, s, BRANCH, num(&a, "f/%u", k)), num(&a, "text %u", k)));
	store_close(s);
	OK(store_open(&s, &sure->d, NULL));
	cr_expect_eq(rebuilds(s), 0, "once");
	store_close(s);
	os_disk_close(&sure->d);
	arena_free(&a);
	return 0;
}

/* Breakage it catches: a damaged index that is there again after a power cut. */
Test(flush, an_index_given_up_stays_so)
{
	on_disk(given_up, 4 * MIB);
}

/* ---- a disk formatted once more ---- */
static int formatted_again(void *arg)
{
	struct recording r = { .disk = fake_disk_new(4 * MIB) };
	struct fake_player p;
	uint64_t seed = 1;
	struct store_edit *e;
	struct store *s;

	(void)arg;
	r.disk->tape = &r.tape;
	r.disk->eager = true;
	OK(store_format(&r.disk->d));
	OK(store_open(&s, &r.disk->d, NULL));
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(put_some(e, "kept/%u", KEPT));
	OK(store_edit_commit(NULL, e, &why_test));
	store_close(s);
	r.from = r.tape.n;
	OK(store_format(&r.disk->d));
	fake_player_init(&p, &r.tape, r.disk->d.size_bytes);
	for (size_t n = r.from; n <= r.tape.n; n++)
		for (enum fake_cut how = 0; how < FAKE_CUTS; how++) {
			struct fake_disk *cut = fake_player_cut(&p, n, how, &seed);
			struct store_oid id;
			int err = store_open(&s, &cut->d, NULL);

			cr_expect(err == 0 || (err == ERR_CORRUPT && n < r.tape.n),
				"after operation %zu, way %d: %s", n, how, err_text(err));
			if (err == 0) {
				bool old = store_ref_get(&id, s, BRANCH) >= 0;
				cr_expect(!old || (n < r.tape.n && has_all(s, "kept/%u", KEPT)));
				cr_expect_eq(
					rebuilds(s), 0, "half of the old store, %zu %d", n, how);
				cr_expect_eq(verify_count(s, NULL), 0);
				store_close(s);
			}
			os_disk_close(&cut->d);
		}
	fake_player_free(&p);
	fake_tape_free(&r.tape);
	os_disk_close(&r.disk->d);
	return 0;
}

/* Breakage it catches: the old superblock in front of the new store's first blocks. */
Test(flush, formatting_leaves_the_old_store_the_new_one_or_none)
{
	os_log_level(OS_ERROR);
	OK(os_run(formatted_again, NULL));
}
