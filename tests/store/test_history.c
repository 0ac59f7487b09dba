/* SPDX-License-Identifier: ISC */
#include "tests/store/help.h"

static int note_commit(void *ctx, const struct store_commit *c)
{
	struct buf *b = ctx;
	struct str subject, rest;
	str_cut(&subject, &rest, c->message, '\n');
	buf_fmt(b, "%.*s;", STR_ARG(subject));
	return b->n > 60 ? ERR_CLOSED : 0;
}

static int note_change(void *ctx, const struct store_change *c)
{
	buf_fmt(ctx, "%c%.*s;", !c->before ? '+' : !c->after ? '-' : '~', STR_ARG(c->path));
	return 0;
}

static void edit(
	struct store *s, struct store_oid *id, const char *what, const char *path, const char *text)
{
	struct store_why why = { STR("a"), STR("a@x"), str_of(what), 1700000000 };
	struct store_edit *e;

	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	if (text)
		OK(store_edit_put_bytes(e, str_of(path), str_of(text)));
	else
		OK(store_edit_del(e, str_of(path)));
	OK(store_edit_commit(id, e, &why));
}

static int history(void *p)
{
	static const struct {
		const char *path, *log;
	} logs[] = { { "", "5;4;3;2;1;" }, { "a", "5;3;1;" }, { "a/x", "5;3;1;" }, { "a/y", "3;" },
		{ "b", "4;2;" }, { "never", "" } };
	struct fake_disk *f = p;
	struct store_oid c[5], id;
	struct store_commit k[5];
	struct store *s;
	struct arena a;
	struct buf b;
	char hex[STORE_HEX], name[64];

	arena_init(&a, MIB);
	OK(store_open(&s, &f->d, NULL));
	edit(s, &c[0], "1", "a/x", "1");
	edit(s, &c[1], "2", "b", "1");
	struct store_edit *e; /* both files of a */
	struct store_why why = { STR("a"), STR("a@x"), STR("3"), 1700000000 };
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("a/x"), STR("2")));
	OK(store_edit_put_bytes(e, STR("a/y"), STR("2")));
	OK(store_edit_commit(&c[2], e, &why));
	edit(s, &c[3], "4", "b", NULL);
	edit(s, &c[4], "5", "a/x", "3");
	for (int i = 0; i < 5; i++)
		OK(store_commit_get(&k[i], &a, s, &c[i]));
	for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
		buf_init(&b, &a);
		buf_add(&b, STR("="));
		OK(store_log(s, &c[4], str_of(logs[i].path), note_commit, &b));
		cr_expect_str_eq(b.p + 1, logs[i].log, "log of \"%s\"", logs[i].path);
	}

	struct {
		const struct store_oid *from, *to;
		const char *under, *want;
	} diffs[] = { { NULL, &k[2].tree, "", "+a/x;+a/y;+b;" },
		{ &k[2].tree, NULL, "", "-a/x;-a/y;-b;" },
		{ &k[0].tree, &k[4].tree, "", "~a/x;+a/y;" },
		{ &k[2].tree, &k[4].tree, "", "~a/x;-b;" },
		{ &k[2].tree, &k[4].tree, "a", "~a/x;" }, { &k[2].tree, &k[4].tree, "b", "-b;" },
		{ &k[2].tree, &k[4].tree, "a/y", "" }, { &k[1].tree, &k[1].tree, "", "" },
		{ NULL, NULL, "", "" } };
	for (size_t i = 0; i < ARRAY_LEN(diffs); i++) {
		buf_init(&b, &a);
		buf_add(&b, STR("="));
		OK(store_diff(
			s, diffs[i].from, diffs[i].to, str_of(diffs[i].under), note_change, &b));
		cr_expect_str_eq(b.p + 1, diffs[i].want, "diff %zu", i);
	}

	snprintf(name, sizeof(name), "%.7s", store_oid_hex(hex, &c[1]));
	const struct {
		const char *text;
		int err;
		int is; /* commit */
	} names[] = { { hex, 0, 1 }, { name, 0, 1 }, { "refs/heads/b", 0, 4 }, { "heads/b", 0, 4 },
		{ "b", 0, 4 }, { "b~", 0, 3 }, { "b~4", 0, 0 }, { "b~5", ERR_NOENT, 0 },
		{ "b~x", ERR_BAD, 0 }, { "zz", ERR_NOENT, 0 }, { "0000000", ERR_NOENT, 0 },
		{ "", ERR_NOENT, 0 }, { "b^{tree}", ERR_NOENT, 0 } };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int err = store_resolve(&id, s, str_of(names[i].text));
		cr_expect_eq(err, names[i].err, "%s: %d", names[i].text, err);
		cr_expect(err < 0 || store_oid_eq(&id, &c[names[i].is]), "%s", names[i].text);
	}
	/* A blob is not a commit. */
	struct store_entry x;
	OK(store_find(&x, s, &k[4].tree, STR("a/x")));
	cr_expect_lt(store_resolve(&id, s, str_of(store_oid_hex(hex, &x.oid))), 0);
	store_close(s);
	arena_free(&a);
	return 0;
}

Test(history, log_diff_and_names)
{
	on_disk(history, 4 * MIB);
}

/* ---- random edits against a model ---- */
#define PATHS 60

static const char *path_of(char room[static 64], unsigned i)
{
	static const char *const tops[] = { "a", "a.b", "a0", "ab", "INBOX" };
	snprintf(room, 64, "%s/%u%s%u", tops[i % 5], i % 3, i % 2 ? "/x/" : ".", i);
	return room;
}

static void compare(struct store *s, struct arena *a, const unsigned *model, const char *when)
{
	struct store_oid tree = tree_of(s, BRANCH);
	char room[64];

	for (unsigned i = 0; i < PATHS; i++) {
		struct store_entry e;
		struct str text;
		int err = store_find(&e, s, &tree, str_of(path_of(room, i)));
		if (!model[i]) {
			cr_expect_eq(err, ERR_NOENT, "%s: %s", when, room);
			continue;
		}
		OK(err);
		OK(store_blob_all(&text, a, s, &e.oid, 100));
		cr_expect(str_eq(text, num(a, "%u", model[i])), "%s: %s", when, room);
	}
}

/* Applied in any order, the same files make the same tree: git's own, by its id. */
static void expect_same_tree(struct store *s, const unsigned *model, struct arena *a)
{
	struct store_edit *e;
	struct store_entry root;
	struct store_oid tree = tree_of(s, BRANCH);
	char room[64];

	OK(store_edit_begin(&e, s, STR("refs/heads/other"), OS_FOREVER));
	for (unsigned i = PATHS; i-- > 0;)
		if (model[i])
			OK(store_edit_put_bytes(
				e, str_of(path_of(room, i)), num(a, "%u", model[i])));
	OK(store_edit_find(&root, e, STR("")));
	cr_expect(store_oid_eq(&root.oid, &tree));
	store_edit_abort(e);
}

static int random_edits(void *p)
{
	struct fake_disk *f = p;
	unsigned model[PATHS] = { 0 }, draft[PATHS];
	uint64_t seed = 11;
	struct store *s;
	struct arena a;
	char room[64];

	f->eager = true;
	arena_init(&a, MIB);
	OK(store_open(&s, &f->d, NULL));
	OK(put_text(s, BRANCH, STR("first"), STR("x")));
	OK(put_text(s, BRANCH, str_of(path_of(room, 0)), STR("1")));
	model[0] = 1;
	struct store_edit *e;
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(store_edit_del(e, STR("first")));
	OK(store_edit_commit(NULL, e, &why_test));
	for (unsigned round = 1; round <= 300; round++) {
		memcpy(draft, model, sizeof(draft));
		OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
		for (unsigned n = (unsigned)(fake_random(&seed) % 12); n-- > 0;) {
			unsigned i = (unsigned)(fake_random(&seed) % PATHS);
			struct store_entry at;
			path_of(room, i);
			if (fake_random(&seed) % 3 == 0) {
				int err = store_edit_del(e, str_of(room));
				cr_expect_eq(err, draft[i] ? 0 : ERR_NOENT);
				draft[i] = 0;
			} else {
				draft[i] = round;
				OK(store_edit_put_bytes(e, str_of(room), num(&a, "%u", round)));
			}
			unsigned k = (unsigned)(fake_random(&seed) % PATHS);
			int err = store_edit_find(&at, e, str_of(path_of(room, k)));
			cr_expect_eq(err, draft[k] ? 0 : ERR_NOENT, "%s", room);
		}
		if (fake_random(&seed) % 4 == 0) {
			store_edit_abort(e);
		} else {
			OK(store_edit_commit(NULL, e, &why_test));
			memcpy(model, draft, sizeof(model));
		}
		compare(s, &a, model, "running");
		if (round % 50 == 0) {
			store_close(s);
			OK(store_open(&s, &f->d, NULL));
			compare(s, &a, model, "reopened");
			expect_same_tree(s, model, &a);
			cr_expect_eq(verify_count(s, NULL), 0);
		}
		arena_reset(&a);
	}
	store_close(s);
	arena_free(&a);
	return 0;
}

Test(history, random_edits_match_a_model)
{
	on_disk(random_edits, 32 * MIB);
}

/* ---- paths ---- */
static int paths(void *p)
{
	static const struct {
		const char *path;
		int err;
	} rows[] = { { "a", 0 }, { "a.git", 0 }, { ".gitattributes", 0 }, { ".git", ERR_BAD },
		{ "x/.GIT/y", ERR_BAD }, { ".git ", ERR_BAD }, { ".git...", ERR_BAD },
		{ "GIT~1", ERR_BAD }, { ".g\xe2\x80\x8cit", ERR_BAD }, { ".git:stream", ERR_BAD },
		{ "x\\.git\\y", ERR_BAD }, { ".gitmodules", ERR_BAD }, { ".", ERR_BAD },
		{ "a/../b", ERR_BAD }, { "/a", ERR_BAD }, { "a/", ERR_BAD }, { "a//b", ERR_BAD },
		{ "", ERR_BAD }, { "f/x", ERR_EXIST }, { "d", ERR_EXIST },
		{ "caf\xc3\xa9/\xff\xfe", 0 } };
	struct fake_disk *f = p;
	struct store *s;
	struct store_edit *e;
	char deep[400], name[300];

	OK(store_open(&s, &f->d, NULL));
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("f"), STR("file")));
	OK(store_edit_put_bytes(e, STR("d/x"), STR("in a folder")));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err = store_edit_put_bytes(e, str_of(rows[i].path), STR("x"));
		cr_expect_eq(err, rows[i].err, "\"%s\": %d", rows[i].path, err);
	}
	memset(name, 'n', sizeof(name));
	OK(store_edit_put_bytes(e, str_n(name, STORE_NAME_MAX), STR("x")));
	cr_expect_eq(store_edit_put_bytes(e, str_n(name, STORE_NAME_MAX + 1), STR("x")), ERR_BAD);
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 ? '/' : 'a';
	cr_expect_eq(
		store_edit_put_bytes(e, str_n(deep, 2 * STORE_DEPTH_MAX + 1), STR("x")), ERR_LIMIT);
	deep[0] = 'q';
	OK(store_edit_put_bytes(e, str_n(deep, 2 * STORE_DEPTH_MAX - 1), STR("x")));
	OK(store_edit_commit(NULL, e, &why_test));
	cr_expect_eq(verify_count(s, NULL), 0);
	cr_expect_eq(store_edit_begin(&e, s, STR("heads/x"), OS_FOREVER), ERR_BAD);
	cr_expect_eq(store_edit_begin(&e, s, STR("refs/heads/.x"), OS_FOREVER), ERR_BAD);
	cr_expect_eq(store_edit_begin(&e, s, STR("refs/heads/a b"), OS_FOREVER), ERR_BAD);
	store_close(s);
	return 0;
}

Test(history, names_that_git_or_we_refuse)
{
	on_disk(paths, 4 * MIB);
}
