/* SPDX-License-Identifier: ISC */
#include "services/control/control_impl.h"

#define BODY_MAX 4096

static const struct {
	int err, status;
} statuses[] = { { ERR_BAD, 400 }, { ERR_LIMIT, 400 }, { ERR_UNSUPPORTED, 400 },
	{ ERR_DENIED, 403 }, { ERR_NOENT, 404 }, { ERR_EXIST, 409 }, { ERR_CONFLICT, 409 },
	{ ERR_BUSY, 409 }, { ERR_NOSPACE, 507 } };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* application/x-www-form-urlencoded, %XX and '+'; a broken escape stays as it is. */
static struct str decode(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	if (!p)
		return STR_NONE;
	for (size_t i = 0; i < s.n; i++) {
		int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;

		if (s.p[i] == '%' && low >= 0) {
			p[n++] = (char)(high << 4 | low);
			i += 2;
		} else {
			p[n++] = s.p[i] == '+' ? ' ' : s.p[i];
		}
	}
	p[n] = '\0';
	return str_n(p, n);
}

struct str control_param(struct http_x *x, const char *name)
{
	struct str one, rest = x->query, key, value;

	while (rest.n) {
		str_cut(&one, &rest, rest, '&');
		str_cut(&key, &value, one, '=');
		if (str_eq(key, str_of(name)))
			return decode(&x->arena, value);
	}
	return STR_NONE;
}

json_t *control_body(struct http_x *x)
{
	struct str text;
	json_error_t why;
	json_t *j;
	int err = http_body_all(&text, x, BODY_MAX);

	if (err < 0) {
		control_fail(x, err, NULL);
		return NULL;
	}
	j = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(j))
		return j;
	json_decref(j);
	control_fail(x, err_set(ERR_BAD, "the body is no JSON object"), NULL);
	return NULL;
}

void control_reply(struct http_x *x, int status, json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	if (!text) {
		http_reply_text(x, 500, "out of memory\n");
		return;
	}
	http_header(x, "Content-Type", STR("application/json"));
	http_reply(x, status, str_of(text));
	free(text);
}

static json_t *error_json(int err, const char *hint)
{
	json_t *j = json_pack("{s:o}", "error", control_text(str_of(err_text(err))));

	if (j && hint)
		json_object_set_new(j, "hint", json_string(hint));
	return j;
}

void control_fail(struct http_x *x, int err, const char *hint)
{
	int status = 500;

	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].err == err)
			status = statuses[i].status;
	control_reply(x, status, error_json(err, hint));
}

void control_lines(struct http_x *x)
{
	http_header(x, "Content-Type", STR("application/jsonl"));
	http_begin(x, 200, HTTP_CHUNKED);
}

int control_line(struct http_x *x, json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	int err;

	json_decref(j);
	if (!text)
		return err_set(ERR_NOMEM, "out of memory");
	err = http_send(x, str_of(text));
	free(text);
	return err < 0 ? err : http_send(x, STR("\n"));
}

void control_lines_end(struct http_x *x, int err)
{
	if (err < 0 && control_line(x, error_json(err, NULL)) < 0)
		return;
	if (http_end(x) < 0)
		return; /* the peer is gone */
}

/* Bytes of the UTF-8 character at s (RFC 3629); 0: none starts here. */
static size_t utf8_len(struct str s)
{
	static const struct {
		unsigned char low, high, second_low, second_high;
		size_t n;
	} rows[] = { { 0x01, 0x7f, 0, 0, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 } };
	const unsigned char *p = (const unsigned char *)s.p;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (p[0] < rows[i].low || p[0] > rows[i].high)
			continue;
		if (rows[i].n > s.n)
			return 0;
		if (rows[i].n > 1 && (p[1] < rows[i].second_low || p[1] > rows[i].second_high))
			return 0;
		for (size_t k = 2; k < rows[i].n; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].n;
	}
	return 0;
}

json_t *control_text(struct str s)
{
	json_t *j = json_stringn(s.p ? s.p : "", s.n);
	struct buf b;

	if (j)
		return j;
	buf_init(&b, NULL);
	while (s.n) {
		size_t n = utf8_len(s);

		buf_add(&b, n ? str_sub(s, 0, n) : STR("\xef\xbf\xbd"));
		s = str_sub(s, n ? n : 1, s.n);
	}
	j = b.err < 0 ? NULL : json_stringn(b.p, b.n);
	buf_free(&b);
	return j;
}
