/* SPDX-License-Identifier: ISC */
#include "store/git_dir.h"
#include "tests/store/dag.h"

#include <unistd.h>

static struct dag g;

static unsigned number_of(const struct store_oid *id)
{
	unsigned i = 0;
	while (i < g.n && !store_oid_eq(&g.id[i], id))
		i++;
	return i;
}

/* The bases as a list of numbers, by what is before what. */
static unsigned by_force(unsigned out[DAG_MAX], unsigned a, unsigned b)
{
	unsigned n = 0;

	for (unsigned c = 0; c < g.n; c++) {
		bool best = dag_before(&g, c, a) && dag_before(&g, c, b);
		for (unsigned d = 0; d < g.n && best; d++)
			best = d == c || !dag_before(&g, c, d) || !dag_before(&g, d, a) ||
				!dag_before(&g, d, b);
		if (best)
			out[n++] = c;
	}
	return n;
}

static void compare_all(struct store *s, unsigned pairs, uint64_t *seed, unsigned *several)
{
	struct store_oid got[64];
	unsigned want[DAG_MAX];
	size_t n;

	for (unsigned k = 0; k < pairs; k++) {
		unsigned a = (unsigned)(fake_random(seed) % g.n),
			 b = (unsigned)(fake_random(seed) % g.n);
		unsigned wanted = by_force(want, a, b), found = 0;
		OK(store_merge_base(got, &n, ARRAY_LEN(got), s, &g.id[a], &g.id[b]));
		cr_assert_eq(n, wanted, "%u and %u: %zu bases, not %u", a, b, n, wanted);
		for (size_t i = 0; i < n; i++) {
			unsigned c = number_of(&got[i]);
			for (unsigned w = 0; w < wanted; w++)
				found += want[w] == c;
			cr_expect(i == 0 || memcmp(&got[i - 1], &got[i], 20) < 0, "by id");
		}
		cr_assert_eq(found, wanted, "%u and %u: others", a, b);
		*several += wanted > 1;
	}
}

static int random_histories(void *p)
{
	struct fake_disk *f = p;
	uint64_t seed = any_seed("base");
	unsigned several = 0;
	struct store *s;

	OK(store_open(&s, &f->d, NULL));
	OK(put_text(s, BRANCH, STR("f"), STR("1")));
	struct store_oid tree = tree_of(s, BRANCH);
	for (unsigned i = 0; i < 300; i++) {
		dag_begin(&g, s);
		dag_random(&g, 4 + (unsigned)(fake_random(&seed) % 40), &tree, i % 2, &seed);
		dag_flush(&g);
		compare_all(s, 40, &seed, &several);
		dag_end(&g);
	}
	cr_expect_gt(several, 200, "%u pairs with several bases", several);
	store_close(s);
	return 0;
}

/* Breakages it catches: no look for ancestors among the bases found; dates believed. */
Test(base, as_by_brute_force)
{
	on_disk(random_histories, 64 * MIB);
}

/* ---- against stock git ---- */
static int to_dir(void *ctx, struct str bytes)
{
	return git_dir_pack(ctx, bytes);
}

static void git_says(
	char out[4096], const char *dir, const struct store_oid *a, const struct store_oid *b)
{
	char line[256], x[STORE_HEX], y[STORE_HEX];
	FILE *f;
	size_t n;

	snprintf(line, sizeof(line), "git -C %s merge-base --all %s %s | sort", dir,
		store_oid_hex(x, a), store_oid_hex(y, b));
	f = popen(line, "r");
	cr_assert_not_null(f);
	n = fread(out, 1, 4095, f);
	out[n] = 0;
	cr_assert_eq(pclose(f), 0);
}

static int stock(void *p)
{
	struct fake_disk *f = p;
	char dir[64], line[128], name[32], want[4096], hex[STORE_HEX];
	struct store_oid got[64];
	uint64_t seed = 5;
	struct git_dir *d;
	struct store *s;
	struct buf b;
	size_t n;
	unsigned compared = 0;

	OK(store_open(&s, &f->d, NULL));
	OK(put_text(s, BRANCH, STR("f"), STR("1")));
	struct store_oid tree = tree_of(s, BRANCH);
	dag_begin(&g, s);
	dag_random(&g, 300, &tree, true, &seed);
	dag_end(&g);
	snprintf(dir, sizeof(dir), "/tmp/base-%d.git", (int)getpid());
	OK(git_dir_begin(&d, dir, true));
	for (unsigned i = 0; i < g.n; i++) {
		struct store_ref_move m = {
			.ref = str_n(
				name, (size_t)snprintf(name, sizeof(name), "refs/heads/c%u", i)),
			.to = &g.id[i]
		};
		OK(store_ref_update(s, &m, 1, &why_test, OS_FOREVER));
		OK(git_dir_ref(d, m.ref, m.to));
	}
	OK(store_pack(s, STR("refs/"), to_dir, d));
	OK(git_dir_end(d, STR("refs/heads/c0")));
	for (unsigned k = 0; k < 400; k++) {
		unsigned x = 250 + (unsigned)(fake_random(&seed) % 50),
			 y = 250 + (unsigned)(fake_random(&seed) % 50);
		if (dag_before(&g, x, y) || dag_before(&g, y, x))
			continue;
		OK(store_merge_base(got, &n, ARRAY_LEN(got), s, &g.id[x], &g.id[y]));
		if (n == 0)
			continue;
		buf_init(&b, NULL);
		for (size_t i = 0; i < n; i++)
			buf_fmt(&b, "%s\n", store_oid_hex(hex, &got[i]));
		git_says(want, dir, &g.id[x], &g.id[y]);
		cr_expect(str_eq(buf_str(&b), str_of(want)), "%u %u: git says\n%s", x, y, want);
		buf_free(&b);
		compared++;
	}
	cr_expect_gt(compared, 60, "%u", compared);
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	cr_assert_eq(system(line), 0);
	store_close(s);
	return 0;
}

Test(base, as_stock_git)
{
	on_disk(stock, 16 * MIB);
}

static int boundary(void *p)
{
	struct fake_disk *f = p;
	struct changes out = { 0 };
	char room[21];
	struct store_oid got;
	struct store *s;
	size_t n;

	OK(store_open(&s, &f->d, NULL));
	OK(put_text(s, BRANCH, STR("f"), STR("1")));
	struct store_oid tree = tree_of(s, BRANCH);
	dag_begin(&g, s);
	unsigned root = dag_commit(&g, &tree, NULL, 0, 1), mid = dag_commit(&g, &tree, &root, 1, 2);
	unsigned a = dag_commit(&g, &tree, &mid, 1, 3), b = dag_commit(&g, &tree, &root, 1, 4);
	dag_end(&g);
	OK(store_merge_base(&got, &n, 1, s, &g.id[a], &g.id[b]));
	cr_expect(n == 1 && store_oid_eq(&got, &g.id[root]));
	OK(changes_put(&out, KV_SYS, sys_key(room, 's', oid_str(&g.id[mid])), STR_NONE));
	write_changes(s, &out);
	OK(store_merge_base(&got, &n, 1, s, &g.id[a], &g.id[b]));
	cr_expect_eq(n, 0, "history ends at the boundary");
	OK(store_merge_base(&got, &n, 1, s, &g.id[a], &g.id[mid]));
	cr_expect(n == 1 && store_oid_eq(&got, &g.id[mid]), "the boundary itself is kept");
	store_close(s);
	return 0;
}

Test(base, ends_at_the_boundary)
{
	on_disk(boundary, 4 * MIB);
}
