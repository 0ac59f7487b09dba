/* SPDX-License-Identifier: ISC */
/* SEARCH and UID SEARCH (RFC 3501 6.4.4), ESEARCH (RFC 4731), MODSEQ (RFC 7162). Results are written as found. */
#include "services/mail/imap_match.h"

struct search {
	struct imap_query q;
	struct imap_match x;
	struct imap_set_text all;
	uint32_t min, max, count;
	uint64_t min_modseq, max_modseq, modseq; /* of those, the highest of all */
};

static void put_text(void *ctx, struct str text)
{
	imap_put(ctx, text);
}

static void found(struct imap *c, struct search *s, uint32_t v)
{
	uint64_t modseq = s->x.m.modseq;
	s->modseq = modseq > s->modseq ? modseq : s->modseq;
	if (!s->q.extended) {
		imap_put(c, STR(" "));
		imap_put_number(c, v);
		return;
	}
	if (s->q.options & IMAP_RETURN_ALL) {
		if (!s->count)
			imap_put(c, STR(" ALL "));
		imap_set_add(&s->all, v);
	}
	if (!s->count)
		s->min_modseq = modseq;
	s->max_modseq = modseq;
	s->min = s->min ? s->min : v;
	s->max = v;
	s->count++;
}

/* Of the messages that the answer names (RFC 7162 3.1.5, 3.1.10). */
static uint64_t result_modseq(const struct search *s)
{
	uint64_t min = s->q.options & IMAP_RETURN_MIN ? s->min_modseq : 0;
	uint64_t max = s->q.options & IMAP_RETURN_MAX ? s->max_modseq : 0;
	if (!s->q.extended || s->q.options & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT))
		return s->modseq;
	return min > max ? min : max;
}

static void put_modseq(struct imap *c, const struct search *s)
{
	uint64_t modseq = result_modseq(s);
	if (s->q.modseq && modseq)
		imap_putf(c, s->q.extended ? " MODSEQ %llu" : " (MODSEQ %llu)",
			(unsigned long long)modseq);
}

static void put_rest(struct imap *c, struct search *s)
{
	imap_set_flush(&s->all);
	if (s->q.options & IMAP_RETURN_MIN && s->count)
		imap_putf(c, " MIN %u", s->min);
	if (s->q.options & IMAP_RETURN_MAX && s->count)
		imap_putf(c, " MAX %u", s->max);
	if (s->q.options & IMAP_RETURN_COUNT)
		imap_putf(c, " COUNT %u", s->count);
	put_modseq(c, s);
}

static int scan(struct imap *c, struct search *s)
{
	int err = 0;
	bool yes;
	for (size_t row = 0; err == 0 && row < c->view.n && c->w.err == 0; row++) {
		int bad = imap_match(&yes, &s->x, row);
		if (bad < 0 && bad != ERR_LIMIT) /* a message too odd to look into is no match */
			err = bad;
		else if (bad == 0 && yes)
			found(c, s, c->uid ? c->view.rows[row].uid : (uint32_t)row + 1);
		if (s->count && s->q.options == IMAP_RETURN_MIN)
			break;
	}
	return err;
}

void imap_run_search(struct imap *c, struct imap_rd *rd)
{
	struct search *s = ARENA_NEW(&c->arena, struct search);
	if (!s) {
		imap_fail(c, ERR_LIMIT);
		return;
	}
	imap_query_parse(&s->q, rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	if (s->q.bad_charset) {
		imap_no(c, "[BADCHARSET (UTF-8 US-ASCII)] UTF-8 is understood");
		return;
	}
	if (s->q.modseq)
		imap_condstore(c);
	s->all = (struct imap_set_text){ .put = put_text, .ctx = c };
	if (s->q.extended) {
		imap_put(c, STR("* ESEARCH (TAG \""));
		imap_put(c, c->tag);
		imap_put(c, c->uid ? STR("\") UID") : STR("\")"));
	} else {
		imap_put(c, STR("* SEARCH"));
	}
	imap_match_begin(&s->x, c, &s->q);
	int err = scan(c, s);
	imap_match_end(&s->x);
	put_rest(c, s);
	imap_put(c, STR("\r\n"));
	if (err < 0)
		imap_fail(c, err);
	else
		imap_ok(c, "done");
}
