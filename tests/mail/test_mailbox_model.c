/* SPDX-License-Identifier: ISC */
/*
 * Random histories against a model that keeps lists of messages, and changes of the branch that
 * did not come through the mailbox layer, as a merge or a restore will make them.
 */
#include "tests/mail/mailbox_rig.h"
#include "tests/fake/disk.h"

#define BOXES 6
#define MSGS  400
#define BLOBS 8

struct model_msg {
	uint32_t uid, flags, kw, blob;
	uint64_t modseq;
};
struct model_box {
	bool exists;
	uint32_t validity, next;
	uint64_t highest;
	size_t n;
	struct model_msg msg[MSGS];
};
struct model {
	struct rig *r;
	uint64_t seed;
	struct store_oid blob[BLOBS];
	struct model_box box[BOXES];
	uint32_t last_validity[BOXES];
};
static const char *const names[BOXES] = { "INBOX", "Archive", "work", "Work", "a.b/.c",
	"a.b/.c/d" };
static const struct str words[] = { STR("Alpha"), STR("beta"), STR("$G") };

static unsigned pick(struct model *m, unsigned n)
{
	return (unsigned)(fake_random(&m->seed) % n);
}

/* ---- the view against the model ---- */
static uint32_t view_keywords(struct mail_box *b, const struct mail_msg *msg)
{
	uint32_t bits = 0;
	for (unsigned k = 0; k < mail_box_keyword_count(b); k++)
		for (unsigned i = 0; i < ARRAY_LEN(words); i++)
			if ((msg->keywords >> k & 1) && str_eq(mail_box_keyword(b, k), words[i]))
				bits |= 1u << i;
	return bits;
}

static void check_message(
	struct model *m, struct mail_box *b, struct model_msg *want, const struct mail_msg *got)
{
	cr_assert(got->uid == want->uid && got->flags == want->flags &&
			view_keywords(b, got) == want->kw &&
			store_oid_eq(&got->blob, &m->blob[want->blob]),
		"uid %u/%u flags %x/%x", got->uid, want->uid, got->flags, want->flags);
	cr_assert(got->modseq >= want->modseq, "a MODSEQ went back");
	want->modseq = got->modseq;
}

static void check_box(struct model *m, unsigned i)
{
	struct model_box *want = &m->box[i];
	struct mail_box *b;
	struct mail_box_state st;
	int err = mail_box_open(&b, m->r->a, str_of(names[i]));
	cr_assert_eq(err, want->exists ? 0 : ERR_NOENT, "%s", names[i]);
	if (!want->exists)
		return;
	mail_box_state(&st, b);
	cr_assert_eq(mail_box_count(b), want->n, "%s", names[i]);
	cr_assert(st.uidnext == want->next && st.count == want->n);
	cr_assert(st.highest_modseq >= want->highest, "HIGHESTMODSEQ went back");
	want->highest = st.highest_modseq;
	if (want->validity == 0) {
		cr_assert_gt(st.uidvalidity, m->last_validity[i]);
		want->validity = m->last_validity[i] = st.uidvalidity;
	}
	cr_assert_eq(st.uidvalidity, want->validity);
	uint32_t unseen = 0, deleted = 0;
	for (size_t k = 0; k < want->n; k++) {
		check_message(m, b, &want->msg[k], mail_box_at(b, k));
		cr_assert_leq(want->msg[k].modseq, st.highest_modseq);
		unseen += !(want->msg[k].flags & MAIL_SEEN);
		deleted += !!(want->msg[k].flags & MAIL_DELETED);
	}
	cr_assert(st.unseen == unseen && st.deleted == deleted);
	mail_box_close(b);
}

static void check_all(struct model *m)
{
	for (unsigned i = 0; i < BOXES; i++)
		check_box(m, i);
}

/* ---- operations ---- */
static struct model_box *new_msg(struct model_box *b, const struct model_msg *from)
{
	cr_assert_lt(b->n, MSGS);
	b->msg[b->n] = *from;
	b->msg[b->n].modseq = 0;
	b->msg[b->n++].uid = b->next++;
	return b;
}

static size_t keyword_list(struct str out[static 3], uint32_t bits)
{
	size_t n = 0;
	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		if (bits >> i & 1)
			out[n++] = words[i];
	return n;
}

static void op_append(struct model *m, unsigned i)
{
	struct model_box *b = &m->box[i];
	static struct mail_item items[5];
	struct model_msg msg[5] = { 0 };
	static struct str kw[5][3];
	uint32_t uids[5], validity;
	unsigned n = 1 + pick(m, 5);
	for (unsigned k = 0; k < n; k++) {
		msg[k].flags = pick(m, 32);
		msg[k].kw = pick(m, 8);
		msg[k].blob = pick(m, BLOBS);
		items[k] = (struct mail_item){ .blob = m->blob[msg[k].blob],
			.flags = msg[k].flags,
			.keywords = kw[k],
			.keyword_count = keyword_list(kw[k], msg[k].kw) };
	}
	int err = mail_append(uids, &validity, m->r->a, str_of(names[i]), items, n,
		(struct mail_why){ STR("test") });
	cr_assert_eq(err, b->exists ? 0 : ERR_NOENT, "%s", err_text(err));
	for (unsigned k = 0; err == 0 && k < n; k++) {
		cr_assert_eq(uids[k], b->next);
		new_msg(b, &msg[k]);
	}
}

/* Some of the mailbox's UIDs in any order, some twice, some that never were. */
static size_t some_uids(struct model *m, uint32_t uids[static 30], const struct model_box *b)
{
	size_t n = pick(m, 30);
	for (size_t k = 0; k < n; k++)
		uids[k] = 1 + pick(m, b->next + 1);
	return n;
}

static bool has(const uint32_t *uids, size_t n, uint32_t uid)
{
	for (size_t i = 0; i < n; i++)
		if (uids[i] == uid)
			return true;
	return false;
}

static void op_flags(struct model *m, unsigned i)
{
	struct model_box *b = &m->box[i];
	struct mail_box *v = rig_box(m->r, names[i]);
	uint32_t uids[30], flags = pick(m, 32), bits = pick(m, 8);
	size_t n = some_uids(m, uids, b);
	enum mail_flag_op op = (enum mail_flag_op)pick(m, 3);
	struct str kw[3];
	struct mail_flag_change c = { flags, kw, keyword_list(kw, bits) };
	cr_ok(mail_flags(v, uids, n, op, &c, 0, NULL, NULL));
	mail_box_close(v);
	for (size_t k = 0; k < b->n; k++) {
		struct model_msg *msg = &b->msg[k];
		if (!has(uids, n, msg->uid))
			continue;
		if (op == MAIL_FLAG_SET) {
			msg->flags = flags;
			msg->kw = bits;
		} else if (op == MAIL_FLAG_ADD) {
			msg->flags |= flags;
			msg->kw |= bits;
		} else {
			msg->flags &= ~flags;
			msg->kw &= ~bits;
		}
	}
}

static void op_expunge(struct model *m, unsigned i)
{
	struct model_box *b = &m->box[i];
	struct mail_box *v = rig_box(m->r, names[i]);
	uint32_t uids[30];
	size_t n = some_uids(m, uids, b), kept = 0;
	bool all = pick(m, 3) == 0;
	cr_ok(mail_expunge(v, all ? NULL : uids, all ? 0 : n));
	mail_box_close(v);
	for (size_t k = 0; k < b->n; k++)
		if (!(b->msg[k].flags & MAIL_DELETED) || (!all && !has(uids, n, b->msg[k].uid)))
			b->msg[kept++] = b->msg[k];
	b->n = kept;
}

static void op_copy(struct model *m, unsigned i, bool move)
{
	unsigned to = pick(m, BOXES);
	struct model_box *b = &m->box[i], *t = &m->box[to];
	struct mail_box *v = rig_box(m->r, names[i]);
	static uint32_t uids[30], from[30], dest[30];
	uint32_t validity;
	size_t n = some_uids(m, uids, b), done, expect = 0, kept = 0, had = b->n;
	int err = mail_copy(from, dest, &done, &validity, v, uids, n, str_of(names[to]), move);
	cr_assert_eq(err, t->exists ? 0 : ERR_NOENT);
	mail_box_close(v);
	for (size_t k = 0; err == 0 && k < had; k++) {
		struct model_msg msg = b->msg[k];
		if (!has(uids, n, msg.uid))
			continue;
		cr_assert(expect < done && from[expect] == msg.uid && dest[expect] == t->next);
		expect++;
		new_msg(t, &msg);
	}
	cr_assert_eq(done, expect);
	for (size_t k = 0; err == 0 && k < b->n; k++)
		if (!move || k >= had || !has(uids, n, b->msg[k].uid))
			b->msg[kept++] = b->msg[k];
	if (err == 0)
		b->n = kept;
}

static void op_create(struct model *m, unsigned i)
{
	struct model_box *b = &m->box[i];
	cr_assert_eq(
		mail_create(m->r->a, str_of(names[i]), MAIL_USE_NONE), b->exists ? ERR_EXIST : 0);
	if (!b->exists)
		*b = (struct model_box){ .exists = true, .next = 1 };
	if (i == 5 && rig_info(m->r, names[4])->exists && !m->box[4].exists)
		m->box[4] = (struct model_box){ .exists = true, .next = 1 };
}

static void op_delete(struct model *m, unsigned i)
{
	struct model_box *b = &m->box[i];
	int err = mail_delete(m->r->a, str_of(names[i]));
	cr_assert_eq(err, i == 0 ? ERR_DENIED : b->exists ? 0 : ERR_NOENT);
	if (err == 0)
		b->exists = false;
}

static void op_rename(struct model *m, unsigned i)
{
	unsigned to = 1 + pick(m, 3); /* not the nested ones: children would follow */
	struct model_box *b = &m->box[i], *t = &m->box[to];
	if (i > 3 || i == to || !b->exists)
		return;
	int err = mail_rename(m->r->a, str_of(names[i]), str_of(names[to]));
	cr_assert_eq(err, t->exists ? ERR_EXIST : 0);
	if (err < 0)
		return;
	*t = *b;
	m->last_validity[to] =
		b->validity > m->last_validity[to] ? b->validity : m->last_validity[to];
	if (i > 0) {
		b->exists = false;
		return;
	}
	/* The messages of INBOX get new numbers, in an order of the layer's choice. */
	t->validity = 0;
	t->highest = 0;
	t->next = (uint32_t)b->n + 1;
	b->n = 0;
	struct mail_box *v = rig_box(m->r, names[to]);
	cr_assert_eq(mail_box_count(v), t->n);
	for (size_t k = 0; k < t->n; k++) {
		const struct mail_msg *got = mail_box_at(v, k);
		size_t at = k;
		while (at < t->n &&
			(t->msg[at].flags != got->flags || t->msg[at].kw != view_keywords(v, got) ||
				!store_oid_eq(&m->blob[t->msg[at].blob], &got->blob)))
			at++;
		cr_assert_lt(at, t->n);
		struct model_msg msg = t->msg[at];
		t->msg[at] = t->msg[k];
		t->msg[k] = msg;
		t->msg[k].uid = (uint32_t)k + 1;
		t->msg[k].modseq = 0;
	}
	mail_box_close(v);
}

static void step(struct model *m)
{
	unsigned i = pick(m, BOXES), op = pick(m, 100);
	bool room = true;
	for (unsigned k = 0; k < BOXES; k++)
		room = room && m->box[k].n < MSGS - 60;
	if (op < 30 && room)
		op_append(m, i);
	else if (op < 55 && m->box[i].exists)
		op_flags(m, i);
	else if (op < 75 && m->box[i].exists)
		op_expunge(m, i);
	else if (op < 90 && m->box[i].exists && room)
		op_copy(m, i, op & 1);
	else if (op < 94)
		op_create(m, i);
	else if (op < 96)
		op_delete(m, i);
	else if (op < 98)
		op_rename(m, i);
}

static void random_history(struct rig *r, uint64_t seed, unsigned steps)
{
	static struct model m;
	static char text[100];
	m = (struct model){ .r = r, .seed = seed };
	for (unsigned i = 0; i < BLOBS; i++) {
		snprintf(text, sizeof(text), "Subject: %u\r\n\r\nbody %u\r\n", i, i);
		m.blob[i] = rig_blob(r, str_of(text));
	}
	/* Blobs no tree holds do not outlive a restart; a draft of each does. */
	for (unsigned i = 0; i < BLOBS; i++) {
		uint32_t uid, validity;
		struct mail_item item = { .blob = m.blob[i] };
		cr_ok(mail_append(&uid, &validity, r->a, STR("Drafts"), &item, 1,
			(struct mail_why){ STR("test") }));
	}
	for (unsigned i = 0; i < 2; i++)
		m.box[i] = (struct model_box){ .exists = true, .next = 1 };
	for (unsigned n = 1; n <= steps; n++) {
		step(&m);
		if (n % 20 == 0)
			check_all(&m);
		if (n % 50 == 0) {
			uint64_t seq = store_seq(r->s);
			if (n % 100 == 0)
				rig_rebuild(r);
			else
				rig_reopen(r);
			cr_assert_geq(store_seq(r->s), seq);
			check_all(&m);
		}
		arena_reset(&r->arena);
	}
	rig_verify(r);
}

#define HISTORY(seed) \
	MAIL_TEST(history_##seed, .timeout = 120) \
	{ \
		random_history(r, seed, 1000); \
	}
HISTORY(1)
HISTORY(2)
HISTORY(3)

/* ---- changes from elsewhere ---- */
static struct store_edit *foreign_begin(struct rig *r)
{
	struct store_edit *e;
	cr_ok(store_edit_begin(&e, r->s, STR("refs/heads/alice"), OS_FOREVER));
	return e;
}

static void foreign_put(struct store_edit *e, const char *path, const char *text)
{
	cr_ok(store_edit_put_bytes(e, str_of(path), str_of(text)));
}

static void foreign_end(struct store_edit *e)
{
	struct store_why why = { STR("hub"), STR("hub"), STR("merge"), 0 };
	cr_ok(store_edit_commit(NULL, e, &why));
}

static void expect_uids(struct mail_box *b, const uint32_t *seqs)
{
	size_t n = 0;
	for (; seqs[n] != 0; n++)
		if (n < mail_box_count(b))
			cr_expect_eq(mail_box_at(b, n)->seq, seqs[n], "%zu: %x", n,
				mail_box_at(b, n)->seq);
	cr_expect_eq(mail_box_count(b), n);
}

MAIL_TEST(merged_messages_get_numbers)
{
	struct mail_box *b = rig_box(r, "INBOX");
	uint32_t own = rig_append(r, "INBOX", STR("Subject: own\r\n\r\n"), 0);
	uint64_t modseq = mail_box_at(b, 0)->modseq;
	struct store_edit *e = foreign_begin(r);
	/* Arrived at another replica in this order: 12, 3, 11 (no line: unknown). */
	foreign_put(e, "INBOX/.m/0000000f/0/0/0/0/0/1/00000012", "Subject: c\r\n\r\n");
	foreign_put(e, "INBOX/.m/0000000f/0/0/0/0/0/0/00000003", "Subject: a\r\n\r\n");
	foreign_put(e, "INBOX/.m/0000000f/0/0/0/0/0/1/00000011", "Subject: b\r\n\r\n");
	foreign_put(e, "INBOX/.f/0000000f/0/0/0/0/0/0", "00000003 100 300 F Later\n");
	foreign_put(e, "INBOX/.f/0000000f/0/0/0/0/0/1", "00000012 100 200 S\n");
	foreign_put(e, "INBOX/.m/README", "not ours");
	foreign_put(e, "INBOX/.f/0000000f/junk", "not ours");
	foreign_end(e);
	expect_uids(b, (uint32_t[]){ 1, 0x11, 0x12, 0x3, 0 });
	cr_expect_eq(mail_box_at(b, 0)->uid, own);
	cr_expect_eq(mail_box_at(b, 0)->modseq, modseq);
	cr_expect(
		mail_box_at(b, 2)->flags == MAIL_SEEN && mail_box_at(b, 3)->flags == MAIL_FLAGGED);
	cr_expect_eq(mail_box_at(b, 3)->uid, 4);
	/* A line changes, one comes, one goes, a message goes. */
	e = foreign_begin(r);
	foreign_put(e, "INBOX/.f/0000000f/0/0/0/0/0/1", "00000011 100 200 DT\n");
	cr_ok(store_edit_del(e, STR("INBOX/.m/0000000f/0/0/0/0/0/0/00000003")));
	cr_ok(store_edit_del(e, STR("INBOX/.f/0000000f/0/0/0/0/0/0")));
	foreign_end(e);
	expect_uids(b, (uint32_t[]){ 1, 0x11, 0x12, 0 });
	cr_expect(mail_box_at(b, 1)->flags == (MAIL_DRAFT | MAIL_DELETED) &&
		mail_box_at(b, 2)->flags == 0);
	/* Other bytes under the same name are another message. */
	e = foreign_begin(r);
	foreign_put(e, "INBOX/.m/0000000f/0/0/0/0/0/1/00000011", "Subject: B\r\n\r\n");
	foreign_end(e);
	cr_expect_null(mail_box_find(b, 2));
	cr_expect_not_null(mail_box_find(b, 5));
	/* Restored as it was: in with a new number. */
	e = foreign_begin(r);
	foreign_put(e, "INBOX/.m/0000000f/0/0/0/0/0/0/00000003", "Subject: a\r\n\r\n");
	foreign_put(e, "INBOX/.f/0000000f/0/0/0/0/0/0", "00000003 100 300 F Later\n");
	foreign_end(e);
	cr_expect_eq(mail_box_find(b, 6)->seq, 3);
	mail_box_close(b);
	rig_verify(r);
	struct str before = rig_dump(r);
	rig_rebuild(r);
	cr_expect_str(rig_dump(r), before);
}

MAIL_TEST(one_identity_in_two_mailboxes)
{
	static const char text[] = "Subject: both\r\n\r\n";
	struct store_edit *e = foreign_begin(r);
	foreign_put(e, "INBOX/.m/0000000f/0/0/0/0/0/0/00000003", text);
	foreign_put(e, "INBOX/.f/0000000f/0/0/0/0/0/0", "00000003 1 2 T\n");
	foreign_put(e, "Archive/.m/0000000f/0/0/0/0/0/0/00000003", text);
	foreign_put(e, "Archive/.f/0000000f/0/0/0/0/0/0", "00000003 1 2 -\n");
	foreign_end(e);
	rig_verify(r);
	struct mail_box *inbox = rig_box(r, "INBOX"), *archive = rig_box(r, "Archive");
	uint32_t uid = 1, from, to, validity;
	size_t done;
	cr_ok(mail_copy(&from, &to, &done, &validity, inbox, &uid, 1, STR("Archive"), true));
	cr_expect(done == 1 && to == 2 && mail_box_count(inbox) == 0);
	cr_expect_eq(mail_box_count(archive), 2);
	cr_expect(mail_box_at(archive, 0)->seq != mail_box_at(archive, 1)->seq);
	rig_verify(r);
	cr_ok(mail_expunge(archive, NULL, 0));
	cr_expect_eq(mail_box_count(archive), 1);
	mail_box_close(inbox);
	mail_box_close(archive);
	rig_verify(r);
}

MAIL_TEST(mailbox_moved_and_changed_at_once)
{
	struct store_entry m;
	rig_append(r, "Junk", STR("Subject: x\r\n\r\n"), 0);
	rig_append(r, "Junk", STR("Subject: y\r\n\r\n"), 0);
	struct str file = rig_file(r, "Junk/.mailbox");
	struct mail_box *b = rig_box(r, "Junk");
	uint32_t lane = mail_box_at(b, 0)->lane;
	mail_box_close(b);
	char path[100];
	struct store_edit *e = foreign_begin(r);
	cr_ok(store_edit_find(&m, e, STR("Junk/.m")));
	cr_ok(store_edit_put(e, STR("Spam/.m"), &m.oid, STORE_TREE));
	cr_ok(store_edit_put_bytes(e, STR("Spam/.mailbox"), file));
	cr_ok(store_edit_del(e, STR("Junk")));
	snprintf(path, sizeof(path), "Spam/.f/%08x/0/0/0/0/0/0", lane);
	foreign_put(e, path, "00000001 1 2 S\n00000002 1 2 F\n");
	snprintf(path, sizeof(path), "Spam/.m/%08x/0/0/0/0/0/0/00000001", lane);
	cr_ok(store_edit_del(e, str_of(path)));
	foreign_end(e);
	b = rig_box(r, "Spam");
	cr_expect_eq(mail_box_count(b), 1);
	cr_expect(mail_box_at(b, 0)->uid == 2 && mail_box_at(b, 0)->flags == MAIL_FLAGGED);
	mail_box_close(b);
	rig_verify(r);
}

MAIL_TEST(other_branches_are_no_mail)
{
	struct store_edit *e;
	struct store_why why = { STR("a"), STR("a"), STR("users"), 0 };
	struct str before = rig_dump(r);
	cr_ok(store_edit_begin(&e, r->s, STR("refs/heads/estate"), OS_FOREVER));
	foreign_put(e, "users/alice/.mailbox", "id 0123456789abcdef\nname x\n");
	foreign_put(e, "users/alice/.m/0000000f/0/0/0/0/0/0/00000003", "x");
	cr_ok(store_edit_commit(NULL, e, &why));
	/* A second branch with the same mailboxes has numbers of its own. */
	struct store_oid head;
	struct store_commit c;
	cr_ok(store_ref_get(&head, r->s, STR("refs/heads/alice")));
	cr_ok(store_commit_get(&c, &r->arena, r->s, &head));
	cr_ok(store_edit_begin(&e, r->s, STR("refs/heads/alice-before"), OS_FOREVER));
	cr_ok(store_edit_put(e, STR(""), &c.tree, STORE_TREE));
	cr_ok(store_edit_commit(NULL, e, &why));
	rig_append(r, "INBOX", STR("Subject: x\r\n\r\n"), 0);
	struct mail_account *copy;
	struct mail_box *b;
	cr_ok(mail_account_open(&copy, r->m, STR("alice-before")));
	cr_ok(mail_box_open(&b, copy, STR("INBOX")));
	cr_expect_eq(mail_box_count(b), 0);
	mail_box_close(b);
	b = rig_box(r, "INBOX");
	cr_expect_eq(mail_box_count(b), 1);
	mail_box_close(b);
	mail_account_close(copy);
	cr_expect_gt(before.n, 0);
	rig_verify(r);
}
