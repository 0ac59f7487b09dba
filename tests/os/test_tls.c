/* SPDX-License-Identifier: ISC */
#include "os/main.h"
#include "os/platform/unix/unix.h"
#include "os/tls.h"
#include "os/tls_ca.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#define FIBER_TEST(name) \
	static int name##_body(void *arg); \
	Test(tls, name, .timeout = 60) \
	{ \
		cr_expect_eq(os_run(name##_body, NULL), 7); \
	} \
	static int name##_body(void *arg)
#define SOON os_after(20 * OS_SEC)

static struct arena a;
static struct str ca, ca_key, cert, key;
static struct os_tls *server, *client;
static struct os_listener *listener;
static struct os_addr to;

static void setup(void)
{
	static const struct str names[] = { STR("mail.example.org"), STR("127.0.0.1"), STR("::1"),
		STR("localhost") };

	arena_init(&a, 1 << 20);
	cr_assert_eq(os_ca_make(&ca, &ca_key, &a, STR("Allod test")), 0, "%s", err_text(ERR_BAD));
	cr_assert_eq(os_ca_issue(&cert, &key, &a, ca, ca_key, names, 4, 825), 0);
	cr_assert_eq(os_tls_server(&server, cert, key), 0, "%s", err_text(ERR_BAD));
	cr_assert_eq(os_tls_client(&client, ca), 0);
}
static void teardown(void)
{
	os_tls_free(server);
	os_tls_free(client);
	arena_free(&a);
}
TestSuite(tls, .init = setup, .fini = teardown);

static void listen_on(void)
{
	unix_set_args("listen.443=127.0.0.1:0");
	cr_assert_eq(os_listen(&listener, 443), 0);
	cr_assert_eq(os_addr_parse(&to, STR("127.0.0.1"), os_listener_port(listener)), 0);
}

static void alone(void)
{
	while (os_fiber_count() > 1)
		os_sleep(os_after(OS_MS));
}

static int server_err;
static char server_said[256];
static void echo(void *arg)
{
	static char room[20000];
	struct os_stream *s;
	size_t n;

	cr_assert_eq(os_accept(&s, listener, SOON), 0);
	server_err = os_tls_accept(&s, arg, s, SOON);
	snprintf(server_said, sizeof(server_said), "%s", err_text(server_err));
	if (server_err < 0)
		return;
	cr_expect(s->secure && s->peer.port != 0);
	while ((server_err = os_stream_read(&n, s, room, sizeof(room), SOON)) == 0 && n > 0)
		if (os_stream_write(s, str_n(room, n), SOON) < 0)
			break;
	snprintf(server_said, sizeof(server_said), "%s", err_text(server_err));
	os_stream_close(s);
}

static struct os_stream *connect_tls(const char *host, int expect)
{
	struct os_stream *s;
	int err;

	cr_assert_eq(os_spawn("echo", echo, server), 0);
	cr_assert_eq(os_connect(&s, &to, SOON), 0);
	err = os_tls_connect(&s, client, s, str_of(host), SOON);
	cr_expect_eq(err, expect, "%s", err_text(err));
	return err == 0 ? s : NULL;
}

FIBER_TEST(echoes)
{
	static char out[50000], in[50000];
	struct os_stream *s;
	size_t n, got = 0;
	struct os_waitq q = OS_WAITQ;

	(void)arg;
	listen_on();
	s = connect_tls("mail.example.org", 0);
	cr_assert_not_null(s);
	cr_expect_eq(os_stream_read(&n, s, in, sizeof(in), os_after(OS_MS)), ERR_TIMEOUT);
	cr_expect(!os_stream_readable(s), "a session ticket is not data");
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 256);
	cr_expect_eq(os_stream_write(s, str_n(out, sizeof(out)), SOON), 0);
	os_stream_notify(s, &q);
	while (!os_stream_readable(s))
		cr_assert_eq(os_wait(&q, SOON), 0);
	os_stream_notify(s, NULL);
	while (got < sizeof(in)) {
		cr_assert_eq(os_stream_read(&n, s, in + got, 7777, SOON), 0);
		cr_assert_gt(n, 0);
		got += n;
		if (got > sizeof(in) - 7777)
			break;
	}
	while (got < sizeof(in)) {
		cr_assert_eq(os_stream_read(&n, s, in + got, sizeof(in) - got, SOON), 0);
		got += n;
	}
	cr_expect(memcmp(in, out, sizeof(in)) == 0);
	os_stream_close(s);
	alone();
	cr_expect_eq(server_err, 0, "the server saw an orderly end");
	os_listener_close(listener);
	return 7;
}

static size_t last_n = 1;
static void wait_then_read(void *arg)
{
	struct os_waitq q = OS_WAITQ;
	struct os_stream *s;
	char byte;

	cr_assert_eq(os_accept(&s, listener, SOON), 0);
	cr_assert_eq(os_tls_accept(&s, arg, s, SOON), 0);
	os_stream_notify(s, &q);
	while (!os_stream_readable(s))
		cr_assert_eq(os_wait(&q, SOON), 0);
	os_stream_notify(s, NULL);
	server_err = os_stream_read(&last_n, s, &byte, 1, SOON);
	os_stream_close(s);
}

/* Says its last words into a request that goes on, and leaves. */
static void last_words(void *arg)
{
	struct os_stream *s;
	char room[100];
	size_t n;

	cr_assert_eq(os_accept(&s, listener, SOON), 0);
	cr_assert_eq(os_tls_accept(&s, arg, s, SOON), 0);
	cr_expect_eq(os_stream_read(&n, s, room, sizeof(room), SOON), 0);
	cr_expect_eq(os_stream_write(s, STR("no"), SOON), 0);
	os_stream_close(s);
}

FIBER_TEST(what_was_said_is_read_though_writing_fails)
{
	static char much[100000], in[8];
	struct os_stream *s;
	size_t n;
	int err = 0;

	(void)arg;
	listen_on();
	cr_assert_eq(os_spawn("server", last_words, server), 0);
	cr_assert_eq(os_connect(&s, &to, SOON), 0);
	cr_assert_eq(os_tls_connect(&s, client, s, STR("localhost"), SOON), 0);
	for (int i = 0; i < 1000 && err == 0; i++)
		err = os_stream_write(s, str_n(much, sizeof(much)), SOON);
	cr_expect_lt(err, 0, "it took everything");
	cr_expect_eq(os_stream_read(&n, s, in, sizeof(in), SOON), 0, "%s", err_text(ERR_CLOSED));
	cr_expect(n == 2 && memcmp(in, "no", 2) == 0);
	os_stream_close(s);
	alone();
	os_listener_close(listener);
	return 7;
}

/* Who waits with os_stream_readable takes the peer's close_notify off the wire: it must not be lost. */
FIBER_TEST(an_end_seen_by_readable_is_an_end)
{
	struct os_stream *s;

	(void)arg;
	listen_on();
	cr_assert_eq(os_spawn("server", wait_then_read, server), 0);
	cr_assert_eq(os_connect(&s, &to, SOON), 0);
	cr_assert_eq(os_tls_connect(&s, client, s, STR("localhost"), SOON), 0);
	os_stream_close(s);
	alone();
	cr_expect_eq(server_err, 0, "%s", err_text(server_err));
	cr_expect_eq(last_n, 0);
	os_listener_close(listener);
	return 7;
}

FIBER_TEST(names_are_checked)
{
	static const struct {
		const char *host;
		int err;
	} rows[] = { { "mail.example.org", 0 }, { "127.0.0.1", 0 }, { "localhost", 0 },
		{ "MAIL.example.org", 0 }, { "example.org", ERR_DENIED },
		{ "127.0.0.2", ERR_DENIED } };

	(void)arg;
	listen_on();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct os_stream *s = connect_tls(rows[i].host, rows[i].err);
		if (s)
			os_stream_close(s);
		else
			cr_expect(strstr(err_text(ERR_DENIED), "another host"));
		alone();
	}
	os_listener_close(listener);
	return 7;
}

FIBER_TEST(strangers_are_refused)
{
	struct os_tls *mine = client;
	struct str other, other_key;

	(void)arg;
	listen_on();
	cr_assert_eq(os_ca_make(&other, &other_key, &a, STR("Allod test")), 0);
	cr_assert_eq(os_tls_client(&client, other), 0);
	cr_expect_null(connect_tls("localhost", ERR_DENIED));
	alone();
	cr_expect_lt(server_err, 0, "the server is told");
	os_tls_free(client);
	client = mine;
	os_listener_close(listener);
	return 7;
}

FIBER_TEST(what_is_not_tls_is_refused)
{
	struct os_stream *s;
	char room[100];
	size_t n;

	(void)arg;
	listen_on();
	cr_assert_eq(os_spawn("echo", echo, server), 0);
	cr_assert_eq(os_connect(&s, &to, SOON), 0);
	cr_expect_eq(os_stream_write(s, STR("GET / HTTP/1.1\r\n\r\n"), SOON), 0);
	while (os_stream_read(&n, s, room, sizeof(room), SOON) == 0 && n > 0)
		continue;
	os_stream_close(s);
	alone();
	cr_expect_eq(server_err, ERR_BAD);
	cr_expect_str_eq(server_said, "tls handshake: the peer does not speak TLS");
	cr_assert_eq(os_spawn("echo", echo, server), 0);
	cr_assert_eq(os_connect(&s, &to, SOON), 0);
	os_stream_close(s);
	alone();
	cr_expect_eq(server_err, ERR_CLOSED);
	os_listener_close(listener);
	return 7;
}

/* A stream whose last words are lost. */
struct wire {
	struct os_stream s;
	struct os_stream *raw;
	bool cut;
};
static int wire_read(size_t *n, struct os_stream *s, void *p, size_t cap, os_time deadline)
{
	return os_stream_read(n, ((struct wire *)s)->raw, p, cap, deadline);
}
static int wire_write(struct os_stream *s, const void *p, size_t n, os_time deadline)
{
	struct wire *w = (struct wire *)s;

	return w->cut ? 0 : os_stream_write(w->raw, str_n(p, n), deadline);
}
static bool wire_readable(struct os_stream *s)
{
	return os_stream_readable(((struct wire *)s)->raw);
}
static void wire_notify(struct os_stream *s, struct os_waitq *q)
{
	os_stream_notify(((struct wire *)s)->raw, q);
}
static void wire_close(struct os_stream *s)
{
	os_stream_close(((struct wire *)s)->raw);
}

/* Catches a cut, made by somebody in between, taken for the end of the data. */
FIBER_TEST(a_cut_is_not_an_end)
{
	static const struct os_stream_ops ops = {
		wire_read,
		wire_write,
		wire_readable,
		wire_notify,
		wire_close,
	};
	struct wire wire = { .s.ops = &ops };
	struct os_stream *s;

	(void)arg;
	listen_on();
	cr_assert_eq(os_spawn("echo", echo, server), 0);
	cr_assert_eq(os_connect(&wire.raw, &to, SOON), 0);
	cr_assert_eq(os_tls_connect(&s, client, &wire.s, STR("localhost"), SOON), 0);
	wire.cut = true;
	os_stream_close(s);
	alone();
	cr_expect_eq(server_err, ERR_CLOSED);
	cr_expect(strstr(server_said, "went away"), "%s", server_said);
	os_listener_close(listener);
	return 7;
}

Test(tls, bad_files_are_named)
{
	struct os_tls *t;
	struct str other, other_key;

	cr_expect_eq(os_tls_server(&t, STR("nonsense"), key), ERR_BAD);
	cr_expect_str_eq(err_text(ERR_BAD), "tls certificate: no certificate in PEM");
	cr_expect_eq(os_tls_server(&t, cert, STR("nonsense")), ERR_BAD);
	cr_expect(strstr(err_text(ERR_BAD), "tls key: no key in PEM"));
	cr_assert_eq(os_ca_make(&other, &other_key, &a, STR("other")), 0);
	cr_expect_eq(os_tls_server(&t, cert, other_key), ERR_BAD);
	cr_expect(strstr(err_text(ERR_BAD), "does not belong"));
	cr_expect_eq(os_tls_client(&t, STR("")), ERR_BAD);
	cr_expect_eq(os_ca_issue(&other, &other_key, &a, ca, key, &ca, 1, 1), ERR_BAD);
	cr_expect_eq(os_ca_issue(&other, &other_key, &a, ca, key, &(struct str){ "x", 1 }, 1, 1),
		ERR_BAD, "the key is not the authority's");
	cr_expect_eq(os_ca_issue(&other, &other_key, &a, ca, ca_key, &ca, 0, 1), ERR_LIMIT);
	cr_expect_eq(
		os_ca_issue(&other, &other_key, &a, ca, ca_key, &(struct str){ "x", 1 }, 1, 826),
		ERR_LIMIT);
	cr_expect_eq(
		os_ca_issue(&other, &other_key, &a, ca, ca_key, &(struct str){ "x,O=y", 5 }, 1, 1),
		ERR_BAD);
	cr_expect_eq(os_ca_make(&other, &other_key, &a, STR("a, CN=b")), ERR_BAD);
}

Test(tls, expiry)
{
	int64_t end = 0;

	cr_expect_eq(os_cert_expiry(&end, cert), 0);
	cr_expect(end > os_wall_sec() + 824 * 86400 && end <= os_wall_sec() + 825 * 86400);
	cr_expect_eq(os_cert_expiry(&end, ca), 0);
	cr_expect(end > os_wall_sec() + 7299 * (int64_t)86400);
	cr_expect_eq(os_cert_expiry(&end, STR("")), ERR_BAD);
}

static const char reader[] =
	"import socket, ssl, sys\n"
	"port, low, high, ca = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]\n"
	"c = ssl.create_default_context(cafile=ca)\n"
	"c.minimum_version = getattr(ssl.TLSVersion, low)\n"
	"c.maximum_version = getattr(ssl.TLSVersion, high)\n"
	"c.verify_flags |= ssl.VERIFY_X509_STRICT\n"
	"raw = socket.create_connection(('127.0.0.1', port), 20)\n"
	"s = c.wrap_socket(raw, server_hostname='127.0.0.1', suppress_ragged_eofs=False)\n"
	"text = bytes(range(256)) * 100\n"
	"s.sendall(text)\n"
	"got = b''\n"
	"while len(got) < len(text): got += s.recv(5000)\n"
	"assert got == text\n"
	"s.unwrap()\n"
	"sys.exit(42)\n";

/* One suite alone, given as openssl names it; its own client tells which was taken. */
static const char one_suite[] =
	"import subprocess, sys\n"
	"port, version, suite, ca = sys.argv[1:]\n"
	"option = '-ciphersuites' if version == '-tls1_3' else '-cipher'\n"
	"s = subprocess.Popen(['openssl', 's_client', '-connect', '127.0.0.1:' + port, version, "
	"option, suite,\n"
	"    '-CAfile', ca, '-verify_return_error', '-verify_ip', '127.0.0.1', '-brief', "
	"'-no_ign_eof'],\n"
	"    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
	"text = bytes(range(256)) * 100\n"
	"s.stdin.write(text)\n"
	"s.stdin.flush()\n"
	"got = s.stdout.read(len(text))\n"
	"s.stdin.close()\n"
	"told = s.stderr.read().decode()\n"
	"assert got == text and 'Ciphersuite: ' + suite + '\\\\n' in told, told\n"
	"sys.exit(42)\n";

struct run {
	const char *script, *version, *what;
	int status;
};
static int run_reader(void *arg)
{
	struct run *run = arg;
	static char cmd[3000];
	char path[] = "/tmp/allod-ca-XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, ca.p, ca.n) != (ssize_t)ca.n)
		return ERR_IO;
	snprintf(cmd, sizeof(cmd), "python3 -c \"%s\" %u %s %s %s", run->script, to.port,
		run->version, run->what, path);
	run->status = system(cmd);
	close(fd);
	unlink(path);
	return 0;
}

/*
 * Another implementation, strict about certificates, agrees with ours in both versions, and in each
 * suite alone. Catches a suite that is offered no longer, or speaks to nobody but us.
 */
FIBER_TEST(openssl_agrees)
{
	static struct run runs[] = {
		{ reader, "TLSv1_2", "TLSv1_2", 0 },
		{ reader, "TLSv1_3", "TLSv1_3", 0 },
		{ one_suite, "-tls1_3", "TLS_AES_256_GCM_SHA384", 0 },
		{ one_suite, "-tls1_3", "TLS_CHACHA20_POLY1305_SHA256", 0 },
		{ one_suite, "-tls1_3", "TLS_AES_128_GCM_SHA256", 0 },
		{ one_suite, "-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384", 0 },
		{ one_suite, "-tls1_2", "ECDHE-ECDSA-CHACHA20-POLY1305", 0 },
		{ one_suite, "-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256", 0 },
	};

	(void)arg;
	listen_on();
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		cr_assert_eq(os_spawn("echo", echo, server), 0);
		cr_expect_eq(unix_offload(run_reader, &runs[i]), 0);
		cr_expect_eq(runs[i].status, 42 << 8, "%s: %d", runs[i].what, runs[i].status);
		alone();
		cr_expect_eq(server_err, 0, "%s", server_said);
	}
	os_listener_close(listener);
	return 7;
}
