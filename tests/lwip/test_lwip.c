/* SPDX-License-Identifier: ISC */
/*
 * Our own TCP/IP stack: two processes, each with its stack, joined by a wire of frames. The wire
 * is a socket pair, or this process in between, which loses, doubles and swaps frames.
 */
#include "os/crypto.h"
#include "os/main.h"
#include "os/net.h"
#include "os/net/lwip/lwip_impl.h"
#include "os/platform/unix/unix.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON os_after(20 * OS_SEC)
#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, \
				err_text(last)); \
			_exit(1); \
		} \
	} while (0)
static int last; /* of the latest call that was tried */
#define TRY(call) CHECK((last = (call)) == 0)

typedef int body(void *arg);

static pid_t start(int fd, const char *extra, const char *ip, body *fn, int other)
{
	static char args[256];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	close(other);
	snprintf(args, sizeof(args), "nic0=fd:%d ip=%s/24 %s", fd, ip, extra);
	unix_set_args(args);
	if (os_crypto_init() < 0)
		_exit(2);
	_exit(os_run(fn, NULL));
}

/* Every 97th frame is lost, every 41st doubled, every 17th overtaken by the next one. */
static void relay(int a, int b)
{
	static char frame[2048], held[2][2048];
	struct pollfd fds[] = { { a, POLLIN, 0 }, { b, POLLIN, 0 } };
	ssize_t held_n[2] = { 0, 0 };
	unsigned count = 0;

	while (poll(fds, 2, 60000) > 0) {
		for (int i = 0; i < 2; i++) {
			ssize_t n;
			int to = fds[!i].fd;

			if (!fds[i].revents)
				continue;
			n = recv(fds[i].fd, frame, sizeof(frame), 0);
			if (n <= 0)
				return;
			count++;
			if (count % 97 == 0)
				continue;
			if (count % 17 == 0 && held_n[i] == 0) {
				memcpy(held[i], frame, (size_t)n);
				held_n[i] = n;
				continue;
			}
			for (unsigned k = 0; k <= (count % 41 == 0); k++)
				if (send(to, frame, (size_t)n, MSG_NOSIGNAL) < 0)
					return;
			if (held_n[i] && send(to, held[i], (size_t)held_n[i], MSG_NOSIGNAL) < 0)
				return;
			held_n[i] = 0;
		}
	}
}

static void run(body *server, body *client, const char *extra, bool lossy)
{
	int a[2], b[2], status = -1, relay_pid = 0;
	pid_t server_pid, client_pid;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, a), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, b), 0);
	server_pid = start(a[0], extra, "10.9.0.1", server, a[1]);
	client_pid = start(lossy ? b[0] : a[1], extra, "10.9.0.2", client, a[0]);
	if (lossy && (relay_pid = fork()) == 0) {
		relay(a[1], b[1]);
		_exit(0);
	}
	cr_assert_eq(waitpid(client_pid, &status, 0), client_pid);
	cr_expect_eq(status, 0, "client: %d", status);
	kill(server_pid, SIGTERM);
	cr_assert_eq(waitpid(server_pid, &status, 0), server_pid);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "server: %d", status);
	if (relay_pid) {
		kill(relay_pid, SIGTERM);
		waitpid(relay_pid, NULL, 0);
	}
	close(a[0]), close(a[1]), close(b[0]), close(b[1]);
}

static struct os_addr at(const char *text)
{
	struct os_addr a;

	TRY(os_addr_parse(&a, str_of(text), 0));
	return a;
}

static void echo(void *arg)
{
	char room[512];
	size_t n;

	while (os_stream_read(&n, arg, room, sizeof(room), SOON) == 0 && n > 0)
		if (os_stream_write(arg, str_n(room, n), SOON) < 0)
			break;
	os_stream_close(arg);
}

static void serve(struct os_listener *l, void (*fn)(void *))
{
	struct os_stream *s;

	for (;;) {
		TRY(os_accept(&s, l, OS_FOREVER));
		TRY(os_spawn("session", fn, s));
	}
}

static void listen_to(uint16_t port, void (*fn)(void *))
{
	struct os_listener *l;

	TRY(os_listen(&l, port));
	CHECK(os_listener_port(l) == port);
	serve(l, fn);
}

static int echo_server(void *arg)
{
	(void)arg;
	listen_to(7, echo);
	return 0;
}

#define BULK ((size_t)3 << 20)
static void pour(void *arg)
{
	static char room[30000];

	for (size_t at_byte = 0; at_byte < BULK; at_byte += sizeof(room)) {
		size_t n = BULK - at_byte < sizeof(room) ? BULK - at_byte : sizeof(room);
		for (size_t i = 0; i < n; i++)
			room[i] = (char)((at_byte + i) * 31 >> 3);
		TRY(os_stream_write(arg, str_n(room, n), os_after(60 * OS_SEC)));
	}
}

static int bulk_client(void *arg)
{
	static char room[10000];
	struct os_stream *s;
	struct os_addr to = at("10.9.0.1:7");
	size_t n, got = 0;

	(void)arg;
	TRY(os_connect(&s, &to, SOON));
	CHECK(s->peer.port == 7 && s->local.port != 0);
	TRY(os_spawn("pour", pour, s));
	while (got < BULK) {
		TRY(os_stream_read(&n, s, room, sizeof(room), os_after(60 * OS_SEC)));
		CHECK(n > 0);
		for (size_t i = 0; i < n; i++, got++)
			CHECK(room[i] == (char)(got * 31 >> 3));
	}
	os_stream_close(s);
	return 0;
}

Test(lwip, bulk_both_ways, .timeout = 100)
{
	run(echo_server, bulk_client, "ip6=off", false);
}

Test(lwip, bulk_over_a_bad_wire, .timeout = 200)
{
	run(echo_server, bulk_client, "ip6=off", true);
}

/* Half of the connections are ended by the server, so that it keeps the TIME_WAIT. */
static void reply_and_end(void *arg)
{
	struct os_stream *s = arg;
	char c[8];
	size_t n;

	TRY(os_stream_read(&n, s, c, sizeof(c), SOON));
	TRY(os_stream_write(s, STR("reply"), SOON));
	if (n == 1 && c[0] == 'c')
		TRY(os_stream_read(&n, s, c, sizeof(c), SOON));
	os_stream_close(s);
}

static int sequence_server(void *arg)
{
	(void)arg;
	listen_to(80, reply_and_end);
	return 0;
}

static int sequence_client(void *arg)
{
	struct os_addr to = at("10.9.0.1:80");

	(void)arg;
	for (int i = 0; i < 3000; i++) {
		struct os_stream *s;
		char room[16];
		size_t n;

		TRY(os_connect(&s, &to, SOON));
		TRY(os_stream_write(s, i % 2 ? STR("c") : STR("s"), SOON));
		TRY(os_stream_read(&n, s, room, sizeof(room), SOON));
		CHECK(str_eq(str_n(room, n), STR("reply")));
		if (i % 2 == 0) {
			TRY(os_stream_read(&n, s, room, sizeof(room), SOON));
			CHECK(n == 0);
		}
		os_stream_close(s);
	}
	return 0;
}

/* Catches connections that pile up (TIME_WAIT, FIN_WAIT) until no more are taken. */
Test(lwip, thousands_in_sequence, .timeout = 200)
{
	run(sequence_server, sequence_client, "ip6=off", false);
}

static unsigned asked;
static void ask(void *arg)
{
	struct os_stream *s;
	char room[16];
	size_t n;

	TRY(os_connect(&s, arg, os_after(60 * OS_SEC)));
	for (int i = 0; i < 3; i++) {
		TRY(os_stream_write(s, STR("hello"), SOON));
		TRY(os_stream_read(&n, s, room, sizeof(room), SOON));
		CHECK(str_eq(str_n(room, n), STR("hello")));
		os_sleep(os_after(100 * OS_MS));
	}
	asked++;
	os_stream_close(s);
}

static int crowd_client(void *arg)
{
	struct os_addr to = at("10.9.0.1:7");
	struct os_net_stats st;

	(void)arg;
	for (int i = 0; i < 400; i++)
		TRY(os_spawn("ask", ask, &to));
	while (asked < 400)
		os_sleep(os_after(10 * OS_MS));
	while (os_net_stats(&st), st.connections > 0)
		os_sleep(os_after(10 * OS_MS));
	return 0;
}

Test(lwip, hundreds_at_once, .timeout = 100)
{
	run(echo_server, crowd_client, "ip6=off", false);
}

static int refused_client(void *arg)
{
	struct os_addr closed = at("10.9.0.1:9"), nobody = at("10.9.0.77:9");
	struct os_stream *s;
	struct os_addr a;
	size_t n;

	(void)arg;
	CHECK(os_connect(&s, &closed, SOON) == ERR_CLOSED);
	CHECK(os_connect(&s, &nobody, os_after(300 * OS_MS)) == ERR_TIMEOUT);
	CHECK(os_resolve(&n, &a, 1, STR("192.0.2.9"), SOON) == 0 && n == 1 && a.ip[15] == 9);
	CHECK(os_resolve(&n, &a, 1, STR("host.invalid"), os_after(300 * OS_MS)) < 0);
	return 0;
}

Test(lwip, refusals, .timeout = 30)
{
	run(echo_server, refused_client, "ip6=off dns=10.9.0.9", false);
}

static int last_words_client(void *arg)
{
	static char room[4096];
	struct os_addr to = at("10.9.0.1:7");
	struct os_stream *s;
	size_t n, got = 0;

	(void)arg;
	TRY(os_connect(&s, &to, SOON));
	for (int i = 0; i < 8; i++)
		if (os_stream_write(s, str_n(room, sizeof(room)), SOON) < 0)
			break;
	while ((last = os_stream_read(&n, s, room, sizeof(room), SOON)) == 0 && n > 0)
		got += n;
	CHECK(last == 0 && got == 9);
	os_stream_close(s);
	return 0;
}

static void dismiss(void *arg)
{
	os_sleep(os_after(50 * OS_MS)); /* until there are bytes nobody will read */
	TRY(os_stream_write(arg, STR("421 bye\r\n"), SOON));
	os_stream_close(arg);
}

static int dismissing_server(void *arg)
{
	struct os_listener *twice;

	(void)arg;
	TRY(os_listen(&twice, 25));
	CHECK(os_listen(&twice, 25) == ERR_EXIST);
	listen_to(7, dismiss);
	return 0;
}

/* Catches a close that resets the connection, and so destroys the last reply. */
Test(lwip, last_words_arrive, .timeout = 30)
{
	run(dismissing_server, last_words_client, "ip6=off", false);
}

static void hold(void *arg)
{
	struct os_waitq never = OS_WAITQ;

	if (os_wait(&never, OS_FOREVER) < 0)
		os_stream_close(arg);
}

static void serve_hoarders(void *arg)
{
	serve(arg, hold);
}

static int hoard_server(void *arg)
{
	struct os_listener *l;

	(void)arg;
	TRY(os_listen(&l, 9));
	TRY(os_spawn("hoarders", serve_hoarders, l));
	listen_to(7, echo);
	return 0;
}

static unsigned lost;
static void hoard(void *arg)
{
	static char room[60000];

	if (os_stream_write(arg, str_n(room, sizeof(room)), os_after(5 * OS_SEC)) == 0)
		os_sleep(os_after(3 * OS_SEC));
	if (os_stream_readable(arg))
		lost++;
}

/*
 * 1.2 MB that nobody reads, where 512 kB may be held. Catches memory bound without a way out:
 * the service would never hear anybody again, and not say so.
 */
static int hoard_client(void *arg)
{
	struct os_addr to = at("10.9.0.1:7"), held = at("10.9.0.1:9");
	struct os_stream *s;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		TRY(os_connect(&s, &held, SOON));
		TRY(os_spawn("hoard", hoard, s));
	}
	os_sleep(os_after(1500 * OS_MS));
	for (int i = 0; i < 5; i++)
		ask(&to);
	os_sleep(os_after(3 * OS_SEC));
	CHECK(asked == 5);
	CHECK(lost >= 8 && lost <= 18);
	return 0;
}

Test(lwip, hoarders_do_not_wedge_it, .timeout = 60)
{
	run(hoard_server, hoard_client, "ip6=off net.memory_kb=512", false);
}

static void slow(void *arg)
{
	static char room[65536];
	size_t n, total = 0;

	os_sleep(os_after(400 * OS_MS));
	while (os_stream_read(&n, arg, room, sizeof(room), SOON) == 0 && n > 0)
		total += n;
	snprintf(room, sizeof(room), "%zu", total);
	TRY(os_stream_write(arg, str_of(room), SOON));
	os_stream_close(arg);
}

static int slow_server(void *arg)
{
	(void)arg;
	listen_to(7, slow);
	return 0;
}

/* The window stops a sender whose peer does not read; all of what it was told is sent arrives. */
static int pressure_client(void *arg)
{
	static char room[65536];
	struct os_addr to = at("10.9.0.1:7");
	struct os_stream *s, *t;
	int err = 0;

	(void)arg;
	TRY(os_connect(&s, &to, SOON));
	for (int i = 0; i < 100 && err == 0; i++)
		err = os_stream_write(s, str_n(room, sizeof(room)), os_after(50 * OS_MS));
	CHECK(err == ERR_TIMEOUT);
	os_stream_close(s);
	TRY(os_connect(&t, &to, SOON));
	for (int i = 0; i < 16; i++)
		TRY(os_stream_write(t, str_n(room, sizeof(room)), SOON));
	TRY(os_stream_write(t, STR("end"), SOON));
	os_stream_close(t);
	return 0;
}

Test(lwip, back_pressure, .timeout = 60)
{
	run(slow_server, pressure_client, "ip6=off", false);
}

static void swallow(void *arg)
{
	char room[512];
	size_t n;

	while (os_stream_read(&n, arg, room, sizeof(room), OS_FOREVER) == 0 && n > 0)
		;
	os_stream_close(arg);
}

static int swallowing_server(void *arg)
{
	(void)arg;
	listen_to(7, swallow);
	return 0;
}

/* Catches acknowledgements held back until lwIP's timer: 250 ms for each of these. */
static int lone_client(void *arg)
{
	struct os_addr to = at("10.9.0.1:7");
	os_time deadline = os_after(2 * OS_SEC);
	struct os_stream *s;

	(void)arg;
	TRY(os_connect(&s, &to, SOON));
	for (int i = 0; i < 20; i++) {
		TRY(os_stream_write(s, STR("x"), SOON));
		while (lwip_memory.queued > 0) {
			CHECK(os_now() < deadline);
			os_sleep(os_after(OS_MS));
		}
	}
	os_stream_close(s);
	return 0;
}

Test(lwip, lone_segments_are_acknowledged_at_once, .timeout = 30)
{
	run(swallowing_server, lone_client, "ip6=off", false);
}

static int v6_client(void *arg)
{
	struct os_addr to = at("[fd00::1]:7");
	unsigned tries = 0;
	struct os_stream *s;
	char room[16];
	size_t n;

	(void)arg;
	/* Both addresses are tentative for a second (RFC 4862). */
	while ((last = os_connect(&s, &to, os_after(500 * OS_MS))) < 0 && tries++ < 20)
		os_sleep(os_after(200 * OS_MS));
	CHECK(last == 0 && s->peer.ip[0] == 0xfd);
	TRY(os_stream_write(s, STR("six"), SOON));
	TRY(os_stream_read(&n, s, room, sizeof(room), SOON));
	CHECK(str_eq(str_n(room, n), STR("six")));
	os_stream_close(s);
	return 0;
}

static int v6_here(body *fn, const char *ip6)
{
	static char args[256];

	snprintf(args, sizeof(args), "%s ip6=%s/64", plat_args(), ip6);
	unix_set_args(args);
	return fn(NULL);
}
static int v6_server_here(void *arg)
{
	(void)arg;
	return v6_here(echo_server, "fd00::1");
}
static int v6_client_here(void *arg)
{
	(void)arg;
	return v6_here(v6_client, "fd00::2");
}

Test(lwip, ipv6, .timeout = 60)
{
	run(v6_server_here, v6_client_here, "", false);
}
