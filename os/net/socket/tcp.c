/* SPDX-License-Identifier: ISC */
/* A TCP stream over a host socket. */
#include "os/net/socket/socket_impl.h"
#include "os/platform/unix/unix.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

struct tcp {
	struct os_stream s;
	struct unix_watch watch;
	/* True until a call said EAGAIN; the next edge makes them true again. */
	bool may_read, may_write;
	bool failed;
	size_t moved;
	struct os_waitq readers, writers, *notify;
};

static struct tcp *tcp_of(struct os_stream *s)
{
	return (struct tcp *)s;
}

static void ready(struct unix_watch *w, uint32_t events)
{
	struct tcp *t = (struct tcp *)((char *)w - offsetof(struct tcp, watch));

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		t->may_read = true;
		os_wake_all(&t->readers);
		if (t->notify)
			os_wake_all(t->notify);
	}
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
		t->may_write = true;
		os_wake_all(&t->writers);
	}
}

static int tcp_read(size_t *n, struct os_stream *s, void *p, size_t cap, os_time deadline)
{
	struct tcp *t = tcp_of(s);

	for (;;) {
		ssize_t got;
		int err;

		while (!t->may_read) {
			err = os_wait(&t->readers, deadline);
			if (err < 0)
				return err;
		}
		got = recv(t->watch.fd, p, cap, 0);
		if (got >= 0) {
			*n = (size_t)got;
			net_stats.bytes_in += *n;
			net_turn(&t->moved, *n);
			return 0;
		}
		if (errno == EAGAIN) {
			t->may_read = false;
		} else if (errno != EINTR) {
			t->failed = true;
			return socket_err("read");
		}
	}
}

static int tcp_write(struct os_stream *s, const void *p, size_t n, os_time deadline)
{
	struct tcp *t = tcp_of(s);

	while (n > 0) {
		ssize_t put = send(t->watch.fd, p, n, MSG_NOSIGNAL);
		int err = 0;

		if (put >= 0) {
			p = (const char *)p + put;
			n -= (size_t)put;
			net_stats.bytes_out += (size_t)put;
			net_turn(&t->moved, (size_t)put);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			err = socket_err("write");
		else
			t->may_write = false;
		while (err == 0 && !t->may_write)
			err = os_wait(&t->writers, deadline);
		if (err < 0) {
			t->failed = true;
			return err;
		}
	}
	return 0;
}

static bool tcp_readable(struct os_stream *s)
{
	struct tcp *t = tcp_of(s);
	char c;

	if (t->may_read && recv(t->watch.fd, &c, 1, MSG_PEEK) < 0 && errno == EAGAIN)
		t->may_read = false;
	return t->may_read;
}

static void tcp_notify(struct os_stream *s, struct os_waitq *q)
{
	tcp_of(s)->notify = q;
}

/*
 * Closing a socket that holds unread bytes, or gets more, resets the connection, and the reset
 * can overtake our last words. So say that we are done, and read on until the peer is too.
 */
static void linger(struct os_stream *s)
{
	os_time deadline = os_after(OS_SEC);
	char skip[512];
	size_t n, left = 256 * 1024;

	if (shutdown(tcp_of(s)->watch.fd, SHUT_WR) < 0)
		return;
	while (tcp_read(&n, s, skip, sizeof(skip), deadline) == 0 && n > 0 && left > n)
		left -= n;
}

static void tcp_close(struct os_stream *s)
{
	struct tcp *t = tcp_of(s);

	t->notify = NULL;
	if (!t->failed && os_self())
		linger(s);
	unix_unwatch(&t->watch);
	close(t->watch.fd);
	net_stats.connections--;
	free(t);
}

static const struct os_stream_ops ops = {
	.read = tcp_read,
	.write = tcp_write,
	.readable = tcp_readable,
	.notify = tcp_notify,
	.close = tcp_close,
};

int socket_stream(struct os_stream **out, int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	struct tcp *t = calloc(1, sizeof(*t));
	int err;

	if (!t) {
		close(fd);
		return err_set(ERR_NOMEM, "no memory for a connection");
	}
	t->s.ops = &ops;
	t->watch = (struct unix_watch){ .fd = fd, .ready = ready };
	t->may_read = t->may_write = true;
	if (getpeername(fd, (struct sockaddr *)&ss, &n) == 0)
		socket_addr_from(&t->s.peer, &ss);
	n = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &n) == 0)
		socket_addr_from(&t->s.local, &ss);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 }, sizeof(int));
	err = unix_watch(&t->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	if (err < 0) {
		close(fd);
		free(t);
		return err;
	}
	net_stats.connections++;
	*out = &t->s;
	return 0;
}

static void connected(struct unix_watch *w, uint32_t events)
{
	struct tcp *t = (struct tcp *)((char *)w - offsetof(struct tcp, watch));

	(void)events;
	t->may_write = true;
	os_wake_all(&t->writers);
}

int os_connect(struct os_stream **out, const struct os_addr *to, os_time deadline)
{
	struct sockaddr_storage ss;
	socklen_t n = socket_addr_to(&ss, to), len = sizeof(int);
	struct tcp t = { .watch.ready = connected };
	int err = 0, failed = 0;

	t.watch.fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t.watch.fd < 0)
		return socket_err("connect");
	if (connect(t.watch.fd, (struct sockaddr *)&ss, n) < 0) {
		err = errno == EINPROGRESS ? unix_watch(&t.watch, EPOLLOUT) : socket_err("connect");
		if (err < 0)
			goto fail;
		while (err == 0 && !t.may_write)
			err = os_wait(&t.writers, deadline);
		unix_unwatch(&t.watch);
		getsockopt(t.watch.fd, SOL_SOCKET, SO_ERROR, &failed, &len);
		errno = failed;
		if (err == 0 && failed)
			err = socket_err("connect");
		if (err < 0)
			goto fail;
	}
	return socket_stream(out, t.watch.fd);
fail:
	close(t.watch.fd);
	return err;
}
