/* SPDX-License-Identifier: ISC */
/*
 * Replicas of one person's mail, each a branch of its own with its own UIDs, living random lives
 * through mailbox.h and merging with each other: what an IMAP client of each is told must hold.
 */
#include "tests/mail/mail_tree.h"
#include "tests/mail/mailbox_rig.h"
#include "tests/mail/imap_check.h"
#include "tests/fake/disk.h"

#define REPLICAS 3
#define SEEN_MAX 400

struct life {
	struct rig *r;
	struct mail_account *acct[REPLICAS];
	uint64_t seed;
	struct store_oid blob[4];
	struct arena arena;
};
static const char *const users[REPLICAS] = { "r1", "r2", "r3" };

static unsigned pick(struct life *l, unsigned n)
{
	return (unsigned)(fake_random(&l->seed) >> 20) % n;
}

static struct str ref_of(int i)
{
	static const char *const refs[REPLICAS] = { "refs/heads/r1", "refs/heads/r2",
		"refs/heads/r3" };
	return str_of(refs[i]);
}

/* Same start: the branch of alice, as a clone would have it. */
static void start(struct life *l, struct rig *r, uint64_t seed)
{
	struct store_oid head;
	struct store_why why = { STR("t"), STR("t@example.org"), STR("t"), 0 };
	l->r = r;
	l->seed = seed;
	arena_init(&l->arena, 64u << 20);
	cr_ok(store_ref_get(&head, r->s, STR("refs/heads/alice")));
	for (int i = 0; i < 4; i++) {
		char text[60];
		snprintf(text, sizeof(text), "Subject: %d\r\n\r\nhello\r\n", i);
		l->blob[i] = rig_blob(r, str_of(text));
	}
	for (int i = 0; i < REPLICAS; i++) {
		struct store_ref_move move = { ref_of(i), NULL, &head };
		struct store_oid now;
		if (store_ref_get(&now, r->s, ref_of(i)) == 0)
			move.from = &now;
		cr_ok(store_ref_update(r->s, &move, 1, &why, OS_FOREVER));
		cr_ok(mail_account_open(&l->acct[i], r->m, str_of(users[i])));
	}
}

static struct str any_box(struct life *l, int i)
{
	struct mail_info *list;
	size_t n;
	cr_ok(mail_list(&list, &n, &l->arena, l->acct[i]));
	for (;;) {
		struct mail_info *x = &list[pick(l, (unsigned)n)];
		if (x->exists)
			return x->name;
	}
}

static size_t some_uids(struct life *l, uint32_t uids[static 8], struct mail_box *b)
{
	size_t n = mail_box_count(b) ? 1 + pick(l, 4) : 0;
	for (size_t k = 0; k < n; k++)
		uids[k] = mail_box_at(b, pick(l, (unsigned)mail_box_count(b)))->uid;
	return n;
}

static void on_messages(struct life *l, int i, unsigned what)
{
	uint32_t uids[8], to[8], from[8], validity;
	size_t done;
	struct mail_box *b;
	struct str word = str_of(mt_words[pick(l, MT_KW)]);
	struct mail_flag_change change = {
		.flags = 1u << pick(l, 5), .keywords = &word, .keyword_count = pick(l, 3) == 0
	};
	struct str target = any_box(l, i);
	cr_ok(mail_box_open(&b, l->acct[i], any_box(l, i)));
	size_t n = some_uids(l, uids, b);
	if (what == 0)
		cr_ok(mail_flags(b, uids, n, pick(l, 3) ? MAIL_FLAG_ADD : MAIL_FLAG_DEL, &change, 0,
			NULL, NULL));
	else if (what < 3)
		cr_ok(mail_copy(from, to, &done, &validity, b, uids, n, target, what == 2));
	else
		cr_ok(mail_expunge(b, uids, n));
	mail_box_close(b);
}

static int on_boxes(struct life *l, int i, unsigned what)
{
	static const char *const levels[] = { "Work", "Home", "Lists" };
	char name[200];
	struct str box = any_box(l, i);
	const char *level = levels[pick(l, ARRAY_LEN(levels))];
	if (pick(l, 2) && box.n < 20)
		snprintf(name, sizeof(name), "%.*s/%s", STR_ARG(box), level);
	else
		snprintf(name, sizeof(name), "%s", level);
	switch (what) {
	case 0: return mail_create(l->acct[i], str_of(name), MAIL_USE_NONE);
	case 1: return mail_delete(l->acct[i], box);
	case 2: return mail_rename(l->acct[i], box, str_of(name));
	default: return mail_subscribe(l->acct[i], box, pick(l, 2));
	}
}

static void live(struct life *l, int i)
{
	unsigned what = pick(l, 20);
	arena_reset(&l->arena);
	if (what < 7) {
		uint32_t uid, validity;
		struct mail_item item = { .blob = l->blob[pick(l, 4)],
			.flags = pick(l, 2) ? 0 : pick(l, 32),
			.internal_sec = 1000 + pick(l, 50) };
		cr_ok(mail_append(&uid, &validity, l->acct[i], any_box(l, i), &item, 1,
			(struct mail_why){ STR("test: deliver") }));
	} else if (what < 15) {
		on_messages(l, i, what < 10 ? 0 : what < 11 ? 1 : what < 14 ? 2 : 3);
	} else {
		int err = on_boxes(l, i, what == 15 ? 0 : what == 16 ? 1 : what == 17 ? 2 : 3);
		cr_assert(err == 0 || err == ERR_EXIST || err == ERR_BAD || err == ERR_DENIED, "%s",
			err_text(err));
	}
}

/* ---- what clients of one replica have been told ---- */
struct seen_box {
	char id[20];
	uint32_t validity, next;
	uint64_t highest;
	size_t n;
	struct mail_msg msg[SEEN_MAX / 4];
};
struct seen {
	size_t n;
	struct seen_box box[24];
};

/* Bit i: mt_words[i], whatever the view numbers them. */
static uint64_t words_of(struct mail_box *b, const struct mail_msg *m)
{
	uint64_t bits = 0;
	for (unsigned k = 0; k < mail_box_keyword_count(b); k++)
		for (unsigned i = 0; i < MT_KW; i++)
			if ((m->keywords >> k & 1) &&
				str_eq(mail_box_keyword(b, k), str_of(mt_words[i])))
				bits |= 1u << i;
	return bits;
}

static void look(struct seen *out, struct life *l, int i)
{
	struct mail_info *list;
	size_t n;
	arena_reset(&l->arena);
	cr_ok(mail_list(&list, &n, &l->arena, l->acct[i]));
	out->n = 0;
	for (size_t k = 0; k < n; k++) {
		struct mail_box_state st;
		struct mail_box *b;
		if (!list[k].exists)
			continue;
		struct seen_box *x = &out->box[out->n++];
		cr_assert_leq(out->n, ARRAY_LEN(out->box));
		cr_ok(mail_box_open(&b, l->acct[i], list[k].name));
		mail_box_state(&st, b);
		snprintf(x->id, sizeof(x->id), "%.*s", STR_ARG(st.id));
		x->validity = st.uidvalidity;
		x->next = st.uidnext;
		x->highest = st.highest_modseq;
		x->n = mail_box_count(b);
		cr_assert_leq(x->n, ARRAY_LEN(x->msg));
		for (size_t m = 0; m < x->n; m++) {
			x->msg[m] = *mail_box_at(b, m);
			x->msg[m].keywords = words_of(b, mail_box_at(b, m));
		}
		mail_box_close(b);
	}
}

static const struct mail_msg *find(const struct seen_box *b, const struct mail_msg *m, bool by_uid)
{
	for (size_t i = 0; i < b->n; i++)
		if (by_uid ? b->msg[i].uid == m->uid
			   : b->msg[i].lane == m->lane && b->msg[i].seq == m->seq)
			return &b->msg[i];
	return NULL;
}

static void compare_box(const struct seen_box *was, const struct seen_box *is)
{
	bool vanished = false;
	cr_assert_eq(was->validity, is->validity);
	cr_assert(is->next >= was->next && is->highest >= was->highest);
	for (size_t i = 0; i < was->n; i++) {
		const struct mail_msg *m = &was->msg[i], *now = find(is, m, true);
		vanished = vanished || !now;
		if (!now) {
			cr_assert_null(find(is, m, false), "a message changed its UID");
			continue;
		}
		cr_assert(now->lane == m->lane && now->seq == m->seq &&
				store_oid_eq(&now->blob, &m->blob),
			"a UID names another message");
		bool same = now->flags == m->flags && now->keywords == m->keywords &&
			now->saved_sec == m->saved_sec && now->internal_sec == m->internal_sec;
		cr_assert(now->modseq == m->modseq ? same : now->modseq > was->highest);
	}
	for (size_t i = 0; i < is->n; i++) {
		const struct mail_msg *m = &is->msg[i];
		cr_assert_leq(m->modseq, is->highest);
		if (!find(was, m, true))
			cr_assert(m->uid >= was->next && m->uid < is->next &&
				m->modseq > was->highest);
	}
	cr_assert(!vanished || is->highest > was->highest);
}

static void compare(const struct seen *was, const struct seen *is)
{
	for (size_t i = 0; i < was->n; i++)
		for (size_t k = 0; k < is->n; k++)
			if (!strcmp(was->box[i].id, is->box[k].id))
				compare_box(&was->box[i], &is->box[k]);
}

static void tree_of(struct store_oid *out, struct life *l, int i)
{
	struct store_oid head;
	struct store_commit c;
	cr_ok(store_ref_get(&head, l->r->s, ref_of(i)));
	cr_ok(store_commit_get(&c, &l->arena, l->r->s, &head));
	*out = c.tree;
}

static void bring(struct life *l, int into, int from)
{
	static struct seen was, is;
	static struct mt tree;
	struct store_oid head, id;
	enum store_merged how;
	look(&was, l, into);
	cr_ok(store_ref_get(&head, l->r->s, ref_of(from)));
	cr_ok(store_merge(&how, NULL, l->r->s, ref_of(into), &head, OS_FOREVER));
	look(&is, l, into);
	compare(&was, &is);
	tree_of(&id, l, into);
	const char *wrong = mt_read(&tree, l->r->s, &id);
	cr_assert_null(wrong, "%s", wrong);
}

static void one_life(struct rig *r, uint64_t seed)
{
	struct life l;
	struct store_oid tree[REPLICAS];
	start(&l, r, seed);
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < REPLICAS; i++)
			for (unsigned n = pick(&l, 6); n > 0; n--)
				live(&l, i);
		int into = (int)pick(&l, REPLICAS);
		bring(&l, into, (into + 1 + (int)pick(&l, 2)) % REPLICAS);
	}
	for (int i = 1; i < REPLICAS; i++)
		bring(&l, 0, i);
	for (int i = 1; i < REPLICAS; i++)
		bring(&l, i, 0);
	for (int i = 0; i < REPLICAS; i++) {
		tree_of(&tree[i], &l, i);
		cr_assert(store_oid_eq(&tree[0], &tree[i]), "replicas do not end the same");
		mail_account_close(l.acct[i]);
	}
	arena_free(&l.arena);
}

MAIL_TEST_ON(512, replicas_merge)
{
	const char *more = getenv("MERGE_CASES");
	uint64_t n = more ? (uint64_t)atoi(more) / 10 : 60;
	for (uint64_t i = 0; i < n; i++)
		one_life(r, i * 1237 + 3);
	rig_verify(r);
}

/* ---- what an IMAP session sees of a merge ---- */
static void fork_other(struct imap_check_env *e)
{
	struct store_oid head;
	struct store_why why = { STR("t"), STR("t@example.org"), STR("t"), 0 };
	cr_ok(store_ref_get(&head, e->store, STR("refs/heads/alice")));
	struct store_ref_move move = { STR("refs/heads/other"), NULL, &head };
	cr_ok(store_ref_update(e->store, &move, 1, &why, OS_FOREVER));
}

static void flag_at(struct mail_account *a, uint32_t uid, uint32_t flags)
{
	struct mail_box *b;
	struct mail_flag_change change = { .flags = flags };
	cr_ok(mail_box_open(&b, a, STR("INBOX")));
	cr_ok(mail_flags(b, &uid, 1, MAIL_FLAG_ADD, &change, 0, NULL, NULL));
	if (flags & MAIL_DELETED)
		cr_ok(mail_expunge(b, NULL, 0));
	mail_box_close(b);
}

/* On the other replica the first is seen, the second expunged, the third put into Archive, and one
 * more delivered. */
static void merge_other(struct imap_check_env *e)
{
	struct mail_account *other;
	struct mail_box *b;
	struct store_oid head;
	enum store_merged how;
	uint32_t uid = 3, from, to, validity;
	size_t done;
	cr_ok(mail_account_open(&other, e->mail, STR("other")));
	flag_at(other, 1, MAIL_SEEN);
	flag_at(other, 2, MAIL_DELETED);
	cr_ok(mail_box_open(&b, other, STR("INBOX")));
	cr_ok(mail_copy(&from, &to, &done, &validity, b, &uid, 1, STR("Archive"), true));
	mail_box_close(b);
	struct store_spool *w;
	struct mail_item it = { .internal_sec = 1000000001 };
	cr_ok(store_spool_begin(&w, e->store));
	cr_ok(store_spool_write(w, STR("Subject: from the other\r\n\r\nx\r\n")));
	cr_ok(store_spool_finish(&it.blob, &it.size_bytes, w));
	cr_ok(mail_append(&uid, &validity, other, STR("INBOX"), &it, 1,
		(struct mail_why){ STR("smtp: deliver") }));
	cr_ok(store_ref_get(&head, e->store, STR("refs/heads/other")));
	cr_ok(store_merge(
		&how, NULL, e->store, STR("refs/heads/alice"), &head, os_after(60 * OS_SEC)));
	cr_assert_eq(how, STORE_MERGED_COMMIT);
}

static void two_replicas(struct imap_check_env *e)
{
	for (int i = 0; i < 4; i++)
		imap_check_deliver(e, "INBOX", "Subject: x\r\n\r\nx\r\n");
	fork_other(e);
	e->between = merge_other;
}

/* Breaks when a merge gives a message that came in by it a UID below UIDNEXT, or tells no session. */
Test(imap_merge, a_session_is_told)
{
	imap_check_in(two_replicas,
		"1> e ENABLE QRESYNC\n1< * ENABLED ~\n1< e OK ~\n"
		"1> s SELECT INBOX\n1< * FLAGS ~\n1< * OK [PERM~\n1< * 4 EXISTS\n1< * ~ RECENT\n"
		"1< * OK [UNSEEN ~\n1< * OK [UIDVALIDITY {v}] ~\n1< * OK [UIDNEXT 5] ~\n"
		"1< * OK [HIGHESTMODSEQ {h}] ~\n1< * OK [MAILBOXID (~)] ~\n1< s OK ~\n"
		/* meanwhile the fourth is flagged here */
		"1> a STORE 4 +FLAGS \\Flagged\n1< * 4 FETCH (UID 4 ~\n1< a OK ~\n"
		"2> s SELECT INBOX\n2< * FLAGS ~\n2< * OK [PERM~\n2< * 4 EXISTS\n2< * ~ RECENT\n"
		"2< * OK [UNSEEN ~\n2< * OK [UIDVALIDITY {v}] ~\n2< * OK [UIDNEXT 5] ~\n"
		"2< * OK [HIGHESTMODSEQ {i>h}] ~\n2< * OK [MAILBOXID (~)] ~\n2< s OK ~\n"
		"2> i IDLE\n2< + ~\n"
		"1* \n"
		"1> n NOOP\n"
		"1< * VANISHED 2:3\n"
		"1< * 3 EXISTS\n1< * ~ RECENT\n"
		"1< * 1 FETCH (UID 1 FLAGS (\\Seen~) MODSEQ ({j>i}))\n"
		"1< n OK ~\n"
		"1> f UID FETCH 1:* (MODSEQ FLAGS)\n"
		"1< * 1 FETCH (UID 1 MODSEQ ({j}) FLAGS (\\Seen~))\n"
		"1< * 2 FETCH (UID 4 MODSEQ ({i}) FLAGS (\\Flagged~))\n"
		"1< * 3 FETCH (UID 5 MODSEQ ({j}) ~\n"
		"1< f OK ~\n"
		"2< * 2 EXPUNGE\n"
		"2< * 2 EXPUNGE\n"
		"2< * 3 EXISTS\n2< * ~ RECENT\n"
		"2< * 1 FETCH (FLAGS (\\Seen))\n"
		"1> q STATUS INBOX (MESSAGES UIDNEXT HIGHESTMODSEQ)\n"
		"1< * STATUS INBOX (MESSAGES 3 UIDNEXT 6 HIGHESTMODSEQ {j})\n"
		"1< q OK ~\n");
}

/* ---- much at once ---- */
/* `n` messages in INBOX of a branch that nobody derives rows of. */
static struct store_oid import(struct rig *r, uint32_t n)
{
	struct store_oid blob = rig_blob(r,
		STR("Subject: one of many, with a subject of some length\r\n"
		    "From: Somebody <somebody@example.org>\r\n\r\nx\r\n"));
	struct store_oid head;
	struct store_commit c;
	struct store_why why = { STR("t"), STR("t@example.org"), STR("t"), 0 };
	struct buf text;
	buf_init(&text, NULL);
	cr_ok(store_ref_get(&head, r->s, STR("refs/heads/alice")));
	cr_ok(store_commit_get(&c, &r->arena, r->s, &head));
	for (uint32_t at = 0; at < n;) {
		struct store_edit *e;
		char path[80];
		cr_ok(store_edit_begin(&e, r->s, STR("refs/import/x"), OS_FOREVER));
		if (at == 0)
			cr_ok(store_edit_put(e, STR(""), &c.tree, STORE_TREE));
		cr_ok(store_edit_put_bytes(e, STR(".lanes"), STR("00000077 000fffff\n")));
		for (int k = 0; k < 128 && at < n; k++, at += 16) {
			snprintf(path, sizeof(path), "INBOX/.f/00000077/%x/%x/%x/%x/%x/%x",
				at >> 19, at >> 16 & 7, at >> 13 & 7, at >> 10 & 7, at >> 7 & 7,
				at >> 4 & 7);
			text.n = 0;
			for (uint32_t s = at ? at : 1; s < at + 16; s++)
				buf_fmt(&text, "%08x 10 20 -\n", s);
			cr_ok(store_edit_put_bytes(e, str_of(path), buf_str(&text)));
			path[7] = 'm';
			size_t end = strlen(path);
			for (uint32_t s = at ? at : 1; s < at + 16; s++) {
				snprintf(path + end, sizeof(path) - end, "/%08x", s);
				cr_ok(store_edit_put(e, str_of(path), &blob, STORE_BLOB));
			}
		}
		cr_ok(store_edit_commit(&head, e, &why));
	}
	buf_free(&text);
	return head;
}

#define MANY 60000
/* A clone, a fast-forward or a recovered backup brings a large mailbox at once; INBOX is renamed, and a
 * large mailbox deleted, in one change. */
MAIL_TEST_ON(512, many_at_once)
{
	struct store_oid head = import(r, MANY);
	struct store_why why = { STR("t"), STR("t@example.org"), STR("t"), 0 };
	struct store_ref_move move = { STR("refs/heads/big"), NULL, &head };
	struct mail_account *a;
	struct mail_box_state st;
	cr_ok(store_ref_update(r->s, &move, 1, &why, OS_FOREVER));
	cr_ok(mail_account_open(&a, r->m, STR("big")));
	cr_ok(mail_status(&st, &r->arena, a, STR("INBOX")));
	cr_expect_eq(st.count, MANY - 1);
	cr_ok(mail_rename(a, STR("INBOX"), STR("Old")));
	cr_ok(mail_status(&st, &r->arena, a, STR("Old")));
	cr_expect_eq(st.count, MANY - 1);
	cr_ok(mail_delete(a, STR("Old")));
	mail_account_close(a);
	rig_reopen(r);
	rig_verify(r);
}
