/* SPDX-License-Identifier: ISC */
/*
 * The interface: frames between the driver and lwIP, its addresses from the boot arguments
 *	ip=dhcp (also the default) or ip=10.0.2.15/24 gw=10.0.2.2 dns=10.0.2.3,...
 *	hostname=mail
 *	net.memory_kb=512 for each direction; an eighth of the machine's memory without it
 *	ip6=auto (default), ip6=off or ip6=2001:db8::1/64 (the router by advertisement)
 * and the fiber that runs lwIP's timers.
 */
#include "os/conf.h"
#include "os/log.h"
#include "os/net/lwip/lwip_impl.h"
#include "os/platform.h"

#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/ethip6.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/nd6.h>
#include <lwip/netif.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

#define PIECES_MAX     16 /* of a frame */
#define FRAMES_A_TURN  64
#define LATE_MAX       128 /* frames waiting for room in the driver's ring */
#define SEGMENTS_BYTES ((size_t)MEMP_NUM_TCP_SEG * TCP_MSS)

struct lwip_memory lwip_memory;

static struct netif nif;
static struct plat_nic nic;
static bool up;
static bool more; /* frames may be waiting */
static struct os_waitq timer_q = OS_WAITQ;
static os_time timer_at; /* what the timer fiber sleeps until */
static struct {
	struct pbuf *frames[LATE_MAX];
	unsigned head, n;
	uint64_t dropped;
} late;

/* ---- out ---- */
static int send_now(const struct pbuf *p)
{
	struct plat_iov iov[PIECES_MAX];
	unsigned n = 0;

	for (; p && n < PIECES_MAX; p = p->next)
		if (p->len)
			iov[n++] = (struct plat_iov){ p->payload, p->len };
	return p ? ERR_LIMIT : plat_nic_send(0, iov, n);
}

/* lwIP changes a segment's header when it sends it again, so what waits is a copy. */
static err_t send_later(struct pbuf *p)
{
	struct pbuf *copy = late.n < LATE_MAX ? pbuf_clone(PBUF_RAW, PBUF_RAM, p) : NULL;

	if (!copy) {
		late.dropped++;
		return ERR_MEM;
	}
	late.frames[(late.head + late.n++) % LATE_MAX] = copy;
	return ERR_OK;
}

static err_t link_output(struct netif *n, struct pbuf *p)
{
	int err = late.n ? ERR_BUSY : send_now(p);

	(void)n;
	if (err == ERR_BUSY || err == ERR_LIMIT)
		return send_later(p);
	return err < 0 ? ERR_IF : ERR_OK;
}

static void send_late(void)
{
	while (late.n && send_now(late.frames[late.head]) != ERR_BUSY) {
		pbuf_free(late.frames[late.head]);
		late.head = (late.head + 1) % LATE_MAX;
		late.n--;
	}
}

/* ---- in ---- */
struct frame {
	struct pbuf_custom pbuf;
	size_t cost;
};

static void frame_free(struct pbuf *p)
{
	struct frame *f = (struct frame *)p;

	lwip_memory.received -= f->cost;
	free(f);
}

/* The driver's buffer goes back at once; the copy counts against what may be unread. */
static struct pbuf *frame_copy(const void *data, size_t n)
{
	size_t cost = sizeof(struct frame) + n + 32; /* with malloc's own */
	struct frame *f;
	struct pbuf *p;

	if (lwip_memory.received + cost > lwip_memory.receive_max)
		return NULL;
	f = malloc(sizeof(*f) + n);
	if (!f)
		return NULL;
	f->cost = cost;
	f->pbuf.custom_free_function = frame_free;
	p = pbuf_alloced_custom(
		PBUF_RAW, (u16_t)n, PBUF_REF, &f->pbuf, f + 1, (u16_t)n); /* cannot fail */
	memcpy(f + 1, data, n);
	lwip_memory.received += cost;
	return p;
}

static void receive(const void *data, size_t n)
{
	struct pbuf *p = n <= UINT16_MAX ? frame_copy(data, n) : NULL;

	if (!p) {
		LINK_STATS_INC(link.drop);
		if (lwip_tcp_shed())
			p = frame_copy(data, n);
	}
	if (p && nif.input(p, &nif) != ERR_OK)
		pbuf_free(p);
}

/* A flood of frames must not keep the fibers from running. */
static void ready(void *ctx)
{
	const void *frame;
	size_t n;
	int i;

	(void)ctx;
	for (i = 0; i < FRAMES_A_TURN && plat_nic_recv(&frame, &n, 0) == 0; i++) {
		receive(frame, n);
		plat_nic_done(0);
	}
	send_late();
	more = i == FRAMES_A_TURN;
	if (i > 0)
		os_wake_all(&timer_q); /* behind the fibers that these frames woke */
	else
		lwip_timers_changed();
}

/* ---- timers ---- */
static os_time next_timer(void)
{
	u32_t ms = sys_timeouts_sleeptime();

	return ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? OS_FOREVER : os_after(ms * OS_MS);
}

void lwip_timers_changed(void)
{
	if (next_timer() < timer_at)
		os_wake_all(&timer_q);
}

static void timers(void *arg)
{
	(void)arg;
	for (;;) {
		sys_check_timeouts();
		lwip_tcp_acknowledge();
		if (more)
			ready(NULL);
		timer_at = more ? os_now() : next_timer();
		if (timer_at <= os_now())
			os_yield();
		else if (os_wait(&timer_q, timer_at) == 0)
			continue; /* an earlier one was set, or frames came */
	}
}

/* ---- addresses ---- */
static void tell_address(struct netif *n)
{
	static ip4_addr_t told4;
	static bool told6[LWIP_IPV6_NUM_ADDRESSES];
	char ip[IPADDR_STRLEN_MAX];

	if (!ip4_addr_eq(netif_ip4_addr(n), &told4)) {
		told4 = *netif_ip4_addr(n);
		os_log(OS_INFO, "svc=net event=address ip=%s gw=%u.%u.%u.%u",
			ip4addr_ntoa_r(&told4, ip, sizeof(ip)), ip4_addr1(netif_ip4_gw(n)),
			ip4_addr2(netif_ip4_gw(n)), ip4_addr3(netif_ip4_gw(n)),
			ip4_addr4(netif_ip4_gw(n)));
	}
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		bool valid = ip6_addr_isvalid(netif_ip6_addr_state(n, i));
		if (valid && !told6[i])
			os_log(OS_INFO, "svc=net event=address ip=%s",
				ip6addr_ntoa_r(netif_ip6_addr(n, i), ip, sizeof(ip)));
		told6[i] = valid;
	}
}

/* "10.0.2.15/24" or "2001:db8::1/64" of the family wanted */
static int parse_cidr(ip_addr_t *ip, uint64_t *bits, struct str s, bool v6)
{
	struct os_addr a;
	struct str addr, rest;

	if (!str_cut(&addr, &rest, s, '/') || os_addr_parse(&a, addr, 0) < 0 || a.port != 0 ||
		str_u64(bits, rest, v6 ? 128 : 32) < 0 || *bits == 0)
		return err_set(ERR_BAD, "\"%.*s\" is not an address/bits", STR_ARG(s));
	lwip_addr_to(ip, &a);
	return IP_IS_V6(ip) == v6 ? 0
				  : err_set(ERR_BAD, "\"%.*s\" is not of that family", STR_ARG(s));
}

static int parse_ip(ip_addr_t *ip, const char *name)
{
	struct str s = os_arg(name);
	struct os_addr a;

	ip_addr_set_zero(ip);
	if (s.n == 0)
		return 0;
	if (os_addr_parse(&a, s, 0) < 0)
		return err_set(ERR_BAD, "%s: \"%.*s\" is not an address", name, STR_ARG(s));
	lwip_addr_to(ip, &a);
	return 0;
}

static int configure_ip4(void)
{
	struct str s = os_arg("ip");
	ip_addr_t ip, gw;
	ip4_addr_t mask;
	uint64_t bits;
	int err;

	if (s.n == 0 || str_eq(s, STR("dhcp")))
		return dhcp_start(&nif) == ERR_OK ? 0 : err_set(ERR_NOMEM, "ip: no memory");
	err = parse_cidr(&ip, &bits, s, false);
	if (err == 0)
		err = parse_ip(&gw, "gw");
	if (err < 0)
		return err;
	mask.addr = lwip_htonl(UINT32_MAX << (32 - bits));
	netif_set_addr(&nif, ip_2_ip4(&ip), &mask, ip_2_ip4(&gw));
	return 0;
}

static int configure_ip6(void)
{
	struct str s = os_arg("ip6");
	ip_addr_t ip;
	uint64_t bits;
	int err;

	if (str_eq(s, STR("off")))
		return 0;
	netif_create_ip6_linklocal_address(&nif, 1);
	if (s.n == 0 || str_eq(s, STR("auto"))) {
		nif.ip6_autoconfig_enabled = 1;
		return 0;
	}
	err = parse_cidr(&ip, &bits, s, true);
	if (err < 0)
		return err;
	netif_ip6_addr_set(&nif, 1, ip_2_ip6(&ip));
	netif_ip6_addr_set_state(&nif, 1, IP6_ADDR_TENTATIVE);
	return 0;
}

static int configure_dns(void)
{
	struct str rest = os_arg("dns"), one;

	for (u8_t i = 0; rest.n > 0 && i < DNS_MAX_SERVERS; i++) {
		struct os_addr a;
		ip_addr_t ip;

		str_cut(&one, &rest, rest, ',');
		if (os_addr_parse(&a, one, 0) < 0)
			return err_set(ERR_BAD, "dns: \"%.*s\" is not an address", STR_ARG(one));
		lwip_addr_to(&ip, &a);
		dns_setserver(i, &ip);
	}
	return 0;
}

/* ---- bringing up ---- */
static err_t setup(struct netif *n)
{
	static char host[64] = "allod"; /* told to the DHCP server */
	struct str s = os_arg("hostname");

	if (s.n > 0 && s.n < sizeof(host)) {
		memcpy(host, s.p, s.n);
		host[s.n] = 0;
	}
	n->name[0] = 'e';
	n->name[1] = 'n';
	n->output = etharp_output;
	n->output_ip6 = ethip6_output;
	n->linkoutput = link_output;
	n->mtu = nic.mtu;
	n->hwaddr_len = 6;
	memcpy(n->hwaddr, nic.mac, 6);
	n->hostname = host;
	n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
		NETIF_FLAG_MLD6 | NETIF_FLAG_LINK_UP;
	return ERR_OK;
}

static void limit_memory(void)
{
	uint64_t total, unused, part, kb;

	plat_memory(&total, &unused);
	part = total / 8 < (uint64_t)64 << 20 ? total / 8 : (uint64_t)64 << 20;
	if (str_u64(&kb, os_arg("net.memory_kb"), 1 << 20) == 0)
		part = kb << 10;
	lwip_memory.receive_max = lwip_memory.queue_max = (size_t)part;
	/* Those who read nothing must not have all the segments. */
	if (lwip_memory.queue_max > SEGMENTS_BYTES / 2)
		lwip_memory.queue_max = SEGMENTS_BYTES / 2;
}

int lwip_start(void)
{
	int err;

	if (up)
		return 0;
	err = plat_nic_open(&nic, 0, ready, NULL);
	if (err < 0)
		return err_set(err, "net: no network interface");
	limit_memory();
	lwip_init();
	if (!netif_add(&nif, NULL, NULL, NULL, NULL, setup, ethernet_input))
		return err_set(ERR_NOMEM, "net: the interface cannot be added");
	netif_set_default(&nif);
	netif_set_status_callback(&nif, tell_address);
	netif_set_up(&nif);
	err = configure_ip6();
	if (err == 0)
		err = configure_dns();
	if (err == 0)
		err = configure_ip4();
	if (err == 0)
		err = os_spawn("net", timers, NULL);
	up = err == 0;
	return err;
}
