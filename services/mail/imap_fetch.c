/* SPDX-License-Identifier: ISC */
/* FETCH and UID FETCH (RFC 3501 6.4.5). */
#include "services/mail/imap_body.h"

struct fetch {
	struct imap_items items;
	struct imap_span *spans; /* one an item */
	size_t rows[IMAP_BATCH];
	uint32_t uids[IMAP_BATCH];
	size_t n;
	int err; /* the last message that could not be had */
	/* RFC 7162 3.1.4, 3.2.6 */
	bool changed, vanished;
	uint64_t since;
};

/* All that may fail, before the first byte of the answer. */
static int prepare(
	struct mail_summary *sum, struct fetch *f, struct imap *c, const struct mail_msg *m)
{
	int err = 0;
	if (f->items.summary)
		err = mail_summary(sum, &c->scratch, c->view.box, m);
	if (err == 0 && f->items.tree)
		err = imap_tree_load(c, m);
	for (size_t i = 0; err == 0 && i < f->items.n; i++)
		if (f->items.v[i].kind == IMAP_SECTION)
			err = imap_span_of(&f->spans[i], c, &f->items.v[i], m, sum);
	return err;
}

static void put_oid(struct imap *c, const struct store_oid *oid)
{
	char hex[STORE_HEX];
	imap_put(c, str_of(store_oid_hex(hex, oid)));
}

static void put_item(struct imap *c, const struct imap_item *it, const struct imap_span *span,
	const struct mail_msg *m, const struct mail_summary *sum, size_t row)
{
	char date[IMAP_DATE_TEXT];
	switch (it->kind) {
	case IMAP_FLAGS:
		imap_put_flags(c, m->flags, m->keywords, c->view.rows[row].told & IMAP_TOLD_RECENT);
		break;
	case IMAP_UID:
		imap_put(c, STR("UID "));
		imap_put_number(c, m->uid);
		break;
	case IMAP_INTERNALDATE:
		imap_putf(c, "INTERNALDATE \"%s\"", imap_date_text(date, m->internal_sec));
		break;
	case IMAP_SIZE:
		imap_put(c, STR("RFC822.SIZE "));
		imap_put_number(c, m->size_bytes);
		break;
	case IMAP_MODSEQ: imap_put_modseq(c, m->modseq); break;
	case IMAP_EMAILID:
		imap_put(c, STR("EMAILID ("));
		put_oid(c, &m->blob);
		imap_put(c, STR(")"));
		break;
	case IMAP_THREADID: imap_put(c, STR("THREADID NIL")); break;
	case IMAP_SAVEDATE:
		imap_putf(c, "SAVEDATE \"%s\"", imap_date_text(date, m->saved_sec));
		break;
	case IMAP_ENVELOPE:
		imap_put(c, STR("ENVELOPE "));
		imap_put(c, sum->envelope);
		break;
	case IMAP_BODY:
		imap_put(c, STR("BODY "));
		imap_put(c, sum->body);
		break;
	case IMAP_BODYSTRUCTURE:
		imap_put(c, STR("BODYSTRUCTURE "));
		imap_put(c, sum->bodystructure);
		break;
	case IMAP_SECTION: imap_put_span(c, it, m, span); break;
	}
}

static void fetch_one(struct imap *c, struct fetch *f, size_t row)
{
	struct mail_msg m;
	struct mail_summary sum = { 0 };
	if (!imap_live(&m, c, row)) {
		c->gone = true;
		return;
	}
	arena_reset(&c->scratch);
	int err = prepare(&sum, f, c, &m);
	if (err < 0) {
		os_log(OS_WARN, "svc=imap event=fetch uid=%u why=\"%s\"", m.uid, err_text(err));
		f->err = err;
		return;
	}
	bool news = imap_told_differs(&c->view, row, &m), tell = news && !f->items.flags;
	imap_put_fetch(c, row, false);
	for (size_t i = 0; i < f->items.n; i++) {
		if (i)
			imap_put(c, STR(" "));
		put_item(c, &f->items.v[i], &f->spans[i], &m, &sum, row);
	}
	if (tell) {
		imap_put(c, STR(" "));
		imap_put_flags(c, m.flags, m.keywords, c->view.rows[row].told & IMAP_TOLD_RECENT);
	}
	if (news && c->condstore && !f->items.modseq) {
		imap_put(c, STR(" "));
		imap_put_modseq(c, m.modseq);
	}
	if (news)
		imap_told_set(c, row, m.flags, m.keywords);
	imap_put(c, STR(")\r\n"));
}

/* Before the bytes leave, so that each answer can say it; a full disk must not hide the mail. */
static void mark_seen(struct imap *c, struct fetch *f)
{
	static const struct mail_flag_change seen = { .flags = MAIL_SEEN };
	size_t n = 0;
	struct mail_msg m;
	for (size_t i = 0; i < f->n; i++)
		if (imap_live(&m, c, f->rows[i]) && !(m.flags & MAIL_SEEN))
			f->uids[n++] = m.uid;
	int err = n ? mail_flags(c->view.box, f->uids, n, MAIL_FLAG_ADD, &seen, 0, NULL, NULL) : 0;
	if (err < 0)
		os_log(OS_WARN, "svc=imap event=mark-seen why=\"%s\"", err_text(err));
}

static void fetch_batch(struct imap *c, struct fetch *f)
{
	if (f->items.marks_seen && !c->view.readonly)
		mark_seen(c, f);
	for (size_t i = 0; i < f->n && c->w.err == 0; i++)
		fetch_one(c, f, f->rows[i]);
	f->n = 0;
}

/* "(CHANGEDSINCE 12345 VANISHED)" */
static void modifiers(const struct imap *c, struct fetch *f, struct imap_rd *rd)
{
	imap_expect(rd, '(');
	do {
		if (imap_try_word(rd, "CHANGEDSINCE")) {
			imap_sp(rd);
			f->since = imap_number64(rd);
			f->changed = true;
		} else if (imap_try_word(rd, "VANISHED")) {
			f->vanished = true;
		} else {
			imap_rd_fail(rd, "there is no such modifier");
		}
	} while (imap_try(rd, ' '));
	imap_expect(rd, ')');
	if (f->vanished && !(f->changed && c->uid && c->qresync))
		imap_rd_fail(rd, "VANISHED needs UID FETCH, CHANGEDSINCE and ENABLE QRESYNC");
	imap_items_modseq(&f->items, rd);
}

static bool unchanged(struct imap *c, const struct fetch *f, size_t row)
{
	struct mail_msg m;
	return imap_live(&m, c, row) && m.modseq <= f->since;
}

/* Here '*' is the last UID given out: the last message may be the one that vanished. */
static bool put_vanished(struct imap *c, const struct imap_set *set)
{
	struct mail_box_state st;
	struct imap_set all = { arena_alloc(&c->arena, set->n * sizeof(*set->r)), set->n };
	if (!all.r)
		return false;
	memcpy(all.r, set->r, set->n * sizeof(*set->r));
	mail_box_state(&st, c->view.box);
	imap_set_resolve(&all, st.uidnext - 1);
	imap_put_vanished(c, &all, 0);
	return true;
}

void imap_run_fetch(struct imap *c, struct imap_rd *rd)
{
	struct imap_set set;
	size_t row;
	struct fetch *f = ARENA_NEW(&c->arena, struct fetch);
	if (!f) {
		imap_fail(c, ERR_LIMIT);
		return;
	}
	imap_sp(rd);
	imap_set_parse(&set, rd);
	imap_sp(rd);
	imap_items_parse(&f->items, rd, c->uid);
	if (imap_try(rd, ' '))
		modifiers(c, f, rd);
	imap_end(rd);
	f->spans = arena_alloc(&c->arena, IMAP_ITEMS_MAX * sizeof(*f->spans));
	if (!f->spans)
		imap_rd_fail(rd, "the command needs too much memory");
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	if (f->items.modseq)
		imap_condstore(c);
	if (f->vanished && f->since < imap_highest(c) && !put_vanished(c, &set)) {
		imap_fail(c, ERR_LIMIT);
		return;
	}
	if (!imap_set_ready(c, &set))
		return;
	for (struct imap_walk k = { 0 }; c->w.err == 0 && imap_walk(&row, &k, c, &set);) {
		if (f->changed && unchanged(c, f, row))
			continue;
		f->rows[f->n++] = row;
		if (f->n == IMAP_BATCH)
			fetch_batch(c, f);
	}
	fetch_batch(c, f);
	if (f->err < 0)
		imap_fail(c, f->err);
	else if (c->gone && !c->uid)
		imap_no(c, "[EXPUNGEISSUED] some of these messages are gone");
	else
		imap_ok(c, "done");
}
