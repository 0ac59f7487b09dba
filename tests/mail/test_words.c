/* SPDX-License-Identifier: ISC */
/* A mailbox's history in words where branches came together. */
#include "services/mail/words.h"
#include "tests/mail/mailbox_rig.h"

struct told {
	struct buf text;
	size_t left;
	struct control_walk w;
	struct rig *r;
};

static int take(void *ctx, const struct store_commit *c, struct str path)
{
	struct told *t = ctx;
	if (t->left-- == 0) {
		t->w.more = true;
		t->w.next_path = arena_dup(&t->r->arena, path);
		return ERR_CLOSED;
	}
	buf_fmt(&t->text, "%.*s: %.*s\n", STR_ARG(path), STR_ARG(str_trim(c->message)));
	return 0;
}

/* All of it, in pages of so many commits. */
static struct str log_of(struct rig *r, const struct store_oid *tip, struct str path, size_t page)
{
	struct control_words words;
	struct told t = { .r = r };
	struct store_lines from = { .open = { *tip }, .n = 1 };
	bool more = true;
	mail_words(&words, r->m);
	buf_init(&t.text, &r->arena);
	for (bool on = false; more; on = true) {
		t.left = page;
		t.w = (struct control_walk){ .ref = STR("refs/heads/alice"),
			.path = path,
			.from = from,
			.scan_max = 1000,
			.goes_on = on,
			.fn = take,
			.ctx = &t };
		cr_ok(words.log(words.ctx, &r->arena, &t.w));
		more = t.w.more;
		from = t.w.next;
		path = t.w.next_path;
	}
	return buf_str(&t.text);
}

/* Breaks when a line that goes on is looked for by the name the mailbox has on another one. */
MAIL_TEST(log_goes_on_under_both_names)
{
	struct store_why why = { STR("t"), STR("t@example.org"), STR("t"), 0 };
	struct str r2 = STR("refs/heads/r2"), alice = STR("refs/heads/alice");
	struct mail_account *mine = r->a, *other;
	struct store_ref_move move = { .ref = r2 };
	struct store_oid head;
	enum store_merged how;
	cr_ok(mail_create(mine, STR("old"), MAIL_USE_NONE));
	rig_append(r, "old", STR("Subject: 1\r\n\r\nx\r\n"), 0);
	cr_ok(store_ref_get(&head, r->s, alice));
	move.to = &head;
	cr_ok(store_ref_update(r->s, &move, 1, &why, OS_FOREVER));
	cr_ok(mail_account_open(&other, r->m, STR("r2")));
	for (int64_t then = os_wall_sec(); os_wall_sec() == then;) /* parted by date as well */
		os_sleep(os_after(50 * OS_MS));
	cr_ok(mail_rename(mine, STR("old"), STR("new")));
	rig_append(r, "new", STR("Subject: 2\r\n\r\nx\r\n"), 0);
	r->a = other;
	rig_append(r, "old", STR("Subject: 3\r\n\r\nx\r\n"), 0);
	r->a = mine;
	cr_ok(store_ref_get(&head, r->s, r2));
	cr_ok(store_merge(&how, NULL, r->s, alice, &head, OS_FOREVER));
	cr_assert_eq(how, STORE_MERGED_COMMIT);
	cr_ok(store_ref_get(&head, r->s, alice));
	struct str whole = log_of(r, &head, STR("new"), 1000);
	size_t lines = 0;
	for (size_t i = 0; i < whole.n; i++)
		lines += whole.p[i] == '\n';
	cr_expect_eq(lines, 6, "a merge, three messages, made, renamed: %.*s", STR_ARG(whole));
	for (size_t page = 1; page < 6; page++)
		cr_expect_str(log_of(r, &head, STR("new"), page), whole);
	mail_account_close(other);
}
