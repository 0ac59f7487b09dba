/* SPDX-License-Identifier: ISC */
/* CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE NAMESPACE (RFC 3501 6.3, RFC 6154, RFC 2342). */
#include "services/mail/imap_impl.h"

static void answer(struct imap *c, int err, const char *done)
{
	if (err < 0)
		imap_fail(c, err);
	else
		imap_ok(c, "%s", done);
}

/* One mailbox name and no more; false: answered BAD. */
static bool only_name(struct str *name, struct imap *c, struct imap_rd *rd)
{
	imap_sp(rd);
	*name = imap_mailbox(rd);
	imap_end(rd);
	if (rd->why)
		imap_bad_args(c, rd);
	return !rd->why;
}

/* " (USE (\Drafts))", RFC 6154 3. False: an attribute nobody here knows. */
static bool create_use(enum mail_use *use, struct imap_rd *rd)
{
	bool known = true;
	imap_expect(rd, '(');
	if (!imap_try_word(rd, "USE"))
		imap_rd_fail(rd, "USE is the only parameter here");
	imap_sp(rd);
	imap_expect(rd, '(');
	if (imap_peek(rd) != ')')
		known = imap_use_of(use, imap_flag_text(rd)) && imap_peek(rd) == ')';
	if (!known)
		return rd->why != NULL;
	imap_expect(rd, ')');
	imap_expect(rd, ')');
	imap_end(rd);
	return true;
}

void imap_run_create(struct imap *c, struct imap_rd *rd)
{
	enum mail_use use = MAIL_USE_NONE;
	imap_sp(rd);
	struct str name = imap_mailbox(rd);
	if (imap_try(rd, ' ') && !create_use(&use, rd)) {
		imap_no(c,
			"[USEATTR] a mailbox has one use: Archive, Drafts, Flagged, Junk, Sent, "
			"Trash or All");
		return;
	}
	imap_end(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	struct mail_box_state st;
	int err = mail_create(c->acct, name, use);
	if (err < 0)
		imap_fail(c, err);
	else if (mail_status(&st, &c->arena, c->acct, name) < 0) /* gone again */
		imap_ok(c, "created");
	else
		imap_ok(c, "[MAILBOXID (%.*s)] created", STR_ARG(st.id));
}

void imap_run_delete(struct imap *c, struct imap_rd *rd)
{
	struct str name;
	if (!only_name(&name, c, rd))
		return;
	if (str_ieq(name, STR("INBOX"))) {
		imap_no(c, "[CANNOT] INBOX stays");
		return;
	}
	int err = mail_delete(c->acct, name);
	if (err == 0 && c->view.box && mail_box_gone(c->view.box)) {
		imap_view_close(c);
		imap_tree_drop(c);
		c->state = IMAP_AUTH;
	}
	answer(c, err, "deleted");
}

/* The mailbox this session has selected got a new name by its own doing: it stays selected. */
static void follow(struct imap *c, struct str name)
{
	struct mail_box_state was, is;
	struct mail_box *box;
	mail_box_state(&was, c->view.box);
	if (!mail_box_gone(c->view.box) || mail_box_open(&box, c->acct, name) < 0)
		return; /* the next news ends the session with BYE */
	mail_box_state(&is, box);
	if (is.uidvalidity != was.uidvalidity) {
		mail_box_close(box);
		return;
	}
	mail_box_close(c->view.box);
	c->view.box = box;
	c->view.version = ~mail_box_version(box);
}

void imap_run_rename(struct imap *c, struct imap_rd *rd)
{
	struct str selected = STR_NONE;
	imap_sp(rd);
	struct str from = imap_mailbox(rd);
	imap_sp(rd);
	struct str to = imap_mailbox(rd);
	imap_end(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	if (c->view.box)
		selected = arena_dup(&c->arena, mail_box_name(c->view.box));
	int err = mail_rename(c->acct, from, to);
	if (err == 0 && str_starts(selected, from) && !str_ieq(from, STR("INBOX"))) {
		struct str rest = str_sub(selected, from.n, selected.n);
		if (!rest.n || rest.p[0] == '/')
			follow(c, arena_fmt(&c->arena, "%.*s%.*s", STR_ARG(to), STR_ARG(rest)));
	}
	answer(c, err, "renamed");
}

void imap_run_subscribe(struct imap *c, struct imap_rd *rd)
{
	struct str name;
	if (only_name(&name, c, rd))
		answer(c, mail_subscribe(c->acct, name, true), "subscribed");
}

void imap_run_unsubscribe(struct imap *c, struct imap_rd *rd)
{
	struct str name;
	if (only_name(&name, c, rd))
		answer(c, mail_subscribe(c->acct, name, false), "unsubscribed");
}

void imap_run_namespace(struct imap *c, struct imap_rd *rd)
{
	imap_end(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	imap_put(c, STR("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
	imap_ok(c, "done");
}
