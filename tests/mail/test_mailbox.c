/* SPDX-License-Identifier: ISC */
/* Mailboxes over a store: what IMAP and SMTP rely on. */
#include "services/mail/mailbox_impl.h"
#include "tests/mail/mailbox_rig.h"

#define MAIL(subject, body) STR("From: a@example.org\r\nSubject: " subject "\r\n\r\n" body "\r\n")

/* The sequence at the top of mailbox.h. */
MAIL_TEST(as_the_header_shows)
{
	struct mail_account *acct;
	struct mail_box *box;
	const struct mail_msg *msg = NULL;
	struct mail_item item = { .blob = rig_blob(r, MAIL("x", "")) };
	struct mail_why why = { STR("test: append") };
	struct mail_flag_change change = { .flags = MAIL_SEEN };
	uint32_t uid, validity;
	cr_ok(mail_account_open(&acct, r->m, STR("alice")));
	cr_ok(mail_append(&uid, &validity, acct, STR("INBOX"), &item, 1, why));
	cr_ok(mail_box_open(&box, acct, STR("INBOX")));
	for (size_t i = 0; i < mail_box_count(box); i++)
		msg = mail_box_at(box, i);
	cr_assert_not_null(msg);
	cr_expect_eq(msg->uid, uid);
	cr_ok(mail_flags(box, &uid, 1, MAIL_FLAG_ADD, &change, 0, NULL, NULL));
	cr_expect_eq(mail_box_find(box, uid)->flags, MAIL_SEEN);
	mail_box_close(box);
	mail_account_close(acct);
}

MAIL_TEST(first_use)
{
	static const struct {
		const char *name;
		enum mail_use use;
	} rows[] = {
		{ "INBOX", MAIL_USE_NONE },
		{ "Archive", MAIL_USE_ARCHIVE },
		{ "Drafts", MAIL_USE_DRAFTS },
		{ "Junk", MAIL_USE_JUNK },
		{ "Sent", MAIL_USE_SENT },
		{ "Trash", MAIL_USE_TRASH },
	};
	struct mail_info *list;
	struct mail_account *again;
	size_t n;
	cr_ok(mail_list(&list, &n, &r->arena, r->a));
	cr_assert_eq(n, ARRAY_LEN(rows));
	for (size_t i = 0; i < n; i++) {
		cr_expect_str(list[i].name, str_of(rows[i].name));
		cr_expect_eq(list[i].use, rows[i].use);
		cr_expect(list[i].exists && list[i].subscribed && !list[i].has_children);
		cr_expect_eq(list[i].id.n, 16);
	}
	cr_expect_str(rig_file(r, ".gitattributes"), STR("* -text\n"));
	cr_ok(mail_account_open(&again, r->m, STR("alice")));
	cr_expect_eq(again, r->a);
	mail_account_close(again);
	cr_ok(mail_account_open(&again, r->m, STR("bob")));
	cr_expect_neq(again, r->a);
	mail_account_close(again);
}

MAIL_TEST(append_as_documented)
{
	static char path[200], want[200];
	struct str kw[] = { STR("NonJunk"), STR("$Forwarded") };
	struct mail_item items[2] = {
		{ .blob = rig_blob(r, MAIL("one", "hello")),
			.flags = MAIL_SEEN | MAIL_FLAGGED,
			.keywords = kw,
			.keyword_count = 2,
			.internal_sec = 1000000000 },
		{ .blob = rig_blob(r, MAIL("two", "world")) },
	};
	uint32_t uids[2], validity;
	cr_ok(mail_append(uids, &validity, r->a, STR("inbox"), items, 2,
		(struct mail_why){ STR("smtp: deliver from <x@example.org>") }));
	cr_expect(uids[0] == 1 && uids[1] == 2);
	struct mail_box *b = rig_box(r, "INBOX");
	struct mail_box_state st;
	mail_box_state(&st, b);
	cr_expect(st.uidvalidity == validity && st.uidnext == 3 && st.count == 2 && st.unseen == 1);
	const struct mail_msg *m = mail_box_at(b, 0);
	cr_assert_eq(mail_box_find(b, 1), m);
	cr_expect_null(mail_box_find(b, 3));
	cr_expect(m->flags == (MAIL_SEEN | MAIL_FLAGGED) && m->internal_sec == 1000000000 &&
		m->modseq > 0 && m->modseq == st.highest_modseq);
	cr_expect_eq(m->keywords, 3);
	cr_expect(store_oid_eq(&m->blob, &items[0].blob));
	struct mail_summary sum;
	cr_ok(mail_summary(&sum, &r->arena, b, m));
	cr_expect_geq(str_find(sum.envelope, STR("\"one\"")), 0);
	cr_expect_eq(sum.header_bytes, MAIL("one", "").n - 2);

	snprintf(path, sizeof(path), "INBOX/.m/%08x/0/0/0/0/0/0/00000001", m->lane);
	cr_expect_str(rig_file(r, path), MAIL("one", "hello"));
	snprintf(path, sizeof(path), "INBOX/.f/%08x/0/0/0/0/0/0", m->lane);
	snprintf(want, sizeof(want),
		"00000001 1000000000 %lld FS $Forwarded NonJunk\n00000002 %lld %lld -\n",
		(long long)m->saved_sec, (long long)m[1].saved_sec, (long long)m[1].saved_sec);
	cr_expect_str(rig_file(r, path), str_of(want));
	snprintf(want, sizeof(want), "%08x 00000002\n", m->lane);
	cr_expect_str(rig_file(r, ".lanes"), str_of(want));
	mail_box_close(b);

	struct store_oid head;
	struct store_commit c;
	cr_ok(store_ref_get(&head, r->s, STR("refs/heads/alice")));
	cr_ok(store_commit_get(&c, &r->arena, r->s, &head));
	cr_expect(str_starts(c.message, STR("smtp: deliver from <x@example.org>")));
	cr_expect_str(c.author_name, STR("alice"));
}

MAIL_TEST(append_refused)
{
	static uint32_t uids[MAIL_APPEND_ITEMS_MAX + 1];
	static struct mail_item items[MAIL_APPEND_ITEMS_MAX + 1];
	uint32_t validity;
	struct mail_why why = { STR("test") };
	static struct str bad = { "two words", 9 };
	items[0].blob = rig_blob(r, MAIL("x", ""));
	uint64_t before = store_seq(r->s);
	cr_expect_eq(mail_append(uids, &validity, r->a, STR("Nowhere"), items, 1, why), ERR_NOENT);
	cr_expect_eq(mail_append(uids, &validity, r->a, STR("a//b"), items, 1, why), ERR_BAD);
	cr_expect_eq(mail_append(uids, &validity, r->a, STR("INBOX"), items,
			     MAIL_APPEND_ITEMS_MAX + 1, why),
		ERR_LIMIT);
	items[0].keywords = &bad;
	items[0].keyword_count = 1;
	cr_expect_eq(mail_append(uids, &validity, r->a, STR("INBOX"), items, 1, why), ERR_BAD);
	cr_expect_eq(store_seq(r->s), before);
}

MAIL_TEST(flags)
{
	static const struct {
		enum mail_flag_op op;
		uint32_t flags;
		const char *keyword;
		uint32_t want;
		const char *line; /* from the flags on */
	} rows[] = {
		{ MAIL_FLAG_ADD, MAIL_SEEN, NULL, MAIL_SEEN, "S\n" },
		{ MAIL_FLAG_ADD, MAIL_DRAFT | MAIL_ANSWERED, "Work", 1 + 2 + 16, "DRS Work\n" },
		{ MAIL_FLAG_DEL, MAIL_SEEN, "wORK", MAIL_DRAFT | MAIL_ANSWERED, "DR\n" },
		{ MAIL_FLAG_SET, MAIL_DELETED, "$Phishing", MAIL_DELETED, "T $Phishing\n" },
		{ MAIL_FLAG_SET, 0, NULL, 0, "-\n" },
	};
	uint32_t uid = rig_append(r, "INBOX", MAIL("x", ""), 0);
	rig_append(r, "INBOX", MAIL("y", ""), MAIL_SEEN);
	struct mail_box *b = rig_box(r, "INBOX");
	uint64_t modseq = mail_box_find(b, uid)->modseq, other = mail_box_at(b, 1)->modseq;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char path[200];
		struct str kw = str_of(rows[i].keyword), line, rest;
		struct mail_flag_change c = { rows[i].flags, &kw, rows[i].keyword != NULL };
		cr_ok(mail_flags(b, &uid, 1, rows[i].op, &c, 0, NULL, NULL));
		const struct mail_msg *m = mail_box_find(b, uid);
		cr_expect_eq(m->flags, rows[i].want, "row %zu", i);
		cr_expect_gt(m->modseq, modseq);
		modseq = m->modseq;
		snprintf(path, sizeof(path), "INBOX/.f/%08x/0/0/0/0/0/0", m->lane);
		line = rig_file(r, path);
		str_cut(&line, &rest, line, '\n');
		line.n++;
		cr_expect(str_ends(line, str_of(rows[i].line)), "row %zu: %.*s", i, STR_ARG(line));
	}
	cr_expect_eq(mail_box_at(b, 1)->modseq, other);
	/* Nothing changes, so nothing is written. */
	struct mail_flag_change none = { 0 };
	uint64_t seq = store_seq(r->s);
	cr_ok(mail_flags(b, &uid, 1, MAIL_FLAG_SET, &none, 0, NULL, NULL));
	cr_expect_eq(store_seq(r->s), seq);
	mail_box_close(b);
}

MAIL_TEST(flags_unchanged_since)
{
	uint32_t uids[4], failed[4];
	size_t n;
	struct mail_flag_change c = { .flags = MAIL_FLAGGED };
	for (int i = 0; i < 3; i++)
		uids[i] = rig_append(r, "INBOX", MAIL("x", ""), 0);
	uids[3] = 99; /* never was */
	struct mail_box *b = rig_box(r, "INBOX");
	uint64_t since = mail_box_at(b, 1)->modseq;
	cr_ok(mail_flags(b, uids, 4, MAIL_FLAG_ADD, &c, since, failed, &n));
	cr_expect(n == 1 && failed[0] == uids[2]);
	cr_expect(mail_box_at(b, 0)->flags == MAIL_FLAGGED && mail_box_at(b, 2)->flags == 0);
	cr_ok(mail_flags(b, uids, 4, MAIL_FLAG_DEL, &c, since, failed, &n));
	cr_expect(n == 3 && failed[0] == uids[0] && failed[2] == uids[2]);
	mail_box_close(b);
}

MAIL_TEST(keyword_limits)
{
	static char words[MAIL_KEYWORDS_MAX + 1][8];
	static struct str kw[MAIL_KEYWORDS_MAX + 1];
	uint32_t uid = rig_append(r, "INBOX", MAIL("x", ""), 0);
	struct mail_box *b = rig_box(r, "INBOX");
	for (size_t i = 0; i < ARRAY_LEN(kw); i++) {
		snprintf(words[i], sizeof(words[i]), "kw%zu", i);
		kw[i] = str_of(words[i]);
	}
	struct mail_flag_change c = { 0, kw, MAIL_KEYWORDS_MAX + 1 };
	cr_expect_eq(mail_flags(b, &uid, 1, MAIL_FLAG_ADD, &c, 0, NULL, NULL), ERR_LIMIT);
	c.keyword_count--;
	cr_ok(mail_flags(b, &uid, 1, MAIL_FLAG_ADD, &c, 0, NULL, NULL));
	cr_expect_eq(mail_box_keyword_count(b), MAIL_KEYWORDS_MAX);
	cr_expect_eq(mail_box_at(b, 0)->keywords, UINT64_MAX);
	c = (struct mail_flag_change){ 0, kw + MAIL_KEYWORDS_MAX, 1 };
	cr_expect_eq(mail_flags(b, &uid, 1, MAIL_FLAG_ADD, &c, 0, NULL, NULL), ERR_LIMIT);
	cr_ok(mail_flags(b, &uid, 1, MAIL_FLAG_DEL, &c, 0, NULL, NULL));
	mail_box_close(b);
	struct str before = rig_dump(r);
	rig_reopen(r);
	cr_expect_str(rig_dump(r), before);
}

MAIL_TEST(expunge_only_deleted)
{
	uint32_t uid[4];
	struct mail_box_state st;
	for (int i = 0; i < 4; i++)
		uid[i] = rig_append(r, "INBOX", MAIL("x", ""), i % 2 ? MAIL_DELETED : 0);
	struct mail_box *b = rig_box(r, "INBOX");
	cr_ok(mail_expunge(b, uid, 2));
	cr_expect_eq(mail_box_count(b), 3);
	cr_expect_null(mail_box_find(b, uid[1]));
	cr_ok(mail_expunge(b, NULL, 0));
	cr_expect_eq(mail_box_count(b), 2);
	mail_box_state(&st, b);
	cr_expect(st.uidnext == 5 && st.deleted == 0 && st.highest_modseq == store_seq(r->s));
	mail_box_close(b);
	rig_rebuild(r);
	cr_expect_eq(rig_append(r, "INBOX", MAIL("x", ""), 0), 5);
	/* The last messages gone, the folders go, and still no number is used again. */
	b = rig_box(r, "INBOX");
	uint32_t all[] = { 1, 3, 5 };
	struct mail_flag_change c = { .flags = MAIL_DELETED };
	cr_ok(mail_flags(b, all, 3, MAIL_FLAG_ADD, &c, 0, NULL, NULL));
	cr_ok(mail_expunge(b, NULL, 0));
	cr_expect_eq(mail_box_count(b), 0);
	mail_box_close(b);
	rig_reopen(r);
	cr_expect_eq(rig_append(r, "INBOX", MAIL("x", ""), 0), 6);
	b = rig_box(r, "INBOX");
	cr_expect_eq(mail_box_at(b, 0)->seq, 6);
	mail_box_close(b);
	rig_verify(r);
}

static void copy(struct rig *r, const char *from, const char *to, const uint32_t *uids, size_t n,
	bool move, const uint32_t *want)
{
	uint32_t source[8], target[8], validity;
	size_t done;
	struct mail_box_state st;
	struct mail_box *b = rig_box(r, from), *t = rig_box(r, to);
	cr_ok(mail_copy(source, target, &done, &validity, b, uids, n, str_of(to), move));
	mail_box_state(&st, t);
	cr_expect_eq(st.uidvalidity, validity);
	size_t k = 0;
	for (size_t i = 0; want[i] != 0; i += 2, k++) {
		cr_assert_lt(k, done);
		cr_expect(source[k] == want[i] && target[k] == want[i + 1], "%u -> %u", source[k],
			target[k]);
		cr_expect_not_null(mail_box_find(t, target[k]));
		cr_expect_eq(mail_box_find(b, source[k]) == NULL, move);
	}
	cr_expect_eq(done, k);
	mail_box_close(b);
	mail_box_close(t);
}

MAIL_TEST(copy_and_move)
{
	struct mail_msg first, moved;
	for (int i = 0; i < 4; i++)
		rig_append(r, "INBOX", MAIL("x", ""), i == 1 ? MAIL_FLAGGED : 0);
	struct mail_box *inbox = rig_box(r, "INBOX"), *trash = rig_box(r, "Trash");
	first = *mail_box_at(inbox, 1);
	copy(r, "INBOX", "Trash", (uint32_t[]){ 3, 2, 77, 2 }, 4, false,
		(uint32_t[]){ 2, 1, 3, 2, 0 });
	moved = *mail_box_find(trash, 1);
	cr_expect(moved.flags == MAIL_FLAGGED && store_oid_eq(&moved.blob, &first.blob));
	cr_expect_eq(moved.lane, first.lane);
	cr_expect_eq(moved.seq, 5, "a copy is a new identity");
	copy(r, "INBOX", "Trash", (uint32_t[]){ 2, 4 }, 2, true, (uint32_t[]){ 2, 3, 4, 4, 0 });
	moved = *mail_box_find(trash, 3);
	cr_expect_eq(moved.seq, first.seq, "a move keeps the identity");
	cr_expect_eq(moved.internal_sec, first.internal_sec);
	/* Back again: a new UID all the same. */
	copy(r, "Trash", "INBOX", (uint32_t[]){ 3 }, 1, true, (uint32_t[]){ 3, 5, 0 });
	/* Into itself. */
	copy(r, "INBOX", "INBOX", (uint32_t[]){ 1 }, 1, false, (uint32_t[]){ 1, 6, 0 });
	copy(r, "INBOX", "INBOX", (uint32_t[]){ 1, 6 }, 2, true, (uint32_t[]){ 1, 7, 6, 8, 0 });
	uint32_t from, to, validity, uid = 3;
	size_t done = 9;
	cr_expect_eq(mail_copy(&from, &to, &done, &validity, inbox, &uid, 1, STR("Nope"), true),
		ERR_NOENT);
	cr_expect_eq(done, 0);
	mail_box_close(inbox);
	mail_box_close(trash);
	rig_verify(r);
	struct str before = rig_dump(r);
	rig_rebuild(r);
	cr_expect_str(rig_dump(r), before);
}

/* ---- several sessions ---- */
struct appender {
	struct rig *r;
	uint32_t uid[10];
	unsigned *left;
};

static void append_ten(void *arg)
{
	struct appender *ap = arg;
	for (int i = 0; i < 10; i++)
		ap->uid[i] = rig_append(ap->r, "INBOX", MAIL("x", ""), 0);
	--*ap->left;
}

static void count_wakes(void *arg)
{
	void **a = arg;
	struct os_waitq q = OS_WAITQ;
	struct mail_box *b = a[0];
	unsigned *wakes = a[1];
	mail_box_join(b, &q);
	for (uint64_t seen = mail_box_version(b); *wakes < 1000; ++*wakes) {
		while (mail_box_version(b) == seen)
			if (os_wait(&q, os_after(10 * OS_SEC)) < 0)
				return;
		seen = mail_box_version(b);
		if (mail_box_count(b) == 100)
			break;
	}
	mail_box_leave(b, &q);
	*wakes += 1000;
}

MAIL_TEST(many_sessions)
{
	static struct appender ap[10];
	unsigned left = 10, wakes = 0;
	bool seen[101] = { false };
	struct store_stats before, after;
	struct mail_box *b = rig_box(r, "INBOX"), *same = rig_box(r, "inbox");
	void *watcher[] = { b, &wakes };
	cr_expect_eq(b, same);
	cr_assert_eq(os_spawn("watcher", count_wakes, watcher), 0);
	os_yield();
	store_stats(&before, r->s);
	for (int i = 0; i < 10; i++) {
		ap[i] = (struct appender){ .r = r, .left = &left };
		cr_assert_eq(os_spawn("appender", append_ten, &ap[i]), 0);
	}
	while (left > 0)
		os_yield();
	os_yield();
	store_stats(&after, r->s);
	cr_expect_eq(mail_box_count(b), 100);
	cr_expect_gt(wakes, 1000, "the other session was woken until it had seen all");
	cr_expect_lt(after.groups - before.groups, 60, "they share groups");
	for (int i = 0; i < 10; i++)
		for (int k = 0; k < 10; k++) {
			uint32_t uid = ap[i].uid[k];
			cr_assert(uid >= 1 && uid <= 100 && !seen[uid]);
			cr_expect(k == 0 || uid > ap[i].uid[k - 1]);
			seen[uid] = true;
		}
	mail_box_close(b);
	mail_box_close(same);
	rig_verify(r);
}

static void flag_many(void *arg)
{
	struct appender *ap = arg;
	uint32_t uid = 1;
	struct mail_box *b = rig_box(ap->r, "INBOX");
	struct mail_flag_change c = { .flags = ap->uid[0] };
	for (int i = 0; i < 5; i++) {
		cr_ok(mail_flags(b, &uid, 1, MAIL_FLAG_ADD, &c, 0, NULL, NULL));
		os_yield();
	}
	mail_box_close(b);
	--*ap->left;
}

MAIL_TEST(flags_of_two_sessions_add_up)
{
	static struct appender ap[4];
	unsigned left = 4;
	rig_append(r, "INBOX", MAIL("x", ""), 0);
	for (int i = 0; i < 4; i++) {
		ap[i] = (struct appender){ .r = r, .left = &left, .uid = { 1u << i } };
		cr_assert_eq(os_spawn("flagger", flag_many, &ap[i]), 0);
	}
	while (left > 0)
		os_yield();
	struct mail_box *b = rig_box(r, "INBOX");
	cr_expect_eq(mail_box_at(b, 0)->flags, 15);
	mail_box_close(b);
}

MAIL_TEST(recent_is_told_once)
{
	rig_append(r, "INBOX", MAIL("x", ""), 0);
	rig_append(r, "INBOX", MAIL("x", ""), 0);
	struct mail_box *b = rig_box(r, "INBOX");
	cr_expect_eq(mail_box_recent(b, false), 1);
	cr_expect_eq(mail_box_recent(b, true), 1);
	cr_expect_eq(mail_box_recent(b, true), 3);
	rig_append(r, "INBOX", MAIL("x", ""), 0);
	cr_expect_eq(mail_box_recent(b, false), 3);
	mail_box_close(b);
	rig_reopen(r);
	b = rig_box(r, "INBOX");
	cr_expect_eq(mail_box_recent(b, true), 3, "kept with the next change");
	mail_box_close(b);
}

/* ---- large ---- */
MAIL_TEST(ten_thousand, .timeout = 120)
{
	enum { N = 10000 };
	static uint32_t uids[N];
	static struct mail_item items[100];
	uint32_t validity;
	struct store_stats before, after;
	struct mail_flag_change c = { .flags = MAIL_SEEN };
	struct mail_box *b = rig_box(r, "INBOX");
	for (int i = 0; i < 100; i++)
		items[i].blob = rig_blob(r, MAIL("x", ""));
	for (int i = 0; i < N; i += 100)
		cr_ok(mail_append(uids + i, &validity, r->a, STR("INBOX"), items, 100,
			(struct mail_why){ STR("test") }));
	cr_expect_eq(mail_box_count(b), N);
	store_stats(&before, r->s);
	cr_ok(mail_flags(b, uids, N, MAIL_FLAG_ADD, &c, 0, NULL, NULL));
	store_stats(&after, r->s);
	cr_expect_leq(after.edits - before.edits, 2);
	for (size_t i = 0; i < N; i++)
		cr_assert(mail_box_at(b, i)->flags == MAIL_SEEN && mail_box_at(b, i)->uid == i + 1);
	static uint32_t from[N], to[N];
	size_t done;
	cr_ok(mail_copy(from, to, &done, &validity, b, uids, N, STR("Archive"), true));
	cr_expect_eq(done, N);
	cr_expect_eq(mail_box_count(b), 0);
	mail_box_close(b);
	b = rig_box(r, "Archive");
	cr_expect_eq(mail_box_count(b), N);
	c.flags = MAIL_DELETED;
	cr_ok(mail_flags(b, uids, N, MAIL_FLAG_ADD, &c, 0, NULL, NULL));
	cr_ok(mail_expunge(b, NULL, 0));
	cr_expect_eq(mail_box_count(b), 0);
	mail_box_close(b);
	rig_verify(r);
}

MAIL_TEST(summary_too_long_for_a_row, .timeout = 60)
{
	struct buf text;
	struct mail_summary sum;
	buf_init(&text, NULL);
	buf_addz(&text, "Subject: many\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 3000; i++)
		buf_fmt(&text, "--b\r\nContent-Type: text/x-%d\r\n\r\npart\r\n", i);
	buf_addz(&text, "--b--\r\n");
	rig_append(r, "INBOX", buf_str(&text), 0);
	struct mail_box *b = rig_box(r, "INBOX");
	cr_ok(mail_summary(&sum, &r->arena, b, mail_box_at(b, 0)));
	cr_expect_gt(sum.bodystructure.n, STORE_VALUE_MAX);
	cr_expect_geq(str_find(sum.bodystructure, STR("\"x-2999\"")), 0);
	cr_expect_geq(str_find(sum.envelope, STR("\"many\"")), 0);
	mail_box_close(b);
	buf_free(&text);
	rig_verify(r);
}

MAIL_TEST(large_message, .timeout = 120)
{
	enum { SIZE = 24 << 20 };
	char *big = malloc(SIZE);
	struct mail_summary sum;
	uint32_t uid = 1, from, to, validity;
	size_t done;
	cr_assert(big != NULL);
	memset(big, 'x', SIZE);
	for (size_t i = 0; i + 80 <= SIZE; i += 80)
		memcpy(big + i + 78, "\r\n", 2);
	memcpy(big, "Subject: big\r\n\r\n", 16);
	rig_append(r, "INBOX", str_n(big, SIZE), 0);
	struct mail_box *b = rig_box(r, "INBOX");
	cr_expect_eq(mail_box_at(b, 0)->size_bytes, SIZE);
	cr_ok(mail_copy(&from, &to, &done, &validity, b, &uid, 1, STR("Archive"), true));
	mail_box_close(b);
	b = rig_box(r, "Archive");
	cr_ok(mail_summary(&sum, &r->arena, b, mail_box_at(b, 0)));
	cr_expect_eq(sum.header_bytes, 16);
	cr_expect_geq(str_find(sum.bodystructure, STR(" 25165808 ")), 0);
	mail_box_close(b);
	free(big);
}

/* Leave the mailbox so many UIDs. */
static void nearly_full(struct rig *r, const char *name, uint32_t left)
{
	struct mail_key key;
	struct mail_value value;
	struct str old;
	struct mail_box_rec rec;
	struct store_edit *e;
	struct store_why why = { STR("a"), STR("a"), STR("test"), 0 };
	struct mail_box *b = rig_box(r, name);
	mail_key_box(&key, &b->key);
	mail_box_close(b);
	cr_ok(store_edit_begin(&e, r->s, STR("refs/heads/alice"), OS_FOREVER));
	cr_ok(store_edit_local_get(&old, e, mail_key_str(&key)));
	cr_ok(mail_box_decode(&rec, old));
	rec.uidnext = UINT32_MAX - left;
	cr_ok(store_edit_local_put(e, mail_key_str(&key), mail_box_encode(&value, &rec)));
	cr_ok(store_edit_commit(NULL, e, &why));
}

MAIL_TEST(copy_is_all_or_none, .timeout = 120)
{
	enum { N = 5000 };
	static uint32_t uids[N], from[N], to[N];
	static struct mail_item items[100];
	uint32_t validity;
	size_t done;
	for (int i = 0; i < 100; i++)
		items[i].blob = rig_blob(r, MAIL("x", ""));
	for (int i = 0; i < N; i += 100)
		cr_ok(mail_append(uids + i, &validity, r->a, STR("INBOX"), items, 100,
			(struct mail_why){ STR("test") }));
	nearly_full(r, "Trash", N - 1);
	struct mail_box *b = rig_box(r, "INBOX"), *t = rig_box(r, "Trash");
	cr_expect_eq(
		mail_copy(from, to, &done, &validity, b, uids, N, STR("Trash"), false), ERR_LIMIT);
	cr_expect(done == 0 && mail_box_count(t) == 0 && mail_box_count(b) == N);
	nearly_full(r, "Trash", N);
	cr_ok(mail_copy(from, to, &done, &validity, b, uids, N, STR("Trash"), false));
	cr_expect(done == N && mail_box_count(t) == N && to[N - 1] == UINT32_MAX - 1);
	mail_box_close(b);
	mail_box_close(t);
	rig_verify(r);
}

/* A structure that is too long to tell is told as text: else no client could list the mailbox. */
MAIL_TEST(a_structure_without_end_is_text)
{
	struct mail_summary sum;
	struct mail_box *b;
	struct buf m;
	struct arena little;
	buf_init(&m, NULL);
	buf_addz(&m, "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
	size_t header_bytes = m.n;
	for (int i = 0; i < 4000; i++) {
		buf_addz(&m, "--b\r\nContent-Description: ");
		for (int k = 0; k < 60; k++)
			buf_addz(&m, "\"\"\"\"\"\"\"\"\"\"");
		buf_addz(&m, "\r\n\r\n");
	}
	rig_append(r, "INBOX", buf_str(&m), 0);
	b = rig_box(r, "INBOX");
	arena_init(&little, 4 << 20);
	cr_ok(mail_summary(&sum, &little, b, mail_box_at(b, 0)));
	cr_expect(str_starts(sum.body, STR("(\"TEXT\" \"PLAIN\"")), "%zu bytes", sum.body.n);
	cr_expect_eq(sum.header_bytes, header_bytes);
	arena_free(&little);
	mail_box_close(b);
	buf_free(&m);
}
