/* SPDX-License-Identifier: ISC */
#include "os/http.h"
#include "os/main.h"
#include "os/platform/unix/unix.h"
#include "tests/fake/stream.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* What each request looked like to the handler: "METHOD path?query body;" */
static struct buf seen;
static int wanted; /* status of a refusal to read the body; 0: read it */

static void handler(struct http_x *x, void *ctx)
{
	struct str body;
	int err;

	(void)ctx;
	buf_fmt(&seen, "%.*s %.*s?%.*s ", STR_ARG(x->method), STR_ARG(x->path), STR_ARG(x->query));
	if (wanted) {
		http_reply_text(x, wanted, "no\n");
		return;
	}
	err = http_body_all(&body, x, 100);
	if (err < 0) {
		buf_fmt(&seen, "%s;", err_name(err));
		http_reply_text(x, err == ERR_LIMIT ? 413 : 400, "bad body\n");
		return;
	}
	buf_fmt(&seen, "%.*s;", STR_ARG(body));
	if (str_eq(x->path, STR("/silent")))
		return;
	if (str_eq(x->path, STR("/chunked"))) {
		http_header(x, "X-Split", STR("a\r\nInjected: b"));
		http_begin(x, 200, HTTP_CHUNKED);
		cr_expect_eq(http_send(x, STR("hello ")), 0);
		cr_expect_eq(http_send(x, STR("")), 0);
		cr_expect_eq(http_send(x, STR("world, this is long")), 0);
		cr_expect_eq(http_end(x), 0);
		return;
	}
	if (str_eq(x->path, STR("/cut"))) {
		http_begin(x, 200, HTTP_CHUNKED);
		cr_expect_eq(http_send(x, STR("half")), 0);
		http_cut(x);
		return;
	}
	if (str_eq(x->path, STR("/short"))) {
		http_begin(x, 200, 10);
		cr_expect_eq(http_send(x, STR("only")), 0);
		return;
	}
	if (str_eq(x->path, STR("/long"))) {
		http_begin(x, 200, 2);
		cr_expect_eq(http_send(x, STR("too long")), ERR_LIMIT);
		return;
	}
	http_reply(x, 200, body.n ? body : STR("ok"));
}

/* The replies without their Date lines, CRLF shown as "|". */
static struct str serve(struct arena *a, struct str in, size_t piece)
{
	struct fake_stream f;
	struct buf b;
	struct str line, rest;

	fake_stream_init(&f, in, piece);
	buf_free(&seen);
	buf_init(&seen, NULL);
	http_serve(&f.s, handler, NULL);
	cr_expect_eq(f.closed, 1);
	buf_init(&b, a);
	for (rest = buf_str(&f.out); rest.n > 0;) {
		bool lf = str_cut(&line, &rest, rest, '\n');
		bool cr = lf && str_ends(line, STR("\r"));
		if (str_starts(line, STR("Date: ")))
			continue;
		buf_add(&b, cr ? str_sub(line, 0, line.n - 1) : line);
		buf_addz(&b, cr ? "|" : lf ? "\n" : "");
	}
	fake_stream_free(&f);
	return b.p ? buf_str(&b) : STR("");
}

#define H  "Host: a\r\n"
#define OK "HTTP/1.1 200 OK|Content-Length: 2||ok"
#define CLOSE(status, n, text) \
	"HTTP/1.1 " status "|Content-Type: text/plain; charset=utf-8|Content-Length: " n \
	"|Connection: close||" text
#define BAD CLOSE("400 Bad Request", "11", "Bad Request")

static const struct {
	const char *in, *seen, *out;
} rows[] = {
	/* keep-alive, pipelining, versions */
	{ "GET / HTTP/1.1\r\n" H "\r\n", "GET /? ;", OK },
	{ "\r\nGET /a?b=c?d HTTP/1.1\r\n" H "\r\nGET /e HTTP/1.1\r\n" H "\r\n",
		"GET /a?b=c?d ;GET /e? ;", OK OK },
	{ "GET / HTTP/1.1\r\n" H "Connection: foo, Close\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n",
		"GET /? ;", "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok" },
	{ "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", "GET /? ;",
		"HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok" },
	{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
		"GET /? ;GET /? ;",
		"HTTP/1.1 200 OK|Content-Length: 2|Connection: keep-alive||ok"
		"HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok" },
	{ "GET / HTTP/1.7\r\n" H "\r\n", "GET /? ;", OK },
	{ "GET / HTTP/2.0\r\n\r\n", "",
		CLOSE("505 HTTP Version Not Supported", "26", "HTTP Version Not Supported") },
	{ "HEAD / HTTP/1.1\r\n" H "\r\n", "HEAD /? ;", "HTTP/1.1 200 OK|Content-Length: 2||" },
	{ "HEAD /chunked HTTP/1.1\r\n" H "\r\n", "HEAD /chunked? ;",
		"HTTP/1.1 200 OK|X-Split: aInjected: b|Transfer-Encoding: chunked||" },
	{ "GET /cut HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n" H "\r\n", "GET /cut? ;",
		"HTTP/1.1 200 OK|Transfer-Encoding: chunked||4|half|" },
	/* targets */
	{ "GET /a%20b%2Fc%C3%A9 HTTP/1.1\r\n" H "\r\n", "GET /a b/c\xc3\xa9? ;", OK },
	{ "GET http://h:1/x?y HTTP/1.1\r\n" H "\r\n", "GET /x?y ;", OK },
	{ "GET https://h HTTP/1.1\r\n" H "\r\n", "GET /? ;", OK },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS /? ;", OK },
	{ "GET /a/..b/.c/... HTTP/1.1\r\n" H "\r\n", "GET /a/..b/.c/...? ;", OK },
	{ "GET * HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "GET a HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "GET /a/../b HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "GET /a/%2e%2E HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "GET /a%2f.%2e/ HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "GET /%00 HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "GET /% HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "GET /%1 HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "GET /%g1 HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "CONNECT h:1 HTTP/1.1\r\n" H "\r\n", "", BAD },
	/* heads that could mean two things */
	{ "GET  / HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", "", BAD },
	{ "G@T / HTTP/1.1\r\n" H "\r\n", "", BAD },
	{ "GET / http/1.1\r\n" H "\r\n", "", BAD },
	{ "GET /\r\n" H "\r\n", "", BAD },
	{ "GET / HTTP/1.1\n" H "\r\n", "", BAD },
	{ "GET / HTTP/1.1\r\nHost: a\n\r\n", "", BAD },
	{ "GET / HTTP/1.1\r\n\r\n", "", BAD },
	{ "GET / HTTP/1.1\r\n" H H "\r\n", "", BAD },
	{ "GET / HTTP/1.1\r\n" H "X : a\r\n\r\n", "", BAD },
	{ "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", "", BAD },
	{ "GET / HTTP/1.1\r\n" H ": a\r\n\r\n", "", BAD },
	{ "GET / HTTP/1.1\r\n" H "X\r\n\r\n", "", BAD },
	{ "GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", "", BAD },
	{ "GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", "", BAD },
	/* bodies */
	{ "PUT /p HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n" H "\r\n",
		"PUT /p? hello;GET /? ;", "HTTP/1.1 200 OK|Content-Length: 5||hello" OK },
	{ "PUT /p HTTP/1.1\r\n" H
	  "Transfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n0003 ;x=\"y\"\r\nllo\r\n"
	  "0\r\nTrailer: t\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n",
		"PUT /p? hello;GET /? ;", "HTTP/1.1 200 OK|Content-Length: 5||hello" OK },
	{ "PUT /p HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
		"PUT /p? hello;",
		"HTTP/1.1 100 Continue||HTTP/1.1 200 OK|Content-Length: 5||hello" },
	{ "PUT /p HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: more\r\n\r\nhello", "",
		CLOSE("417 Expectation Failed", "18", "Expectation Failed") },
	{ "PUT /p HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhell", "PUT /p? closed;",
		CLOSE("400 Bad Request", "9", "bad body\n") },
	{ "PUT /p HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "", BAD },
	{ "PUT /p HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\nhello", "", BAD },
	{ "PUT /p HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\nhello", "", BAD },
	{ "PUT /p HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nhello", "", BAD },
	{ "PUT /p HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\nhello", "", BAD },
	{ "PUT /p HTTP/1.1\r\n" H
	  "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"", BAD },
	{ "PUT /p HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", BAD },
	{ "PUT /p HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", "",
		CLOSE("501 Not Implemented", "15", "Not Implemented") },
	{ "PUT /p HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\nhel\r\n0\r\n\r\n",
		"PUT /p? malformed input;", CLOSE("400 Bad Request", "9", "bad body\n") },
	{ "PUT /p HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\nhe\r\n0\r\n\r\n",
		"PUT /p? malformed input;", CLOSE("400 Bad Request", "9", "bad body\n") },
	{ "PUT /p HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhe",
		"PUT /p? malformed input;", CLOSE("400 Bad Request", "9", "bad body\n") },
	{ "PUT /p HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n\r\nhe",
		"PUT /p? malformed input;", CLOSE("400 Bad Request", "9", "bad body\n") },
	{ "PUT /p HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x2\r\nhe",
		"PUT /p? malformed input;", CLOSE("400 Bad Request", "9", "bad body\n") },
	/* replies */
	{ "GET /chunked HTTP/1.1\r\n" H "\r\n", "GET /chunked? ;",
		"HTTP/1.1 200 OK|X-Split: aInjected: b|Transfer-Encoding: chunked||"
		"6|hello |13|world, this is long|0||" },
	{ "GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /chunked? ;",
		"HTTP/1.1 200 OK|X-Split: aInjected: b|Connection: close||hello world, this is "
		"long" },
	{ "GET /silent HTTP/1.1\r\n" H "\r\n", "GET /silent? ;",
		CLOSE("500 Internal Server Error", "21", "Internal Server Error") },
	{ "GET /short HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n" H "\r\n", "GET /short? ;",
		"HTTP/1.1 200 OK|Content-Length: 10||only" },
	{ "GET /long HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n" H "\r\n", "GET /long? ;",
		"HTTP/1.1 200 OK|Content-Length: 2||" },
	{ "", "", "" },
	{ "GET / HT", "", "" },
	{ "GET / HTTP/1.1\r\nHost", "", "" },
};

Test(http, requests)
{
	static const size_t pieces[] = { 1, 7, 100000 };
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t j = 0; j < ARRAY_LEN(pieces); j++) {
			struct str out = serve(&a, str_of(rows[i].in), pieces[j]);
			cr_expect(str_eq(out, str_of(rows[i].out)), "row %zu: %s\n got %.*s", i,
				rows[i].in, STR_ARG(out));
			cr_expect(str_eq(buf_str(&seen), str_of(rows[i].seen)) ||
					(seen.n == 0 && rows[i].seen[0] == 0),
				"row %zu: seen %.*s", i, STR_ARG(buf_str(&seen)));
			arena_reset(&a);
		}
	}
	arena_free(&a);
	buf_free(&seen);
}

static void add(struct buf *b, const char *line, size_t times)
{
	while (times--)
		buf_addz(b, line);
}

Test(http, limits)
{
	static const struct {
		const char *first, *line, *last;
		size_t times;
		const char *out;
	} limits[] = {
		{ "GET /", "a", " HTTP/1.1\r\n" H "\r\n", 8000, "HTTP/1.1 200" },
		{ "GET /", "a", " HTTP/1.1\r\n" H "\r\n", 9000, "HTTP/1.1 414" },
		{ "GET / HTTP/1.1\r\n" H "X: ", "a", "\r\n\r\n", 8100, "HTTP/1.1 200" },
		{ "GET / HTTP/1.1\r\n" H "X: ", "a", "\r\n\r\n", 9000, "HTTP/1.1 431" },
		{ "GET / HTTP/1.1\r\n" H, "X: a\r\n", "\r\n", HTTP_HEADERS_MAX - 1,
			"HTTP/1.1 200" },
		{ "GET / HTTP/1.1\r\n" H, "X: a\r\n", "\r\n", HTTP_HEADERS_MAX, "HTTP/1.1 431" },
		{ "", "\r\n", "GET / HTTP/1.1\r\n" H "\r\n", 40000, "HTTP/1.1 431" },
		{ "PUT / HTTP/1.1\r\n" H "Content-Length: 101\r\n\r\n", "a", "", 101,
			"HTTP/1.1 413" },
		{ "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n",
			"0\r\n\r\n", 101, "HTTP/1.1 413" },
		{ "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n",
			"0\r\n\r\n", 100, "HTTP/1.1 200" },
		{ "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: a\r\n",
			"\r\n", 1000, "HTTP/1.1 413" },
	};
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct buf b;
		struct str out;

		buf_init(&b, NULL);
		add(&b, limits[i].first, 1);
		add(&b, limits[i].line, limits[i].times);
		add(&b, limits[i].last, 1);
		out = serve(&a, buf_str(&b), 1000);
		cr_expect(str_starts(out, str_of(limits[i].out)), "row %zu: %.*s", i, STR_ARG(out));
		buf_free(&b);
		arena_reset(&a);
	}
	arena_free(&a);
	buf_free(&seen);
}

Test(http, a_body_nobody_read_is_skipped_or_ends_the_connection)
{
	struct arena a;
	struct buf b;
	struct str out;

	arena_init(&a, 1 << 20);
	wanted = 403;
	out = serve(&a,
		STR("PUT / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET /n HTTP/1.1\r\n" H
		    "\r\n"),
		5);
	cr_expect(str_eq(buf_str(&seen), STR("PUT /? GET /n? ")), "%.*s", STR_ARG(out));
	out = serve(&a,
		STR("PUT / HTTP/1.1\r\n" H
		    "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nGET /n HTTP/1.1\r\n" H
		    "\r\n"),
		5);
	cr_expect(str_eq(buf_str(&seen), STR("PUT /? ")));
	cr_expect(str_find(out, STR("100 Continue")) < 0);
	buf_init(&b, NULL);
	buf_addz(&b, "PUT / HTTP/1.1\r\n" H "Content-Length: 1000000\r\n\r\n");
	add(&b, "0123456789", 100000);
	buf_addz(&b, "GET /n HTTP/1.1\r\n" H "\r\n");
	serve(&a, buf_str(&b), 9999);
	cr_expect(str_eq(buf_str(&seen), STR("PUT /? ")));
	buf_free(&b);
	arena_free(&a);
	buf_free(&seen);
}

static void ask(const char *reply, int err, int status, const char *body)
{
	static struct http_client c;
	struct fake_stream f;
	struct str part;
	struct buf got;
	int e;

	buf_init(&got, NULL);
	fake_stream_init(&f, str_of(reply), 3);
	e = http_request(&c, &f.s, STR("PUT"), STR("h"), STR("/x"), STR("A: b\r\n"), STR("data"),
		os_after(OS_SEC));
	cr_expect(str_eq(buf_str(&f.out),
			  STR("PUT /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
			      "Content-Length: 4\r\nA: b\r\n\r\ndata")),
		"%.*s", STR_ARG(buf_str(&f.out)));
	if (e == 0) {
		cr_expect_eq(c.status, status);
		while ((e = http_reply_body(&part, &c, os_after(OS_SEC))) == 0 && part.n > 0)
			buf_add(&got, part);
	}
	cr_expect_eq(e, err, "%s: %d %s", reply, e, err_text(e));
	if (e == 0)
		cr_expect(str_eq(buf_str(&got), str_of(body)), "%.*s", STR_ARG(buf_str(&got)));
	buf_free(&got);
	fake_stream_free(&f);
}

Test(http, client)
{
	ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloextra", 0, 200, "hello");
	ask("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\nto the end", 0, 404,
		"to the end");
	ask("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
		0, 200, "abcde");
	ask("HTTP/1.1 204 No Content\r\n\r\nnot a body", 0, 204, "");
	ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ERR_CLOSED, 200, "");
	ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", ERR_CLOSED, 200,
		"");
	ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ERR_UNSUPPORTED, 0, "");
	ask("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", ERR_BAD, 0, "");
	ask("HTTP/2 200\r\n\r\n", ERR_BAD, 0, "");
	ask("SSH-2.0-x\r\n", ERR_BAD, 0, "");
	ask("", ERR_CLOSED, 0, "");
}
