/* SPDX-License-Identifier: ISC */
#include "os/conf.h"
#include "os/fiber_impl.h"
#include "os/log.h"
#include "os/main.h"
#include "os/net/socket/socket_impl.h"
#include "os/platform/unix/unix.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SOCKETS_MAX 4
#define BACKLOG     128

struct door {
	struct unix_watch watch;
	struct os_listener *listener;
	bool may_accept;
};
struct os_listener {
	struct door doors[SOCKETS_MAX]; /* one per address in `listen.<port>` */
	unsigned count, next;
	uint16_t port;
	unsigned waiting; /* fibers inside os_accept */
	bool closed;
	struct os_waitq acceptors;
	struct os_stop_hook stop;
};

static void ready(struct unix_watch *w, uint32_t events)
{
	struct door *d = (struct door *)((char *)w - offsetof(struct door, watch));

	(void)events;
	d->may_accept = true;
	os_wake_one(&d->listener->acceptors);
}

static void stop(struct os_stop_hook *h)
{
	struct os_listener *l =
		(struct os_listener *)((char *)h - offsetof(struct os_listener, stop));

	os_wake_all(&l->acceptors);
}

static int open_door(struct os_listener *l, struct str where, uint16_t port)
{
	struct door *d = &l->doors[l->count];
	struct sockaddr_storage ss;
	struct os_addr addr;
	socklen_t n;
	int err, fd;

	if (l->count == SOCKETS_MAX)
		return err_set(ERR_LIMIT, "listen.%u: over %d addresses", port, SOCKETS_MAX);
	err = os_addr_parse(&addr, where, port);
	if (err < 0)
		return err;
	n = socket_addr_to(&ss, &addr);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return socket_err("listen");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	*d = (struct door){ .watch = { fd, ready }, .listener = l, .may_accept = true };
	if (bind(fd, (struct sockaddr *)&ss, n) < 0 || listen(fd, BACKLOG) < 0) {
		char text[OS_ADDR_TEXT + 8];
		snprintf(text, sizeof(text), "listen %.*s", STR_ARG(str_sub(where, 0, 55)));
		err = socket_err(text);
	} else {
		err = unix_watch(&d->watch, EPOLLIN);
	}
	if (err < 0) {
		close(fd);
		return err;
	}
	n = sizeof(ss);
	if (l->count++ == 0 && getsockname(fd, (struct sockaddr *)&ss, &n) == 0) {
		socket_addr_from(&addr, &ss);
		l->port = addr.port;
	}
	return 0;
}

static void shut(struct os_listener *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		unix_unwatch(&l->doors[i].watch);
		close(l->doors[i].watch.fd);
	}
	l->count = 0;
}

int os_listen(struct os_listener **out, uint16_t port)
{
	struct os_listener *l = calloc(1, sizeof(*l));
	struct str rest, where;
	char name[16];
	int err = 0;

	if (!l)
		return err_set(ERR_NOMEM, "no memory for a listener");
	snprintf(name, sizeof(name), "listen.%u", port);
	rest = os_arg(name);
	if (rest.n == 0)
		rest = STR("127.0.0.1");
	while (err == 0 && rest.n > 0) {
		str_cut(&where, &rest, rest, ',');
		err = open_door(l, where, port);
	}
	if (err < 0) {
		shut(l);
		free(l);
		return err;
	}
	l->stop.fn = stop;
	os_stop_hook_add(&l->stop);
	*out = l;
	return 0;
}

uint16_t os_listener_port(const struct os_listener *l)
{
	return l->port;
}

/* One connection from any of the doors; ERR_AGAIN when none waits. */
static int take(struct os_stream **out, struct os_listener *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		struct door *d = &l->doors[l->next++ % l->count];
		int fd;

		if (!d->may_accept)
			continue;
		fd = accept4(d->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0 && net_stats.connections >= NET_STREAMS_MAX) {
			close(fd);
			net_stats.refused++;
			return ERR_BUSY;
		}
		if (fd >= 0)
			return socket_stream(out, fd);
		if (errno == EAGAIN)
			d->may_accept = false;
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			return ERR_NOMEM;
		else
			return ERR_BUSY; /* that connection went away again; there may be more */
	}
	return ERR_AGAIN;
}

static int accept_one(struct os_stream **out, struct os_listener *l, os_time deadline)
{
	for (;;) {
		int err;

		if (l->closed || os_stopping())
			return ERR_CLOSED;
		err = take(out, l);
		if (err == 0) {
			net_stats.accepted++;
			return 0;
		}
		if (err == ERR_NOMEM) {
			os_log(OS_WARN, "svc=net event=accept why=\"%s\"", strerror(errno));
			err = os_wait(&l->acceptors, os_after(100 * OS_MS));
			if (err == 0 || os_now() < deadline)
				continue;
			return err;
		}
		if (err == ERR_BUSY)
			continue;
		err = os_wait(&l->acceptors, deadline);
		if (err < 0)
			return err;
	}
}

int os_accept(struct os_stream **out, struct os_listener *l, os_time deadline)
{
	int err;

	l->waiting++;
	err = accept_one(out, l, deadline);
	if (--l->waiting == 0 && l->closed)
		free(l);
	return err;
}

void os_listener_close(struct os_listener *l)
{
	shut(l);
	os_stop_hook_del(&l->stop);
	l->closed = true;
	os_wake_all(&l->acceptors);
	if (l->waiting == 0)
		free(l);
}
