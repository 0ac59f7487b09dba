/* SPDX-License-Identifier: ISC */
#ifndef OS_HTTP_HTTP_IMPL_H
#define OS_HTTP_HTTP_IMPL_H

#include "os/http.h"

#define HTTP_LINE_MAX ((size_t)8 * 1024)
#define HTTP_HEAD_MAX ((size_t)64 * 1024)
#define HTTP_IDLE     (75 * OS_SEC) /* between two requests */
#define HTTP_PATIENCE (60 * OS_SEC) /* for the next bytes of what has begun */

/*
 * A request's head, pushed line by line. Pure: no input or output; what it keeps is in x->arena.
 *	struct http_parse p = { .x = x };
 *	while (!p.done && err == 0) err = http_parse_line(&p, next line with its CRLF);
 */
struct http_parse {
	struct http_x *x;
	bool done;
	int refuse; /* on an error: the status to answer with */
	size_t head_bytes;
	unsigned minor;   /* HTTP/1.minor */
	bool close, keep; /* as the Connection header says */
	bool expect;      /* 100-continue */
	bool hosted, lengthed, chunked;
	uint64_t length;
	bool started;
};
/* ERR_BAD or ERR_LIMIT, with `refuse` set. */
MUST_CHECK int http_parse_line(struct http_parse *p, struct str line);
/* Percent-decoded, checked for "." and ".." segments; ERR_BAD. */
MUST_CHECK int http_parse_path(struct str *out, struct arena *a, struct str raw);
/* "1a;ext" without its CRLF: 0x1a. ERR_BAD. */
MUST_CHECK int http_parse_chunk(uint64_t *size, struct str line);
/* A field line without its CRLF, cut at the colon. ERR_BAD. */
MUST_CHECK int http_parse_field(struct http_field *out, struct str line);
bool http_has_token(struct str list, struct str token);

/* BLOCKS for the next part, borrowed from the reader; n == 0 at the end. */
MUST_CHECK int http_in_next(
	struct str *part, struct http_in *in, struct os_reader *r, os_time deadline);

/* BLOCKS for the head of a client's reply: status and framing. `fn` (or NULL) sees every field, borrowed
 * during the call; < 0 from it is returned. */
typedef int http_field_fn(void *ctx, const struct http_field *f);
MUST_CHECK int http_reply_head(
	struct http_client *c, http_field_fn *fn, void *ctx, os_time deadline);

struct http_conn {
	struct os_stream *s;
	struct os_reader r;
	struct os_writer w;
	struct http_in body;
	struct buf headers; /* of the reply, in the request's arena */
	bool keep;          /* another request may follow on this connection */
	bool old;           /* the client speaks HTTP/1.0 */
	bool head;          /* the method is HEAD: no body */
	bool expecting;     /* the client waits for our 100 */
	enum { HTTP_NOT_BEGUN, HTTP_SENDING, HTTP_ENDED } reply;
	bool chunked, bodyless;
	uint64_t left; /* of the reply's announced length */
	char in[HTTP_LINE_MAX];
	char out[4096];
};
const char *http_reason(int status);

#endif
