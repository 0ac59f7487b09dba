/* SPDX-License-Identifier: ISC */
/* What a device may push, by the rules of docs/mail-layout.md. */
#include "services/mail/push_impl.h"
#include "tests/mail/mailbox_rig.h"

#define HEAD   STR("refs/heads/alice")
#define LAPTOP STR("refs/devices/laptop/alice")
#define MINE   "0/0/0/0/0/0" /* folders of the messages 1 to f */

/*
 * One file of a push: '$' is the server's lane, '@' what the file held before; text NULL: it goes.
 */
struct file {
	const char *path, *text;
};
#define FILES 6

static struct str server_lane;

static struct str fill(struct rig *r, const char *text, char what, struct str with)
{
	struct buf b;

	buf_init(&b, &r->arena);
	for (; *text; text++)
		if (*text == what)
			buf_add(&b, with);
		else
			buf_addc(&b, *text);
	cr_assert_eq(b.err, 0);
	return b.p ? buf_str(&b) : STR("");
}

static void change(struct rig *r, struct store_edit *e, const struct file *f)
{
	struct str path = fill(r, f->path, '$', server_lane), old = STR(""), text;
	int err;

	if (!f->text) {
		cr_ok(store_edit_del(e, path));
		return;
	}
	err = store_edit_bytes(&old, &r->arena, e, path, 65536);
	cr_assert(err == 0 || err == ERR_NOENT);
	text = fill(r, f->text, '$', server_lane);
	cr_ok(store_edit_put_bytes(e, path, fill(r, text.p, '@', old)));
}

/* A commit of `device` with these changes on the branch as it is; what the check says. */
static int push(struct rig *r, const char *device, const struct file *files, struct store_oid *tip)
{
	static const struct store_why why = { STR("t"), STR("t@t"), STR("push"), 1700000000 };
	struct str ref = arena_fmt(&r->arena, "refs/devices/%s/alice", device);
	struct git_push p = { STR("alice"), str_of(device), tip };
	struct store_oid head;
	struct store_edit *e;
	int err;

	cr_ok(store_ref_get(&head, r->s, HEAD));
	cr_ok(store_ref_update(
		r->s, &(struct store_ref_move){ ref, NULL, &head }, 1, &why, OS_FOREVER));
	cr_ok(store_edit_begin(&e, r->s, ref, OS_FOREVER));
	for (size_t i = 0; i < FILES && files[i].path; i++)
		change(r, e, &files[i]);
	cr_ok(store_edit_commit(tip, e, &why));
	err = mail_push_check(r->m, &p);
	cr_ok(store_ref_update(
		r->s, &(struct store_ref_move){ ref, tip, NULL }, 1, &why, OS_FOREVER));
	return err;
}

static void find_server_lane(struct rig *r)
{
	struct str lanes = rig_file(r, ".lanes");
	cr_assert_eq(lanes.n, 18);
	server_lane = arena_dup(&r->arena, str_sub(lanes, 0, 8));
	cr_assert(str_cmp(server_lane, STR("00000002")) > 0);
}

#define ADDED \
	{ "INBOX/.m/00000001/" MINE "/00000001", "new\r\n" }, \
		{ "INBOX/.f/00000001/" MINE, "00000001 1 2 -\n" }
#define MARKED  { ".lanes", "00000001 00000001\n@" }
#define THEIR_1 "INBOX/.m/$/" MINE "/00000001"
#define THEIRS  "INBOX/.f/$/" MINE

static const struct {
	struct file files[FILES];
	const char *said; /* NULL: fine */
} rows[] = {
	{ { ADDED, MARKED }, NULL },
	{ { ADDED }, "above the mark" },
	{ { { "INBOX/.m/00000001/" MINE "/00000001", "new\r\n" }, MARKED }, "lacks the line" },
	{ { { "INBOX/.f/00000001/" MINE, "00000001 1 2 -\n" }, MARKED }, "without its message" },
	{ { ADDED, { "INBOX/.f/00000001/" MINE, "00000001 1 2 -\n\n" }, MARKED },
		"mail-layout.md" },
	{ { ADDED, { "INBOX/.f/00000001/" MINE, "00000001 1 2 -" }, MARKED }, "mail-layout.md" },
	{ { ADDED, { "INBOX/.f/00000001/" MINE, "00000001 1 2 S b a\n" }, MARKED }, "keywords" },
	{ { ADDED, { "INBOX/.f/00000001/" MINE, "00000001 1 2 S a b\n" }, MARKED }, NULL },
	{ { { ".lanes", "00000001 00000009\n@" } }, NULL },
	{ { { ".lanes", "@00000001 00000009\n" } }, "out of order" },
	{ { { ".lanes", "00000001 9\n@" } }, "no line of it" },
	{ { { ".lanes", "00000001 00000009\n@x" } }, "no line of it" },
	{ { { ".lanes", "00000001 00000009\n" } }, "went down" },
	{ { { ".lanes", NULL } }, "went down" },
	{ { { "INBOX/.m/$/" MINE "/00000004", "x" }, { THEIRS, "@00000004 1 2 -\n" } },
		"above the mark" },
	{ { { "INBOX/.m/$/" MINE "/00000004", "x" }, { THEIRS, "@00000004 1 2 -\n" },
		  { ".lanes", "$ 00000004\n" } },
		"not this device's" },
	{ { { THEIR_1, "@." } }, "was changed" },
	{ { { THEIR_1, NULL } }, "without its message" },
	{ { { THEIRS, NULL } }, "lacks the line" },
	{ { { "Drafts/.m/$/" MINE "/00000001", "first" },
		  { "Drafts/.f/$/" MINE, "00000001 1 2 -\n" } },
		"stands elsewhere" },
	{ { { "notes", "x" } }, "no part of a mailbox" },
	{ { { "INBOX/notes", "x" } }, "no part of a mailbox" },
	{ { { "INBOX/.m/notes", "x" } }, "no part of a mailbox" },
	{ { { "INBOX/.m/$/0/0/0/00000001", "x" } }, "no part of a mailbox" },
	{ { { ".m/00000001/" MINE "/00000001", "x" } }, "no part of a mailbox" },
	{ { { "INBOX/.x", "x" } }, "no part of a mailbox" },
	{ { { ".gitattributes", "@" } }, NULL },
	{ { { ".gitattributes", "@\n" } }, "-text" },
	{ { { ".gitattributes", NULL } }, "must stay" },
	{ { { "INBOX/.mailbox", NULL } }, "INBOX must stay" },
	{ { { "Drafts/.mailbox", NULL } }, NULL },
	{ { { "Work/.mailbox",
		  "id 0123456789abcdef\nname Work\nuse none\nsubscribed yes\ncreated 1\n" } },
		NULL },
	{ { { "Work/.mailbox", "id 0123456789abcdef\nname Other\n" } }, "does not name" },
	{ { { "Wo%72k/.mailbox", "id 0123456789abcdef\nname Work\n" } }, "is written" },
	{ { { "inbox/.mailbox", "id 0123456789abcdef\nname inbox\n" } }, "no mailbox's name" },
	{ { { "Work/.mailbox", "id 0123456789abcdef\nname Work\n" },
		  { "Play/.mailbox", "id 0123456789abcdef\nname Play\n" } },
		"same id" },
	{ { { "Work/.mailbox", "name Work\nsubscribed yes\n" },
		  { "Work/.m/00000001/" MINE "/00000001", "new" },
		  { "Work/.f/00000001/" MINE, "00000001 1 2 -\n" }, MARKED },
		".mailbox with an id" },
};

MAIL_TEST(push_rules)
{
	struct store_oid tip;

	rig_append(r, "INBOX", STR("first"), 0);
	rig_append(r, "INBOX", STR("second"), MAIL_SEEN);
	find_server_lane(r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str before = rig_dump(r);
		int err = push(r, "laptop", rows[i].files, &tip);
		cr_expect((err < 0) == (rows[i].said != NULL), "row %zu: %s", i, err_text(err));
		if (err < 0 && rows[i].said)
			cr_expect(strstr(err_text(err), rows[i].said), "row %zu: %s", i,
				err_text(err));
		cr_expect_str(rig_dump(r), before);
	}
	rig_verify(r);
}

static void merge(struct rig *r, const struct store_oid *tip)
{
	enum store_merged how;
	cr_ok(store_merge(&how, NULL, r->s, HEAD, tip, OS_FOREVER));
}

#define EXPECT_REFUSED(device, words, ...) \
	do { \
		static const struct file files_[FILES] = { __VA_ARGS__ }; \
		int err_ = push(r, device, files_, &tip); \
		cr_expect( \
			err_ < 0 && strstr(err_text(err_), words), "%d %s", err_, err_text(err_)); \
	} while (0)
#define EXPECT_TAKEN(device, ...) \
	do { \
		static const struct file files_[FILES] = { __VA_ARGS__ }; \
		cr_ok(push(r, device, files_, &tip)); \
		merge(r, &tip); \
	} while (0)

MAIL_TEST(push_lanes_belong_to_devices)
{
	struct mail_box_state state;
	struct store_oid tip;

	rig_append(r, "INBOX", STR("first"), 0);
	find_server_lane(r);
	EXPECT_TAKEN("laptop", ADDED, MARKED);
	cr_ok(mail_status(&state, &r->arena, r->a, STR("INBOX")));
	cr_expect_eq(state.count, 2);
	/* the same lane from another device; the server's lane from any */
	EXPECT_REFUSED("phone", "belongs to device laptop",
		{ "INBOX/.m/00000001/" MINE "/00000002", "two" },
		{ "INBOX/.f/00000001/" MINE, "@00000002 1 2 -\n" },
		{ ".lanes", "00000001 00000002\n$ 00000001\n" });
	EXPECT_REFUSED("phone", "went down", { ".lanes", "00000001 00000002\n" });
	/* numbers are never used twice, also not after the message went */
	EXPECT_TAKEN("laptop", { "INBOX/.m/00000001/" MINE "/00000001", NULL },
		{ "INBOX/.f/00000001/" MINE, NULL });
	EXPECT_REFUSED("laptop", "used before", ADDED);
	/* anybody may move, flag and expunge */
	EXPECT_TAKEN("phone", { THEIR_1, NULL }, { THEIRS, NULL },
		{ "Drafts/.m/$/" MINE "/00000001", "first" },
		{ "Drafts/.f/$/" MINE, "00000001 1 2 FS x\n" });
	cr_ok(mail_status(&state, &r->arena, r->a, STR("Drafts")));
	cr_expect_eq(state.count, 1);
	EXPECT_REFUSED("phone", "dates", { "Drafts/.f/$/" MINE, "00000001 3 2 FS x\n" });
	EXPECT_REFUSED("phone", "was changed", { "Drafts/.m/$/" MINE "/00000001", NULL },
		{ "Drafts/.f/$/" MINE, NULL }, { "INBOX/.m/$/" MINE "/00000001", "other" },
		{ "INBOX/.f/$/" MINE, "00000001 1 2 -\n" });
	rig_verify(r);
}

MAIL_TEST(push_without_a_common_history)
{
	static const struct store_why why = { STR("t"), STR("t@t"), STR("root"), 1700000000 };
	struct git_push p = { STR("alice"), STR("laptop"), NULL };
	struct store_oid tip;
	struct store_edit *e;

	rig_append(r, "INBOX", STR("first"), 0);
	cr_ok(store_edit_begin(&e, r->s, LAPTOP, OS_FOREVER));
	cr_ok(store_edit_put_bytes(e, STR(".gitattributes"), STR("* -text\n")));
	cr_ok(store_edit_commit(&tip, e, &why));
	p.tip = &tip;
	cr_expect_eq(mail_push_check(r->m, &p), ERR_BAD);
	cr_expect(strstr(err_text(ERR_BAD), "begin from a clone"), "%s", err_text(ERR_BAD));
	/* somebody who has no mail yet may begin with a push */
	p.user = STR("carol");
	cr_ok(mail_push_check(r->m, &p));
}
