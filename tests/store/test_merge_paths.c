/* SPDX-License-Identifier: ISC */
/* The merge of trees path by path, against a model that knows paths only, no folders. */
#include "store/store_impl.h"
#include "tests/store/help.h"

static const char *const paths[] = { "a", "a/b", "a/b/c", "a/d", "a.x", "a0", "b/c", "b/c/d",
	"e.txt", "f/e.txt", "f/.x", "g/h/i/j", "g" };
#define PATHS    ARRAY_LEN(paths)
#define CONTENTS 4

struct files { /* content of each path; 0: none */
	uint8_t at[PATHS];
};
static struct store_oid blobs[CONTENTS + 1];
static struct store_edit *ed; /* holds every object of the test */

static bool inside(const char *path, const char *folder)
{
	size_t n = strlen(folder);
	return !strncmp(path, folder, n) && path[n] == '/';
}

static void change(struct files *f, uint64_t *seed)
{
	size_t i = (size_t)(fake_random(seed) % PATHS);
	unsigned what = (unsigned)(fake_random(seed) % (CONTENTS + 2));

	if (what > CONTENTS)
		what = 0;
	f->at[i] = (uint8_t)what;
	for (size_t k = 0; k < PATHS && what; k++)
		if (inside(paths[k], paths[i]) || inside(paths[i], paths[k]))
			f->at[k] = 0;
}

static void set(struct str path, const struct store_oid *blob)
{
	OK(store_edit_put(ed, path, blob, STORE_BLOB));
}

static struct store_oid tree_now(void)
{
	struct store_oid id;
	bool empty;
	OK(node_write(&id, &empty, ed, ed->root));
	return id;
}

static struct store_oid tree_with(const struct files *f)
{
	OK(edit_stand_at(ed, NULL));
	for (size_t i = 0; i < PATHS; i++)
		if (f->at[i])
			set(str_of(paths[i]), &blobs[f->at[i]]);
	return tree_now();
}

static struct store_oid merged(const struct store_oid *o, const struct store_oid *a,
	const struct store_oid *b, struct buf *notes)
{
	OK(edit_stand_at(ed, a));
	OK(store_edit_merge_paths(ed, STR(""), o, b, notes));
	return tree_now();
}

/* By what stands at each path alone. */
static struct store_oid by_model(
	const struct files *o, const struct files *a, const struct files *b)
{
	struct files want, copy = { { 0 } };

	for (size_t i = 0; i < PATHS; i++) {
		uint8_t x = o->at[i], y = a->at[i], z = b->at[i];
		bool y_first = y && z && memcmp(blobs[y].b, blobs[z].b, 20) < 0;
		if (y == z || x == z)
			want.at[i] = y;
		else if (x == y)
			want.at[i] = z;
		else if (!y || !z)
			want.at[i] = y ? y : z;
		else {
			want.at[i] = y_first ? y : z;
			copy.at[i] = y_first ? z : y;
		}
	}
	OK(edit_stand_at(ed, NULL));
	for (size_t i = 0; i < PATHS; i++) {
		bool folder = false;
		for (size_t k = 0; k < PATHS; k++)
			folder |= want.at[k] && inside(paths[k], paths[i]);
		if (want.at[i] && !folder)
			set(str_of(paths[i]), &blobs[want.at[i]]);
		const uint8_t away[] = { copy.at[i], folder ? want.at[i] : 0 };
		for (size_t k = 0; k < 2; k++) {
			char hex[STORE_HEX], name[80];
			const char *dot = strrchr(paths[i], '.'),
				   *end = paths[i] + strlen(paths[i]);
			if (!dot || dot[-1] == '/')
				dot = end;
			if (!away[k])
				continue;
			snprintf(name, sizeof(name), "%.*s (conflict %.7s)%s",
				(int)(dot - paths[i]), paths[i],
				store_oid_hex(hex, &blobs[away[k]]), dot);
			set(str_of(name), &blobs[away[k]]);
		}
	}
	return tree_now();
}

static int show(void *ctx, const struct store_change *c)
{
	char hex[STORE_HEX];
	buf_fmt(ctx, "  %.*s %.7s\n", STR_ARG(c->path), store_oid_hex(hex, c->after));
	return 0;
}

static void explain(const struct store_oid *const trees[], size_t n, const char *what)
{
	struct buf b;
	buf_init(&b, NULL);
	for (size_t i = 0; i < n; i++) {
		buf_fmt(&b, "%c\n", "oabcwg"[i]);
		OK(store_diff(ed->s, NULL, trees[i], STR(""), show, &b));
	}
	cr_assert_fail("%s:\n%.*s", what, (int)b.n, b.p);
}

static void check(const struct files f[4])
{
	struct store_oid o = tree_with(&f[0]), a = tree_with(&f[1]), b = tree_with(&f[2]),
			 c = tree_with(&f[3]);
	struct store_oid want = by_model(&f[0], &f[1], &f[2]), got = merged(&o, &a, &b, NULL);
	struct store_oid ab = got, bc, ca, x;
	const struct store_oid *trees[] = { &o, &a, &b, &c, &want, &got };

#define SAME(x, y, what) \
	do { \
		if (!store_oid_eq(x, y)) { \
			want = *(x); \
			got = *(y); \
			explain(trees, 6, what); \
		} \
	} while (0)
	SAME(&want, &got, "merge(o, a, b)");
	x = merged(&o, &b, &a, NULL);
	SAME(&ab, &x, "merge(o, b, a)");
	x = merged(&a, &a, &b, NULL);
	SAME(&b, &x, "merge(a, a, b)");
	x = merged(&o, &a, &o, NULL);
	SAME(&a, &x, "merge(o, a, o)");
	x = merged(&b, &ab, &b, NULL);
	SAME(&ab, &x, "again");
	/* Three replicas, in every order. */
	bc = merged(&o, &b, &c, NULL);
	ca = merged(&o, &c, &a, NULL);
	want = merged(&o, &ab, &c, NULL);
	got = merged(&o, &bc, &a, NULL);
	SAME(&want, &got, "(ab)c, (bc)a");
	got = merged(&o, &b, &ca, NULL);
	SAME(&want, &got, "(ab)c, b(ca)");
	/* As they would meet in a triangle, with what they share as the base. */
	got = merged(&b, &ab, &bc, NULL);
	SAME(&want, &got, "(ab)c, (ab)(bc)");
	/* Without a base nothing of either side is missing. */
	x = merged(NULL, &a, &b, NULL);
	struct files none = { { 0 } };
	want = by_model(&none, &f[1], &f[2]);
	SAME(&want, &x, "merge(none, a, b)");
}

static void begin(struct store *s)
{
	if (ed)
		edit_detached_end(ed);
	OK(edit_detach(&ed, s, BRANCH, NULL, true));
	for (unsigned i = 1; i <= CONTENTS; i++) {
		char text[2] = { (char)('0' + i), '\n' };
		OK(edit_new_object(&blobs[i], ed, OBJ_BLOB, str_n(text, 2)));
	}
}

static int random_trees(void *p)
{
	struct fake_disk *f = p;
	uint64_t seed = any_seed("merge_paths");
	struct store *s;

	OK(store_open(&s, &f->d, NULL));
	for (unsigned i = 0; i < 4000; i++) {
		struct files x[4] = { { { 0 } } };
		if (i % 100 == 0)
			begin(s);
		for (unsigned k = 0; k < 12; k++)
			change(&x[0], &seed);
		for (int side = 1; side < 4; side++) {
			x[side] = x[0];
			for (uint64_t n = fake_random(&seed) % 7; n > 0; n--)
				change(&x[side], &seed);
		}
		check(x);
	}
	edit_detached_end(ed);
	store_close(s);
	return 0;
}

/* Breakages it catches: the second file of a conflict dropped; a deletion that beats an edit; which
 * side is "ours" telling in the result. */
Test(merge_paths, as_the_model)
{
	on_disk(random_trees, 4 * MIB);
}

/* ---- names ---- */
static char *listing(const struct store_oid *tree)
{
	static char text[4096];
	struct buf b;

	buf_init(&b, NULL);
	OK(store_diff(ed->s, NULL, tree, STR(""), show, &b));
	snprintf(text, sizeof(text), "%.*s", (int)b.n, b.p);
	buf_free(&b);
	return text;
}

static struct store_oid files_tree(const char *const names[], const int what[])
{
	OK(edit_stand_at(ed, NULL));
	for (int i = 0; names[i]; i++)
		set(str_of(names[i]), &blobs[what[i]]);
	return tree_now();
}

static int names(void *p)
{
	struct fake_disk *f = p;
	struct store *s;
	char hex[CONTENTS + 1][STORE_HEX], taken[80], longer[80], want[1024], big[256];
	struct buf notes;

	OK(store_open(&s, &f->d, NULL));
	begin(s);
	for (int i = 1; i <= CONTENTS; i++)
		store_oid_hex(hex[i], &blobs[i]);
	int low = strcmp(hex[1], hex[2]) < 0 ? 1 : 2, high = 3 - low;

	/* The copy's name is taken by something else: a longer one. */
	snprintf(taken, sizeof(taken), "f (conflict %.7s).tar", hex[high]);
	snprintf(longer, sizeof(longer), "f (conflict %s).tar", hex[high]);
	struct store_oid a = files_tree(
				 (const char *[]){ "f.tar", taken, NULL }, (const int[]){ low, 3 }),
			 b = files_tree((const char *[]){ "f.tar", NULL }, (const int[]){ high });
	buf_init(&notes, NULL);
	struct store_oid got = merged(NULL, &a, &b, &notes);
	snprintf(want, sizeof(want), "  %s %.7s\n  %s %.7s\n  f.tar %.7s\n", taken, hex[3], longer,
		hex[high], hex[low]);
	cr_expect_str_eq(listing(&got), want);
	snprintf(want, sizeof(want), "f.tar: changed on both sides; kept as %s too\n", longer);
	cr_expect(str_eq(buf_str(&notes), str_of(want)), "%.*s", (int)notes.n, notes.p);
	buf_free(&notes);
	/* It is the copy already: that is enough, even where a side has deleted it since. */
	struct store_oid o = files_tree((const char *[]){ taken, NULL }, (const int[]){ high });
	a = files_tree((const char *[]){ "f.tar", taken, NULL }, (const int[]){ low, high });
	got = merged(&o, &a, &b, NULL);
	snprintf(want, sizeof(want), "  %s %.7s\n  f.tar %.7s\n", taken, hex[high], hex[low]);
	cr_expect_str_eq(listing(&got), want);

	/* A name of full length stays within it, whole characters only. */
	memset(big, 'x', 255);
	big[255] = 0;
	for (int i = 0; i < 120; i++)
		memcpy(big + 2 * i, "\xc3\xa9", 2);
	memcpy(big + 240, "end.textual", 11);
	memset(big + 251, 0, 5);
	a = files_tree((const char *[]){ big, NULL }, (const int[]){ low });
	b = files_tree((const char *[]){ big, NULL }, (const int[]){ high });
	got = merged(NULL, &a, &b, NULL);
	char *line = strchr(listing(&got) + 2, '(');
	cr_assert_not_null(line);
	cr_expect_eq((uint8_t)line[-1], ' ');
	cr_expect_eq((uint8_t)line[-2], 0xa9, "cut within a character");
	cr_expect_not_null(strstr(line, ").textual "));

	/* Below a folder only. */
	o = files_tree((const char *[]){ "x/f", "y/f", NULL }, (const int[]){ 1, 1 });
	a = files_tree((const char *[]){ "x/f", "y/f", NULL }, (const int[]){ 1, 2 });
	b = files_tree((const char *[]){ "x/f", "y/g", NULL }, (const int[]){ 3, 3 });
	OK(edit_stand_at(ed, &a));
	OK(store_edit_merge_paths(ed, STR("y"), &o, &b, NULL));
	got = tree_now();
	snprintf(
		want, sizeof(want), "  x/f %.7s\n  y/f %.7s\n  y/g %.7s\n", hex[1], hex[2], hex[3]);
	cr_expect_str_eq(listing(&got), want);
	OK(store_edit_merge_paths(ed, STR("x/f"), &o, &b, NULL));
	got = tree_now();
	snprintf(
		want, sizeof(want), "  x/f %.7s\n  y/f %.7s\n  y/g %.7s\n", hex[3], hex[2], hex[3]);
	cr_expect_str_eq(listing(&got), want);
	OK(store_edit_merge_paths(ed, STR("none/there"), &o, &b, NULL));
	edit_detached_end(ed);
	store_close(s);
	return 0;
}

Test(merge_paths, names_of_copies)
{
	on_disk(names, 4 * MIB);
}
