/* SPDX-License-Identifier: ISC */
#include "os/fiber_impl.h"
#include "os/main.h"
#include "os/net/lwip/lwip_impl.h"

#define BACKLOG 255

struct os_listener {
	struct tcp_pcb *pcb;
	uint16_t port;
	struct lwip_tcp *first, **last; /* accepted by lwIP, not yet by a fiber */
	unsigned waiting;               /* fibers inside os_accept */
	bool closed;
	struct os_waitq acceptors;
	struct os_stop_hook stop;
};

static void stop(struct os_stop_hook *h)
{
	struct os_listener *l =
		(struct os_listener *)((char *)h - offsetof(struct os_listener, stop));

	os_wake_all(&l->acceptors);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t e)
{
	struct os_listener *l = arg;
	struct lwip_tcp *t;

	if (!pcb || e != ERR_OK || net_stats.connections >= NET_STREAMS_MAX) {
		net_stats.refused++;
		return ERR_MEM; /* lwIP resets it */
	}
	t = lwip_tcp_new(pcb);
	if (!t) {
		net_stats.refused++;
		return ERR_MEM;
	}
	tcp_backlog_delayed(pcb);
	*l->last = t;
	l->last = &t->next_pending;
	os_wake_one(&l->acceptors);
	return ERR_OK;
}

int os_listen(struct os_listener **out, uint16_t port)
{
	struct os_listener *l;
	struct tcp_pcb *pcb, *listening;
	err_t e = ERR_MEM;
	int err = lwip_start();

	if (err < 0)
		return err;
	l = calloc(1, sizeof(*l));
	pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
	if (!l || !pcb)
		goto fail;
	/* Connections of the last run of this port may still be in TIME_WAIT. */
	ip_set_option(pcb, SOF_REUSEADDR);
	e = tcp_bind(pcb, IP_ANY_TYPE, port);
	if (e != ERR_OK)
		goto fail;
	listening = tcp_listen_with_backlog_and_err(pcb, BACKLOG, &e);
	if (!listening)
		goto fail;
	l->pcb = listening;
	l->port = listening->local_port;
	l->last = &l->first;
	l->stop.fn = stop;
	tcp_arg(listening, l);
	tcp_accept(listening, on_accept);
	os_stop_hook_add(&l->stop);
	*out = l;
	return 0;
fail:
	if (pcb)
		tcp_close(pcb);
	free(l);
	return lwip_err(e, "listen");
}

uint16_t os_listener_port(const struct os_listener *l)
{
	return l->port;
}

static struct lwip_tcp *take(struct os_listener *l)
{
	struct lwip_tcp *t = l->first;

	l->first = t->next_pending;
	if (!l->first)
		l->last = &l->first;
	t->next_pending = NULL;
	if (t->pcb)
		tcp_backlog_accepted(t->pcb);
	return t;
}

static int accept_one(struct os_stream **out, struct os_listener *l, os_time deadline)
{
	for (;;) {
		int err;

		if (l->closed || os_stopping())
			return ERR_CLOSED;
		while (l->first) {
			struct lwip_tcp *t = take(l);
			if (t->pcb || t->in) {
				net_stats.accepted++;
				*out = &t->s;
				return 0;
			}
			lwip_tcp_abort(t); /* it went away while it waited */
		}
		err = os_wait(&l->acceptors, deadline);
		if (err < 0)
			return err;
	}
}

int os_accept(struct os_stream **out, struct os_listener *l, os_time deadline)
{
	int err;

	l->waiting++;
	err = accept_one(out, l, deadline);
	if (--l->waiting == 0 && l->closed)
		free(l);
	return err;
}

void os_listener_close(struct os_listener *l)
{
	os_stop_hook_del(&l->stop);
	tcp_close(l->pcb);
	l->closed = true;
	while (l->first)
		lwip_tcp_abort(take(l));
	os_wake_all(&l->acceptors);
	if (l->waiting == 0)
		free(l);
}
