/* SPDX-License-Identifier: ISC */
/* STORE and UID STORE (RFC 3501 6.4.6), conditional too (RFC 7162 3.1.3). */
#include "services/mail/imap_impl.h"

#define STORE_BATCH 10000 /* messages in one commit */

struct change {
	enum mail_flag_op op;
	bool silent;
	bool conditional; /* UNCHANGEDSINCE */
	uint64_t since;
	struct imap_flags flags;
	size_t *rows;
	uint32_t *uids;
	size_t n;
	uint32_t *failed; /* UIDs, ascending in each batch */
	size_t failed_count;
};

static void parse(struct change *ch, struct imap_rd *rd)
{
	if (imap_try(rd, '(')) {
		if (!imap_try_word(rd, "UNCHANGEDSINCE"))
			imap_rd_fail(rd, "there is no such modifier");
		imap_sp(rd);
		ch->since = imap_number64(rd);
		ch->conditional = true;
		imap_expect(rd, ')');
		imap_sp(rd);
	}
	bool add = imap_try(rd, '+'), del = !add && imap_try(rd, '-');
	ch->op = add ? MAIL_FLAG_ADD : del ? MAIL_FLAG_DEL : MAIL_FLAG_SET;
	struct str name = imap_word(rd);
	ch->silent = str_ieq(name, STR("FLAGS.SILENT"));
	if (!ch->silent && !str_ieq(name, STR("FLAGS")))
		imap_rd_fail(rd, "only FLAGS can be stored");
	imap_sp(rd);
	imap_flags_parse(&ch->flags, rd, true);
	imap_end(rd);
}

/* What the client takes for the flags now: nobody tells it its own silent change. */
static void assume(struct imap *c, const struct change *ch, size_t row, uint64_t bits)
{
	uint32_t flags;
	uint64_t keywords;
	imap_told_get(&flags, &keywords, &c->view, row);
	switch (ch->op) {
	case MAIL_FLAG_SET:
		flags = ch->flags.flags;
		keywords = bits;
		break;
	case MAIL_FLAG_ADD:
		flags |= ch->flags.flags;
		keywords |= bits;
		break;
	case MAIL_FLAG_DEL:
		flags &= ~ch->flags.flags;
		keywords &= ~bits;
		break;
	}
	imap_told_set(c, row, flags, keywords);
}

/* The MODSEQ is told of silent changes as well, once the client has use for it. */
static void tell(struct imap *c, const struct change *ch, size_t row, uint64_t bits)
{
	struct mail_msg m;
	bool there = imap_live(&m, c, row);
	if (ch->silent)
		assume(c, ch, row, bits);
	if (!there || (ch->silent && !c->condstore))
		return;
	if (!ch->silent || imap_told_differs(&c->view, row, &m)) {
		imap_put_flag_news(c, row, &m);
		return;
	}
	imap_put_fetch(c, row, c->uid || c->qresync);
	imap_put_modseq(c, m.modseq);
	imap_put(c, STR(")\r\n"));
}

static int change_flags(struct imap *c, struct change *ch, const struct mail_flag_change *fc)
{
	uint32_t *failed = ch->failed ? ch->failed + ch->failed_count : NULL;
	size_t n = 0;
	int err = 0;
	if (ch->conditional && !ch->since) { /* no message is as old as that */
		memcpy(failed, ch->uids, ch->n * sizeof(*failed));
		n = ch->n;
	} else if (ch->n) {
		err = mail_flags(c->view.box, ch->uids, ch->n, ch->op, fc, ch->since, failed, &n);
	}
	ch->failed_count += n;
	return err;
}

static int store_batch(struct imap *c, struct change *ch)
{
	struct mail_flag_change fc = { ch->flags.flags, ch->flags.keywords,
		ch->flags.keyword_count };
	size_t next = ch->failed_count;
	int err = change_flags(c, ch, &fc);
	if (err < 0)
		return err;
	if (mail_box_keyword_count(c->view.box) != c->view.keywords_told)
		imap_put_flag_list(c);
	uint64_t bits = imap_keyword_bits(c->view.box, fc.keywords, fc.keyword_count);
	for (size_t i = 0; i < ch->n; i++) {
		if (next < ch->failed_count && ch->failed[next] == ch->uids[i])
			next++;
		else
			tell(c, ch, ch->rows[i], bits);
	}
	ch->n = 0;
	return 0;
}

static int store_all(struct imap *c, struct change *ch, const struct imap_set *set)
{
	imap_news(c, IMAP_NEWS_KEEP); /* first: it adds rows */
	size_t row, cap = c->view.n < STORE_BATCH ? c->view.n + 1 : STORE_BATCH;
	struct mail_msg m;
	int err = 0;
	ch->rows = arena_alloc(&c->arena, cap * sizeof(*ch->rows));
	ch->uids = arena_alloc(&c->arena, cap * sizeof(*ch->uids));
	if (ch->conditional)
		ch->failed = arena_alloc(&c->arena, (c->view.n + 1) * sizeof(*ch->failed));
	if (!ch->rows || !ch->uids || (ch->conditional && !ch->failed))
		return err_set(ERR_LIMIT, "the command needs too much memory");
	for (struct imap_walk k = { 0 }; err == 0 && imap_walk(&row, &k, c, set);) {
		if (!imap_live(&m, c, row)) {
			c->gone = true;
			continue;
		}
		ch->rows[ch->n] = row;
		ch->uids[ch->n++] = m.uid;
		if (ch->n == cap)
			err = store_batch(c, ch);
	}
	return err < 0 ? err : store_batch(c, ch);
}

/* "[MODIFIED 7,9]": message numbers, or UIDs of UID STORE. */
static void put_modified(struct imap *c, struct change *ch)
{
	if (!c->uid)
		for (size_t i = 0; i < ch->failed_count; i++)
			ch->failed[i] = (uint32_t)imap_row_at(&c->view, ch->failed[i]) + 1;
	imap_news(c, c->uid ? IMAP_NEWS_ALL : IMAP_NEWS_KEEP);
	imap_put(c, c->tag);
	imap_put(c, c->gone && !c->uid ? STR(" NO") : STR(" OK"));
	imap_put(c, STR(" [MODIFIED "));
	imap_put_uids(c, ch->failed, ch->failed_count);
	imap_put(c, STR("] the others were changed\r\n"));
}

void imap_run_store(struct imap *c, struct imap_rd *rd)
{
	struct change ch = { 0 };
	struct imap_set set;
	imap_sp(rd);
	imap_set_parse(&set, rd);
	imap_sp(rd);
	parse(&ch, rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	if (c->view.readonly) {
		imap_no(c, "[READ-ONLY] the mailbox was opened with EXAMINE");
		return;
	}
	if (!imap_set_ready(c, &set))
		return;
	if (ch.conditional)
		imap_condstore(c);
	int err = store_all(c, &ch, &set);
	if (err < 0)
		imap_fail(c, err);
	else if (ch.failed_count)
		put_modified(c, &ch);
	else if (c->gone && !c->uid)
		imap_no(c, "[EXPUNGEISSUED] some of these messages are gone");
	else
		imap_ok(c, "done");
}
