/* SPDX-License-Identifier: ISC */
/*
 * CONDSTORE and QRESYNC (RFC 7162). No list of what was expunged is kept: what vanished is every UID
 * below UIDNEXT that is no message, bounded by those the client says it knows.
 */
#include "services/mail/imap_impl.h"

void imap_put_modseq(struct imap *c, uint64_t modseq)
{
	imap_put(c, STR("MODSEQ ("));
	imap_put_number(c, modseq);
	imap_put(c, STR(")"));
}

void imap_put_highest(struct imap *c, uint64_t modseq)
{
	imap_putf(c, "* OK [HIGHESTMODSEQ %llu] of all changes\r\n", (unsigned long long)modseq);
}

uint64_t imap_highest(const struct imap *c)
{
	struct mail_box_state st;
	mail_box_state(&st, c->view.box);
	return st.highest_modseq;
}

void imap_condstore(struct imap *c)
{
	if (!c->condstore && c->view.box)
		imap_put_highest(c, imap_highest(c));
	c->condstore = true;
}

static void put_text(void *ctx, struct str text)
{
	imap_put(ctx, text);
}

void imap_put_uids(struct imap *c, const uint32_t *uids, size_t n)
{
	struct imap_set_text t = { .put = put_text, .ctx = c };
	for (size_t i = 0; i < n; i++)
		imap_set_add(&t, uids[i]);
	imap_set_flush(&t);
}

/* ---- what vanished ---- */
static void vanished(struct imap *c, struct imap_set_text *t, uint32_t from, uint32_t to)
{
	if (from > to)
		return;
	if (!t->any)
		imap_put(c, STR("* VANISHED (EARLIER) "));
	imap_set_add_range(t, from, to);
}

/* The first UID from this on that is a row, or new and no row yet; 0: none. */
static uint32_t next_present(const struct imap_view *v, uint32_t uid)
{
	size_t row = imap_row_at(v, uid), lo = 0, hi = mail_box_count(v->box);
	if (row < v->n)
		return v->rows[row].uid;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (mail_box_at(v->box, mid)->uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < mail_box_count(v->box) ? mail_box_at(v->box, lo)->uid : 0;
}

void imap_put_vanished(struct imap *c, const struct imap_set *set, uint32_t floor)
{
	struct imap_set_text t = { .put = put_text, .ctx = c };
	const struct imap_view *v = &c->view;
	struct mail_box_state st;
	mail_box_state(&st, v->box);
	for (size_t i = 0; i < set->n; i++) {
		uint32_t at = set->r[i].from > floor ? set->r[i].from : floor + 1;
		uint32_t to = set->r[i].to < st.uidnext ? set->r[i].to : st.uidnext - 1;
		for (uint32_t uid; (uid = next_present(v, at)) && uid <= to; at = uid + 1)
			vanished(c, &t, at, uid - 1);
		vanished(c, &t, at, to);
	}
	imap_set_flush(&t);
	if (t.any)
		imap_put(c, STR("\r\n"));
}

/* ---- SELECT (QRESYNC ...) ---- */
/* A set without '*'. */
static void known_set(struct imap_set *set, struct imap_rd *rd)
{
	imap_set_parse(set, rd);
	for (size_t i = 0; i < set->n; i++)
		if (!set->r[i].from || !set->r[i].to)
			imap_rd_fail(rd, "'*' names no known message");
}

static void qresync_parse(struct imap_resync *q, struct imap_rd *rd)
{
	q->qresync = q->all = true;
	imap_sp(rd);
	imap_expect(rd, '(');
	q->uidvalidity = imap_nz(rd);
	imap_sp(rd);
	q->modseq = imap_number64(rd);
	bool more = imap_try(rd, ' ');
	if (more && imap_peek(rd) != '(') {
		q->all = false;
		known_set(&q->known, rd);
		more = imap_try(rd, ' ');
	}
	if (more) {
		imap_expect(rd, '(');
		known_set(&q->match_seqs, rd);
		imap_sp(rd);
		known_set(&q->match_uids, rd);
		imap_expect(rd, ')');
	}
	imap_expect(rd, ')');
}

void imap_resync_parse(struct imap_resync *q, struct imap *c, struct imap_rd *rd)
{
	imap_expect(rd, '(');
	do {
		if (imap_try_word(rd, "CONDSTORE"))
			q->condstore = true;
		else if (!imap_try_word(rd, "QRESYNC"))
			imap_rd_fail(rd, "there is no such parameter");
		else if (!c->qresync)
			imap_rd_fail(rd, "QRESYNC is to be enabled first");
		else
			qresync_parse(q, rd);
	} while (imap_try(rd, ' '));
	imap_expect(rd, ')');
}

/* The next number of a set as the client wrote it; 0 at its end. */
struct numbers {
	const struct imap_set *set;
	size_t range;
	uint32_t offset;
};
static uint32_t next_number(struct numbers *n)
{
	if (n->range == n->set->n)
		return 0;
	struct imap_range r = n->set->r[n->range];
	uint32_t from = r.from < r.to ? r.from : r.to, to = r.from < r.to ? r.to : r.from;
	uint32_t v = from + n->offset++;
	if (v == to) {
		n->range++;
		n->offset = 0;
	}
	return v;
}

/* Up to this UID the client counts the messages as they are, so it knows of all that vanished. */
static uint32_t matched(const struct imap_view *v, const struct imap_resync *q)
{
	struct numbers seqs = { .set = &q->match_seqs }, uids = { .set = &q->match_uids };
	uint32_t last = 0;
	for (;;) {
		uint32_t seq = next_number(&seqs), uid = next_number(&uids);
		if (!seq || seq > v->n || v->rows[seq - 1].uid != uid)
			return last;
		last = uid > last ? uid : last;
	}
}

static void put_changed(struct imap *c, const struct imap_resync *q)
{
	struct mail_msg m;
	for (size_t i = 0; i < c->view.n && c->w.err == 0; i++)
		if (imap_live(&m, c, i) && m.modseq > q->modseq &&
			(q->all || imap_set_has(&q->known, m.uid)))
			imap_put_flag_news(c, i, &m);
}

void imap_resync(struct imap *c, struct imap_resync *q, const struct mail_box_state *st)
{
	struct imap_range every = { 1, UINT32_MAX };
	struct imap_set all = { &every, 1 };
	if (q->uidvalidity != st->uidvalidity || q->modseq >= st->highest_modseq)
		return; /* another mailbox, or nothing new: an expunge raises HIGHESTMODSEQ too */
	imap_set_resolve(&q->known, 0);
	imap_put_vanished(c, q->all ? &all : &q->known, matched(&c->view, q));
	put_changed(c, q);
}
