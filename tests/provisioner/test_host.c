/* SPDX-License-Identifier: ISC */
/* What touches the machine: ports, processes, logs, greetings, the probe guest. */
#include "os/main.h"
#include "provisioner/accel.h"
#include "provisioner/home.h"
#include "provisioner/logfile.h"
#include "provisioner/pipe.h"
#include "provisioner/ports.h"
#include "provisioner/probe.h"
#include "provisioner/process.h"
#include "provisioner/socket.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *temp_dir(void)
{
	static char dir[64];

	snprintf(dir, sizeof(dir), "/tmp/allod-test-XXXXXX");
	cr_assert(mkdtemp(dir));
	return dir;
}

static void remove_dir(const char *dir)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	cr_expect_eq(system(command), 0);
}

/* A listening socket on a port of the system's choice. */
static int listen_somewhere(struct os_addr *at)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	cr_assert_eq(os_addr_parse(at, STR("127.0.0.1"), ntohs(a.sin_port)), 0);
	return fd;
}

Test(ports, a_busy_one_is_named_with_its_holder_and_avoided)
{
	static struct prov_service s = { .name = STR("mail"),
		.listen_count = 1,
		.listen = { { .name = STR("smtp"), .guest = 25 } } };
	struct os_addr busy, chosen;
	char mine[32];
	struct arena a;
	int fd = listen_somewhere(&busy);

	arena_init(&a, 1 << 20);
	snprintf(mine, sizeof(mine), "process %d (", (int)getpid());
	cr_expect_eq(prov_port_try(&busy), ERR_BUSY);
	cr_expect(str_starts(prov_port_holder(&a, &busy), str_of(mine)));
	s.listen[0].host = busy;
	cr_expect_eq(prov_ports_check(&a, &s), ERR_BUSY);
	cr_expect_geq(
		str_find(str_of(err_text(ERR_BUSY)), str_of(mine)), 0, "%s", err_text(ERR_BUSY));
	chosen = busy;
	if (busy.port > 10000) { /* its own choice starts at 10000 + guest */
		cr_expect_eq(prov_port_choose(&chosen, (uint16_t)(busy.port - 10000), NULL, 0), 0);
		cr_expect_neq(chosen.port, busy.port);
	}
	close(fd);
	cr_expect_eq(prov_port_try(&busy), 0);
	arena_free(&a);
}

Test(ports, none_is_chosen_twice)
{
	struct prov_listen taken[3] = { 0 };

	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(os_addr_parse(&taken[i].host, STR("127.0.0.1"), 0), 0);
		cr_assert_eq(prov_port_choose(&taken[i].host, 25, taken, i), 0);
		for (size_t j = 0; j < i; j++)
			cr_expect_neq(taken[i].host.port, taken[j].host.port);
	}
}

static bool probe_for(struct prov_probe *p, os_time patience)
{
	os_time end = os_now() + patience;

	while (!p->seen && os_now() < end) {
		struct pollfd f = { .fd = p->fd, .events = p->events };

		poll(&f, 1, 10);
		prov_probe_step(p);
	}
	prov_probe_end(p);
	return p->seen;
}

Test(probe, only_the_real_greeting_counts)
{
	static const struct {
		const char *says;
		bool seen;
	} rows[] = { { "220 mail.example.org\r\n", true }, { "2", false }, { "554 no\r\n", false },
		{ "", false } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct os_addr at;
		struct prov_probe p;
		int fd = listen_somewhere(&at);
		pid_t server = fork();

		if (server == 0) {
			for (;;) {
				int c = accept(fd, NULL, NULL);

				if (write(c, rows[i].says, strlen(rows[i].says)) < 0)
					_exit(1);
				close(c);
			}
		}
		prov_probe_begin(&p, &at, prov_greeting_of(STR("smtp")));
		cr_expect_eq(probe_for(&p, rows[i].seen ? 5 * OS_SEC : OS_SEC / 3), rows[i].seen,
			"row %zu", i);
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		close(fd);
	}
}

Test(process, output_end_and_missing_programs)
{
	static const char *const say[] = { "sh", "-c", "echo out; echo err >&2; exit 7", NULL };
	static const char *const missing[] = { "/nowhere/program", NULL };
	struct prov_process c;
	struct pollfd end = { .events = POLLIN };
	char got[32] = "";
	int status;

	cr_expect_eq(prov_spawn(&c, missing, false), ERR_NOENT);
	cr_assert_eq(prov_spawn(&c, say, false), 0);
	end.fd = c.pidfd;
	cr_assert_eq(poll(&end, 1, 10000), 1);
	status = prov_process_reap(&c);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	cr_expect_eq(read(c.out, got, sizeof(got) - 1), 8);
	cr_expect_str_eq(got, "out\nerr\n");
	close(c.out);
}

/* Without a session of its own a service would get the terminal's Ctrl-C before its supervisor. */
Test(process, has_a_session_of_its_own)
{
	static const char *const wait[] = { "sleep", "60", NULL };
	struct prov_process c;

	cr_assert_eq(prov_spawn(&c, wait, false), 0);
	cr_expect_eq(getsid(c.pid), c.pid);
	prov_process_stop(&c);
	cr_expect(WIFSIGNALED(prov_process_reap(&c)));
	close(c.out);
}

/* QEMU listens for one at a time: of a crowd most waited for seconds, and were reset. */
Test(process, a_crowd_is_queued_where_the_child_queues_one)
{
	static const char *const wait[] = { "sleep", "60", NULL };
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	struct prov_process c;
	int crowd[20], fd = socket(AF_INET, SOCK_STREAM, 0); /* the child has it, too */

	cr_assert_eq(bind(fd, (struct sockaddr *)&at, n), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(prov_spawn(&c, wait, false), 0);
	cr_expect_eq(prov_process_queue(&c), 1);
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++) {
		struct pollfd done = { .events = POLLOUT };

		done.fd = crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		cr_assert(
			connect(crowd[i], (struct sockaddr *)&at, n) == 0 || errno == EINPROGRESS);
		cr_assert_eq(poll(&done, 1, 10000), 1, "client %zu waits", i);
	}
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
		close(crowd[i]);
	close(fd);
	prov_process_stop(&c);
	cr_expect(WIFSIGNALED(prov_process_reap(&c)));
	close(c.out);
}

Test(logfile, turns_over_between_lines_and_keeps_three)
{
	const char *dir = temp_dir();
	char path[96], old[112];
	struct prov_log l;
	struct stat st;

	snprintf(path, sizeof(path), "%s/a.log", dir);
	cr_assert_eq(prov_log_open(&l, path, 100), 0);
	for (int i = 0; i < 100; i++)
		prov_log_write(&l, STR("0123456789012345678\n"));
	prov_log_close(&l);
	for (int i = 1; i <= PROV_LOG_OLD; i++) {
		snprintf(old, sizeof(old), "%s.%d", path, i);
		cr_assert_eq(stat(old, &st), 0, "%s", old);
		cr_expect_eq(st.st_size % 20, 0);
		cr_expect_leq(st.st_size, 120);
	}
	snprintf(old, sizeof(old), "%s.%d", path, PROV_LOG_OLD + 1);
	cr_expect_lt(stat(old, &st), 0);
	remove_dir(dir);
}

Test(home, files_are_written_whole_and_private)
{
	struct prov p = { 0 };
	struct str got;
	struct stat st;

	arena_init(&p.arena, 1 << 20);
	p.home = temp_dir();
	cr_assert_eq(prov_mkdirs(prov_path(&p, "a/b")), 0);
	cr_expect_eq(prov_file_read(&got, &p.arena, prov_path(&p, "a/b/c"), 10), ERR_NOENT);
	cr_assert_eq(prov_file_write(&p, prov_path(&p, "a/b/c"), STR("secret"), 0600), 0);
	cr_assert_eq(prov_file_read(&got, &p.arena, prov_path(&p, "a/b/c"), 6), 0);
	cr_expect(str_eq(got, STR("secret")));
	cr_expect_eq(prov_file_read(&got, &p.arena, prov_path(&p, "a/b/c"), 5), ERR_LIMIT);
	cr_assert_eq(stat(prov_path(&p, "a/b/c"), &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	/* What somebody laid where it is written first gets nothing. */
	cr_assert_eq(symlink("c", prov_path(&p, "a/b/d.%d.new", (int)getpid())), 0);
	cr_assert_eq(prov_file_write(&p, prov_path(&p, "a/b/d"), STR("other"), 0600), 0);
	cr_assert_eq(prov_file_read(&got, &p.arena, prov_path(&p, "a/b/c"), 6), 0);
	cr_expect(str_eq(got, STR("secret")));
	cr_assert_eq(stat(prov_path(&p, "a"), &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0700);
	/* A name without a folder is of the one we are in. */
	cr_assert_eq(chdir(p.home), 0);
	cr_assert_eq(prov_file_write(&p, "here", STR("1"), 0600), 0);
	cr_assert_eq(stat(prov_path(&p, "here"), &st), 0);
	cr_assert_eq(chdir("/"), 0);
	remove_dir(p.home);
	arena_free(&p.arena);
}

/* The socket's path is longer than a unix socket's name may be. */
Test(socket, in_a_deep_folder)
{
	struct prov p = { 0 };
	const char *dir;
	int server, client;

	arena_init(&p.arena, 1 << 20);
	p.home = temp_dir();
	dir = prov_path(&p, "%0120d/run", 0);
	cr_assert_eq(prov_mkdirs(dir), 0);
	cr_expect_eq(prov_socket_connect(&client, dir), ERR_NOENT);
	cr_assert_eq(prov_socket_listen(&server, dir), 0, "%s", err_text(ERR_IO));
	cr_assert_eq(prov_socket_connect(&client, dir), 0);
	close(client);
	close(server);
	cr_expect_eq(prov_socket_connect(&client, dir), ERR_NOENT);
	remove_dir(p.home);
	arena_free(&p.arena);
}

static void echo(void *arg)
{
	struct os_stream *s = arg;
	static char room[5000];
	size_t n;

	while (os_stream_read(&n, s, room, sizeof(room), OS_FOREVER) == 0 && n)
		if (os_stream_write(s, str_n(room, n), OS_FOREVER) < 0)
			break;
	os_stream_close(s);
}

static void send_much(void *arg)
{
	static char room[7000];

	for (int i = 0; i < 20; i++) {
		memset(room, 'a' + i, sizeof(room));
		if (os_stream_write(arg, str_n(room, sizeof(room)), OS_FOREVER) < 0)
			os_panic("write");
	}
}

static int pipe_fiber(void *arg)
{
	struct os_stream *a, *b;
	static char room[3000];
	size_t n, total = 0;
	bool right = true;

	(void)arg;
	if (prov_pipe(&a, &b) < 0 || os_spawn("echo", echo, b) < 0 ||
		os_spawn("send", send_much, a) < 0)
		return 1;
	while (total < 140000) {
		if (os_stream_read(&n, a, room, sizeof(room), os_after(10 * OS_SEC)) < 0)
			return 2;
		for (size_t i = 0; i < n; i++)
			right &= room[i] == (char)('a' + (total + i) / 7000);
		total += n;
	}
	os_stream_close(a);
	os_yield();
	return right ? 0 : 3;
}

Test(pipe, carries_more_than_it_holds_both_ways)
{
	cr_expect_eq(os_run(pipe_fiber, NULL), 0);
}

/* The guest itself is right: emulation always runs it. */
Test(accel, the_probe_guest_reports)
{
	struct prov p = { 0 };

	arena_init(&p.arena, 1 << 20);
	p.home = temp_dir();
	cr_expect_eq(prov_accel_try(&p, "tcg", 20 * OS_SEC), 0, "%s", err_text(ERR_IO));
	cr_expect_eq(prov_accel_try(&p, "nothing", 20 * OS_SEC), ERR_IO);
	cr_expect_str_eq(prov_accel_known(&p), "tcg");
	remove_dir(p.home);
	arena_free(&p.arena);
}
