/* SPDX-License-Identifier: ISC */
/*
 * COPY and MOVE. A copy is a new identity that shares the bytes; a move keeps the identity, except
 * to the mailbox it stands in already, where only a new one gives it the new UID it must get.
 * Many messages are several edits; a copy that fails in a later one takes the earlier ones back.
 */
#include "services/mail/mailbox_impl.h"

#include "os/log.h"
#include "os/time.h"

struct copying {
	struct mail_box *box;
	struct str to_mailbox;
	bool move;
	int64_t now;
	struct mail_edit *w; /* the edit under way */
	struct mail_place from, to;
	bool same;              /* from and to */
	struct mail_pick *made; /* as they stand in `to`; `done` of them */
	uint32_t *from_uids;
	size_t done;
	struct mail_box_key target; /* of the first edit */
	uint32_t uidvalidity;
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
static int target_identity(struct mail_pick *to, struct copying *c)
{
	struct mail_uid_rec rec;
	if (c->move && !c->same) {
		int err = mail_edit_uid(&rec, c->w, &c->to, to->lane, to->seq);
		if (err != 0)
			return err == ERR_NOENT ? 0 : err;
	}
	return mail_edit_new_seq(&to->lane, &to->seq, c->w);
}

static int copy_one(struct copying *c, size_t at, const struct mail_pick *p)
{
	struct mail_line line;
	struct mail_pick to = *p;
	int err = source_line(&line, c, p);
	if (err == 0)
		err = target_identity(&to, c);
	if (err == 0)
		err = mail_edit_enter(&to.uid, c->w, &c->to, to.lane, to.seq, &p->blob, &line);
	if (err == 0 && c->move && !c->same)
		err = mail_edit_leave(c->w, &c->from, p->lane, p->seq);
	c->made[at] = to;
	c->from_uids[at] = p->uid;
	return err;
}

/* A move inside one mailbox takes the old ones out when all new ones are in. */
static int leave_old(struct copying *c, const struct mail_pick *picks, size_t n, size_t end)
{
	int err = mail_edit_flush(c->w);
	for (size_t i = 0, k = c->done; err == 0 && i < n && k < end; i++) {
		if (picks[i].uid != c->from_uids[k])
			continue;
		k++;
		err = mail_edit_leave(c->w, &c->from, picks[i].lane, picks[i].seq);
	}
	return err;
}

static int find_places(struct copying *c)
{
	int err = mail_edit_box(&c->from, c->w, c->box);
	if (err == 0)
		err = mail_edit_place(&c->to, c->w, c->to_mailbox);
	if (err < 0)
		return err;
	if (c->uidvalidity == 0) {
		c->uidvalidity = c->to.rec.uidvalidity;
		c->target = c->to.key;
	}
	c->same = mail_box_key_eq(&c->from.key, &c->to.key);
	return mail_box_key_eq(&c->target, &c->to.key)
		? 0
		: err_set(ERR_NOENT, "mail: the mailbox went away");
}

/* One edit. */
static int copy_some(struct copying *c, const struct mail_pick *picks, size_t n)
{
	size_t end = c->done;
	int err = c->move /* to the trash, most of the time */
		? mail_edit_begin_reserved(&c->w, c->box->acct)
		: mail_edit_begin(&c->w, c->box->acct);
	if (err < 0)
		return err;
	err = find_places(c);
	for (size_t i = 0; err == 0 && i < n; i++) {
		err = copy_one(c, end, &picks[i]);
		if (err == 0)
			end++;
		else if (err == ERR_NOENT) /* gone meanwhile */
			err = 0;
	}
	if (err == 0 && c->move && c->same)
		err = leave_old(c, picks, n, end);
	if (err == 0)
		err = mail_edit_save_rec(c->w, &c->to);
	if (err < 0 || end == c->done) {
		mail_edit_abort(c->w);
		return err;
	}
	err = mail_edit_commit(c->w, c->move ? STR("imap: move") : STR("imap: copy"));
	if (err == 0)
		c->done = end;
	return err;
}

static int take_back_some(struct copying *c, const struct mail_pick *made, size_t n)
{
	struct mail_uid_rec rec;
	int err = mail_edit_begin_reserved(&c->w, c->box->acct);
	if (err < 0)
		return err;
	err = find_places(c);
	for (size_t i = 0; err == 0 && i < n; i++) {
		err = mail_edit_uid(&rec, c->w, &c->to, made[i].lane, made[i].seq);
		if (err == 0 && rec.uid == made[i].uid)
			err = mail_edit_leave(c->w, &c->to, made[i].lane, made[i].seq);
		if (err == ERR_NOENT)
			err = 0;
	}
	if (err == 0)
		return mail_edit_commit(c->w, STR("imap: copy failed"));
	mail_edit_abort(c->w);
	return err;
}

static int take_back(struct copying *c)
{
	int err = 0;
	while (err == 0 && c->done > 0) {
		size_t n = c->done < MAIL_COPY_CHUNK ? c->done : MAIL_COPY_CHUNK;
		err = take_back_some(c, c->made + c->done - n, n);
		c->done -= n;
	}
	return err;
}

static int copy_all(struct copying *c, const struct mail_pick *picks, size_t n)
{
	size_t chunk = MAIL_COPY_CHUNK, at = 0;
	int err = 0;
	while (err == 0 && at < n) {
		size_t some = n - at < chunk ? n - at : chunk;
		err = copy_some(c, picks + at, some);
		if (err == 0) {
			at += some;
		} else if (err == ERR_LIMIT && some > 1) { /* too much for one edit */
			chunk = some / 2;
			err = 0;
		}
	}
	if (err < 0 && !c->move && take_back(c) < 0)
		os_log(OS_WARN, "svc=mail event=copy-left-behind err=\"%s\"", err_name(err));
	return err;
}

int mail_copy(uint32_t *from, uint32_t *to, size_t *done, uint32_t *uidvalidity, struct mail_box *b,
	const uint32_t *uids, size_t n, struct str to_mailbox, bool move)
{
	struct copying c = { .box = b, .to_mailbox = to_mailbox, .move = move, .from_uids = from };
	struct mail_pick *picks;
	size_t count;
	*done = 0;
	int err = mail_pick(&picks, &count, b, uids, n);
	if (err < 0)
		return err;
	c.now = os_wall_sec();
	c.made = malloc((count + 1) * sizeof(*c.made));
	if (c.made == NULL)
		err = err_set(ERR_NOMEM, "mail: no memory for %zu messages", count);
	else if (count == 0)
		err = copy_some(&c, picks, 0); /* still says whether there is such a mailbox */
	else
		err = copy_all(&c, picks, count);
	for (size_t i = 0; i < c.done; i++)
		to[i] = c.made[i].uid;
	*done = c.done;
	*uidvalidity = c.uidvalidity;
	free(c.made);
	free(picks);
	return err;
}
