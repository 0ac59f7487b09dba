/* SPDX-License-Identifier: ISC */
/* A TCP stream over a lwIP connection. */
#include "os/log.h"
#include "os/net/lwip/lwip_impl.h"

#include <lwip/priv/tcp_priv.h>

#define KEEP_IDLE_MS  (15 * 60 * 1000)
#define KEEP_INTVL_MS (30 * 1000)
#define PBUF_OVERHEAD ((size_t)128)
#define POLL_HALVES   2 /* of a second: how often a writer without memory tries again */

static struct lwip_tcp *all;
static struct lwip_tcp *due; /* received something since lwip_tcp_acknowledge */

static struct lwip_tcp *tcp_of(struct os_stream *s)
{
	return (struct lwip_tcp *)s;
}

static void wake_reader(struct lwip_tcp *t)
{
	os_wake_all(&t->readers);
	if (t->notify)
		os_wake_all(t->notify);
}

static void forget_queued(struct lwip_tcp *t)
{
	lwip_memory.queued -= t->queued;
	t->queued = 0;
}

static void due_add(struct lwip_tcp *t)
{
	if (t->prev_due)
		return;
	t->next_due = due;
	t->prev_due = &due;
	if (due)
		due->prev_due = &t->next_due;
	due = t;
}

static void due_del(struct lwip_tcp *t)
{
	if (!t->prev_due)
		return;
	*t->prev_due = t->next_due;
	if (t->next_due)
		t->next_due->prev_due = t->prev_due;
	t->prev_due = NULL;
}

/*
 * lwIP holds the acknowledgement of a lone segment back for up to 250 ms; a client under Nagle's
 * rule (RFC 896) waits for it with the rest of what it has to say.
 */
void lwip_tcp_acknowledge(void)
{
	while (due) {
		struct lwip_tcp *t = due;

		due_del(t);
		if (t->pcb && t->pcb->flags & TF_ACK_DELAY) {
			tcp_ack_now(t->pcb);
			tcp_output(t->pcb);
		}
	}
}

/* lwIP keeps the pcb, if only to say goodbye; we hear no more of it. */
static void detach(struct lwip_tcp *t)
{
	tcp_arg(t->pcb, NULL);
	tcp_recv(t->pcb, NULL);
	tcp_sent(t->pcb, NULL);
	tcp_err(t->pcb, NULL);
	tcp_poll(t->pcb, NULL, 0);
	t->pcb = NULL;
	t->err = ERR_CLOSED;
	forget_queued(t);
}

/* ---- lwIP's callbacks ---- */
static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t e)
{
	struct lwip_tcp *t = arg;

	(void)e;
	if (p) {
		net_stats.bytes_in += p->tot_len;
		due_add(t);
		*(t->in ? &t->in_last->next : &t->in) = p;
		while (p->next)
			p = p->next;
		t->in_last = p;
	} else {
		t->ended = true;
		/* Both ends are closed: from here lwIP frees the pcb without a word. */
		if (pcb->state == CLOSING || pcb->state == TIME_WAIT)
			detach(t);
	}
	wake_reader(t);
	return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t n)
{
	struct lwip_tcp *t = arg;
	size_t data = n < t->queued ? n : t->queued; /* a FIN counts as one byte, too */

	(void)pcb;
	t->queued -= data;
	lwip_memory.queued -= data;
	net_stats.bytes_out += data;
	os_wake_all(&t->writers);
	return ERR_OK;
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb)
{
	struct lwip_tcp *t = arg;

	(void)pcb;
	os_wake_all(&t->writers);
	return ERR_OK;
}

static void on_err(void *arg, err_t e)
{
	struct lwip_tcp *t = arg;

	t->pcb = NULL; /* lwIP has freed it */
	t->err = lwip_err(e, "tcp");
	forget_queued(t);
	wake_reader(t);
	os_wake_all(&t->writers);
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t e)
{
	struct lwip_tcp *t = arg;

	(void)pcb, (void)e; /* always ERR_OK; failures come to on_err */
	t->connected = true;
	os_wake_all(&t->writers);
	return ERR_OK;
}

static void attach(struct tcp_pcb *pcb, struct lwip_tcp *t)
{
	tcp_arg(pcb, t);
	tcp_recv(pcb, on_recv);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_err);
	tcp_poll(pcb, on_poll, POLL_HALVES);
}

/* ---- reading and writing ---- */
static void recved(struct lwip_tcp *t, size_t n)
{
	while (n > 0 && t->pcb) {
		u16_t m = n < UINT16_MAX ? (u16_t)n : UINT16_MAX;
		tcp_recved(t->pcb, m);
		n -= m;
	}
}

/* The queue is a chain by `next` alone: tot_len could not hold its length. */
static void drop_first(struct lwip_tcp *t)
{
	struct pbuf *p = t->in;

	t->in = p->next;
	t->in_off = 0;
	p->next = NULL;
	p->tot_len = p->len;
	pbuf_free(p);
}

static void drop_input(struct lwip_tcp *t)
{
	while (t->in)
		drop_first(t);
}

static size_t take(struct lwip_tcp *t, char *out, size_t cap)
{
	size_t n = 0;

	while (t->in && n < cap) {
		struct pbuf *p = t->in;
		size_t m = p->len - t->in_off;

		m = m < cap - n ? m : cap - n;
		memcpy(out + n, (char *)p->payload + t->in_off, m);
		n += m;
		t->in_off += m;
		if (t->in_off < p->len)
			break;
		drop_first(t);
	}
	return n;
}

static int tcp_stream_read(size_t *n, struct os_stream *s, void *p, size_t cap, os_time deadline)
{
	struct lwip_tcp *t = tcp_of(s);

	while (!t->in && !t->ended && t->pcb) {
		int err = os_wait(&t->readers, deadline);
		if (err < 0)
			return err;
	}
	if (!t->in && !t->ended)
		return err_set(t->err, "read: the connection was lost");
	*n = take(t, p, cap);
	recved(t, *n);
	net_turn(&t->moved, *n);
	return 0;
}

/* How much may be queued now; 0: wait. */
static size_t send_room(struct lwip_tcp *t)
{
	size_t room = tcp_sndbuf(t->pcb), least;

	if (tcp_sndqueuelen(t->pcb) >= TCP_SND_QUEUELEN)
		return 0;
	if (lwip_memory.queued < lwip_memory.queue_max)
		return room;
	least = t->queued < LWIP_SEND_LEAST ? LWIP_SEND_LEAST - t->queued : 0;
	return least < room ? least : room;
}

static int tcp_stream_write(struct os_stream *s, const void *p, size_t n, os_time deadline)
{
	struct lwip_tcp *t = tcp_of(s);
	size_t total = n;
	int err = 0;

	while (n > 0 && t->pcb) {
		size_t m = send_room(t);
		err_t e;

		m = m < n ? m : n;
		m = m < UINT16_MAX ? m : UINT16_MAX;
		e = m ? tcp_write(t->pcb, p, (u16_t)m,
				TCP_WRITE_FLAG_COPY | (m < n ? TCP_WRITE_FLAG_MORE : 0))
		      : ERR_MEM;
		if (e == ERR_OK) {
			t->queued += m;
			lwip_memory.queued += m;
			p = (const char *)p + m;
			n -= m;
			continue;
		}
		tcp_output(t->pcb);
		if (e != ERR_MEM)
			return lwip_err(e, "write");
		lwip_timers_changed();
		err = os_wait(&t->writers, deadline);
		if (err < 0)
			return err;
	}
	if (!t->pcb)
		return err_set(t->err, "write: the connection was lost");
	tcp_output(t->pcb);
	lwip_timers_changed();
	net_turn(&t->moved, total);
	return 0;
}

static bool tcp_stream_readable(struct os_stream *s)
{
	struct lwip_tcp *t = tcp_of(s);

	return t->in || t->ended || !t->pcb;
}

static void tcp_stream_notify(struct os_stream *s, struct os_waitq *q)
{
	tcp_of(s)->notify = q;
}

/* ---- beginning and end ---- */
static void tcp_free_stream(struct lwip_tcp *t)
{
	drop_input(t);
	forget_queued(t);
	due_del(t);
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	net_stats.connections--;
	free(t);
}

void lwip_tcp_abort(struct lwip_tcp *t)
{
	struct tcp_pcb *pcb = t->pcb;

	if (pcb) {
		detach(t);
		tcp_abort(pcb);
	}
	tcp_free_stream(t);
}

/* As on a host socket: closing with bytes unread would reset the connection under our last words. */
static void tcp_stream_close(struct os_stream *s)
{
	struct lwip_tcp *t = tcp_of(s);
	os_time deadline = os_after(OS_SEC);
	char skip[512];
	size_t n, left = 256 * 1024;

	t->notify = NULL;
	if (t->pcb && !t->ended)
		tcp_shutdown(
			t->pcb, 0, 1); /* without memory for it, tcp_close below sends the FIN */
	while (t->pcb && left > 0 && tcp_stream_read(&n, s, skip, sizeof(skip), deadline) == 0 &&
		n > 0)
		left -= n < left ? n : left;
	if (t->pcb) {
		struct tcp_pcb *pcb = t->pcb;
		detach(t);
		tcp_setprio(pcb, TCP_PRIO_MIN); /* it makes room for a new one when there is none */
		if (tcp_close(pcb) != ERR_OK)
			tcp_abort(pcb);
	}
	lwip_timers_changed();
	tcp_free_stream(t);
}

static const struct os_stream_ops ops = {
	.read = tcp_stream_read,
	.write = tcp_stream_write,
	.readable = tcp_stream_readable,
	.notify = tcp_stream_notify,
	.close = tcp_stream_close,
};

struct lwip_tcp *lwip_tcp_new(struct tcp_pcb *pcb)
{
	struct lwip_tcp *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->s.ops = &ops;
	t->pcb = pcb;
	lwip_addr_from(&t->s.peer, &pcb->remote_ip, pcb->remote_port);
	lwip_addr_from(&t->s.local, &pcb->local_ip, pcb->local_port);
	t->next = all;
	t->prev = &all;
	if (all)
		all->prev = &t->next;
	all = t;
	net_stats.connections++;
	tcp_nagle_disable(pcb);
	ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->keep_idle = KEEP_IDLE_MS;
	pcb->keep_intvl = KEEP_INTVL_MS;
	attach(pcb, t);
	return t;
}

/* What a connection keeps us from using: unread bytes and those out of order, with overhead. */
static size_t held(const struct lwip_tcp *t)
{
	size_t n = 0;

	for (const struct pbuf *p = t->in; p; p = p->next)
		n += p->len + PBUF_OVERHEAD;
	for (const struct tcp_seg *seg = t->pcb->ooseq; seg; seg = seg->next)
		for (const struct pbuf *p = seg->p; p; p = p->next)
			n += p->len + PBUF_OVERHEAD;
	return n;
}

bool lwip_tcp_shed(void)
{
	struct lwip_tcp *worst = NULL;
	char peer[OS_ADDR_TEXT];
	size_t most = 0;

	for (struct lwip_tcp *t = all; t; t = t->next) {
		size_t n = t->pcb ? held(t) : 0;
		if (n > most) {
			most = n;
			worst = t;
		}
	}
	if (!worst)
		return false;
	os_log(OS_WARN, "svc=net event=shed peer=%s unread=%zu held=%zu",
		os_addr_text(peer, &worst->s.peer), most, lwip_memory.received);
	tcp_abort(worst->pcb); /* on_err follows */
	drop_input(worst);
	return true;
}

int os_connect(struct os_stream **out, const struct os_addr *to, os_time deadline)
{
	struct tcp_pcb *pcb;
	struct lwip_tcp *t;
	ip_addr_t ip;
	err_t e;
	int err = lwip_start();

	if (err < 0)
		return err;
	pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
	t = pcb ? lwip_tcp_new(pcb) : NULL;
	if (!t) {
		if (pcb)
			tcp_close(pcb);
		return err_set(ERR_NOMEM, "connect: no memory for a connection");
	}
	lwip_addr_to(&ip, to);
	e = tcp_connect(pcb, &ip, to->port, on_connected);
	if (e != ERR_OK)
		err = lwip_err(e, "connect");
	lwip_timers_changed();
	while (err == 0 && t->pcb && !t->connected)
		err = os_wait(&t->writers, deadline);
	if (err == 0 && !t->pcb)
		err = err_set(t->err, "connect: refused or lost");
	if (err < 0) {
		lwip_tcp_abort(t);
		return err;
	}
	lwip_addr_from(&t->s.peer, &pcb->remote_ip, pcb->remote_port);
	lwip_addr_from(&t->s.local, &pcb->local_ip, pcb->local_port);
	*out = &t->s;
	return 0;
}
