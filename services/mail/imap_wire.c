/* SPDX-License-Identifier: ISC */
#include "services/mail/imap_wire.h"

/* ---- where a command ends ---- */
enum { AT_NONE, AT_OPEN, AT_DIGITS, AT_PLUS, AT_CLOSE, AT_CR };

void imap_scan_begin(struct imap_scan *s)
{
	*s = (struct imap_scan){ 0 };
}

static uint8_t scan_outside(struct imap_scan *s, char c)
{
	bool digit = c >= '0' && c <= '9';
	if (c == '{') {
		s->literal = 0;
		s->sync = true;
		return AT_OPEN;
	}
	switch (s->at) {
	case AT_OPEN:
	case AT_DIGITS:
		if (digit) {
			unsigned d = (unsigned)(c - '0');
			bool over = s->literal > (UINT64_MAX - d) / 10;
			s->literal = over ? UINT64_MAX : s->literal * 10 + d;
			return AT_DIGITS;
		}
		if (s->at == AT_DIGITS && c == '+') {
			s->sync = false;
			return AT_PLUS;
		}
		if (s->at == AT_DIGITS && c == '}')
			return AT_CLOSE;
		return AT_NONE;
	case AT_PLUS: return c == '}' ? AT_CLOSE : AT_NONE;
	case AT_CLOSE: return c == '\r' ? AT_CR : AT_NONE;
	default: return AT_NONE;
	}
}

enum imap_step imap_scan(struct imap_scan *s, struct str chunk)
{
	for (size_t i = 0; i < chunk.n; i++) {
		char c = chunk.p[i];
		if (c == '\n') {
			bool literal = s->at == AT_CLOSE || s->at == AT_CR;
			s->quoted = s->escaped = false;
			s->at = AT_NONE;
			return literal ? IMAP_LITERAL : IMAP_LINE;
		}
		if (s->escaped) {
			s->escaped = false;
		} else if (s->quoted) {
			s->escaped = c == '\\';
			s->quoted = c != '"';
		} else {
			s->quoted = c == '"';
			s->at = scan_outside(s, c);
		}
	}
	return IMAP_MORE;
}

/* ---- the cursor ---- */
void imap_rd_init(struct imap_rd *rd, struct str text, struct arena *a)
{
	if (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n && text.p[text.n - 1] == '\r')
		text.n--;
	*rd = (struct imap_rd){ text.p, text.p + text.n, a, NULL };
}

void imap_rd_fail(struct imap_rd *rd, const char *why)
{
	if (!rd->why)
		rd->why = why;
}

int imap_peek(const struct imap_rd *rd)
{
	return rd->why || rd->at == rd->end ? -1 : (unsigned char)*rd->at;
}

bool imap_try(struct imap_rd *rd, char c)
{
	if (imap_peek(rd) != (unsigned char)c)
		return false;
	rd->at++;
	return true;
}

void imap_expect(struct imap_rd *rd, char c)
{
	if (imap_try(rd, c))
		return;
	switch (c) {
	case ' ': imap_rd_fail(rd, "expected a space"); break;
	case '(': imap_rd_fail(rd, "expected ("); break;
	case ')': imap_rd_fail(rd, "expected )"); break;
	case ']': imap_rd_fail(rd, "expected ]"); break;
	default: imap_rd_fail(rd, "another character was expected"); break;
	}
}

void imap_sp(struct imap_rd *rd)
{
	if (imap_peek(rd) < 0)
		imap_rd_fail(rd, "an argument is missing");
	imap_expect(rd, ' ');
}

void imap_end(struct imap_rd *rd)
{
	if (imap_peek(rd) >= 0)
		imap_rd_fail(rd, "there is something after the last argument");
}

/* ---- character classes, RFC 3501 9 ---- */
enum { IN_ATOM, IN_ASTRING, IN_PATTERN, IN_TAG, IN_WORD };

static bool char_in(unsigned char c, int set)
{
	if (set == IN_WORD)
		return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			c == '.' || c == '-';
	if (c <= ' ' || c >= 0x7f)
		return false;
	switch (c) {
	case '(':
	case ')':
	case '{':
	case '"':
	case '\\': return false;
	case '%':
	case '*': return set == IN_PATTERN;
	case ']': return set != IN_ATOM;
	case '+': return set != IN_TAG;
	default: return true;
	}
}

static struct str take(struct imap_rd *rd, int set, const char *why)
{
	const char *from = rd->at;
	if (rd->why)
		return STR_NONE;
	while (rd->at < rd->end && char_in((unsigned char)*rd->at, set))
		rd->at++;
	if (rd->at == from)
		imap_rd_fail(rd, why);
	return str_n(from, (size_t)(rd->at - from));
}

struct str imap_tag(struct imap_rd *rd)
{
	return take(rd, IN_TAG, "a command starts with a tag");
}

struct str imap_atom(struct imap_rd *rd)
{
	return take(rd, IN_ATOM, "expected a word");
}

struct str imap_word(struct imap_rd *rd)
{
	return take(rd, IN_WORD, "expected a name");
}

bool imap_try_word(struct imap_rd *rd, const char *word)
{
	struct imap_rd save = *rd;
	struct str w = imap_word(rd);
	if (!rd->why && str_ieq(w, str_of(word)))
		return true;
	*rd = save;
	return false;
}

struct str imap_flag_text(struct imap_rd *rd)
{
	const char *from = rd->at;
	imap_try(rd, '\\');
	take(rd, IN_ATOM, "expected a flag");
	return rd->why ? STR_NONE : str_n(from, (size_t)(rd->at - from));
}

static struct str quoted(struct imap_rd *rd)
{
	const char *from = ++rd->at;
	size_t escapes = 0;
	for (; rd->at < rd->end && *rd->at != '"'; rd->at++) {
		if (*rd->at == '\\') {
			rd->at++;
			escapes++;
			if (rd->at == rd->end || (*rd->at != '"' && *rd->at != '\\'))
				break;
		}
		if (*rd->at == '\r' || *rd->at == '\n' || *rd->at == 0)
			break;
	}
	if (rd->at >= rd->end || *rd->at != '"') {
		imap_rd_fail(rd, "a quoted string is broken");
		return STR_NONE;
	}
	struct str s = str_n(from, (size_t)(rd->at++ - from));
	if (!escapes)
		return s;
	char *p = arena_alloc(rd->a, s.n), *to = p;
	if (!p) {
		imap_rd_fail(rd, "the command needs too much memory");
		return STR_NONE;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		*to++ = s.p[i];
	}
	return str_n(p, (size_t)(to - p));
}

static uint64_t literal_size(struct imap_rd *rd)
{
	imap_expect(rd, '{');
	uint64_t n = imap_number64(rd);
	imap_try(rd, '+');
	imap_expect(rd, '}');
	return n;
}

static struct str literal(struct imap_rd *rd)
{
	uint64_t n = literal_size(rd);
	imap_try(rd, '\r');
	imap_expect(rd, '\n');
	if (!rd->why && (size_t)(rd->end - rd->at) < n)
		imap_rd_fail(rd, "a literal is shorter than announced");
	if (!rd->why && n && memchr(rd->at, 0, n))
		imap_rd_fail(rd, "a literal holds a NUL byte");
	if (rd->why)
		return STR_NONE;
	struct str s = str_n(rd->at, n);
	rd->at += n;
	return s;
}

void imap_literal_head(struct imap_rd *rd)
{
	literal_size(rd);
	imap_end(rd);
}

struct str imap_string(struct imap_rd *rd)
{
	switch (imap_peek(rd)) {
	case '"': return quoted(rd);
	case '{': return literal(rd);
	default: imap_rd_fail(rd, "expected a string"); return STR_NONE;
	}
}

static struct str string_or(struct imap_rd *rd, int set, const char *why)
{
	int c = imap_peek(rd);
	return c == '"' || c == '{' ? imap_string(rd) : take(rd, set, why);
}

struct str imap_astring(struct imap_rd *rd)
{
	return string_or(rd, IN_ASTRING, "expected a word or a string");
}

struct str imap_pattern(struct imap_rd *rd)
{
	return string_or(rd, IN_PATTERN, "expected a mailbox pattern");
}

static uint64_t number(struct imap_rd *rd, uint64_t max)
{
	uint64_t v = 0;
	const char *from = rd->at;
	if (rd->why)
		return 0;
	for (; rd->at < rd->end && *rd->at >= '0' && *rd->at <= '9'; rd->at++) {
		unsigned d = (unsigned)(*rd->at - '0');
		if (v > (max - d) / 10) {
			imap_rd_fail(rd, "a number is too large");
			return 0;
		}
		v = v * 10 + d;
	}
	if (rd->at == from)
		imap_rd_fail(rd, "expected a number");
	return v;
}

uint32_t imap_number(struct imap_rd *rd)
{
	return (uint32_t)number(rd, UINT32_MAX);
}

uint32_t imap_nz(struct imap_rd *rd)
{
	uint32_t v = imap_number(rd);
	if (!v)
		imap_rd_fail(rd, "a number must not be 0 here");
	return v;
}

uint64_t imap_number64(struct imap_rd *rd)
{
	return number(rd, INT64_MAX);
}

/* ---- writing ---- */
bool imap_is_atom(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!char_in((unsigned char)s.p[i], IN_ATOM))
			return false;
	return s.n > 0;
}

void imap_put_string(struct buf *out, struct str s)
{
	bool plain = s.n <= 1000;
	for (size_t i = 0; plain && i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		plain = c && c != '\r' && c != '\n' && c < 0x80;
	}
	if (!plain) {
		buf_fmt(out, "{%zu}\r\n", s.n);
		buf_add(out, s);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, s.p[i]);
	}
	buf_addc(out, '"');
}
