/* SPDX-License-Identifier: ISC */
#include "os/http/http_impl.h"

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *words;
	} rows[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 207, "Multi-Status" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 423, "Locked" },
		{ 424, "Failed Dependency" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
		{ 508, "Loop Detected" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].status == status)
			return rows[i].words;
	return "Other";
}

struct str http_get(const struct http_x *x, const char *name)
{
	for (size_t i = 0; i < x->field_count; i++)
		if (str_ieq(x->fields[i].name, str_of(name)))
			return x->fields[i].value;
	return STR_NONE;
}

void http_header(struct http_x *x, const char *name, struct str value)
{
	struct buf *b = &x->conn->headers;

	buf_addz(b, name);
	buf_addz(b, ": ");
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\r' && value.p[i] != '\n' && value.p[i] != 0)
			buf_addc(b, value.p[i]);
	buf_addz(b, "\r\n");
}

static void write_date(struct os_writer *w)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct os_date d;

	os_date_of(&d, os_wall_sec());
	os_writef(w, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n", days + 3 * d.wday, d.day,
		months + 3 * (d.month - 1), d.year, d.hour, d.min, d.sec);
}

void http_begin(struct http_x *x, int status, uint64_t length)
{
	struct http_conn *c = x->conn;
	struct os_writer *w = &c->w;

	if (c->reply != HTTP_NOT_BEGUN)
		os_panic("a second reply to one request");
	c->reply = HTTP_SENDING;
	c->bodyless = c->head || status == 204 || status == 304;
	c->chunked = length == HTTP_CHUNKED && !c->old;
	c->left = length;
	if (c->headers.err < 0) { /* the handler said too much: do not send half of it */
		c->headers.n = 0;
		status = 500;
		c->keep = false;
	}
	if (length == HTTP_CHUNKED && c->old)
		c->keep = false; /* its end is the stream's */
	if (c->expecting)
		c->keep = false; /* whether the body still comes is anybody's guess */
	os_writef(w, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
	write_date(w);
	os_write(w, buf_str(&c->headers));
	if (c->chunked && status != 204 && status != 304)
		os_write(w, STR("Transfer-Encoding: chunked\r\n"));
	else if (status != 204 && status != 304 && length != HTTP_CHUNKED)
		os_writef(w, "Content-Length: %llu\r\n", (unsigned long long)length);
	if (!c->keep)
		os_write(w, STR("Connection: close\r\n"));
	else if (c->old)
		os_write(w, STR("Connection: keep-alive\r\n"));
	os_write(w, STR("\r\n"));
}

int http_send(struct http_x *x, struct str bytes)
{
	struct http_conn *c = x->conn;

	if (c->reply != HTTP_SENDING)
		os_panic("http_send outside of a reply");
	if (bytes.n == 0)
		return c->w.err;
	if (c->left != HTTP_CHUNKED) {
		if (bytes.n > c->left) {
			c->keep = false;
			return err_set(ERR_LIMIT, "http: a reply longer than announced");
		}
		c->left -= bytes.n;
	}
	if (c->bodyless)
		return c->w.err;
	if (c->chunked)
		os_writef(&c->w, "%zx\r\n", bytes.n);
	os_write(&c->w, bytes);
	if (c->chunked)
		os_write(&c->w, STR("\r\n"));
	return c->w.err;
}

int http_end(struct http_x *x)
{
	struct http_conn *c = x->conn;

	if (c->reply != HTTP_SENDING)
		os_panic("http_end outside of a reply");
	c->reply = HTTP_ENDED;
	if (c->chunked && !c->bodyless)
		os_write(&c->w, STR("0\r\n\r\n"));
	if (c->left != HTTP_CHUNKED && c->left > 0 && !c->bodyless) {
		c->keep = false;
		return err_set(ERR_BAD, "http: a reply shorter than announced");
	}
	return c->w.err;
}

void http_cut(struct http_x *x)
{
	x->conn->reply = HTTP_ENDED;
	x->conn->keep = false;
}

void http_reply(struct http_x *x, int status, struct str body)
{
	http_begin(x, status, body.n);
	if (http_send(x, body) == 0 && http_end(x) == 0)
		return;
	x->conn->keep = false; /* the peer is gone */
}

void http_reply_text(struct http_x *x, int status, const char *text)
{
	http_header(x, "Content-Type", STR("text/plain; charset=utf-8"));
	http_reply(x, status, str_of(text));
}
