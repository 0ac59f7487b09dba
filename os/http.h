/* SPDX-License-Identifier: ISC */
/*
 * HTTP/1.1 (RFC 9110, 9112) server and a small client. Keep-alive, pipelining, chunked
 * bodies both ways, Expect: 100-continue, limits: 8 KiB a line, 64 KiB a head, 100 headers.
 *
 *	static void hello(struct http_x *x, void *ctx)
 *	{
 *		if (!str_eq(x->method, STR("GET")))
 *			return http_reply_text(x, 405, "only GET here\n");
 *		http_header(x, "Content-Type", STR("text/plain"));
 *		http_reply(x, 200, STR("hello\n"));
 *	}
 *	http_serve(stream, hello, ctx);          one connection, all its requests; closes the stream
 *
 * Streaming a reply:  http_begin(x, 200, HTTP_CHUNKED); http_send(x, bytes)...; http_end(x);
 * Reading a body:     while ((err = http_body(&part, x)) == 0 && part.n) ...
 * A handler that returns without replying gives 500. Errors in sending end the connection.
 */
#ifndef OS_HTTP_H
#define OS_HTTP_H

#include "os/net.h"

#define HTTP_HEADERS_MAX 100
#define HTTP_CHUNKED     UINT64_MAX

struct http_field {
	struct str name, value;
};
struct http_x {
	/* the request; borrowed until the handler returns */
	struct str method, target, path,
		query; /* path percent-decoded, without "..", starting with '/' */
	struct http_field fields[HTTP_HEADERS_MAX];
	size_t field_count;
	struct os_addr peer;
	bool secure;
	struct arena arena;     /* the handler's, freed after the request; cap 1 MiB */
	struct http_conn *conn; /* private */
};

/* First value of a header, name case-folded; STR_NONE when absent. */
struct str http_get(const struct http_x *x, const char *name);
/* BLOCKS for the next part of the request body, borrowed until the next call; n == 0 at its end.
 * ERR_BAD, ERR_CLOSED. */
MUST_CHECK int http_body(struct str *part, struct http_x *x);
/* The whole body in the arena, ERR_LIMIT over `max`. BLOCKS. */
MUST_CHECK int http_body_all(struct str *out, struct http_x *x, size_t max);

void http_header(struct http_x *x, const char *name,
	struct str value); /* before the reply; CR, LF and NUL are dropped */
void http_reply(struct http_x *x, int status, struct str body);       /* BLOCKS */
void http_reply_text(struct http_x *x, int status, const char *text); /* BLOCKS; text/plain */
void http_begin(struct http_x *x, int status, uint64_t length); /* HTTP_CHUNKED when unknown */
MUST_CHECK int http_send(
	struct http_x *x, struct str bytes); /* BLOCKS; an error: stop, the peer is gone */
MUST_CHECK int http_end(struct http_x *x);
/* Ends a reply that can't be finished so that the peer sees it: without its end, the stream closed. */
void http_cut(struct http_x *x);

typedef void http_handler(struct http_x *x, void *ctx);
void http_serve(struct os_stream *s, http_handler *handler, void *ctx); /* BLOCKS; closes s */

/* A message body on its way in. */
struct http_in {
	enum { HTTP_IN_LENGTH, HTTP_IN_CHUNKED, HTTP_IN_REST } kind; /* REST: to the stream's end */
	uint64_t left; /* of the body, or of the chunk */
	bool begun, done;
};

/* Client: one request on a fresh stream. The reply's body is read by http_reply_body until n == 0.
 */
struct http_client {
	struct os_stream *s;
	struct os_reader r;
	char room[16 * 1024];
	int status;
	struct http_in body;
};
/* BLOCKS until the reply's head is there. `headers` are "Name: value\r\n" lines. Closes nothing. */
MUST_CHECK int http_request(struct http_client *c, struct os_stream *s, struct str method,
	struct str host, struct str target, struct str headers, struct str body, os_time deadline);
MUST_CHECK int http_reply_body(
	struct str *part, struct http_client *c, os_time deadline); /* BLOCKS */

#endif
