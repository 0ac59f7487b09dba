/* SPDX-License-Identifier: ISC */
/* The rules of the merge one by one, on trees written by hand. */
#include "tests/mail/merge_rig.h"

#define INBOX(id) "INBOX/.mailbox", "id " id "\nname INBOX\nuse none\nsubscribed yes\ncreated 1\n"
#define BOX(path, id, name) \
	path "/.mailbox", "id " id "\nname " name "\nuse none\nsubscribed no\ncreated 2\n"
#define A1             "aaaaaaaaaaaaaaa1"
#define A2             "aaaaaaaaaaaaaaa2"
#define A3             "aaaaaaaaaaaaaaa3"
#define M(box, digit)  box "/.m/00000010/0/0/0/0/0/0/0000000" digit
#define F(box)         box "/.f/00000010/0/0/0/0/0/0"
#define LANES          ".lanes", "00000010 0000000f\n"
#define L1             "00000001 10 20 -\n"
#define L12            L1 "00000002 11 21 -\n"
#define ID(id, fields) "id " id "\n" fields

struct rule {
	const char *what;
	const char *base[16], *ours[16], *theirs[16];
	bool baseless;
	const char *want[16]; /* path, text ...; text NULL-like "": must not be there */
	const char *note;     /* a line that must be told; NULL: nothing may be */
	bool odd;             /* not to the layout, so not for the strict reader */
};

/* NOLINTBEGIN(bugprone-suspicious-missing-comma): the macros join literals */
static const struct rule rules[] = {
	{ "a flag on each side", { LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"), L1 },
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"), "00000001 10 20 S\n" },
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"), "00000001 10 20 F urgent\n" },
		false, { F("INBOX"), "00000001 10 20 FS urgent\n" }, NULL, false },
	{ "a flag taken off on one side and another set",
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"), "00000001 10 20 S Later\n" },
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"), "00000001 10 20 -\n" },
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"), "00000001 10 20 FS Later\n" },
		false, { F("INBOX"), "00000001 10 20 F\n" }, NULL, false },
	{ "an expunge beats a flag", { LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"), L1 },
		{ LANES, INBOX(A1) },
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"), "00000001 10 20 S\n" }, false,
		{ M("INBOX", "1"), "", F("INBOX"), "" }, NULL, false },
	{ "a move takes along the flag set meanwhile",
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("INBOX", "1"), "m", F("INBOX"), L1 },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("Work", "1"), "m", F("Work"),
			"00000001 10 30 -\n" },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("INBOX", "1"), "m", F("INBOX"),
			"00000001 10 20 S\n" },
		false,
		{ M("INBOX", "1"), "", F("INBOX"), "", M("Work", "1"), "m", F("Work"),
			"00000001 10 30 S\n" },
		NULL, false },
	{ "a move beats an expunge",
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("INBOX", "1"), "m", F("INBOX"), L1 },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("Work", "1"), "m", F("Work"), L1 },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work") }, false,
		{ M("INBOX", "1"), "", M("Work", "1"), "m", F("Work"), L1 },
		"INBOX: 00000010.00000001 moved to Work on one side and deleted on the other: kept "
		"there",
		false },
	{ "two moves keep both",
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), BOX("Home", A3, "Home"),
			M("INBOX", "1"), "m", F("INBOX"), L1 },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), BOX("Home", A3, "Home"),
			M("Work", "1"), "m", F("Work"), "00000001 10 30 S\n" },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), BOX("Home", A3, "Home"),
			M("Home", "1"), "m", F("Home"), "00000001 10 40 F\n" },
		false,
		{ M("INBOX", "1"), "", M("Work", "1"), "m", F("Work"), "00000001 10 30 FS\n",
			M("Home", "1"), "m", F("Home"), "00000001 10 40 FS\n" },
		"INBOX: 00000010.00000001 moved to Home and to Work: kept in both", false },
	{ "mail into a mailbox that was deleted",
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("Work", "1"), "m", F("Work"), L1 },
		{ LANES, INBOX(A1) },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("Work", "1"), "m", M("Work", "2"),
			"n", F("Work"), L12 },
		false,
		{ BOX("Work", A2, "Work"), M("Work", "1"), "", M("Work", "2"), "n", F("Work"),
			"00000002 11 21 -\n" },
		"Work: deleted on one side and changed on the other: kept", false },
	{ "mail into a mailbox that was renamed", { LANES, INBOX(A1), BOX("Work", A2, "Work") },
		{ LANES, INBOX(A1), BOX("Job", A2, "Job") },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("Work", "2"), "n", F("Work"),
			"00000002 11 21 -\n" },
		false, { "Work/.mailbox", "", BOX("Job", A2, "Job"), M("Job", "2"), "n" }, NULL,
		false },
	{ "a mailbox renamed, its parent as well",
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), BOX("Work/x", A3, "x") },
		{ LANES, INBOX(A1), BOX("Job", A2, "Job"), BOX("Job/x", A3, "x") },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), BOX("Work/y", A3, "y") }, false,
		{ BOX("Job", A2, "Job"), BOX("Job/y", A3, "y"), "Work/y/.mailbox", "",
			"Job/x/.mailbox", "" },
		NULL, false },
	{ "a new mailbox below one that was renamed", { LANES, INBOX(A1), BOX("Work", A2, "Work") },
		{ LANES, INBOX(A1), BOX("Job", A2, "Job") },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), BOX("Work/x", A3, "x") }, false,
		{ BOX("Job/x", A3, "x"), "Work/x/.mailbox", "" }, NULL, false },
	{ "both renamed, each its way", { LANES, INBOX(A1), BOX("Work", A2, "Work") },
		{ LANES, INBOX(A1), BOX("Job", A2, "Job") },
		{ LANES, INBOX(A1), BOX("Desk", A2, "Desk") }, false,
		{ BOX("Desk", A2, "Desk"), "Job/.mailbox", "", "Work/.mailbox", "" },
		"Desk: renamed to Job on the other side", false },
	{ "each moved into the other", { LANES, INBOX(A1), BOX("a", A2, "a"), BOX("b", A3, "b") },
		{ LANES, INBOX(A1), BOX("b", A3, "b"), BOX("b/a", A2, "a") },
		{ LANES, INBOX(A1), BOX("a", A2, "a"), BOX("a/b", A3, "b") }, false,
		{ BOX("a", A2, "a"), BOX("a/b", A3, "b") }, NULL, false },
	{ "two mailboxes of one name", { LANES, INBOX(A1) },
		{ LANES, INBOX(A1), BOX("Work", A3, "Work"), M("Work", "1"), "m", F("Work"), L1 },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("Work", "2"), "n", F("Work"),
			"00000002 11 21 -\n" },
		false,
		{ BOX("Work", A2, "Work"), BOX("Work (aaaa)", A3, "Work (aaaa)"), M("Work", "2"),
			"n", M("Work (aaaa)", "1"), "m" },
		"Work: the name of two mailboxes: one is now Work (aaaa)", false },
	{ "two names that differ by case", { LANES, INBOX(A1) },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work") },
		{ LANES, INBOX(A1), BOX("work", A3, "work") }, false,
		{ BOX("Work", A2, "Work"), BOX("work%~89f8", A3, "work") }, NULL, false },
	{ "fields of one .mailbox, and one that we do not know",
		{ LANES, INBOX(A1), "Work/.mailbox",
			ID(A2, "name Work\nuse none\nsubscribed no\ncreated 2\ncolour red\n") },
		{ LANES, INBOX(A1), "Work/.mailbox",
			ID(A2, "name Work\nuse none\nsubscribed yes\ncreated 2\ncolour red\n") },
		{ LANES, INBOX(A1), "Job/.mailbox",
			ID(A2, "name Job\nuse none\nsubscribed no\ncreated 2\ncolour blue\n") },
		false,
		{ "Job/.mailbox",
			ID(A2, "name Job\nuse none\nsubscribed yes\ncreated 2\ncolour blue\n") },
		NULL, true },
	{ "replicas that started apart have one INBOX and one Sent", { NULL },
		{ LANES, INBOX(A2), "Sent/.mailbox",
			ID(A3, "name Sent\nuse sent\nsubscribed yes\ncreated 1\n"), M("INBOX", "1"),
			"m", F("INBOX"), L1 },
		{ ".lanes", "00000020 00000001\n", INBOX(A1), "Sent/.mailbox",
			"id bbbbbbbbbbbbbbb3\nname Sent\nuse sent\nsubscribed yes\ncreated 1\n",
			"INBOX/.m/00000020/0/0/0/0/0/0/00000001", "n",
			"INBOX/.f/00000020/0/0/0/0/0/0", "00000001 10 20 S\n" },
		true,
		{ INBOX(A1), ".lanes", "00000010 0000000f\n00000020 00000001\n", "Sent/.mailbox",
			ID(A3, "name Sent\nuse sent\nsubscribed yes\ncreated 1\n"), M("INBOX", "1"),
			"m", "INBOX/.m/00000020/0/0/0/0/0/0/00000001", "n" },
		NULL, false },
	{ "without a base, what a mark covers was expunged", { NULL },
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", M("INBOX", "2"), "n", F("INBOX"), L12 },
		{ LANES, INBOX(A1), M("INBOX", "2"), "n", F("INBOX"), "00000002 11 21 S\n" }, true,
		{ M("INBOX", "1"), "", M("INBOX", "2"), "n", F("INBOX"), "00000002 11 21 S\n" },
		NULL, false },
	{ "without a base, a message in two places stays in both", { NULL },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("INBOX", "1"), "m", F("INBOX"), L1 },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work"), M("Work", "1"), "m", F("Work"),
			"00000001 10 30 S\n" },
		true,
		{ M("INBOX", "1"), "m", M("Work", "1"), "m", F("INBOX"), L1, F("Work"),
			"00000001 10 30 S\n" },
		NULL, false },
	{ "a subscription outlives its mailbox",
		{ LANES, INBOX(A1), "Work/.mailbox",
			ID(A2, "name Work\nuse none\nsubscribed yes\ncreated 2\n") },
		{ LANES, INBOX(A1), "Work/.mailbox",
			"name Work\nuse none\nsubscribed yes\ncreated 2\n" },
		{ LANES, INBOX(A1), "Work/.mailbox",
			ID(A2, "name Work\nuse none\nsubscribed yes\ncreated 2\n"), "x", "y" },
		false, { "Work/.mailbox", "name Work\nuse none\nsubscribed yes\ncreated 2\n" },
		NULL, true },
	{ "files that are none of ours",
		{ LANES, INBOX(A1), "a.txt", "1", "b.txt", "1", "INBOX/.x/y", "1" },
		{ LANES, INBOX(A1), "a.txt", "2", "INBOX/.x/y", "2", "INBOX/.m/README", "o" },
		{ LANES, INBOX(A1), "a.txt", "1", "b.txt", "1", "INBOX/.x/y", "1", "c.txt", "3",
			"INBOX/.m/00000010/0/0/0/0/0/0/nonsense", "t" },
		false,
		{ "a.txt", "2", "b.txt", "", "c.txt", "3", "INBOX/.x/y", "2", "INBOX/.m/README",
			"o", "INBOX/.m/00000010/0/0/0/0/0/0/nonsense", "t" },
		NULL, true },
	{ "a file where the other side has a mailbox", { LANES, INBOX(A1) },
		{ LANES, INBOX(A1), "Work", "a file" },
		{ LANES, INBOX(A1), BOX("Work", A2, "Work") }, false,
		{ BOX("Work", A2, "Work"), "Work~aeef4265140285e1", "a file" },
		"Work: two files of this name: one is now Work~aeef4265140285e1", true },
	{ ".lanes is a folder on one side", { LANES, INBOX(A1) },
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"), L1 },
		{ ".lanes/x", "y", INBOX(A1), "z", "1" }, false,
		{ LANES, M("INBOX", "1"), "m", "z", "1" }, NULL, true },
	{ "a leaf where the other side has a folder, and one without sense",
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"), L1 },
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX"),
			"rubbish\n00000001 10 20 S\n" },
		{ LANES, INBOX(A1), M("INBOX", "1"), "m", F("INBOX") "/x", "y" }, false,
		{ M("INBOX", "1"), "m", F("INBOX") "/x", "y" }, NULL, true },
};
/* NOLINTEND(bugprone-suspicious-missing-comma) */

static void run_rule(struct env *v, const struct rule *r)
{
	struct store_oid b, sides[2], m[2];
	static struct mt read;
	struct str notes[2];
	if (!r->baseless)
		b = rig_tree(v, r->base);
	sides[0] = rig_tree(v, r->ours);
	sides[1] = rig_tree(v, r->theirs);
	for (int i = 0; i < 2; i++) {
		m[i] = merge(v, r->baseless ? NULL : &b, &sides[i], &sides[1 - i]);
		notes[i] = arena_dup(&v->a, buf_str(&v->notes));
	}
	cr_expect(store_oid_eq(&m[0], &m[1]), "%s: does not commute", r->what);
	cr_expect(str_eq(notes[0], notes[1]), "%s: two tales\n%.*s/\n%.*s", r->what,
		STR_ARG(notes[0]), STR_ARG(notes[1]));
	const char *wrong = r->odd ? NULL : mt_read(&read, v->s, &m[0]);
	cr_expect_null(wrong, "%s: %s", r->what, wrong);
	for (size_t i = 0; i < 16 && r->want[i]; i += 2) {
		struct str got = rig_text(v, &m[0], r->want[i]);
		cr_expect(str_eq(got, str_of(r->want[i + 1])) &&
				(got.p != NULL) == (r->want[i + 1][0] != 0),
			"%s: %s is \"%.*s\", not \"%s\"", r->what, r->want[i], STR_ARG(got),
			r->want[i + 1]);
	}
	if (r->note)
		cr_expect(str_find(notes[0], str_of(r->note)) >= 0, "%s: \"%s\" is not in \"%.*s\"",
			r->what, r->note, STR_ARG(notes[0]));
	else if (!r->odd)
		cr_expect_eq(notes[0].n, 0, "%s: told: %.*s", r->what, STR_ARG(notes[0]));
}

MERGE_TEST(64, rules)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		run_rule(v, &rules[i]);
}

/* A replica that was rolled back numbers new mail as older mail is numbered elsewhere. */
MERGE_TEST(64, one_identity_twice)
{
	static const char *const base[16] = { LANES, INBOX(A1) };
	static const char *const ours[16] = { LANES, INBOX(A1), M("INBOX", "1"), "one", F("INBOX"),
		"00000001 10 20 S\n" };
	static const char *const theirs[16] = { LANES, INBOX(A1), M("INBOX", "1"), "two",
		F("INBOX"), "00000001 30 40 F\n" };
	struct store_oid b = rig_tree(v, base), o = rig_tree(v, ours), t = rig_tree(v, theirs);
	static struct mt read;
	for (int i = 0; i < 2; i++) {
		struct store_oid m = merge(v, i ? &b : NULL, &o, &t);
		struct store_oid back = merge(v, i ? &b : NULL, &t, &o);
		cr_expect(store_oid_eq(&m, &back));
		cr_expect_null(mt_read(&read, v->s, &m), "%s", mt_read(&read, v->s, &m));
		cr_expect_eq(read.msg_n, 2);
		cr_expect(memcmp(read.msg[0].blob, read.msg[1].blob, 20));
		m = merge(v, i ? &b : NULL, &m, &t);
		cr_expect(store_oid_eq(&m, &back), "not idempotent");
	}
}

/* ... also when the older one was filed elsewhere meanwhile. */
MERGE_TEST(64, one_identity_in_two_mailboxes)
{
	static const char *const base[16] = { ".lanes", "", INBOX(A1), BOX("Work", A2, "Work") };
	static const char *const ours[16] = { ".lanes", "00000010 00000001\n", INBOX(A1),
		BOX("Work", A2, "Work"), M("INBOX", "1"), "one", F("INBOX"), "00000001 10 20 S\n" };
	static const char *const theirs[16] = { ".lanes", "00000010 00000002\n", INBOX(A1),
		BOX("Work", A2, "Work"), M("Work", "1"), "two", F("Work"), "00000001 30 40 F\n" };
	struct store_oid b = rig_tree(v, base), o = rig_tree(v, ours), t = rig_tree(v, theirs);
	static struct mt read;
	for (int i = 0; i < 2; i++) {
		struct store_oid m = merge(v, i ? &b : NULL, &o, &t);
		struct store_oid back = merge(v, i ? &b : NULL, &t, &o);
		cr_expect(store_oid_eq(&m, &back));
		cr_expect_null(mt_read(&read, v->s, &m), "%s", mt_read(&read, v->s, &m));
		cr_assert_eq(read.msg_n, 2);
		cr_expect(memcmp(read.msg[0].blob, read.msg[1].blob, 20));
		cr_expect_neq(read.msg[0].lane, read.msg[1].lane);
		cr_expect(strcmp(read.msg[0].box, read.msg[1].box));
	}
}

/* ---- large mailboxes ---- */
static const struct store_why why = { STR("t"), STR("t@example.org"), STR("t"), 1 };

static void big_leaf(struct buf *out, uint32_t first, uint32_t end, const char *flags)
{
	out->n = 0;
	for (uint32_t seq = first ? first : 1; seq < first + 16 && seq < end; seq++)
		buf_fmt(out, "%08x 10 20 %s\n", seq, flags);
}

/* Seqs from..to (not to) of lane 10 in INBOX get these flags; those at `step` only. */
static struct store_oid big_tree(struct env *v, const struct store_oid *start, uint32_t from,
	uint32_t to, uint32_t step, const char *flags, bool messages)
{
	struct store_oid message = rig_message(v, "m"), tree = *start;
	struct buf text;
	buf_init(&text, NULL);
	for (uint32_t at = from; at < to;) {
		struct store_edit *e;
		struct store_entry root;
		char path[80];
		OK(store_edit_begin(&e, v->s, STR("refs/heads/big"), OS_FOREVER));
		OK(store_edit_put(e, STR(""), &tree, STORE_TREE));
		for (int n = 0; n < 256 && at < to; n++, at += step) {
			uint32_t first = at & ~15u;
			snprintf(path, sizeof(path), "INBOX/.f/00000010/%x/%x/%x/%x/%x/%x",
				first >> 19, first >> 16 & 7, first >> 13 & 7, first >> 10 & 7,
				first >> 7 & 7, first >> 4 & 7);
			big_leaf(&text, first, to, flags);
			OK(store_edit_put_bytes(e, str_of(path), buf_str(&text)));
			path[7] = 'm';
			size_t end = strlen(path);
			for (uint32_t s = first ? first : 1; messages && s < first + 16; s++) {
				snprintf(path + end, sizeof(path) - end, "/%08x", s);
				OK(store_edit_put(e, str_of(path), &message, STORE_BLOB));
			}
		}
		OK(store_edit_find(&root, e, STR("")));
		OK(store_edit_commit(NULL, e, &why));
		tree = root.oid;
	}
	buf_free(&text);
	return tree;
}

static uint64_t written(struct env *v)
{
	struct store_stats st;
	store_stats(&st, v->s);
	return st.used_bytes;
}

static const char *const big_start[16] = { INBOX(A1), ".lanes", "00000010 000fffff\n" };

/* Ten leaves among 20,000 messages differ on each side: what is written does not grow with the rest. */
MERGE_TEST(256, few_of_many)
{
	struct store_oid none = rig_tree(v, big_start);
	struct store_oid b = big_tree(v, &none, 0, 20000, 16, "-", true);
	struct store_oid o = big_tree(v, &b, 160, 20000, 2048, "S", false);
	struct store_oid t = big_tree(v, &b, 320, 20000, 2048, "F", false);
	uint64_t before = written(v);
	struct store_oid m = merge(v, &b, &o, &t);
	cr_expect_leq(written(v) - before, 150 * 1024);
	cr_expect(str_starts(
		rig_text(v, &m, "INBOX/.f/00000010/0/0/0/0/1/2"), STR("000000a0 10 20 S")));
	cr_expect(str_starts(
		rig_text(v, &m, "INBOX/.f/00000010/0/0/0/0/2/4"), STR("00000140 10 20 F")));
}

/* Each of 20,000 messages got a flag on each side: one edit holds it. */
MERGE_TEST(256, many_of_many)
{
	struct store_oid none = rig_tree(v, big_start);
	struct store_oid b = big_tree(v, &none, 0, 20000, 16, "-", true);
	struct store_oid o = big_tree(v, &b, 0, 20000, 16, "S", false);
	struct store_oid t = big_tree(v, &b, 0, 20000, 16, "F", false);
	struct store_oid m = merge(v, &b, &o, &t), back = merge(v, &b, &t, &o);
	cr_expect(store_oid_eq(&m, &back));
	struct str leaf = rig_text(v, &m, "INBOX/.f/00000010/0/0/2/3/4/1");
	cr_expect(str_starts(leaf, STR("00004e10 10 20 FS\n00004e11 10 20 FS\n")));
}

/* All of INBOX moved into a new mailbox on one side (INBOX renamed), flagged on the other. */
MERGE_TEST(256, moved_with_many_flags)
{
	struct store_oid none = rig_tree(v, big_start);
	struct store_oid b = big_tree(v, &none, 0, 20000, 16, "-", true);
	struct store_oid t = big_tree(v, &b, 0, 20000, 16, "F", false), o;
	struct store_entry m, f, root;
	struct store_edit *e;
	OK(store_find(&m, v->s, &b, STR("INBOX/.m")));
	OK(store_find(&f, v->s, &b, STR("INBOX/.f")));
	OK(store_edit_begin(&e, v->s, STR("refs/heads/big"), OS_FOREVER));
	OK(store_edit_put(e, STR(""), &none, STORE_TREE));
	OK(store_edit_put(e, STR("Old/.m"), &m.oid, STORE_TREE));
	OK(store_edit_put(e, STR("Old/.f"), &f.oid, STORE_TREE));
	OK(store_edit_put_bytes(e, STR("Old/.mailbox"),
		STR("id " A2 "\nname Old\nuse none\nsubscribed no\ncreated 2\n")));
	OK(store_edit_find(&root, e, STR("")));
	OK(store_edit_commit(NULL, e, &why));
	o = root.oid;
	struct store_oid x = merge(v, &b, &o, &t), back = merge(v, &b, &t, &o);
	cr_expect(store_oid_eq(&x, &back));
	struct str leaf = rig_text(v, &x, "Old/.f/00000010/0/0/2/3/4/1");
	cr_expect(str_starts(leaf, STR("00004e10 10 20 F\n00004e11 10 20 F\n")));
	cr_expect_null(rig_text(v, &x, "INBOX/.f/00000010/0/0/2/3/4/1").p);
}
