/* SPDX-License-Identifier: ISC */
/*
 * COPY and MOVE. A copy is a new identity that shares the bytes; a move keeps the identity, except
 * to the mailbox it stands in already, where only a new one gives it the new UID it must get.
 */
#include "services/mail/mailbox_impl.h"

#include "os/time.h"

struct copying {
	struct mail_edit *w;
	struct mail_place from, to;
	bool move, same;
	int64_t now;
	uint32_t *from_uids, *to_uids;
	size_t done;
};

/* The line of a message that is still there under this UID; ERR_NOENT. */
static int source_line(struct mail_line *out, struct copying *c, const struct mail_pick *p)
{
	struct mail_uid_rec rec;
	struct mail_leaf *leaf;
	int err = mail_edit_uid(&rec, c->w, &c->from, p->lane, p->seq);
	if (err == 0 && rec.uid != p->uid)
		err = ERR_NOENT;
	if (err == 0)
		err = mail_edit_leaf(&leaf, c->w, 0, &c->from, p->lane, p->seq);
	if (err < 0)
		return err;
	struct mail_line *line = mail_leaf_find(leaf, p->seq);
	if (line == NULL)
		return ERR_NOENT;
	*out = *line;
	out->saved_sec = c->now;
	return 0;
}

/* The same identity in two mailboxes can only come from a merge; the mover then gets a new one. */
static int target_identity(uint32_t *lane, uint32_t *seq, struct copying *c)
{
	struct mail_uid_rec rec;
	if (c->move && !c->same) {
		int err = mail_edit_uid(&rec, c->w, &c->to, *lane, *seq);
		if (err != 0)
			return err == ERR_NOENT ? 0 : err;
	}
	return mail_edit_new_seq(lane, seq, c->w);
}

static int copy_one(struct copying *c, const struct mail_pick *p)
{
	struct mail_line line;
	uint32_t lane = p->lane, seq = p->seq, uid;
	int err = source_line(&line, c, p);
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	err = target_identity(&lane, &seq, c);
	if (err == 0)
		err = mail_edit_enter(&uid, c->w, &c->to, lane, seq, &p->blob, &line);
	if (err == 0 && c->move && !c->same)
		err = mail_edit_leave(c->w, &c->from, p->lane, p->seq);
	if (err < 0)
		return err;
	c->from_uids[c->done] = p->uid;
	c->to_uids[c->done++] = uid;
	return 0;
}

/* A move inside one mailbox takes the old ones out when all new ones are in. */
static int leave_all(struct copying *c, const struct mail_pick *picks, size_t n)
{
	int err = mail_edit_flush(c->w);
	for (size_t i = 0, k = 0; err == 0 && i < n && k < c->done; i++) {
		if (picks[i].uid != c->from_uids[k])
			continue;
		k++;
		err = mail_edit_leave(c->w, &c->from, picks[i].lane, picks[i].seq);
	}
	return err;
}

static int copy_all(struct copying *c, const struct mail_box *b, const uint32_t *uids, size_t n)
{
	struct mail_pick *picks;
	size_t count;
	int err = mail_pick(&picks, &count, b, uids, n);
	if (err < 0)
		return err;
	for (size_t i = 0; err == 0 && i < count; i++)
		err = copy_one(c, &picks[i]);
	if (err == 0 && c->move && c->same)
		err = leave_all(c, picks, count);
	free(picks);
	return err < 0 ? err : mail_edit_save_rec(c->w, &c->to);
}

int mail_copy(uint32_t *from, uint32_t *to, size_t *done, uint32_t *uidvalidity, struct mail_box *b,
	const uint32_t *uids, size_t n, struct str to_mailbox, bool move)
{
	struct copying c = { .move = move, .from_uids = from, .to_uids = to };
	*done = 0;
	int err = mail_edit_begin(&c.w, b->acct);
	if (err < 0)
		return err;
	c.now = os_wall_sec();
	err = mail_edit_box(&c.from, c.w, b);
	if (err == 0)
		err = mail_edit_place(&c.to, c.w, to_mailbox);
	if (err == 0) {
		c.same = mail_box_key_eq(&c.from.key, &c.to.key);
		err = copy_all(&c, b, uids, n);
	}
	if (err < 0 || c.done == 0) {
		mail_edit_abort(c.w);
	} else {
		err = mail_edit_commit(c.w, move ? STR("imap: move") : STR("imap: copy"));
	}
	if (err < 0)
		return err;
	*done = c.done;
	*uidvalidity = c.to.rec.uidvalidity;
	return 0;
}
