/* SPDX-License-Identifier: ISC */
/* STORE and UID STORE (RFC 3501 6.4.6). */
#include "services/mail/imap_impl.h"

#define STORE_BATCH 10000 /* messages in one commit */

struct change {
	enum mail_flag_op op;
	bool silent;
	struct imap_flags flags;
	size_t *rows;
	uint32_t *uids;
	size_t n;
};

static void parse(struct change *ch, struct imap_rd *rd)
{
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

static void tell(struct imap *c, size_t row)
{
	struct mail_msg m;
	if (!imap_live(&m, c, row))
		return;
	imap_told_set(c, row, m.flags, m.keywords);
	imap_put_fetch(c, row, c->uid);
	imap_put_flags(c, m.flags, m.keywords, c->view.rows[row].told & IMAP_TOLD_RECENT);
	imap_put(c, STR(")\r\n"));
}

static int store_batch(struct imap *c, struct change *ch)
{
	struct mail_flag_change fc = { ch->flags.flags, ch->flags.keywords,
		ch->flags.keyword_count };
	int err = ch->n ? mail_flags(c->view.box, ch->uids, ch->n, ch->op, &fc, 0, NULL, NULL) : 0;
	if (err < 0)
		return err;
	if (mail_box_keyword_count(c->view.box) != c->view.keywords_told)
		imap_put_flag_list(c);
	uint64_t bits = imap_keyword_bits(c->view.box, fc.keywords, fc.keyword_count);
	for (size_t i = 0; i < ch->n; i++) {
		if (ch->silent)
			assume(c, ch, ch->rows[i], bits);
		else
			tell(c, ch->rows[i]);
	}
	ch->n = 0;
	return 0;
}

static int store_all(struct imap *c, struct change *ch, const struct imap_set *set)
{
	size_t row, cap = c->view.n < STORE_BATCH ? c->view.n + 1 : STORE_BATCH;
	struct mail_msg m;
	int err = 0;
	ch->rows = arena_alloc(&c->arena, cap * sizeof(*ch->rows));
	ch->uids = arena_alloc(&c->arena, cap * sizeof(*ch->uids));
	if (!ch->rows || !ch->uids)
		return err_set(ERR_LIMIT, "the command needs too much memory");
	imap_news(c, IMAP_NEWS_KEEP);
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
	int err = store_all(c, &ch, &set);
	if (err < 0)
		imap_fail(c, err);
	else if (c->gone && !c->uid)
		imap_no(c, "[EXPUNGEISSUED] some of these messages are gone");
	else
		imap_ok(c, "done");
}
