/* SPDX-License-Identifier: ISC */
/* Packs made by hand, good and hostile, into a store. */
#include "store/receive_impl.h"
#include "os/log.h"
#include "tests/store/help.h"

#define ME   STR("refs/heads/b")
#define ELSE STR("refs/heads/other")

static const struct store_receive_limits limits = { .pack_bytes_max = 64 * MIB,
	.object_bytes_max = 16 * MIB,
	.total_bytes_max = 48 * MIB,
	.objects_max = 20000,
	.delta_depth_max = 8 };

/* ---- making packs ---- */
struct packer {
	struct buf b;
	size_t last[4]; /* where the last entries began */
};

static void pack_begin(struct packer *p, uint32_t count)
{
	*p = (struct packer){ 0 };
	buf_init(&p->b, NULL);
	buf_add(&p->b, STR("PACK\0\0\0\2"));
	for (int i = 0; i < 4; i++)
		buf_addc(&p->b, (char)(count >> (24 - 8 * i)));
}

static void put_head(struct packer *p, int type, uint64_t size)
{
	uint8_t c = (uint8_t)(type << 4 | (int)(size & 15));

	memmove(p->last + 1, p->last, sizeof(p->last) - sizeof(p->last[0]));
	p->last[0] = p->b.n;
	for (size >>= 4; size; size >>= 7) {
		buf_addc(&p->b, (char)(c | 128));
		c = size & 127;
	}
	buf_addc(&p->b, (char)c);
}

static void put_zlib(struct packer *p, struct str bytes)
{
	uLong n = compressBound(bytes.n);
	uint8_t *z = malloc(n);

	cr_assert_eq(compress2(z, &n, (const Bytef *)bytes.p, bytes.n, 1), Z_OK);
	buf_add(&p->b, str_n(z, n));
	free(z);
}

static struct store_oid put_object(struct packer *p, int type, struct str bytes)
{
	static struct sha1 h;
	struct store_oid id;

	put_head(p, type, bytes.n);
	put_zlib(p, bytes);
	sha1_object(&h, type, bytes.n);
	sha1_add(&h, bytes);
	OK(sha1_end(&id, &h));
	return id;
}

static void put_ref_delta(struct packer *p, const struct store_oid *base, struct str delta)
{
	put_head(p, ENTRY_REF_DELTA, delta.n);
	buf_add(&p->b, oid_str(base));
	put_zlib(p, delta);
}

/* Against the entry `back` before this one. */
static void put_ofs_delta(struct packer *p, unsigned back, struct str delta)
{
	char room[10];
	size_t n = sizeof(room);
	uint64_t v;

	put_head(p, ENTRY_OFS_DELTA, delta.n);
	v = p->last[0] - p->last[back];
	room[--n] = (char)(v & 127);
	while (v >>= 7)
		room[--n] = (char)(128 | (--v & 127));
	buf_add(&p->b, str_n(room + n, sizeof(room) - n));
	put_zlib(p, delta);
}

static void pack_end(struct packer *p)
{
	static struct sha1 h;
	struct store_oid sum;

	sha1_init(&h);
	sha1_add(&h, buf_str(&p->b));
	OK(sha1_end(&sum, &h));
	buf_add(&p->b, oid_str(&sum));
}

/* ---- making deltas, trees, commits ---- */
static void add_number(struct buf *b, uint64_t v)
{
	for (; v > 127; v >>= 7)
		buf_addc(b, (char)(v | 128));
	buf_addc(b, (char)v);
}

static void add_copy(struct buf *b, uint32_t at, uint32_t n)
{
	buf_addc(b, (char)0xff);
	for (int i = 0; i < 4; i++)
		buf_addc(b, (char)(at >> (8 * i)));
	for (int i = 0; i < 3; i++)
		buf_addc(b, (char)(n >> (8 * i)));
}

/* From a base of `base_n` bytes: its first `copy` bytes, then `more`. */
static struct str delta_of(struct buf *b, uint64_t base_n, uint32_t copy, struct str more)
{
	b->n = 0;
	add_number(b, base_n);
	add_number(b, copy + more.n);
	if (copy)
		add_copy(b, 0, copy);
	for (; more.n > 0; more = str_sub(more, 100, more.n)) {
		struct str part = str_sub(more, 0, 100);
		buf_addc(b, (char)part.n);
		buf_add(b, part);
	}
	return buf_str(b);
}

static void add_entry(struct buf *b, const char *mode, const char *name, const struct store_oid *id)
{
	buf_addz(b, mode);
	buf_addc(b, ' ');
	buf_addz(b, name);
	buf_addc(b, 0);
	buf_add(b, oid_str(id));
}

static struct str commit_of(
	struct buf *b, const struct store_oid *tree, const struct store_oid *parent)
{
	char hex[STORE_HEX];

	b->n = 0;
	buf_fmt(b, "tree %s\n", store_oid_hex(hex, tree));
	if (parent)
		buf_fmt(b, "parent %s\n", store_oid_hex(hex, parent));
	buf_addz(b, "author A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 -0130\n\nx\n");
	return buf_str(b);
}

/* ---- giving them ---- */
struct given {
	int err;
	char text[256];
};

static struct given result(int err)
{
	struct given g = { .err = err };
	snprintf(g.text, sizeof(g.text), "%s", err < 0 ? err_text(err) : "");
	return g;
}

static int give_pieces(struct store_receive *r, struct str bytes, size_t piece)
{
	int err = 0;

	while (bytes.n > 0 && err >= 0) {
		struct str part = str_sub(bytes, 0, piece);
		err = store_receive_write(r, part);
		bytes = str_sub(bytes, part.n, bytes.n);
	}
	return err >= 0 ? store_receive_finish(r) : err;
}

/* Whole or byte by byte: with the same result. `tip` NULL: not checked. */
static struct given give(struct store *s, struct packer *p, const struct store_oid *tip,
	const struct store_receive_limits *lim)
{
	struct given g[2];
	struct str mine = ME;

	for (int i = 0; i < 2; i++) {
		struct store_receive *r;
		int err;
		OK(store_receive_begin(&r, s, lim));
		err = give_pieces(r, buf_str(&p->b), i && p->b.n < 10000 ? 1 : 5000);
		if (err >= 0 && tip)
			err = store_receive_check(r, tip, &mine, 1);
		g[i] = result(err);
		store_receive_end(r);
	}
	cr_expect_eq(g[0].err, g[1].err);
	cr_expect_str_eq(g[0].text, g[1].text);
	buf_free(&p->b);
	return g[0];
}

static void expect(struct given g, int err, const char *part, const char *what)
{
	cr_expect_eq(g.err, err, "%s: %d %s", what, g.err, g.text);
	cr_expect(strstr(g.text, part) != NULL, "%s: \"%s\" without \"%s\"", what, g.text, part);
}

static void run(void (*fn)(struct store *s), uint64_t bytes)
{
	struct fake_disk *f = fake_disk_new(bytes);
	struct store *s;

	OK(store_format(&f->d));
	OK(store_open(&s, &f->d, NULL));
	fn(s);
	store_close(s);
	os_disk_close(&f->d);
}

#define STORE_TEST(name) \
	static void in_##name(struct store *s); \
	static int fiber_##name(void *arg) \
	{ \
		(void)arg; \
		run(in_##name, 96 * MIB); \
		return 0; \
	} \
	Test(receive, name) \
	{ \
		OK(os_run(fiber_##name, NULL)); \
	} \
	static void in_##name(struct store *s)

static struct str blob(struct arena *a, struct store *s, const struct store_oid *id)
{
	struct str out;
	OK(store_blob_all(&out, a, s, id, 32 * MIB));
	return out;
}

/* ---- what must come in ---- */
STORE_TEST(objects_and_deltas)
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
	expect(give(s, &p, &commit, &limits), 0, "", "good");
	cr_expect(str_eq(blob(&a, s, &big2), str_n(noise_2, sizeof(noise_2))));
	OK(oid_of(&small, s, OBJ_BLOB, STR("hello, moon\nand sun\n")));
	cr_expect(str_eq(blob(&a, s, &small), STR("hello, moon\nand sun\n")));
	cr_expect_eq(verify_count(s, NULL), 0);
	buf_free(&b);
	buf_free(&d);
	arena_free(&a);
}

STORE_TEST(bases_that_come_later)
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
	expect(give(s, &p, NULL, &limits), 0, "", "later");
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

STORE_TEST(hostile_packs)
{
	struct packer p;
	struct buf d;

	buf_init(&d, NULL);
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		hostile[i].make(&p, &d);
		expect(give(s, &p, NULL, &limits), hostile[i].err, hostile[i].said,
			hostile[i].what);
	}
	buf_free(&d);
	OK(put_text(s, ME, STR("still"), STR("works")));
	cr_expect_eq(verify_count(s, NULL), 0);
}

/* ---- objects git fsck would refuse, and our own rules ---- */
STORE_TEST(unsound_trees)
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
		expect(give(s, &p, NULL, &limits), rows[i].said ? ERR_BAD : 0,
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
	expect(give(s, &p, NULL, &limits), ERR_BAD, "\"a\" is there twice", "apart");
	buf_free(&b);
}

#define T  "tree 1111111111111111111111111111111111111111\n"
#define P  "parent 1111111111111111111111111111111111111111\n"
#define A  "author A <a@b> 1 +0000\n"
#define C  "committer A <a@b> 1 +0000\n"
#define P4 P P P P

STORE_TEST(unsound_commits)
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
		expect(give(s, &p, NULL, &limits), rows[i].said ? ERR_BAD : 0,
			rows[i].said ? rows[i].said : "", rows[i].text.p);
	}
	pack_begin(&p, 1);
	put_object(&p, OBJ_TAG, STR("nonsense"));
	pack_end(&p);
	expect(give(s, &p, NULL, &limits), ERR_BAD, "tag", "tag");
}

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

/* A commit on `parent` whose tree has these entries. */
static struct store_oid put_commit(
	struct packer *p, struct buf *tree, const struct store_oid *parent)
{
	struct store_oid id = put_object(p, OBJ_TREE, buf_str(tree));
	struct buf b;

	buf_init(&b, NULL);
	id = put_object(p, OBJ_COMMIT, commit_of(&b, &id, parent));
	buf_free(&b);
	return id;
}

STORE_TEST(everything_must_be_there)
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
		expect(give(s, &p, &tip, &limits), want, said, #id " " #parent); \
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
	expect(give(s, &p, &tip, &limits), ERR_BAD, "as what it is not", "mode");
	pack_begin(&p, 1);
	tip = put_object(&p, OBJ_BLOB, STR("new"));
	pack_end(&p);
	expect(give(s, &p, &tip, &limits), ERR_BAD, "as what it is not", "tip");
	/* only a ref moves */
	pack_begin(&p, 0);
	pack_end(&p);
	expect(give(s, &p, &w.mine, &limits), 0, "", "known tip");
	pack_begin(&p, 0);
	pack_end(&p);
	expect(give(s, &p, &w.other, &limits), ERR_BAD, "neither", "other tip");
	buf_free(&b);
}

/* A parent in the pack names what the sender may not see: its child must not make that known. */
STORE_TEST(a_parent_in_the_pack_proves_nothing)
{
	struct store_oid first, second, sub;
	struct packer p;
	struct world w;
	struct buf b;

	make_world(&w, s);
	buf_init(&b, NULL);
	pack_begin(&p, 5);
	add_entry(&b, "100644", "stolen", &w.other_blob);
	sub = put_object(&p, OBJ_TREE, buf_str(&b));
	b.n = 0;
	add_entry(&b, "40000", "a", &sub);
	first = put_commit(&p, &b, &w.mine);
	b.n = 0;
	add_entry(&b, "100644", "b", &w.other_blob);
	second = put_commit(&p, &b, &first);
	pack_end(&p);
	expect(give(s, &p, &second, &limits), ERR_BAD, "neither in the pack nor in your", "child");
	buf_free(&b);
}

/*
 * Nor does a child that is looked at before its parents: with a, then a + x, then a again, and a
 * merge that leads to them by two ways, each may seem to be proven by the next.
 */
STORE_TEST(a_circle_of_commits_proves_nothing)
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
		expect(give(s, &p, &tip, &limits), ERR_BAD, "neither in the pack nor in your",
			way ? "one way" : "the other");
	}
	buf_free(&b);
}

/* What one failed check looked at is not fine for the next. */
STORE_TEST(a_failed_check_proves_nothing)
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
	OK(store_receive_begin(&r, s, &limits));
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
	return give(s, &p, &tip, &limits);
}

STORE_TEST(thin_packs_are_made_against_ones_own)
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

STORE_TEST(deep_and_wide)
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
		expect(give(s, &p, &tip, &limits), more ? ERR_BAD : 0, more ? "64 names" : "",
			"deep");
		/* the sender's own folder far down: it has one file */
		b.n = 0;
		pack_begin(&p, 62 + more + 2);
		id = put_nested(&p, w.folder, 62 + more);
		add_entry(&b, "40000", "d", &id);
		tip = put_commit(&p, &b, &w.mine);
		pack_end(&p);
		expect(give(s, &p, &tip, &limits), more ? ERR_BAD : 0, more ? "64 names" : "",
			"deep, own");
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
	expect(give(s, &p, &tip, &limits), ERR_LIMIT, "unfolds to over", "wide");
	buf_free(&b);
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
	OK(store_receive_begin(&r, crowd_store, &limits));
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

Test(receive, many_at_once)
{
	os_log_level(OS_ERROR);
	OK(os_run(crowd, NULL));
}
