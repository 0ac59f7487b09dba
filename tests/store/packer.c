/* SPDX-License-Identifier: ISC */
#include "tests/store/packer.h"

#include "os/log.h"

const struct store_receive_limits limits_test = { .pack_bytes_max = 64 * MIB,
	.object_bytes_max = 16 * MIB,
	.total_bytes_max = 48 * MIB,
	.objects_max = 20000,
	.delta_depth_max = 8 };

/* ---- making packs ---- */
void pack_begin(struct packer *p, uint32_t count)
{
	*p = (struct packer){ 0 };
	buf_init(&p->b, NULL);
	buf_add(&p->b, STR("PACK\0\0\0\2"));
	for (int i = 0; i < 4; i++)
		buf_addc(&p->b, (char)(count >> (24 - 8 * i)));
}

void put_head(struct packer *p, int type, uint64_t size)
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

void put_zlib(struct packer *p, struct str bytes)
{
	uLong n = compressBound(bytes.n);
	uint8_t *z = malloc(n);

	cr_assert_eq(compress2(z, &n, (const Bytef *)bytes.p, bytes.n, 1), Z_OK);
	buf_add(&p->b, str_n(z, n));
	free(z);
}

struct store_oid put_object(struct packer *p, int type, struct str bytes)
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

void put_ref_delta(struct packer *p, const struct store_oid *base, struct str delta)
{
	put_head(p, ENTRY_REF_DELTA, delta.n);
	buf_add(&p->b, oid_str(base));
	put_zlib(p, delta);
}

void put_ofs_delta(struct packer *p, unsigned back, struct str delta)
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

void pack_end(struct packer *p)
{
	static struct sha1 h;
	struct store_oid sum;

	sha1_init(&h);
	sha1_add(&h, buf_str(&p->b));
	OK(sha1_end(&sum, &h));
	buf_add(&p->b, oid_str(&sum));
}

/* ---- making deltas, trees, commits ---- */
void add_number(struct buf *b, uint64_t v)
{
	for (; v > 127; v >>= 7)
		buf_addc(b, (char)(v | 128));
	buf_addc(b, (char)v);
}

void add_copy(struct buf *b, uint32_t at, uint32_t n)
{
	buf_addc(b, (char)0xff);
	for (int i = 0; i < 4; i++)
		buf_addc(b, (char)(at >> (8 * i)));
	for (int i = 0; i < 3; i++)
		buf_addc(b, (char)(n >> (8 * i)));
}

struct str delta_of(struct buf *b, uint64_t base_n, uint32_t copy, struct str more)
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

void add_entry(struct buf *b, const char *mode, const char *name, const struct store_oid *id)
{
	buf_addz(b, mode);
	buf_addc(b, ' ');
	buf_addz(b, name);
	buf_addc(b, 0);
	buf_add(b, oid_str(id));
}

struct str commit_of(struct buf *b, const struct store_oid *tree, const struct store_oid *parent)
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
static struct given result(int err)
{
	struct given g = { .err = err };
	snprintf(g.text, sizeof(g.text), "%s", err < 0 ? err_text(err) : "");
	return g;
}

int give_pieces(struct store_receive *r, struct str bytes, size_t piece)
{
	int err = 0;

	while (bytes.n > 0 && err >= 0) {
		struct str part = str_sub(bytes, 0, piece);
		err = store_receive_write(r, part);
		bytes = str_sub(bytes, part.n, bytes.n);
	}
	return err >= 0 ? store_receive_finish(r) : err;
}

struct given give(struct store *s, struct packer *p, const struct store_oid *tip)
{
	struct given g[2];
	struct str mine = ME;

	for (int i = 0; i < 2; i++) {
		struct store_receive *r;
		int err;
		OK(store_receive_begin(&r, s, &limits_test));
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

void expect(struct given g, int err, const char *part, const char *what)
{
	cr_expect_eq(g.err, err, "%s: %d %s", what, g.err, g.text);
	cr_expect(strstr(g.text, part) != NULL, "%s: \"%s\" without \"%s\"", what, g.text, part);
}

struct store_oid put_commit(
	struct packer *p, const struct buf *tree, const struct store_oid *parent)
{
	struct store_oid id = put_object(p, OBJ_TREE, buf_str(tree));
	struct buf b;

	buf_init(&b, NULL);
	id = put_object(p, OBJ_COMMIT, commit_of(&b, &id, parent));
	buf_free(&b);
	return id;
}

/* ---- a store to give them to ---- */
static int fiber(void *arg)
{
	void (*fn)(struct store *s);
	struct fake_disk *f = fake_disk_new(96 * MIB);
	struct store *s;

	memcpy(&fn, arg, sizeof(fn));
	OK(store_format(&f->d));
	OK(store_open(&s, &f->d, NULL));
	fn(s);
	store_close(s);
	os_disk_close(&f->d);
	return 0;
}

void with_store(void (*fn)(struct store *s))
{
	os_log_level(OS_ERROR);
	OK(os_run(fiber, &fn));
}
