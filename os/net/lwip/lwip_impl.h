/* SPDX-License-Identifier: ISC */
/*
 * The net over lwIP's raw calls. lwIP is entered from three places only: a fiber inside a call of
 * os/net.h, the driver's ready callback (plat_poll), and the timer fiber. None of them yields
 * while inside, and lwIP's callbacks only note what happened and wake fibers.
 */
#ifndef OS_NET_LWIP_LWIP_IMPL_H
#define OS_NET_LWIP_LWIP_IMPL_H

#include "os/net/net_impl.h"

/* The one name that lwIP's errors share with ours. */
#define ERR_TIMEOUT LWIP_ERR_TIMEOUT
#include <lwip/err.h>
#undef ERR_TIMEOUT
#include <lwip/ip_addr.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>

/* Bring the interface up, once, as the boot arguments say. Every call of os/net.h comes by here. */
MUST_CHECK int lwip_start(void);
/* After anything that may have set an earlier timer. */
void lwip_timers_changed(void);

/*
 * Received bytes not read yet, over all connections, with what they cost; and bytes queued for
 * sending. Past the first limit frames are dropped and the connection that hoards most is reset,
 * past the second a connection may queue only LWIP_SEND_LEAST.
 */
extern struct lwip_memory {
	size_t received, receive_max;
	size_t queued, queue_max;
} lwip_memory;
#define LWIP_SEND_LEAST ((size_t)4096)

void lwip_addr_from(struct os_addr *out, const ip_addr_t *ip, uint16_t port);
void lwip_addr_to(ip_addr_t *out, const struct os_addr *a);
/* Our code and a sentence for an err_t after `what`. */
int lwip_err(err_t e, const char *what);

/* ---- tcp.c ---- */
struct lwip_tcp {
	struct os_stream s;
	struct tcp_pcb *pcb; /* NULL once lwIP has freed it */
	struct pbuf *in, *in_last;
	size_t in_off; /* bytes of the first pbuf already read */
	size_t queued; /* given to lwIP, not acknowledged yet */
	int err;       /* of the connection, when pcb is NULL */
	bool ended;    /* the peer's FIN */
	bool connected;
	size_t moved;
	struct os_waitq readers, writers, *notify;
	struct lwip_tcp *next, **prev;         /* all of them */
	struct lwip_tcp *next_due, **prev_due; /* those that received something; NULL: not there */
	struct lwip_tcp *next_pending;         /* accepted by lwIP, not yet by a fiber */
};
/* Takes the pcb over; NULL when there is no memory. */
struct lwip_tcp *lwip_tcp_new(struct tcp_pcb *pcb);
/* Acknowledge what no answer has acknowledged yet. */
void lwip_tcp_acknowledge(void);
/* Reset the connection and free it; for those no fiber has seen. */
void lwip_tcp_abort(struct lwip_tcp *t);
/* Reset the connection that holds most of lwip_memory.received. False when none holds any. */
bool lwip_tcp_shed(void);

#endif
