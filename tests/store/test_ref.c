/* SPDX-License-Identifier: ISC */
#include "tests/store/dag.h"

#define A STR("refs/heads/a")
#define B STR("refs/devices/x/b")

static const struct store_why why_who = { { "Ann", 3 }, { "ann@example.org", 15 },
	{ "sync: push", 10 }, 1700000000 };

/* Row "<ref>" holds the tree's id; a ref called ".../bad" can't be derived. */
static int derive(void *ctx, struct store_derive *d, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	unsigned *calls = ctx;
	struct str was;
	int err = store_derive_row_get(&was, d, ref);

	++*calls;
	if (str_ends(ref, STR("/bad")))
		return err_set(ERR_BAD, "test: no");
	/* What it was derived from before is what it is derived from now. */
	cr_expect_eq(err, old_tree ? 0 : ERR_NOENT, "%.*s", STR_ARG(ref));
	if (err == 0 && old_tree)
		cr_expect(memcmp(was.p, old_tree->b, 20) == 0);
	return new_tree ? store_derive_row_put(d, ref, str_n(new_tree->b, 20))
			: store_derive_row_del(d, ref);
}

static void seen(void *ctx, struct str ref, const struct store_oid *commit)
{
	buf_fmt(ctx, "%c%.*s;", commit ? '=' : '-', STR_ARG(ref));
}

static int count_records(void *ctx, const struct store_ref_record *r)
{
	(void)r;
	++*(unsigned *)ctx;
	return 0;
}

static unsigned records(struct store *s, struct str ref)
{
	unsigned n = 0;
	OK(store_ref_log(s, ref, count_records, &n));
	return n;
}

static struct store_oid commit_of(struct store *s, struct str ref, const char *text)
{
	struct store_oid id;
	OK(put_text(s, ref, STR("f"), str_of(text)));
	OK(store_ref_get(&id, s, ref));
	return id;
}

static bool stands_at(struct store *s, struct str ref, const struct store_oid *id)
{
	struct store_oid got;
	int err = store_ref_get(&got, s, ref);
	return id ? err == 0 && store_oid_eq(&got, id) : err == ERR_NOENT;
}

static int moves(void *p)
{
	struct fake_disk *f = p;
	unsigned calls = 0;
	const struct store_driver driver = {
		.name = "ref", .version = 1, .derive = derive, .ctx = &calls
	};
	struct store_oid c1, c2, none = { { 1 } }, blob;
	struct store_entry e;
	struct store *s;
	struct arena a;
	struct buf b;

	arena_init(&a, MIB);
	buf_init(&b, &a);
	OK(store_open(&s, &f->d, &driver));
	c1 = commit_of(s, A, "1");
	c2 = commit_of(s, A, "2");
	struct store_oid tree = tree_of(s, A);
	OK(store_find(&e, s, &tree, STR("f")));
	blob = e.oid;
	OK(store_watch(s, seen, &b));

	/* A at c2, B absent before each row; `both` rows move A too. What is refused moves nothing. */
	const struct {
		const char *what;
		struct store_ref_move m[2];
		size_t n;
		int err;
	} rows[] = {
		{ "stale", { { A, &c1, &c2 } }, 1, ERR_CONFLICT },
		{ "there", { { A, NULL, &c1 } }, 1, ERR_CONFLICT },
		{ "absent", { { B, &c1, &c2 } }, 1, ERR_CONFLICT },
		{ "delete stale", { { A, &c1, NULL } }, 1, ERR_CONFLICT },
		{ "second stale", { { A, &c2, &c1 }, { B, &c1, NULL } }, 2, ERR_CONFLICT },
		{ "no object", { { A, &c2, &none } }, 1, ERR_NOENT },
		{ "a blob", { { A, &c2, &c1 }, { B, NULL, &blob } }, 2, ERR_BAD },
		{ "twice", { { A, &c2, &c1 }, { A, &c2, &c1 } }, 2, ERR_BAD },
		{ "name", { { A, &c2, &c1 }, { STR("refs/heads/x..y"), NULL, &c1 } }, 2, ERR_BAD },
		{ "no refs/", { { STR("HEAD"), NULL, &c1 } }, 1, ERR_BAD },
		{ "driver", { { A, &c2, &c1 }, { STR("refs/heads/bad"), NULL, &c1 } }, 2, ERR_BAD },
		{ "below a ref", { { STR("refs/heads/a/x"), NULL, &c1 } }, 1, ERR_CONFLICT },
		{ "above a ref", { { STR("refs/heads"), NULL, &c1 } }, 1, ERR_CONFLICT },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err = store_ref_update(s, rows[i].m, rows[i].n, &why_who, OS_FOREVER);
		cr_expect_eq(err, rows[i].err, "%s: %d %s", rows[i].what, err, err_text(err));
		cr_expect(stands_at(s, A, &c2) && stands_at(s, B, NULL), "%s", rows[i].what);
	}
	cr_expect_eq(b.n, 0, "%.*s", (int)b.n, b.p);
	cr_expect_eq(records(s, A), 2);

	struct store_ref_move both[] = { { A, &c2, &c1 }, { B, NULL, &c2 } };
	uint64_t seq = store_seq(s);
	OK(store_ref_update(s, both, 2, &why_who, OS_FOREVER));
	cr_expect(stands_at(s, A, &c1) && stands_at(s, B, &c2));
	cr_expect_eq(store_seq(s), seq + 1, "one group");
	/* Nothing to do: no group's worth of records. */
	struct store_ref_move stays[] = { { A, &c1, &c1 }, { STR("refs/heads/z"), NULL, NULL } };
	OK(store_ref_update(s, stays, 2, &why_who, OS_FOREVER));
	cr_expect_eq(records(s, A), 3);
	struct store_ref_move gone[] = { { B, &c2, NULL } };
	OK(store_ref_update(s, gone, 1, &why_who, OS_FOREVER));
	cr_expect(stands_at(s, B, NULL));
	cr_expect_eq(records(s, B), 2);
	cr_expect(str_eq(buf_str(&b), STR("=refs/devices/x/b;=refs/heads/a;-refs/devices/x/b;")) ||
			str_eq(buf_str(&b),
				STR("=refs/heads/a;=refs/devices/x/b;-refs/devices/x/b;")),
		"%.*s", (int)b.n, b.p);
	/* An edit begins where the ref was moved to, and a deleted ref from nothing. */
	cr_expect(str_eq(text_at(&a, s, A, STR("f")), STR("1")));
	OK(put_text(s, B, STR("g"), STR("new")));
	cr_expect(text_at(&a, s, B, STR("f")).p == NULL);
	cr_expect_eq(records(s, B), 3);
	store_unwatch(s, seen, &b);
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);

	OK(store_open(&s, &f->d, &driver));
	cr_expect_eq(records(s, B), 3);
	cr_expect_eq(records(s, STR("refs/devices/x")), 0, "another ref's");
	cr_expect(str_eq(text_at(&a, s, A, STR("f")), STR("1")));
	store_close(s);
	arena_free(&a);
	return 0;
}

Test(ref, update_is_all_or_none)
{
	on_disk(moves, 8 * MIB);
}

/* ---- records ---- */
#define MOVES 40
struct seen_record {
	uint64_t seq;
	int64_t time;
	bool has_from, has_to;
	struct store_oid from, to;
	char who[16];
};
struct story {
	struct seen_record r[MOVES + 1];
	unsigned n;
};

static int keep_record(void *ctx, const struct store_ref_record *r)
{
	struct story *t = ctx;
	struct seen_record *k = &t->r[t->n++];

	*k = (struct seen_record){
		.seq = r->seq, .time = r->time, .has_from = r->from, .has_to = r->to
	};
	if (r->from)
		k->from = *r->from;
	if (r->to)
		k->to = *r->to;
	snprintf(k->who, sizeof(k->who), "%.*s", STR_ARG(r->who));
	return t->n > MOVES ? ERR_CLOSED : 0;
}

static int tell(void *p)
{
	struct fake_disk *f = p;
	struct store_oid head[MOVES], at;
	struct story t = { .n = 0 };
	struct store *s;
	uint64_t seed = 7;
	int64_t begun = os_wall_sec();

	OK(store_open(&s, &f->d, NULL));
	cr_expect_eq(store_ref_at(&at, s, A, begun + 1000), ERR_NOENT);
	for (unsigned i = 0; i < MOVES; i++) {
		char text[16];
		snprintf(text, sizeof(text), "%u", i);
		if (i > 2 && fake_random(&seed) % 2) { /* back to an older one */
			struct store_ref_move m = { A, &head[i - 1], &head[i - 2] };
			head[i] = head[i - 2];
			if (store_oid_eq(m.from, m.to))
				m.to = &head[0], head[i] = head[0];
			OK(store_ref_update(s, &m, 1, &why_who, OS_FOREVER));
		} else {
			head[i] = commit_of(s, A, text);
		}
	}
	store_close(s);
	OK(store_open(&s, &f->d, NULL));
	OK(store_ref_log(s, A, keep_record, &t));
	cr_assert_eq(t.n, MOVES);
	for (unsigned i = 0; i < MOVES; i++) { /* newest first */
		const struct seen_record *r = &t.r[i];
		cr_expect(r->has_to && store_oid_eq(&r->to, &head[MOVES - 1 - i]), "%u", i);
		cr_expect_eq(r->has_from, i < MOVES - 1);
		cr_expect(!r->has_from || store_oid_eq(&r->from, &head[MOVES - 2 - i]));
		cr_expect(i == 0 || r->seq < t.r[i - 1].seq);
		cr_expect(r->time >= begun && r->time <= os_wall_sec());
		cr_expect(!strcmp(r->who, "Ann") || !strcmp(r->who, "tester"), "%s", r->who);
	}
	OK(store_ref_at(&at, s, A, os_wall_sec()));
	cr_expect(store_oid_eq(&at, &head[MOVES - 1]));
	cr_expect_eq(store_ref_at(&at, s, A, begun - 1), ERR_NOENT);
	cr_expect(strstr(err_text(ERR_NOENT), "there was no"), "%s", err_text(ERR_NOENT));
	store_close(s);
	return 0;
}

Test(ref, records_tell_every_move)
{
	on_disk(tell, 8 * MIB);
}

/* ---- by time ---- */
static int age(void *ctx, struct str key, struct str value)
{
	struct changes *out = ctx;
	char copy[300];

	memcpy(copy, value.p, value.n);
	store_be64(copy, 4000 - 1000 * out->n);
	return changes_put(out, KV_SYS, key, str_n(copy, value.n));
}

/* As if they had happened at 1000, 2000, 3000, 4000. */
static void age_records(struct store *s)
{
	struct changes out = { 0 };
	OK(kv_scan(s->kv, KV_SYS, STR("hrefs/heads/a"), STR_NONE, age, &out));
	cr_assert_eq(out.n, 4);
	write_changes(s, &out);
}

static int by_time(void *p)
{
	struct fake_disk *f = p;
	struct store_oid c[3], at;
	struct store *s;

	OK(store_open(&s, &f->d, NULL));
	c[0] = commit_of(s, A, "0");
	c[1] = commit_of(s, A, "1");
	struct store_ref_move gone = { A, &c[1], NULL };
	OK(store_ref_update(s, &gone, 1, &why_who, OS_FOREVER));
	c[2] = commit_of(s, A, "2");
	age_records(s);
	const struct {
		int64_t time;
		int is; /* of c; -1: none */
	} rows[] = { { 999, -1 }, { 1000, 0 }, { 1999, 0 }, { 2000, 1 }, { 2999, 1 }, { 3000, -1 },
		{ 3999, -1 }, { 4000, 2 }, { 1 << 30, 2 } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err = store_ref_at(&at, s, A, rows[i].time);
		cr_expect_eq(err, rows[i].is < 0 ? ERR_NOENT : 0, "%d", (int)rows[i].time);
		cr_expect(err < 0 || store_oid_eq(&at, &c[rows[i].is]), "%d", (int)rows[i].time);
	}
	store_close(s);
	return 0;
}

Test(ref, where_it_stood_then)
{
	on_disk(by_time, 4 * MIB);
}
