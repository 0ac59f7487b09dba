/* SPDX-License-Identifier: ISC */
/*
 * Parameters of Content-Type and Content-Disposition (RFC 2045 5.1), with the continuations and
 * charsets of RFC 2231. Segments are gathered first, since they may come in any order.
 */
#include "services/mail/mime_impl.h"

#define SECTION_MAX 9999
#define VALUE_MAX   (32 * 1024) /* a longer one is dropped; bounds the scratch buffers */

/* name, name*, name*3, name*3*: takes the marks off. A name with odd marks stays as it is. */
static void split_name(struct mime_segment *g)
{
	struct str base, rest;
	g->section = -1;
	g->extended = false;
	if (!str_cut(&base, &rest, g->name, '*') || base.n == 0)
		return;
	if (rest.n == 0) {
		g->name = base;
		g->extended = true;
		return;
	}
	bool extended = str_ends(rest, STR("*"));
	if (extended)
		rest.n--;
	uint64_t n;
	if (str_u64(&n, rest, SECTION_MAX) < 0)
		return;
	g->name = base;
	g->section = (int)n;
	g->extended = extended;
}

/* A comment must stand after white space: "name=copy(1).txt" is one value, as its writer meant. */
static bool value_ends(const struct mime_lex *l)
{
	const char *q = l->p;
	if (*q == ';')
		return true;
	if (!mime_is_space(*q))
		return false;
	while (q < l->end && mime_is_space(*q))
		q++;
	if (q == l->end || *q == ';' || *q == '(')
		return true;
	/* A forgotten semicolon: "charset=utf-8 format=flowed". */
	const char *word = q;
	while (q < l->end && *q != '=' && mime_is_token(*q))
		q++;
	return q > word && q < l->end && *q == '=' && q + 1 < l->end && !mime_is_space(q[1]);
}

static void take_value(struct mime_lex *l, struct buf *out)
{
	mime_lex_space(l, NULL);
	if (l->p < l->end && *l->p == '"') {
		mime_lex_quoted(l, out);
		return;
	}
	const char *start = l->p;
	while (l->p < l->end && !value_ends(l)) {
		bool space = mime_is_space(*l->p);
		do
			l->p++;
		while (space && l->p < l->end && mime_is_space(*l->p));
	}
	buf_add(out, str_n(start, (size_t)(l->p - start)));
}

/* One "name=value" into the next segment. False: what stood there was none, and was skipped. */
static bool take_segment(struct mime_params *ps, struct mime_lex *l)
{
	struct mime_segment *g = &ps->seg[ps->count];
	size_t at = ps->text.n;
	const char *start = l->p;
	while (l->p < l->end && mime_is_token(*l->p))
		l->p++;
	const char *stop = l->p;
	mime_lex_space(l, NULL);
	if (stop == start || l->p == l->end || *l->p != '=') {
		if (l->p == start)
			l->p++;
		return false;
	}
	for (; start < stop; start++)
		buf_addc(&ps->text, *start >= 'A' && *start <= 'Z' ? (char)(*start + 32) : *start);
	size_t name_n = ps->text.n - at;
	l->p++;
	take_value(l, &ps->text);
	if (ps->text.err < 0)
		return false;
	/* The text may move while it grows, so offsets become pointers only in gather(). */
	*g = (struct mime_segment){ .name = str_n(NULL, name_n),
		.value = str_n(NULL, ps->text.n - at - name_n) };
	ps->count++;
	return true;
}

static void gather(struct mime_params *ps, struct mime_lex *l)
{
	ps->count = 0;
	ps->text.n = 0;
	while (l->p < l->end && ps->count < MIME_PARAMS_MAX && ps->text.err == 0) {
		mime_lex_space(l, NULL);
		while (l->p < l->end && *l->p == ';') {
			l->p++;
			mime_lex_space(l, NULL);
		}
		if (l->p < l->end && !take_segment(ps, l))
			while (l->p < l->end && *l->p != ';' && !mime_is_space(*l->p))
				l->p++;
	}
	const char *at = ps->text.p;
	for (unsigned i = 0; i < ps->count; i++) {
		struct mime_segment *g = &ps->seg[i];
		g->name.p = at;
		g->value.p = at + g->name.n;
		at = g->value.p + g->value.n;
		split_name(g);
	}
}

/* The unused segment of this name with the lowest section, -1 when there is none. */
static int next_section(const struct mime_params *ps, struct str name)
{
	int best = -1;
	for (unsigned i = 0; i < ps->count; i++) {
		const struct mime_segment *g = &ps->seg[i];
		if (!g->used && g->section >= 0 && str_eq(g->name, name) &&
			(best < 0 || g->section < ps->seg[best].section))
			best = (int)i;
	}
	return best;
}

static void add_percent(struct buf *out, struct str plain)
{
	for (size_t i = 0; i < plain.n; i++) {
		char c = plain.p[i];
		if (mime_is_token(c) && c != '*' && c != '\'' && c != '%')
			buf_addc(out, c);
		else
			buf_fmt(out, "%%%02X", (unsigned char)c);
	}
}

/*
 * Joins what belongs to segment i into ps->joined. True when it is in the extended form
 * charset'language'percent-encoded.
 */
static bool join(struct mime_params *ps, unsigned i)
{
	struct buf *out = &ps->joined;
	struct str name = ps->seg[i].name;
	out->n = 0;
	if (ps->seg[i].section < 0) {
		ps->seg[i].used = true;
		buf_add(out, str_sub(ps->seg[i].value, 0, VALUE_MAX + 1));
		return ps->seg[i].extended;
	}
	bool extended = false, first = true;
	for (unsigned k = 0; k < ps->count; k++)
		if (ps->seg[k].section >= 0 && str_eq(ps->seg[k].name, name))
			extended |= ps->seg[k].extended;
	for (int k; (k = next_section(ps, name)) >= 0; first = false) {
		struct mime_segment *g = &ps->seg[k];
		g->used = true;
		if (extended && first && !g->extended)
			buf_add(out, STR("''"));
		struct str value = str_sub(g->value, 0, VALUE_MAX + 1);
		if (out->n > VALUE_MAX)
			continue; /* too long already */
		if (extended && !g->extended)
			add_percent(out, value);
		else
			buf_add(out, value);
	}
	return extended;
}

/* The byte written as %41 at s.p[i]; 0 for none, and for NUL, which is not wanted either. */
static int percent_at(struct str s, size_t i)
{
	if (s.p[i] != '%' || s.n - i < 3)
		return 0;
	int hi = mime_hex_value(s.p[i + 1]), lo = mime_hex_value(s.p[i + 2]);
	return hi < 0 || lo < 0 ? 0 : hi * 16 + lo;
}

/* charset'language'%41bc to UTF-8, appended. */
static void decode_extended(struct buf *out, struct str s)
{
	struct str charset, rest, language, text;
	if (!str_cut(&charset, &rest, s, '\'') || !str_cut(&language, &text, rest, '\'')) {
		charset = STR("");
		text = s;
	}
	struct mime_conv conv;
	mime_conv_begin(&conv, charset);
	size_t run = 0, i = 0;
	while (i < text.n) {
		char c = (char)percent_at(text, i);
		if (!c) {
			i++;
			continue;
		}
		mime_conv_push(&conv, str_sub(text, run, i), false, out);
		mime_conv_push(&conv, str_n(&c, 1), false, out);
		run = i += 3;
	}
	mime_conv_push(&conv, str_sub(text, run, text.n), true, out);
	mime_conv_end(&conv);
}

static struct mime_param *keep_param(struct mime_params *ps, unsigned i)
{
	struct mime_keep *k = ps->keep;
	struct str name = ps->seg[i].name;
	bool extended = join(ps, i);
	struct str written = buf_str(&ps->joined), value = written;
	if (written.n > VALUE_MAX)
		return NULL;
	if (extended) {
		ps->decoded.n = 0;
		decode_extended(&ps->decoded, written);
		value = buf_str(&ps->decoded);
	}
	size_t need = sizeof(struct mime_param) + name.n + value.n + (extended ? written.n : 0);
	need += 3 * 16; /* what the arena rounds up */
	if (ps->joined.err < 0 || ps->decoded.err < 0 || need > k->left)
		return NULL;
	k->left -= sizeof(struct mime_param);
	struct mime_param *p = ARENA_NEW(k->a, struct mime_param);
	if (!p) {
		k->full = true;
		return NULL;
	}
	p->name = mime_keep_str(k, name);
	p->value = mime_keep_str(k, value);
	if (extended)
		p->extended = mime_keep_str(k, written);
	return p;
}

struct mime_param *mime_params(struct mime_params *ps, struct mime_lex *l)
{
	struct mime_param *first = NULL, **tail = &first;
	gather(ps, l);
	for (unsigned i = 0; i < ps->count; i++) {
		if (ps->seg[i].used)
			continue;
		struct mime_param *p = keep_param(ps, i);
		if (!p)
			continue;
		*tail = p;
		tail = &p->next;
	}
	return first;
}

struct str mime_param(const struct mime_param *params, const char *name)
{
	struct str plain = STR_NONE;
	for (; params; params = params->next) {
		if (!str_eq(params->name, str_of(name)))
			continue;
		if (params->extended.p)
			return params->value;
		if (!plain.p)
			plain = params->value;
	}
	return plain;
}
