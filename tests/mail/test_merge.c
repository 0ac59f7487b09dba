/* SPDX-License-Identifier: ISC */
/* The merge of mail branches: random histories against a model, and the rules one by one. */
#include "tests/mail/merge_rig.h"
#include "tests/mail/merge_model.h"
#include "tests/fake/disk.h"

static void same(const struct store_oid *a, const struct store_oid *b, struct env *v,
	const char *law, uint64_t seed)
{
	static struct mt x, y;
	if (store_oid_eq(a, b))
		return;
	const char *ex = mt_read(&x, v->s, a), *ey = mt_read(&y, v->s, b), *d = mt_differ(&x, &y);
	cr_assert(false, "seed %llu: %s: %s %s %s", (unsigned long long)seed, law, ex ? ex : "",
		ey ? ey : "", d ? d : "");
}

static void steps(struct mm *m, unsigned max)
{
	for (unsigned n = (unsigned)(fake_random(m->seed) >> 20) % (max + 1); n > 0; n--)
		mm_step(m);
}

static unsigned cases(unsigned normal)
{
	const char *more = getenv("MERGE_CASES");
	return more ? (unsigned)atoi(more) : normal;
}

static void one_pair(struct env *v, uint64_t number)
{
	static struct mm b, o, t;
	static struct mt want, got;
	struct store_oid tb, to, tt;
	uint64_t seed = number * 77773 + 1;
	mm_init(&b, &seed);
	steps(&b, 14);
	mm_fork(&o, &b, 0x20, 5000);
	mm_fork(&t, &b, 0x30, 7000);
	steps(&o, 8);
	steps(&t, 8);
	mt_write(&tb, v->s, &b.t);
	mt_write(&to, v->s, &o.t);
	mt_write(&tt, v->s, &t.t);
	struct store_oid m = merge(v, &tb, &to, &tt), back = merge(v, &tb, &tt, &to);
	same(&m, &back, v, "it commutes", number);
	const char *wrong = mt_read(&got, v->s, &m);
	cr_assert_null(wrong, "seed %llu: %s", (unsigned long long)number, wrong);
	mm_merge(&want, &b.t, &o.t, &t.t);
	mm_strip(&got);
	const char *d = mt_differ(&want, &got);
	cr_assert_null(d, "seed %llu: wanted/got %s", (unsigned long long)number, d);
	struct store_oid x;
	x = merge(v, &tb, &tb, &tt);
	same(&x, &tt, v, "merge(o, o, b) = b", number);
	x = merge(v, &tb, &to, &tb);
	same(&x, &to, v, "merge(o, a, o) = a", number);
	x = merge(v, &to, &to, &tt);
	same(&x, &tt, v, "merge(a, a, b) = b", number);
	x = merge(v, &tt, &m, &tt);
	same(&x, &m, v, "merge(b, merged, b) = merged", number);
	x = merge(v, &tb, &m, &tt);
	same(&x, &m, v, "merged again", number);
	x = merge(v, &tb, &to, &m);
	same(&x, &m, v, "merged again", number);
	x = merge(v, &tb, &m, &m);
	same(&x, &m, v, "with itself", number);
}

MERGE_TEST(512, random_histories)
{
	unsigned n = cases(1500);
	for (uint64_t i = 0; i < n; i++)
		one_pair(v, i);
}

/* ---- three replicas ---- */
/* What stands where, without its line: an expunge, a move and a flag on three sides may lose the flag
 * in one order and not in another, as an expunged message has no line to keep it in. */
static void only_places(struct mt *t)
{
	for (size_t i = 0; i < t->msg_n; i++) {
		t->msg[i].internal = t->msg[i].saved = 0;
		t->msg[i].kw = 0;
		memset(t->msg[i].flags, 0, sizeof(t->msg[i].flags));
	}
	memset(t->box, 0, sizeof(t->box));
	t->box_n = 0;
}

static void three(struct env *v, uint64_t number, bool gentle)
{
	static struct mm b, side[3];
	static struct mt got, first;
	struct store_oid tb, t[3], done[3];
	uint64_t seed = number * 99991 + 7;
	mm_init(&b, &seed);
	steps(&b, 14);
	mt_write(&tb, v->s, &b.t);
	for (int i = 0; i < 3; i++) {
		mm_fork(&side[i], &b, 0x20u + (unsigned)i, 5000 + 1000 * i);
		side[i].gentle = gentle;
		steps(&side[i], 7);
		mt_write(&t[i], v->s, &side[i].t);
	}
	for (int i = 0; i < 3; i++) { /* the i-th comes last */
		struct store_oid two = merge(v, &tb, &t[(i + 1) % 3], &t[(i + 2) % 3]);
		done[i] = merge(v, &tb, &two, &t[i]);
		struct store_oid back = merge(v, &tb, &t[i], &two);
		same(&done[i], &back, v, "a third one commutes", number);
		const char *wrong = mt_read(&got, v->s, &done[i]);
		cr_assert_null(wrong, "seed %llu: %s", (unsigned long long)number, wrong);
		if (gentle) {
			same(&done[0], &done[i], v, "in every order the same", number);
			continue;
		}
		only_places(&got);
		if (i == 0)
			first = got;
		const char *d = mt_differ(&first, &got);
		cr_assert_null(d, "seed %llu: in another order %s", (unsigned long long)number, d);
	}
}

MERGE_TEST(512, three_replicas_in_every_order)
{
	unsigned n = cases(1000);
	for (uint64_t i = 0; i < n; i++)
		three(v, i, i % 2 == 0);
}

/* ---- without a base ---- */
static const struct mt_msg *stands(const struct mt *t, const char *box, const struct mt_msg *m)
{
	for (size_t i = 0; i < t->msg_n; i++)
		if (t->msg[i].lane == m->lane && t->msg[i].seq == m->seq &&
			(!box || !strcmp(t->msg[i].box, box)))
			return &t->msg[i];
	return NULL;
}

static bool knows(const struct mt *t, const struct mt_msg *m)
{
	for (size_t i = 0; i < t->lane_n; i++)
		if (t->lane[i].lane == m->lane)
			return m->seq <= t->lane[i].seq;
	return false;
}

static void baseless(struct env *v, uint64_t number)
{
	static struct mm b, side[2];
	static struct mt got;
	struct store_oid t[2];
	uint64_t seed = number * 31337 + 5;
	mm_init(&b, &seed);
	steps(&b, 14);
	for (int i = 0; i < 2; i++) {
		mm_fork(&side[i], &b, 0x20u + (unsigned)i, 5000 + 1000 * i);
		steps(&side[i], 8);
		mt_write(&t[i], v->s, &side[i].t);
	}
	struct store_oid m = merge(v, NULL, &t[0], &t[1]), back = merge(v, NULL, &t[1], &t[0]);
	same(&m, &back, v, "without a base it commutes", number);
	back = merge(v, NULL, &m, &m);
	same(&m, &back, v, "with itself", number);
	const char *wrong = mt_read(&got, v->s, &m);
	cr_assert_null(wrong, "seed %llu: %s", (unsigned long long)number, wrong);
	size_t want = 0;
	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < side[i].t.msg_n; k++) {
			const struct mt *other = &side[1 - i].t;
			const struct mt_msg *x = &side[i].t.msg[k];
			bool kept = stands(other, NULL, x) || !knows(other, x);
			cr_assert_eq(kept, stands(&got, x->box, x) != NULL,
				"seed %llu: %x.%x in %s", (unsigned long long)number, x->lane,
				x->seq, x->box);
			want += kept && !(i == 1 && stands(other, x->box, x));
		}
	cr_assert_eq(got.msg_n, want, "seed %llu", (unsigned long long)number);
}

MERGE_TEST(512, without_a_base)
{
	unsigned n = cases(1000);
	for (uint64_t i = 0; i < n; i++)
		baseless(v, i);
}

/* ---- trees to no layout at all ---- */
static const char *const odd_paths[] = { ".lanes", ".lanes/x", "INBOX", "INBOX/.mailbox",
	"INBOX/.mailbox/x", "INBOX/.m", "INBOX/.m/00000010/0/0/0/0/0/0/00000001",
	"INBOX/.m/00000010/0/0/0/0/0/0/00000002", "INBOX/.m/00000010/0/0/0/0/0/0", "INBOX/.m/x/y",
	"INBOX/.f", "INBOX/.f/00000010/0/0/0/0/0/0", "INBOX/.f/00000010/0/0/0/0/0/0/x", "INBOX/a",
	"INBOX/a/.mailbox", "INBOX/.q/r", "Work/.mailbox", "work/.mailbox", "Work",
	"Work/x/.mailbox", "Work/.m/00000010/0/0/0/0/0/0/00000001", "Work/.f/00000010/0/0/0/0/0/0",
	"Work/x/y/.mailbox", "%41/.mailbox", "A/.mailbox", "%/.mailbox", "%~1234/.mailbox",
	"A%~1234/.m/z", "z/y/x/w", "z/y", "a~b", ".m/x", ".f", ".mailbox", "-/.mailbox",
	"Job/.m/00000010/0/0/0/0/0/0/00000001", "Job/.f/00000010/0/0/0/0/0/0", "Job/.mailbox",
	"Job/x/.mailbox" };
static const char *const odd_texts[] = { "", "x", "id 00000000000000a1\nname a\nsubscribed yes\n",
	"id 00000000000000a2\nuse sent\n", "id 00000000000000a3\nid 00000000000000a1\n",
	"name x\nsubscribed yes\n", "id 00000000000000a1\nuse sent\ncolour red\n\n =\n",
	"00000010 00000001\n", "00000010 00000002\n00000010 ffffffff\n", "00000001 1 2 S\n",
	"00000001 1 2 F a b A\n00000002 1 1 -\n", "00000002 -1 1 DFRST x\n00000001 9 9 -", "\n\n\n",
	"00000009 1 2 S\n", "00000000 00000000\n00000011 00000005\n" };

static void odd_files(const char *out[static 16], const char *const from[static 16], uint64_t *seed)
{
	size_t n = 0;
	for (size_t i = 0; i < 16 && from[i]; i += 2)
		if (strcmp(from[i], "k") && (fake_random(seed) >> 20 & 3)) {
			out[n++] = from[i];
			out[n++] = from[i + 1];
		}
	for (size_t k = (fake_random(seed) >> 20) % 5; k > 0 && n < 14; k--) {
		out[n++] = odd_paths[(fake_random(seed) >> 20) % ARRAY_LEN(odd_paths)];
		out[n++] = odd_texts[(fake_random(seed) >> 20) % ARRAY_LEN(odd_texts)];
	}
	out[n] = out[n + 1] = "k"; /* never empty */
	if (n < 14)
		out[n + 2] = NULL;
}

static int say_change(void *ctx, const struct store_change *c)
{
	struct buf *out = ctx;
	char a[STORE_HEX] = "-", b[STORE_HEX] = "-";
	if (c->before)
		store_oid_hex(a, c->before);
	if (c->after)
		store_oid_hex(b, c->after);
	buf_fmt(out, "%.*s %.7s %.7s; ", STR_ARG(c->path), a, b);
	return out->n < 2000 ? 0 : ERR_CLOSED;
}

static void odd_same(struct env *v, const struct store_oid *a, const struct store_oid *b,
	const char *law, uint64_t number)
{
	struct buf text;
	if (store_oid_eq(a, b))
		return;
	buf_init(&text, NULL);
	(void)!store_diff(v->s, a, b, STR_NONE, say_change, &text);
	cr_assert(false, "odd %llu: %s: %.*s", (unsigned long long)number, law,
		STR_ARG(buf_str(&text)));
}

static void odd(struct env *v, uint64_t number)
{
	const char *none[16] = { NULL }, *b[16], *o[16], *t[16];
	uint64_t seed = number * 1009 + 11;
	odd_files(b, none, &seed);
	odd_files(b, b, &seed);
	odd_files(o, b, &seed);
	odd_files(t, b, &seed);
	struct store_oid tb = rig_tree(v, b), to = rig_tree(v, o), tt = rig_tree(v, t);
	if (getenv("MERGE_ODD")) {
		const char **all[] = { b, o, t };
		for (int k = 0; k < 3; k++)
			for (int i = 0; i < 16 && all[k][i]; i += 2)
				fprintf(stderr, "%d %s: %s\n", k, all[k][i], all[k][i + 1]);
	}
	for (int known = 0; known < 2; known++) {
		struct store_oid *base = known ? &tb : NULL;
		struct store_oid m = merge(v, base, &to, &tt), back = merge(v, base, &tt, &to);
		odd_same(
			v, &m, &back, known ? "it commutes" : "without a base it commutes", number);
		back = merge(v, base, &m, &m);
		odd_same(v, &m, &back, "with itself", number);
	}
}

MERGE_TEST(512, odd_trees)
{
	unsigned n = cases(3000);
	for (uint64_t i = getenv("MERGE_ODD") ? (uint64_t)atoi(getenv("MERGE_ODD")) : 0; i < n; i++)
		odd(v, i);
}
