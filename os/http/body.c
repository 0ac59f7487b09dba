/* SPDX-License-Identifier: ISC */
#include "os/http/http_impl.h"

/* One line without its CRLF. */
static int line(struct str *out, struct os_reader *r, os_time deadline)
{
	int err = os_read_line(out, r, deadline);

	if (err < 0)
		return err;
	if (!str_ends(*out, STR("\r\n")))
		return err_set(ERR_BAD, "http: line without CRLF");
	*out = str_sub(*out, 0, out->n - 2);
	return 0;
}

/* Fields after the last chunk: checked, counted, dropped. */
static int skip_trailer(struct os_reader *r, os_time deadline)
{
	struct http_field f;
	struct str s;
	int err;

	for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
		err = line(&s, r, deadline);
		if (err < 0 || s.n == 0)
			return err;
		err = http_parse_field(&f, s);
		if (err < 0)
			return err;
	}
	return err_set(ERR_LIMIT, "http: trailer too large");
}

/* Up to the first byte of the next chunk, or the end of the body. */
static int next_chunk(struct http_in *in, struct os_reader *r, os_time deadline)
{
	struct str s;
	int err;

	if (in->begun) {
		err = line(&s, r, deadline);
		if (err < 0)
			return err;
		if (s.n > 0)
			return err_set(ERR_BAD, "http: a chunk longer than it says");
	}
	in->begun = true;
	err = line(&s, r, deadline);
	if (err == 0)
		err = http_parse_chunk(&in->left, s);
	if (err == 0 && in->left == 0) {
		err = skip_trailer(r, deadline);
		in->done = err == 0;
	}
	return err;
}

int http_in_next(struct str *part, struct http_in *in, struct os_reader *r, os_time deadline)
{
	size_t max = in->left < SIZE_MAX ? (size_t)in->left : SIZE_MAX;
	int err;

	*part = STR("");
	if (in->kind == HTTP_IN_CHUNKED && !in->done && in->left == 0) {
		err = next_chunk(in, r, deadline);
		if (err < 0)
			return err;
		max = in->left < SIZE_MAX ? (size_t)in->left : SIZE_MAX;
	}
	if (in->kind == HTTP_IN_LENGTH && in->left == 0)
		in->done = true;
	if (in->done)
		return 0;
	err = os_read_some(part, r, in->kind == HTTP_IN_REST ? SIZE_MAX : max, deadline);
	if (err == ERR_CLOSED && in->kind == HTTP_IN_REST) {
		in->done = true;
		return 0;
	}
	if (err == ERR_CLOSED)
		return err_set(ERR_CLOSED, "http: the body ends early");
	if (in->kind != HTTP_IN_REST)
		in->left -= part->n;
	return err;
}

int http_body(struct str *part, struct http_x *x)
{
	struct http_conn *c = x->conn;
	int err;

	*part = STR("");
	if (c->expecting && c->reply == HTTP_NOT_BEGUN)
		os_write(&c->w, STR("HTTP/1.1 100 Continue\r\n\r\n"));
	c->expecting = false;
	if (c->r.at == c->r.n && os_flush(&c->w) < 0)
		return ERR_CLOSED;
	err = http_in_next(part, &c->body, &c->r, os_after(HTTP_PATIENCE));
	if (err < 0)
		c->keep = false; /* nobody knows where the next request starts */
	return err;
}

int http_body_all(struct str *out, struct http_x *x, size_t max)
{
	struct http_in *in = &x->conn->body;
	struct str part;
	struct buf b;
	int err;

	buf_init(&b, &x->arena);
	if (in->kind == HTTP_IN_LENGTH && in->left > max)
		return err_set(ERR_LIMIT, "http: a body over %zu bytes", max);
	while ((err = http_body(&part, x)) == 0 && part.n > 0) {
		if (part.n > max - b.n)
			return err_set(ERR_LIMIT, "http: a body over %zu bytes", max);
		buf_add(&b, part);
		if (b.err < 0)
			return err_set(b.err, "http: no room for the body");
	}
	*out = b.p ? buf_str(&b) : STR("");
	return err;
}
