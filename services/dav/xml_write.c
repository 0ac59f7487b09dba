/* SPDX-License-Identifier: ISC */
#include "services/dav/xml.h"

static const struct {
	const char *prefix;
	struct str ns;
} known[] = {
	{ "D", { "DAV:", 4 } },
	{ "C", { "urn:ietf:params:xml:ns:caldav", 29 } },
	{ "CR", { "urn:ietf:params:xml:ns:carddav", 30 } },
	{ "CS", { "http://calendarserver.org/ns/", 29 } },
	{ "A", { "http://apple.com/ns/ical/", 25 } },
};

static const char *prefix_of(struct str ns)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq(known[i].ns, ns))
			return known[i].prefix;
	return NULL;
}

/* Bytes of the character at s.p[0] that XML 1.0 allows; 0: none. */
static size_t character(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	uint32_t u;
	size_t n;

	if (c < 0x80)
		return c >= ' ' || c == '\t' || c == '\n' || c == '\r';
	n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || s.n < n)
		return 0;
	u = c & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return 0;
		u = u << 6 | ((unsigned char)s.p[i] & 0x3f);
	}
	if ((n == 3 && u < 0x800) || (n == 4 && (u < 0x10000 || u > 0x10ffff)) ||
		(u >= 0xd800 && u < 0xe000) || u == 0xfffe || u == 0xffff)
		return 0;
	return n;
}

/* How many bytes stand as they are: all but what is escaped, and what may not be UTF-8. */
static size_t plain(struct str s)
{
	size_t n = 0;

	while (n < s.n) {
		unsigned char c = (unsigned char)s.p[n];
		if (c < ' ' || c >= 0x80 || c == '&' || c == '<' || c == '>' || c == '"')
			break;
		n++;
	}
	return n;
}

static void escape(struct buf *b, struct str s, bool attr)
{
	while (s.n > 0) {
		size_t n = plain(s);
		if (n) {
			buf_add(b, str_n(s.p, n));
			s = str_n(s.p + n, s.n - n);
			continue;
		}
		n = character(s);
		switch (s.p[0]) {
		case '&': buf_add(b, STR("&amp;")); break;
		case '<': buf_add(b, STR("&lt;")); break;
		case '>': buf_add(b, STR("&gt;")); break;
		case '\r': buf_add(b, STR("&#13;")); break;
		case '"':
		case '\n':
		case '\t':
			if (attr) {
				buf_fmt(b, "&#%d;", s.p[0]);
				break;
			}
			/* fall through */
		default: buf_add(b, n ? str_sub(s, 0, n) : STR("\xef\xbf\xbd"));
		}
		s = str_sub(s, n ? n : 1, s.n);
	}
}

void xml_text(struct buf *b, struct str text)
{
	escape(b, text, false);
}

void xml_root(struct buf *b, struct str ns, const char *name)
{
	buf_fmt(b, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<%s:%s", prefix_of(ns), name);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		buf_fmt(b, " xmlns:%s=\"%.*s\"", known[i].prefix, STR_ARG(known[i].ns));
	buf_addc(b, '>');
}

static void start(struct buf *b, struct str ns, struct str name)
{
	const char *prefix = prefix_of(ns);

	if (prefix) {
		buf_fmt(b, "<%s:%.*s", prefix, STR_ARG(name));
		return;
	}
	buf_fmt(b, "<%.*s xmlns=\"", STR_ARG(name));
	escape(b, ns, true);
	buf_addc(b, '"');
}

static void stop(struct buf *b, struct str ns, struct str name)
{
	const char *prefix = prefix_of(ns);
	buf_fmt(b, "</%s%s%.*s>", prefix ? prefix : "", prefix ? ":" : "", STR_ARG(name));
}

void xml_open(struct buf *b, struct str ns, const char *name)
{
	start(b, ns, str_of(name));
	buf_addc(b, '>');
}

void xml_close(struct buf *b, struct str ns, const char *name)
{
	stop(b, ns, str_of(name));
}

void xml_empty(struct buf *b, struct str ns, const char *name)
{
	start(b, ns, str_of(name));
	buf_add(b, STR("/>"));
}

void xml_leaf(struct buf *b, struct str ns, const char *name, struct str text)
{
	xml_open(b, ns, name);
	xml_text(b, text);
	xml_close(b, ns, name);
}

/* ---- copies ---- */
/* Stands alone: every element says its namespace itself. */
static void copy_start(struct buf *b, const struct xml *x)
{
	buf_fmt(b, "<%.*s xmlns=\"", STR_ARG(x->name));
	escape(b, x->ns, true);
	buf_addc(b, '"');
	for (size_t i = 0; i < x->attr_count; i++) {
		const struct xml_attr *a = &x->attrs[i];
		if (str_eq(a->ns, STR("http://www.w3.org/XML/1998/namespace")))
			buf_fmt(b, " xml:%.*s=\"", STR_ARG(a->name));
		else if (a->ns.n) {
			buf_fmt(b, " xmlns:n%zu=\"", i);
			escape(b, a->ns, true);
			buf_fmt(b, "\" n%zu:%.*s=\"", i, STR_ARG(a->name));
		} else
			buf_fmt(b, " %.*s=\"", STR_ARG(a->name));
		escape(b, a->value, true);
		buf_addc(b, '"');
	}
	buf_add(b, x->children ? STR(">") : STR("/>"));
}

void xml_copy(struct buf *b, const struct xml *top)
{
	const struct xml *x = top;

	for (;;) {
		if (x->name.n)
			copy_start(b, x);
		else
			xml_text(b, x->text);
		if (x->children) {
			x = x->children;
			continue;
		}
		while (x != top && !x->next) {
			x = x->parent;
			buf_fmt(b, "</%.*s>", STR_ARG(x->name));
		}
		if (x == top)
			return;
		x = x->next;
	}
}
