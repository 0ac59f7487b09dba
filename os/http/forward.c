/* SPDX-License-Identifier: ISC */
#include "os/http_forward.h"
#include "os/http/http_impl.h"
#include "os/log.h"

#define IDLE_MAX   16             /* connections kept */
#define IDLE_NS    (30 * OS_SEC)  /* well below the time a server lets them idle */
#define CONNECT_NS (15 * OS_SEC)  /* TLS included */
#define TURN_NS    (10 * OS_SEC)  /* for one of the HTTP_FORWARDS_MAX places */
#define REPLY_NS   (120 * OS_SEC) /* from the end of a request to its reply's head */

struct link { /* a connection to the other server */
	struct http_client c;
	struct os_writer w;
	os_time since; /* it is idle */
	bool close;    /* it is not to be used again */
	char out[4096];
};
struct http_upstream {
	struct http_upstream_config cfg;
	struct link *idle[IDLE_MAX];
	size_t idle_count, busy;
	struct os_waitq turn;
};

int http_upstream_new(struct http_upstream **out, const struct http_upstream_config *cfg)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return err_set(ERR_NOMEM, "http: out of memory");
	(*out)->cfg = *cfg;
	return 0;
}

static void drop(struct link *l)
{
	os_stream_close(l->c.s);
	free(l);
}

void http_upstream_free(struct http_upstream *u)
{
	while (u->idle_count)
		drop(u->idle[--u->idle_count]);
	free(u);
}

static int dial(struct link **out, struct http_upstream *u)
{
	struct link *l = malloc(sizeof(*l));
	os_time deadline = os_after(CONNECT_NS);
	struct os_stream *s;
	int err = l ? os_connect(&s, &u->cfg.to, deadline)
		    : err_set(ERR_NOMEM, "http: out of memory");

	if (err == 0 && u->cfg.tls)
		err = os_tls_connect(&s, u->cfg.tls, s, u->cfg.host, deadline);
	if (err < 0) {
		free(l);
		return err;
	}
	l->c.s = s;
	os_reader_init(&l->c.r, s, l->c.room, sizeof(l->c.room));
	os_writer_init(&l->w, s, l->out, sizeof(l->out), HTTP_PATIENCE);
	*out = l;
	return 0;
}

/* An idle one that still stands, else a new one. */
static int take(struct link **out, bool *used, struct http_upstream *u)
{
	*used = true;
	while (u->idle_count) {
		struct link *l = u->idle[--u->idle_count];

		/* What is said on an idle connection is that it ends. */
		if (os_now() - l->since < IDLE_NS && !os_reader_ready(&l->c.r)) {
			*out = l;
			return 0;
		}
		drop(l);
	}
	*used = false;
	return dial(out, u);
}

static void give_back(struct link *l, struct http_upstream *u)
{
	if (l->close || !l->c.body.done || u->idle_count == IDLE_MAX) {
		drop(l);
		return;
	}
	l->since = os_now();
	u->idle[u->idle_count++] = l;
}

/* ---- what goes through ---- */

/* Does a field belong to the connection (RFC 9110, 7.6.1), or is it written anew? */
static bool stays(const struct http_field *f, const struct http_field *all, size_t n)
{
	static const char *const names[] = { "Connection", "Keep-Alive", "Proxy-Authenticate",
		"Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding",
		"Upgrade", "Content-Length", "Expect", "Host", "Via", "Date" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(f->name, str_of(names[i])))
			return true;
	for (size_t i = 0; i < n; i++)
		if (str_ieq(all[i].name, STR("Connection")) &&
			http_has_token(all[i].value, f->name))
			return true;
	return false;
}

static bool came_round(const struct http_x *x, const struct http_upstream *u)
{
	for (size_t i = 0; i < x->field_count; i++)
		if (str_ieq(x->fields[i].name, STR("Via")) &&
			str_find(x->fields[i].value, u->cfg.host) >= 0)
			return true;
	return false;
}

/* The absolute form names this server; the other one is asked in origin form. */
static struct str origin_form(struct str target)
{
	ptrdiff_t at;

	if (str_starts(target, STR("/")))
		return target;
	target = str_sub(target, (size_t)str_find(target, STR("//")) + 2, target.n);
	at = str_chr(target, '/');
	return at < 0 ? STR("/") : str_sub(target, (size_t)at, target.n);
}

static void head_of(struct buf *b, const struct http_x *x, const struct http_upstream *u)
{
	const struct http_in *body = &x->conn->body;
	struct str host = http_get(x, "Host");

	buf_fmt(b, "%.*s ", STR_ARG(x->method));
	buf_add(b, origin_form(x->target));
	buf_fmt(b, " HTTP/1.1\r\nHost: %.*s\r\n", STR_ARG(host.n ? host : u->cfg.host));
	for (size_t i = 0; i < x->field_count; i++) {
		const struct http_field *f = &x->fields[i];
		bool via = str_ieq(f->name, STR("Via"));

		if (!via && stays(f, x->fields, x->field_count))
			continue;
		buf_add(b, f->name);
		buf_add(b, STR(": "));
		buf_add(b, f->value);
		buf_add(b, STR("\r\n"));
	}
	buf_fmt(b, "Via: 1.1 %.*s\r\n", STR_ARG(u->cfg.host));
	if (x->conn->expecting)
		buf_add(b, STR("Expect: 100-continue\r\n"));
	if (body->kind == HTTP_IN_CHUNKED)
		buf_add(b, STR("Transfer-Encoding: chunked\r\n"));
	else if (body->left || http_get(x, "Content-Length").p)
		buf_fmt(b, "Content-Length: %llu\r\n", (unsigned long long)body->left);
	buf_add(b, STR("\r\n"));
}

/* One request on its way. */
struct job {
	struct http_x *x;
	struct http_upstream *u;
	struct str head;
	bool begun;                                 /* part of the body was taken from the client */
	bool client_failed;                         /* its body broke off */
	struct http_field fields[HTTP_HEADERS_MAX]; /* of the reply */
	size_t n;
};

static int on_field(void *ctx, const struct http_field *f)
{
	struct job *j = ctx;
	struct http_field copy = { arena_dup(&j->x->arena, f->name),
		arena_dup(&j->x->arena, f->value) };

	if (j->n == HTTP_HEADERS_MAX || !copy.name.p || !copy.value.p)
		return err_set(ERR_LIMIT, "http: the reply's head is too large");
	j->fields[j->n++] = copy;
	return 0;
}

/* The next head, an interim one as well. */
static int read_head(struct job *j, struct link *l)
{
	j->n = 0;
	return http_reply_head(&l->c, on_field, j, os_after(REPLY_NS));
}

/* Sends what the client sends, until that ends, or an answer or the other side's end comes before. */
static void send_body(struct job *j, struct link *l)
{
	const struct http_in *body = &j->x->conn->body;
	bool chunked = body->kind == HTTP_IN_CHUNKED;
	struct str part;

	while (!l->close) {
		if (http_body(&part, j->x) < 0) {
			j->client_failed = true;
			return;
		}
		if (part.n == 0)
			break;
		j->begun = true;
		if (chunked)
			os_writef(&l->w, "%zx\r\n", part.n);
		os_write(&l->w, part);
		if (chunked)
			os_write(&l->w, STR("\r\n"));
		l->close = os_flush(&l->w) < 0 ||
			((chunked || body->left) && os_reader_ready(&l->c.r));
	}
	if (l->close)
		return;
	if (chunked)
		os_write(&l->w, STR("0\r\n\r\n"));
	l->close = os_flush(&l->w) < 0;
}

/* Sends the request and reads the final head of its reply. */
static int exchange(struct job *j, struct link *l)
{
	int err = 0;

	l->c.status = 0;
	l->close = false;
	os_write(&l->w, j->head);
	if (j->x->conn->expecting) {
		err = os_flush(&l->w);
		while (err == 0 && (err = read_head(j, l)) == 0 && l->c.status > 100 &&
			l->c.status < 200)
			;
		l->close = err == 0 && l->c.status >= 200; /* it does not want the body */
		if (err < 0 || l->close)
			return err;
	}
	send_body(j, l);
	if (j->client_failed)
		return ERR_CLOSED;
	while ((err = read_head(j, l)) == 0 && l->c.status < 200)
		;
	return err;
}

static void relay(struct job *j, struct link *l)
{
	struct http_client *c = &l->c;
	bool none = j->x->conn->head || c->status == 204 || c->status == 304;
	uint64_t length = c->body.kind == HTTP_IN_LENGTH ? c->body.left : HTTP_CHUNKED;
	struct str part;
	int err;

	if (none)
		c->body = (struct http_in){ .kind = HTTP_IN_LENGTH };
	l->close |= c->body.kind == HTTP_IN_REST;
	for (size_t i = 0; i < j->n; i++) {
		const struct http_field *f = &j->fields[i];

		l->close |= str_ieq(f->name, STR("Connection")) &&
			http_has_token(f->value, STR("close"));
		if (!stays(f, j->fields, j->n))
			http_header(j->x, f->name.p, f->value);
	}
	http_begin(j->x, c->status, length);
	while ((err = http_reply_body(&part, c, os_after(HTTP_PATIENCE))) == 0 && part.n)
		if ((err = http_send(j->x, part)) < 0)
			break;
	if (err == 0)
		err = http_end(j->x);
	if (err == 0)
		return;
	l->close = true;
	http_cut(j->x);
}

/* ---- when it does not work ---- */

static void say(struct http_x *x, int status, const struct http_upstream *u, const char *what)
{
	struct str text = arena_fmt(&x->arena, "The service for %s %s.\n", u->cfg.words, what);

	if (status == 503)
		http_header(x, "Retry-After", STR("5"));
	http_reply_text(x, status, text.p ? text.p : http_reason(status));
}

static void failed(const struct http_upstream *u, const char *how, int err)
{
	char to[OS_ADDR_TEXT];

	os_log(OS_WARN, "event=forward result=%s to=%s at=%s why=\"%s\"", how, u->cfg.words,
		os_addr_text(to, &u->cfg.to), err_text(err));
}

/* Asking once more changes nothing (RFC 9110, 9.2.2). */
static bool harmless(struct str method)
{
	static const char *const names[] = { "GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(method, str_of(names[i])))
			return true;
	return false;
}

static void broken(struct job *j, int err)
{
	if (j->client_failed) {
		http_reply_text(j->x, 400, "The request's body broke off.\n");
		return;
	}
	failed(j->u, "broken", err);
	if (err == ERR_TIMEOUT)
		say(j->x, 504, j->u, "took too long to answer");
	else
		say(j->x, 502, j->u, "broke off while it answered");
}

static void run(struct job *j)
{
	struct link *l;
	bool used = true, again = true;
	int err = 0;

	while (again) {
		err = take(&l, &used, j->u);
		if (err < 0) {
			failed(j->u, "unreachable", err);
			say(j->x, 503, j->u, "can't be reached just now; try again in a moment");
			return;
		}
		err = exchange(j, l);
		if (err == 0) {
			relay(j, l);
			give_back(l, j->u);
			return;
		}
		/* A kept connection may end while a request is on its way there. */
		again = used && !j->begun && !j->client_failed && l->c.status == 0 &&
			err != ERR_TIMEOUT && harmless(j->x->method);
		drop(l);
	}
	broken(j, err);
}

void http_forward(struct http_x *x, struct http_upstream *u)
{
	struct job *j = ARENA_NEW(&x->arena, struct job);
	os_time deadline = os_after(TURN_NS);
	struct buf head;

	if (came_round(x, u)) {
		http_reply_text(x, 508, "This request has been here before.\n");
		return;
	}
	buf_init(&head, &x->arena);
	head_of(&head, x, u);
	if (!j || head.err < 0) {
		http_reply_text(x, 431, http_reason(431));
		return;
	}
	j->x = x;
	j->u = u;
	j->head = buf_str(&head);
	while (u->busy == HTTP_FORWARDS_MAX)
		if (os_wait(&u->turn, deadline) < 0) {
			say(x, 503, u, "has too much to do just now; try again in a moment");
			return;
		}
	u->busy++;
	run(j);
	u->busy--;
	os_wake_one(&u->turn);
}
