/* SPDX-License-Identifier: ISC */
#ifndef OS_NET_SOCKET_SOCKET_IMPL_H
#define OS_NET_SOCKET_SOCKET_IMPL_H

#include "os/net/net_impl.h"

#include <sys/socket.h>

/* A connected, non-blocking socket as a stream. Owns `fd` in every case. */
MUST_CHECK int socket_stream(struct os_stream **out, int fd);

void socket_addr_from(struct os_addr *out, const struct sockaddr_storage *ss);
socklen_t socket_addr_to(struct sockaddr_storage *ss, const struct os_addr *a);
/* The code and sentence for errno after `what`. */
int socket_err(const char *what);

#endif
