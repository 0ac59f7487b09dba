/* SPDX-License-Identifier: ISC */
/* Mailboxes made, deleted, renamed and subscribed to. */
#include "tests/mail/mailbox_rig.h"

#define MAIL(subject) STR("Subject: " subject "\r\n\r\n")

static struct mail_box_state state(struct rig *r, const char *name)
{
	struct mail_box_state st;
	cr_ok(mail_status(&st, &r->arena, r->a, str_of(name)));
	return st;
}

MAIL_TEST(create)
{
	static const struct {
		const char *name;
		int err;
	} rows[] = {
		{ "Work", 0 },
		{ "Work", ERR_EXIST },
		{ "Work/2024/May", 0 },
		{ "Work/2024", ERR_EXIST },
		{ "inbox", ERR_EXIST },
		{ "INBOX/Lists/", 0 },
		{ "a//b", ERR_BAD },
		{ "\xff", ERR_BAD },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(mail_create(r->a, str_of(rows[i].name), MAIL_USE_NONE), rows[i].err,
			"%s", rows[i].name);
	cr_ok(mail_create(r->a, STR("Spam"), MAIL_USE_JUNK));
	cr_expect_eq(rig_info(r, "Spam")->use, MAIL_USE_JUNK);
	cr_expect(!rig_info(r, "Spam")->subscribed);
	cr_expect(rig_info(r, "Work/2024")->exists && rig_info(r, "Work/2024")->has_children);
	cr_expect(rig_info(r, "INBOX")->has_children);
	rig_append(r, "Work/2024/May", MAIL("x"), 0);
	struct str before = rig_dump(r);
	rig_reopen(r);
	cr_expect_str(rig_dump(r), before);
}

MAIL_TEST(odd_names)
{
	static const struct {
		const char *name, *file;
	} rows[] = {
		{ ".git", "%2Egit/.mailbox" },
		{ ".git/hooks", "%2Egit/hooks/.mailbox" },
		{ "..", "%2E%2E/.mailbox" },
		{ "a/.m", "a/%2Em/.mailbox" },
		{ "50% off?", "50%25 off%3F/.mailbox" },
		{ "tab\there", "tab%09here/.mailbox" },
		{ "dot.", "dot%2E/.mailbox" },
		{ "gitmod~1", "gitmod%7E1/.mailbox" },
		{ "\xe6\x97\xa5\xe6\x9c\xac/\xe8\xaa\x9e",
			"\xe6\x97\xa5\xe6\x9c\xac/\xe8\xaa\x9e/.mailbox" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_ok(mail_create(r->a, str_of(rows[i].name), MAIL_USE_NONE));
		cr_expect_not_null(rig_file(r, rows[i].file).p, "%s", rows[i].file);
		cr_expect_eq(rig_append(r, rows[i].name, MAIL("x"), 0), 1);
		cr_assert_not_null(rig_info(r, rows[i].name), "%s", rows[i].name);
	}
	rig_reopen(r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(rig_append(r, rows[i].name, MAIL("x"), 0), 2);
}

MAIL_TEST(names_that_differ_by_case)
{
	struct mail_info *list;
	size_t n, found = 0;
	cr_ok(mail_create(r->a, STR("work"), MAIL_USE_NONE));
	cr_ok(mail_create(r->a, STR("Work"), MAIL_USE_NONE));
	cr_ok(mail_create(r->a, STR("WORK/\xc3\x84"), MAIL_USE_NONE));
	cr_ok(mail_create(r->a, STR("WORK/\xc3\xa4"), MAIL_USE_NONE));
	cr_expect_eq(mail_create(r->a, STR("Work"), MAIL_USE_NONE), ERR_EXIST);
	rig_append(r, "Work", MAIL("x"), 0);
	cr_ok(mail_delete(r->a, STR("work")));
	cr_expect_eq(state(r, "Work").count, 1);
	cr_expect_eq(mail_create(r->a, STR("Work"), MAIL_USE_NONE), ERR_EXIST);
	cr_ok(mail_create(r->a, STR("work"), MAIL_USE_NONE));
	cr_expect_eq(state(r, "work").count, 0);
	cr_ok(mail_list(&list, &n, &r->arena, r->a));
	for (size_t i = 0; i < n; i++)
		found += str_istarts(list[i].name, STR("work"));
	cr_expect_eq(found, 5);
	/* A mailbox does not clash with itself. */
	cr_ok(mail_rename(r->a, STR("Trash"), STR("trash")));
	cr_expect_not_null(rig_file(r, "trash/.mailbox").p);
}

MAIL_TEST(delete)
{
	cr_expect_eq(mail_delete(r->a, STR("INBOX")), ERR_DENIED);
	cr_expect_eq(mail_delete(r->a, STR("Nope")), ERR_NOENT);
	cr_ok(mail_create(r->a, STR("A/B"), MAIL_USE_NONE));
	rig_append(r, "A", MAIL("x"), 0);
	struct mail_box_state before = state(r, "A");
	struct mail_box *b = rig_box(r, "A");
	cr_ok(mail_delete(r->a, STR("A")));
	cr_expect(mail_box_gone(b));
	struct mail_flag_change c = { .flags = MAIL_SEEN };
	uint32_t uid = 1;
	cr_expect_eq(mail_flags(b, &uid, 1, MAIL_FLAG_ADD, &c, 0, NULL, NULL), ERR_NOENT);
	mail_box_close(b);
	cr_assert_not_null(rig_info(r, "A"));
	cr_expect(!rig_info(r, "A")->exists && rig_info(r, "A")->has_children);
	cr_expect_eq(mail_box_open(&b, r->a, STR("A")), ERR_NOENT);
	cr_ok(mail_create(r->a, STR("A"), MAIL_USE_NONE));
	struct mail_box_state after = state(r, "A");
	cr_expect_gt(after.uidvalidity, before.uidvalidity);
	cr_expect_eq(after.count, 0);
	cr_ok(mail_delete(r->a, STR("A")));
	cr_ok(mail_delete(r->a, STR("A/B")));
	cr_expect_null(rig_info(r, "A"));
	/* Deleted and made again in one second, many times: UIDVALIDITY rises. */
	for (int i = 0; i < 5; i++) {
		uint32_t last = after.uidvalidity;
		cr_ok(mail_create(r->a, STR("A"), MAIL_USE_NONE));
		after = state(r, "A");
		cr_expect_gt(after.uidvalidity, last);
		cr_ok(mail_delete(r->a, STR("A")));
	}
	rig_verify(r);
}

MAIL_TEST(subscriptions)
{
	cr_ok(mail_create(r->a, STR("A/B"), MAIL_USE_NONE));
	cr_ok(mail_subscribe(r->a, STR("A"), true));
	cr_ok(mail_subscribe(r->a, STR("A"), true));
	cr_expect(rig_info(r, "A")->subscribed);
	cr_ok(mail_delete(r->a, STR("A/B")));
	cr_ok(mail_delete(r->a, STR("A")));
	cr_assert_not_null(rig_info(r, "A"), "the subscription stays");
	cr_expect(!rig_info(r, "A")->exists && rig_info(r, "A")->subscribed);
	cr_ok(mail_create(r->a, STR("A"), MAIL_USE_NONE));
	cr_expect(rig_info(r, "A")->exists && rig_info(r, "A")->subscribed);
	cr_ok(mail_delete(r->a, STR("A")));
	cr_ok(mail_subscribe(r->a, STR("A"), false));
	cr_expect_null(rig_info(r, "A"));
	cr_expect_eq(mail_subscribe(r->a, STR("A"), true), ERR_NOENT);
	cr_expect_eq(mail_subscribe(r->a, STR("A"), false), ERR_NOENT);
}

MAIL_TEST(rename_keeps_numbers)
{
	cr_ok(mail_create(r->a, STR("A/B/C"), MAIL_USE_NONE));
	rig_append(r, "A", MAIL("x"), 0);
	rig_append(r, "A/B/C", MAIL("y"), MAIL_SEEN);
	rig_flag(r, "A/B/C", 1, MAIL_FLAG_ADD, MAIL_FLAGGED);
	struct mail_box_state a = state(r, "A"), c = state(r, "A/B/C"), st;
	struct mail_box *b = rig_box(r, "A");
	cr_expect_eq(mail_rename(r->a, STR("A"), STR("A/X")), ERR_BAD);
	cr_expect_eq(mail_rename(r->a, STR("A"), STR("Sent")), ERR_EXIST);
	cr_expect_eq(mail_rename(r->a, STR("A"), STR("A")), ERR_EXIST);
	cr_expect_eq(mail_rename(r->a, STR("Nope"), STR("Z")), ERR_NOENT);
	cr_ok(mail_rename(r->a, STR("A"), STR("Deep/er/Z")));
	cr_expect(mail_box_gone(b));
	mail_box_close(b);
	cr_expect_null(rig_info(r, "A"));
	cr_expect_null(rig_info(r, "A/B/C"));
	st = state(r, "Deep/er/Z");
	cr_expect(st.uidvalidity == a.uidvalidity && st.uidnext == a.uidnext && st.count == 1 &&
		st.highest_modseq == a.highest_modseq && str_eq(st.id, a.id));
	st = state(r, "Deep/er/Z/B/C");
	cr_expect(st.uidvalidity == c.uidvalidity && st.count == 1 && st.unseen == 0 &&
		st.highest_modseq == c.highest_modseq && str_eq(st.id, c.id));
	cr_expect_eq(rig_append(r, "Deep/er/Z", MAIL("z"), 0), 2);
	struct str file = rig_file(r, "Deep/er/Z/.mailbox");
	cr_expect_geq(str_find(file, STR("\nname Z\n")), 0);
	/* Onto what is only a parent. */
	cr_ok(mail_delete(r->a, STR("Deep/er")));
	cr_ok(mail_rename(r->a, STR("Trash"), STR("Deep/er")));
	cr_expect(rig_info(r, "Deep/er")->exists && rig_info(r, "Deep/er/Z")->exists);
	rig_verify(r);
	struct str before = rig_dump(r);
	rig_rebuild(r);
	cr_expect_str(rig_dump(r), before);
}

MAIL_TEST(rename_inbox)
{
	cr_ok(mail_create(r->a, STR("INBOX/child"), MAIL_USE_NONE));
	for (int i = 0; i < 20; i++)
		rig_append(r, "INBOX", MAIL("x"), i & 1 ? MAIL_SEEN : 0);
	struct mail_box *b = rig_box(r, "INBOX");
	struct mail_box_state before, after;
	mail_box_state(&before, b);
	cr_ok(mail_rename(r->a, STR("inbox"), STR("Old")));
	cr_expect(!mail_box_gone(b));
	mail_box_state(&after, b);
	cr_expect(after.count == 0 && mail_box_count(b) == 0 && after.uidnext == before.uidnext &&
		after.uidvalidity == before.uidvalidity);
	mail_box_close(b);
	after = state(r, "Old");
	cr_expect(after.count == 20 && after.unseen == 10 && after.uidnext == 21 &&
		!str_eq(after.id, before.id));
	cr_expect_not_null(rig_info(r, "INBOX/child"));
	cr_expect_eq(rig_append(r, "INBOX", MAIL("y"), 0), 21);
	cr_ok(mail_rename(r->a, STR("INBOX"), STR("INBOX/older")));
	cr_ok(mail_rename(r->a, STR("INBOX"), STR("empty")));
	cr_expect_eq(state(r, "INBOX/older").count, 1);
	cr_expect_eq(state(r, "empty").count, 0);
	rig_verify(r);
}
