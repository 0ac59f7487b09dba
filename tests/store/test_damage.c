/* SPDX-License-Identifier: ISC */
/*
 * Damage. A store made by a busy life (life.h), one bit of its disk turned over, or one operation
 * failing: what is read afterwards is right, or an error that says what and where; nothing wrong is
 * ever given out, and nothing crashes.
 *
 * `make check` takes a sample; DAMAGE_ALL=1 (make soak) every 97th byte.
 */
#include "os/log.h"
#include "store/store_impl.h"
#include "tests/fake/tape.h"
#include "tests/store/life.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DISK_BYTES (16 * MIB)
#define WRITERS    2
#define STEPS      14
#ifdef __SANITIZE_ADDRESS__
#define SAMPLE 50
#else
#define SAMPLE 350
#endif

static uint64_t chosen_seed(void)
{
	const char *text = getenv("DAMAGE_SEED");

	return text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
}

/* ---- one bit ---- */
struct damaged {
	struct fake_disk *disk; /* of a store closed in order */
	struct life *life;
	struct life_mark mark;
	uint64_t *places, seed; /* byte offsets */
	size_t count;
	bool unreadable; /* the sector, instead of a bit that is turned over */
};

static void spoil(const struct damaged *x, struct fake_disk *g, uint64_t at, uint8_t bit)
{
	if (x->unreadable) {
		g->bad_at = at / OS_SECTOR_BYTES * OS_SECTOR_BYTES;
		g->bad_n = OS_SECTOR_BYTES;
	} else {
		g->live[at] ^= bit;
		g->again_at = at;
	}
}

enum outcome { RIGHT = '=', SAID = '!', REFUSED = 'x', WRONG = 'W', CRASHED = 'C' };

static enum outcome look(struct damaged *x, struct store *s)
{
	struct life_mark m = x->mark;
	struct store_verify v = { 0 };
	struct store_stats st;
	unsigned errors;
	int err;

	store_stats(&st, s);
	if (st.read_only) { /* as it was before the bad place: test_read_only.c */
		err = store_verify(s, &v);
		return err >= 0 && v.mismatches ? SAID : WRONG;
	}
	if (life_check(x->life, s, &m, LIFE_DAMAGED, &errors))
		return WRONG;
	if (!errors)
		return RIGHT;
	err = store_verify(s, &v);
	if (err >= 0 && !v.mismatches)
		fprintf(stderr, "  verify finds nothing\n");
	return err < 0 || v.mismatches ? SAID : WRONG;
}

/* Turned over before it is opened, or while it is open, before it is next read from the disk. */
static enum outcome try_flip(struct damaged *x, size_t n)
{
	uint64_t seed = x->seed + n, at = x->places[n];
	struct fake_disk *g = fake_disk_cut(x->disk, &seed);
	uint8_t bit = (uint8_t)(1u << (fake_random(&seed) % 8));
	bool open_first = fake_random(&seed) % 2;
	enum outcome out = REFUSED;
	struct store *s;
	int err;

	if (!open_first)
		spoil(x, g, at, bit);
	err = store_open(&s, &g->d, &life_driver);
	if (err >= 0) {
		if (open_first) { /* all of it was found sound once */
			os_assert(look(x, s) == RIGHT);
			spoil(x, g, at, bit);
		}
		out = look(x, s);
		store_close(s);
	} else if (open_first || (err != ERR_CORRUPT && err != ERR_IO && err != ERR_UNSUPPORTED) ||
		strcmp(err_text(err), err_name(err)) == 0) {
		fprintf(stderr, "  open says %d %s\n", err, err_text(err));
		out = WRONG;
	} else {
		fprintf(stderr, "  byte %llu: open says %s\n", (unsigned long long)at,
			err_text(err));
	}
	os_disk_close(&g->d);
	return out;
}

/* Each in a process of its own as far as need be: a crash must not end the test. */
static enum outcome next_outcome(struct damaged *x, size_t n, int *pipe_end, pid_t *child)
{
	char c;

	if (*pipe_end < 0) {
		int ends[2];
		cr_assert_eq(pipe(ends), 0);
		fflush(NULL);
		*child = fork();
		if (*child == 0) {
			close(ends[0]);
			for (; n < x->count; n++) {
				c = (char)try_flip(x, n);
				if (write(ends[1], &c, 1) != 1)
					break;
			}
			_exit(0);
		}
		close(ends[1]);
		*pipe_end = ends[0];
	}
	if (read(*pipe_end, &c, 1) == 1)
		return (enum outcome)c;
	close(*pipe_end);
	*pipe_end = -1;
	waitpid(*child, NULL, 0);
	return CRASHED;
}

static void choose_places(struct damaged *x)
{
	uint64_t size = x->disk->d.size_bytes, seed = x->seed;
	const uint8_t *bytes = x->disk->durable;
	size_t used = 0;

	x->places = calloc(size / 97 + 1, sizeof(*x->places));
	os_assert(x->places);
	for (uint64_t at = seed % 97; at < size; at += 97) { /* what holds something */
		uint64_t block = at / 512 * 512;
		static const uint8_t zero[512];
		if (memcmp(bytes + block, zero, 512) != 0)
			x->places[used++] = at;
	}
	x->count = used;
	if (getenv("DAMAGE_ALL"))
		return;
	x->count = 0;
	for (size_t n = 0; n < used; n++) /* the superblocks are few and count much */
		if (x->places[n] < 8192 || fake_random(&seed) % (used / SAMPLE + 1) == 0)
			x->places[x->count++] = x->places[n];
}

static void make_store(struct damaged *x)
{
	struct store *s;

	x->seed = chosen_seed();
	x->disk = fake_disk_new(DISK_BYTES);
	x->life = life_new(x->seed, WRITERS, STEPS);
	x->disk->eager = true;
	OK(store_format(&x->disk->d));
	OK(store_open(&s, &x->disk->d, &life_driver));
	OK(life_run(x->life, s));
	life_mark(&x->mark, x->life);
	if (x->unreadable) { /* with a tail to replay */
		struct fake_disk *open = x->disk;
		x->disk = fake_disk_sure(open);
		store_close(s);
		os_disk_close(&open->d);
	} else {
		store_close(s);
		OK(os_disk_flush(&x->disk->d));
	}
	choose_places(x);
}

static int flips(void *p)
{
	struct damaged x = { .unreadable = p != NULL };
	unsigned right = 0, said = 0, refused = 0, bad = 0;
	int pipe_end = -1;
	pid_t child = 0;

	make_store(&x);
	for (size_t n = 0; n < x.count && bad < 5; n++) {
		enum outcome o = next_outcome(&x, n, &pipe_end, &child);
		right += o == RIGHT;
		said += o == SAID;
		refused += o == REFUSED;
		if (o != WRONG && o != CRASHED)
			continue;
		bad++;
		cr_expect(false, "DAMAGE_SEED=%llu: %s with %s byte %llu",
			(unsigned long long)x.seed, o == WRONG ? "wrong" : "a crash",
			x.unreadable ? "no sector to be read at" : "a bit turned over of",
			(unsigned long long)x.places[n]);
	}
	if (pipe_end >= 0) {
		close(pipe_end);
		waitpid(child, NULL, 0);
	}
	fprintf(stderr, "damage: %zu %s: %u without effect, %u said so, %u would not open\n",
		x.count, x.unreadable ? "unreadable sectors" : "bits", right, said, refused);
	cr_expect_gt(said, 0);
	free(x.places);
	life_free(x.life);
	os_disk_close(&x.disk->d);
	return 0;
}

/* Breakage it catches: a record read without its check. */
Test(damage, a_flipped_bit_is_never_served, .timeout = 6 * 3600)
{
	os_log_level(OS_ERROR);
	OK(os_run(flips, NULL));
}

/* Breakage it catches: a log that ends where the disk can't be read, and what was acknowledged with it. */
Test(damage, what_can_not_be_read_is_said_to_be_there, .timeout = 6 * 3600)
{
	os_log_level(OS_ERROR);
	OK(os_run(flips, (void *)1));
}

/* ---- one operation ---- */
static unsigned fail_at(uint64_t seed, uint64_t after, bool *whole)
{
	struct fake_disk *f = fake_disk_new(DISK_BYTES), *cut;
	struct life *l = life_new(seed, WRITERS, STEPS);
	struct life_mark m;
	struct store *s;
	unsigned bad;
	int err;

	OK(store_format(&f->d));
	f->fail_after = after;
	err = store_open(&s, &f->d, &life_driver);
	if (err >= 0) {
		struct store_edit *e;
		err = life_run(l, s);
		if (err == ERR_IO) /* once failed, refused for good */
			cr_expect_eq(store_edit_begin(&e, s, BRANCH, OS_FOREVER), ERR_IO);
		store_close(s);
	}
	*whole = err >= 0;
	cr_expect(err >= 0 || err == ERR_IO, "operation %u: %d %s", (unsigned)after, err,
		err_text(err));
	f->fail_after = 0;
	life_mark(&m, l);
	cut = fake_disk_cut(f, &seed);
	err = store_open(&s, &cut->d, &life_driver);
	if (err < 0) {
		fprintf(stderr, "  it does not open again: %s\n", err_text(err));
		bad = 1;
	} else {
		bad = life_check(l, s, &m, LIFE_WHOLE, NULL);
		bad += verify_count(s, NULL) > 0;
		bad += put_text(s, STR("refs/heads/again"), STR("x"), STR("1")) < 0;
		store_close(s);
	}
	os_disk_close(&cut->d);
	os_disk_close(&f->d);
	life_free(l);
	return bad;
}

static int failures(void *p)
{
	uint64_t seed = chosen_seed(), n = 1;
	bool whole = false;
	unsigned tried = 0;

	(void)p;
	for (; !whole && n < 100000; tried++) {
		unsigned bad = fail_at(seed, n, &whole);
		cr_expect_eq(bad, 0, "DAMAGE_SEED=%llu: the disk fails from operation %u on",
			(unsigned long long)seed, (unsigned)n);
		n += getenv("DAMAGE_ALL") || n < 8 ? 1 : 1 + fake_random(&seed) % 8;
	}
	fprintf(stderr, "damage: failing from each of %u of %u operations on\n", tried,
		(unsigned)n);
	cr_expect_gt(tried, 10);
	return 0;
}

/* Breakage it catches: a flush tried again after it failed. */
Test(damage, a_failing_disk_acknowledges_nothing, .timeout = 6 * 3600)
{
	os_log_level(OS_ERROR);
	OK(os_run(failures, NULL));
}
