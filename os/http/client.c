/* SPDX-License-Identifier: ISC */
#include "os/http/http_impl.h"

static bool one_line(struct str s)
{
	return str_chr(s, '\r') < 0 && str_chr(s, '\n') < 0 && str_chr(s, 0) < 0;
}

static int send_request(struct http_client *c, struct str method, struct str host,
	struct str target, struct str headers, struct str body, os_time deadline)
{
	struct buf b;
	int err;

	if (!one_line(method) || !one_line(host) || !one_line(target) ||
		(headers.n && !str_ends(headers, STR("\r\n"))))
		return err_set(ERR_BAD, "http: malformed request");
	buf_init(&b, NULL);
	buf_fmt(&b, "%.*s %.*s HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n", STR_ARG(method),
		STR_ARG(target), STR_ARG(host));
	if (body.n > 0 || str_eq(method, STR("POST")) || str_eq(method, STR("PUT")))
		buf_fmt(&b, "Content-Length: %zu\r\n", body.n);
	buf_add(&b, headers);
	buf_addz(&b, "\r\n");
	err = b.err < 0 ? b.err : os_stream_write(c->s, buf_str(&b), deadline);
	buf_free(&b);
	return err < 0 ? err : os_stream_write(c->s, body, deadline);
}

/* "HTTP/1.1 200 OK" */
static int parse_status(int *status, struct str line)
{
	uint64_t num;

	if (!str_starts(line, STR("HTTP/1.")) || line.n < 12 || line.p[8] != ' ' ||
		str_u64(&num, str_sub(line, 9, 12), 599) < 0 || num < 100)
		return err_set(ERR_BAD, "http: the reply is not HTTP/1");
	*status = (int)num;
	return 0;
}

static int parse_reply_field(
	struct http_client *c, bool *lengthed, struct str line, http_field_fn *fn, void *ctx)
{
	struct http_field f;
	int err = http_parse_field(&f, line);

	if (err == 0 && fn)
		err = fn(ctx, &f);
	if (err < 0)
		return err;
	if (str_ieq(f.name, STR("Transfer-Encoding"))) {
		if (!str_ieq(f.value, STR("chunked")))
			return err_set(ERR_UNSUPPORTED, "http: unknown Transfer-Encoding");
		c->body.kind = HTTP_IN_CHUNKED;
		c->body.left = 0;
	} else if (str_ieq(f.name, STR("Content-Length")) && c->body.kind != HTTP_IN_CHUNKED) {
		uint64_t n;
		if (str_u64(&n, f.value, INT64_MAX) < 0 || (*lengthed && n != c->body.left))
			return err_set(ERR_BAD, "http: bad Content-Length");
		*lengthed = true;
		c->body.kind = HTTP_IN_LENGTH;
		c->body.left = n;
	}
	return 0;
}

int http_reply_head(struct http_client *c, http_field_fn *fn, void *ctx, os_time deadline)
{
	bool lengthed = false;
	size_t head_bytes = 0;

	c->status = 0;
	c->body = (struct http_in){ .kind = HTTP_IN_REST };
	for (;;) {
		struct str line;
		int err = os_read_line(&line, &c->r, deadline);

		if (err < 0)
			return err;
		head_bytes += line.n;
		if (head_bytes > HTTP_HEAD_MAX)
			return err_set(ERR_LIMIT, "http: the reply's head is too large");
		if (!str_ends(line, STR("\r\n")))
			return err_set(ERR_BAD, "http: line without CRLF");
		line = str_sub(line, 0, line.n - 2);
		if (c->status == 0)
			err = parse_status(&c->status, line);
		else if (line.n > 0)
			err = parse_reply_field(c, &lengthed, line, fn, ctx);
		else
			return 0;
		if (err < 0)
			return err;
	}
}

int http_request(struct http_client *c, struct os_stream *s, struct str method, struct str host,
	struct str target, struct str headers, struct str body, os_time deadline)
{
	int err;

	c->s = s;
	os_reader_init(&c->r, s, c->room, sizeof(c->room));
	err = send_request(c, method, host, target, headers, body, deadline);
	if (err < 0)
		return err;
	do {
		err = http_reply_head(c, NULL, NULL, deadline);
		if (err < 0)
			return err;
	} while (c->status < 200); /* 100 Continue and the like */
	if (c->status == 204 || c->status == 304 || str_eq(method, STR("HEAD")))
		c->body = (struct http_in){ .kind = HTTP_IN_LENGTH };
	return 0;
}

int http_reply_body(struct str *part, struct http_client *c, os_time deadline)
{
	return http_in_next(part, &c->body, &c->r, deadline);
}
