/* SPDX-License-Identifier: ISC */
/*
 * Power cuts. Fibers edit, each its own branch: file `count`, a file per edit, a local record,
 * a row derived from `count`, now and then a large spooled blob. At every acknowledgement and at
 * random moments the disk is cut; what is found afterwards must hold all that was acknowledged,
 * and of what was under way all or nothing.
 */
#include "tests/store/help.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITERS 4
#define EDITS   40
#define BIG     (150 * 1024)

struct world {
	struct fake_disk *disk;
	struct store *s;
	uint64_t seed;
	unsigned begun[WRITERS], acked[WRITERS];
	unsigned cuts;
	uint64_t seq;
	bool in_child; /* a check may crash: run it in a process of its own */
	unsigned problems;
};

struct writer {
	struct world *w;
	unsigned i;
};

/* Row "<ref>" holds what file `count` holds. */
static int derive(void *ctx, struct store_derive *d, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	struct store *s = store_derive_store(d);
	struct store_entry e;
	struct arena a;
	struct str text;
	int err;

	(void)ctx;
	(void)old_tree;
	if (!new_tree)
		return store_derive_row_del(d, ref);
	arena_init(&a, 4096);
	err = store_find(&e, s, new_tree, STR("count"));
	if (err >= 0)
		err = store_blob_all(&text, &a, s, &e.oid, 100);
	if (err >= 0)
		err = store_derive_row_put(d, ref, text);
	arena_free(&a);
	return err;
}
static const struct store_driver driver = { .name = "power", .version = 1, .derive = derive };

static void big_bytes(char *p, unsigned i, unsigned k)
{
	noise(p, BIG, i * 1000 + k);
}

/* Problems of one branch after a cut. */
static unsigned check_branch(
	struct store *s, struct arena *a, unsigned i, unsigned acked, unsigned begun)
{
	struct str ref = num(a, "refs/heads/w%u", i), text, local = STR_NONE, row = STR_NONE;
	uint64_t count = 0, files = 0;
	unsigned bad = 0;

	if (read_text(&text, a, s, ref, STR("count")) < 0)
		return 1;
	if (text.p && str_u64(&count, text, EDITS + 1) < 0)
		return 1;
	bad += count < acked; /* acknowledged and lost */
	bad += count > begun; /* from nowhere */
	int err = store_local_get(&local, a, s, ref);
	bad += text.p ? err < 0 || !str_eq(local, text) : err != ERR_NOENT; /* half a group */
	err = store_row_get(&row, a, s, ref);
	bad += text.p ? err < 0 || !str_eq(row, text) : err != ERR_NOENT;
	for (unsigned k = 1; k <= EDITS; k++) {
		struct str got;
		bad += read_text(&got, a, s, ref, num(a, "d/%2$x/%3$x/%1$u", k)) < 0;
		files += got.p != NULL;
		bad += got.p ? !str_eq(got, num(a, "%u", k)) : k <= count;
	}
	bad += files != count;
	bad += read_text(&text, a, s, ref, STR("big")) < 0;
	if (text.p) {
		char *want = arena_alloc(a, BIG);
		big_bytes(want, i, (unsigned)(count - count % 8));
		bad += !str_eq(text, str_n(want, BIG));
	}
	return bad;
}

static unsigned check_disk(struct fake_disk *cut, const struct world *then)
{
	struct store_verify v = { 0 };
	struct store *s;
	struct arena a;
	unsigned bad = 0;
	int err = store_open(&s, &cut->d, &driver);

	if (err < 0) {
		os_disk_close(&cut->d);
		return 1;
	}
	arena_init(&a, 4 * MIB);
	bad += store_seq(s) < then->seq; /* MODSEQ would go back */
	for (unsigned i = 0; i < WRITERS; i++)
		bad += check_branch(s, &a, i, then->acked[i], then->begun[i]);
	bad += store_verify(s, &v) < 0 || v.mismatches > 0;
	/* And it goes on from there. */
	bad += put_text(s, BRANCH, STR("count"), STR("1")) < 0;
	store_close(s);
	arena_free(&a);
	os_disk_close(&cut->d);
	return bad;
}

static void cut_now(struct world *w)
{
	struct world then = *w;
	struct fake_disk *cut = fake_disk_cut(w->disk, &w->seed);
	int status = 0;

	w->cuts++;
	then.seq = store_seq(w->s);
	if (!w->in_child) {
		unsigned bad = check_disk(cut, &then);
		cr_expect_eq(bad, 0, "cut %u: %u problems", w->cuts, bad);
		w->problems += bad;
		return;
	}
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 1);
		dup2(null, 2);
		_exit(check_disk(cut, &then) ? 1 : 0);
	}
	os_disk_close(&cut->d);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	w->problems += status != 0;
}

static int one_edit(struct world *w, struct arena *a, unsigned i, unsigned k)
{
	struct str ref = num(a, "refs/heads/w%u", i), text = num(a, "%u", k);
	struct store_edit *e;
	struct store_oid big;
	bool with_big = k % 8 == 0;

	if (with_big) {
		struct store_spool *p;
		char *bytes = arena_alloc(a, BIG);
		big_bytes(bytes, i, k);
		OK(store_spool_begin(&p, w->s));
		OK(store_spool_write(p, str_n(bytes, 100000)));
		OK(store_spool_write(p, str_n(bytes + 100000, BIG - 100000)));
		OK(store_spool_finish(&big, NULL, p));
	}
	OK(store_edit_begin(&e, w->s, ref, OS_FOREVER));
	OK(store_edit_put_bytes(e, num(a, "d/%2$x/%3$x/%1$u", k), text));
	OK(store_edit_put_bytes(e, STR("count"), text));
	if (with_big)
		OK(store_edit_put(e, STR("big"), &big, STORE_BLOB));
	OK(store_edit_local_put(e, ref, text));
	w->begun[i] = k;
	return store_edit_commit(NULL, e, &why_test);
}

static void writer(void *p)
{
	struct world *w = ((struct writer *)p)->w;
	unsigned i = ((struct writer *)p)->i;
	struct arena a;

	arena_init(&a, 4 * MIB);
	for (unsigned k = 1; k <= EDITS; k++) {
		OK(one_edit(w, &a, i, k));
		w->acked[i] = k;
		if (w->problems == 0)
			cut_now(w);
		arena_reset(&a);
	}
	arena_free(&a);
}

/* In the middle of groups: before a flush takes effect. */
static void before_flush(struct fake_disk *f)
{
	struct world *w = f->ctx;
	if (fake_random(&w->seed) % 3 == 0 && !w->in_child && w->problems == 0)
		cut_now(w);
}

static unsigned run(struct fake_disk *f, uint64_t seed, bool lies)
{
	struct world w = { .disk = f, .seed = seed, .in_child = lies };
	struct writer ws[WRITERS];
	unsigned n = lies ? 2 : WRITERS;

	OK(store_open(&w.s, &f->d, &driver));
	f->on_flush = before_flush;
	f->ctx = &w;
	f->ignores_flush = lies;
	for (unsigned i = 0; i < WRITERS; i++)
		ws[i] = (struct writer){ &w, i };
	fibers(n, writer, ws, sizeof(ws[0]));
	store_close(w.s);
	cr_expect(lies || w.cuts > 160);
	return w.problems;
}

static int honest(void *p)
{
	cr_expect_eq(run(p, 1, false), 0);
	return 0;
}

/* Breakage it catches: an acknowledgement sent before the flush returned. */
Test(power, nothing_acknowledged_is_lost)
{
	on_disk(honest, 16 * MIB);
}

static int lying(void *p)
{
	cr_expect_gt(run(p, 2, true), 0, "a disk that ignores flushes must be found out");
	return 0;
}

/* The test above can fail. */
Test(power, a_disk_without_flushes_turns_it_red)
{
	on_disk(lying, 16 * MIB);
}
