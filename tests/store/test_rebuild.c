/* SPDX-License-Identifier: ISC */
/* The index lost: made again from the log, with and without a checkpoint. */
#include "os/crypto.h"
#include "store/store_impl.h"
#include "tests/store/help.h"

#define EDITS 120

/* A row for each file of the branch's first folder level: its name, and the blob. */
struct row_of {
	struct store_derive *d;
	struct str ref;
};

static int one_row(void *ctx, const struct store_change *c)
{
	struct row_of *r = ctx;
	struct arena a;
	int err;

	arena_init(&a, 8192);
	struct str key = arena_fmt(&a, "%.*s:%.*s", STR_ARG(r->ref), STR_ARG(c->path));
	err = c->after ? store_derive_row_put(r->d, key, oid_str(c->after))
		       : store_derive_row_del(r->d, key);
	arena_free(&a);
	return err;
}

static int derive(void *ctx, struct store_derive *d, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	struct row_of r = { d, ref };

	(void)ctx;
	return store_diff(store_derive_store(d), old_tree, new_tree, STR_NONE, one_row, &r);
}
static const struct store_driver driver = { .name = "files", .version = 1, .derive = derive };

static struct str big_text(struct arena *a, unsigned k)
{
	char *p = arena_alloc(a, 300000);
	noise(p, 300000, k);
	return str_n(p, 150000 + k * 1000 % 150000);
}

static void write_much(struct store *s, unsigned from, unsigned to)
{
	for (unsigned k = from; k < to; k++) {
		struct store_edit *e;
		struct arena a;
		arena_init(&a, MIB);
		OK(store_edit_begin(
			&e, s, k % 5 ? BRANCH : num(&a, "refs/heads/x%u", k % 3), OS_FOREVER));
		OK(store_edit_put_bytes(e, num(&a, "f/%2$x/%1$u", k),
			k % 20 == 7 ? big_text(&a, k) : num(&a, "text %u", k)));
		if (k % 4 == 3)
			OK(store_edit_put_bytes(e, STR("same"), num(&a, "%u", k)));
		OK(store_edit_local_put(e, num(&a, "l/%u", k), num(&a, "local %u", k)));
		if (k >= 10)
			OK(store_edit_local_del(e, num(&a, "l/%u", k - 10)));
		OK(store_edit_commit(NULL, e, &why_test));
		arena_free(&a);
	}
}

static int add_pair(void *ctx, struct str key, struct str value)
{
	buf_fmt(ctx, "%.*s=", STR_ARG(key));
	os_hex(ctx, value);
	buf_addc(ctx, '\n');
	return 0;
}

static int add_ref(void *ctx, struct str ref, const struct store_oid *commit)
{
	return add_pair(ctx, ref, oid_str(commit));
}

/* All that can be asked for; objects are verify's. */
static void tell_all(struct buf *b, struct store *s)
{
	buf_init(b, NULL);
	OK(store_ref_list(s, STR("refs/"), add_ref, b));
	OK(store_local_scan(s, STR_NONE, STR_NONE, add_pair, b));
	OK(store_row_scan(s, STR_NONE, STR_NONE, add_pair, b));
	OK(b->err);
}

static void lose_index(struct fake_disk *f, const struct super *u)
{
	for (unsigned i = 0; i < u->extent_count; i++) {
		uint64_t at = UNITS_AT + (uint64_t)u->extents[i].unit * u->unit_bytes,
			 n = (uint64_t)u->extents[i].units * u->unit_bytes;
		memset(f->live + at, 0, n);
		memset(f->durable + at, 0, n);
	}
}

static void opens_as(struct fake_disk *f, struct str want)
{
	struct store *s;
	struct buf got, what;

	OK(store_open(&s, &f->d, &driver));
	tell_all(&got, s);
	cr_expect(str_eq(buf_str(&got), want), "wanted\n%.*s\ngot\n%.*s", STR_ARG(want),
		STR_ARG(buf_str(&got)));
	buf_init(&what, NULL);
	cr_expect_eq(verify_count(s, &what), 0, "%.*s", STR_ARG(buf_str(&what)));
	buf_free(&what);
	buf_free(&got);
	store_close(s);
}

static int lost(void *p)
{
	struct fake_disk *f = p;
	struct super u;
	struct store *s;
	struct buf want;
	uint64_t from;

	OK(store_open(&s, &f->d, &driver));
	write_much(s, 0, EDITS);
	tell_all(&want, s);
	u = s->super;
	store_close(s);
	lose_index(f, &u);
	opens_as(f, buf_str(&want));
	opens_as(f, buf_str(&want)); /* and now it is there */
	buf_free(&want);
	/* With a checkpoint in the middle of things, and a group torn off at the end. */
	OK(store_open(&s, &f->d, &driver));
	write_much(s, EDITS, EDITS + 30);
	OK(checkpoint_write(&from, s));
	write_much(s, EDITS + 30, EDITS + 60);
	tell_all(&want, s);
	u = s->super;
	f->ignores_flush = true;
	uint64_t seed = 0;
	OK(put_text(s, BRANCH, STR("lost"), STR("x")));
	struct fake_disk *cut = fake_disk_cut(f, &seed);
	memcpy(cut->live, f->durable, f->d.size_bytes);
	memcpy(cut->durable, f->durable, f->d.size_bytes);
	store_close(s);
	lose_index(cut, &u);
	opens_as(cut, buf_str(&want));
	os_disk_close(&cut->d);
	buf_free(&want);
	return 0;
}

Test(rebuild, from_all_of_the_log)
{
	on_disk(lost, 32 * MIB);
}

/* ---- after units were given back ---- */
static void locals(struct store *s, unsigned from, unsigned to)
{
	static char text[9000];

	for (unsigned k = from; k < to; k++) {
		struct store_edit *e;
		struct arena a;
		arena_init(&a, 4096);
		noise(text, sizeof(text), k);
		OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
		OK(store_edit_local_put(e, num(&a, "l/%u", k % 23), str_n(text, 4000 + k)));
		OK(store_edit_local_del(e, num(&a, "l/%u", (k + 7) % 23)));
		OK(store_edit_commit(NULL, e, &why_test));
		arena_free(&a);
	}
}

/* Keys alone: then all units before the checkpoint are free. The first one is kept all the same. */
static void give_back(struct store *s, uint64_t before)
{
	OK(store_turn(s, OS_FOREVER));
	OK(index_forward(s));
	for (uint32_t i = 0; i < s->super.units; i++)
		if (s->units[i].state == UNIT_LOG && s->units[i].generation > 1 &&
			s->units[i].generation < before)
			log_unit_free(s->log, i);
	store_turn_end(s);
}

static int given_back(void *p)
{
	struct fake_disk *f = p;
	struct store *s;

	OK(store_open(&s, &f->d, &driver));
	struct store_edit *e;
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(store_edit_local_put(e, STR("gone"), STR("for ever")));
	OK(store_edit_commit(NULL, e, &why_test));
	for (unsigned round = 0; round < 12; round++) {
		struct buf want;
		uint64_t from;
		struct super u;
		locals(s, round * 300, round * 300 + 200);
		OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
		if (round == 0)
			OK(store_edit_local_del(e, STR("gone")));
		OK(store_edit_commit(NULL, e, &why_test));
		OK(checkpoint_write(&from, s));
		locals(s, round * 300 + 200, round * 300 + 300);
		give_back(s, from);
		tell_all(&want, s);
		u = s->super;
		store_close(s);
		lose_index(f, &u);
		opens_as(f, buf_str(&want));
		buf_free(&want);
		OK(store_open(&s, &f->d, &driver));
		give_back(s, from); /* a rebuild can't know that they were */
	}
	store_close(s);
	return 0;
}

/* Breakage it catches: keys deleted long ago that come back from units before the checkpoint. */
Test(rebuild, from_the_last_checkpoint)
{
	on_disk(given_back, 24 * MIB);
}

/* ---- power cuts while at it ---- */
static struct str cut_want;
static unsigned cuts;

static void cut_again(struct fake_disk *f)
{
	static uint64_t seed = 9;
	struct fake_disk *cut = fake_disk_cut(f, &seed);

	f->on_flush = cuts++ < 12 ? f->on_flush : NULL;
	opens_as(cut, cut_want);
	os_disk_close(&cut->d);
}

static int cut_rebuild(void *p)
{
	struct fake_disk *f = p;
	struct store *s;
	struct super u;
	struct buf want;

	OK(store_open(&s, &f->d, &driver));
	write_much(s, 0, EDITS);
	tell_all(&want, s);
	cut_want = buf_str(&want);
	u = s->super;
	store_close(s);
	lose_index(f, &u);
	f->on_flush = cut_again;
	opens_as(f, cut_want);
	cr_expect_gt(cuts, 3);
	buf_free(&want);
	return 0;
}

/* Breakage it catches: a half-made index that counts. */
Test(rebuild, power_cuts_start_it_over)
{
	on_disk(cut_rebuild, 32 * MIB);
}
