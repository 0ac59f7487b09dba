/* SPDX-License-Identifier: ISC */
/* Disks that fail, are full, are damaged, or are not ours. */
#include "store/git_dir.h"
#include "store/store_impl.h"
#include "tests/store/help.h"

/* A life of a store; the first error ends it. *acked counts edits that were acknowledged. */
static int life(struct os_disk *d, unsigned *acked)
{
	struct store *s;
	struct store_spool *w;
	struct store_oid id;
	static char big[200000];
	struct arena a;
	int err = store_open(&s, d, NULL);

	*acked = 0;
	if (err < 0)
		return err;
	arena_init(&a, 65536);
	noise(big, sizeof(big), 1);
	for (unsigned k = 1; k <= 6 && err >= 0; k++) {
		struct store_edit *e;
		if (k == 3) {
			err = store_spool_begin(&w, s);
			if (err >= 0 && store_spool_write(w, str_n(big, sizeof(big))) < 0) {
				store_spool_abort(w);
				err = ERR_IO;
			} else if (err >= 0) {
				err = store_spool_finish(&id, NULL, w);
			}
		}
		if (err < 0)
			break;
		err = store_edit_begin(&e, s, BRANCH, OS_FOREVER);
		if (err < 0)
			break;
		err = store_edit_put_bytes(e, num(&a, "k/%u", k), STR("v"));
		if (err >= 0 && k == 3)
			err = store_edit_put(e, STR("big"), &id, STORE_BLOB);
		if (err >= 0)
			err = store_edit_local_put(e, STR("k"), num(&a, "%u", k));
		if (err < 0)
			store_edit_abort(e);
		else
			err = store_edit_commit(NULL, e, &why_test);
		if (err >= 0)
			*acked = k;
	}
	if (err == ERR_IO) { /* once failed, refused for good */
		struct store_edit *e;
		cr_expect_eq(store_edit_begin(&e, s, BRANCH, OS_FOREVER), ERR_IO);
		cr_expect_eq(store_spool_begin(&w, s), ERR_IO);
		cr_expect_eq(store_seq(s) > 0, true, "reading goes on");
	}
	store_close(s);
	arena_free(&a);
	return err;
}

static int each_operation(void *p)
{
	struct fake_disk *f = p;
	uint64_t seed = 3;
	unsigned n = 1;
	int err = -1;

	for (; err < 0 && n < 2000; n++) {
		struct fake_disk *g = fake_disk_cut(f, &seed), *cut;
		struct store *s;
		struct arena a;
		struct str k;
		unsigned acked;
		g->fail_after = n;
		err = life(&g->d, &acked);
		cr_assert(err == 0 || err == ERR_IO, "operation %u: %d %s", n, err, err_text(err));
		/* What it left opens, and holds what was acknowledged. */
		cut = fake_disk_cut(g, &seed);
		OK(store_open(&s, &cut->d, NULL));
		arena_init(&a, 65536);
		uint64_t found = 0;
		if (store_local_get(&k, &a, s, STR("k")) >= 0)
			OK(str_u64(&found, k, 6));
		cr_expect(found == acked || found == acked + 1, "operation %u: %u acked, %u found",
			n, acked, (unsigned)found);
		cr_expect_eq(text_at(&a, s, BRANCH, num(&a, "k/%u", (unsigned)found)).p != NULL,
			found > 0);
		cr_expect_eq(verify_count(s, NULL), 0);
		store_close(s);
		arena_free(&a);
		os_disk_close(&cut->d);
		os_disk_close(&g->d);
	}
	cr_expect_gt(n, 10, "only %u operations were failed", n);
	return 0;
}

/* Breakage it catches: a flush tried again after it failed. */
Test(fail, every_write_and_flush_in_turn)
{
	on_disk(each_operation, 4 * MIB);
}

static int broken_disk(void *arg)
{
	struct fake_disk *f = fake_disk_broken(4 * MIB);
	struct store *s;

	(void)arg;
	cr_expect_eq(store_format(&f->d), ERR_IO);
	cr_expect_eq(store_open(&s, &f->d, NULL), ERR_IO);
	os_disk_close(&f->d);
	return 0;
}

Test(fail, a_dead_disk)
{
	OK(os_run(broken_disk, NULL));
}

/* ---- a full disk ---- */
static int fill(void *p)
{
	struct fake_disk *f = p;
	static char junk[30000];
	struct store *s;
	struct arena a;
	unsigned k = 0;
	int err = 0;

	OK(store_open(&s, &f->d, NULL));
	arena_init(&a, MIB);
	while (err >= 0 && k < 1000) {
		noise(junk, sizeof(junk), ++k);
		err = put_text(s, BRANCH, num(&a, "d/%u", k), str_n(junk, sizeof(junk)));
	}
	cr_assert_eq(err, ERR_NOSPACE, "after %u: %s", k, err_text(err));
	cr_expect_gt(k, 20);
	/* Nothing of it, not the whole store: deleting still works, a few times at least. */
	cr_expect_null(text_at(&a, s, BRANCH, num(&a, "d/%u", k)).p);
	for (unsigned i = 1; i <= 5; i++) {
		struct store_edit *e;
		OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
		OK(store_edit_del(e, num(&a, "d/%u", i)));
		OK(store_edit_commit(NULL, e, &why_test));
	}
	/* So does what only rewrites, when it asks for the reserve. */
	for (unsigned i = 0; i < 2; i++) {
		struct store_edit *e;
		OK(i ? store_edit_begin_reserved(&e, s, BRANCH, OS_FOREVER)
		     : store_edit_begin(&e, s, BRANCH, OS_FOREVER));
		OK(store_edit_put_bytes(e, STR("d/flags"), str_n(junk, 20000)));
		cr_expect_eq(store_edit_commit(NULL, e, &why_test), i ? 0 : ERR_NOSPACE);
	}
	/* A spool finds out as well, and does not take others with it. */
	struct store_spool *w;
	OK(store_spool_begin(&w, s));
	for (err = 0, k = 0; err >= 0 && k < 200; k++) {
		noise(junk, sizeof(junk), 1000 + k);
		err = store_spool_write(w, str_n(junk, sizeof(junk)));
	}
	cr_expect_eq(err, ERR_NOSPACE);
	store_spool_abort(w);
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);
	OK(store_open(&s, &f->d, NULL));
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);
	arena_free(&a);
	return 0;
}

Test(fail, a_full_disk_refuses_and_still_deletes)
{
	on_disk(fill, 2 * MIB);
}

/* ---- superblocks ---- */
static int open_says(struct fake_disk *f, const char *word)
{
	struct store *s;
	int err = store_open(&s, &f->d, NULL);
	if (err >= 0)
		store_close(s);
	else
		cr_expect_not_null(strstr(err_text(err), word), "%s", err_text(err));
	return err;
}

static int supers(void *p)
{
	struct fake_disk *f = p;
	struct super u;
	uint8_t sector[SUPER_BYTES];

	OK(open_says(f, ""));
	/* One copy damaged: the other counts, and mends it. */
	f->live[40] ^= 1;
	OK(open_says(f, ""));
	OK(super_parse(&u, f->live));
	f->live[4096 + 60] ^= 1;
	OK(open_says(f, ""));
	OK(super_parse(&u, f->live + 4096));
	/* Another version says so: the one before there was a log, too. */
	for (unsigned v = 1; v < 8; v += 6) {
		u.version = v;
		super_pack(sector, &u);
		memcpy(f->live, sector, sizeof(sector));
		cr_expect_eq(open_says(f, v == 1 ? "version 1" : "version 7"), ERR_UNSUPPORTED);
	}
	/* Sizes that can't be. */
	u.version = STORE_VERSION;
	u.generation = 9;
	u.units *= 1024;
	super_pack(f->live, &u);
	cr_expect_eq(open_says(f, "smaller"), ERR_CORRUPT);
	memset(f->live, 0, 8192);
	cr_expect_eq(open_says(f, "no store"), ERR_CORRUPT);
	return 0;
}

Test(fail, superblocks)
{
	on_disk(supers, 4 * MIB);
}

/* ---- verify ---- */
static int flipped(void *p)
{
	struct fake_disk *f = p;
	static char big[150000];
	char hex[STORE_HEX], *at;
	struct store *s;
	struct store_entry e;
	struct arena a;
	struct buf what;

	arena_init(&a, 4 * MIB);
	OK(store_open(&s, &f->d, NULL));
	noise(big, sizeof(big), 5);
	OK(put_text(s, BRANCH, STR("big"), str_n(big, sizeof(big))));
	OK(put_text(s, BRANCH, STR("small"), str_n(big, 1500)));
	cr_expect_eq(verify_count(s, NULL), 0);
	struct store_oid tree = tree_of(s, BRANCH);
	static const char *const names[] = { "small", "big", "" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct head h;
		struct place place;
		OK(store_find(&e, s, &tree, str_of(names[i])));
		OK(head_get(&h, s, &e.oid));
		place = h.place;
		if (h.form == FORM_FRAMES) {
			char key[FRAME_KEY];
			struct str value;
			OK(kv_get(&value, s->kv, KV_FRAME, frame_key(key, h.content, 1)));
			OK(place_parse(&place, value));
		}
		at = (char *)&f->live[UNITS_AT + (uint64_t)place.unit * s->super.unit_bytes +
			place.at + place.n / 2];
		*at ^= 4;
		buf_init(&what, &a);
		cr_expect_geq(verify_count(s, &what), 1, "%s", names[i]);
		cr_expect(str_find(buf_str(&what), str_of(store_oid_hex(hex, &e.oid))) >= 0,
			"%s: names %s: %s", names[i], hex, what.p);
		*at ^= 4;
	}
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);
	arena_free(&a);
	return 0;
}

/* Breakage it catches: verify without hashing. */
Test(fail, verify_names_the_object_with_a_flipped_bit)
{
	on_disk(flipped, 4 * MIB);
}
