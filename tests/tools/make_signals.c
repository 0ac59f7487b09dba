/* SPDX-License-Identifier: ISC */
/*
 * Loaded into make by the Makefile for `make run`, which is to end as what it runs ends: make hands
 * SIGINT and SIGTERM on to its children and waits for them, instead of dying of the signal itself.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

extern int plugin_is_GPL_compatible; /* make wants to see it */
int plugin_is_GPL_compatible;
int make_signals(void *where);

static char children[64]; /* the file that lists them */

static int hand_on(int sig)
{
	char text[1024];
	int fd = open(children, O_RDONLY), handed = 0;
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));
	pid_t pid = 0;

	for (ssize_t i = 0; i < n; i++) {
		if (text[i] >= '0' && text[i] <= '9') {
			pid = pid * 10 + (text[i] - '0');
			continue;
		}
		handed += pid > 0 && kill(pid, sig) == 0;
		pid = 0;
	}
	if (fd >= 0)
		close(fd);
	return handed;
}

static void heard(int sig)
{
	if (hand_on(sig))
		return;
	signal(sig, SIG_DFL);
	raise(sig);
}

int make_signals(void *where)
{
	struct sigaction a = { .sa_handler = heard, .sa_flags = SA_RESTART };

	(void)where;
	snprintf(children, sizeof(children), "/proc/%d/task/%d/children", (int)getpid(),
		(int)getpid());
	return sigaction(SIGINT, &a, NULL) == 0 && sigaction(SIGTERM, &a, NULL) == 0;
}
