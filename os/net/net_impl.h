/* SPDX-License-Identifier: ISC */
/* What both networks (os/net/socket, os/net/lwip) share. */
#ifndef OS_NET_NET_IMPL_H
#define OS_NET_NET_IMPL_H

#include "os/net.h"

#define NET_STREAMS_MAX 2000 /* open at once; more connections are refused */

extern struct os_net_stats net_stats;

/*
 * A stream whose reads or writes keep finding work done would never let another fiber run:
 * count the bytes it moved and yield every NET_TURN_BYTES.
 */
#define NET_TURN_BYTES ((size_t)256 * 1024)
void net_turn(size_t *moved, size_t n); /* BLOCKS */

#endif
