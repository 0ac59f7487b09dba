/* SPDX-License-Identifier: ISC */
/*
 * The structure of a message, from bytes pushed in any split.
 *
 * The parser works line by line and keeps of a line only what could be a boundary, and the header
 * block that is being read. Whatever stands open is a chain: m->part is the innermost part, its
 * parents are open too; m->levels are the multiparts among them that still wait for boundaries.
 *
 * Choices where senders and standards disagree:
 * - A boundary line is the whole line but for white space at its end. RFC 2046 5.1.1 would let more
 *   follow, which cuts a part wherever one boundary is the beginning of another.
 * - A line without a colon does not end a header block; only an empty line or a boundary does.
 * - A multipart whose boundary is missing or never appears is text/plain, so that it can be read.
 */
#include "services/mail/mime_impl.h"

#define BOUNDARY_MAX 1000               /* fits a line of RFC 5322 */
#define HOLD_MAX     (BOUNDARY_MAX + 8) /* dashes before and after, and then some */
#define TOKEN_MAX    127                /* RFC 6838 4.2 */
#define KEEP_MAX     (1024 * 1024)      /* text in one tree: params, headers of embedded messages */

/* An offset in the message and the number of line feeds before it. */
struct spot {
	uint64_t at, lf;
};

/* A multipart that is open and whose closing boundary was not seen yet. */
struct level {
	struct mime_part *part, **link; /* itself; where its next child goes */
	struct str boundary;
	bool seen; /* one of its boundaries */
};

struct mime_impl {
	struct mime_keep keep;
	struct mime_part *root, *part;
	unsigned depth, part_count; /* depth of `part`, root is 0 */
	struct level levels[MIME_DEPTH_MAX];
	unsigned level_count;
	struct mime_params params;
	struct mime_param *us_ascii;
	struct buf header;  /* of `part`, while in_header */
	size_t header_line; /* where the current line begins in it */
	bool in_header;
	bool opaque; /* over a limit: no structure is looked for any more */

	uint64_t at;      /* offset of the next byte */
	struct spot line; /* begin of the current line */
	unsigned eol;     /* length of the line end before it: 0, 1, 2 */
	char last;        /* last byte pushed */
	bool skip;        /* the current line is no boundary */
	size_t held;
	char hold[HOLD_MAX]; /* its beginning */
};

/* ---- opening and closing parts ---- */

/* A part whose header begins at `at`; *link will point to it. */
static void part_open(
	struct mime_impl *m, struct mime_part *parent, struct mime_part **link, struct spot at)
{
	struct mime_part *p = ARENA_NEW(m->keep.a, struct mime_part);
	if (!p) {
		m->keep.full = true;
		return;
	}
	p->header_at = at.at;
	p->header_lines = at.lf; /* a difference later */
	p->parent = parent;
	if (parent)
		parent->child_count++;
	m->part_count++;
	m->depth = parent ? m->depth + 1 : 0;
	m->part = *link = p;
	m->in_header = true;
	m->header.n = m->header_line = 0;
}

static void part_default(struct mime_impl *m, struct mime_part *p)
{
	p->type = STR("text");
	p->subtype = STR("plain");
	p->params = m->us_ascii;
}

/* Everything from m->part up to, not including, `stop` ends at `end`. */
static void close_to(struct mime_impl *m, const struct mime_part *stop, struct spot end)
{
	while (m->part != stop) {
		struct mime_part *p = m->part;
		/* The line end before a boundary may have been that of the header: then it stays. */
		if (end.at < p->body_at)
			end = (struct spot){ p->body_at, p->body_lines };
		p->end_at = end.at;
		p->body_lines = end.lf - p->body_lines;
		m->part = p->parent;
		m->depth--;
	}
}

static void drop_levels(struct mime_impl *m, unsigned count)
{
	while (m->level_count > count) {
		const struct level *v = &m->levels[--m->level_count];
		if (!v->seen)
			part_default(m, v->part);
	}
}

/* ---- header blocks ---- */

static bool is_type(const struct mime_part *p, const char *type, const char *subtype)
{
	return str_ieq(p->type, str_of(type)) && str_ieq(p->subtype, str_of(subtype));
}

bool mime_is_message(const struct mime_part *p)
{
	return is_type(p, "message", "rfc822") || is_type(p, "message", "global");
}

/* First token of a value such as Content-Transfer-Encoding, comments left out. */
static struct str take_token(struct mime_lex *l)
{
	mime_lex_space(l, NULL);
	const char *start = l->p;
	while (l->p < l->end && mime_is_token(*l->p))
		l->p++;
	return str_n(start, (size_t)(l->p - start));
}

static void content_type(struct mime_impl *m, struct mime_part *p, struct str value)
{
	struct mime_lex l = mime_lex_of(value);
	struct str type = take_token(&l), subtype = STR("");
	mime_lex_space(&l, NULL);
	if (l.p < l.end && *l.p == '/') {
		l.p++;
		subtype = take_token(&l);
	}
	part_default(m, p);
	if (!type.n || !subtype.n || type.n > TOKEN_MAX || subtype.n > TOKEN_MAX)
		return;
	type = mime_keep_str(&m->keep, type);
	subtype = mime_keep_str(&m->keep, subtype);
	if (!type.p || !subtype.p)
		return;
	p->type = type;
	p->subtype = subtype;
	p->params = mime_params(&m->params, &l);
}

static void disposition(struct mime_impl *m, struct mime_part *p, struct str value)
{
	struct mime_lex l = mime_lex_of(value);
	struct str token = take_token(&l);
	if (!token.n)
		return;
	p->disposition = mime_keep_str(&m->keep, token);
	if (p->disposition.p)
		p->disposition_params = mime_params(&m->params, &l);
}

static void encoding(struct mime_impl *m, struct mime_part *p, struct str value)
{
	struct mime_lex l = mime_lex_of(value);
	struct str token = take_token(&l);
	if (token.n && token.n <= TOKEN_MAX)
		p->encoding = mime_keep_str(&m->keep, token);
}

static void field(struct mime_impl *m, struct mime_part *p, struct str name, struct str raw)
{
	static const char *const plain[] = { "id", "description", "language", "location", "md5" };
	struct str *const to[] = { &p->id, &p->description, &p->language, &p->location, &p->md5 };
	if (!str_istarts(name, STR("content-")))
		return;
	name = str_sub(name, strlen("content-"), name.n);
	/* In place: m->header is ours, and this field was passed. */
	struct str value = str_n(raw.p, mime_unfold_into((char *)raw.p, raw));
	if (str_ieq(name, STR("type")) && !p->type.p)
		content_type(m, p, value);
	else if (str_ieq(name, STR("disposition")) && !p->disposition.p)
		disposition(m, p, value);
	else if (str_ieq(name, STR("transfer-encoding")) && !p->encoding.p)
		encoding(m, p, value);
	else
		for (size_t i = 0; i < ARRAY_LEN(plain); i++)
			if (str_ieq(name, str_of(plain[i])) && !to[i]->p)
				*to[i] = mime_keep_str(&m->keep, value);
}

static void fields(struct mime_impl *m, struct mime_part *p)
{
	struct mime_header h;
	struct str name, value, whole;
	mime_header_begin(&h, buf_str(&m->header));
	while (mime_header_next(&name, &value, &whole, &h))
		field(m, p, name, value);
	if (!p->type.p) {
		part_default(m, p);
		if (p->parent && is_type(p->parent, "multipart", "digest")) {
			p->type = STR("message");
			p->subtype = STR("rfc822");
			p->params = NULL;
		}
	}
	if (!p->encoding.p)
		p->encoding = STR("7bit");
}

/* The header of m->part is over: what stands at `body` belongs to its body. */
static void header_done(struct mime_impl *m, struct spot body)
{
	struct mime_part *p = m->part;
	m->in_header = false;
	p->body_at = body.at;
	p->header_lines = body.lf - p->header_lines;
	p->body_lines = body.lf; /* a difference later */
	if (!p->parent || mime_is_message(p->parent)) {
		size_t room = m->keep.left > 16 ? m->keep.left - 16 : 0;
		struct str kept = str_sub(buf_str(&m->header), 0, room);
		p->header = mime_keep_str(&m->keep, kept);
	}
	fields(m, p);
	bool more = m->depth + 1 < MIME_DEPTH_MAX && m->part_count < MIME_PARTS_MAX;
	if (mime_is_message(p)) {
		if (more)
			part_open(m, p, &p->child, body);
		else
			part_default(m, p);
	} else if (str_ieq(p->type, STR("multipart"))) {
		struct str boundary = mime_param(p->params, "boundary");
		while (boundary.n && mime_is_space(boundary.p[boundary.n - 1]))
			boundary.n--;
		if (more && boundary.n && boundary.n <= BOUNDARY_MAX)
			m->levels[m->level_count++] = (struct level){
				.part = p, .link = &p->child, .boundary = boundary
			};
		else
			part_default(m, p);
	}
}

/* ---- lines ---- */

/* The innermost open multipart whose boundary the held line is, or -1. */
static int find_level(const struct mime_impl *m, bool *closes)
{
	struct str line = str_n(m->hold, m->held);
	while (line.n && mime_is_space(line.p[line.n - 1]))
		line.n--;
	if (line.n < 3)
		return -1;
	line = str_sub(line, 2, line.n);
	for (int i = (int)m->level_count - 1; i >= 0; i--) {
		struct str b = m->levels[i].boundary;
		*closes = line.n == b.n + 2 && str_ends(line, STR("--"));
		if ((line.n == b.n || *closes) && str_starts(line, b))
			return i;
	}
	return -1;
}

static void boundary(struct mime_impl *m, unsigned index, bool closes, struct spot next)
{
	struct level *v = &m->levels[index];
	if (!closes && m->part_count == MIME_PARTS_MAX) {
		m->opaque = true;
		return;
	}
	if (m->in_header)
		m->header.n = m->header_line; /* the boundary is no part of it */
	while (m->in_header && !m->keep.full)
		header_done(m, m->line);
	if (m->keep.full)
		return;
	v->seen = true;
	drop_levels(m, closes ? index : index + 1);
	/* The line end before the boundary belongs to the boundary. */
	close_to(m, v->part, (struct spot){ m->line.at - m->eol, m->line.lf - (m->eol ? 1 : 0) });
	if (!closes) {
		part_open(m, v->part, v->link, next);
		v->link = &m->part->next;
	}
}

/* Bytes of the current line, without its line feed. */
static void hold(struct mime_impl *m, const char *p, const char *end)
{
	if (p < end && m->held == 0 && *p != '-') {
		m->skip = true; /* nearly every line */
		return;
	}
	size_t n = (size_t)(end - p), room = HOLD_MAX - m->held;
	if (n <= room)
		room = n;
	memcpy(m->hold + m->held, p, room);
	m->held += room;
	for (size_t i = 0; i < m->held && i < 2; i++)
		if (m->hold[i] != '-')
			m->skip = true;
	for (p += room; p < end; p++)
		if (!mime_is_space(*p))
			m->skip = true;
}

static void header_add(struct mime_impl *m, struct str bytes)
{
	size_t room = MIME_HEADER_MAX - m->header.n;
	buf_add(&m->header, str_sub(bytes, 0, room));
	if (m->header.err < 0)
		m->keep.full = true;
}

/* The current line is over; what comes next stands at m->at. */
static void line_end(struct mime_impl *m, unsigned eol)
{
	struct spot next = { m->at, m->line.lf + (eol ? 1 : 0) };
	bool empty = eol && m->at - m->line.at == eol, closes;
	int index = m->skip || m->opaque ? -1 : find_level(m, &closes);
	if (index >= 0)
		boundary(m, (unsigned)index, closes, next);
	else if (empty && m->in_header)
		header_done(m, next);
	m->line = next;
	m->eol = eol;
	m->held = 0;
	m->header_line = m->header.n;
	m->skip = m->opaque || m->level_count == 0;
}

void mime_begin(struct mime_parser *p, struct arena *a)
{
	struct mime_impl *m = ARENA_NEW(a, struct mime_impl);
	*p = (struct mime_parser){ .a = a, .impl = m };
	if (!m)
		return;
	m->keep = (struct mime_keep){ .a = a, .left = KEEP_MAX };
	m->params.keep = &m->keep;
	buf_init(&m->params.text, a);
	buf_init(&m->params.joined, a);
	buf_init(&m->params.decoded, a);
	buf_init(&m->header, a);
	m->us_ascii = ARENA_NEW(a, struct mime_param);
	m->skip = true;
	if (m->us_ascii)
		*m->us_ascii =
			(struct mime_param){ STR("charset"), STR("us-ascii"), STR_NONE, NULL };
	else
		m->keep.full = true;
	part_open(m, NULL, &m->root, (struct spot){ 0, 0 });
}

void mime_push(struct mime_parser *p, struct str bytes)
{
	struct mime_impl *m = p->impl;
	const char *s = bytes.p, *end = s + bytes.n;
	while (s < end && m && !m->keep.full) {
		const char *lf = memchr(s, '\n', (size_t)(end - s));
		const char *stop = lf ? lf + 1 : end;
		if (m->in_header)
			header_add(m, str_n(s, (size_t)(stop - s)));
		if (!m->skip)
			hold(m, s, lf ? lf : end);
		m->at += (uint64_t)(stop - s);
		if (lf) {
			/* The byte before the line feed, unless the line feed begins its line. */
			char before = lf > s ? lf[-1] : m->last;
			bool cr = before == '\r' && m->at - m->line.at > 1;
			line_end(m, cr ? 2 : 1);
		}
		m->last = stop[-1];
		s = stop;
	}
}

const struct mime_part *mime_end(struct mime_parser *p)
{
	struct mime_impl *m = p->impl;
	if (!m || m->keep.full)
		return NULL;
	if (m->at > m->line.at)
		line_end(m, 0);
	while (m->in_header && !m->keep.full)
		header_done(m, m->line);
	if (m->keep.full)
		return NULL;
	drop_levels(m, 0);
	close_to(m, NULL, m->line);
	return m->root;
}

static const struct mime_part *nth_child(const struct mime_part *p, uint32_t n)
{
	if (n == 0)
		return NULL;
	for (p = p->child; p && n > 1; n--)
		p = p->next;
	return p;
}

const struct mime_part *mime_find(const struct mime_part *root, const uint32_t *path, size_t n)
{
	const struct mime_part *p = root;
	bool message = true; /* p stands for a message, whose body is still to be entered */
	for (size_t i = 0; i < n && p; i++, message = false) {
		if (!message && mime_is_message(p)) {
			p = p->child;
			message = true;
		}
		if (p && str_ieq(p->type, STR("multipart")))
			p = nth_child(p, path[i]);
		else if (!message || path[i] != 1)
			return NULL;
	}
	return p;
}
