/* SPDX-License-Identifier: ISC */
/* The index: a tail over LMDB, on extents that come one by one. */
#include "store/overlay_impl.h"
#include "tests/store/help.h"

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc 12 has no header for it */
#else
#include <malloc.h>
#endif

#define KEYS 400
#define UNIT (512 * 1024)

/* What the tables should hold: value numbers, 0: absent. */
struct model {
	unsigned v[KV_TABLES][KEYS];
};

static struct str key_of(char room[32], unsigned k)
{
	/* Neighbours in one table, prefixes of each other in places. */
	int n = snprintf(room, 32, "k%u%s", k / 2, k % 2 ? "/x" : "");
	return str_n(room, (size_t)n);
}

static struct str value_of(char room[9000], unsigned v)
{
	size_t n = v % 7 == 0 ? 9000 : v % 50;
	memset(room, (int)v, n);
	memcpy(room, &v, n < sizeof(v) ? n : sizeof(v));
	return str_n(room, n);
}

static int by_key(const void *a, const void *b)
{
	char x[32], y[32];
	return str_cmp(key_of(x, *(const unsigned *)a), key_of(y, *(const unsigned *)b));
}

struct check {
	struct model *m;
	struct kv *kv;
	enum kv_table t;
	const unsigned *order; /* keys in order */
	unsigned at;
	unsigned forward_at; /* the scan forwards when it stands here */
};

static void skip_absent(struct check *c)
{
	while (c->at < KEYS && !c->m->v[c->t][c->order[c->at]])
		c->at++;
}

static int scanned(void *ctx, struct str key, struct str value)
{
	struct check *c = ctx;
	char room[32];
	static char big[9000];

	skip_absent(c);
	cr_assert_lt(c->at, KEYS, "one too many");
	cr_assert(str_eq(key, key_of(room, c->order[c->at])), "%.*s where %s belongs", (int)key.n,
		key.p, room);
	cr_assert(str_eq(value, value_of(big, c->m->v[c->t][c->order[c->at]])));
	if (c->at++ == c->forward_at)
		OK(kv_forward(c->kv));
	return 0;
}

static void compare(struct kv *kv, struct model *m, unsigned forward_at)
{
	unsigned order[KEYS];
	static char big[9000];
	char room[32];
	struct str key, value;

	for (unsigned i = 0; i < KEYS; i++)
		order[i] = i;
	qsort(order, KEYS, sizeof(order[0]), by_key);
	for (enum kv_table t = 0; t < KV_TABLES; t++) {
		struct check c = { m, kv, t, order, 0, forward_at };
		uint64_t n, count = 0;
		int last = -1;
		OK(kv_scan(kv, t, STR("k"), STR_NONE, scanned, &c));
		skip_absent(&c);
		cr_assert_eq(c.at, KEYS, "the scan ended early");
		for (unsigned i = 0; i < KEYS; i++) {
			unsigned v = m->v[t][order[i]];
			int err = kv_get(&value, kv, t, key_of(room, order[i]));
			cr_assert_eq(err, v ? 0 : ERR_NOENT);
			cr_assert(!v || str_eq(value, value_of(big, v)));
			err = kv_next(&key, &value, kv, t, key_of(room, order[i]), false);
			cr_assert(!v || (err == 0 && str_eq(key, str_of(room))));
			count += v != 0;
			last = v ? (int)order[i] : last;
		}
		OK(kv_count(&n, kv, t));
		cr_assert_eq(n, count);
		cr_assert_eq(kv_last(&key, kv, t), last < 0 ? ERR_NOENT : 0);
		cr_assert(last < 0 || str_eq(key, key_of(room, (unsigned)last)));
	}
}

/* Hands out units from the far end of the disk, so that none follows the one before. */
struct giver {
	struct os_disk *d;
	unsigned given;
	struct kv_extent extents[KV_EXTENTS];
};

static int give(void *ctx, struct kv_extent *out, uint64_t least, uint64_t wanted)
{
	struct giver *g = ctx;

	(void)wanted;
	cr_expect_leq(least, UNIT);
	if (g->given == 6)
		return err_set(ERR_NOSPACE, "that was all");
	*out = (struct kv_extent){ g->d->size_bytes - 2 * UNIT * (g->given + 1), UNIT };
	g->extents[g->given++] = *out;
	return 0;
}

static int give_none(void *ctx, struct kv_extent *out, uint64_t least, uint64_t wanted)
{
	(void)ctx, (void)out, (void)least, (void)wanted;
	return err_set(ERR_NOSPACE, "nothing to give");
}
static const struct kv_grow no_more = { give_none, NULL };

static void change(struct changes *c, struct model *m, uint64_t *seed)
{
	unsigned k = fake_random(seed) % KEYS, v = 1 + fake_random(seed) % 1000;
	enum kv_table t = fake_random(seed) % KV_TABLES;
	static char big[9000];
	char room[32];

	if (fake_random(seed) % 3 == 0) {
		m->v[t][k] = 0;
		OK(changes_del(c, t, key_of(room, k)));
	} else {
		m->v[t][k] = v;
		OK(changes_put(c, t, key_of(room, k), value_of(big, v)));
	}
}

static int against_model(void *arg)
{
	struct fake_disk *f = fake_disk_new(8 * MIB);
	static struct model m;
	struct giver g = { .d = &f->d };
	struct kv_grow more = { give, &g };
	struct changes c = { 0 };
	uint64_t seed = 11;
	struct kv *kv;

	(void)arg;
	g.extents[g.given++] = (struct kv_extent){ 0, UNIT };
	OK(kv_format(&f->d, g.extents, g.given));
	OK(kv_open(&kv, &f->d, g.extents, g.given, &more));
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned n = fake_random(&seed) % 40; n > 0; n--)
			change(&c, &m, &seed);
		kv_apply(kv, &c);
		cr_assert_eq(c.n, 0);
		if (fake_random(&seed) % 4 == 0)
			OK(kv_forward(kv));
		if (round % 5 == 0)
			compare(kv, &m, round % 2 ? 17 : KEYS);
		if (round % 50 == 49) {
			OK(kv_forward(kv));
			kv_close(kv);
			OK(kv_open(&kv, &f->d, g.extents, g.given, &more));
			compare(kv, &m, KEYS);
		}
	}
	cr_expect_gt(g.given, 2, "it never grew");
	memset(m.v[KV_ROW], 0, sizeof(m.v[KV_ROW]));
	OK(changes_put(&c, KV_ROW, STR("k1"), STR("x")));
	kv_apply(kv, &c);
	OK(kv_drop_rows(kv));
	compare(kv, &m, KEYS);
	kv_close(kv);
	os_disk_close(&f->d);
	return 0;
}

/* Breakage it catches: a deletion in the tail that shows what LMDB still holds. */
Test(kv, like_its_model)
{
	OK(os_run(against_model, NULL));
}

/* ---- what it costs ---- */
static size_t allocated(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_get_current_allocated_bytes();
#else
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
#endif
}

static void forward_many(struct kv *kv, unsigned n)
{
	static uint64_t seed = 3;
	struct changes c = { 0 };

	for (unsigned i = 0; i < n; i++) {
		uint64_t k = fake_random(&seed);
		OK(changes_put(&c, KV_OBJ, str_n(&k, sizeof(k)),
			STR("some forty bytes, as an object's place has")));
	}
	kv_apply(kv, &c);
	OK(kv_forward(kv));
}

static int memory_goes_back(void *arg)
{
	struct fake_disk *f = fake_disk_new(16 * MIB);
	struct kv_extent x = { 0, 16 * MIB };
	size_t before, open, after;
	struct kv *kv;

	(void)arg;
	OK(kv_format(&f->d, &x, 1));
	before = allocated();
	OK(kv_open(&kv, &f->d, &x, 1, &no_more));
	open = allocated();
	cr_expect_lt(open - before, MIB, "open: %zu bytes", open - before);
	forward_many(kv, 20000); /* every page of some 300 */
	forward_many(kv, 3000);
	after = allocated();
	cr_expect_lt(after - open, 128 * 1024, "%zu bytes, then %zu", open, after);
	kv_close(kv);
	os_disk_close(&f->d);
	return 0;
}

/* Breakage it catches: LMDB keeps the pages of its largest batch, or lists for more than there is memory for. */
Test(kv, memory_goes_back)
{
	OK(os_run(memory_goes_back, NULL));
}

/* ---- what is damaged while it is open ---- */
static void turn_bits(struct fake_disk *f, const char *what)
{
	size_t n = strlen(what);

	for (uint64_t at = 0; at + n <= f->d.size_bytes; at++)
		if (memcmp(f->live + at, what, n) == 0)
			f->live[at] ^= 1;
}

static int table_gone(void *arg)
{
	struct fake_disk *f = fake_disk_new(8 * MIB);
	struct kv_extent x = { 0, 8 * MIB };
	struct str key = STR("there"), k, v;
	struct changes c = { 0 };
	struct kv *kv;

	(void)arg;
	OK(kv_format(&f->d, &x, 1));
	OK(kv_open(&kv, &f->d, &x, 1, &no_more));
	OK(changes_put(&c, KV_OBJ, key, STR("x")));
	OK(changes_put(&c, KV_FRAME, key, STR("x")));
	kv_apply(kv, &c);
	OK(kv_forward(kv));
	OK(kv_get(&v, kv, KV_OBJ, key)); /* the page of names is known to be sound */
	turn_bits(f, "frame");
	cr_expect_eq(kv_get(&v, kv, KV_FRAME, key), ERR_CORRUPT);
	cr_expect_eq(kv_next(&k, &v, kv, KV_FRAME, STR_NONE, false), ERR_CORRUPT);
	cr_expect_eq(kv_last(&k, kv, KV_FRAME), ERR_CORRUPT);
	cr_expect(kv_damaged(kv));
	cr_expect_eq(kv_get(&v, kv, KV_OBJ, STR("other")), ERR_NOENT);
	kv_doubt(kv);
	cr_expect_eq(kv_get(&v, kv, KV_OBJ, STR("other")), ERR_CORRUPT, "still trusted");
	kv_close(kv);
	os_disk_close(&f->d);
	return 0;
}

/* Breakage it catches: all of a table is "not there" when LMDB does not find its name; verify trusts what was sound at
 * boot. */
Test(kv, table_gone)
{
	OK(os_run(table_gone, NULL));
}

/* ---- while it is being forwarded ---- */
struct watched {
	struct kv *kv;
	bool stop;
	unsigned looks;
};

static void watcher(void *ctx)
{
	struct watched *w = ctx;

	while (!w->stop) {
		struct str a, b;
		OK(kv_get(&a, w->kv, KV_LOCAL, STR("first")));
		OK(kv_get(&b, w->kv, KV_ROW, STR("last")));
		cr_assert(str_eq(a, b), "half of a group is seen");
		cr_assert_eq(kv_get(&a, w->kv, KV_OBJ, STR("gone")), ERR_NOENT);
		w->looks++;
		os_yield();
	}
}

static int seen_meanwhile(void *arg)
{
	struct fake_disk *f = fake_disk_new(16 * MIB);
	struct kv_extent x = { 0, 16 * MIB };
	struct watched w = { 0 };
	struct changes c = { 0 };
	uint64_t seed = 5;

	(void)arg;
	OK(kv_format(&f->d, &x, 1));
	OK(kv_open(&w.kv, &f->d, &x, 1, &no_more));
	for (unsigned round = 0; round < 20; round++) {
		char room[32];
		struct str v = str_n(room, (size_t)snprintf(room, 32, "%u", round));
		OK(changes_put(&c, KV_LOCAL, STR("first"), v));
		OK(changes_put(&c, KV_ROW, STR("last"), v));
		OK(changes_put(&c, KV_OBJ, STR("gone"), v));
		kv_apply(w.kv, &c);
		OK(changes_del(&c, KV_OBJ, STR("gone")));
		for (unsigned i = 0; i < 1500; i++) { /* more than one batch */
			uint64_t k = fake_random(&seed);
			OK(changes_put(&c, KV_OBJ, str_n(&k, sizeof(k)), v));
		}
		kv_apply(w.kv, &c);
		if (round == 0)
			OK(os_spawn("watcher", watcher, &w));
		OK(kv_forward(w.kv));
		cr_expect(!kv_full(w.kv));
	}
	cr_expect_gt(w.looks, 20);
	for (unsigned i = 0; !kv_full(w.kv); i++) {
		uint64_t k = fake_random(&seed);
		OK(changes_put(&c, KV_OBJ, str_n(&k, sizeof(k)), STR("v")));
		kv_apply(w.kv, &c);
		cr_assert_lt(i, 100000, "the tail has no limit");
	}
	w.stop = true;
	os_yield();
	os_yield();
	kv_close(w.kv);
	os_disk_close(&f->d);
	return 0;
}

/* Breakage it catches: the tail dropped, or changed, before its last batch is committed. */
Test(kv, a_forward_shows_nothing_new)
{
	OK(os_run(seen_meanwhile, NULL));
}

/* ---- power cuts ---- */
#define ENTRIES 2000 /* more than a batch */
static struct kv_extent whole = { 0, 32 * MIB };
static unsigned cuts;

static void look(struct fake_disk *f)
{
	unsigned base = *(unsigned *)f->ctx;
	uint64_t seed = f->flushes + 1;
	struct fake_disk *g;
	struct kv *kv;
	struct str v;
	uint64_t n;

	f->on_flush = NULL;
	for (unsigned i = 0; i < 4; i++) {
		g = fake_disk_cut(f, &seed);
		OK(kv_open(&kv, &g->d, &whole, 1, &no_more));
		OK(kv_count(&n, kv, KV_OBJ));
		OK(kv_get(&v, kv, KV_SYS, KV_LAST));
		cr_assert_eq(v.n, sizeof(unsigned));
		unsigned pos;
		memcpy(&pos, v.p, sizeof(pos));
		cr_assert_geq(pos, base);
		cr_assert_geq(n, pos * ENTRIES, "%u of %u: its position came before it",
			(unsigned)n, pos * ENTRIES);
		kv_close(kv);
		os_disk_close(&g->d);
		cuts++;
	}
	f->on_flush = look;
}

static int cut(void *arg)
{
	struct fake_disk *f = fake_disk_new(whole.bytes);
	struct changes c = { 0 };
	struct kv *kv;
	static char junk[3000];
	unsigned round = 0;
	uint64_t seed = 5;

	(void)arg;
	f->eager = true;
	OK(kv_format(&f->d, &whole, 1));
	OK(kv_open(&kv, &f->d, &whole, 1, &no_more));
	f->ctx = &round;
	for (unsigned i = 0; i < 4; i++) {
		OK(changes_put(&c, KV_SYS, KV_LAST, str_n(&i, sizeof(i))));
		OK(changes_put(&c, KV_SYS, STR("r"), STR("x")));
		for (unsigned k = 0; k < ENTRIES && i; k++) {
			uint64_t key = fake_random(&seed);
			OK(changes_put(
				&c, KV_OBJ, str_n(&key, sizeof(key)), str_n(junk, sizeof(junk))));
		}
		kv_apply(kv, &c);
		OK(kv_forward(kv));
		round = i;
		f->on_flush = look;
	}
	cr_expect_geq(cuts, 3 * 2 * 2 * 4, "%u", cuts);
	kv_close(kv);
	os_disk_close(&f->d);
	return 0;
}

/* Breakage it catches: the log's position in an earlier batch than the rest. */
Test(kv, the_position_comes_last)
{
	OK(os_run(cut, NULL));
}

/* ---- a full disk ---- */
static int full(void *arg)
{
	struct fake_disk *f = fake_disk_new(8 * MIB);
	struct giver g = { .d = &f->d };
	struct changes c = { 0 };
	struct kv *kv;
	struct str v;
	uint64_t k = 0;
	static char junk[3000];
	int err = 0;

	(void)arg;
	g.extents[g.given++] = (struct kv_extent){ 0, UNIT };
	OK(kv_format(&f->d, g.extents, g.given));
	OK(kv_open(&kv, &f->d, g.extents, g.given, &(struct kv_grow){ give, &g }));
	while (err >= 0 && k < 3000) {
		k++;
		OK(changes_put(&c, KV_LOCAL, str_n(&k, sizeof(k)), str_n(junk, sizeof(junk))));
		kv_apply(kv, &c);
		if (k % 10 == 0)
			err = kv_forward(kv);
	}
	cr_assert_eq(err, ERR_NOSPACE);
	cr_expect_eq(g.given, 6);
	cr_expect_gt(k, 6 * UNIT / 4096 / 2, "only %u fitted", (unsigned)k);
	OK(kv_get(&v, kv, KV_LOCAL, str_n(&k, sizeof(k)))); /* the tail is whole */
	for (uint64_t i = 1; i <= k; i++)
		OK(changes_del(&c, KV_LOCAL, str_n(&i, sizeof(i))));
	kv_apply(kv, &c);
	OK(kv_forward(kv));
	OK(kv_count(&k, kv, KV_LOCAL));
	cr_expect_eq(k, 0);
	kv_close(kv);
	os_disk_close(&f->d);
	return 0;
}

Test(kv, full)
{
	OK(os_run(full, NULL));
}
