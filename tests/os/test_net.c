/* SPDX-License-Identifier: ISC */
#include "os/main.h"
#include "os/net.h"
#include "os/platform/unix/unix.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#define FIBER_TEST(name) \
	static int name##_body(void *arg); \
	Test(net, name, .timeout = 30) \
	{ \
		cr_expect_eq(os_run(name##_body, NULL), 7); \
	} \
	static int name##_body(void *arg)
#define SOON os_after(10 * OS_SEC)

Test(net, addresses)
{
	static const struct {
		const char *in, *text; /* NULL: refused */
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1:9" },
		{ "192.0.2.1:25", "192.0.2.1:25" },
		{ "192.0.2.1:0", "192.0.2.1:0" },
		{ "2001:db8::1", "[2001:db8::1]:9" },
		{ "[2001:db8::1]", "[2001:db8::1]:9" },
		{ "[2001:db8::1]:65535", "[2001:db8::1]:65535" },
		{ "::ffff:192.0.2.1", "192.0.2.1:9" },
		{ "[::ffff:192.0.2.1]:25", "192.0.2.1:25" },
		{ "::", "[::]:9" },
		{ "", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.1:", NULL },
		{ "192.0.2.1:65536", NULL },
		{ "192.0.2.1:2a", NULL },
		{ "192.0.2.256", NULL },
		{ "[192.0.2.1]", NULL },
		{ "[::1", NULL },
		{ "[::1]25", NULL },
		{ "[::1]:", NULL },
		{ "host", NULL },
		{ "host:25", NULL },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff",
			NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct os_addr a;
		char text[OS_ADDR_TEXT];
		int err = os_addr_parse(&a, str_of(rows[i].in), 9);

		cr_expect_eq(err, rows[i].text ? 0 : ERR_BAD, "%s: %d", rows[i].in, err);
		if (err == 0)
			cr_expect_str_eq(os_addr_text(text, &a), rows[i].text);
	}
}

/* A connected pair over a listener on a free port. */
static void pair(struct os_stream **client, struct os_stream **server)
{
	struct os_listener *l;
	struct os_addr to;

	unix_set_args("listen.80=127.0.0.1:0");
	cr_assert_eq(os_listen(&l, 80), 0, "%s", err_text(ERR_IO));
	cr_assert_eq(os_addr_parse(&to, STR("127.0.0.1"), os_listener_port(l)), 0);
	cr_assert_eq(os_connect(client, &to, SOON), 0);
	cr_assert_eq(os_accept(server, l, SOON), 0);
	os_listener_close(l);
}

static void close_it(void *arg)
{
	os_stream_close(arg);
}

static void close_pair(struct os_stream *a, struct os_stream *b)
{
	cr_assert_eq(os_spawn("close", close_it, a), 0);
	os_stream_close(b);
	while (os_fiber_count() > 1)
		os_sleep(os_after(OS_MS));
}

FIBER_TEST(lines)
{
	static char room[16];
	struct os_stream *c, *s;
	struct os_reader r;
	struct str line;

	(void)arg;
	pair(&c, &s);
	cr_expect_eq(s->peer.port, c->local.port);
	cr_expect(!s->secure && !os_stream_readable(s));
	os_reader_init(&r, s, room, sizeof(room));
	cr_expect_eq(os_read_line(&line, &r, os_after(OS_MS)), ERR_TIMEOUT);
	cr_expect_eq(os_stream_write(c, STR("EHLO x\r\nbare\nhalf"), SOON), 0);
	cr_expect_eq(os_read_line(&line, &r, SOON), 0);
	cr_expect(str_eq(line, STR("EHLO x\r\n")));
	cr_expect_eq(os_read_line(&line, &r, SOON), 0);
	cr_expect(str_eq(line, STR("bare\n")));
	cr_expect_eq(os_read_line(&line, &r, os_after(10 * OS_MS)), ERR_TIMEOUT);
	cr_expect_eq(os_stream_write(c, STR(" line\n1234567890abcdef\nx"), SOON), 0);
	cr_expect_eq(os_read_line(&line, &r, SOON), 0, "a timeout loses nothing");
	cr_expect(str_eq(line, STR("half line\n")));
	cr_expect_eq(os_read_line(&line, &r, SOON), ERR_LIMIT);
	cr_expect_eq(os_read_some(&line, &r, 10, SOON), 0);
	cr_expect(str_eq(line, STR("1234567890")), "the bytes of a long line are still there");
	cr_expect_eq(os_read_some(&line, &r, 100, SOON), 0);
	cr_expect(str_eq(line, STR("abcdef")));
	cr_expect_eq(os_read_line(&line, &r, SOON), 0);
	cr_expect(os_reader_ready(&r));
	cr_assert_eq(os_spawn("close", close_it, c), 0);
	cr_expect_eq(os_read_line(&line, &r, SOON), ERR_CLOSED, "no LF before the end");
	cr_expect(os_reader_ready(&r), "the end is ready too");
	os_stream_close(s);
	return 7;
}

#define BULK ((size_t)8 << 20)
static void pour(void *arg)
{
	static char room[5000];
	struct os_writer w;
	uint32_t v = 1;

	os_writer_init(&w, arg, room, sizeof(room), 10 * OS_SEC);
	for (size_t n = 0; n < BULK; n += 8) {
		v = v * 1664525 + 1013904223;
		os_writef(&w, "%08x", v);
	}
	os_writef(&w, "%06000d", 1);
	cr_expect_eq(os_flush(&w), ERR_LIMIT);
	os_stream_close(arg);
}

FIBER_TEST(bulk_arrives_whole)
{
	static char room[64 * 1024];
	struct os_stream *c, *s;
	struct os_net_stats st;
	size_t n, total = 0;
	uint32_t v = 1;

	(void)arg;
	pair(&c, &s);
	cr_assert_eq(os_spawn("pour", pour, c), 0);
	while (os_stream_read(&n, s, room, sizeof(room), SOON) == 0 && n > 0) {
		for (size_t i = 0; i < n; i++, total++) {
			if (total % 8 == 0)
				v = v * 1664525 + 1013904223;
			cr_assert_eq(room[i], "0123456789abcdef"[v >> (28 - total % 8 * 4) & 15]);
		}
		if (total < (size_t)100000)
			os_sleep(os_after(OS_MS)); /* let the sender run into the full window */
	}
	cr_expect_eq(total, BULK);
	os_net_stats(&st);
	cr_expect(st.bytes_in >= BULK && st.bytes_out >= BULK);
	os_stream_close(s);
	while (os_fiber_count() > 1)
		os_sleep(os_after(OS_MS));
	os_net_stats(&st);
	cr_expect_eq(st.connections, 0);
	return 7;
}

FIBER_TEST(a_writer_gives_up_at_its_deadline)
{
	static char room[65536];
	struct os_stream *c, *s;
	int err = 0;

	(void)arg;
	pair(&c, &s);
	for (int i = 0; i < 1000 && err == 0; i++)
		err = os_stream_write(c, str_n(room, sizeof(room)), os_after(50 * OS_MS));
	cr_expect_eq(err, ERR_TIMEOUT);
	close_pair(s, c);
	return 7;
}

/* Catches a close that resets the connection and so destroys the last reply. */
FIBER_TEST(last_words_arrive)
{
	static char room[4096];
	struct os_stream *c, *s;
	size_t n, total = 0;

	(void)arg;
	pair(&c, &s);
	cr_expect_eq(os_stream_write(c, str_n(room, sizeof(room)), SOON), 0);
	os_sleep(os_after(5 * OS_MS));
	cr_expect_eq(os_stream_write(s, STR("421 bye\r\n"), SOON), 0);
	cr_assert_eq(os_spawn("close", close_it, s), 0);
	for (int i = 0; i < 5; i++) {
		os_sleep(os_after(2 * OS_MS));
		if (os_stream_write(c, str_n(room, sizeof(room)), SOON) < 0)
			break;
	}
	while (os_stream_read(&n, c, room, sizeof(room), SOON) == 0 && n > 0)
		total += n;
	cr_expect_eq(total, 9);
	os_stream_close(c);
	while (os_fiber_count() > 1)
		os_sleep(os_after(OS_MS));
	return 7;
}

struct idle {
	struct os_stream *s;
	struct os_waitq q;
	bool mail;
	int woken;
};
static void idle(void *arg)
{
	struct idle *i = arg;

	os_stream_notify(i->s, &i->q);
	while (!i->mail && !os_stream_readable(i->s))
		if (os_wait(&i->q, SOON) < 0)
			break;
	os_stream_notify(i->s, NULL);
	i->woken = i->mail ? 1 : 2;
}

/* The pattern of IMAP IDLE: wait for the client or for news, whichever comes first. */
FIBER_TEST(waiting_for_a_stream_and_something_else)
{
	struct idle i = { .q = OS_WAITQ };
	struct os_stream *c;
	char room[8];
	size_t n;

	(void)arg;
	pair(&c, &i.s);
	cr_assert_eq(os_spawn("idle", idle, &i), 0);
	os_sleep(os_after(OS_MS));
	cr_expect_eq(i.woken, 0);
	i.mail = true;
	os_wake_all(&i.q);
	os_yield();
	cr_expect_eq(i.woken, 1);
	i.mail = false;
	cr_assert_eq(os_spawn("idle", idle, &i), 0);
	os_sleep(os_after(OS_MS));
	cr_expect_eq(os_stream_write(c, STR("DONE"), SOON), 0);
	while (os_fiber_count() > 1)
		os_sleep(os_after(OS_MS));
	cr_expect_eq(i.woken, 2);
	cr_expect_eq(os_stream_read(&n, i.s, room, sizeof(room), SOON), 0);
	cr_assert_eq(os_spawn("idle", idle, &i), 0);
	os_sleep(os_after(OS_MS));
	cr_assert_eq(os_spawn("close", close_it, c), 0);
	for (i.woken = 0; i.woken == 0;)
		os_sleep(os_after(OS_MS));
	cr_expect_eq(i.woken, 2, "the end wakes too");
	os_stream_close(i.s);
	return 7;
}

static void echo(void *arg)
{
	char room[64];
	size_t n;

	while (os_stream_read(&n, arg, room, sizeof(room), SOON) == 0 && n > 0)
		if (os_stream_write(arg, str_n(room, n), SOON) < 0)
			break;
	os_stream_close(arg);
}

static void acceptor(void *arg)
{
	struct os_stream *s;
	int err;

	while ((err = os_accept(&s, arg, OS_FOREVER)) == 0)
		cr_assert_eq(os_spawn("echo", echo, s), 0);
	cr_expect_eq(err, ERR_CLOSED);
}

static int done;
static void asker(void *arg)
{
	struct os_stream *s;
	char room[64];
	size_t n;

	cr_assert_eq(os_connect(&s, arg, os_after(60 * OS_SEC)), 0, "%s", err_text(ERR_IO));
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(os_stream_write(s, STR("hello"), SOON), 0);
		cr_assert_eq(os_stream_read(&n, s, room, sizeof(room), SOON), 0);
		cr_expect(str_eq(str_n(room, n), STR("hello")));
		os_sleep(os_after(20 * OS_MS));
	}
	done++;
	os_stream_close(s);
}

/* 400 connections each way at once, within a process's usual limit of 1024 descriptors. */
FIBER_TEST(many_at_once)
{
	struct os_listener *l;
	struct os_addr to;

	(void)arg;
	unix_set_args("listen.80=127.0.0.1:0,[::1]:0");
	if (os_listen(&l, 80) < 0) { /* a machine without IPv6 */
		unix_set_args("listen.80=127.0.0.1:0");
		cr_assert_eq(os_listen(&l, 80), 0);
	}
	cr_assert_eq(os_addr_parse(&to, STR("127.0.0.1"), os_listener_port(l)), 0);
	cr_assert_eq(os_spawn("acceptor", acceptor, l), 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 400; i++)
			cr_assert_eq(os_spawn("asker", asker, &to), 0);
		while (os_fiber_count() > 2)
			os_sleep(os_after(5 * OS_MS));
	}
	cr_expect_eq(done, 1200);
	os_listener_close(l);
	while (os_fiber_count() > 1)
		os_yield();
	return 7;
}

FIBER_TEST(refusals)
{
	struct os_listener *l, *l2;
	struct os_stream *s;
	struct os_addr to;
	char args[64];
	size_t n;

	(void)arg;
	unix_set_args("listen.80=127.0.0.1:0");
	cr_assert_eq(os_listen(&l, 80), 0);
	cr_expect_eq(os_accept(&s, l, os_after(OS_MS)), ERR_TIMEOUT);
	snprintf(args, sizeof(args), "listen.80=127.0.0.1:%u", os_listener_port(l));
	unix_set_args(args);
	cr_expect_eq(os_listen(&l2, 80), ERR_EXIST);
	cr_assert_eq(os_addr_parse(&to, STR("127.0.0.1"), os_listener_port(l)), 0);
	os_listener_close(l);
	cr_expect_eq(os_connect(&s, &to, SOON), ERR_CLOSED);
	cr_expect(strstr(err_text(ERR_CLOSED), "refused"));
	unix_set_args("listen.80=nonsense");
	cr_expect_eq(os_listen(&l, 80), ERR_BAD);
	cr_expect_eq(os_resolve(&n, &to, 1, STR("localhost"), SOON), 0);
	cr_expect_eq(n, 1);
	cr_expect_eq(os_resolve(&n, &to, 1, STR("127.0.0.9"), SOON), 0);
	cr_expect_eq(to.ip[15], 9);
	cr_expect_eq(os_resolve(&n, &to, 1, STR(""), SOON), ERR_BAD);
	return 7;
}

FIBER_TEST(a_stop_request_ends_accepting)
{
	struct os_listener *l;

	(void)arg;
	unix_catch_stop();
	unix_set_args("listen.80=127.0.0.1:0");
	cr_assert_eq(os_listen(&l, 80), 0);
	cr_assert_eq(os_spawn("acceptor", acceptor, l), 0);
	os_yield();
	cr_expect(!os_stopping());
	raise(SIGTERM);
	os_stop_wait();
	cr_expect(os_stopping());
	for (os_time end = os_after(5 * OS_SEC); os_fiber_count() > 1 && os_now() < end;)
		os_yield();
	cr_expect_eq(os_fiber_count(), 1, "the acceptor waits on");
	os_listener_close(l);
	return 7;
}
