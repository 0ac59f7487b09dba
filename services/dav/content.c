/* SPDX-License-Identifier: ISC */
#include "services/dav/content.h"

struct reader {
	struct arena *a;
	struct str rest;
	const struct content_limits *limits;
	uint32_t number, lines; /* physical lines read; content lines made */
};

/* ---- one line ---- */
/* Bytes of the next physical line, its end included. */
static size_t physical(struct str s)
{
	const char *nl = s.n ? memchr(s.p, '\n', s.n) : NULL;
	return nl ? (size_t)(nl - s.p) + 1 : s.n;
}

static struct str without_end(struct str s)
{
	if (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n > 0 && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

static bool is_fold(struct str s)
{
	return s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t');
}

/* vCard 2.1: a quoted-printable value goes on in the next line after "=", without a fold. */
static bool is_soft(struct str text)
{
	ptrdiff_t colon = str_chr(text, ':');
	struct str head = str_sub(text, 0, colon < 0 ? 0 : (size_t)colon), word, rest = head;

	if (text.n == 0 || text.p[text.n - 1] != '=')
		return false;
	while (rest.n > 0) {
		str_cut(&word, &rest, rest, ';');
		if (str_istarts(word, STR("ENCODING=")))
			word = str_sub(word, 9, word.n);
		if (str_ieq(word, STR("QUOTED-PRINTABLE")))
			return true;
	}
	return false;
}

/* Takes the next logical line off `r`: its raw bytes, and its text without folds. */
static int logical(struct str *raw, struct str *text, struct reader *r)
{
	size_t n = physical(r->rest);
	const char *start = r->rest.p;
	struct str first = without_end(str_n(start, n)), more;
	struct buf b;
	bool soft;

	r->number++;
	r->rest = str_sub(r->rest, n, r->rest.n);
	*text = first;
	soft = is_soft(first);
	if (!is_fold(r->rest) && !soft) {
		*raw = str_n(start, n);
		return 0;
	}
	buf_init(&b, r->a);
	buf_add(&b, first);
	while (r->rest.n > 0 && (is_fold(r->rest) || soft)) {
		n = physical(r->rest);
		more = without_end(str_n(r->rest.p, n));
		if (soft)
			buf_add(&b, STR("\r\n"));
		buf_add(&b, str_sub(more, is_fold(r->rest) && !soft, more.n));
		soft = soft && str_ends(more, STR("="));
		r->number++;
		r->rest = str_sub(r->rest, n, r->rest.n);
	}
	*raw = str_n(start, (size_t)(r->rest.p - start));
	*text = buf_str(&b);
	return b.err;
}

static int bad(const struct content_line *l, const char *what)
{
	return err_set(ERR_BAD, "line %u: %s", (unsigned)l->number, what);
}

static bool is_name(char c)
{
	return (unsigned char)c > ' ' && c != 127 && !strchr(";:=,\"", c);
}

static size_t name_length(struct str s)
{
	size_t n = 0;
	while (n < s.n && is_name(s.p[n]))
		n++;
	return n;
}

/* RFC 6868: ^n, ^^ and ^' in a parameter's value. */
static struct str uncaret(struct arena *a, struct str s)
{
	struct buf b;

	if (str_chr(s, '^') < 0)
		return s;
	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : 0;
		if (c != '^' || (next != 'n' && next != '^' && next != '\'')) {
			buf_addc(&b, c);
			continue;
		}
		buf_addc(&b, next == 'n' ? '\n' : next == '\'' ? '"' : '^');
		i++;
	}
	return b.err < 0 ? STR_NONE : buf_str(&b);
}

struct params { /* being gathered */
	struct content_param *p;
	uint32_t n, cap;
};

static int param_add(struct params *ps, struct reader *r, const struct content_line *l,
	struct str name, struct str value)
{
	if (ps->n == r->limits->params_max)
		return err_set(ERR_LIMIT, "line %u: over %u parameters", (unsigned)l->number,
			(unsigned)r->limits->params_max);
	if (ps->n == ps->cap) {
		uint32_t cap = ps->cap ? 2 * ps->cap : 4;
		struct content_param *more = arena_alloc(r->a, cap * sizeof(*more));
		if (!more)
			return err_set(ERR_LIMIT, "over the memory for one item");
		if (ps->n)
			memcpy(more, ps->p, ps->n * sizeof(*more));
		ps->p = more;
		ps->cap = cap;
	}
	value = uncaret(r->a, value);
	if (!value.p)
		return err_set(ERR_LIMIT, "over the memory for one item");
	ps->p[ps->n++] = (struct content_param){ name, value };
	return 0;
}

/* One value of a parameter off *s: quoted, or up to the next of ; : , */
static int param_value(struct str *out, struct str *s, const struct content_line *l)
{
	size_t n = 0;

	if (s->n > 0 && s->p[0] == '"') {
		ptrdiff_t end = str_chr(str_sub(*s, 1, s->n), '"');
		if (end < 0)
			return bad(l, "a quoted parameter has no end");
		*out = str_sub(*s, 1, (size_t)end + 1);
		*s = str_sub(*s, (size_t)end + 2, s->n);
		return 0;
	}
	while (n < s->n && !strchr(";:,", s->p[n]))
		n++;
	*out = str_sub(*s, 0, n);
	*s = str_sub(*s, n, s->n);
	return 0;
}

/* ";NAME=value,value" off *s; vCard 2.1 has ";HOME" alone, which is a TYPE. */
static int param_read(struct params *ps, struct reader *r, struct content_line *l, struct str *s)
{
	struct str name, value;
	size_t n;
	int err;

	*s = str_sub(*s, 1, s->n);
	n = name_length(*s);
	name = str_sub(*s, 0, n);
	*s = str_sub(*s, n, s->n);
	if (s->n == 0 || s->p[0] != '=')
		return n ? param_add(ps, r, l, STR("TYPE"), name) : 0;
	do {
		*s = str_sub(*s, 1, s->n);
		err = param_value(&value, s, l);
		if (err >= 0)
			err = param_add(ps, r, l, name, value);
	} while (err >= 0 && s->n > 0 && s->p[0] == ',');
	return err;
}

static int line_parse(struct content_line *l, struct reader *r, struct str s)
{
	struct params ps = { 0 };
	size_t n = name_length(s);
	ptrdiff_t dot;
	int err = 0;

	l->name = str_sub(s, 0, n);
	s = str_sub(s, n, s.n);
	dot = str_chr(l->name, '.');
	if (dot >= 0) {
		l->group = str_sub(l->name, 0, (size_t)dot);
		l->name = str_sub(l->name, (size_t)dot + 1, l->name.n);
	}
	if (l->name.n == 0)
		return bad(l, "a name is missing at its start");
	while (err >= 0 && s.n > 0 && s.p[0] == ';')
		err = param_read(&ps, r, l, &s);
	if (err < 0)
		return err;
	if (s.n == 0 || s.p[0] != ':')
		return bad(l, "no colon after the name and its parameters");
	l->value = str_sub(s, 1, s.n);
	l->params = ps.p;
	l->param_count = ps.n;
	return 0;
}

/* ERR_NOENT at the end. `inside` a component, a line that is none (a break in a text that was not escaped) is kept
 * without a name. */
static int line_next(struct content_line **out, struct reader *r, bool inside)
{
	struct content_line *l;
	struct str raw, text;
	uint32_t number;
	int err;

	do {
		if (r->rest.n == 0)
			return ERR_NOENT;
		number = r->number + 1;
		err = logical(&raw, &text, r);
		if (err < 0)
			return err_set(ERR_LIMIT, "over the memory for one item");
	} while (str_trim(text).n == 0);
	if (++r->lines > r->limits->lines_max)
		return err_set(ERR_LIMIT, "over %u lines", (unsigned)r->limits->lines_max);
	l = ARENA_NEW(r->a, struct content_line);
	if (!l)
		return err_set(ERR_LIMIT, "over the memory for one item");
	l->raw = raw;
	l->number = number;
	err = line_parse(l, r, text);
	if (err == ERR_BAD && inside) {
		l->group = STR_NONE;
		l->name = STR("");
		l->value = text;
		l->param_count = 0;
		err = 0;
	}
	*out = l;
	return err;
}

/* ---- components ---- */
static struct content *part_new(struct arena *a)
{
	struct content *c = ARENA_NEW(a, struct content);
	if (c) {
		c->lines_end = &c->lines;
		c->parts_end = &c->parts;
	}
	return c;
}

struct level {
	struct content *c;
	struct level *up;
};

static int begin(struct level **at, uint32_t depth, struct reader *r, struct content_line *l)
{
	struct level *down = ARENA_NEW(r->a, struct level);
	struct content *c = part_new(r->a), *up = (*at)->c;

	if (!down || !c)
		return err_set(ERR_LIMIT, "over the memory for one item");
	if (depth > r->limits->depth_max)
		return err_set(ERR_LIMIT, "line %u: components are nested deeper than %u",
			(unsigned)l->number, (unsigned)r->limits->depth_max);
	c->name = str_trim(l->value);
	c->begin = l;
	*up->parts_end = c;
	up->parts_end = &c->next;
	*down = (struct level){ c, *at };
	*at = down;
	return 0;
}

static int end(struct level **at, struct content_line *l)
{
	struct content *c = (*at)->c;

	if (!c->begin || !str_ieq(str_trim(l->value), c->name))
		return err_set(ERR_BAD, "line %u: END:%.*s where %s%.*s is open",
			(unsigned)l->number, STR_ARG(str_trim(l->value)), c->begin ? "" : "nothing",
			STR_ARG(c->name));
	c->end = l;
	c->raw = str_n(c->begin->raw.p, (size_t)(l->raw.p + l->raw.n - c->begin->raw.p));
	*at = (*at)->up;
	return 0;
}

static int build(struct content *root, struct reader *r)
{
	struct level bottom = { root, NULL }, *at = &bottom;
	struct content_line *l = NULL;
	uint32_t depth = 0;
	int err;

	while ((err = line_next(&l, r, depth > 0)) >= 0) {
		struct content *c = at->c;
		if (str_ieq(l->name, STR("BEGIN"))) {
			err = begin(&at, ++depth, r, l);
		} else if (str_ieq(l->name, STR("END"))) {
			err = end(&at, l);
			depth--;
		} else {
			*c->lines_end = l;
			c->lines_end = &l->next;
		}
		if (err < 0)
			return err;
	}
	if (err != ERR_NOENT)
		return err;
	return depth ? err_set(ERR_BAD, "line %u: BEGIN:%.*s has no END",
			       (unsigned)at->c->begin->number, STR_ARG(at->c->name))
		     : 0;
}

int content_parse(struct content **out, struct arena *a, struct str bytes,
	const struct content_limits *limits)
{
	struct reader r = { .a = a, .rest = bytes, .limits = limits };
	struct content *root;
	int err;

	if (limits->first)
		r.number = limits->first - 1;
	if (bytes.n > limits->bytes_max)
		return err_set(ERR_LIMIT, "%zu bytes, over %zu", bytes.n, limits->bytes_max);
	if (bytes.n && memchr(bytes.p, 0, bytes.n))
		return err_set(ERR_BAD, "a NUL byte in it");
	if (str_starts(bytes, STR("\xef\xbb\xbf"))) /* a byte order mark */
		r.rest = str_sub(bytes, 3, bytes.n);
	root = part_new(a);
	if (!root)
		return err_set(ERR_LIMIT, "over the memory for one item");
	root->raw = bytes;
	err = build(root, &r);
	if (err >= 0)
		*out = root;
	return err;
}

struct content_line *content_get(
	const struct content *c, struct str name, const struct content_line *after)
{
	struct content_line *l = after ? after->next : c->lines;
	while (l && !str_ieq(l->name, name))
		l = l->next;
	return l;
}

struct content *content_child(const struct content *c, struct str name, const struct content *after)
{
	struct content *p = after ? after->next : c->parts;
	while (p && !str_ieq(p->name, name))
		p = p->next;
	return p;
}

struct str content_param(const struct content_line *l, struct str name)
{
	for (uint32_t i = 0; i < l->param_count; i++)
		if (str_ieq(l->params[i].name, name))
			return l->params[i].value;
	return STR_NONE;
}

/* ---- values ---- */
struct str content_text(struct arena *a, struct str s)
{
	struct buf b;

	if (str_chr(s, '\\') < 0)
		return s;
	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\\' && i + 1 < s.n) {
			c = s.p[++i];
			if (c == 'n' || c == 'N')
				c = '\n';
		}
		buf_addc(&b, c);
	}
	return b.err < 0 ? STR_NONE : buf_str(&b);
}

void content_text_add(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '\r' && i + 1 < text.n && text.p[i + 1] == '\n')
			continue;
		if (c == '\n' || c == '\r') {
			buf_add(b, STR("\\n"));
			continue;
		}
		if (c == '\\' || c == ';' || c == ',')
			buf_addc(b, '\\');
		buf_addc(b, c);
	}
}

/* Bytes of the character at s.p[0], as its first byte says; 1 for what is no UTF-8. */
static size_t character(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	return n < s.n ? n : s.n;
}

void content_fold_part(struct buf *b, size_t *room, struct str part)
{
	while (part.n > 0) {
		size_t n = 0;

		if (part.n <= *room) /* the last, or only, piece of the line */
			n = part.n;
		while (n < part.n && n + character(str_sub(part, n, part.n)) <= *room)
			n += character(str_sub(part, n, part.n));
		buf_add(b, str_sub(part, 0, n));
		*room -= n;
		part = str_sub(part, n, part.n);
		if (part.n) {
			buf_add(b, STR("\r\n "));
			*room = CONTENT_FOLD - 1;
		}
	}
}

void content_fold(struct buf *b, struct str line)
{
	size_t room = CONTENT_FOLD;

	content_fold_part(b, &room, line);
	buf_add(b, STR("\r\n"));
}

static void add_raw(struct buf *b, struct str raw)
{
	buf_add(b, raw);
	if (raw.n > 0 && raw.p[raw.n - 1] != '\n') /* the last line of what came */
		buf_add(b, raw.p[raw.n - 1] == '=' ? STR("\r\n\r\n") : STR("\r\n"));
}

void content_write(struct buf *b, const struct content *c)
{
	if (!c->changed) {
		buf_add(b, c->raw);
		return;
	}
	if (c->begin)
		add_raw(b, c->begin->raw);
	for (const struct content_line *l = c->lines; l; l = l->next)
		add_raw(b, l->raw);
	for (const struct content *p = c->parts; p; p = p->next) {
		if (p->changed)
			content_write(b, p);
		else
			add_raw(b, p->raw);
	}
	if (c->end)
		add_raw(b, c->end->raw);
}
