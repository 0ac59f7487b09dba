/* SPDX-License-Identifier: ISC */
#include "os/http/http_impl.h"
#include "os/main.h"

#define ARENA_BYTES ((size_t)1 << 20)
#define SKIP_BYTES  ((size_t)256 * 1024) /* of a body the handler did not want */

/* An error of the client's making is answered, and the connection ends. */
static void answer_error(struct http_x *x, int status)
{
	x->conn->keep = false;
	if (x->conn->reply == HTTP_NOT_BEGUN)
		http_reply_text(x, status, http_reason(status));
}

/* 0, or an error after which nothing more can be said; p->refuse when something can. */
static int read_head(struct http_parse *p, struct http_conn *c)
{
	os_time patience = os_after(HTTP_PATIENCE);

	while (!p->done) {
		struct str line;
		int err =
			os_read_line(&line, &c->r, p->head_bytes ? patience : os_after(HTTP_IDLE));

		if (err == ERR_LIMIT)
			p->refuse = p->started ? 431 : 414;
		if (err == ERR_TIMEOUT && p->head_bytes)
			p->refuse = 408;
		if (err == 0)
			err = http_parse_line(p, line);
		if (err < 0)
			return err;
	}
	return 0;
}

static void prepare(struct http_x *x, const struct http_parse *p)
{
	struct http_conn *c = x->conn;

	c->old = p->minor == 0;
	c->head = str_eq(x->method, STR("HEAD"));
	c->keep = !p->close && (p->minor > 0 || p->keep) && !os_stopping();
	c->expecting = p->expect && (p->chunked || p->length > 0);
	c->body = (struct http_in){
		.kind = p->chunked ? HTTP_IN_CHUNKED : HTTP_IN_LENGTH,
		.left = p->length,
	};
}

/* What the handler left of the body stands before the next request. */
static void skip_body(struct http_x *x)
{
	struct http_conn *c = x->conn;
	size_t skipped = 0;
	struct str part;

	while (c->keep && !c->body.done) {
		if (http_body(&part, x) < 0 || (skipped += part.n) > SKIP_BYTES)
			c->keep = false;
	}
	/* A body read to its end by the handler did not come by http_body's flush. */
	if (c->r.at == c->r.n && os_flush(&c->w) < 0)
		c->keep = false;
}

static void serve_one(struct http_x *x, http_handler *handler, void *ctx)
{
	struct http_conn *c = x->conn;
	struct http_parse p = { .x = x };
	int err;

	c->keep = false;
	c->reply = HTTP_NOT_BEGUN;
	c->head = c->old = c->expecting = false;
	buf_init(&c->headers, &x->arena);
	err = read_head(&p, c);
	if (err < 0) {
		if (p.refuse)
			answer_error(x, p.refuse);
		return;
	}
	prepare(x, &p);
	handler(x, ctx);
	if (c->reply == HTTP_NOT_BEGUN)
		answer_error(x, 500);
	if (c->reply == HTTP_SENDING && http_end(x) < 0)
		c->keep = false;
	skip_body(x);
}

void http_serve(struct os_stream *s, http_handler *handler, void *ctx)
{
	struct http_conn *c = malloc(sizeof(*c));
	struct http_x *x = calloc(1, sizeof(*x));

	if (!c || !x) {
		free(c);
		free(x);
		os_stream_close(s);
		return;
	}
	c->s = s;
	os_reader_init(&c->r, s, c->in, sizeof(c->in));
	os_writer_init(&c->w, s, c->out, sizeof(c->out), HTTP_PATIENCE);
	x->peer = s->peer;
	x->secure = s->secure;
	x->conn = c;
	arena_init(&x->arena, ARENA_BYTES);
	do {
		x->field_count = 0;
		serve_one(x, handler, ctx);
		arena_free(&x->arena);
	} while (c->keep && c->w.err == 0);
	if (os_flush(&c->w) < 0)
		c->keep = false; /* nobody is left to tell */
	os_stream_close(s);
	free(c);
	free(x);
}
