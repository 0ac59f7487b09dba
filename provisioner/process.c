/* SPDX-License-Identifier: ISC */
#include "provisioner/process.h"
#include "provisioner/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE 256 /* as the services themselves; the system's somaxconn stands above it */

/* Only async-signal-safe calls; the errno of a failure goes back through `report`. */
static NORETURN void child(const char *const *argv, int out, int qmp, int report, pid_t parent)
{
	int null = open("/dev/null", O_RDWR), no;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
	if (null >= 0 && dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0 &&
		(qmp < 0 || dup2(qmp, PROV_QMP_FD) >= 0))
		execvp(argv[0], (char *const *)argv);
	no = errno;
	if (write(report, &no, sizeof(no)) < 0)
		_exit(126);
	_exit(127);
}

/* The ends of a child, kept clear of the numbers it will use itself. */
static int make_pair(int fd[2], bool sockets)
{
	int made[2];

	if ((sockets ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made)
		     : pipe2(made, O_CLOEXEC)) < 0)
		return prov_errno("cannot make", sockets ? "a socket pair" : "a pipe");
	for (int i = 0; i < 2; i++) {
		fd[i] = fcntl(made[i], F_DUPFD_CLOEXEC, 10);
		close(made[i]);
	}
	return fd[0] < 0 || fd[1] < 0 ? prov_errno("cannot make", "descriptors") : 0;
}

static void close_pair(int fd[2])
{
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

static int start(struct prov_process *c, const char *const *argv, int out, int qmp, int report[2])
{
	pid_t parent = getpid();
	int no = 0;
	ssize_t n;

	c->pid = fork();
	if (c->pid < 0)
		return prov_errno("cannot start", argv[0]);
	if (c->pid == 0)
		child(argv, out, qmp, report[1], parent);
	close(report[1]);
	report[1] = -1;
	do
		n = read(report[0], &no, sizeof(no));
	while (n < 0 && errno == EINTR);
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (n <= 0 && c->pidfd >= 0)
		return 0;
	if (n <= 0)
		no = errno;
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	errno = no;
	return prov_errno("cannot run", argv[0]);
}

int prov_spawn(struct prov_process *out, const char *const *argv, bool qmp)
{
	int pipe_fd[2] = { -1, -1 }, sock[2] = { -1, -1 }, report[2] = { -1, -1 }, err;
	static const char hello[] = "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"cont\"}\n";

	*out = (struct prov_process)PROV_NO_PROCESS;
	err = make_pair(pipe_fd, false);
	if (err == 0 && qmp)
		err = make_pair(sock, true);
	if (err == 0)
		err = make_pair(report, false);
	if (err == 0)
		err = start(out, argv, pipe_fd[1], sock[1], report);
	close_pair(report);
	if (err < 0) {
		close_pair(pipe_fd);
		close_pair(sock);
		*out = (struct prov_process)PROV_NO_PROCESS;
		return err;
	}
	close(pipe_fd[1]);
	out->out = pipe_fd[0];
	fcntl(out->out, F_SETFL, O_NONBLOCK);
	if (qmp) {
		close(sock[1]);
		out->qmp = sock[0];
		fcntl(out->qmp, F_SETFL, O_NONBLOCK);
		if (send(out->qmp, hello, sizeof(hello) - 1, MSG_NOSIGNAL) < 0)
			prov_process_kill(out); /* it is gone already, or will be */
	}
	return 0;
}

void prov_process_stop(struct prov_process *c)
{
	static const char off[] = "{\"execute\":\"system_powerdown\"}\n";

	if (c->qmp < 0 || send(c->qmp, off, sizeof(off) - 1, MSG_NOSIGNAL) < 0)
		kill(c->pid, SIGTERM);
}

void prov_process_kill(struct prov_process *c)
{
	kill(c->pid, SIGKILL);
}

/* The child's descriptor, as one of ours: the same socket. */
static bool queue_more(int pidfd, int theirs)
{
	int listens = 0, fd = (int)syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	socklen_t n = sizeof(listens);
	bool done = fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) == 0 &&
		listens && listen(fd, QUEUE) == 0;

	if (fd >= 0)
		close(fd);
	return done;
}

int prov_process_queue(const struct prov_process *c)
{
	char path[32];
	struct dirent *e;
	int count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)c->pid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			count += queue_more(c->pidfd, atoi(e->d_name));
	if (d)
		closedir(d);
	return count;
}

void prov_process_hear(struct prov_process *c)
{
	static const struct str word = { "\"guest-reset\"", 13 };
	char room[512];
	ssize_t n;

	if (c->qmp < 0)
		return;
	_Static_assert(sizeof(c->heard) > 13, "holds all of the word but its last byte");
	do {
		memcpy(room, c->heard, c->heard_n);
		n = recv(c->qmp, room + c->heard_n, sizeof(room) - c->heard_n, 0);
		if (n > 0) {
			struct str all = str_n(room, c->heard_n + (size_t)n);

			c->reset |= str_find(all, word) >= 0;
			c->heard_n = all.n < word.n ? all.n : word.n - 1;
			memcpy(c->heard, all.p + all.n - c->heard_n, c->heard_n);
		}
	} while (n > 0);
	if (n == 0) {
		close(c->qmp);
		c->qmp = -1;
	}
}

int prov_process_reap(struct prov_process *c)
{
	int status = 0;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(c->pidfd);
	prov_process_hear(c);
	if (c->qmp >= 0)
		close(c->qmp);
	c->pid = 0;
	c->pidfd = c->qmp = -1;
	return status;
}
