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

/*
 * The least ClientHello (RFC 5246, 7.4.1.2) a TLS 1.2 server answers with a ServerHello:
 * ECDHE-ECDSA-AES128-GCM, P-256, ecdsa-sha256; the rest of the handshake never comes.
 */
static const char client_hello[] = "\x16\x03\x01\x00\x4a" /* handshake, 74 bytes */
				   "\x01\x00\x00\x46\x03\x03"
				   "allod asks whether TLS is spoken" /* the random 32 */
				   "\x00"                             /* no session */
				   "\x00\x02\xc0\x2b"
				   "\x01\x00" /* no compression */
				   "\x00\x1b" /* extensions */
				   "\x00\x0a\x00\x04\x00\x02\x00\x17"
				   "\x00\x0b\x00\x02\x01\x00"
				   "\x00\x0d\x00\x04\x00\x02\x04\x03"
				   "\xff\x01\x00\x01\x00";

static const struct prov_greeting greetings[] = {
	{ "smtp", { NULL, 0 }, "220 ", "QUIT\r\n" },
	{ "imap", { NULL, 0 }, "* OK", "a LOGOUT\r\n" },
	{ "https", { client_hello, sizeof(client_hello) - 1 }, "\x16\x03", "" },
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
		if (p->connected) {
			take_greeting(p);
			return;
		}
		p->connected = true;
		p->events = POLLIN;
		if (p->want->hello.n &&
			send(p->fd, p->want->hello.p, p->want->hello.n, MSG_NOSIGNAL) !=
				(ssize_t)p->want->hello.n)
			give_up(p);
		return;
	}
	if (os_now() >= p->due)
		give_up(p);
}

void prov_probe_end(struct prov_probe *p)
{
	give_up(p);
}
