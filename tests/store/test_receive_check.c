/* SPDX-License-Identifier: ISC */
/* Is everything below a tip there, and is it the sender's? */
#include "os/log.h"
#include "tests/store/packer.h"

/* ---- connectivity, and whose an object is ---- */
struct world {
	struct store_oid mine, other;                    /* commits */
	struct store_oid my_tree, my_blob;               /* INBOX/letter */
	struct store_oid other_tree, other_blob, folder; /* secret; my INBOX */
};

static struct store_oid entry_at(struct store *s, struct str ref, struct str path)
{
	struct store_oid tree = tree_of(s, ref);
	struct store_entry e;
	OK(store_find(&e, s, &tree, path));
	return e.oid;
}

static void make_world(struct world *w, struct store *s)
{
	OK(put_text(s, ME, STR("old/note"), STR("an old note")));
	OK(put_text(s, ME, STR("INBOX/letter"), STR("dear me, this is my own letter")));
	OK(put_text(s, ELSE, STR("secret"), STR("what only the other one knows")));
	OK(store_ref_get(&w->mine, s, ME));
	OK(store_ref_get(&w->other, s, ELSE));
	w->my_tree = tree_of(s, ME);
	w->other_tree = tree_of(s, ELSE);
	w->my_blob = entry_at(s, ME, STR("INBOX/letter"));
	w->folder = entry_at(s, ME, STR("INBOX"));
	w->other_blob = entry_at(s, ELSE, STR("secret"));
}

STORE_TEST(receive_check, everything_must_be_there)
{
	struct store_oid none = { { 9, 9 } }, tip, blob_id;
	struct packer p;
	struct world w;
	struct buf b;

	make_world(&w, s);
	buf_init(&b, NULL);
#define PUSH(entries, mode, id, parent, want, said) \
	do { \
		b.n = 0; \
		add_entry(&b, "40000", "INBOX", &w.folder); \
		add_entry(&b, mode, "x", id); \
		pack_begin(&p, 2); \
		tip = put_commit(&p, &b, parent); \
		pack_end(&p); \
		expect(give(s, &p, &tip), want, said, #id " " #parent); \
	} while (0)
	PUSH(2, "100644", &w.my_blob, &w.mine, 0, ""); /* a copy */
	PUSH(2, "100644", &w.my_blob, NULL, 0, "");    /* another root */
	PUSH(2, "40000", &w.folder, &w.mine, 0, "");
	PUSH(2, "100644", &none, &w.mine, ERR_BAD, "names 0909");
	PUSH(2, "40000", &none, &w.mine, ERR_BAD, "names 0909");
	PUSH(2, "100644", &w.my_blob, &none, ERR_BAD, "history");
	PUSH(2, "100644", &w.other_blob, &w.mine, ERR_BAD, "neither in the pack nor in your");
	PUSH(2, "40000", &w.other_tree, &w.mine, ERR_BAD, "neither in the pack nor in your");
	PUSH(2, "100644", &w.my_blob, &w.other, ERR_BAD, "neither in the pack nor in your");
	PUSH(2, "40000", &w.my_blob, &w.mine, ERR_BAD, "as what it is not");
	PUSH(2, "100644", &w.folder, &w.mine, ERR_BAD, "as what it is not");
	PUSH(2, "40000", &w.mine, &w.mine, ERR_BAD, "as what it is not");
	/* an object of the pack under a wrong mode; a tip that is no commit */
	pack_begin(&p, 3);
	blob_id = put_object(&p, OBJ_BLOB, STR("new"));
	b.n = 0;
	add_entry(&b, "40000", "x", &blob_id);
	tip = put_commit(&p, &b, &w.mine);
	pack_end(&p);
	expect(give(s, &p, &tip), ERR_BAD, "as what it is not", "mode");
	pack_begin(&p, 1);
	tip = put_object(&p, OBJ_BLOB, STR("new"));
	pack_end(&p);
	expect(give(s, &p, &tip), ERR_BAD, "as what it is not", "tip");
	/* only a ref moves */
	pack_begin(&p, 0);
	pack_end(&p);
	expect(give(s, &p, &w.mine), 0, "", "known tip");
	pack_begin(&p, 0);
	pack_end(&p);
	expect(give(s, &p, &w.other), ERR_BAD, "neither", "other tip");
	buf_free(&b);
}

/* A parent in the pack names what the sender may not see: its child must not make that known. */
STORE_TEST(receive_check, a_parent_in_the_pack_proves_nothing)
{
	struct store_oid first, second;
	struct packer p;
	struct world w;
	struct buf b;

	make_world(&w, s);
	buf_init(&b, NULL);
	pack_begin(&p, 4);
	add_entry(&b, "100644", "stolen", &w.other_blob);
	first = put_commit(&p, &b, &w.mine);
	b.n = 0;
	add_entry(&b, "100644", "b", &w.other_blob);
	second = put_commit(&p, &b, &first);
	pack_end(&p);
	expect(give(s, &p, &second), ERR_BAD, "neither in the pack nor in your", "child");
	buf_free(&b);
}

/*
 * Nor does a child that is looked at before its parents: with a, then a + x, then a again, and a
 * merge that leads to them by two ways, each may seem to be proven by the next.
 */
STORE_TEST(receive_check, a_circle_of_commits_proves_nothing)
{
	struct packer p;
	struct world w;
	struct buf b;

	make_world(&w, s);
	buf_init(&b, NULL);
	for (int way = 0; way < 2; way++) {
		struct store_oid folder, wider, fresh, commit[3], tip;
		char hex[3][STORE_HEX];
		pack_begin(&p, 10);
		fresh = put_object(&p, OBJ_BLOB, STR("fresh"));
		b.n = 0;
		add_entry(&b, "100644", "stolen", &w.other_blob);
		folder = put_object(&p, OBJ_TREE, buf_str(&b));
		add_entry(&b, "100644", "x", &fresh);
		wider = put_object(&p, OBJ_TREE, buf_str(&b));
		for (int i = 0; i < 3; i++) {
			b.n = 0;
			add_entry(&b, "40000", "d", i == 1 ? &wider : &folder);
			if (i == 2)
				add_entry(&b, "100644", "y", &fresh);
			commit[i] = put_commit(&p, &b, i ? &commit[i - 1] : &w.mine);
		}
		b.n = 0;
		add_entry(&b, "40000", "d", &folder);
		OK(oid_of(&folder, s, OBJ_TREE, buf_str(&b))); /* the first commit's */
		b.n = 0;
		buf_fmt(&b,
			"tree %s\nparent %s\nparent %s\nauthor A <a@b> 1 +0000\n"
			"committer A <a@b> 1 +0000\n\nm\n",
			store_oid_hex(hex[0], &folder), store_oid_hex(hex[1], &commit[2 - way]),
			store_oid_hex(hex[2], &commit[1 + way]));
		tip = put_object(&p, OBJ_COMMIT, buf_str(&b));
		pack_end(&p);
		expect(give(s, &p, &tip), ERR_BAD, "neither in the pack nor in your",
			way ? "one way" : "the other");
	}
	buf_free(&b);
}

/* What one failed check looked at is not fine for the next. */
STORE_TEST(receive_check, a_failed_check_proves_nothing)
{
	struct store_receive *r;
	struct str mine = ME;
	struct store_oid tip;
	struct packer p;
	struct world w;
	struct buf b;

	make_world(&w, s);
	buf_init(&b, NULL);
	add_entry(&b, "100644", "stolen", &w.other_blob);
	pack_begin(&p, 2);
	tip = put_commit(&p, &b, &w.mine);
	pack_end(&p);
	OK(store_receive_begin(&r, s, &limits_test));
	OK(give_pieces(r, buf_str(&p.b), 100));
	cr_expect_eq(store_receive_check(r, &tip, &mine, 1), ERR_BAD);
	cr_expect_eq(store_receive_check(r, &tip, &mine, 1), ERR_BAD);
	/* a prefix is a whole name */
	mine = STR("refs/heads/oth");
	cr_expect_eq(store_receive_check(r, &tip, &mine, 1), ERR_BAD);
	store_receive_end(r);
	buf_free(&p.b);
	buf_free(&b);
}

/* ---- thin packs ---- */
static struct given thin(struct store *s, const struct world *w, const struct store_oid *base,
	struct str delta, struct str made)
{
	struct store_oid tip, id;
	struct packer p;
	struct buf b;

	buf_init(&b, NULL);
	pack_begin(&p, 3);
	put_ref_delta(&p, base, delta);
	OK(oid_of(&id, s, OBJ_BLOB, made));
	add_entry(&b, "100644", "x", &id);
	tip = put_commit(&p, &b, &w->mine);
	pack_end(&p);
	buf_free(&b);
	return give(s, &p, &tip);
}

STORE_TEST(receive_check, thin_packs_are_made_against_ones_own)
{
	struct store_oid none = { { 3 } }, old;
	struct given g[4];
	struct world w;
	struct buf d;

	make_world(&w, s);
	buf_init(&d, NULL);
	old = entry_at(s, ME, STR("old/note"));
	expect(thin(s, &w, &w.my_blob, delta_of(&d, 30, 9, STR("you")), STR("dear me, you")), 0, "",
		"own");
	expect(thin(s, &w, &old, delta_of(&d, 11, 7, STR("boat")), STR("an old boat")), 0, "",
		"own, of another folder");
	/* What is wrong is told about one's own, */
	expect(thin(s, &w, &w.my_blob, delta_of(&d, 31, 9, STR("you")), STR("x")), ERR_BAD,
		"another size", "own");
	expect(thin(s, &w, &w.my_blob, delta_of(&d, 30, 31, STR("you")), STR("x")), ERR_BAD,
		"behind the end", "own");
	/* and nothing of others': be it there or not, well made or not. */
	g[0] = thin(s, &w, &w.other_blob, delta_of(&d, 29, 29, STR("")), STR("x"));
	g[1] = thin(s, &w, &w.other_blob, delta_of(&d, 30, 29, STR("")), STR("x"));
	g[2] = thin(s, &w, &w.other_tree, delta_of(&d, 30, 29, STR("")), STR("x"));
	g[3] = thin(s, &w, &none, delta_of(&d, 30, 29, STR("")), STR("x"));
	for (int i = 0; i < 4; i++) {
		cr_expect_eq(g[i].err, ERR_BAD);
		cr_expect_str_eq(g[i].text + 49, g[3].text + 49, "%s", g[i].text);
	}
	buf_free(&d);
}

/* ---- shapes ---- */
static struct store_oid put_nested(struct packer *p, struct store_oid below, unsigned levels)
{
	struct buf b;

	buf_init(&b, NULL);
	for (unsigned i = 0; i < levels; i++) {
		b.n = 0;
		add_entry(&b, "40000", "d", &below);
		below = put_object(p, OBJ_TREE, buf_str(&b));
	}
	buf_free(&b);
	return below;
}

STORE_TEST(receive_check, deep_and_wide)
{
	struct store_oid tip, id;
	struct packer p;
	struct world w;
	struct buf b;

	make_world(&w, s);
	buf_init(&b, NULL);
	for (unsigned more = 0; more < 2; more++) { /* 62 folders, a folder, a file: 64 names */
		b.n = 0;
		pack_begin(&p, 64 + more + 2);
		id = put_object(&p, OBJ_BLOB, STR("deep"));
		add_entry(&b, "100644", "f", &id);
		id = put_object(&p, OBJ_TREE, buf_str(&b));
		id = put_nested(&p, id, 62 + more);
		b.n = 0;
		add_entry(&b, "40000", "d", &id);
		tip = put_commit(&p, &b, &w.mine);
		pack_end(&p);
		expect(give(s, &p, &tip), more ? ERR_BAD : 0, more ? "64 names" : "", "deep");
		/* the sender's own folder far down: it has one file */
		b.n = 0;
		pack_begin(&p, 62 + more + 2);
		id = put_nested(&p, w.folder, 62 + more);
		add_entry(&b, "40000", "d", &id);
		tip = put_commit(&p, &b, &w.mine);
		pack_end(&p);
		expect(give(s, &p, &tip), more ? ERR_BAD : 0, more ? "64 names" : "", "deep, own");
	}
	/* few objects that unfold to very many files */
	pack_begin(&p, 10);
	id = put_object(&p, OBJ_BLOB, STR("again"));
	for (int i = 0; i < 8; i++) {
		b.n = 0;
		for (int k = 0; k < 10; k++) {
			char name[2] = { (char)('0' + k), 0 };
			add_entry(&b, i ? "40000" : "100644", name, &id);
		}
		if (i < 7)
			id = put_object(&p, OBJ_TREE, buf_str(&b));
		else
			tip = put_commit(&p, &b, &w.mine);
	}
	pack_end(&p);
	expect(give(s, &p, &tip), ERR_LIMIT, "unfolds to over", "wide");
	buf_free(&b);
}

/* ---- while the store is swept ---- */
static void sweep(struct store *s)
{
	struct store_sweep w = { 0 };
	OK(store_sweep(s, &w));
}

STORE_TEST(receive_check, a_sweep_at_any_time)
{
	static char bytes[300000];
	struct store_receive *r;
	struct str mine = ME;
	struct store_oid id, tip;
	struct packer p;
	struct world w;
	struct arena a;
	struct buf b;

	make_world(&w, s);
	arena_init(&a, MIB);
	buf_init(&b, NULL);
	pack_begin(&p, 42);
	for (unsigned i = 0; i < 40; i++) { /* some small, some in frames, over several units */
		char name[4];
		noise(bytes, sizeof(bytes), i);
		id = put_object(&p, OBJ_BLOB, str_n(bytes, i % 2 ? sizeof(bytes) : 30000));
		snprintf(name, sizeof(name), "%03u", i);
		add_entry(&b, "100644", name, &id);
	}
	tip = put_commit(&p, &b, &w.mine);
	pack_end(&p);
	for (int keep = 0; keep < 2;
		keep++) { /* what goes nowhere is garbage, then it comes again */
		OK(store_receive_begin(&r, s, &limits_test));
		for (size_t at = 0, n = 0; at < p.b.n; at += 50000, n++) {
			OK(store_receive_write(r, str_sub(buf_str(&p.b), at, at + 50000)));
			if (n % 20 == 19)
				sweep(s);
		}
		sweep(s);
		OK(store_receive_finish(r));
		sweep(s);
		OK(store_receive_check(r, &tip, &mine, 1));
		sweep(s);
		if (keep)
			OK(store_ref_update(s,
				&(struct store_ref_move){ STR("refs/devices/x/b"), NULL, &tip }, 1,
				&why_test, OS_FOREVER));
		store_receive_end(r);
		OK(put_text(s, ELSE, STR("other"), num(&a, "%1$u", (unsigned)keep)));
		sweep(s);
		cr_expect_eq(verify_count(s, NULL), 0);
		cr_expect_eq(store_commit_get(&(struct store_commit){ 0 }, &a, s, &tip) == 0, keep);
	}
	buf_free(&p.b);
	buf_free(&b);
	arena_free(&a);
}

/* ---- together ---- */
static struct store *crowd_store;
static int crowd_errs;

static void one_of_many(void *arg)
{
	static char zeros[300000];
	unsigned n = *(unsigned *)arg;
	struct str mine = ME;
	struct store_receive *r;
	struct store_oid id, tip;
	struct arena a;
	struct packer p;
	struct buf b;
	int err;

	arena_init(&a, MIB);
	buf_init(&b, NULL);
	pack_begin(&p, 403);
	for (unsigned i = 0; i < 400; i++) {
		char name[8];
		snprintf(name, sizeof(name), "%05u", i);
		id = put_object(&p, OBJ_BLOB, num(&a, "number %1$u", n * 1000 + i));
		add_entry(&b, "100644", name, &id);
	}
	id = put_object(&p, OBJ_BLOB, str_n(zeros, sizeof(zeros) - n));
	add_entry(&b, "100644", "big", &id);
	tip = put_commit(&p, &b, NULL);
	pack_end(&p);
	OK(store_receive_begin(&r, crowd_store, &limits_test));
	if (n % 4 == 3) /* goes away half way */
		p.b.n /= 2;
	for (size_t at = 0; at < p.b.n; at += 1000) {
		OK(store_receive_write(r, str_sub(buf_str(&p.b), at, at + 1000)));
		os_yield();
	}
	err = store_receive_finish(r);
	if (err >= 0)
		err = store_receive_check(r, &tip, &mine, 1);
	crowd_errs += err < 0;
	store_receive_end(r);
	if (err >= 0) { /* put by an edit: durable */
		struct store_edit *e;
		struct store_commit c;
		OK(store_edit_begin(&e, crowd_store, ME, OS_FOREVER));
		OK(store_commit_get(&c, &a, crowd_store, &tip));
		OK(store_edit_put(e, num(&a, "from/%1$u", n), &c.tree, STORE_TREE));
		OK(store_edit_commit(NULL, e, &why_test));
		cr_expect(str_eq(text_at(&a, crowd_store, ME, num(&a, "from/%1$u/00000", n)),
			num(&a, "number %1$u", n * 1000)));
	}
	buf_free(&p.b);
	buf_free(&b);
	arena_free(&a);
}

static int crowd(void *arg)
{
	struct fake_disk *f = fake_disk_new(128 * MIB);
	unsigned n[12];
	struct arena a;

	(void)arg;
	OK(store_format(&f->d));
	OK(store_open(&crowd_store, &f->d, NULL));
	for (unsigned i = 0; i < 12; i++)
		n[i] = i;
	fibers(12, one_of_many, n, sizeof(n[0]));
	cr_expect_eq(crowd_errs, 3);
	store_close(crowd_store);
	OK(store_open(&crowd_store, &f->d, NULL)); /* what no ref reached may go now */
	arena_init(&a, 8 * MIB);
	for (unsigned i = 0; i < 12; i++) {
		struct str path = num(&a, "from/%1$u/big", i);
		struct str text = text_at(&a, crowd_store, ME, path);
		cr_expect_eq(text.n, i % 4 == 3 ? 0 : 300000 - i);
	}
	cr_expect_eq(verify_count(crowd_store, NULL), 0);
	arena_free(&a);
	store_close(crowd_store);
	os_disk_close(&f->d);
	return 0;
}

Test(receive_check, many_at_once)
{
	os_log_level(OS_ERROR);
	OK(os_run(crowd, NULL));
}
