/* SPDX-License-Identifier: ISC */
/* Values in the words of either version: dates, encodings, charsets. */
#include "services/contacts/card_impl.h"

/* Does it look like that? '0': any digit. */
static bool like(struct str s, const char *shape)
{
	size_t n = strlen(shape);

	if (s.n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (shape[i] == '0' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != shape[i])
			return false;
	return true;
}

/* Rows of the same meaning; in the copies, digits are filled in one after another. */
static const struct {
	const char *basic, *extended;
} days[] = { { "00000000", "0000-00-00" }, { "--0000", "--00-00" } },
  clocks[] = { { "000000", "00:00:00" }, { "0000", "00:00" }, { "000000Z", "00:00:00Z" },
	  { "0000Z", "00:00Z" }, { "000000+0000", "00:00:00+00:00" },
	  { "000000-0000", "00:00:00-00:00" }, { "000000+00", "00:00:00+00" },
	  { "000000-00", "00:00:00-00" } };

static void fill(struct buf *b, struct str from, const char *shape)
{
	size_t i = 0;

	for (; *shape; shape++) {
		while (*shape == '0' && i < from.n && (from.p[i] < '0' || from.p[i] > '9'))
			i++;
		buf_addc(b, *shape == '0' && i < from.n ? from.p[i++] : *shape);
	}
}

static void day(struct buf *b, struct str s, bool basic)
{
	for (size_t i = 0; i < ARRAY_LEN(days); i++)
		if (like(s, basic ? days[i].extended : days[i].basic)) {
			fill(b, s, basic ? days[i].basic : days[i].extended);
			return;
		}
	buf_add(b, s);
}

static void clock_time(struct buf *b, struct str s, bool basic)
{
	for (size_t i = 0; i < ARRAY_LEN(clocks); i++)
		if (like(s, basic ? clocks[i].extended : clocks[i].basic)) {
			fill(b, s, basic ? clocks[i].basic : clocks[i].extended);
			return;
		}
	buf_add(b, s);
}

struct str card_date(struct arena *a, struct str value, bool basic)
{
	struct str date, at;
	struct buf b;
	bool timed = str_cut(&date, &at, str_trim(value), 'T');

	buf_init(&b, a);
	buf_add(&b, STR(""));
	day(&b, date, basic);
	if (timed) {
		buf_addc(&b, 'T');
		clock_time(&b, at, basic);
	}
	return b.err < 0 ? value : buf_str(&b);
}

/* ---- vCard 2.1 ---- */
static int digit(char c)
{
	return c >= '0' && c <= '9'                  ? c - '0'
		: (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						     : -1;
}

static struct str unquoted(struct arena *a, struct str s)
{
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '=') {
			buf_addc(&b, s.p[i]);
		} else if (i + 2 < s.n && digit(s.p[i + 1]) >= 0 && digit(s.p[i + 2]) >= 0) {
			char c = (char)(digit(s.p[i + 1]) << 4 | digit(s.p[i + 2]));
			buf_addc(&b, c ? c : '?');
			i += 2;
		} else { /* a soft line break */
			while (i + 1 < s.n && (s.p[i + 1] == '\r' || s.p[i + 1] == '\n'))
				i++;
		}
	}
	return b.err < 0 ? s : buf_str(&b);
}

static struct str latin1(struct arena *a, struct str s)
{
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 0x80) {
			buf_addc(&b, (char)(0xc0 | c >> 6));
			c = 0x80 | (c & 63);
		}
		buf_addc(&b, (char)c);
	}
	return b.err < 0 ? s : buf_str(&b);
}

static bool named(struct str name, const char *const *names)
{
	for (; *names; names++)
		if (str_ieq(name, str_of(*names)))
			return true;
	return false;
}

/* 2.1 escapes nothing but the ";" between parts. */
static struct str escaped(struct arena *a, struct str name, struct str s)
{
	static const char *const parts[] = { "N", "ADR", "ORG", NULL },
				 *const texts[] = { "FN", "NOTE", "TITLE", "ROLE", "LABEL", NULL };
	bool structured = named(name, parts), text = named(name, texts);
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\\' && i + 1 < s.n && s.p[i + 1] == ';' && (structured || text)) {
			buf_add(&b, STR("\\;"));
			i++;
		} else if (c == '\n') {
			buf_add(&b, STR("\\n"));
		} else if (c != '\r') {
			if ((c == ',' && (structured || text)) || (c == ';' && text) ||
				(c == '\\' && (structured || text)))
				buf_addc(&b, '\\');
			buf_addc(&b, c);
		}
	}
	return b.err < 0 ? s : buf_str(&b);
}

/* Base64 that was folded in its own way. */
static struct str without_spaces(struct arena *a, struct str s)
{
	struct buf b;

	if (str_chr(s, ' ') < 0 && str_chr(s, '\t') < 0 && str_chr(s, '\n') < 0)
		return s;
	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < s.n; i++)
		if (!strchr(" \t\r\n", s.p[i]))
			buf_addc(&b, s.p[i]);
	return b.err < 0 ? s : buf_str(&b);
}

void card_decode(struct card_run *v, struct card_line *l)
{
	struct str encoding = card_param(l, "ENCODING"), charset = card_param(l, "CHARSET");
	bool quoted = card_type_take(l, "QUOTED-PRINTABLE"), base64 = card_type_take(l, "BASE64");

	quoted |= str_ieq(encoding, STR("QUOTED-PRINTABLE"));
	base64 |= str_ieq(encoding, STR("BASE64")) || str_ieq(encoding, STR("B"));
	card_param_del(l, "ENCODING");
	card_param_del(l, "CHARSET");
	if (quoted)
		l->value = unquoted(v->a, l->value);
	if (str_ieq(charset, STR("ISO-8859-1")) || str_ieq(charset, STR("WINDOWS-1252")))
		l->value = latin1(v->a, l->value);
	if (base64) {
		card_param_add(l, "ENCODING", STR("b"));
		l->value = without_spaces(v->a, l->value);
	} else if (v->from == CARD_21 || str_chr(l->value, '\n') >= 0) {
		l->value = escaped(v->a, v->from == CARD_21 ? l->name : STR(""), l->value);
	}
}
