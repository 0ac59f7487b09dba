/* SPDX-License-Identifier: ISC */
#include "provisioner/conf.h"

void conf_begin(struct conf_reader *r, struct arena *a, struct str text)
{
	*r = (struct conf_reader){ .a = a, .left = text };
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(char c)
{
	return is_alpha(c) || (c >= '0' && c <= '9') || c == '-';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct str skip_blanks(struct str s)
{
	while (s.n && is_blank(*s.p))
		s = str_sub(s, 1, s.n);
	return s;
}

/* Cuts a case-folded name off *s. */
static int take_name(struct str *out, struct conf_reader *r, struct str *s)
{
	size_t n = 0;
	char *p;

	while (n < s->n && is_name(s->p[n]))
		n++;
	if (n == 0 || !is_alpha(s->p[0]))
		return err_set(ERR_BAD, "a name of letters, digits and '-' must stand here");
	p = arena_alloc(r->a, n);
	if (!p)
		return err_set(ERR_BAD, "too much text");
	for (size_t i = 0; i < n; i++)
		p[i] = s->p[i] >= 'A' && s->p[i] <= 'Z' ? (char)(s->p[i] + 32) : s->p[i];
	*out = str_n(p, n);
	*s = str_sub(*s, n, s->n);
	return 0;
}

/* `[section]` or `[section "sub"]`, then nothing but a comment. */
static int take_section(struct conf_reader *r, struct str s)
{
	struct buf sub;
	int err = take_name(&r->section, r, &s);

	r->sub = STR_NONE;
	if (err < 0)
		return err;
	s = skip_blanks(s);
	if (s.n && *s.p == '"') {
		buf_init(&sub, r->a);
		buf_add(&sub, STR(""));
		for (s = str_sub(s, 1, s.n); s.n && *s.p != '"'; s = str_sub(s, 1, s.n)) {
			if (*s.p == '\\')
				s = str_sub(s, 1, s.n);
			if (s.n)
				buf_addc(&sub, *s.p);
		}
		if (s.n == 0)
			return err_set(ERR_BAD, "the quotation mark is not closed");
		if (sub.err < 0)
			return err_set(ERR_BAD, "too much text");
		r->sub = sub.n ? buf_str(&sub) : STR("");
		s = skip_blanks(str_sub(s, 1, s.n));
	}
	if (s.n == 0 || *s.p != ']')
		return err_set(ERR_BAD, "']' is missing");
	s = skip_blanks(str_sub(s, 1, s.n));
	if (s.n && *s.p != '#' && *s.p != ';')
		return err_set(ERR_BAD, "only a comment may follow ']'");
	return 0;
}

static int unescape(struct buf *out, struct str s)
{
	static const char from[] = "\"\\nt", to[] = "\"\\\n\t";
	const char *at;

	if (s.n < 2)
		return err_set(ERR_BAD, "a line may not be continued with a backslash");
	at = memchr(from, s.p[1], sizeof(from) - 1);
	if (!at)
		return err_set(ERR_BAD, "after a backslash only \" \\ n t may follow");
	buf_addc(out, to[at - from]);
	return 0;
}

static int take_value(struct str *out, struct conf_reader *r, struct str s)
{
	struct buf b;
	size_t keep = 0; /* bytes that stay when blanks at the end go */
	bool quoted = false;
	int err;

	buf_init(&b, r->a);
	for (; s.n; s = str_sub(s, 1, s.n)) {
		if (*s.p == '"') {
			quoted = !quoted;
			keep = b.n;
			continue;
		}
		if (!quoted && (*s.p == '#' || *s.p == ';'))
			break;
		if (*s.p == '\\') {
			err = unescape(&b, s);
			if (err < 0)
				return err;
			s = str_sub(s, 1, s.n);
			keep = b.n;
			continue;
		}
		buf_addc(&b, *s.p);
		if (quoted || !is_blank(*s.p))
			keep = b.n;
	}
	if (quoted)
		return err_set(ERR_BAD, "the quotation mark is not closed");
	if (b.err < 0)
		return err_set(ERR_BAD, "too much text");
	*out = b.p ? str_n(b.p, keep) : STR("");
	return 0;
}

static int take_line(struct conf_line *out, struct conf_reader *r, struct str s)
{
	int err;

	if (r->section.n == 0)
		return err_set(ERR_BAD, "a [section] must come first");
	*out = (struct conf_line){ .section = r->section, .sub = r->sub, .line = r->line };
	err = take_name(&out->key, r, &s);
	if (err < 0)
		return err;
	s = skip_blanks(s);
	if (s.n == 0 || *s.p != '=')
		return err_set(ERR_BAD, "'=' is missing");
	return take_value(&out->value, r, skip_blanks(str_sub(s, 1, s.n)));
}

int conf_next(struct conf_line *out, struct conf_reader *r)
{
	while (r->left.n) {
		struct str s;
		int err;

		r->line++;
		str_cut(&s, &r->left, r->left, '\n');
		if (s.n && s.p[s.n - 1] == '\r')
			s.n--;
		for (size_t i = 0; i < s.n; i++)
			if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\t')
				return err_set(ERR_BAD, "a control byte stands here");
		s = skip_blanks(s);
		if (s.n == 0 || *s.p == '#' || *s.p == ';')
			continue;
		if (*s.p != '[')
			return take_line(out, r, s);
		err = take_section(r, str_sub(s, 1, s.n));
		if (err < 0)
			return err;
	}
	return ERR_CLOSED;
}

void conf_write(struct buf *out, const char *key, struct str value)
{
	bool quote = value.n == 0 || is_blank(value.p[0]) || is_blank(value.p[value.n - 1]) ||
		str_chr(value, '#') >= 0 || str_chr(value, ';') >= 0;

	buf_fmt(out, "\t%s = %s", key, quote ? "\"" : "");
	for (size_t i = 0; i < value.n; i++) {
		switch (value.p[i]) {
		case '"': buf_addz(out, "\\\""); break;
		case '\\': buf_addz(out, "\\\\"); break;
		case '\n': buf_addz(out, "\\n"); break;
		case '\t': buf_addz(out, "\\t"); break;
		default: buf_addc(out, value.p[i]);
		}
	}
	buf_addz(out, quote ? "\"\n" : "\n");
}
