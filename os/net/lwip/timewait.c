/* SPDX-License-Identifier: ISC */
/*
 * A connection in TIME_WAIT keeps its four values for 20 seconds; lwIP answers a new SYN for them
 * with an ACK, and the client waits in vain. A SYN beyond what the old connection received is a
 * new connection for certain (RFC 1122, 4.2.2.13): then the old one goes, before lwIP sees the SYN.
 */
#include "os/net/lwip/lwip_impl.h"

#include <arch/hooks.h>
#include <lwip/ip.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/tcp.h>

static void on_syn(const ip_addr_t *from, const ip_addr_t *to, const struct tcp_hdr *hdr)
{
	u16_t src = lwip_ntohs(hdr->src), dest = lwip_ntohs(hdr->dest);
	u32_t seq = lwip_ntohl(hdr->seqno);

	for (struct tcp_pcb *pcb = tcp_tw_pcbs; pcb; pcb = pcb->next) {
		if (pcb->remote_port != src || pcb->local_port != dest ||
			!ip_addr_eq(&pcb->remote_ip, from) || !ip_addr_eq(&pcb->local_ip, to))
			continue;
		if ((int32_t)(seq - pcb->rcv_nxt) > 0)
			tcp_abort(pcb); /* of one in TIME_WAIT: without a RST */
		return;
	}
}

static bool is_syn(const struct tcp_hdr *hdr)
{
	return (TCPH_FLAGS(hdr) & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

int os_lwip_ip4_input(struct pbuf *p, struct netif *in)
{
	const struct ip_hdr *ip = p->payload;
	const struct tcp_hdr *hdr;
	ip_addr_t from = { 0 }, to = { 0 };
	size_t n;

	(void)in;
	if (p->len < IP_HLEN || IPH_PROTO(ip) != IP_PROTO_TCP ||
		(IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF)))
		return 0;
	n = IPH_HL_BYTES(ip);
	if (n < IP_HLEN || p->len < n + TCP_HLEN)
		return 0;
	hdr = (const struct tcp_hdr *)((const char *)ip + n);
	if (!is_syn(hdr))
		return 0;
	ip_addr_copy_from_ip4(from, ip->src);
	ip_addr_copy_from_ip4(to, ip->dest);
	on_syn(&from, &to, hdr);
	return 0; /* lwIP goes on with it */
}

int os_lwip_ip6_input(struct pbuf *p, struct netif *in)
{
	const struct ip6_hdr *ip = p->payload;
	const struct tcp_hdr *hdr;
	ip_addr_t from = { 0 }, to = { 0 };

	if (p->len < IP6_HLEN + TCP_HLEN || IP6H_NEXTH(ip) != IP6_NEXTH_TCP)
		return 0;
	hdr = (const struct tcp_hdr *)((const char *)ip + IP6_HLEN);
	if (!is_syn(hdr))
		return 0;
	ip_addr_copy_from_ip6_packed(from, ip->src);
	ip_addr_copy_from_ip6_packed(to, ip->dest);
	ip6_addr_assign_zone(ip_2_ip6(&from), IP6_UNICAST, in);
	ip6_addr_assign_zone(ip_2_ip6(&to), IP6_UNICAST, in);
	on_syn(&from, &to, hdr);
	return 0;
}
