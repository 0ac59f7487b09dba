/* SPDX-License-Identifier: ISC */
/* Included by lwIP where its types are known. */
#ifndef OS_NET_LWIP_ARCH_HOOKS_H
#define OS_NET_LWIP_ARCH_HOOKS_H

#include "lwip/ip_addr.h"

/* Initial sequence number: a clock plus a keyed hash of the four values (RFC 6528). */
u32_t os_lwip_isn(
	const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port);

struct pbuf;
struct netif;
/* Look at a packet before lwIP does; 0: lwIP goes on with it. */
int os_lwip_ip4_input(struct pbuf *p, struct netif *in);
int os_lwip_ip6_input(struct pbuf *p, struct netif *in);

#endif
