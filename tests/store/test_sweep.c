/* SPDX-License-Identifier: ISC */
/* Sweeps: what is wanted survives them, the rest gives its room back. */
#include "os/crypto.h"
#include "os/log.h"
#include "store/store_impl.h"
#include "tests/fake/tape.h"
#include "tests/store/help.h"

#define DAY 86400

static struct store_sweep sweep_now(struct store *s)
{
	struct store_sweep w = { 0 };
	OK(store_sweep(s, &w));
	return w;
}

static struct str big_text(struct arena *a, unsigned k)
{
	size_t n = 1000 + k * 7919 % 300000;
	char *p = arena_alloc(a, n);
	noise(p, n, k);
	return str_n(p, n);
}

static int put_big(struct store *s, struct str ref, const char *path, unsigned k)
{
	struct arena a;
	arena_init(&a, 4 * MIB);
	int err = put_text(s, ref, num(&a, path, k), big_text(&a, k));
	arena_free(&a);
	return err;
}

static void expect_big(struct store *s, struct str ref, const char *path, unsigned k)
{
	struct arena a;
	arena_init(&a, 4 * MIB);
	struct str want = big_text(&a, k), got = text_at(&a, s, ref, num(&a, path, k));
	cr_assert(got.p && str_eq(got, want), "%u differs", k);
	arena_free(&a);
}

static int drop_ref(struct store *s, struct str ref)
{
	struct store_oid id;
	struct store_ref_move m = { ref, &id, NULL };
	OK(store_ref_get(&id, s, ref));
	return store_ref_update(s, &m, 1, &why_test, OS_FOREVER);
}

static uint64_t used(struct store *s)
{
	struct store_stats st;
	store_stats(&st, s);
	return st.used_bytes;
}

static void sound(struct store *s)
{
	struct buf what;
	buf_init(&what, NULL);
	cr_assert_eq(verify_count(s, &what), 0, "%.*s", (int)what.n, what.p);
	buf_free(&what);
}

/* The index lost: the log alone tells the same. */
static struct store *without_index(struct store *s, struct fake_disk *f)
{
	struct super u = s->super;

	store_close(s);
	for (unsigned i = 0; i < u.extent_count; i++)
		memset(f->live + UNITS_AT + (uint64_t)u.extents[i].unit * u.unit_bytes, 0,
			(size_t)u.extents[i].units * u.unit_bytes);
	OK(store_open(&s, &f->d, NULL));
	return s;
}

/* ---- a branch that goes, one that stays ---- */
static int comes_back(void *p)
{
	struct fake_disk *f = p;
	struct store *s;
	struct store_oid gone;
	struct store_sweep w;

	OK(store_open(&s, &f->d, NULL));
	for (unsigned k = 0; k < 150; k++) {
		OK(put_big(s, k % 3 ? STR("refs/heads/goes") : BRANCH, "f/%2$x/%1$u", k));
		if (k == 10)
			OK(store_ref_get(&gone, s, STR("refs/heads/goes")));
	}
	OK(drop_ref(s, STR("refs/heads/goes")));
	w = sweep_now(s); /* the record of its end still wants it */
	uint64_t before = used(s), objects = w.objects;
	s->ahead_sec = 31 * DAY;
	w = sweep_now(s);
	cr_expect_lt(w.objects, objects / 2);
	cr_expect(w.freed_bytes > 3 * MIB && used(s) + MIB < before,
		"%u bytes freed, %u used, before %u", (unsigned)w.freed_bytes, (unsigned)used(s),
		(unsigned)before);
	for (int again = 0; again < 2; again++) {
		struct head h;
		for (unsigned k = 0; k < 150; k += 3)
			expect_big(s, BRANCH, "f/%2$x/%1$u", k);
		cr_expect_eq(head_get(&h, s, &gone), ERR_NOENT);
		sound(s);
		store_close(s);
		OK(store_open(&s, &f->d, NULL));
	}
	s = without_index(s, f);
	for (unsigned k = 0; k < 150; k += 3)
		expect_big(s, BRANCH, "f/%2$x/%1$u", k);
	sound(s);
	sweep_now(s);
	sound(s);
	store_close(s);
	return 0;
}

/* Breakage it catches: dead objects that the index made again takes for whole. */
Test(sweep, a_branch_that_is_gone_gives_its_room_back)
{
	on_disk(comes_back, 24 * MIB);
}

/* ---- keys written over and over ---- */
static int rewritten(void *p)
{
	struct fake_disk *f = p;
	static char value[20000];
	struct store *s;
	unsigned sweeps = 0, k;

	OK(store_open(&s, &f->d, NULL));
	for (k = 0; k < 20; k++)
		OK(put_big(s, BRANCH, "f/%u", k));
	for (k = 0; k < 2500; k++) { /* 50 MB on a disk of 16 */
		struct store_edit *e;
		noise(value, sizeof(value), k);
		OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
		OK(store_edit_local_put(
			e, k % 2 ? STR("odd") : STR("even"), str_n(value, sizeof(value))));
		if (k == 40) /* all around it in its unit is written over */
			OK(store_edit_local_put(e, STR("early"), STR("still here")));
		OK(store_edit_commit(NULL, e, &why_test));
		if (store_sweep_wanted(s)) {
			sweep_now(s);
			sweeps++;
		}
	}
	cr_expect(sweeps > 2 && sweeps < 40, "%u sweeps", sweeps);
	for (int again = 0; again < 3; again++) {
		struct arena a;
		struct str v;
		arena_init(&a, MIB);
		noise(value, sizeof(value), 2499);
		OK(store_local_get(&v, &a, s, STR("odd")));
		cr_expect(str_eq(v, str_n(value, sizeof(value))));
		OK(store_local_get(&v, &a, s, STR("early")));
		cr_expect(str_eq(v, STR("still here")));
		arena_free(&a);
		for (k = 0; k < 20; k++)
			expect_big(s, BRANCH, "f/%u", k);
		sound(s);
		s = without_index(s, f);
	}
	store_close(s);
	return 0;
}

/* Breakage it catches: units freed whose keys nothing else holds. */
Test(sweep, keys_written_over_and_over_never_fill_the_disk)
{
	on_disk(rewritten, 16 * MIB);
}

/* ---- a full disk ---- */
static int put_key(struct store *s, unsigned k)
{
	static char value[20000];
	struct store_edit *e;
	int err;

	noise(value, sizeof(value), k);
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	err = store_edit_local_put(e, STR("k"), str_n(value, sizeof(value)));
	if (err >= 0)
		err = store_edit_put_bytes(e, STR("one"), str_n(value, 100));
	if (err < 0)
		store_edit_abort(e);
	return err < 0 ? err : store_edit_commit(NULL, e, &why_test);
}

static int full(void *p)
{
	struct fake_disk *f = p;
	struct store_sweep w;
	struct store *s;
	unsigned k = 0, stays = 0;
	int err = 0;

	OK(store_open(&s, &f->d, NULL));
	s->ahead_sec = 31 * DAY;
	for (unsigned round = 0; round < 3; round++) {
		while ((err = put_big(s, BRANCH, "f/%u", 7 * stays)) >= 0 && stays < 4 * round + 4)
			stays++;
		while ((err = put_big(s, STR("refs/heads/t"), "t/%u", 5000 + 7 * k)) >= 0)
			k++;
		cr_assert_eq(err, ERR_NOSPACE, "%d %s", err, err_text(err));
		OK(drop_ref(s, STR("refs/heads/t"))); /* that still works */
		w = sweep_now(s);
		cr_expect_gt(w.freed_bytes, MIB);
		for (unsigned n = 0; (err = put_key(s, n)) >= 0 && n < 10000;)
			n++;
		cr_assert_eq(err, ERR_NOSPACE, "%d %s", err, err_text(err));
		w = sweep_now(s);
		cr_expect_gt(w.freed_bytes, MIB);
		for (unsigned i = 0; i < stays; i++)
			expect_big(s, BRANCH, "f/%u", 7 * i);
		sound(s);
	}
	store_close(s);
	return 0;
}

/* Breakage it catches: a reserve too small for a sweep to begin. */
Test(sweep, from_a_full_disk, .timeout = 120)
{
	on_disk(full, 12 * MIB);
}

static int kept(void *p)
{
	struct fake_disk *f = p;
	static char value[20000];
	struct store *s;
	uint64_t generation = 0;

	OK(store_open(&s, &f->d, NULL));
	OK(store_keep(s));
	for (unsigned k = 0; k < 3000 && !generation; k++) {
		struct store_edit *e;
		noise(value, sizeof(value), k);
		OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
		OK(store_edit_local_put(e, STR("k"), str_n(value, sizeof(value))));
		OK(store_edit_commit(NULL, e, &why_test));
		while (store_sweep_wanted(s) && !s->swept_at)
			os_sleep(os_after(100 * OS_MS));
		generation = s->swept_at;
	}
	cr_expect_gt(generation, 0, "nobody swept");
	store_close(s);
	return 0;
}

/* ---- a sweep that fails, a sweep that lasts ---- */
static int given_up(void *p)
{
	struct fake_disk *f = p;
	struct store_sweep w = { 0 };
	struct store *s;

	OK(store_open(&s, &f->d, NULL));
	for (unsigned k = 0; k < 20; k++)
		OK(put_big(s, BRANCH, "f/%u", k));
	f->bad_at = UNITS_AT + LOG_BLOCK; /* trees and commits among it */
	f->bad_n = s->super.unit_bytes - LOG_BLOCK;
	cr_expect_lt(store_sweep(s, &w), 0);
	cr_expect_eq(s->swept_at, 0);
	f->bad_n = 0;
	OK(store_sweep(s, &w));
	cr_expect_gt(s->swept_at, 0);
	store_close(s);
	return 0;
}

/* Breakage it catches: a disk stays full, since a sweep that got nowhere counts. */
Test(sweep, given_up_is_wanted_as_before)
{
	on_disk(given_up, 8 * MIB);
}

struct beginner {
	struct store *s;
	bool reserved, begun;
	unsigned *ended;
};

static void begin_one(void *arg)
{
	struct beginner *b = arg;
	struct store_edit *e;

	OK(b->reserved ? store_edit_begin_reserved(&e, b->s, BRANCH, OS_FOREVER)
		       : store_edit_begin(&e, b->s, BRANCH, OS_FOREVER));
	b->begun = true;
	store_edit_abort(e);
	++*b->ended;
}

static int lasting(void *p)
{
	struct fake_disk *f = p;
	struct store *s;
	unsigned k = 0, ended = 0;
	int err = 0;

	f->eager = true;
	OK(store_open(&s, &f->d, NULL));
	while (err >= 0)
		err = put_big(s, BRANCH, "f/%u", k++);
	cr_assert_eq(err, ERR_NOSPACE);
	s->keeper = s->sweeping = true; /* as if, and without end */
	struct beginner adds = { s, false, false, &ended }, deletes = { s, true, false, &ended };
	OK(os_spawn("adds", begin_one, &adds));
	OK(os_spawn("deletes", begin_one, &deletes));
	for (unsigned i = 0; i < 10; i++)
		os_yield();
	cr_expect(deletes.begun, "a delete waits for room it does not need");
	cr_expect(!adds.begun, "it is about to be refused for room that is coming");
	s->keeper = s->sweeping = false;
	os_wake_all(&s->room);
	while (ended < 2)
		os_yield();
	cr_expect(adds.begun);
	store_close(s);
	return 0;
}

/* Breakage it catches: deletes that wait ten seconds each while a full disk is swept. */
Test(sweep, deletes_do_not_wait_for_it)
{
	on_disk(lasting, 8 * MIB);
}

Test(sweep, by_itself, .timeout = 120)
{
	on_disk(kept, 8 * MIB);
}

/* ---- everybody at once ---- */
struct crowd {
	struct store *s;
	unsigned edits, reads, spools, running;
	bool stop;
};

static void editor(void *arg)
{
	struct crowd *c = arg;

	c->running++;
	for (unsigned k = 0; k < 60; k++) {
		OK(put_big(c->s, BRANCH, "e/%2$x/%1$u", k));
		if (k % 3 == 2) { /* what is gone comes again */
			OK(put_big(c->s, STR("refs/heads/t"), "x/%u", k % 7));
			OK(drop_ref(c->s, STR("refs/heads/t")));
		}
		c->edits++;
	}
	c->running--;
}

static void spooler(void *arg)
{
	struct crowd *c = arg;
	struct arena a;

	c->running++;
	for (unsigned k = 0; k < 25; k++) {
		struct store_spool *w;
		struct store_oid id;
		struct store_edit *e;
		arena_init(&a, 4 * MIB);
		/* Half of it was here before and is garbage now. */
		struct str text = big_text(&a, k % 2 ? 1000 + k : k % 7);
		OK(store_spool_begin(&w, c->s));
		for (size_t at = 0; at < text.n; at += 10000) {
			OK(store_spool_write(w, str_sub(text, at, at + 10000)));
			os_yield();
		}
		OK(store_spool_finish(&id, NULL, w));
		for (unsigned i = 0; i < 30; i++)
			os_yield();
		OK(store_edit_begin(&e, c->s, STR("refs/heads/spooled"), OS_FOREVER));
		OK(store_edit_put(e, num(&a, "s/%u", k), &id, STORE_BLOB));
		OK(store_edit_commit(NULL, e, &why_test));
		arena_free(&a);
		c->spools++;
	}
	c->running--;
}

static void reader(void *arg)
{
	struct crowd *c = arg;

	c->running++;
	while (!c->stop) {
		for (unsigned k = 0; k < 20; k++) {
			expect_big(c->s, STR("refs/heads/old"), "o/%u", k);
			c->reads++;
			os_yield();
		}
	}
	c->running--;
}

static int together(void *p)
{
	struct fake_disk *f = p;
	struct crowd c = { 0 };
	unsigned sweeps = 0;
	uint64_t moved = 0, freed = 0;

	OK(store_open(&c.s, &f->d, NULL));
	c.s->ahead_sec = 31 * DAY;
	for (unsigned k = 0; k < 20; k++) {
		OK(put_big(c.s, STR("refs/heads/old"), "o/%u", k));
		OK(put_big(c.s, STR("refs/heads/t"), "t/%u", 500 + k));
		OK(drop_ref(c.s, STR("refs/heads/t")));
	}
	OK(os_spawn("editor", editor, &c));
	OK(os_spawn("spooler", spooler, &c));
	OK(os_spawn("reader", reader, &c));
	os_yield();
	while (c.running > 1) {
		struct store_sweep w = sweep_now(c.s);
		moved += w.moved_bytes;
		freed += w.freed_bytes;
		sweeps++;
		os_yield();
	}
	c.stop = true;
	while (c.running)
		os_yield();
	cr_expect(c.edits == 60 && c.spools == 25 && c.reads > 40 && sweeps > 1,
		"%u edits, %u spools, %u reads, %u sweeps", c.edits, c.spools, c.reads, sweeps);
	cr_expect(moved > 0 && freed > MIB, "%llu moved, %llu freed", (unsigned long long)moved,
		(unsigned long long)freed);
	for (int again = 0; again < 2; again++) {
		struct arena a;
		for (unsigned k = 0; k < 60; k++)
			expect_big(c.s, BRANCH, "e/%2$x/%1$u", k);
		arena_init(&a, 64 * MIB);
		for (unsigned k = 0; k < 25; k++)
			cr_expect(str_eq(
				text_at(&a, c.s, STR("refs/heads/spooled"), num(&a, "s/%u", k)),
				big_text(&a, k % 2 ? 1000 + k : k % 7)));
		arena_free(&a);
		sound(c.s);
		store_close(c.s);
		OK(store_open(&c.s, &f->d, NULL));
	}
	store_close(c.s);
	return 0;
}

/* Breakage it catches: frames of a spool under way that nothing marks. */
Test(sweep, while_others_edit_read_and_spool)
{
	on_disk(together, 64 * MIB);
}

/* ---- at the very moment ---- */
struct late {
	struct store *s;
	bool done;
};

static void comes_late(void *arg)
{
	struct late *l = arg;

	while (!l->s->sweep) /* settled: the old copies are as good as gone */
		os_yield();
	for (unsigned k = 0; k < 6; k++)
		OK(put_big(l->s, BRANCH, "again/%u", 7000 + 11 * k));
	l->done = true;
}

static int at_the_moment(void *p)
{
	struct fake_disk *f = p;
	struct late l = { 0 };

	OK(store_open(&l.s, &f->d, NULL));
	for (unsigned k = 0; k < 6; k++)
		OK(put_big(l.s, STR("refs/heads/t"), "t/%u", 7000 + 11 * k));
	OK(drop_ref(l.s, STR("refs/heads/t")));
	for (unsigned k = 0; k < 20; k++)
		OK(put_big(l.s, BRANCH, "f/%u", k));
	l.s->ahead_sec = 31 * DAY;
	OK(os_spawn("late", comes_late, &l));
	sweep_now(l.s);
	while (!l.done)
		os_yield();
	for (int again = 0; again < 2; again++) {
		for (unsigned k = 0; k < 6; k++)
			expect_big(l.s, BRANCH, "again/%u", 7000 + 11 * k);
		sound(l.s);
		store_close(l.s);
		OK(store_open(&l.s, &f->d, NULL));
	}
	store_close(l.s);
	return 0;
}

/* Breakage it catches: an object that is being swept taken for kept. */
Test(sweep, what_is_gone_is_written_again)
{
	on_disk(at_the_moment, 16 * MIB);
}

static void never_pauses(void *arg)
{
	struct crowd *c = arg;
	struct arena a;
	unsigned me = c->running++;

	arena_init(&a, MIB);
	for (unsigned k = 0; !c->stop; k++) {
		arena_reset(&a);
		OK(put_text(c->s, num(&a, "refs/heads/w%u", me), num(&a, "f/%2$x/%1$u", k % 50),
			num(&a, "text %u", k)));
		c->edits++;
	}
	c->running--;
	arena_free(&a);
}

static int under_load(void *p)
{
	struct fake_disk *f = p;
	struct crowd c = { 0 };

	OK(store_open(&c.s, &f->d, NULL));
	for (unsigned k = 0; k < 30; k++)
		OK(put_big(c.s, BRANCH, "f/%u", k));
	for (unsigned i = 0; i < 4; i++)
		OK(os_spawn("writer", never_pauses, &c));
	while (c.edits < 20)
		os_yield();
	sweep_now(c.s);
	c.stop = true;
	while (c.running)
		os_yield();
	sound(c.s);
	store_close(c.s);
	return 0;
}

/* Breakage it catches: a sweep that begins anew for every commit, and never ends. */
Test(sweep, ends_while_others_never_pause, .timeout = 120)
{
	on_disk(under_load, 64 * MIB);
}

/* ---- power cuts ---- */
#define FILES 40
static unsigned sweeps_cut;

static void look(struct fake_disk *g, unsigned acked)
{
	struct store *s;
	struct arena a;
	struct str v;

	OK(store_open(&s, &g->d, NULL));
	arena_init(&a, MIB);
	OK(store_local_get(&v, &a, s, STR("k")));
	uint64_t k = 0;
	OK(str_u64(&k, v, 100));
	cr_assert(k >= acked && k <= acked + 1, "%u acknowledged, %u there", acked, (unsigned)k);
	for (unsigned i = 0; i < FILES; i++)
		expect_big(s, BRANCH, "f/%u", i);
	expect_big(s, BRANCH, "n/%u", (unsigned)k);
	sound(s);
	s->ahead_sec = 31 * DAY;
	sweep_now(s);
	expect_big(s, BRANCH, "n/%u", (unsigned)k);
	for (unsigned i = 0; i < FILES; i++)
		expect_big(s, BRANCH, "f/%u", i);
	sound(s);
	store_close(s);
	arena_free(&a);
	sweeps_cut++;
}

struct meanwhile {
	struct store *s;
	struct fake_tape *tape;
	bool stop, done;
	unsigned n;
	size_t acked[100]; /* operations on the tape when edit i was acknowledged */
};

static void numbered(struct meanwhile *m, unsigned k)
{
	struct arena a;
	struct store_edit *e;

	arena_init(&a, 4 * MIB);
	OK(store_edit_begin(&e, m->s, BRANCH, OS_FOREVER));
	OK(store_edit_put_bytes(e, num(&a, "n/%u", k), big_text(&a, k)));
	OK(store_edit_local_put(e, STR("k"), num(&a, "%u", k)));
	OK(store_edit_commit(NULL, e, &why_test));
	m->acked[k] = m->tape->n;
	m->n = k;
	arena_free(&a);
}

static void edits_meanwhile(void *arg)
{
	struct meanwhile *m = arg;

	for (unsigned k = 1; !m->stop && k < 20; k++)
		numbered(m, k);
	m->done = true;
}

static int cut_anywhere(void *arg)
{
	uint64_t bytes = 12 * MIB, seed = 0;
	struct fake_disk *f = fake_disk_new(bytes);
	struct fake_tape tape = { 0 };
	struct fake_player p;
	struct meanwhile m = { .tape = &tape };

	(void)arg;
	os_random(&seed, sizeof(seed));
	seed %= 1000000;
	fprintf(stderr, "sweep: seed %u\n", (unsigned)seed);
	f->tape = &tape;
	OK(store_format(&f->d));
	OK(store_open(&m.s, &f->d, NULL));
	for (unsigned k = 0; k < FILES; k++) {
		OK(put_big(m.s, BRANCH, "f/%u", k));
		OK(put_big(m.s, STR("refs/heads/t"), "t/%u", 100 + 2 * k));
	}
	OK(drop_ref(m.s, STR("refs/heads/t")));
	numbered(&m, 0);
	m.s->ahead_sec = 31 * DAY;
	size_t from = tape.n;
	OK(os_spawn("edits", edits_meanwhile, &m));
	struct store_sweep w = sweep_now(m.s);
	cr_expect(w.freed_bytes > 0 && w.moved_bytes > 0);
	m.stop = true;
	while (!m.done)
		os_yield();
	for (unsigned k = 1; k < 40; k++) /* its units are used again */
		OK(put_big(m.s, STR("refs/heads/o"), "o/%u", k % 5));
	size_t n = tape.n;
	store_close(m.s);

	fake_player_init(&p, &tape, bytes);
	unsigned acked = 0, cuts = 0;
	for (size_t i = from; i <= n; i++) {
		while (acked < m.n && m.acked[acked + 1] <= i)
			acked++;
		/* Each operation once, in one of the ways. */
		struct fake_disk *g = fake_player_cut(&p, i, fake_random(&seed) % FAKE_CUTS, &seed);
		look(g, acked);
		os_disk_close(&g->d);
		cuts++;
	}
	cr_expect(cuts > 60 && sweeps_cut == cuts, "%u cuts", cuts);
	fprintf(stderr, "sweep: %u cuts, %u edits meanwhile\n", cuts, m.n);
	fake_player_free(&p);
	fake_tape_free(&tape);
	os_disk_close(&f->d);
	return 0;
}

/* Breakage it catches: objects copied on that the index is not told of. */
Test(sweep, power_cuts, .timeout = 300)
{
	os_log_level(OS_ERROR);
	OK(os_run(cut_anywhere, NULL));
}
