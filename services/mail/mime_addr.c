/* SPDX-License-Identifier: ISC */
/*
 * Address lists (RFC 5322 3.4, obsolete forms of 4.4 included), as ENVELOPE wants them: quoting
 * taken off, comments left out, except that a comment at a bare address is its name (the custom of
 * RFC 822, still seen). Loops, no recursion: the input may nest as it likes.
 */
#include "services/mail/mime_impl.h"

#define ADDRS_MAX        10000
#define ENCODED_WORD_MAX 512 /* RFC 2047 says 75; looked ahead for each atom */

struct list {
	struct arena *a;
	struct mime_lex l;
	struct mime_addr *first, **tail;
	unsigned count;
	bool in_group, full;
	bool glued;         /* no comma stands before this element */
	struct buf words;   /* phrase or local part, quoting off */
	size_t last_word;   /* offset of its last word */
	bool any, split;    /* a word was seen, maybe ""; white space stands at a dot */
	struct buf host;    /* scratch */
	struct str comment; /* the last one in this element */
};

/* ---- words ---- */

static bool is_special(char c)
{
	return mime_is_space(c) || memchr("()<>[]:;@,\"", c, 11);
}

/* The end of the encoded-word at `p`, NULL when there is none. */
static const char *encoded_word_end(const char *p, const char *end)
{
	unsigned marks = 0;
	if (end - p > ENCODED_WORD_MAX)
		end = p + ENCODED_WORD_MAX;
	for (const char *q = p; q < end && !memchr(" \t\"<>", *q, 5); q++) {
		if (marks == 4 && *q == '=')
			return q + 1;
		if (marks == 4)
			return NULL;
		marks += *q == '?';
	}
	return NULL;
}

/*
 * An atom, dots included. An encoded-word is one atom even with specials in it, as some write
 * =?utf-8?q?Doe,_Jane?=.
 */
static struct str atom(struct mime_lex *l)
{
	const char *start = l->p;
	if (l->end - start > 5 && start[0] == '=' && start[1] == '?') {
		const char *stop = encoded_word_end(start, l->end);
		if (stop)
			l->p = stop;
	}
	while (l->p < l->end && !is_special(*l->p))
		l->p++;
	return str_n(start, (size_t)(l->p - start));
}

/* Words as far as they go, into ls->words, one space where there was white space. */
static void take_words(struct list *ls)
{
	struct mime_lex *l = &ls->l;
	struct buf *w = &ls->words;
	w->n = ls->last_word = 0;
	ls->any = ls->split = false;
	for (;;) {
		const char *before = l->p;
		mime_lex_space(l, &ls->comment);
		if (l->p == l->end || (*l->p != '"' && is_special(*l->p)))
			return;
		if (ls->any && l->p > before) {
			if (*l->p == '.' || (w->n && w->p[w->n - 1] == '.'))
				ls->split = true;
			else
				ls->last_word = w->n + 1;
			buf_addc(w, ' ');
		}
		ls->any = true;
		if (*l->p == '"')
			mime_lex_quoted(l, w);
		else
			buf_add(w, atom(l));
	}
}

/* A domain or domain literal, white space and comments taken out, into ls->host. */
static void take_domain(struct list *ls)
{
	struct mime_lex *l = &ls->l;
	struct buf *h = &ls->host;
	h->n = 0;
	for (;;) {
		const char *start = l->p;
		mime_lex_space(l, &ls->comment);
		if (l->p == l->end)
			return;
		/* Words apart are one domain only if a dot joins them. */
		if (h->n && l->p > start && *l->p != '.' && h->p[h->n - 1] != '.')
			return;
		start = l->p;
		if (*l->p == '[') {
			while (l->p < l->end && !memchr("]<>,;", *l->p, 5))
				l->p++;
			if (l->p < l->end && *l->p == ']')
				l->p++;
		} else if (*l->p == '@') {
			l->p++;
		} else if (!is_special(*l->p)) {
			atom(l);
		} else {
			return;
		}
		buf_add(h, str_n(start, (size_t)(l->p - start)));
	}
}

/* ---- results ---- */

static struct str keep(struct list *ls, struct str s)
{
	struct str copy = arena_dup(ls->a, s);
	ls->full |= !copy.p;
	return copy;
}

static struct str keep_some(struct list *ls, struct str s)
{
	s = str_trim(s);
	return s.n ? keep(ls, s) : STR_NONE;
}

static struct mime_addr *add(struct list *ls)
{
	struct mime_addr *m = ls->count < ADDRS_MAX ? ARENA_NEW(ls->a, struct mime_addr) : NULL;
	if (!m) {
		ls->full = true;
		return NULL;
	}
	ls->count++;
	*ls->tail = m;
	ls->tail = &m->next;
	return m;
}

/* The local part in ls->words from `at`; "joe . doe" loses its spaces. */
static struct str keep_local(struct list *ls, size_t at)
{
	struct str s = str_sub(buf_str(&ls->words), at, ls->words.n);
	if (!ls->split)
		return keep(ls, s);
	struct str copy = keep(ls, s);
	char *out = (char *)copy.p;
	size_t n = 0;
	for (size_t i = 0; i < copy.n; i++)
		if (copy.p[i] != ' ')
			out[n++] = copy.p[i];
	return str_n(copy.p, n);
}

/* ---- elements ---- */

/* "@a,@b:" after '<', without the colon; STR_NONE when there is none. */
static struct str take_route(struct list *ls)
{
	struct mime_lex *l = &ls->l;
	if (l->p == l->end || *l->p != '@')
		return STR_NONE;
	const char *q = l->p;
	while (q < l->end && !memchr(":<>\"", *q, 4))
		q++;
	if (q == l->end || *q != ':')
		return STR_NONE;
	struct str route = str_n(l->p, (size_t)(q - l->p));
	l->p = q + 1;
	return keep_some(ls, route);
}

/* At '<'. *m: the address. False when nothing stood there, or a nickname before another '<'. */
static bool take_angle(struct list *ls, struct mime_addr *m)
{
	struct mime_lex *l = &ls->l;
	while (l->p < l->end && (*l->p == '<' || mime_is_space(*l->p)))
		l->p++;
	m->route = take_route(ls);
	take_words(ls);
	m->mailbox = keep_local(ls, 0);
	m->host = STR("");
	if (l->p < l->end && *l->p == '@') {
		l->p++;
		take_domain(ls);
		m->host = keep(ls, buf_str(&ls->host));
	}
	while (l->p < l->end && *l->p != '>' && *l->p != ',')
		l->p++;
	while (l->p < l->end && *l->p == '>')
		l->p++;
	mime_lex_space(l, &ls->comment);
	return m->host.n || (m->mailbox.n && (l->p == l->end || *l->p != '<'));
}

static void named_address(struct list *ls, struct str name)
{
	struct mime_addr got = { .name = keep_some(ls, name) };
	while (!take_angle(ls, &got) && ls->l.p < ls->l.end && *ls->l.p == '<')
		;
	if (!got.mailbox.n && !got.host.n && !got.name.p)
		return;
	if (!got.name.p)
		got.name = keep_some(ls, ls->comment);
	struct mime_addr *m = ls->full ? NULL : add(ls);
	if (m)
		*m = got;
}

/* At '@': what stands before it in the words is the local part. */
static void bare_address(struct list *ls)
{
	size_t at = ls->last_word;
	struct mime_addr got = { .mailbox = keep_local(ls, at) };
	ls->l.p++;
	take_domain(ls);
	if (ls->l.p < ls->l.end && *ls->l.p == '<') {
		/* me@example.org <me@example.org> */
		buf_addc(&ls->words, '@');
		buf_add(&ls->words, buf_str(&ls->host));
		named_address(ls, keep(ls, buf_str(&ls->words)));
		return;
	}
	got.host = keep(ls, buf_str(&ls->host));
	got.name = keep_some(ls, at ? str_sub(buf_str(&ls->words), 0, at) : ls->comment);
	struct mime_addr *m = ls->full ? NULL : add(ls);
	if (m)
		*m = got;
}

static void group_begin(struct list *ls)
{
	struct mime_addr *m = add(ls);
	ls->l.p++;
	ls->in_group = true;
	if (m)
		m->mailbox = keep(ls, buf_str(&ls->words));
}

static void group_end(struct list *ls)
{
	if (ls->in_group)
		add(ls);
	ls->in_group = false;
}

/* Words alone: a local name, unless they only trail behind an address. */
static void bare_words(struct list *ls)
{
	struct mime_addr *m = ls->words.n && !ls->glued ? add(ls) : NULL;
	if (!m)
		return;
	m->mailbox = keep(ls, buf_str(&ls->words));
	m->host = STR("");
	m->name = keep_some(ls, ls->comment);
}

static void element(struct list *ls)
{
	ls->comment = STR_NONE;
	take_words(ls);
	char c = ls->l.p < ls->l.end ? *ls->l.p : ',';
	if (c == '<') {
		named_address(ls, keep(ls, buf_str(&ls->words)));
	} else if (c == '@') {
		bare_address(ls);
	} else if (c == ':' && ls->any && !ls->in_group) {
		group_begin(ls);
		ls->glued = false;
		return;
	} else if (c != ':') {
		bare_words(ls);
	}
	ls->glued = true;
}

struct mime_addr *mime_addrs(struct arena *a, struct str value)
{
	struct list ls = { .a = a };
	struct str plain = mime_unfold(a, value);
	ls.tail = &ls.first;
	ls.l = mime_lex_of(plain);
	buf_init(&ls.words, a);
	buf_init(&ls.host, a);
	while (ls.l.p < ls.l.end && !ls.full && ls.words.err == 0 && ls.host.err == 0) {
		const char *before = ls.l.p;
		char c = *before;
		if (c == ',' || c == ';') {
			ls.l.p++;
			ls.glued = false;
			if (c == ';')
				group_end(&ls);
			continue;
		}
		element(&ls);
		if (ls.l.p == before)
			ls.l.p++; /* a special where none belongs */
	}
	group_end(&ls);
	return ls.first;
}
