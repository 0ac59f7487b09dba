/* SPDX-License-Identifier: ISC */
/*
 * Frames for the target unix-direct, whose network is lwIP: every message of a datagram or
 * sequenced-packet socket is one Ethernet frame. The boot argument says which socket:
 *	nic0=fd:5                  inherited
 *	nic0=LOCAL-PATH,PEER-PATH  two names as in QEMU's -netdev dgram
 *	mac0=52:54:00:12:34:56     a random one without it
 */
#include "os/conf.h"
#include "os/platform/unix/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FRAME_BYTES 2048
#define MTU         1500

static struct {
	struct unix_watch watch;
	void (*ready)(void *);
	void *ctx;
	char frame[FRAME_BYTES];
	bool lent;
} nic = { .watch.fd = -1 };

static void on_edge(struct unix_watch *w, uint32_t events)
{
	(void)w, (void)events;
	nic.ready(nic.ctx);
}

static int name_to(struct sockaddr_un *out, struct str path)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (path.n == 0 || path.n >= sizeof(out->sun_path))
		return err_set(ERR_BAD, "nic0: \"%.*s\" is not a path", STR_ARG(path));
	memcpy(out->sun_path, path.p, path.n);
	return 0;
}

static int open_paths(int *fd, struct str local, struct str peer)
{
	struct sockaddr_un a, b;
	int err = name_to(&a, local);

	if (err == 0)
		err = name_to(&b, peer);
	if (err < 0)
		return err;
	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unlink(a.sun_path);
	if (*fd < 0 || bind(*fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		connect(*fd, (struct sockaddr *)&b, sizeof(b)) < 0) {
		err = err_set(ERR_IO, "nic0: %s", strerror(errno));
		close(*fd);
	}
	return err;
}

static int open_socket(int *fd, struct str where)
{
	struct str local, peer;
	uint64_t num;

	if (where.n == 0)
		return err_set(ERR_NOENT, "no nic0 among the arguments");
	if (str_starts(where, STR("fd:"))) {
		if (str_u64(&num, str_sub(where, 3, where.n), INT16_MAX) < 0)
			return err_set(ERR_BAD, "nic0: not a descriptor");
		*fd = (int)num;
		return 0;
	}
	str_cut(&local, &peer, where, ',');
	return open_paths(fd, local, peer);
}

static int choose_mac(uint8_t mac[static 6])
{
	unsigned m[6];
	struct str s = os_arg("mac0");
	char z[32] = "";
	int n = 0;

	if (s.n == 0) {
		int err = plat_entropy(mac, 6);
		mac[0] = (mac[0] & 0xfc) | 2; /* locally administered, one station */
		return err;
	}
	if (s.n < sizeof(z))
		memcpy(z, s.p, s.n);
	if (sscanf(z, "%2x:%2x:%2x:%2x:%2x:%2x%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &n) !=
			6 ||
		(size_t)n != s.n)
		return err_set(ERR_BAD, "mac0: \"%.*s\" is not an address", STR_ARG(s));
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)m[i];
	return 0;
}

int plat_nic_open(struct plat_nic *out, unsigned index, void (*ready)(void *), void *ctx)
{
	int err, fd = -1;

	if (index > 0)
		return ERR_NOENT;
	err = open_socket(&fd, os_arg("nic0"));
	if (err == 0)
		err = choose_mac(out->mac);
	if (err < 0)
		return err;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	out->mtu = MTU;
	nic.watch = (struct unix_watch){ fd, on_edge };
	nic.ready = ready;
	nic.ctx = ctx;
	return unix_watch(&nic.watch, EPOLLIN | EPOLLOUT);
}

int plat_nic_send(unsigned index, const struct plat_iov *iov, unsigned count)
{
	struct iovec v[16];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = count };

	if (index > 0 || count > ARRAY_LEN(v))
		return ERR_BAD;
	for (unsigned i = 0; i < count; i++)
		v[i] = (struct iovec){ (void *)(uintptr_t)iov[i].p, iov[i].n };
	if (sendmsg(nic.watch.fd, &m, MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EAGAIN ? ERR_BUSY : errno == ENOBUFS ? ERR_BUSY : ERR_IO;
}

int plat_nic_recv(const void **frame, size_t *n, unsigned index)
{
	ssize_t got;

	if (index > 0 || nic.lent)
		return ERR_BUSY;
	got = recv(nic.watch.fd, nic.frame, sizeof(nic.frame), 0);
	if (got <= 0)
		return ERR_AGAIN;
	nic.lent = true;
	*frame = nic.frame;
	*n = (size_t)got;
	return 0;
}

void plat_nic_done(unsigned index)
{
	(void)index;
	nic.lent = false;
}
