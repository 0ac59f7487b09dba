/* SPDX-License-Identifier: ISC */
#include "provisioner/probe.h"
#include "provisioner/ports.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_FIRST (100 * OS_MS)
#define PATIENCE_MOST  (5 * OS_SEC)
#define PAUSE          (20 * OS_MS) /* between two tries */

static const struct prov_greeting greetings[] = {
	{ "smtp", "220 ", "QUIT\r\n" },
	{ "imap", "* OK", "a LOGOUT\r\n" },
};

const struct prov_greeting *prov_greeting_of(struct str port)
{
	for (size_t i = 0; i < ARRAY_LEN(greetings); i++)
		if (str_eq(port, str_of(greetings[i].port)))
			return &greetings[i];
	return NULL;
}

void prov_probe_begin(
	struct prov_probe *p, const struct os_addr *to, const struct prov_greeting *want)
{
	*p = (struct prov_probe){
		.want = want, .to = *to, .due = os_now(), .patience = PATIENCE_FIRST, .fd = -1
	};
}

static void give_up(struct prov_probe *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->due = os_now() + PAUSE;
}

static void try_connect(struct prov_probe *p)
{
	struct sockaddr_storage to;
	socklen_t len = prov_sockaddr(&to, &p->to);

	p->n = 0;
	p->connected = false;
	p->fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0 ||
		(connect(p->fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS)) {
		give_up(p);
		return;
	}
	p->events = POLLOUT;
	p->due = os_now() + p->patience;
	if (p->patience < PATIENCE_MOST)
		p->patience += p->patience / 2;
}

static void take_greeting(struct prov_probe *p)
{
	size_t need = strlen(p->want->words);
	ssize_t n = recv(p->fd, p->got + p->n, sizeof(p->got) - p->n, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		give_up(p);
		return;
	}
	p->n += (size_t)n;
	if (p->n < need)
		return;
	p->seen = memcmp(p->got, p->want->words, need) == 0;
	if (p->seen && send(p->fd, p->want->bye, strlen(p->want->bye), MSG_NOSIGNAL) < 0)
		p->seen = errno == EAGAIN;
	give_up(p);
}

void prov_probe_step(struct prov_probe *p)
{
	struct pollfd f = { .fd = p->fd, .events = p->events };
	int fault = 0;
	socklen_t n = sizeof(fault);

	if (p->seen)
		return;
	if (p->fd < 0) {
		if (os_now() >= p->due)
			try_connect(p);
		return;
	}
	if (poll(&f, 1, 0) > 0) {
		if (!p->connected &&
			(getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &fault, &n) < 0 || fault)) {
			give_up(p);
			return;
		}
		if (p->connected)
			take_greeting(p);
		p->connected = true;
		p->events = POLLIN;
		return;
	}
	if (os_now() >= p->due)
		give_up(p);
}

void prov_probe_end(struct prov_probe *p)
{
	give_up(p);
}
