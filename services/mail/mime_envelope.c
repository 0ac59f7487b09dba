/* SPDX-License-Identifier: ISC */
/* ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 7.4.2, RFC 9051 7.5.2). */
#include "services/mail/mime_impl.h"

/* ---- strings ---- */

/* A quoted string where one can hold it, else a literal. NUL fits neither and is dropped. */
static void put_string(struct buf *out, struct str s)
{
	bool literal = false;
	size_t nuls = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		literal |= c >= 0x80 || c == '\r' || c == '\n';
		nuls += c == 0;
	}
	if (literal)
		buf_fmt(out, "{%zu}\r\n", s.n - nuls);
	else
		buf_addc(out, '"');
	size_t run = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c && (literal || (c != '"' && c != '\\')))
			continue;
		buf_add(out, str_sub(s, run, i));
		run = i + 1;
		if (c) {
			buf_addc(out, '\\');
			run = i;
		}
	}
	buf_add(out, str_sub(s, run, s.n));
	if (!literal)
		buf_addc(out, '"');
}

static void put_nstring(struct buf *out, struct str s)
{
	if (s.p)
		put_string(out, s);
	else
		buf_addz(out, "NIL");
}

/* ---- ENVELOPE ---- */

enum { DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, ENVELOPE_N };

static const char *const envelope_name[ENVELOPE_N] = { "date", "subject", "from", "sender",
	"reply-to", "to", "cc", "bcc", "in-reply-to", "message-id" };

static bool is_addresses(unsigned field)
{
	return field >= FROM && field <= BCC;
}

struct envelope {
	struct str text[ENVELOPE_N];
	struct mime_addr *addrs[ENVELOPE_N], **tail[ENVELOPE_N];
};

static void envelope_field(struct envelope *e, struct arena *a, struct str name, struct str value)
{
	for (unsigned i = 0; i < ENVELOPE_N; i++) {
		if (!str_ieq(name, str_of(envelope_name[i])))
			continue;
		if (!is_addresses(i)) {
			if (!e->text[i].p)
				e->text[i] = mime_unfold(a, value);
			return;
		}
		/* A field given twice counts as one list: no address hides behind the first. */
		struct mime_addr **tail = e->tail[i] ? e->tail[i] : &e->addrs[i];
		for (*tail = mime_addrs(a, value); *tail; tail = &(*tail)->next)
			;
		e->tail[i] = tail;
		return;
	}
}

static void put_addrs(struct buf *out, const struct mime_addr *m)
{
	if (!m) {
		buf_addz(out, "NIL");
		return;
	}
	buf_addc(out, '(');
	for (; m; m = m->next) {
		buf_addc(out, '(');
		put_nstring(out, m->name);
		buf_addc(out, ' ');
		put_nstring(out, m->route);
		buf_addc(out, ' ');
		put_nstring(out, m->mailbox);
		buf_addc(out, ' ');
		put_nstring(out, m->host);
		buf_addc(out, ')');
	}
	buf_addc(out, ')');
}

void mime_envelope(struct buf *out, struct arena *scratch, struct str header_block)
{
	struct envelope e = { 0 };
	struct mime_header h;
	struct str name, value, whole;
	mime_header_begin(&h, header_block);
	while (mime_header_next(&name, &value, &whole, &h))
		envelope_field(&e, scratch, name, value);
	if (!e.addrs[SENDER])
		e.addrs[SENDER] = e.addrs[FROM];
	if (!e.addrs[REPLY_TO])
		e.addrs[REPLY_TO] = e.addrs[FROM];
	for (unsigned i = 0; i < ENVELOPE_N; i++) {
		buf_addc(out, i ? ' ' : '(');
		if (is_addresses(i))
			put_addrs(out, e.addrs[i]);
		else
			put_nstring(out, e.text[i]);
	}
	buf_addc(out, ')');
}

/* ---- BODYSTRUCTURE ---- */

static void put_params(struct buf *out, const struct mime_param *p)
{
	if (!p) {
		buf_addz(out, "NIL");
		return;
	}
	for (char before = '('; p; p = p->next, before = ' ') {
		buf_addc(out, before);
		if (p->extended.p) {
			/* As RFC 2231 has it, joined: clients decode it, and 7-bit is kept. */
			buf_addc(out, '"');
			buf_add(out, p->name);
			buf_addz(out, "*\" ");
			put_string(out, p->extended);
		} else {
			put_string(out, p->name);
			buf_addc(out, ' ');
			put_string(out, p->value);
		}
	}
	buf_addc(out, ')');
}

/* One language as a string, several as a list (RFC 3282: commas between). */
static void put_languages(struct buf *out, struct str value)
{
	struct str one;
	if (str_chr(value, ',') < 0) {
		put_nstring(out, value);
		return;
	}
	buf_addc(out, '(');
	for (bool more = true, first = true; more; first = false) {
		more = str_cut(&one, &value, value, ',');
		if (!first)
			buf_addc(out, ' ');
		put_string(out, str_trim(one));
	}
	buf_addc(out, ')');
}

/* body-ext-*: disposition, language, location, after what goes before them. */
static void put_extension(struct buf *out, const struct mime_part *p)
{
	buf_addc(out, ' ');
	if (p->disposition.p) {
		buf_addc(out, '(');
		put_string(out, p->disposition);
		buf_addc(out, ' ');
		put_params(out, p->disposition_params);
		buf_addc(out, ')');
	} else {
		buf_addz(out, "NIL");
	}
	buf_addc(out, ' ');
	put_languages(out, p->language);
	buf_addc(out, ' ');
	put_nstring(out, p->location);
}

static bool is_multipart(const struct mime_part *p)
{
	return str_ieq(p->type, STR("multipart"));
}

/* What stands before the children of a part; all of it for a part without. */
static void part_begin(
	struct buf *out, const struct mime_part *p, struct arena *scratch, bool extensible)
{
	buf_addc(out, '(');
	if (is_multipart(p)) {
		/* The grammar wants one child at least. */
		if (!p->child)
			buf_addz(out,
				extensible ? "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0 "
					     "NIL NIL NIL NIL)"
					   : "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
		return;
	}
	put_string(out, p->type);
	buf_addc(out, ' ');
	put_string(out, p->subtype);
	buf_addc(out, ' ');
	put_params(out, p->params);
	buf_addc(out, ' ');
	put_nstring(out, p->id);
	buf_addc(out, ' ');
	put_nstring(out, p->description);
	buf_addc(out, ' ');
	put_string(out, p->encoding);
	buf_fmt(out, " %llu", (unsigned long long)(p->end_at - p->body_at));
	if (p->child) {
		buf_addc(out, ' ');
		mime_envelope(out, scratch, p->child->header);
		buf_addc(out, ' ');
	}
}

static void part_end(struct buf *out, const struct mime_part *p, bool extensible)
{
	if (is_multipart(p)) {
		buf_addc(out, ' ');
		put_string(out, p->subtype);
		if (extensible) {
			buf_addc(out, ' ');
			put_params(out, p->params);
		}
	} else {
		if (p->child || str_ieq(p->type, STR("text")))
			buf_fmt(out, " %llu", (unsigned long long)p->body_lines);
		if (extensible) {
			buf_addc(out, ' ');
			put_nstring(out, p->md5);
		}
	}
	if (extensible)
		put_extension(out, p);
	buf_addc(out, ')');
}

void mime_bodystructure(
	struct buf *out, const struct mime_part *part, struct arena *scratch, bool extensible)
{
	const struct mime_part *p = part;
	part_begin(out, p, scratch, extensible);
	while (out->err == 0) {
		if (p->child) {
			p = p->child;
			part_begin(out, p, scratch, extensible);
			continue;
		}
		part_end(out, p, extensible);
		while (p != part && !p->next) {
			p = p->parent;
			part_end(out, p, extensible);
		}
		if (p == part)
			return;
		p = p->next;
		part_begin(out, p, scratch, extensible);
	}
}
