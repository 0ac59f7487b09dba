/* SPDX-License-Identifier: ISC */
/* History by all parents, against a plain walk over the same random histories; whole and in pages. */
#include "store/lines.h"
#include "tests/store/dag.h"

#define COMMITS 60
#define TREES   3

struct lines {
	struct dag g;
	struct store_oid trees[TREES];
	unsigned tree[COMMITS]; /* which one */
	unsigned told[COMMITS * 4], n;
	unsigned left; /* told until it is enough */
};

/* ---- what is followed: the tree as a whole ---- */
static int look(void *ctx, void *state, const struct store_oid *tree, const void *newer,
	const struct store_oid *newer_tree)
{
	(void)ctx;
	cr_assert_eq(newer != NULL, newer_tree != NULL);
	if (newer)
		cr_assert(store_oid_eq(newer, newer_tree), "the state of another commit");
	memcpy(state, tree, sizeof(*tree));
	return 0;
}

static bool same(const void *a, const void *b)
{
	return store_oid_eq(a, b);
}

static unsigned number(const struct lines *x, const struct store_oid *id)
{
	unsigned i = 0;

	while (i < x->g.n && !store_oid_eq(id, &x->g.id[i]))
		i++;
	cr_assert_lt(i, x->g.n);
	return i;
}

static int told(void *ctx, const struct store_commit *c, const void *state, const void *before)
{
	struct lines *x = ctx;

	cr_assert(store_oid_eq(state, &c->tree));
	cr_assert_eq(before != NULL, c->parent_count > 0);
	if (x->left-- == 0)
		return ERR_CLOSED;
	cr_assert_lt(x->n, ARRAY_LEN(x->told));
	x->told[x->n++] = number(x, &c->id);
	return 0;
}
static const struct store_lines_ops ops = { sizeof(struct store_oid), look, same, told };

/* ---- the plain walk ---- */
static void mark(const struct lines *x, bool *seen, bool *wanted, unsigned i)
{
	if (seen[i])
		return;
	seen[i] = true;
	for (unsigned k = 0; k < x->g.parent_count[i]; k++)
		if (x->tree[x->g.parents[i][k]] == x->tree[i]) {
			mark(x, seen, wanted, x->g.parents[i][k]);
			return;
		}
	wanted[i] = true;
	for (unsigned k = 0; k < x->g.parent_count[i]; k++)
		mark(x, seen, wanted, x->g.parents[i][k]);
}

static void grow(struct lines *x, uint64_t *seed)
{
	char text[2] = "0";
	struct buf raw;

	for (unsigned i = 0; i < TREES; i++) {
		text[0] = (char)('0' + i);
		struct store_oid blob = dag_blob(&x->g, str_n(text, 1));
		buf_init(&raw, NULL);
		buf_fmt(&raw, "100644 a");
		buf_addc(&raw, '\0');
		buf_add(&raw, str_n(blob.b, sizeof(blob.b)));
		x->trees[i] = dag_tree(&x->g, buf_str(&raw));
		buf_free(&raw);
	}
	for (unsigned i = 0; i < COMMITS; i++) {
		unsigned parents[3], count = 0, want = 1 + (unsigned)(fake_random(seed) % 3);
		for (unsigned back = 1; back <= 5 && back <= i && count < want; back++)
			if (fake_random(seed) % 2)
				parents[count++] = i - back;
		if (i && !count)
			parents[count++] = i - 1;
		x->tree[i] = (unsigned)(fake_random(seed) % TREES);
		if (count && fake_random(seed) % 2) /* not all of them change it */
			x->tree[i] = x->tree[parents[count - 1]];
		dag_commit(&x->g, &x->trees[x->tree[i]], parents, count, 1000 + 10 * i);
	}
	dag_flush(&x->g);
}

static void walk(struct lines *x, struct store *s, uint64_t *seed, bool pages)
{
	struct store_lines l = { { x->g.id[COMMITS - 1] }, 1 };
	bool seen[COMMITS] = { 0 }, wanted[COMMITS] = { 0 };
	unsigned calls = 0, at = 0;

	x->n = 0;
	while (l.n > 0) {
		uint64_t most = pages && fake_random(seed) % 2 ? 1 + fake_random(seed) % 9 : 1000;
		x->left = pages ? 1 + (unsigned)(fake_random(seed) % 5) : UINT32_MAX;
		OK(store_lines_walk(&l, s, &ops, x, most));
		cr_assert_lt(calls++, 4 * COMMITS, "it does not come to an end");
	}
	cr_expect(pages || calls == 1);
	mark(x, seen, wanted, COMMITS - 1);
	for (unsigned i = COMMITS; i-- > 0;) {
		if (!wanted[i])
			continue;
		cr_assert(at < x->n && x->told[at] == i, "%u where %u belongs",
			at < x->n ? x->told[at] : 0, i);
		at++;
	}
	cr_assert_eq(at, x->n, "one too many");
}

static int random_histories(void *p)
{
	struct fake_disk *f = p;
	struct lines *x = calloc(1, sizeof(*x));
	uint64_t seed = any_seed("lines");
	struct store *s;

	os_assert(x);
	f->eager = true;
	OK(store_open(&s, &f->d, NULL));
	for (unsigned turn = 0; turn < 60; turn++) {
		dag_begin(&x->g, s);
		grow(x, &seed);
		walk(x, s, &seed, false);
		for (unsigned k = 0; k < 3; k++)
			walk(x, s, &seed, true);
		dag_end(&x->g);
	}
	store_close(s);
	free(x);
	return 0;
}

/* Breakage it catches: a merge whose other side is not followed. */
Test(lines, tell_each_commit_of_all_sides_once)
{
	on_disk(random_histories, 16 * MIB);
}

/* More lines than it remembers: it goes on, bounded. */
static int wide(void *p)
{
	struct fake_disk *f = p;
	struct lines *x = calloc(1, sizeof(*x));
	uint64_t seed = 1;
	struct store *s;

	os_assert(x);
	OK(store_open(&s, &f->d, NULL));
	dag_begin(&x->g, s);
	grow(x, &seed);
	unsigned tip = COMMITS - 1, root = 0, last = 0, now = x->tree[tip];
	for (unsigned i = 0; i < 3 * STORE_LINES_MAX; i++) /* long-lived sides, merged one by one */
		last = dag_commit(&x->g, &x->trees[i % TREES], &root, 1, 5000 + i);
	for (unsigned i = 0; i < 3 * STORE_LINES_MAX; i++) {
		unsigned parents[2] = { tip, last - i },
			 side = (3 * STORE_LINES_MAX - 1 - i) % TREES;
		now = now == side ? (now + 1) % TREES : TREES - now - side; /* as neither */
		tip = dag_commit(&x->g, &x->trees[now], parents, 2, 9000 + i);
	}
	dag_flush(&x->g);
	struct store_lines l = { { x->g.id[tip] }, 1 };
	x->left = UINT32_MAX;
	OK(store_lines_walk(&l, s, &ops, x, 1u << 20));
	cr_expect_eq(l.n, 0);
	cr_expect_gt(x->n, 2 * STORE_LINES_MAX);
	cr_expect_eq(x->told[0], tip);
	dag_end(&x->g);
	store_close(s);
	free(x);
	return 0;
}

Test(lines, are_bounded)
{
	on_disk(wide, 16 * MIB);
}
