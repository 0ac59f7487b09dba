/* SPDX-License-Identifier: ISC */
/* How lwIP is configured. Numbers are limits: past them lwIP refuses or drops, and its peers retry.
 */
#ifndef OS_NET_LWIP_LWIPOPTS_H
#define OS_NET_LWIP_LWIPOPTS_H

/* Run from the poll loop, raw calls only. */
#define NO_SYS                       1
#define LWIP_NETCONN                 0
#define LWIP_SOCKET                  0
#define SYS_LIGHTWEIGHT_PROT         0
#define LWIP_TIMERS                  1
#define LWIP_NETIF_STATUS_CALLBACK   1
#define LWIP_NETIF_LINK_CALLBACK     1
#define LWIP_NETIF_HOSTNAME          1
#define LWIP_NETIF_TX_SINGLE_PBUF    0
#define LWIP_SINGLE_NETIF            0
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1 /* offload where the device has it */

/* Memory: pools for what is counted, malloc for bytes (pbufs of PBUF_RAM). */
#define MEM_LIBC_MALLOC          1
#define mem_init                 lwip_mem_init /* the platform has a mem_init of its own */
#define MEMP_MEM_MALLOC          0
#define MEM_ALIGNMENT            16
#define MEMP_NUM_TCP_PCB         512
#define MEMP_NUM_TCP_PCB_LISTEN  16
#define MEMP_NUM_TCP_SEG         2048
#define MEMP_NUM_PBUF            1024 /* PBUF_REF and PBUF_ROM */
#define MEMP_NUM_UDP_PCB         16
#define MEMP_NUM_RAW_PCB         2
#define MEMP_NUM_REASSDATA       8
#define MEMP_NUM_ARP_QUEUE       16
#define PBUF_POOL_SIZE           0 /* received frames are custom pbufs (netif.c) */
#define PBUF_POOL_BUFSIZE        1536
#define LWIP_SUPPORT_CUSTOM_PBUF 1 /* zero-copy receive */

/* IPv4 */
#define LWIP_IPV4                     1
#define LWIP_ARP                      1
#define ARP_TABLE_SIZE                32
#define ARP_QUEUEING                  1
#define ETHARP_SUPPORT_STATIC_ENTRIES 0
#define LWIP_ICMP                     1
#define LWIP_DHCP                     1
#define LWIP_ACD                      0 /* the address check would hold the lease back for a second */
#define LWIP_DHCP_DOES_ACD_CHECK      0
#define LWIP_DHCP_MAX_DNS_SERVERS     2
#define IP_REASSEMBLY                 1
#define IP_FRAG                       1
#define LWIP_AUTOIP                   0
#define LWIP_IGMP                     0

/* IPv6 */
#define LWIP_IPV6                      1
#define LWIP_IPV6_AUTOCONFIG           1
#define LWIP_IPV6_DHCP6                0
#define LWIP_IPV6_MLD                  1
#define LWIP_IPV6_FORWARD              0
#define IPV6_FRAG_COPYHEADER           1 /* pointers are 64 bits */
#define LWIP_ND6_QUEUEING              1
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 2
#define MEMP_NUM_ND6_QUEUE             16
#define MEMP_NUM_MLD6_GROUP            8
#define LWIP_ND6_NUM_NEIGHBORS         16
#define LWIP_ND6_NUM_DESTINATIONS      32

/* UDP and DNS */
#define LWIP_UDP        1
#define LWIP_RAW        0
#define LWIP_DNS        1
#define DNS_MAX_SERVERS 2
#define DNS_TABLE_SIZE  16
#define LWIP_DNS_SECURE \
	(LWIP_DNS_SECURE_RAND_XID | LWIP_DNS_SECURE_NO_MULTIPLE_OUTSTANDING | \
		LWIP_DNS_SECURE_RAND_SRC_PORT)

/* TCP */
#define LWIP_TCP                   1
#define TCP_MSS                    1460
#define LWIP_WND_SCALE             1
#define TCP_RCV_SCALE              2
#define TCP_WND                    (128 * 1024)
#define TCP_SND_BUF                (128 * 1024)
#define TCP_SNDLOWAT               (32 * 1024)
#define TCP_SND_QUEUELEN           (4 * (TCP_SND_BUF / TCP_MSS))
#define TCP_OVERSIZE               TCP_MSS
#define TCP_QUEUE_OOSEQ            1
#define TCP_OOSEQ_MAX_BYTES        (64 * 1024) /* per connection */
#define LWIP_TCP_SACK_OUT          1
#define LWIP_TCP_MAX_SACK_NUM      4
#define LWIP_TCP_TIMESTAMPS        0
#define LWIP_TCP_KEEPALIVE         1
#define TCP_MSL                    10000 /* ms */
#define LWIP_TCP_RTO_TIME          1000  /* ms, the first one (RFC 6298) */
#define TCP_MAXRTX                 9     /* about two minutes; it bounds what orphans hold */
#define TCP_LISTEN_BACKLOG         1
#define TCP_DEFAULT_LISTEN_BACKLOG 128
#define SO_REUSE                   1
#define LWIP_CALLBACK_API          1
/* RFC 6528; os/net/lwip has the function. */
#define LWIP_HOOK_TCP_ISN os_lwip_isn
/* A new connection takes the place of one in TIME_WAIT; os/net/lwip/timewait.c. */
#define LWIP_HOOK_IP4_INPUT os_lwip_ip4_input
#define LWIP_HOOK_IP6_INPUT os_lwip_ip6_input
#define LWIP_HOOK_FILENAME  "arch/hooks.h"

#define LWIP_STATS         1
#define LWIP_STATS_DISPLAY 0
#define LWIP_STATS_LARGE   0
#define LWIP_DEBUG         0

#endif
