/* SPDX-License-Identifier: ISC */
#include "os/log.h"
#include "store/git_dir.h"
#include "tests/fake/tape.h"
#include "tests/store/dag.h"

#include <unistd.h>

#define A    STR("refs/heads/a")
#define DISK (16 * MIB)

static struct dag g;

static struct store_oid head_of(struct store *s, struct str ref)
{
	struct store_oid id;
	OK(store_ref_get(&id, s, ref));
	return id;
}

static enum store_merged merge(struct store *s, struct str into, const struct store_oid *from)
{
	enum store_merged how;
	struct store_oid id, head;

	OK(store_merge(&how, &id, s, into, from, OS_FOREVER));
	head = head_of(s, into);
	cr_expect(store_oid_eq(&id, &head));
	return how;
}

static void point(struct store *s, struct str ref, const struct store_oid *to)
{
	struct store_oid now;
	bool has = store_ref_get(&now, s, ref) == 0;
	struct store_ref_move m = { ref, has ? &now : NULL, to };
	OK(store_ref_update(s, &m, 1, &why_test, OS_FOREVER));
}

/* ---- what a merge is ---- */
static int derive(void *ctx, struct store_derive *d, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	struct str was;
	int err = store_derive_row_get(&was, d, ref);

	(void)ctx;
	cr_expect_eq(err, old_tree ? 0 : ERR_NOENT);
	cr_expect(err < 0 || memcmp(was.p, old_tree->b, 20) == 0, "derived from something else");
	return store_derive_row_put(d, ref, str_n(new_tree->b, 20));
}

static int merge_with_note(void *ctx, struct store_edit *e, struct str ref,
	const struct store_oid *base, const struct store_oid *theirs, struct buf *notes)
{
	++*(unsigned *)ctx;
	cr_expect(str_eq(ref, BRANCH));
	cr_expect_not_null(store_edit_store(e));
	buf_fmt(notes, "decided %c something\n", 1);
	return store_edit_merge_paths(e, STR(""), base, theirs, notes);
}

static void seen(void *ctx, struct str ref, const struct store_oid *commit)
{
	(void)ref;
	*(struct store_oid *)ctx = *commit;
}

static void sh(const char *dir, const char *command, const char *want)
{
	char line[512], got[2048];
	FILE *f;
	size_t n;

	snprintf(line, sizeof(line), "cd %s && { %s; } 2>&1", dir, command);
	f = popen(line, "r");
	cr_assert_not_null(f);
	n = fread(got, 1, sizeof(got) - 1, f);
	got[n] = 0;
	cr_expect_eq(pclose(f), 0, "%s: %s", command, got);
	cr_expect_str_eq(got, want, "%s", command);
}

static int to_dir(void *ctx, struct str bytes)
{
	return git_dir_pack(ctx, bytes);
}

/* The commit, as stock git reads it. */
static void git_reads(struct store *s, const struct store_oid *a, const struct store_oid *b)
{
	char dir[64], want[512], x[STORE_HEX], y[STORE_HEX], command[96];
	struct store_oid head = head_of(s, BRANCH);
	struct git_dir *d;

	snprintf(dir, sizeof(dir), "/tmp/merge-%d.git", (int)getpid());
	OK(git_dir_begin(&d, dir, true));
	OK(store_pack(s, BRANCH, to_dir, d));
	OK(git_dir_ref(d, BRANCH, &head));
	OK(git_dir_end(d, BRANCH));
	if (memcmp(a->b, b->b, 20) > 0) {
		const struct store_oid *c = a;
		a = b;
		b = c;
	}
	snprintf(want, sizeof(want),
		"%s %s|Allod <merge@allod.invalid> 5000|Allod 5000|merge by the rules of notes "
		"7\n\ndecided ? something\n\n",
		store_oid_hex(x, a), store_oid_hex(y, b));
	sh(dir, "git log -1 --format='%P|%an <%ae> %at|%cn %ct|%B' b", want);
	sh(dir, "git fsck --strict --full", "");
	sh(dir, "git ls-tree -r --name-only b", "f\nx\ny\n");
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect_eq(system(command), 0);
}

static int shapes(void *p)
{
	struct fake_disk *f = p;
	unsigned calls = 0;
	const struct store_driver driver = { .name = "notes",
		.version = 1,
		.derive = derive,
		.ctx = &calls,
		.merge = merge_with_note,
		.merge_version = 7 };
	struct store_oid o, a, b, m, told, tree, id;
	struct store_commit c;
	struct arena arena;
	struct store *s;
	struct str row;

	arena_init(&arena, MIB);
	OK(store_open(&s, &f->d, &driver));
	OK(put_text(s, A, STR("f"), STR("o")));
	o = head_of(s, A);
	OK(store_watch(s, seen, &told));
	cr_expect_eq(merge(s, BRANCH, &o), STORE_MERGED_FORWARD, "made by its first merge");
	cr_expect(store_oid_eq(&told, &o));
	cr_expect_eq(merge(s, BRANCH, &o), STORE_MERGED_NOTHING);
	struct store_why later = why_test;
	struct store_edit *e;
	later.time = 5000;
	OK(store_edit_begin(&e, s, A, OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("x"), STR("1")));
	OK(store_edit_commit(&a, e, &later));
	cr_expect_eq(merge(s, BRANCH, &a), STORE_MERGED_FORWARD);
	cr_expect_eq(merge(s, BRANCH, &o), STORE_MERGED_NOTHING, "an ancestor");
	point(s, BRANCH, &o);
	later.time = 4000;
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("y"), STR("2")));
	OK(store_edit_commit(&b, e, &later));
	uint64_t seq = store_seq(s);
	cr_expect_eq(calls, 0);
	cr_expect_eq(merge(s, BRANCH, &a), STORE_MERGED_COMMIT);
	cr_expect_eq(calls, 1);
	cr_expect_eq(store_seq(s), seq + 1, "one group");
	m = head_of(s, BRANCH);
	cr_expect(store_oid_eq(&told, &m));
	tree = tree_of(s, BRANCH);
	OK(store_row_get(&row, &arena, s, BRANCH));
	cr_expect(memcmp(row.p, tree.b, 20) == 0, "derived");
	git_reads(s, &a, &b);
	cr_expect_eq(merge(s, BRANCH, &a), STORE_MERGED_NOTHING, "idempotent");
	cr_expect_eq(merge(s, BRANCH, &b), STORE_MERGED_NOTHING);
	/* The other way round it is the same commit. */
	point(s, BRANCH, &a);
	cr_expect_eq(merge(s, BRANCH, &b), STORE_MERGED_COMMIT);
	id = head_of(s, BRANCH);
	cr_expect(store_oid_eq(&id, &m));
	OK(store_commit_get(&c, &arena, s, &m));

	/* Another's merge of the same two, equal in what it holds: the lower id, from either side. */
	dag_begin(&g, s);
	g.n = 2;
	g.id[0] = a;
	g.id[1] = b;
	unsigned twin = dag_commit(&g, &tree, (const unsigned[]){ 1, 0 }, 2, 6000);
	dag_end(&g);
	bool lower = memcmp(g.id[twin].b, m.b, 20) < 0;
	const struct store_oid *low = lower ? &g.id[twin] : &m;
	cr_expect_eq(
		merge(s, BRANCH, &g.id[twin]), lower ? STORE_MERGED_FORWARD : STORE_MERGED_NOTHING);
	id = head_of(s, BRANCH);
	cr_expect(store_oid_eq(&id, low));
	point(s, BRANCH, &g.id[twin]);
	cr_expect_eq(merge(s, BRANCH, &m), lower ? STORE_MERGED_NOTHING : STORE_MERGED_FORWARD);
	id = head_of(s, BRANCH);
	cr_expect(store_oid_eq(&id, low));

	/* Refusals change nothing. */
	enum store_merged how;
	struct store_oid none = { { 9 } };
	cr_expect_eq(store_merge(&how, NULL, s, BRANCH, &none, OS_FOREVER), ERR_NOENT);
	cr_expect_eq(store_merge(&how, NULL, s, BRANCH, &tree, OS_FOREVER), ERR_BAD);
	cr_expect_eq(store_merge(&how, NULL, s, STR("b"), &a, OS_FOREVER), ERR_BAD);
	id = head_of(s, BRANCH);
	cr_expect(store_oid_eq(&id, low));
	cr_expect_eq(verify_count(s, NULL), 0);
	store_unwatch(s, seen, &told);
	store_close(s);
	arena_free(&arena);
	return 0;
}

Test(merge, what_it_is)
{
	on_disk(shapes, DISK);
}

/* ---- mail is delivered while a merge is prepared ---- */
struct deliver {
	struct store *s;
	unsigned n;
	bool stop, ended;
	struct os_waitq end;
};

static void deliver(void *p)
{
	struct deliver *d = p;
	struct arena a;

	arena_init(&a, MIB);
	while (!d->stop)
		OK(put_text(d->s, BRANCH, num(&a, "d/%2$x/%1$u", d->n++), STR("mail")));
	arena_free(&a);
	d->ended = true;
	os_wake_all(&d->end);
}

static unsigned waits;
static int merge_slowly(void *ctx, struct store_edit *e, struct str ref,
	const struct store_oid *base, const struct store_oid *theirs, struct buf *notes)
{
	struct deliver *d = ctx;
	unsigned before = d->n;
	static char big[100000];

	(void)ref;
	for (unsigned i = 0; i < 200; i++)
		os_yield();
	waits += d->n != before;
	noise(big, sizeof(big), 3);
	OK(store_edit_put_bytes(e, STR("big"), str_n(big, sizeof(big)))); /* takes the turn */
	return store_edit_merge_paths(e, STR(""), base, theirs, notes);
}

static int busy(void *p)
{
	struct fake_disk *f = p;
	struct deliver d = { 0 };
	const struct store_driver driver = { .name = "slow",
		.version = 1,
		.derive = derive,
		.ctx = &d,
		.merge = merge_slowly,
		.merge_version = 1 };
	struct store_oid o;
	struct arena a;

	arena_init(&a, MIB);
	OK(store_open(&d.s, &f->d, &driver));
	OK(put_text(d.s, BRANCH, STR("f"), STR("o")));
	o = head_of(d.s, BRANCH);
	point(d.s, A, &o);
	OK(os_spawn("deliver", deliver, &d));
	for (unsigned i = 0; i < 10; i++) {
		OK(put_text(d.s, A, num(&a, "a/%u", i), STR("t")));
		struct store_oid from = head_of(d.s, A), head;
		enum store_merged how;
		OK(store_merge(&how, &head, d.s, BRANCH, &from, OS_FOREVER));
		cr_expect_eq(how, STORE_MERGED_COMMIT);
		cr_expect(text_at(&a, d.s, BRANCH, num(&a, "a/%u", i)).p != NULL);
	}
	d.stop = true;
	while (!d.ended)
		OK(os_wait(&d.end, OS_FOREVER));
	for (unsigned i = 0; i < d.n; i++)
		cr_expect(text_at(&a, d.s, BRANCH, num(&a, "d/%2$x/%1$u", i)).p != NULL, "%u", i);
	cr_expect_gt(waits, 0, "nothing was delivered meanwhile");
	cr_expect_eq(verify_count(d.s, NULL), 0);
	store_close(d.s);
	arena_free(&a);
	return 0;
}

/* Breakages it catches: a merge that holds the turn all along; one that loses what came meanwhile. */
Test(merge, while_mail_comes_in)
{
	on_disk(busy, 64 * MIB);
}

/* ---- replicas: every version that nobody replaced is there in the end ---- */
#define REPLICAS 3
#define ITEMS    12
#define VERSIONS 200

struct life {
	struct store *s;
	struct str ref[REPLICAS];
	unsigned n;              /* versions so far; a version's text is its number */
	bool replaced[VERSIONS]; /* somebody who saw it wrote over it, or deleted it */
	uint64_t seed;
	struct arena a;
};

static void act(struct life *l, unsigned r)
{
	unsigned item = (unsigned)(fake_random(&l->seed) % ITEMS), n = l->n;
	struct str path = num(&l->a, item % 3 ? "%2$x" : "i%2$x/%2$x", item), was;
	struct store_edit *e;
	uint64_t saw;

	was = text_at(&l->a, l->s, l->ref[r], path);
	OK(store_edit_begin(&e, l->s, l->ref[r], OS_FOREVER));
	if (was.p && fake_random(&l->seed) % 4 == 0)
		OK(store_edit_del(e, path));
	else
		OK(store_edit_put_bytes(e, path, num(&l->a, "%u", l->n++)));
	struct store_why why = why_test;
	why.time += (int64_t)(fake_random(&l->seed) % 100);
	OK(store_edit_commit(NULL, e, &why));
	if (was.p) {
		OK(str_u64(&saw, was, n));
		l->replaced[saw] = true;
	}
}

static void meet(struct life *l, unsigned to, unsigned from)
{
	struct store_oid id;
	if (store_ref_get(&id, l->s, l->ref[from]) == 0)
		merge(l->s, l->ref[to], &id);
}

struct present {
	struct life *l;
	bool there[VERSIONS];
};

static int found(void *ctx, const struct store_change *c)
{
	struct present *x = ctx;
	struct str text;
	uint64_t n;

	OK(store_blob_all(&text, &x->l->a, x->l->s, c->after, 100));
	OK(str_u64(&n, text, VERSIONS - 1));
	x->there[n] = true;
	return 0;
}

static void converge(struct life *l, unsigned count)
{
	bool same = false;

	for (unsigned round = 0; !same; round++) {
		cr_assert_lt(round, 12, "they never come to rest");
		for (unsigned k = 0; k < 2 * count; k++) {
			unsigned to = (unsigned)(fake_random(&l->seed) % count),
				 from = (unsigned)(fake_random(&l->seed) % count);
			if (to != from)
				meet(l, to, from);
		}
		same = true;
		for (unsigned r = 1; r < count && same; r++) {
			struct store_oid x, y;
			same = store_ref_get(&x, l->s, l->ref[0]) == 0 &&
				store_ref_get(&y, l->s, l->ref[r]) == 0 && store_oid_eq(&x, &y);
		}
	}
}

static void one_life(struct life *l, unsigned case_number)
{
	unsigned count = 2 + case_number % 2;
	struct present x = { l, { 0 } };

	l->n = 0;
	memset(l->replaced, 0, sizeof(l->replaced));
	arena_reset(&l->a);
	for (unsigned r = 0; r < count; r++)
		l->ref[r] = num(&l->a,
			r == 0           ? "refs/heads/x/%u"
				: r == 1 ? "refs/heads/y/%u"
					 : "refs/heads/z/%u",
			case_number);
	if (case_number % 4) { /* else without a common history */
		act(l, 0);
		for (unsigned r = 1; r < count; r++)
			meet(l, r, 0);
	}
	for (unsigned k = 0; k < 6 + case_number % 24; k++) {
		unsigned r = (unsigned)(fake_random(&l->seed) % count),
			 with = (unsigned)(fake_random(&l->seed) % count);
		if (with != r && fake_random(&l->seed) % 3 == 0)
			meet(l, r, with);
		else
			act(l, r);
	}
	converge(l, count);
	struct store_oid tree = tree_of(l->s, l->ref[0]);
	OK(store_diff(l->s, NULL, &tree, STR(""), found, &x));
	for (unsigned v = 0; v < l->n; v++)
		cr_assert(l->replaced[v] || x.there[v], "case %u: version %u is lost", case_number,
			v);
}

static int lives(void *p)
{
	struct fake_disk *f = p;
	struct life l = { .seed = any_seed("merge") };

	f->eager = true;
	arena_init(&l.a, 4 * MIB);
	OK(store_open(&l.s, &f->d, NULL));
	for (unsigned i = 0; i < 1500; i++)
		one_life(&l, i);
	store_close(l.s);
	arena_free(&l.a);
	return 0;
}

/* Breakages it catches: the other side taken without a look at the base; merges that differ by who made
 * them, so that replicas never come to rest. */
Test(merge, replicas_come_to_rest_with_everything)
{
	on_disk(lives, 384 * MIB);
}

/* ---- several bases ---- */
static struct store_oid tree_put(
	struct store *s, const struct store_oid *tree, const char *path, const char *text)
{
	struct store_edit *e;
	struct store_oid id;
	struct ref_value v;

	point(s, A, tree); /* a commit */
	OK(store_edit_begin(&e, s, A, OS_FOREVER));
	if (text)
		OK(store_edit_put_bytes(e, str_of(path), str_of(text)));
	else
		OK(store_edit_del(e, str_of(path)));
	OK(store_edit_commit(&id, e, &why_test));
	OK(ref_read(&v, s, A));
	return id;
}

static unsigned count_copies;
static int count_copy(void *ctx, const struct store_change *c)
{
	(void)ctx;
	count_copies += str_find(c->path, STR("(conflict")) >= 0;
	return 0;
}

static struct store_oid merged(
	struct store *s, const struct store_oid *a, const struct store_oid *b)
{
	struct store_oid id, other;

	point(s, BRANCH, a);
	merge(s, BRANCH, b);
	id = head_of(s, BRANCH);
	point(s, BRANCH, b);
	merge(s, BRANCH, a);
	other = head_of(s, BRANCH);
	cr_expect(store_oid_eq(&id, &other), "it tells which side is which");
	return id;
}

/* The other merge of two commits, by someone else: the same tree, another commit. */
static struct store_oid second_merge(
	struct store *s, const struct store_oid *a, const struct store_oid *b)
{
	struct store_oid m = merged(s, a, b), tree = tree_of(s, BRANCH);

	(void)m;
	dag_begin(&g, s);
	g.n = 2;
	g.id[0] = *a;
	g.id[1] = *b;
	unsigned i = dag_commit(&g, &tree, (const unsigned[]){ 0, 1 }, 2, 1700000001);
	dag_end(&g);
	return g.id[i];
}

static int criss_cross(void *p)
{
	struct fake_disk *f = p;
	struct store_oid a, b, m, n, tree, o;
	struct store_oid got[4];
	struct arena arena;
	struct store *s;
	size_t count;

	arena_init(&arena, MIB);
	OK(store_open(&s, &f->d, NULL));
	OK(put_text(s, A, STR("h"), STR("0")));
	OK(put_text(s, A, STR("k"), STR("0")));
	o = head_of(s, A);
	a = tree_put(s, &o, "h", "1");
	b = tree_put(s, &o, "k", "1");
	for (unsigned level = 0; level < 12; level++) {
		char text[2][8];
		m = merged(s, &a, &b);
		n = second_merge(s, &a, &b);
		snprintf(text[0], 8, "%u", 2 * level + 2);
		snprintf(text[1], 8, "%u", 2 * level + 3);
		/* Each side changes what came from the other before. */
		a = tree_put(s, &m, "k", text[0]);
		b = tree_put(s, &n, "h", text[1]);
		OK(store_merge_base(got, &count, 4, s, &a, &b));
		cr_expect_eq(count, 2, "level %u: %zu bases", level, count);
		merged(s, &a, &b);
		tree = tree_of(s, BRANCH);
		count_copies = 0;
		OK(store_diff(s, NULL, &tree, STR(""), count_copy, NULL));
		if (level < 6) { /* beyond the limit copies are kept */
			cr_expect_eq(count_copies, 0, "level %u", level);
			cr_expect(str_eq(text_at(&arena, s, BRANCH, STR("k")), str_of(text[0])));
			cr_expect(str_eq(text_at(&arena, s, BRANCH, STR("h")), str_of(text[1])));
		}
	}
	/* What one side deletes stays deleted. */
	a = tree_put(s, &o, "h", "x");
	b = tree_put(s, &o, "k", "x");
	m = merged(s, &a, &b);
	n = second_merge(s, &a, &b);
	m = tree_put(s, &m, "h", NULL);
	n = tree_put(s, &n, "new", "1");
	merged(s, &m, &n);
	cr_expect(text_at(&arena, s, BRANCH, STR("h")).p == NULL);
	cr_expect(text_at(&arena, s, BRANCH, STR("new")).p != NULL);
	/* Nothing made on the way is left on the disk as part of anything. */
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);
	arena_free(&arena);
	return 0;
}

/* Breakage it catches: one of several bases taken for the base. */
Test(merge, criss_cross)
{
	on_disk(criss_cross, DISK);
}

/* ---- power cuts ---- */
#define STEPS 12
struct step { /* where the branch may be found once `ops` operations were done */
	size_t ops;
	struct store_oid head;
};

static int merges_recorded(void *p)
{
	struct fake_disk *f = p;
	struct step steps[STEPS + 1];
	struct fake_tape *tape = f->tape;
	struct fake_player player;
	struct store_oid o;
	struct store *s;
	uint64_t seed = 77;
	unsigned n = 0, redone = 0;

	OK(store_open(&s, &f->d, NULL));
	OK(put_text(s, BRANCH, STR("f"), STR("o")));
	o = head_of(s, BRANCH);
	steps[n++] = (struct step){ tape->n, o };
	for (unsigned i = 0; i < STEPS; i++) {
		char path[16];
		enum store_merged how;
		snprintf(path, sizeof(path), "d%u/%u", i % 3, i);
		point(s, A, &o);
		OK(put_text(s, A, str_of(path), STR("t")));
		struct store_oid from = head_of(s, A);
		OK(store_merge(&how, &steps[n].head, s, BRANCH, &from, OS_FOREVER));
		steps[n++].ops = tape->n;
	}
	store_close(s);
	f->tape = NULL;

	fake_player_init(&player, tape, f->d.size_bytes);
	for (size_t i = steps[0].ops; i <= tape->n; i++) {
		struct fake_disk *cut = fake_player_cut(
			&player, i, (enum fake_cut)(fake_random(&seed) % FAKE_CUTS), &seed);
		unsigned at = 0, is;
		while (at < STEPS && steps[at + 1].ops <= i)
			at++;
		OK(store_open(&s, &cut->d, NULL));
		struct store_oid head = head_of(s, BRANCH);
		for (is = at; is <= STEPS && !store_oid_eq(&steps[is].head, &head);)
			is++;
		cr_expect(is == at || is == at + 1, "after %zu: step %u, not %u", i, is, at);
		cr_expect_eq(verify_count(s, NULL), 0);
		/* Doing it over comes to the same. */
		struct store_oid from;
		if (is < STEPS && store_ref_get(&from, s, A) == 0) {
			enum store_merged how;
			OK(store_merge(&how, &head, s, BRANCH, &from, OS_FOREVER));
			cr_expect(how != STORE_MERGED_COMMIT ||
				store_oid_eq(&head, &steps[is + 1].head));
			redone += how == STORE_MERGED_COMMIT;
		}
		store_close(s);
		os_disk_close(&cut->d);
	}
	fake_player_free(&player);
	cr_expect_gt(redone, 10);
	return 0;
}

/* Breakage it catches: a branch moved before the merge's trees are there for good. */
Test(merge, power_cuts)
{
	struct fake_disk *f = fake_disk_new(DISK);
	struct fake_tape tape = { 0 };

	os_log_level(OS_ERROR);
	f->tape = &tape;
	OK(store_format(&f->d));
	OK(os_run(merges_recorded, f));
	fake_tape_free(&tape);
	os_disk_close(&f->d);
}
