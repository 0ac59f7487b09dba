/* SPDX-License-Identifier: ISC */
#include "os/net/socket/socket_impl.h"
#include "os/platform/unix/unix.h"

#include <netdb.h>

struct lookup {
	char name[256];
	struct addrinfo *list;
};

static int look_up(void *arg)
{
	struct lookup *l = arg;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };

	switch (getaddrinfo(l->name, NULL, &hints, &l->list)) {
	case 0: return 0;
	case EAI_NONAME: return ERR_NOENT;
	case EAI_AGAIN: return ERR_TIMEOUT;
	default: return ERR_IO;
	}
}

/* The host's resolver keeps its own time; the deadline is only looked at before. */
int os_resolve(size_t *n, struct os_addr *out, size_t cap, struct str name, os_time deadline)
{
	struct lookup l = { .list = NULL };
	int err;

	*n = 0;
	if (cap > 0 && os_addr_parse(out, name, 0) == 0)
		return *n = 1, 0;
	if (name.n == 0 || name.n >= sizeof(l.name) || str_chr(name, 0) >= 0)
		return err_set(ERR_BAD, "%.*s: not a host name", STR_ARG(str_sub(name, 0, 100)));
	if (os_now() >= deadline)
		return ERR_TIMEOUT;
	memcpy(l.name, name.p, name.n);
	err = unix_offload(look_up, &l);
	if (err < 0)
		return err_set(err, "%.*s: %s", STR_ARG(name), err_name(err));
	for (struct addrinfo *ai = l.list; ai && *n < cap; ai = ai->ai_next) {
		struct sockaddr_storage ss = { 0 };
		memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
		socket_addr_from(&out[(*n)++], &ss);
	}
	freeaddrinfo(l.list);
	return 0;
}
