/* SPDX-License-Identifier: ISC */
#include "services/mail/smtp_wire.h"

void smtp_parse(struct smtp_cmd *out, struct str line)
{
	size_t n = 0;

	line = str_trim(line);
	while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
		n++;
	out->verb = str_sub(line, 0, n);
	out->arg = str_trim(str_sub(line, n, line.n));
}

static bool is_atext(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool domain_ok(struct str d)
{
	if (d.n == 0 || d.n > 255)
		return false;
	if (d.p[0] == '[') { /* address literal */
		if (d.p[d.n - 1] != ']')
			return false;
		for (size_t i = 1; i + 1 < d.n; i++)
			if (d.p[i] <= ' ' || d.p[i] > '~' || strchr("[]\\<>@", d.p[i]))
				return false;
		return d.n > 2;
	}
	for (size_t i = 0; i < d.n; i++) {
		char c = d.p[i];
		bool alnum =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!alnum && c != '-' && c != '.' && c != '_')
			return false;
		if (c == '.' && (i == 0 || i + 1 == d.n || d.p[i - 1] == '.'))
			return false;
	}
	return true;
}

/* Local part at the start of `s`, unquoted into `out`; *n is its length in `s`. */
static int local_part(struct buf *out, size_t *n, struct str s)
{
	size_t i = 0;

	if (s.n > 0 && s.p[0] == '"') {
		for (i = 1; i < s.n && s.p[i] != '"'; i++) {
			if (s.p[i] == '\\' && ++i == s.n)
				return ERR_BAD;
			if (s.p[i] < ' ' || s.p[i] > '~')
				return ERR_BAD;
			buf_addc(out, s.p[i]);
		}
		if (i == s.n)
			return ERR_BAD;
		*n = i + 1;
		return out->n > 0 ? 0 : ERR_BAD;
	}
	for (; i < s.n && (is_atext(s.p[i]) || s.p[i] == '.'); i++) {
		if (s.p[i] == '.' && (i == 0 || s.p[i - 1] == '.'))
			return ERR_BAD;
		buf_addc(out, s.p[i]);
	}
	*n = i;
	return i > 0 && s.p[i - 1] != '.' ? 0 : ERR_BAD;
}

/* What stands between < and >. "postmaster" may come without a domain (RFC 5321 4.1.1.3). */
static int address(struct str *out, struct arena *a, struct str s)
{
	struct buf b;
	struct str route;
	size_t n;

	if (s.n > 0 && s.p[0] == '@' && !str_cut(&route, &s, s, ':')) /* source route: dropped */
		return ERR_BAD;
	buf_init(&b, a);
	if (local_part(&b, &n, s) < 0 || b.n > 64)
		return ERR_BAD;
	s = str_sub(s, n, s.n);
	if (s.n == 0) {
		*out = buf_str(&b);
		return str_ieq(*out, STR("postmaster")) ? b.err : ERR_BAD;
	}
	if (s.p[0] != '@' || !domain_ok(str_sub(s, 1, s.n)))
		return ERR_BAD;
	buf_add(&b, s);
	*out = buf_str(&b);
	return b.err;
}

static int params(struct smtp_path *out, struct str rest)
{
	struct str word;

	while (rest.n > 0) {
		struct smtp_param *p = &out->params[out->param_count];

		str_cut(&word, &rest, rest, ' ');
		rest = str_trim(rest);
		if (out->param_count == SMTP_PARAMS_MAX)
			return err_set(ERR_LIMIT, "more than %d parameters", SMTP_PARAMS_MAX);
		if (!str_cut(&p->key, &p->value, word, '='))
			p->value = STR_NONE;
		if (p->key.n == 0)
			return err_set(ERR_BAD, "a parameter without a name");
		out->param_count++;
	}
	return 0;
}

/* Index of the '>' that ends the path; quoted strings may hold one. */
static ptrdiff_t path_end(struct str s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (s.p[i] == '>' && !quoted)
			return (ptrdiff_t)i;
	}
	return -1;
}

int smtp_path(struct smtp_path *out, struct arena *a, struct str arg, struct str lead)
{
	struct str inner, rest;
	ptrdiff_t end;

	memset(out, 0, sizeof(*out));
	if (!str_istarts(arg, lead))
		return err_set(ERR_BAD, "expected %.*s<address>", STR_ARG(lead));
	arg = str_trim(str_sub(arg, lead.n, arg.n));
	if (arg.n == 0 || arg.p[0] != '<' || (end = path_end(arg)) < 0)
		return err_set(ERR_BAD, "expected %.*s<address>", STR_ARG(lead));
	inner = str_sub(arg, 1, (size_t)end);
	rest = str_sub(arg, (size_t)end + 1, arg.n);
	if (rest.n > 0 && rest.p[0] != ' ')
		return err_set(ERR_BAD, "no space between the address and its parameters");
	for (size_t i = 0; i < inner.n; i++)
		if ((unsigned char)inner.p[i] >= 0x80)
			return err_set(
				ERR_UNSUPPORTED, "addresses outside ASCII are not supported");
	if (inner.n > SMTP_ADDRESS_MAX)
		return err_set(ERR_LIMIT, "address over %d bytes", SMTP_ADDRESS_MAX);
	if (inner.n > 0 && address(&out->address, a, inner) < 0)
		return err_set(ERR_BAD, "malformed address");
	return params(out, str_trim(rest));
}

static bool is_dot_string(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' && (i == 0 || i + 1 == s.n || s.p[i - 1] == '.'))
			return false;
		if (s.p[i] != '.' && !is_atext(s.p[i]))
			return false;
	}
	return s.n > 0;
}

void smtp_path_text(struct buf *out, struct str address)
{
	size_t at = address.n;

	while (at > 0 && address.p[at - 1] != '@')
		at--;
	if (at == 0 || is_dot_string(str_sub(address, 0, at - 1))) { /* <>, <postmaster>, <a@b> */
		buf_add(out, address);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i + 1 < at; i++) {
		if (address.p[i] == '"' || address.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, address.p[i]);
	}
	buf_addc(out, '"');
	buf_add(out, str_sub(address, at - 1, address.n));
}

/* ---- message text ---- */

static void see_header(struct smtp_data *d, char c)
{
	static const char name[] = "received:";

	if (d->matched == 255)
		return;
	if (c >= 'A' && c <= 'Z')
		c = (char)(c + 32);
	if (c == name[d->matched]) {
		if (++d->matched == sizeof(name) - 1) {
			d->received++;
			d->matched = 255;
		}
	} else {
		d->matched = 255;
	}
}

static void fault(struct smtp_data *d, enum smtp_data_fault f)
{
	if (d->fault == SMTP_DATA_FINE)
		d->fault = f;
}

/* Bytes of one line, none of them CR, LF or NUL. */
static void line_bytes(struct smtp_data *d, const char *p, size_t n)
{
	d->state = SMTP_IN_LINE;
	for (size_t i = 0; i < n && !d->header_done && d->matched != 255; i++)
		see_header(d, p[i]);
}

static void line_end(struct smtp_data *d)
{
	d->matched = 0;
	d->state = SMTP_AT_LINE;
}

static size_t plain_run(struct str bytes)
{
	size_t n = 0;

	while (n < bytes.n && bytes.p[n] != '\r' && bytes.p[n] != '\n' && bytes.p[n] != 0)
		n++;
	return n;
}

/* The one byte at bytes.p[0], in the states that are not simply inside a line. */
static void data_byte(struct str *text, struct smtp_data *d, struct str bytes)
{
	char c = bytes.p[0];

	*text = str_sub(bytes, 0, 1);
	switch (c) {
	case '\r':
		if (d->state == SMTP_AFTER_DOT) {
			d->state = SMTP_AFTER_DOT_CR;
			*text = STR_NONE;
		} else {
			if (d->state == SMTP_AFTER_CR || d->state == SMTP_AFTER_DOT_CR)
				fault(d, SMTP_DATA_BARE);
			if (d->state == SMTP_AT_LINE)
				d->header_done =
					true; /* an empty line, or a bare CR, which is refused */
			d->state = SMTP_AFTER_CR;
		}
		return;
	case '\n':
		if (d->state == SMTP_AFTER_DOT_CR) {
			d->ended = true;
			*text = STR_NONE;
			return;
		}
		if (d->state == SMTP_AFTER_CR) {
			line_end(d);
		} else { /* no line starts here: a dot that follows ends nothing */
			fault(d, SMTP_DATA_BARE);
			d->state = SMTP_IN_LINE;
		}
		return;
	case 0: fault(d, SMTP_DATA_NUL); break;
	case '.':
		if (d->state == SMTP_AT_LINE) { /* stuffed, or the end */
			d->state = SMTP_AFTER_DOT;
			*text = STR_NONE;
			return;
		}
		break;
	default: break;
	}
	if (d->state == SMTP_AFTER_CR || d->state == SMTP_AFTER_DOT_CR)
		fault(d, SMTP_DATA_BARE);
	line_bytes(d, bytes.p, 1);
}

void smtp_data_push(size_t *used, struct str *text, struct smtp_data *d, struct str bytes)
{
	size_t at = 0;

	/* whole lines that need nothing taken out go in one stretch */
	while (at < bytes.n && !d->ended) {
		struct str rest = str_sub(bytes, at, bytes.n), one;
		size_t run = plain_run(rest);

		if (run > 0 &&
			(d->state == SMTP_IN_LINE ||
				(d->state == SMTP_AT_LINE && rest.p[0] != '.'))) {
			line_bytes(d, rest.p, run);
			at += run;
			continue;
		}
		data_byte(&one, d, rest);
		at++;
		if (!one.p) { /* something is left out here: the stretch ends before it */
			*text = str_sub(bytes, 0, at - 1);
			*used = at;
			return;
		}
	}
	*text = str_sub(bytes, 0, at);
	*used = at;
}

os_time smtp_text_by(os_time began, uint64_t bytes, uint32_t any_sec)
{
	return began + any_sec * OS_SEC + (os_time)(bytes / SMTP_TEXT_RATE) * OS_SEC;
}

void smtp_bdat_push(struct smtp_data *d, struct str bytes)
{
	while (bytes.n > 0) {
		size_t run = plain_run(bytes);
		char c;

		if (run > 0) {
			if (d->state == SMTP_AFTER_CR)
				fault(d, SMTP_DATA_BARE);
			line_bytes(d, bytes.p, run);
			bytes = str_sub(bytes, run, bytes.n);
			continue;
		}
		c = bytes.p[0];
		if (c == 0) {
			fault(d, SMTP_DATA_NUL);
			d->state = SMTP_IN_LINE;
		} else if (c == '\r') {
			if (d->state == SMTP_AFTER_CR)
				fault(d, SMTP_DATA_BARE);
			if (d->state == SMTP_AT_LINE)
				d->header_done = true;
			d->state = SMTP_AFTER_CR;
		} else {
			if (d->state != SMTP_AFTER_CR)
				fault(d, SMTP_DATA_BARE);
			line_end(d);
		}
		bytes = str_sub(bytes, 1, bytes.n);
	}
}
