/* SPDX-License-Identifier: ISC */
/*
 * The selected mailbox as the client knows it. Message numbers are positions in `rows`; rows go only
 * when the client is told so (EXPUNGE), come only with EXISTS, and remember the flags last told, so
 * that each session hears of every change once and of none that it made silently itself.
 * Other fibers change the live mailbox whenever this one blocks, which every write may.
 */
#include "services/mail/imap_impl.h"

/* ---- rows and what was told ---- */
static uint32_t pack(uint32_t flags, uint64_t keywords)
{
	return flags | (uint32_t)(keywords << IMAP_TOLD_KEYWORDS);
}

void imap_told_get(uint32_t *flags, uint64_t *keywords, const struct imap_view *v, size_t i)
{
	uint32_t told = v->rows[i].told;
	*flags = told & (IMAP_TOLD_RECENT - 1);
	*keywords = told >> IMAP_TOLD_KEYWORDS;
	if (v->more)
		*keywords |= v->more[i] << IMAP_TOLD_ROOM;
}

static bool set_more(struct imap_view *v, size_t i, uint64_t keywords)
{
	if (!v->more && keywords >> IMAP_TOLD_ROOM)
		v->more = calloc(v->cap, sizeof(*v->more));
	if (v->more)
		v->more[i] = keywords >> IMAP_TOLD_ROOM;
	return v->more || !(keywords >> IMAP_TOLD_ROOM);
}

void imap_told_set(struct imap *c, size_t i, uint32_t flags, uint64_t keywords)
{
	struct imap_row *r = &c->view.rows[i];
	r->told = pack(flags, keywords) | (r->told & IMAP_TOLD_RECENT);
	if (!set_more(&c->view, i, keywords))
		imap_bye(c, "out of memory");
}

bool imap_told_differs(const struct imap_view *v, size_t i, const struct mail_msg *msg)
{
	uint64_t more = v->more ? v->more[i] : 0;
	return (v->rows[i].told & ~IMAP_TOLD_RECENT) != pack(msg->flags, msg->keywords) ||
		more != msg->keywords >> IMAP_TOLD_ROOM;
}

size_t imap_row_at(const struct imap_view *v, uint32_t uid)
{
	size_t lo = 0, hi = v->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (v->rows[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct mail_msg *live(struct imap_view *v, size_t i)
{
	uint32_t uid = v->rows[i].uid;
	if (v->hint < mail_box_count(v->box)) {
		const struct mail_msg *m = mail_box_at(v->box, v->hint);
		if (m->uid == uid) {
			v->hint++;
			return m;
		}
	}
	size_t lo = 0, hi = mail_box_count(v->box);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (mail_box_at(v->box, mid)->uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	const struct mail_msg *m = lo < mail_box_count(v->box) ? mail_box_at(v->box, lo) : NULL;
	v->hint = m && m->uid == uid ? lo + 1 : lo;
	return m && m->uid == uid ? m : NULL;
}

bool imap_live(struct mail_msg *out, struct imap *c, size_t i)
{
	const struct mail_msg *m = live(&c->view, i);
	if (m)
		*out = *m;
	return m != NULL;
}

/* ---- opening, closing ---- */
static int reserve(struct imap_view *v, size_t n)
{
	if (n <= v->cap)
		return 0;
	size_t cap = v->n ? n + n / 4 + 16 : n;
	struct imap_row *rows = realloc(v->rows, cap * sizeof(*rows));
	if (!rows)
		return ERR_NOMEM;
	v->rows = rows;
	if (v->more) {
		uint64_t *more = realloc(v->more, cap * sizeof(*more));
		if (!more)
			return ERR_NOMEM;
		v->more = more;
	}
	v->cap = cap;
	return 0;
}

/* Rows for what is new in the live view: UIDs above the last row's. */
static int take_new(struct imap_view *v)
{
	size_t count = mail_box_count(v->box), at = count;
	uint32_t last = v->n ? v->rows[v->n - 1].uid : 0;
	while (at && mail_box_at(v->box, at - 1)->uid > last)
		at--;
	if (at == count)
		return 0;
	int err = reserve(v, v->n + (count - at));
	if (err < 0)
		return err;
	uint32_t recent = mail_box_recent(v->box, !v->readonly);
	for (; at < count; at++) {
		const struct mail_msg *m = mail_box_at(v->box, at);
		struct imap_row *r = &v->rows[v->n];
		*r = (struct imap_row){ m->uid, pack(m->flags, m->keywords) };
		if (m->uid >= recent) {
			r->told |= IMAP_TOLD_RECENT;
			v->recent++;
		}
		if (!set_more(v, v->n++, m->keywords))
			return ERR_NOMEM;
	}
	return 0;
}

int imap_view_open(struct imap *c, struct mail_box *box, bool readonly)
{
	c->view = (struct imap_view){ .box = box, .readonly = readonly };
	c->view.version = mail_box_version(box);
	int err = take_new(&c->view);
	if (err < 0)
		imap_view_close(c);
	return err < 0 ? err_set(err, "no memory for so large a mailbox") : 0;
}

void imap_view_close(struct imap *c)
{
	free(c->view.rows);
	free(c->view.more);
	if (c->view.box)
		mail_box_close(c->view.box);
	c->view = (struct imap_view){ 0 };
}

/* ---- news ---- */
static void drop_row(struct imap_view *v, size_t to, size_t i)
{
	v->rows[to] = v->rows[i];
	if (v->more)
		v->more[to] = v->more[i];
}

/* Takes out the rows that are gone; their UIDs or message numbers, in the order to be told, in `a`. */
static int take_out(uint32_t **seqs, size_t *n, struct imap_view *v, struct arena *a, bool uids)
{
	size_t to = 0, gone = 0;
	v->hint = 0;
	for (size_t i = 0; i < v->n; i++)
		gone += live(v, i) == NULL;
	*n = gone;
	*seqs = arena_alloc(a, gone * sizeof(**seqs));
	if (gone && !*seqs)
		return ERR_LIMIT;
	v->hint = 0;
	gone = 0;
	for (size_t i = 0; i < v->n; i++) {
		if (live(v, i)) {
			drop_row(v, to++, i);
			continue;
		}
		v->recent -= (v->rows[i].told & IMAP_TOLD_RECENT) != 0;
		(*seqs)[gone] = uids ? v->rows[i].uid : (uint32_t)(i + 1 - gone);
		gone++;
	}
	v->n = to;
	return 0;
}

static int news_expunge(struct imap *c)
{
	uint32_t *seqs;
	size_t n;
	arena_reset(&c->scratch);
	int err = take_out(&seqs, &n, &c->view, &c->scratch, c->qresync);
	if (err < 0)
		return err;
	if (c->qresync && n) {
		imap_put(c, STR("* VANISHED "));
		imap_put_uids(c, seqs, n);
		imap_put(c, STR("\r\n"));
	}
	for (size_t i = 0; i < n && !c->qresync; i++)
		imap_putf(c, "* %u EXPUNGE\r\n", seqs[i]);
	c->view.gaps = false;
	return 0;
}

void imap_put_flag_news(struct imap *c, size_t i, const struct mail_msg *m)
{
	imap_told_set(c, i, m->flags, m->keywords);
	imap_put_fetch(c, i, c->uid || c->qresync);
	imap_put_flags(c, m->flags, m->keywords, c->view.rows[i].told & IMAP_TOLD_RECENT);
	if (c->condstore) {
		imap_put(c, STR(" "));
		imap_put_modseq(c, m->modseq);
	}
	imap_put(c, STR(")\r\n"));
}

static void news_flags(struct imap *c)
{
	struct imap_view *v = &c->view;
	v->hint = 0;
	for (size_t i = 0; i < v->n; i++) {
		const struct mail_msg *m = live(v, i);
		if (!m) {
			v->gaps = true;
			continue;
		}
		if (!imap_told_differs(v, i, m))
			continue;
		struct mail_msg copy = *m;
		imap_put_flag_news(c, i, &copy);
	}
}

bool imap_news_waiting(const struct imap *c)
{
	const struct imap_view *v = &c->view;
	return v->box &&
		(v->gaps || mail_box_gone(v->box) || mail_box_version(v->box) != v->version);
}

void imap_news(struct imap *c, enum imap_update what)
{
	struct imap_view *v = &c->view;
	if (!v->box || what == IMAP_NEWS_NONE || c->state == IMAP_LOGOUT)
		return;
	if (mail_box_gone(v->box)) {
		imap_bye(c, "the selected mailbox was deleted or renamed");
		return;
	}
	bool changed = mail_box_version(v->box) != v->version;
	if (!changed && !(v->gaps && what == IMAP_NEWS_ALL))
		return;
	v->version = mail_box_version(v->box);
	size_t before = v->n, recent = v->recent;
	int err = what == IMAP_NEWS_ALL ? news_expunge(c) : 0;
	before -= what == IMAP_NEWS_ALL ? before - v->n : 0;
	err = err < 0 ? err : take_new(v);
	if (err < 0) {
		imap_bye(c, "no memory for so large a mailbox");
		return;
	}
	if (v->n != before)
		imap_putf(c, "* %zu EXISTS\r\n* %zu RECENT\r\n", v->n, v->recent);
	else if (v->recent != recent)
		imap_putf(c, "* %zu RECENT\r\n", v->recent);
	if (mail_box_keyword_count(v->box) != v->keywords_told)
		imap_put_flag_list(c);
	if (changed)
		news_flags(c);
}

/* ---- message sets ---- */
bool imap_walk(size_t *row, struct imap_walk *k, const struct imap *c, const struct imap_set *s)
{
	const struct imap_view *v = &c->view;
	for (; k->range < s->n; k->range++, k->inside = false) {
		struct imap_range r = s->r[k->range];
		if (!k->inside)
			k->next = c->uid ? imap_row_at(v, r.from) : r.from - 1;
		k->inside = true;
		size_t i = k->next;
		if (i >= v->n || (c->uid ? v->rows[i].uid > r.to : i >= r.to))
			continue;
		k->next = i + 1;
		*row = i;
		return true;
	}
	return false;
}

bool imap_set_ready(struct imap *c, struct imap_set *s)
{
	const struct imap_view *v = &c->view;
	if (c->uid) {
		imap_set_resolve(s, v->n ? v->rows[v->n - 1].uid : 0);
		return true;
	}
	imap_set_resolve(s, (uint32_t)v->n); /* 1:* of an empty mailbox is nothing, not an error */
	if (imap_set_max(s) <= v->n)
		return true;
	imap_bad(c, "there are only %zu messages", v->n);
	return false;
}

int imap_set_uids(uint32_t **uids, size_t *n, struct imap *c, const struct imap_set *s)
{
	size_t i, count = 0;
	struct mail_msg m;
	*n = 0;
	for (struct imap_walk k = { 0 }; imap_walk(&i, &k, c, s);)
		count++;
	*uids = arena_alloc(&c->arena, (count ? count : 1) * sizeof(**uids));
	if (!*uids)
		return err_set(ERR_LIMIT, "too many messages in one command");
	for (struct imap_walk k = { 0 }; imap_walk(&i, &k, c, s);) {
		if (imap_live(&m, c, i))
			(*uids)[(*n)++] = m.uid;
		else
			c->gone = true;
	}
	return 0;
}
