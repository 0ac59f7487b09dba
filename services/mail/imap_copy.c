/* SPDX-License-Identifier: ISC */
/* COPY and MOVE (RFC 3501 6.4.7, RFC 6851) with COPYUID (RFC 4315). A large MOVE may stop halfway. */
#include "services/mail/imap_impl.h"

struct copied {
	uint32_t *uids, *from, *to;
	size_t n, done;
	uint32_t uidvalidity;
};

static void put_copyuid(struct imap *c, const struct copied *x)
{
	if (x->done) {
		imap_putf(c, "[COPYUID %u", x->uidvalidity);
		imap_put(c, STR(" "));
		imap_put_uids(c, x->from, x->done);
		imap_put(c, STR(" "));
		imap_put_uids(c, x->to, x->done);
		imap_put(c, STR("] "));
	}
	imap_putf(c, "%zu messages\r\n", x->done);
}

static int copy(
	struct copied *x, struct imap *c, const struct imap_set *set, struct str to, bool move)
{
	int err = imap_set_uids(&x->uids, &x->n, c, set);
	if (err < 0 || !x->n || (c->gone && !c->uid))
		return err;
	x->from = arena_alloc(&c->arena, x->n * sizeof(*x->from));
	x->to = arena_alloc(&c->arena, x->n * sizeof(*x->to));
	if (!x->from || !x->to)
		return err_set(ERR_LIMIT, "too many messages in one command");
	return mail_copy(
		x->from, x->to, &x->done, &x->uidvalidity, c->view.box, x->uids, x->n, to, move);
}

static void run(struct imap *c, struct imap_rd *rd, bool move)
{
	struct imap_set set;
	struct copied x = { 0 };
	imap_sp(rd);
	imap_set_parse(&set, rd);
	imap_sp(rd);
	struct str to = imap_mailbox(rd);
	imap_end(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	if (move && c->view.readonly) {
		imap_no(c, "[READ-ONLY] the mailbox was opened with EXAMINE");
		return;
	}
	if (!imap_set_ready(c, &set))
		return;
	int err = copy(&x, c, &set, to, move);
	if (move && x.done) { /* also what a failed MOVE did before it failed (RFC 6851 4.3) */
		imap_put(c, STR("* OK "));
		put_copyuid(c, &x);
	}
	if (err == ERR_NOENT) {
		imap_no(c, "[TRYCREATE] there is no such mailbox");
	} else if (err < 0) {
		imap_fail(c, err);
	} else if (c->gone && !c->uid) {
		imap_no(c, "[EXPUNGEISSUED] some of these messages are gone, nothing was done");
	} else if (move) {
		if (c->qresync)
			imap_ok(c, "[HIGHESTMODSEQ %llu] moved",
				(unsigned long long)imap_highest(c));
		else
			imap_ok(c, "moved");
	} else {
		imap_done(c);
		put_copyuid(c, &x);
	}
}

void imap_run_copy(struct imap *c, struct imap_rd *rd)
{
	run(c, rd, false);
}

void imap_run_move(struct imap *c, struct imap_rd *rd)
{
	run(c, rd, true);
}
