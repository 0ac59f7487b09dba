/* SPDX-License-Identifier: ISC */
/* Packs, good and hostile, into a store; objects that are not well formed. */
#include "tests/store/packer.h"

static struct str blob(struct arena *a, struct store *s, const struct store_oid *id)
{
	struct str out;
	OK(store_blob_all(&out, a, s, id, 32 * MIB));
	return out;
}

/* ---- what must come in ---- */
STORE_TEST(receive, objects_and_deltas)
{
	static char noise_1[200000], noise_2[300000];
	struct store_oid small, tree, commit, big, big2;
	struct buf b, d;
	struct packer p;
	struct arena a;

	arena_init(&a, 4 * MIB);
	buf_init(&b, NULL);
	buf_init(&d, NULL);
	noise(noise_1, sizeof(noise_1), 1);
	memcpy(noise_2, noise_1 + 70000, 65536); /* copied across a frame's border */
	noise(noise_2 + 65536, sizeof(noise_2) - 65536, 2);
	pack_begin(&p, 7);
	small = put_object(&p, OBJ_BLOB, STR("hello, world\n"));
	put_ofs_delta(&p, 1, delta_of(&d, 13, 7, STR("moon\n")));
	put_ofs_delta(&p, 1, delta_of(&d, 12, 12, STR("and sun\n")));
	big = put_object(&p, OBJ_BLOB, str_n(noise_1, sizeof(noise_1)));
	d.n = 0;
	add_number(&d, sizeof(noise_1));
	add_number(&d, sizeof(noise_2));
	add_copy(&d, 70000, 65536);
	for (size_t at = 65536; at < sizeof(noise_2); at += 100) {
		struct str part = str_sub(str_n(noise_2, sizeof(noise_2)), at, at + 100);
		buf_addc(&d, (char)part.n);
		buf_add(&d, part);
	}
	put_ref_delta(&p, &big, buf_str(&d));
	OK(oid_of(&big2, s, OBJ_BLOB, str_n(noise_2, sizeof(noise_2))));
	add_entry(&b, "100644", "big", &big);
	add_entry(&b, "100644", "big2", &big2);
	add_entry(&b, "100644", "small", &small);
	tree = put_object(&p, OBJ_TREE, buf_str(&b));
	commit = put_object(&p, OBJ_COMMIT, commit_of(&b, &tree, NULL));
	pack_end(&p);
	expect(give(s, &p, &commit), 0, "", "good");
	cr_expect(str_eq(blob(&a, s, &big2), str_n(noise_2, sizeof(noise_2))));
	OK(oid_of(&small, s, OBJ_BLOB, STR("hello, moon\nand sun\n")));
	cr_expect(str_eq(blob(&a, s, &small), STR("hello, moon\nand sun\n")));
	cr_expect_eq(verify_count(s, NULL), 0);
	buf_free(&b);
	buf_free(&d);
	arena_free(&a);
}

STORE_TEST(receive, bases_that_come_later)
{
	struct store_oid one, two, three;
	struct packer p;
	struct arena a;
	struct buf d;

	arena_init(&a, MIB);
	buf_init(&d, NULL);
	OK(oid_of(&one, s, OBJ_BLOB, STR("first line\n")));
	OK(oid_of(&two, s, OBJ_BLOB, STR("first line\nsecond\n")));
	OK(oid_of(&three, s, OBJ_BLOB, STR("first line\nsecond\nthird\n")));
	pack_begin(&p, 4);
	put_ref_delta(&p, &two, delta_of(&d, 18, 18, STR("third\n")));
	put_ofs_delta(&p, 1, delta_of(&d, 24, 5, STR("")));
	put_ref_delta(&p, &one, delta_of(&d, 11, 11, STR("second\n")));
	put_object(&p, OBJ_BLOB, STR("first line\n"));
	pack_end(&p);
	expect(give(s, &p, NULL), 0, "", "later");
	cr_expect(str_eq(blob(&a, s, &three), STR("first line\nsecond\nthird\n")));
	OK(oid_of(&three, s, OBJ_BLOB, STR("first")));
	cr_expect(str_eq(blob(&a, s, &three), STR("first")));
	buf_free(&d);
	arena_free(&a);
}

/* ---- what must not ---- */
static void pack_count(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, UINT32_MAX);
}
static void pack_not(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 0);
	p->b.p[0] = 'K';
}
static void pack_version(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 0);
	p->b.p[7] = 4;
}
static void pack_early(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 2);
	put_object(p, OBJ_BLOB, STR("x"));
}
static void pack_sum(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 0);
	pack_end(p);
	p->b.p[p->b.n - 1] ^= 1;
}
static void pack_tail(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 0);
	pack_end(p);
	buf_addc(&p->b, 0);
}
static void pack_type(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 1);
	put_head(p, 5, 3);
}
static void pack_digits(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 1);
	for (int i = 0; i < 12; i++)
		buf_addc(&p->b, (char)0xbf);
}
static void pack_huge(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 1);
	put_head(p, OBJ_BLOB, 1ull << 40);
}
static void pack_tree_huge(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 1);
	put_head(p, OBJ_TREE, 5 * MIB);
	put_zlib(p, STR("x"));
}
static void pack_longer(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 1);
	put_head(p, OBJ_BLOB, 3);
	put_zlib(p, STR("four"));
	pack_end(p);
}
static void pack_shorter(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 1);
	put_head(p, OBJ_BLOB, 5);
	put_zlib(p, STR("four"));
	pack_end(p);
}
static void pack_zlib(struct packer *p, struct buf *d)
{
	(void)d;
	pack_begin(p, 1);
	put_head(p, OBJ_BLOB, 5);
	buf_add(&p->b, STR("not compressed"));
}
static void pack_bomb(struct packer *p, struct buf *d)
{
	static char zeros[16 * MIB];
	(void)d;
	pack_begin(p, 4);
	for (int i = 0; i < 4; i++)
		put_object(p, OBJ_BLOB, str_n(zeros, sizeof(zeros)));
	pack_end(p);
}
static void pack_delta_bomb(struct packer *p, struct buf *d)
{
	char zeros[1000] = { 0 };

	pack_begin(p, 6);
	put_object(p, OBJ_BLOB, str_n(zeros, sizeof(zeros)));
	for (uint64_t size = 1000, i = 0; i < 5; i++) {
		d->n = 0;
		add_number(d, size);
		add_number(d, size * 16);
		for (int k = 0; k < 16; k++)
			add_copy(d, 0, (uint32_t)size);
		put_ofs_delta(p, 1, buf_str(d));
		size *= 16;
	}
	pack_end(p);
}
static void pack_delta_chain(struct packer *p, struct buf *d)
{
	pack_begin(p, 12);
	put_object(p, OBJ_BLOB, STR("base"));
	for (unsigned i = 0; i < 11; i++)
		put_ofs_delta(p, 1, delta_of(d, 4 + i, 4 + i, STR("x")));
	pack_end(p);
}
static void pack_delta_before(struct packer *p, struct buf *d)
{
	pack_begin(p, 2);
	put_object(p, OBJ_BLOB, STR("base"));
	put_head(p, ENTRY_OFS_DELTA, 3);
	buf_add(&p->b, STR("\x7f"));
	put_zlib(p, delta_of(d, 4, 4, STR("")));
	pack_end(p);
}
static void pack_delta_between(struct packer *p, struct buf *d)
{
	pack_begin(p, 2);
	put_object(p, OBJ_BLOB, STR("base"));
	put_head(p, ENTRY_OFS_DELTA, 3);
	buf_add(&p->b, STR("\x02"));
	put_zlib(p, delta_of(d, 4, 4, STR("")));
	pack_end(p);
}
static void delta_one(struct packer *p, struct str delta)
{
	pack_begin(p, 2);
	put_object(p, OBJ_BLOB, STR("base"));
	put_ofs_delta(p, 1, delta);
	pack_end(p);
}
static void pack_delta_size(struct packer *p, struct buf *d)
{
	delta_one(p, delta_of(d, 5, 4, STR("")));
}
static void pack_delta_end(struct packer *p, struct buf *d)
{
	delta_one(p, delta_of(d, 4, 5, STR("")));
}
static void pack_delta_short(struct packer *p, struct buf *d)
{
	delta_of(d, 4, 4, STR(""));
	d->p[1] = 9;
	delta_one(p, buf_str(d));
}
static void pack_delta_long(struct packer *p, struct buf *d)
{
	delta_of(d, 4, 4, STR("more"));
	d->p[1] = 5;
	delta_one(p, buf_str(d));
}
static void pack_delta_op(struct packer *p, struct buf *d)
{
	delta_of(d, 4, 4, STR("z"));
	d->p[d->n - 2] = 0;
	delta_one(p, buf_str(d));
}
static void pack_delta_orphan(struct packer *p, struct buf *d)
{
	struct store_oid none = { { 1, 2, 3 } };
	pack_begin(p, 1);
	put_ref_delta(p, &none, delta_of(d, 4, 4, STR("")));
	pack_end(p);
}
static void pack_delta_crowd(struct packer *p, struct buf *d)
{
	static char many[2 * MIB];
	struct store_oid none = { { 1, 2, 3 } };
	pack_begin(p, 1);
	put_ref_delta(p, &none, delta_of(d, 4, 4, str_n(many, sizeof(many))));
	pack_end(p);
}

static const struct {
	const char *what;
	void (*make)(struct packer *p, struct buf *d);
	int err;
	const char *said;
} hostile[] = {
	{ "count", pack_count, ERR_LIMIT, "4294967295 objects at once are too many" },
	{ "magic", pack_not, ERR_BAD, "not a pack" },
	{ "version", pack_version, ERR_UNSUPPORTED, "version 4" },
	{ "early end", pack_early, ERR_BAD, "ends early" },
	{ "checksum", pack_sum, ERR_BAD, "checksum" },
	{ "tail", pack_tail, ERR_BAD, "behind the end" },
	{ "type", pack_type, ERR_BAD, "unknown type" },
	{ "digits", pack_digits, ERR_BAD, "too many digits" },
	{ "huge", pack_huge, ERR_LIMIT, "object of 1099511627776 bytes" },
	{ "huge tree", pack_tree_huge, ERR_LIMIT, "tree of 5242880 bytes" },
	{ "longer", pack_longer, ERR_BAD, "longer than it says" },
	{ "shorter", pack_shorter, ERR_BAD, "shorter than it says" },
	{ "zlib", pack_zlib, ERR_BAD, "compressed bytes are damaged" },
	{ "bomb", pack_bomb, ERR_LIMIT, "unpacks to over" },
	{ "delta bomb", pack_delta_bomb, ERR_LIMIT, "unpacks to over" },
	{ "delta chain", pack_delta_chain, ERR_LIMIT, "over 8 deep" },
	{ "base before the pack", pack_delta_before, ERR_BAD, "out of the pack" },
	{ "base between objects", pack_delta_between, ERR_BAD, "out of the pack" },
	{ "base size", pack_delta_size, ERR_BAD, "another size" },
	{ "copy behind the end", pack_delta_end, ERR_BAD, "behind the end of its base" },
	{ "result short", pack_delta_short, ERR_BAD, "fewer bytes" },
	{ "result long", pack_delta_long, ERR_BAD, "more bytes" },
	{ "instruction", pack_delta_op, ERR_BAD, "unknown instruction" },
	{ "orphan", pack_delta_orphan, ERR_BAD, "neither in the pack nor in your" },
	{ "crowd", pack_delta_crowd, ERR_BAD, "neither in the pack nor in your" },
};

STORE_TEST(receive, hostile_packs)
{
	struct packer p;
	struct buf d;

	buf_init(&d, NULL);
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		hostile[i].make(&p, &d);
		expect(give(s, &p, NULL), hostile[i].err, hostile[i].said, hostile[i].what);
	}
	buf_free(&d);
	OK(put_text(s, ME, STR("still"), STR("works")));
	cr_expect_eq(verify_count(s, NULL), 0);
}

/* ---- objects git fsck would refuse, and our own rules ---- */
STORE_TEST(receive, unsound_trees)
{
	static const struct {
		const char *mode[2], *name[2];
		const char *said; /* NULL: fine */
	} rows[] = {
		{ { "100644", "40000" }, { "a", "b" }, NULL },
		{ { "100644", "40000" }, { "a", "a-" }, NULL },
		{ { "100755", NULL }, { "a", NULL }, "\"a\" has mode 100755, an executable" },
		{ { "120000", NULL }, { "a", NULL }, "mode 120000, a symbolic link" },
		{ { "160000", NULL }, { "a", NULL }, "mode 160000, a submodule" },
		{ { "040000", NULL }, { "a", NULL }, "mode 40000" },
		{ { "100664", NULL }, { "a", NULL }, "mode 100664" },
		{ { "100644", NULL }, { ".git", NULL }, "forbids the name .git" },
		{ { "100644", NULL }, { ".GIT", NULL }, "forbids the name .GIT" },
		{ { "100644", NULL }, { "git~1", NULL }, "forbids the name" },
		{ { "40000", NULL }, { "..", NULL }, "\"..\"" },
		{ { "40000", NULL }, { ".", NULL }, "\".\"" },
		{ { "100644", NULL }, { "a/b", NULL }, "slash" },
		{ { "100644", "100644" }, { "b", "a" }, "\"a\" is out of order" },
		{ { "100644", "100644" }, { "a", "a" }, "there twice" },
		{ { "100644", "40000" }, { "a", "a" }, "there twice" },
		{ { "40000", "100644" }, { "a", "a-" }, "out of order" },
		{ { "10064x", NULL }, { "a", NULL }, "damaged" },
	};
	struct store_oid id = { { 7 } };
	struct packer p;
	struct buf b;

	buf_init(&b, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		b.n = 0;
		for (int k = 0; k < 2 && rows[i].mode[k]; k++)
			add_entry(&b, rows[i].mode[k], rows[i].name[k], &id);
		pack_begin(&p, 1);
		put_object(&p, OBJ_TREE, buf_str(&b));
		pack_end(&p);
		expect(give(s, &p, NULL), rows[i].said ? ERR_BAD : 0,
			rows[i].said ? rows[i].said : "", rows[i].name[0]);
	}
	/* a file and a folder of one name, others between */
	b.n = 0;
	add_entry(&b, "100644", "a", &id);
	add_entry(&b, "100644", "a-", &id);
	add_entry(&b, "100644", "a-b", &id);
	add_entry(&b, "40000", "a", &id);
	pack_begin(&p, 1);
	put_object(&p, OBJ_TREE, buf_str(&b));
	pack_end(&p);
	expect(give(s, &p, NULL), ERR_BAD, "\"a\" is there twice", "apart");
	buf_free(&b);
}

#define T  "tree 1111111111111111111111111111111111111111\n"
#define P  "parent 1111111111111111111111111111111111111111\n"
#define A  "author A <a@b> 1 +0000\n"
#define C  "committer A <a@b> 1 +0000\n"
#define P4 P P P P

STORE_TEST(receive, unsound_commits)
{
	static const struct {
		struct str text;
		const char *said;
	} rows[] = {
		{ STR(T A C "\nx"), NULL },
		{ STR(T P A C "gpgsig x\n\nx"), NULL },
		{ STR(T P4 P4 A C "\nx"), NULL },
		{ STR(T P4 P4 P A C "\nx"), "over 8 parents" },
		{ STR(P T A C "\nx"), "no tree" },
		{ STR("tree 123\n" A C "\nx"), "no tree" },
		{ STR(T "parent x\n" A C "\nx"), "no object id" },
		{ STR(T C "\nx"), "no author" },
		{ STR(T A "\nx"), "no committer" },
		{ STR(T "author A a@b 1 +0000\n" C "\nx"), "author or committer" },
		{ STR(T "author A<a@b> 1 +0000\n" C "\nx"), "author or committer" },
		{ STR(T "author A <a<b> 1 +0000\n" C "\nx"), "author or committer" },
		{ STR(T "author A <a@b> -1 +0000\n" C "\nx"), "date" },
		{ STR(T "author A <a@b> 1 0000\n" C "\nx"), "zone" },
		{ STR(T "author A <a@b> 1 +00x0\n" C "\nx"), "zone" },
		{ STR(T A "committer A <a@b> 99999999999 +0000\n\nx"), "future" },
		{ STR(T A "committer A <a@b> 99999999999999999999 +0000\n\nx"), "date" },
		{ STR(T A C "\nx\0y"), "NUL" },
		{ STR(""), "no tree" },
	};
	struct packer p;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		pack_begin(&p, 1);
		put_object(&p, OBJ_COMMIT, rows[i].text);
		pack_end(&p);
		expect(give(s, &p, NULL), rows[i].said ? ERR_BAD : 0,
			rows[i].said ? rows[i].said : "", rows[i].text.p);
	}
	pack_begin(&p, 1);
	put_object(&p, OBJ_TAG, STR("nonsense"));
	pack_end(&p);
	expect(give(s, &p, NULL), ERR_BAD, "tag", "tag");
}
