/* SPDX-License-Identifier: ISC */
/* Packs and exports, read by stock git. */
#include "store/git_dir.h"
#include "tests/store/help.h"

#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static int to_dir(void *ctx, struct str bytes)
{
	os_yield(); /* as a sink that waits does */
	return git_dir_pack(ctx, bytes);
}

static int ref_to_dir(void *ctx, struct str ref, const struct store_oid *commit)
{
	return git_dir_ref(ctx, ref, commit);
}

static int export_to(struct store *s, const char *path)
{
	struct git_dir *g;
	int err = git_dir_begin(&g, path, true);

	if (err < 0)
		return err;
	err = store_pack(s, STR("refs/"), to_dir, g);
	if (err >= 0)
		err = store_ref_list(s, STR("refs/"), ref_to_dir, g);
	if (err >= 0)
		return git_dir_end(g, BRANCH);
	git_dir_abort(g);
	return err;
}

/* Runs a shell command in the export; its output must be `want`. */
static void sh(const char *command, const char *want)
{
	static char line[512], got[4096];
	size_t n;
	FILE *f;

	snprintf(line, sizeof(line), "cd %s && { %s; } 2>&1", dir, command);
	f = popen(line, "r");
	cr_assert_not_null(f);
	n = fread(got, 1, sizeof(got) - 1, f);
	got[n] = 0;
	int status = pclose(f);
	cr_expect_eq(status, 0, "%s: status %d: %s", command, status, got);
	if (want)
		cr_expect_str_eq(got, want, "%s", command);
}

static void fill(struct store *s)
{
	static char big[300000];
	struct store_edit *e;
	struct arena a;

	arena_init(&a, MIB);
	noise(big, sizeof(big), 1);
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	for (unsigned k = 0; k < 300; k++)
		OK(store_edit_put_bytes(
			e, num(&a, "m/%2$x/%3$x/%1$u", k), num(&a, "text %u\n", k)));
	OK(store_edit_put_bytes(e, STR("big"), str_n(big, sizeof(big))));
	OK(store_edit_put_bytes(e, STR("empty"), STR("")));
	for (unsigned k = 0; k < 2500; k++) /* a tree too large to be stored plain */
		OK(store_edit_put_bytes(e, num(&a, "flat/%08u", k), STR("same")));
	OK(store_edit_commit(NULL, e, &why_test));
	OK(put_text(s, BRANCH, STR("last"), STR("one\n")));
	/* Names and times that would make git fsck complain. */
	struct store_why odd = { STR(" <Eve>\n"), STR(""), STR("a\0b\n\n\n"), 0 };
	OK(store_edit_begin(&e, s, STR("refs/endpoints/x"), OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("a.b/c"), STR("1")));
	OK(store_edit_put_bytes(e, STR("a/c"), STR("1")));
	OK(store_edit_put_bytes(e, STR("a0"), STR("1")));
	OK(store_edit_put_bytes(e, STR("git~2/\xe2\x80\x8cgit"), STR("1")));
	OK(store_edit_commit(NULL, e, &odd));
	arena_free(&a);
}

/* Heads of parts that are not the first of their unit: what follows is not found in the log's order. */
static unsigned break_heads(struct fake_disk *f)
{
	static const uint8_t magic[] = { 0x6c, 0x50, 0x72, 0x54 };
	unsigned n = 0;

	for (uint64_t at = 0; at + OS_SECTOR_BYTES <= f->d.size_bytes; at += OS_SECTOR_BYTES) {
		if (memcmp(f->live + at + 8, magic, sizeof(magic)) != 0)
			continue;
		if (n++ > 0)
			f->live[at + 8] ^= 1;
	}
	return n;
}

/* Breaks when a clone sends what it meets in the log, and does not look up the rest. */
static int exports_what_the_log_hides(void *p)
{
	struct fake_disk *f = p;
	struct store *s;
	char path[128];

	OK(store_open(&s, &f->d, NULL));
	fill(s);
	cr_assert_gt(break_heads(f), 2);
	snprintf(path, sizeof(path), "%s/out.git", dir);
	OK(export_to(s, path));
	sh("git -C out.git fsck --strict --full", "");
	sh("git -C out.git show b:m/c/2/44", "text 44\n");
	sh("git -C out.git cat-file -s b:big", "300000\n");
	sh("git -C out.git show b:last", "one\n");
	store_close(s);
	return 0;
}

static int exports(void *p)
{
	struct fake_disk *f = p;
	struct store *s;
	char path[128];

	OK(store_open(&s, &f->d, NULL));
	snprintf(path, sizeof(path), "%s/out.git", dir);
	OK(export_to(s, path)); /* of an empty store */
	sh("git -C out.git fsck --strict 2>&1 | grep -v '^notice' || true", "");
	fill(s);
	OK(export_to(s, path)); /* the same folder again */
	sh("git -C out.git fsck --strict --full", "");
	sh("git -C out.git for-each-ref --format='%(refname)'", "refs/endpoints/x\nrefs/heads/b\n");
	sh("git -C out.git log --format='%an <%ae> %at %s'",
		"tester <tester@example.org> 1700000000 test: edit\n"
		"tester <tester@example.org> 1700000000 test: edit\n");
	sh("git -C out.git log refs/endpoints/x --format='%an <%ae> %B'", "Eve <unknown> a b\n\n");
	sh("git -C out.git show b:m/c/2/44", "text 44\n");
	sh("git -C out.git cat-file -s b:big", "300000\n");
	sh("git -C out.git ls-tree -r b | wc -l", "2803\n");
	sh("git clone -q -b b out.git clone && cat clone/m/b/1/27", "text 27\n");
	sh("ls out.git/objects/pack/*.pack | wc -l", "1\n");
	store_close(s);

	/* What is not ours is left alone. */
	sh("mkdir other && touch other/precious", "");
	snprintf(path, sizeof(path), "%s/other", dir);
	struct git_dir *g;
	cr_expect_eq(git_dir_begin(&g, path, false), ERR_EXIST);
	sh("ls other", "precious\n");
	/* A pack cut short is refused and changes no ref. */
	snprintf(path, sizeof(path), "%s/out.git", dir);
	OK(git_dir_begin(&g, path, false));
	OK(git_dir_pack(g, str_n("PACK\0\0\0\2\0\0\0\5rest", 16)));
	cr_expect_lt(git_dir_end(g, BRANCH), 0);
	sh("git -C out.git show b:m/c/2/44", "text 44\n");
	return 0;
}

/* ---- history that is cut ---- */
static int fetch_to(struct store *s, const char *path, uint32_t depth, bool whole)
{
	struct store_oid tip;
	struct store_fetch want = {
		.wants = &tip, .want_count = 1, .depth = depth, .objects_max = 100000
	};
	struct store_plan *p;
	struct git_dir *g;

	OK(store_ref_get(&tip, s, BRANCH));
	OK(git_dir_begin(&g, path, whole));
	OK(store_plan_make(&p, s, &want));
	OK(store_plan_send(p, to_dir, g));
	for (size_t i = 0; i < p->shallow_count; i++) {
		OK(git_dir_shallow(g, &p->shallow[i]));
		OK(git_dir_shallow(g, &p->shallow[i]));
	}
	store_plan_free(p);
	OK(git_dir_ref(g, BRANCH, &tip));
	return git_dir_end(g, BRANCH);
}

struct copy {
	struct store *s;
	struct store_receive *r;
	unsigned packs;
};

static int pack_to_store(void *ctx, const char *path)
{
	static const struct store_receive_limits limits = { 1 << 30, 1 << 30, 1 << 30, 100000, 50 };
	static char bytes[1 << 20];
	struct copy *c = ctx;
	FILE *f = fopen(path, "re");
	size_t n;

	cr_assert_not_null(f);
	cr_assert_eq(c->packs++, 0);
	OK(store_receive_begin(&c->r, c->s, &limits));
	n = fread(bytes, 1, sizeof(bytes), f);
	cr_assert(n > 0 && n < sizeof(bytes));
	fclose(f);
	OK(store_receive_write(c->r, str_n(bytes, n)));
	return store_receive_finish(c->r);
}

static int shallow_to_store(void *ctx, const struct store_oid *id)
{
	return store_shallow_add(((struct copy *)ctx)->s, id, 1);
}

static int ref_to_store(void *ctx, struct str ref, const struct store_oid *id)
{
	return store_ref_update(((struct copy *)ctx)->s, &(struct store_ref_move){ ref, NULL, id },
		1, &why_test, OS_FOREVER);
}

/* What allod recover does with it. */
static void back_to_a_store(const char *path)
{
	struct fake_disk *f = fake_disk_new(16 * MIB);
	struct copy c = { .packs = 0 };

	OK(store_format(&f->d));
	OK(store_open(&c.s, &f->d, NULL));
	OK(git_dir_packs(path, pack_to_store, &c));
	OK(git_dir_shallows(path, shallow_to_store, &c));
	OK(git_dir_refs(path, ref_to_store, &c));
	store_receive_end(c.r);
	cr_expect_eq(verify_count(c.s, NULL), 0);
	store_close(c.s);
	OK(store_open(&c.s, &f->d, NULL)); /* the boundary is kept */
	cr_expect_eq(verify_count(c.s, NULL), 0);
	store_close(c.s);
	os_disk_close(&f->d);
}

static int exports_part(void *p)
{
	struct fake_disk *f = p;
	struct store *s;
	char path[128];

	OK(store_open(&s, &f->d, NULL));
	snprintf(path, sizeof(path), "%s/part.git", dir);
	for (unsigned i = 0; i < 6; i++)
		OK(put_text(s, BRANCH, STR("file"), str_n("123456" + i, 1)));
	OK(fetch_to(s, path, 2, false));
	sh("git -C part.git fsck --strict --full && git -C part.git rev-list --count b", "2\n");
	sh("wc -l <part.git/shallow", "1\n");
	back_to_a_store(path);
	/* More comes, the boundary stays; then all of it, and none is left. */
	OK(put_text(s, BRANCH, STR("file"), STR("7")));
	OK(fetch_to(s, path, 2, false));
	sh("git -C part.git fsck --strict --full && git -C part.git rev-list --count b", "3\n");
	OK(fetch_to(s, path, 0, true));
	sh("git -C part.git fsck --strict --full && git -C part.git rev-list --count b", "7\n");
	sh("ls part.git", "HEAD\nconfig\nobjects\npacked-refs\nrefs\n");
	store_close(s);
	return 0;
}

Test(export, history_that_is_cut)
{
	char command[128];
	snprintf(dir, sizeof(dir), "/tmp/allod-export-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	on_disk(exports_part, 16 * MIB);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect_eq(system(command), 0);
}

Test(export, what_the_log_hides)
{
	char command[128];
	snprintf(dir, sizeof(dir), "/tmp/allod-export-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	on_disk(exports_what_the_log_hides, 16 * MIB);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect_eq(system(command), 0);
}

Test(export, stock_git_reads_it)
{
	char command[128];
	snprintf(dir, sizeof(dir), "/tmp/allod-export-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	on_disk(exports, 16 * MIB);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect_eq(system(command), 0);
}
