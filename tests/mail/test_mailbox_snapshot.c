/* SPDX-License-Identifier: ISC */
/* What survives the machine: snapshots of UIDs, and an endpoint that takes one over. */
#include "services/mail/mailbox_snapshot_impl.h"
#include "tests/mail/mailbox_rig.h"

#define MAIL(n) STR("Subject: " n "\r\n\r\nx\r\n")
#define GAP     65536

static char endpoint[MAIL_ENDPOINT_HEX];

static size_t snap(struct rig *r)
{
	size_t written;
	cr_ok(mail_snapshot(endpoint, &written, r->m));
	return written;
}

static struct str snap_ref(struct rig *r)
{
	return arena_fmt(&r->arena, "refs/endpoints/%s/alice", endpoint);
}

static struct store_commit snap_commit(struct rig *r)
{
	struct store_oid head;
	struct store_commit c;
	cr_ok(store_ref_get(&head, r->s, snap_ref(r)));
	cr_ok(store_commit_get(&c, &r->arena, r->s, &head));
	return c;
}

static struct str snap_file(struct rig *r, const char *path)
{
	struct store_commit c = snap_commit(r);
	struct store_entry e;
	struct str text;
	if (store_find(&e, r->s, &c.tree, str_of(path)) < 0)
		return STR_NONE;
	cr_ok(store_blob_all(&text, &r->arena, r->s, &e.oid, 1 << 20));
	return text;
}

static int count_change(void *ctx, const struct store_change *c)
{
	(void)c;
	++*(unsigned *)ctx;
	return 0;
}

/* Files that the last snapshot changed. */
static unsigned changed_files(struct rig *r)
{
	struct store_commit c = snap_commit(r), before;
	unsigned n = 0;
	cr_assert_eq(c.parent_count, 1);
	cr_ok(store_commit_get(&before, &r->arena, r->s, &c.parents[0]));
	cr_ok(store_diff(r->s, &before.tree, &c.tree, STR_NONE, count_change, &n));
	return n;
}

static struct mail_msg message(struct rig *r, const char *box, uint32_t uid)
{
	struct mail_box *b = rig_box(r, box);
	const struct mail_msg *m = mail_box_find(b, uid);
	cr_assert_not_null(m);
	struct mail_msg copy = *m;
	mail_box_close(b);
	return copy;
}

static void expunge(struct rig *r, const char *box, uint32_t uid)
{
	struct mail_box *b = rig_box(r, box);
	rig_flag(r, box, uid, MAIL_FLAG_ADD, MAIL_DELETED);
	cr_ok(mail_expunge(b, &uid, 1));
	mail_box_close(b);
}

MAIL_TEST(snapshot_as_documented)
{
	static char path[100], want[200];
	for (int i = 0; i < 3; i++)
		rig_append(r, "INBOX", MAIL("a"), 0);
	expunge(r, "INBOX", 2);
	cr_expect_eq(snap(r), 1);
	struct mail_msg m = message(r, "INBOX", 3);
	const struct mail_info *inbox = rig_info(r, "INBOX");
	snprintf(path, sizeof(path), "%.*s/%08x/0/0/0/0", STR_ARG(inbox->id), m.lane);
	cr_expect_str(snap_file(r, path), STR("00000001 1\n00000003 3\n"));
	struct mail_box *b = rig_box(r, "INBOX");
	struct mail_box_state st;
	mail_box_state(&st, b);
	mail_box_close(b);
	snprintf(want, sizeof(want), "uidvalidity %u\nuidnext 4\nmessages ", st.uidvalidity);
	snprintf(path, sizeof(path), "%.*s/box", STR_ARG(inbox->id));
	cr_expect(str_starts(snap_file(r, path), str_of(want)));
	cr_expect(str_starts(snap_file(r, "account"), STR("branch ")));
	cr_expect_str(snap_commit(r).author_email, STR("allod@example.org"));
}

MAIL_TEST(snapshot_costs_what_changed)
{
	static struct mail_item items[MAIL_APPEND_ITEMS_MAX];
	static uint32_t uids[MAIL_APPEND_ITEMS_MAX];
	uint32_t validity;
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		items[i] = (struct mail_item){ .blob = rig_blob(r, MAIL("same")) };
	for (int i = 0; i < 200; i++) /* more leaves than one commit takes */
		cr_ok(mail_append(uids, &validity, r->a, i % 2 ? STR("INBOX") : STR("Archive"),
			items, ARRAY_LEN(items), (struct mail_why){ STR("test") }));
	cr_expect_eq(snap(r), 1);
	struct store_oid first = snap_commit(r).id;
	cr_expect_eq(snap_commit(r).parent_count, 1); /* several commits */
	cr_expect_eq(snap(r), 0);                     /* nothing happened */
	rig_flag(r, "INBOX", 100, MAIL_FLAG_ADD, MAIL_SEEN);
	cr_expect_eq(snap(r), 0); /* nothing of UIDs */
	struct store_oid same = snap_commit(r).id;
	cr_expect(store_oid_eq(&first, &same));
	rig_append(r, "INBOX", MAIL("new"), 0);
	cr_expect_eq(snap(r), 1);
	cr_expect_eq(changed_files(r), 3, "%u", changed_files(r)); /* leaf, box, account */
	expunge(r, "Archive", 5000);
	cr_expect_eq(snap(r), 1);
	cr_expect_eq(changed_files(r), 3);
	cr_ok(mail_delete(r->a, STR("Archive")));
	cr_expect_eq(snap(r), 1);
	cr_expect_gt(changed_files(r), 40);
	rig_verify(r);
}

/* The trees of the last time are swept, or the snapshot is another's work: all is written anew. */
MAIL_TEST(snapshot_without_the_last)
{
	static char path[100];
	struct store_why why = { STR("t"), STR("t@t"), STR("test"), 0 };
	struct store_edit *e;
	rig_append(r, "INBOX", MAIL("a"), 0);
	rig_append(r, "INBOX", MAIL("b"), 0);
	cr_expect_eq(snap(r), 1);
	struct mail_msg m = message(r, "INBOX", 1);
	const struct mail_info *inbox = rig_info(r, "INBOX");
	cr_ok(store_edit_begin(&e, r->s, snap_ref(r), OS_FOREVER));
	snprintf(path, sizeof(path), "%.*s/box", STR_ARG(inbox->id));
	struct str was = snap_file(r, path);
	cr_ok(store_edit_put_bytes(e, str_of(path),
		arena_fmt(&r->arena, "%.*smessages 1111111111111111111111111111111111111111\n",
			(int)str_find(was, STR("messages")), was.p)));
	snprintf(path, sizeof(path), "%.*s/%08x/0/0/0/0", STR_ARG(inbox->id), m.lane);
	cr_ok(store_edit_put_bytes(e, str_of(path), STR("rubbish")));
	cr_ok(store_edit_commit(NULL, e, &why));
	rig_append(r, "INBOX", MAIL("c"), 0);
	cr_expect_eq(snap(r), 1);
	cr_expect_str(snap_file(r, path), STR("00000001 1\n00000002 2\n00000003 3\n"));
}

/* ---- another machine ---- */
static int del_local(void *ctx, struct str key, struct str value)
{
	(void)value;
	return store_edit_local_del(ctx, key);
}

/* As if the branches had come to an empty machine: no numbers, no rows, only the snapshot's name. */
static void move_house(struct rig *r)
{
	static const char *const tables[] = { "ma:", "ml:", "mn:", "mb:", "mu:", "endpoint" };
	struct store_commit c = snap_commit(r);
	struct store_why why = { STR("t"), STR("t@t"), STR("test"), 0 };
	struct store_edit *e;
	cr_ok(store_edit_begin(&e, r->s, STR("refs/heads/estate"), OS_FOREVER));
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		cr_ok(store_local_scan(r->s, str_of(tables[i]), STR_NONE, del_local, e));
	cr_ok(store_edit_local_put(
		e, STR("recover/refs/heads/alice"), str_n(c.id.b, sizeof(c.id.b))));
	cr_ok(store_edit_commit(NULL, e, &why));
	rig_rebuild(r);
}

MAIL_TEST(takeover_keeps_what_was_told)
{
	uint32_t a = rig_append(r, "INBOX", MAIL("a"), MAIL_SEEN);
	uint32_t gone = rig_append(r, "INBOX", MAIL("gone"), 0);
	uint32_t c = rig_append(r, "INBOX", MAIL("c"), 0);
	cr_ok(mail_create(r->a, STR("Work/2026"), MAIL_USE_NONE));
	rig_append(r, "Work/2026", MAIL("w"), MAIL_FLAGGED);
	expunge(r, "INBOX", gone);
	cr_expect_eq(snap(r), 1);
	/* after the snapshot, before the machine was lost */
	uint32_t late = rig_append(r, "INBOX", MAIL("late"), 0);
	expunge(r, "INBOX", a);
	cr_ok(mail_create(r->a, STR("Late"), MAIL_USE_NONE));
	rig_append(r, "Late", MAIL("l"), 0);
	struct mail_box_state before, after, other;
	struct mail_box *b = rig_box(r, "INBOX");
	mail_box_state(&before, b);
	mail_box_close(b);
	struct mail_msg was = message(r, "INBOX", c), was_late = message(r, "INBOX", late);

	move_house(r);
	b = rig_box(r, "INBOX");
	mail_box_state(&after, b);
	cr_expect_eq(after.uidvalidity, before.uidvalidity);
	cr_expect_eq(after.uidnext, late + GAP + 1); /* the late one took the first */
	cr_expect_gt(after.highest_modseq, before.highest_modseq);
	cr_expect_eq(mail_box_count(b), 2);
	const struct mail_msg *m = mail_box_find(b, c);
	cr_assert_not_null(m);
	cr_expect(m->lane == was.lane && m->seq == was.seq && store_oid_eq(&m->blob, &was.blob));
	cr_expect_gt(m->modseq, before.highest_modseq);
	m = mail_box_find(b, late + GAP);
	cr_assert_not_null(m);
	cr_expect(m->lane == was_late.lane && m->seq == was_late.seq);
	mail_box_close(b);
	b = rig_box(r, "Work/2026");
	cr_expect_eq(mail_box_find(b, 1)->flags, MAIL_FLAGGED);
	mail_box_close(b);
	/* A mailbox the snapshot did not know has a UIDVALIDITY of its own, above all others. */
	b = rig_box(r, "Late");
	mail_box_state(&other, b);
	mail_box_close(b);
	cr_expect_gt(other.uidvalidity, after.uidvalidity);
	rig_verify(r);
	/* New mail goes to a new lane, and the new endpoint writes a branch of its own. */
	uint32_t fresh = rig_append(r, "INBOX", MAIL("fresh"), 0);
	cr_expect_eq(fresh, late + GAP + 1);
	cr_expect_neq(message(r, "INBOX", fresh).lane, was.lane);
	char old[MAIL_ENDPOINT_HEX];
	memcpy(old, endpoint, sizeof(old));
	cr_expect_eq(snap(r), 1);
	cr_expect_str_neq(endpoint, old);
	/* Once more, and nothing is asked of the first snapshot again. */
	move_house(r);
	cr_expect_eq(message(r, "INBOX", fresh).seq, 1);
	b = rig_box(r, "INBOX");
	cr_expect_eq(mail_box_count(b), 3);
	cr_expect_not_null(mail_box_find(b, c));
	mail_box_close(b);
	rig_verify(r);
}

MAIL_TEST(takeover_is_done_once)
{
	struct mail_box_state before, after;
	struct str record;
	rig_append(r, "Archive", MAIL("a"), 0);
	cr_expect_eq(snap(r), 1);
	move_house(r);
	struct mail_box *b = rig_box(r, "Archive");
	mail_box_state(&before, b);
	mail_box_close(b);
	struct store_oid head;
	cr_ok(store_ref_get(&head, r->s, STR("refs/heads/alice")));
	cr_ok(mail_delete(r->a, STR("Archive")));
	cr_expect_eq(store_local_get(&record, &r->arena, r->s, STR("recover/refs/heads/alice")),
		ERR_NOENT);
	/* The same mailbox comes back, as a restore would bring it: its numbers are new. */
	struct store_commit c;
	struct store_entry dir;
	struct store_edit *e;
	struct store_why why = { STR("t"), STR("t@t"), STR("test"), 0 };
	cr_ok(store_commit_get(&c, &r->arena, r->s, &head));
	cr_ok(store_find(&dir, r->s, &c.tree, STR("Archive")));
	cr_ok(store_edit_begin(&e, r->s, STR("refs/heads/alice"), OS_FOREVER));
	cr_ok(store_edit_put(e, STR("Archive"), &dir.oid, STORE_TREE));
	cr_ok(store_edit_commit(NULL, e, &why));
	b = rig_box(r, "Archive");
	mail_box_state(&after, b);
	cr_expect_gt(after.uidvalidity, before.uidvalidity);
	cr_expect_eq(after.uidnext, 2);
	mail_box_close(b);
	rig_verify(r);
}

Test(mailbox, snapshot_text)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = { { "uidvalidity 7\nuidnext 8\n", true },
		{ "uidnext 8\nother x\nuidvalidity 7", true }, { "", false },
		{ "uidvalidity 7\n", false }, { "uidvalidity 0\nuidnext 8\n", false },
		{ "uidvalidity 7\nuidnext 0\n", false }, { "uidvalidity x\nuidnext 8\n", false },
		{ "uidvalidity 4294967296\nuidnext 8\n", false },
		{ "uidvalidity 7\nuidnext 8\nmessages 12\n", false } };
	static const struct {
		const char *text;
		uint32_t uid; /* of 000000a0; 0: none */
	} leaves[] = { { "000000a0 12\n", 12 }, { "000000a1 12\n", 0 }, { "000000a0 0\n", 0 },
		{ "000000a0\n", 0 }, { "x\n000000a0 4294967295", UINT32_MAX },
		{ "000000a0 4294967296\n", 0 }, { "", 0 } };
	struct mail_snap_box box;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(mail_snap_box_parse(&box, str_of(rows[i].text)), rows[i].good, "%s",
			rows[i].text);
	for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
		uint32_t uid = 0;
		bool found = mail_snap_find(&uid, str_of(leaves[i].text), 0xa0);
		cr_expect_eq(found, leaves[i].uid != 0, "%s", leaves[i].text);
		if (found)
			cr_expect_eq(uid, leaves[i].uid);
	}
}
