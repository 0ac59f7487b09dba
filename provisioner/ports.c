/* SPDX-License-Identifier: ISC */
#include "provisioner/ports.h"
#include "provisioner/home.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_PORT 10000
#define TRIES      100

unsigned prov_sockaddr(struct sockaddr_storage *out, const struct os_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (memcmp(a->ip, mapped, sizeof(mapped)) == 0) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(a->port);
		memcpy(&v4->sin_addr, a->ip + 12, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(a->port);
	memcpy(&v6->sin6_addr, a->ip, 16);
	return sizeof(*v6);
}

int prov_port_try(const struct os_addr *a)
{
	struct sockaddr_storage at;
	socklen_t len = prov_sockaddr(&at, a);
	int fd, on = 1, err = 0;
	char text[OS_ADDR_TEXT];

	fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return prov_errno("cannot make a socket for", os_addr_text(text, a));
	/* As QEMU does it: what a dead connection left behind is no obstacle. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 1) < 0)
		err = errno == EADDRINUSE
			? err_set(ERR_BUSY, "port %s is in use", os_addr_text(text, a))
			: prov_errno("cannot listen on", os_addr_text(text, a));
	close(fd);
	return err;
}

/* Inode of the listening socket on this port in /proc/net/tcp or tcp6; 0: none. */
static unsigned long listening_inode(const char *table, uint16_t port)
{
	FILE *f = fopen(table, "re");
	char line[512];
	unsigned long found = 0;

	if (!f)
		return 0;
	while (!found && fgets(line, sizeof(line), f)) {
		unsigned at, state;
		unsigned long inode;

		/* "  0: 0100007F:2729 00000000:0000 0A ... uid timeout inode" */
		if (sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*u %*u %lu",
			    &at, &state, &inode) == 3 &&
			at == port && state == 0x0a)
			found = inode;
	}
	fclose(f);
	return found;
}

static bool has_socket(const char *pid, const char *wanted)
{
	char path[300], target[64];
	struct dirent *d;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

		if (n > 0) {
			target[n] = '\0';
			found = strcmp(target, wanted) == 0;
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

static struct str process_words(struct arena *a, const char *pid)
{
	char path[300], name[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = '\0';
		fclose(f);
	}
	name[strcspn(name, "\n")] = '\0';
	return arena_fmt(a, "process %s (%s)", pid, name);
}

struct str prov_port_holder(struct arena *a, const struct os_addr *addr)
{
	unsigned long inode = listening_inode("/proc/net/tcp", addr->port);
	struct str out = STR("another process");
	char wanted[64];
	struct dirent *d;
	DIR *proc;

	if (!inode)
		inode = listening_inode("/proc/net/tcp6", addr->port);
	if (!inode)
		return out;
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	proc = opendir("/proc");
	while (proc && (d = readdir(proc))) {
		if (!isdigit((unsigned char)d->d_name[0]) || !has_socket(d->d_name, wanted))
			continue;
		out = process_words(a, d->d_name);
		break;
	}
	if (proc)
		closedir(proc);
	return out;
}

static bool is_taken(const struct os_addr *a, const struct prov_listen *taken, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (taken[i].host.port == a->port)
			return true;
	return false;
}

int prov_port_choose(struct os_addr *out, uint16_t guest, const struct prov_listen *taken, size_t n)
{
	unsigned first = FIRST_PORT + guest;
	int err = 0;

	if (first > 65535 - TRIES)
		first = FIRST_PORT;
	for (unsigned i = 0; i < TRIES; i++) {
		out->port = (uint16_t)(first + i);
		if (is_taken(out, taken, n))
			continue;
		err = prov_port_try(out);
		if (err != ERR_BUSY)
			return err;
	}
	return err_set(ERR_NOENT, "ports %u to %u are all in use", first, first + TRIES - 1);
}

int prov_ports_check(struct arena *a, const struct prov_service *s)
{
	for (size_t i = 0; i < s->listen_count; i++) {
		const struct prov_listen *l = &s->listen[i];
		char text[OS_ADDR_TEXT];
		int err = prov_port_try(&l->host);
		struct str holder;

		if (err == 0)
			continue;
		if (err != ERR_BUSY)
			return err;
		holder = prov_port_holder(a, &l->host);
		return err_set(ERR_BUSY, "port %s (%.*s) is in use by %.*s",
			os_addr_text(text, &l->host), STR_ARG(l->name), STR_ARG(holder));
	}
	return 0;
}
