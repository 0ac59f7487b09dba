/* SPDX-License-Identifier: ISC */
/* SELECT EXAMINE CHECK CLOSE UNSELECT EXPUNGE (RFC 3501 6.3.1, 6.3.2, 6.4, RFC 3691, RFC 4315). */
#include "services/mail/imap_impl.h"

static void deselect(struct imap *c)
{
	imap_view_close(c);
	imap_tree_drop(c);
	c->state = IMAP_AUTH;
}

static void tell_all(struct imap *c, const struct mail_box_state *st)
{
	const struct imap_view *v = &c->view;
	size_t unseen = 0;
	while (unseen < v->n && v->rows[unseen].told & MAIL_SEEN)
		unseen++;
	imap_put_flag_list(c);
	imap_putf(c, "* %zu EXISTS\r\n* %zu RECENT\r\n", v->n, v->recent);
	if (unseen < v->n)
		imap_putf(c, "* OK [UNSEEN %zu] first unseen\r\n", unseen + 1);
	imap_putf(c, "* OK [UIDVALIDITY %u] UIDs are valid\r\n", st->uidvalidity);
	imap_putf(c, "* OK [UIDNEXT %u] predicted next UID\r\n", st->uidnext);
	imap_put_highest(c, st->highest_modseq);
	imap_putf(c, "* OK [MAILBOXID (%.*s)] is its id\r\n", STR_ARG(st->id));
}

static void select_box(struct imap *c, struct imap_rd *rd, bool readonly)
{
	imap_sp(rd);
	struct str name = imap_mailbox(rd);
	struct imap_resync q = { 0 };
	if (imap_try(rd, ' '))
		imap_resync_parse(&q, c, rd);
	imap_end(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	if (c->state == IMAP_SELECTED)
		imap_put(c, STR("* OK [CLOSED] the other mailbox\r\n"));
	deselect(c);
	struct mail_box *box;
	struct mail_box_state st;
	int err = mail_box_open(&box, c->acct, name);
	if (err == 0) {
		err = imap_view_open(c, box, readonly);
		if (err == 0)
			mail_box_state(&st, box);
	}
	if (err < 0) {
		imap_fail(c, err);
		return;
	}
	c->state = IMAP_SELECTED;
	os_log(OS_INFO, "svc=imap event=select user=%s mailbox=\"%.*s\" messages=%zu%s",
		c->who.user, STR_ARG(str_sub(name, 0, 200)), c->view.n,
		readonly ? " readonly=1" : "");
	c->condstore = c->condstore || q.condstore;
	tell_all(c, &st);
	if (q.qresync)
		imap_resync(c, &q, &st);
	imap_ok(c, readonly ? "[READ-ONLY] selected" : "[READ-WRITE] selected");
}

void imap_run_select(struct imap *c, struct imap_rd *rd)
{
	select_box(c, rd, false);
}

void imap_run_examine(struct imap *c, struct imap_rd *rd)
{
	select_box(c, rd, true);
}

void imap_run_check(struct imap *c, struct imap_rd *rd)
{
	imap_run_noop(c, rd); /* whatever was answered is on stable storage already */
}

void imap_run_close(struct imap *c, struct imap_rd *rd)
{
	imap_end(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	int err = c->view.readonly ? 0 : mail_expunge(c->view.box, NULL, 0);
	if (err < 0) {
		imap_fail(c, err);
		return;
	}
	deselect(c);
	imap_ok(c, "closed");
}

void imap_run_unselect(struct imap *c, struct imap_rd *rd)
{
	imap_end(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	deselect(c);
	imap_ok(c, "unselected");
}

void imap_run_expunge(struct imap *c, struct imap_rd *rd)
{
	struct imap_set set = { 0 };
	uint32_t *uids = NULL;
	size_t n = 0;
	if (c->uid) {
		imap_sp(rd);
		imap_set_parse(&set, rd);
	}
	imap_end(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	if (c->view.readonly) {
		imap_no(c, "[READ-ONLY] the mailbox was opened with EXAMINE");
		return;
	}
	int err = 0;
	if (c->uid && imap_set_ready(c, &set))
		err = imap_set_uids(&uids, &n, c, &set);
	if (err == 0 && (!c->uid || n))
		err = mail_expunge(c->view.box, uids, n);
	if (err < 0)
		imap_fail(c, err);
	else if (c->qresync)
		imap_ok(c, "[HIGHESTMODSEQ %llu] expunged", (unsigned long long)imap_highest(c));
	else
		imap_ok(c, "expunged");
}
