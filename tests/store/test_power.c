/* SPDX-License-Identifier: ISC */
/*
 * Power cuts. A busy life of a store (life.h) is recorded, and cut after every single operation of
 * its disk: of what no flush covers nothing, all, some in any order, or torn pieces are left. The
 * store must open, hold all that was acknowledged, of what was under way all or nothing, be sound,
 * go on from there, and survive another cut while it does so. It opens in the time of its tail:
 * an index that has to be made again is a fault, too, unless the test took it away.
 *
 * `make check` takes a sample of moments with another seed each time, and all those just before a
 * flush in the ways that tell whether it is needed; POWER_SEED repeats one, and POWER_ALL=1 (make
 * soak, of five lives) takes every moment in every way.
 */
#include "os/log.h"
#include "store/store_impl.h"
#include "tests/fake/tape.h"
#include "tests/store/life.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DISK_BYTES (8 * MIB) /* the log comes round */
#define WRITERS    4
#define STEPS      40
#ifdef __SANITIZE_ADDRESS__
#define SAMPLE      40
#define FLUSH_EVERY 12
#else
#define SAMPLE      250
#define FLUSH_EVERY 1
#endif

struct recording {
	struct fake_disk *disk;
	struct fake_tape tape;
	size_t formatted; /* operations of store_format */
	unsigned extents; /* of the index at the end */
	struct life *life;
	const struct store_driver *driver;
	struct life_mark *marks; /* [n]: when n operations were done and the next not begun */
	size_t cap;
	bool lies; /* the disk */
	uint64_t seed;
};

/* ---- recording ---- */
static void note_mark(struct recording *r)
{
	size_t n = r->tape.n;

	if (n >= r->cap) {
		size_t cap = 2 * n + 256;
		r->marks = fake_realloc(r->marks, cap * sizeof(*r->marks));
		memset(r->marks + r->cap, 0, (cap - r->cap) * sizeof(*r->marks));
		r->cap = cap;
	}
	life_mark(&r->marks[n], r->life);
}

static void before_op(struct fake_disk *f)
{
	note_mark(f->ctx);
}

static void record(struct recording *r, uint64_t seed, bool lies)
{
	struct store *s;

	*r = (struct recording){ .disk = fake_disk_new(DISK_BYTES), .lies = lies, .seed = seed };
	r->life = life_new(seed, WRITERS, STEPS);
	r->driver = seed % 2 ? &life_driver : &life_merging_driver;
	if (seed % 3)
		life_sweeps(r->life);
	kv_batch_pages = 20 + seed % 3 * 20; /* the index is brought forward often */
	kv_tail_bytes = 64 * 1024;
	r->disk->tape = &r->tape;
	r->disk->on_op = before_op;
	r->disk->ctx = r;
	OK(store_format(&r->disk->d));
	r->formatted = r->tape.n;
	r->disk->ignores_flush = lies;
	OK(store_open(&s, &r->disk->d, r->driver));
	int err = life_run(r->life, s);
	cr_assert(err == 0 || err == ERR_NOSPACE, "%s", err_text(err)); /* full: it ends there */
	r->extents = s->super.extent_count;
	store_close(s);
	note_mark(r);
	r->disk->tape = NULL;
	os_disk_close(&r->disk->d);
}

static void recording_free(struct recording *r)
{
	fake_tape_free(&r->tape);
	life_free(r->life);
	free(r->marks);
}

/* ---- what is found after a cut ---- */
/* The power fails again somewhere in the next life. */
struct second {
	struct fake_disk *cut;
	uint64_t in, seed;        /* operations until then */
	bool later;               /* counted only once the store is open */
	bool open, acked;         /* that life so far: it was open, its edit acknowledged */
	bool was_open, was_acked; /* when the power failed */
};

static void second_cut(struct fake_disk *f)
{
	struct second *x = f->ctx;

	if (x->cut || (x->later && !x->open) || x->in-- > 0)
		return;
	x->cut = fake_disk_cut(f, &x->seed);
	x->was_open = x->open;
	x->was_acked = x->acked;
}

/* The edit a store makes after a cut: there or not, whole. */
static unsigned check_again(struct store *s, bool acked)
{
	struct str text, local;
	struct arena a;
	unsigned bad = 0;

	arena_init(&a, MIB);
	bad += read_text(&text, &a, s, STR("refs/heads/again"), STR("x")) < 0;
	if (store_local_get(&local, &a, s, STR("again")) < 0)
		local = STR_NONE;
	bad += (text.p != NULL) != (local.p != NULL);
	bad += acked && !text.p;
	arena_free(&a);
	if (bad)
		fprintf(stderr, "  the edit after the first cut\n");
	return bad;
}

static unsigned go_on(struct store *s)
{
	struct store_edit *e;

	if (store_edit_begin(&e, s, STR("refs/heads/again"), OS_FOREVER) < 0)
		return 1;
	if (store_edit_put_bytes(e, STR("x"), STR("1")) < 0 ||
		store_edit_local_put(e, STR("again"), STR("1")) < 0) {
		store_edit_abort(e);
		return 1;
	}
	return store_edit_commit(NULL, e, &why_test) < 0;
}

static unsigned sound(struct store *s)
{
	struct store_verify v = { 0 };
	int err = store_verify(s, &v);

	if (err < 0 || v.mismatches)
		fprintf(stderr, "  verify: %d %s, %u mismatches\n", err, err_text(err),
			(unsigned)v.mismatches);
	return err < 0 || v.mismatches;
}

/* A cut costs no more than the tail, unless the index was taken away. */
static unsigned made_again(struct store *s, bool may)
{
	struct store_stats st;

	store_stats(&st, s);
	if (may || (!st.index_rebuilds && !st.index_damaged))
		return 0;
	fprintf(stderr, "  the index was made again %u times%s\n", (unsigned)st.index_rebuilds,
		st.index_damaged ? ", and is damaged" : "");
	return 1;
}

/* `x` NULL: the last life. */
static unsigned check_disk(struct recording *r, struct fake_disk *cut, struct life_mark *m,
	struct second *x, bool again, bool no_index)
{
	struct store *s;
	unsigned bad = 0;
	int err;

	if (x) {
		cut->on_op = second_cut;
		cut->ctx = x;
	}
	err = store_open(&s, &cut->d, r->driver);
	if (err < 0) {
		fprintf(stderr, "  it does not open: %s\n", err_text(err));
		return 1;
	}
	if (x)
		x->open = true;
	bad += life_check(r->life, s, m, LIFE_WHOLE, NULL);
	bad += sound(s);
	if (x) {
		x->acked = go_on(s) == 0;
		bad += !x->acked;
	} else {
		bad += check_again(s, again);
	}
	bad += made_again(s, no_index);
	store_close(s);
	return bad;
}

/* The index is no more: it must come back from the log. */
static void lose_index(struct fake_disk *f)
{
	struct super u;
	static const uint8_t nothing[8192];

	OK(super_load(&u, &f->d));
	OK(os_disk_write(&f->d, UNITS_AT + (uint64_t)u.extents[0].unit * u.unit_bytes, nothing,
		sizeof(nothing)));
	OK(os_disk_flush(&f->d));
}

static unsigned check_point(
	struct recording *r, struct fake_player *p, size_t point, enum fake_cut how, uint64_t seed)
{
	struct life_mark m = r->marks[point], before = m;
	struct fake_disk *cut = fake_player_cut(p, point, how, &seed);
	struct second x = { .seed = seed, .later = fake_random(&seed) % 2 };
	bool no_index = how != FAKE_KILL && fake_random(&seed) % 4 == 0;
	if (no_index)
		lose_index(cut);
	no_index |= how == FAKE_GARBLED;
	x.in = fake_random(&seed) % (x.later ? 3 : 12);
	unsigned bad = check_disk(r, cut, &m, &x, false, no_index);

	if (!x.cut) {
		x.cut = fake_disk_cut(cut, &x.seed);
		x.was_open = x.open;
		x.was_acked = x.acked;
	}
	if (!bad) {
		/* What was shown once must stay. */
		bad = check_disk(r, x.cut, x.was_open ? &m : &before, NULL, x.was_acked, no_index);
		if (bad)
			fprintf(stderr, "  after a second cut\n");
	}
	os_disk_close(&x.cut->d);
	os_disk_close(&cut->d);
	if (bad)
		fprintf(stderr,
			"power: %u problems, POWER_SEED=%llu, after operation %zu of %zu, way "
			"%d%s\n",
			bad, (unsigned long long)r->seed, point, r->tape.n, how,
			no_index ? ", without index" : "");
	return bad;
}

/*
 * Just before a flush, in a way that makes it count; less is looked at, so that there may be many of
 * them. After a kill what is shown was flushed: it stays when the power fails as well.
 */
static unsigned check_flush(
	struct recording *r, struct fake_player *p, size_t point, enum fake_cut how, uint64_t seed)
{
	struct life_mark m = r->marks[point];
	struct fake_disk *cut = fake_player_cut(p, point, how, &seed), *sure = NULL;
	struct store *s;
	unsigned bad = 0;
	int err = 0;

	for (int turn = 0; turn < 1 + (how == FAKE_KILL) && err >= 0; turn++) {
		err = store_open(&s, turn ? &sure->d : &cut->d, r->driver);
		if (err < 0)
			break;
		bad += life_check(r->life, s, &m, LIFE_WHOLE, NULL);
		bad += made_again(s, how == FAKE_GARBLED);
		if (how == FAKE_KILL && !turn)
			sure = fake_disk_sure(cut);
		store_close(s);
	}
	if (err < 0 || bad)
		fprintf(stderr,
			"power: before the flush at %zu of %zu, way %d, POWER_SEED=%llu: %u "
			"problems, %s\n",
			point, r->tape.n, how, (unsigned long long)r->seed, bad,
			err < 0 ? err_text(err) : "it opens");
	if (sure)
		os_disk_close(&sure->d);
	os_disk_close(&cut->d);
	return bad + (err < 0);
}

/* A disk whose format was cut short is no store, or an empty one. */
static unsigned check_format(struct fake_player *p, size_t point, enum fake_cut how, uint64_t seed)
{
	struct fake_disk *cut = fake_player_cut(p, point, how, &seed);
	struct store *s;
	int err = store_open(&s, &cut->d, &life_driver);
	unsigned bad = 0;

	if (err >= 0) {
		bad = sound(s) + go_on(s);
		store_close(s);
	} else {
		bad = err != ERR_CORRUPT;
	}
	if (bad)
		fprintf(stderr, "power: format cut after operation %zu, way %d: %d %s\n", point,
			how, err, err_text(err));
	os_disk_close(&cut->d);
	return bad;
}

static unsigned check_at(
	struct recording *r, struct fake_player *p, size_t point, enum fake_cut how, bool flush)
{
	uint64_t seed = r->seed * 31 + point * 4 + how;

	if (point < r->formatted)
		return check_format(p, point, how, seed);
	return flush ? check_flush(r, p, point, how, seed) : check_point(r, p, point, how, seed);
}

/* The check may crash, or the disk's damage make LMDB panic: in a process of its own. */
static unsigned check_in_child(
	struct recording *r, struct fake_player *p, size_t point, enum fake_cut how, bool flush)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 1);
		dup2(null, 2);
		_exit(check_at(r, p, point, how, flush) ? 1 : 0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status != 0;
}

struct visit {
	struct recording *r;
	struct fake_player p;
	size_t sample; /* 0: everything */
	uint64_t seed;
	size_t count, flushes; /* cuts so far */
};

static unsigned visit(struct visit *v, size_t n, enum fake_cut how, bool flush)
{
	if (flush)
		v->flushes++;
	else
		v->count++;
	return v->r->lies ? check_in_child(v->r, &v->p, n, how, flush)
			  : check_at(v->r, &v->p, n, how, flush);
}

static unsigned visit_flush(struct visit *v, size_t n)
{
	static const enum fake_cut ways[] = { FAKE_FIRST_LOST, FAKE_LAST_ALONE, FAKE_GARBLED,
		FAKE_KILL };
	unsigned bad = 0;

	if (n < v->r->formatted || n == v->r->tape.n || v->r->tape.ops[n].bytes ||
		fake_random(&v->seed) % FLUSH_EVERY)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(ways) && !bad; i++)
		bad += visit(v, n, ways[i], true);
	return bad;
}

static unsigned visit_point(struct visit *v, size_t n)
{
	struct recording *r = v->r;
	bool all = !v->sample || n == r->formatted;
	size_t every = v->sample ? r->tape.n / v->sample + 1 : 1;
	unsigned one = fake_random(&v->seed) % FAKE_CUTS, bad = 0;

	if (n > r->formatted && n < r->tape.n && fake_random(&v->seed) % every)
		return 0;
	for (unsigned how = 0; how < FAKE_CUTS && !bad; how++)
		if (all || how == one)
			bad += visit(v, n, how, false);
	return bad;
}

/* The first moment of trouble ends it. */
static unsigned check_all(struct recording *r, size_t sample)
{
	struct visit v = { .r = r, .sample = sample, .seed = r->seed };
	unsigned bad = 0;

	fake_player_init(&v.p, &r->tape, DISK_BYTES);
	for (size_t n = 0; n <= r->tape.n && !bad; n++) {
		if (sample && !r->lies)
			bad += visit_flush(&v, n);
		if (!bad)
			bad += visit_point(&v, n);
	}
	fake_player_free(&v.p);
	fprintf(stderr,
		"power: seed %llu, %zu operations, %zu cuts, %zu at flushes, %u extents, %llu kB "
		"swept, %u merges\n",
		(unsigned long long)r->seed, r->tape.n, v.count, v.flushes, r->extents,
		(unsigned long long)life_freed(r->life) / 1024, life_merges(r->life));
	return bad;
}

static uint64_t chosen_seed(void)
{
	const char *text = getenv("POWER_SEED");

	return text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
}

static int honest(void *p)
{
	struct recording r;
	uint64_t seed = chosen_seed();

	(void)p;
	record(&r, seed, false);
	cr_expect_eq(check_all(&r, getenv("POWER_ALL") ? 0 : SAMPLE), 0, "POWER_SEED=%llu",
		(unsigned long long)seed);
	recording_free(&r);
	return 0;
}

/* Breakage it catches: an acknowledgement sent before the flush returned. */
Test(power, nothing_acknowledged_is_lost, .timeout = 6 * 3600)
{
	os_log_level(OS_ERROR);
	OK(os_run(honest, NULL));
}

static int lying(void *p)
{
	struct recording r;

	(void)p;
	record(&r, 2, true);
	cr_expect_gt(check_all(&r, SAMPLE), 0, "a disk that ignores flushes must be found out");
	recording_free(&r);
	return 0;
}

/* The test above can fail. */
Test(power, a_disk_without_flushes_turns_it_red)
{
	os_log_level(OS_ERROR);
	OK(os_run(lying, NULL));
}
