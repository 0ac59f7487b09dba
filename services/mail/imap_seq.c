/* SPDX-License-Identifier: ISC */
#include "services/mail/imap_seq.h"

static uint32_t seq_number(struct imap_rd *rd)
{
	return imap_try(rd, '*') ? 0 : imap_nz(rd);
}

void imap_set_parse(struct imap_set *out, struct imap_rd *rd)
{
	size_t cap = 1;
	for (const char *p = rd->at; p < rd->end && *p != ' ' && *p != ')'; p++)
		cap += *p == ',';
	*out = (struct imap_set){ 0 };
	if (rd->why)
		return;
	out->r = arena_alloc(rd->a, cap * sizeof(*out->r));
	if (!out->r) {
		imap_rd_fail(rd, "the command needs too much memory");
		return;
	}
	do {
		struct imap_range *r = &out->r[out->n];
		r->from = r->to = seq_number(rd);
		if (imap_try(rd, ':'))
			r->to = seq_number(rd);
		out->n++;
	} while (!rd->why && imap_try(rd, ','));
	if (rd->why)
		out->n = 0;
}

static int by_from(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;
	return x->from < y->from ? -1 : x->from > y->from;
}

void imap_set_resolve(struct imap_set *s, uint32_t last)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct imap_range r = s->r[i];
		if (!last && (!r.from || !r.to))
			continue;
		r.from = r.from ? r.from : last;
		r.to = r.to ? r.to : last;
		s->r[n++] = r.from <= r.to ? r : (struct imap_range){ r.to, r.from };
	}
	if (!n) {
		s->n = 0;
		return;
	}
	qsort(s->r, n, sizeof(*s->r), by_from);
	size_t k = 0;
	for (size_t i = 1; i < n; i++) {
		if (s->r[i].from > s->r[k].to && s->r[i].from - s->r[k].to > 1)
			s->r[++k] = s->r[i];
		else if (s->r[i].to > s->r[k].to)
			s->r[k].to = s->r[i].to;
	}
	s->n = k + 1;
}

bool imap_set_has(const struct imap_set *s, uint32_t v)
{
	size_t lo = 0, hi = s->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (v > s->r[mid].to)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && v >= s->r[lo].from;
}

uint32_t imap_set_max(const struct imap_set *s)
{
	return s->n ? s->r[s->n - 1].to : 0;
}

static void put_range(struct imap_set_text *t)
{
	char text[32];
	int n = t->from == t->to ? snprintf(text, sizeof(text), "%u", t->from)
				 : snprintf(text, sizeof(text), "%u:%u", t->from, t->to);
	t->put(t->ctx, str_n(text, (size_t)n));
}

void imap_set_add(struct imap_set_text *t, uint32_t v)
{
	imap_set_add_range(t, v, v);
}

void imap_set_add_range(struct imap_set_text *t, uint32_t from, uint32_t to)
{
	if (t->any && from > t->to && from - t->to == 1) {
		t->to = to;
		return;
	}
	if (t->any) {
		put_range(t);
		t->put(t->ctx, STR(","));
	}
	t->from = from;
	t->to = to;
	t->any = true;
}

void imap_set_flush(struct imap_set_text *t)
{
	if (t->any)
		put_range(t);
}
