/* SPDX-License-Identifier: ISC */
/* The unix socket "socket" in a folder whose name may be longer than a socket's name can be. */
#ifndef PROVISIONER_SOCKET_H
#define PROVISIONER_SOCKET_H

#include "os/base.h"

/* Replaces one that nobody serves any more; the caller holds the lock that says so. */
MUST_CHECK int prov_socket_listen(int *fd, const char *folder);
/* ERR_NOENT: nobody serves it. */
MUST_CHECK int prov_socket_connect(int *fd, const char *folder);

#endif
