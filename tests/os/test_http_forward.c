/* SPDX-License-Identifier: ISC */
/* A gateway between a client in memory and a server on loopback that says what the test wrote down. */
#include "os/http_forward.h"
#include "os/main.h"
#include "os/platform/unix/unix.h"
#include "tests/fake/stream.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define SOON os_after(20 * OS_SEC)

/* The other server: reads up to `until`, says `reply` (NULL: nothing), and hangs up where `close`. */
struct step {
	const char *until, *reply;
	bool close;
};
static struct os_listener *listener;
static struct http_upstream *up;
static struct arena a;
static struct buf seen;   /* what it was sent */
static size_t seen_begin; /* by this step */
static unsigned connections;

static bool act(struct os_stream *s, const struct step *step)
{
	char room[4096];
	size_t n;

	seen_begin = seen.n;
	while (str_find(str_sub(buf_str(&seen), seen_begin, seen.n), str_of(step->until)) < 0) {
		if (os_stream_read(&n, s, room, sizeof(room), SOON) < 0 || n == 0)
			return false;
		buf_add(&seen, str_n(room, n));
	}
	if (step->reply && os_stream_write(s, str_of(step->reply), SOON) < 0)
		return false;
	return !step->close;
}

static void other_server(void *arg)
{
	const struct step *step = arg;
	struct os_stream *s;

	while (step->until && os_accept(&s, listener, SOON) == 0) {
		connections++;
		while (step->until && act(s, step))
			step++;
		if (step->until)
			step++;
		os_stream_close(s);
	}
}

static void handler(struct http_x *x, void *ctx)
{
	(void)ctx;
	http_forward(x, up);
}

/* The replies without their Date lines, CRLF as "|". */
static const char *ask(const char *in)
{
	struct fake_stream f;
	struct str line, rest;
	struct buf b;

	fake_stream_init(&f, str_of(in), 7);
	http_serve(&f.s, handler, NULL);
	buf_init(&b, &a);
	buf_addz(&b, "");
	for (rest = buf_str(&f.out); rest.n > 0;) {
		bool lf = str_cut(&line, &rest, rest, '\n');

		if (str_starts(line, STR("Date: ")))
			continue;
		buf_add(&b, str_ends(line, STR("\r")) ? str_sub(line, 0, line.n - 1) : line);
		buf_addz(&b, lf ? "|" : "");
	}
	fake_stream_free(&f);
	return b.p;
}

static const char *was_asked(void)
{
	struct buf b;

	buf_init(&b, &a);
	buf_addz(&b, "");
	for (size_t i = 0; i < seen.n; i++)
		if (seen.p[i] != '\r')
			buf_addc(&b, seen.p[i] == '\n' ? '|' : seen.p[i]);
	seen.n = seen_begin = 0;
	return b.p;
}

struct run {
	const struct step *steps;
	void (*body)(void);
};

static int run_fiber(void *arg)
{
	const struct run *r = arg;
	struct http_upstream_config cfg = { .host = STR("b.example.org"), .words = "books" };

	connections = 0;
	seen_begin = 0;
	arena_init(&a, 1 << 20);
	buf_init(&seen, NULL);
	unix_set_args("listen.443=127.0.0.1:0");
	cr_assert_eq(os_listen(&listener, 443), 0);
	cr_assert_eq(os_addr_parse(&cfg.to, STR("127.0.0.1"), os_listener_port(listener)), 0);
	cr_assert_eq(os_spawn("other", other_server, (void *)r->steps), 0);
	cr_assert_eq(http_upstream_new(&up, &cfg), 0);
	r->body();
	http_upstream_free(up);
	while (os_fiber_count() > 1)
		os_sleep(os_after(OS_MS));
	os_listener_close(listener);
	buf_free(&seen);
	arena_free(&a);
	return 7;
}

static void run(const struct step *steps, void (*body)(void))
{
	struct run r = { steps, body };
	cr_assert_eq(os_run(run_fiber, &r), 7);
}

#define same(is, want) \
	do { \
		const char *got = (is); \
		cr_expect_str_eq(got, want, "line %d:\n%s\n%s", __LINE__, got, want); \
	} while (0)
#define HEAD "\r\n\r\n"
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* What belongs to a connection stays on it; the connection behind is used again. */
static void fields(void)
{
	same(ask("GET http://front/x?y HTTP/1.1\r\nHost: front\r\nAuthorization: Basic eA==\r\n"
		 "Connection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nIf-Match: \"e\"\r\n"
		 "Via: 1.1 outer\r\n\r\n"),
		"HTTP/1.1 200 OK|ETag: \"t\"|Content-Length: 2|Connection: close||ok");
	same(was_asked(),
		"GET /x?y HTTP/1.1|Host: front|Authorization: Basic eA==|If-Match: \"e\"|"
		"Via: 1.1 outer|Via: 1.1 b.example.org||");
	same(ask("HEAD / HTTP/1.1\r\nHost: f\r\n\r\n"), "HTTP/1.1 200 OK|Content-Length: 5||");
	same(ask("DELETE / HTTP/1.1\r\nHost: f\r\n\r\n"), "HTTP/1.1 204 No Content||");
	same(ask("GET / HTTP/1.1\r\nHost: f\r\n\r\n"), "HTTP/1.1 304 Not Modified|ETag: \"t\"||");
	same(ask("GET / HTTP/1.1\r\nHost: f\r\n\r\n"),
		"HTTP/1.1 200 OK|Transfer-Encoding: chunked||4|half|4|half|0||");
	same(ask("GET / HTTP/1.1\r\nHost: f\r\n\r\n"),
		"HTTP/1.1 200 OK|Transfer-Encoding: chunked||7|the end|0||");
	cr_expect_eq(connections, 1);
}
Test(http_forward, fields, .timeout = 60)
{
	static const struct step steps[] = {
		{ HEAD,
			"HTTP/1.1 200 OK\r\nDate: x\r\nConnection: X-Own\r\nX-Own: 1\r\n"
			"ETag: \"t\"\r\nContent-Length: 2\r\n\r\nok",
			false },
		{ HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false },
		{ HEAD, "HTTP/1.1 204 No Content\r\n\r\n", false },
		{ HEAD, "HTTP/1.1 304 Not Modified\r\nETag: \"t\"\r\n\r\n", false },
		{ HEAD,
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			"4\r\nhalf\r\n4\r\nhalf\r\n0\r\n\r\n",
			false },
		{ HEAD, "HTTP/1.1 200 OK\r\n\r\nthe end", true },
		{ 0 },
	};
	run(steps, fields);
}

static void bodies(void)
{
	same(ask("PUT /a HTTP/1.1\r\nHost: f\r\nContent-Length: 4\r\n\r\nbody"
		 "PUT /b HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "3\r\nabc\r\n0\r\n\r\n"
		 "PUT /c HTTP/1.1\r\nHost: f\r\nContent-Length: 0\r\n\r\n"),
		"HTTP/1.1 200 OK|Content-Length: 2||okHTTP/1.1 200 OK|Content-Length: 2||ok"
		"HTTP/1.1 200 OK|Content-Length: 2||ok");
	const char *asked = was_asked();
	cr_expect(strstr(asked, "Content-Length: 4||body") &&
			strstr(asked, "Transfer-Encoding: chunked||") && strstr(asked, "|0||") &&
			strstr(asked, "Content-Length: 0||"),
		"%s", asked);
	/* Who waits for 100 gets it from behind. */
	same(ask("PUT /d HTTP/1.1\r\nHost: f\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
		 "body"),
		"HTTP/1.1 100 Continue||HTTP/1.1 200 OK|Content-Length: 2||ok");
	same(ask("PUT /e HTTP/1.1\r\nHost: f\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
		 "body"),
		"HTTP/1.1 413 Content Too Large|Content-Length: 2|Connection: close||no");
}
Test(http_forward, bodies, .timeout = 60)
{
	static const struct step steps[] = {
		{ "body", OK, false },
		{ "0\r\n\r\n", OK, false },
		{ HEAD, OK, false },
		{ HEAD, "HTTP/1.1 100 Continue\r\n\r\n", false },
		{ "body", OK, false },
		{ HEAD, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", true },
		{ 0 },
	};
	run(steps, bodies);
}

/* An answer in the middle of a body arrives, whatever of the body is left. */
static void early(void)
{
	struct buf b;

	buf_init(&b, &a);
	buf_addz(&b, "PUT /a HTTP/1.1\r\nHost: f\r\nContent-Length: 200000\r\n\r\n");
	for (int i = 0; i < 20000; i++)
		buf_addz(&b, "0123456789");
	same(ask(b.p), "HTTP/1.1 413 Content Too Large|Content-Length: 2||no");
}
Test(http_forward, early, .timeout = 60)
{
	static const struct step steps[] = {
		{ "0123456789", "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", true },
		{ 0 },
	};
	run(steps, early);
}

/* More both ways than a request may hold: parts go on as they come. */
#define MUCH ((size_t)3 << 20)
static char *much; /* a request, and a reply */
static void large(void)
{
	struct fake_stream f;

	fake_stream_init(&f, str_of(much), 5000);
	http_serve(&f.s, handler, NULL);
	cr_expect(str_starts(buf_str(&f.out), STR("HTTP/1.1 200 OK\r\n")));
	cr_expect_gt(f.out.n, MUCH);
	cr_expect(str_ends(buf_str(&f.out), STR("xEND")));
	cr_expect_gt(seen.n, MUCH);
	cr_expect(str_ends(buf_str(&seen), STR("xEND")));
	fake_stream_free(&f);
}
Test(http_forward, large, .timeout = 60)
{
	static struct step steps[] = { { "xEND", NULL, false }, { 0 } };
	struct buf request, reply;

	buf_init(&request, NULL);
	buf_init(&reply, NULL);
	buf_fmt(&request, "PUT / HTTP/1.1\r\nHost: f\r\nContent-Length: %zu\r\n\r\n", MUCH + 3);
	buf_fmt(&reply, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", MUCH + 3);
	for (size_t i = 0; i < MUCH; i++) {
		buf_addc(&request, 'x');
		buf_addc(&reply, 'x');
	}
	buf_addz(&request, "END");
	buf_addz(&reply, "END");
	much = request.p;
	steps[0].reply = reply.p;
	run(steps, large);
	buf_free(&request);
	buf_free(&reply);
}

#define PLAIN(status, n, text) \
	"HTTP/1.1 " status "|Content-Type: text/plain; charset=utf-8|Content-Length: " n "||" text
static void broken(void)
{
	same(ask("GET / HTTP/1.1\r\nHost: f\r\n\r\n"), "HTTP/1.1 200 OK|Content-Length: 2||ok");
	/* The one that was kept has gone: a question is asked again, an order is not. */
	same(ask("GET / HTTP/1.1\r\nHost: f\r\n\r\n"), "HTTP/1.1 200 OK|Content-Length: 2||ok");
	same(ask("MOVE / HTTP/1.1\r\nHost: f\r\n\r\n"),
		PLAIN("502 Bad Gateway", "51",
			"The service for books broke off while it answered.|"));
	same(ask("GET / HTTP/1.1\r\nHost: f\r\n\r\n"),
		PLAIN("502 Bad Gateway", "51",
			"The service for books broke off while it answered.|"));
	/* Half a reply is not whole. */
	same(ask("GET / HTTP/1.1\r\nHost: f\r\n\r\n"), "HTTP/1.1 200 OK|Content-Length: 9||half");
	same(ask("GET / HTTP/1.1\r\nHost: f\r\n\r\n"),
		"HTTP/1.1 200 OK|Transfer-Encoding: chunked||4|half|");
	/* Nor is half a request one. */
	cr_expect(strstr(ask("PUT /a HTTP/1.1\r\nHost: f\r\nContent-Length: 9\r\n\r\nhalf"),
		"HTTP/1.1 400 "));
	same(ask("GET / HTTP/1.1\r\nHost: f\r\nVia: 1.0 a, 1.1 b.example.org\r\n\r\n"),
		PLAIN("508 Loop Detected", "35", "This request has been here before.|"));
}
Test(http_forward, broken, .timeout = 60)
{
	static const struct step steps[] = {
		{ HEAD, OK, false },
		{ HEAD, NULL, true },
		{ HEAD, OK, false },
		{ HEAD, NULL, true },
		{ HEAD, "nonsense\r\n", true },
		{ HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", true },
		{ HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
			true },
		{ "never", NULL, true },
		{ 0 },
	};
	run(steps, broken);
}

static void gone(void)
{
	os_listener_close(listener);
	same(ask("PUT / HTTP/1.1\r\nHost: f\r\nContent-Length: 1\r\n\r\nx"),
		"HTTP/1.1 503 Service Unavailable|Retry-After: 5|"
		"Content-Type: text/plain; charset=utf-8|Content-Length: 72||"
		"The service for books can't be reached just now; try again in a moment.|");
	unix_set_args("listen.443=127.0.0.1:0");
	cr_assert_eq(os_listen(&listener, 443), 0);
}
Test(http_forward, gone, .timeout = 60)
{
	static const struct step steps[] = { { 0 } };
	run(steps, gone);
}
