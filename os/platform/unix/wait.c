/* SPDX-License-Identifier: ISC */
/* Waiting for descriptors, signals and helper threads by one epoll. */
#include "os/platform/unix/unix.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 64

static struct epoll_event events[EVENTS];
static int event_count;
static int epoll_fd = -1;
static int stop_fd = -1;
static volatile sig_atomic_t stop;

static int epoll(void)
{
	if (epoll_fd < 0)
		epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		os_panic("epoll_create1: errno %d", errno);
	return epoll_fd;
}

int unix_watch(struct unix_watch *w, uint32_t bits)
{
	struct epoll_event e = { .events = bits | EPOLLET, .data.ptr = w };

	if (epoll_ctl(epoll(), EPOLL_CTL_ADD, w->fd, &e) < 0)
		return err_set(ERR_NOMEM, "epoll_ctl: errno %d", errno);
	return 0;
}

void unix_unwatch(struct unix_watch *w)
{
	epoll_ctl(epoll(), EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = 0; i < event_count; i++)
		if (events[i].data.ptr == w)
			events[i].data.ptr = NULL;
}

void plat_wait(uint64_t until_ns)
{
	uint64_t now = plat_mono_ns(), left = until_ns > now ? until_ns - now : 0;
	struct timespec t = { (time_t)(left / 1000000000u), (long)(left % 1000000000u) };
	static bool coarse; /* kernels before 5.11 */
	int n;

	if (event_count)
		return;
	if (!coarse) {
		n = epoll_pwait2(epoll(), events, EVENTS, until_ns == UINT64_MAX ? NULL : &t, NULL);
		coarse = n < 0 && errno == ENOSYS;
	}
	if (coarse) {
		uint64_t ms = (left + 999999) / 1000000;
		n = epoll_wait(epoll(), events, EVENTS,
			until_ns == UINT64_MAX ? -1 : (int)(ms < 60000 ? ms : 60000));
	}
	event_count = n > 0 ? n : 0;
}

void plat_poll(void)
{
	if (event_count == 0)
		event_count = epoll_wait(epoll(), events, EVENTS, 0);
	for (int i = 0; i < event_count; i++) {
		struct unix_watch *w = events[i].data.ptr;
		if (w)
			w->ready(w, events[i].events);
	}
	event_count = 0;
}

static void on_signal(int sig)
{
	int saved = errno;

	(void)sig;
	stop = 1;
	if (write(stop_fd, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
		errno = saved;
	errno = saved;
}

static void stop_ready(struct unix_watch *w, uint32_t bits)
{
	(void)w, (void)bits; /* it only had to end the wait */
}

void unix_catch_stop(void)
{
	static struct unix_watch w = { .ready = stop_ready };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	signal(SIGPIPE, SIG_IGN);
	w.fd = stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_fd < 0 || unix_watch(&w, EPOLLIN) < 0)
		os_panic("no descriptor to learn of a stop by");
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
}

bool plat_stop_requested(void)
{
	return stop;
}
