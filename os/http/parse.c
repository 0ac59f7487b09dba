/* SPDX-License-Identifier: ISC */
#include "os/http/http_impl.h"

static int refuse(struct http_parse *p, int status, int err, const char *why)
{
	p->refuse = status;
	return err_set(err, "http: %s", why);
}

/* RFC 9110, 5.6.2 */
static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    (c && strchr("!#$%&'*+-.^_`|~", c))))
			return false;
	}
	return s.n > 0;
}

/* Visible, or a blank where `blanks`; bytes over 0x7f pass. */
static bool is_text(struct str s, bool blanks)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x21 || c == 0x7f)
			if (!blanks || (c != ' ' && c != '\t'))
				return false;
	}
	return true;
}

bool http_has_token(struct str list, struct str token)
{
	struct str item;

	while (list.n > 0) {
		str_cut(&item, &list, list, ',');
		if (str_ieq(str_trim(item), token))
			return true;
	}
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int http_parse_path(struct str *out, struct arena *a, struct str raw)
{
	char *p = arena_alloc(a, raw.n + 1);
	struct str rest, segment;
	size_t n = 0;

	if (!p)
		return err_set(ERR_LIMIT, "http: no room for the path");
	for (size_t i = 0; i < raw.n; i++) {
		int c = (unsigned char)raw.p[i];
		if (c == '%') {
			int hi = i + 2 < raw.n ? hex_digit(raw.p[i + 1]) : -1;
			int lo = i + 2 < raw.n ? hex_digit(raw.p[i + 2]) : -1;
			c = hi < 0 || lo < 0 ? 0 : hi << 4 | lo;
			i += 2;
		}
		if (c == 0)
			return err_set(ERR_BAD, "http: a bad escape in the path");
		p[n++] = (char)c;
	}
	p[n] = 0;
	if (n == 0 || p[0] != '/')
		return err_set(ERR_BAD, "http: the path does not start at the root");
	for (rest = str_n(p + 1, n - 1); rest.n > 0;) {
		str_cut(&segment, &rest, rest, '/');
		if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
			return err_set(ERR_BAD, "http: a dot segment in the path");
	}
	*out = str_n(p, n);
	return 0;
}

/* origin-form, absolute-form, or the asterisk of OPTIONS (RFC 9112, 3.2) */
static int parse_target(struct http_parse *p, struct str target)
{
	struct http_x *x = p->x;
	struct str raw = target;
	bool absolute = str_istarts(target, STR("http://")) || str_istarts(target, STR("https://"));

	x->target = target;
	x->query = STR("");
	if (str_eq(target, STR("*")) && str_eq(x->method, STR("OPTIONS"))) {
		x->path = STR("/");
		return 0;
	}
	if (absolute) {
		ptrdiff_t at;
		raw = str_sub(target, (size_t)str_find(target, STR("//")) + 2, target.n);
		at = str_chr(raw, '/');
		raw = at < 0 ? STR("/") : str_sub(raw, (size_t)at, raw.n);
	}
	str_cut(&raw, &x->query, raw, '?');
	if (http_parse_path(&x->path, &x->arena, raw) < 0)
		return refuse(p, 400, ERR_BAD, "bad target");
	return 0;
}

static int parse_request_line(struct http_parse *p, struct str line)
{
	struct str target, version;

	if (!str_cut(&p->x->method, &line, line, ' ') || !is_token(p->x->method))
		return refuse(p, 400, ERR_BAD, "bad method");
	if (!str_cut(&target, &version, line, ' ') || target.n == 0 || !is_text(target, false))
		return refuse(p, 400, ERR_BAD, "bad request line");
	if (version.n != 8 || !str_starts(version, STR("HTTP/")) || version.p[6] != '.')
		return refuse(p, 400, ERR_BAD, "bad version");
	if (version.p[5] != '1' || version.p[7] < '0' || version.p[7] > '9')
		return refuse(p, 505, ERR_BAD, "not HTTP/1");
	p->minor = version.p[7] == '0' ? 0 : 1;
	p->started = true;
	return parse_target(p, target);
}

int http_parse_field(struct http_field *out, struct str line)
{
	if (!str_cut(&out->name, &out->value, line, ':') || !is_token(out->name))
		return err_set(ERR_BAD, "http: bad field name");
	if (!is_text(out->value, true))
		return err_set(ERR_BAD, "http: bad field value");
	out->value = str_trim(out->value);
	return 0;
}

/* The fields that say where the message ends must be beyond doubt, or requests can be smuggled. */
static int parse_framing(struct http_parse *p, const struct http_field *f)
{
	if (str_ieq(f->name, STR("Content-Length"))) {
		if (p->lengthed || str_u64(&p->length, f->value, INT64_MAX) < 0)
			return refuse(p, 400, ERR_BAD, "bad Content-Length");
		p->lengthed = true;
	} else if (str_ieq(f->name, STR("Transfer-Encoding"))) {
		if (p->minor == 0 || p->chunked)
			return refuse(p, 400, ERR_BAD, "bad Transfer-Encoding");
		if (!str_ieq(f->value, STR("chunked")))
			return refuse(p, 501, ERR_UNSUPPORTED, "unknown Transfer-Encoding");
		p->chunked = true;
	} else if (str_ieq(f->name, STR("Host"))) {
		if (p->hosted)
			return refuse(p, 400, ERR_BAD, "two Hosts");
		p->hosted = true;
	} else if (str_ieq(f->name, STR("Connection"))) {
		p->close |= http_has_token(f->value, STR("close"));
		p->keep |= http_has_token(f->value, STR("keep-alive"));
	} else if (str_ieq(f->name, STR("Expect"))) {
		if (!str_ieq(f->value, STR("100-continue")))
			return refuse(p, 417, ERR_UNSUPPORTED, "unknown expectation");
		p->expect = p->minor > 0;
	}
	return 0;
}

static int finish(struct http_parse *p)
{
	if (p->minor > 0 && !p->hosted)
		return refuse(p, 400, ERR_BAD, "no Host");
	if (p->chunked && p->lengthed)
		return refuse(p, 400, ERR_BAD, "two lengths");
	p->done = true;
	return 0;
}

int http_parse_line(struct http_parse *p, struct str line)
{
	struct http_x *x = p->x;
	struct http_field f;
	int err;

	p->head_bytes += line.n;
	if (p->head_bytes > HTTP_HEAD_MAX)
		return refuse(p, 431, ERR_LIMIT, "head too large");
	if (!str_ends(line, STR("\r\n")))
		return refuse(p, 400, ERR_BAD, "line without CRLF");
	line = arena_dup(&x->arena, str_sub(line, 0, line.n - 2));
	if (!line.p)
		return refuse(p, 431, ERR_LIMIT, "head too large");
	if (!p->started)
		return line.n == 0 ? 0 : parse_request_line(p, line); /* RFC 9112, 2.2 */
	if (line.n == 0)
		return finish(p);
	if (x->field_count == HTTP_HEADERS_MAX)
		return refuse(p, 431, ERR_LIMIT, "too many fields");
	err = http_parse_field(&f, line); /* also refuses folded lines */
	if (err < 0)
		return refuse(p, 400, err, "bad field");
	x->fields[x->field_count++] = f;
	return parse_framing(p, &f);
}

int http_parse_chunk(uint64_t *size, struct str line)
{
	struct str digits, ext;

	str_cut(&digits, &ext, line, ';');
	digits = str_trim(digits);
	*size = 0;
	for (size_t i = 0; i < digits.n; i++) {
		int d = hex_digit(digits.p[i]);
		if (d < 0)
			return err_set(ERR_BAD, "http: bad chunk size");
		*size = *size << 4 | (uint64_t)d;
	}
	if (digits.n == 0 || digits.n > 15 || !is_text(ext, true))
		return err_set(ERR_BAD, "http: bad chunk size");
	return 0;
}
