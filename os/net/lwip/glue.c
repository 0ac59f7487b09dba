/* SPDX-License-Identifier: ISC */
/* What lwIP asks of its host (arch/cc.h, arch/hooks.h), and the two sides' addresses and errors. */
#include "os/crypto.h"
#include "os/net/lwip/lwip_impl.h"

#include <arch/cc.h>
#include <arch/hooks.h>
#include <lwip/sys.h>

u32_t sys_now(void)
{
	return (u32_t)(os_now() / OS_MS);
}

void os_lwip_assert(const char *what, const char *file, int line)
{
	os_panic_at(file, line, "lwip: %s", what);
}

uint32_t os_lwip_rand(void)
{
	uint32_t v;

	os_random(&v, sizeof(v));
	return v;
}

u32_t os_lwip_isn(
	const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port)
{
	static uint8_t key[32];
	static bool keyed;
	struct os_addr tuple[2] = { 0 };
	uint8_t mac[OS_MAC_BYTES];
	uint32_t hash;

	if (!keyed)
		os_random(key, sizeof(key));
	keyed = true;
	lwip_addr_from(&tuple[0], local, local_port);
	lwip_addr_from(&tuple[1], remote, remote_port);
	os_mac(mac, str_n(key, sizeof(key)), str_n(tuple, sizeof(tuple)));
	memcpy(&hash, mac, sizeof(hash));
	return hash + (u32_t)(os_now() / 4000); /* RFC 6528: one per 4 microseconds */
}

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

void lwip_addr_from(struct os_addr *out, const ip_addr_t *ip, uint16_t port)
{
	if (IP_IS_V4(ip)) {
		memcpy(out->ip, v4_prefix, sizeof(v4_prefix));
		memcpy(out->ip + 12, &ip_2_ip4(ip)->addr, 4);
	} else {
		memcpy(out->ip, ip_2_ip6(ip)->addr, 16);
	}
	out->port = port;
}

void lwip_addr_to(ip_addr_t *out, const struct os_addr *a)
{
	ip_addr_set_zero(out);
	if (memcmp(a->ip, v4_prefix, sizeof(v4_prefix)) == 0) {
		IP_SET_TYPE(out, IPADDR_TYPE_V4);
		memcpy(&ip_2_ip4(out)->addr, a->ip + 12, 4);
	} else {
		IP_SET_TYPE(out, IPADDR_TYPE_V6);
		memcpy(ip_2_ip6(out)->addr, a->ip, 16);
	}
}

int lwip_err(err_t e, const char *what)
{
	static const struct {
		err_t e;
		int err;
		const char *words;
	} rows[] = {
		{ ERR_MEM, ERR_NOMEM, "no memory" },
		{ ERR_BUF, ERR_NOMEM, "no memory" },
		{ LWIP_ERR_TIMEOUT, ERR_TIMEOUT, "timed out" },
		{ ERR_RTE, ERR_NOENT, "no route" },
		{ ERR_USE, ERR_EXIST, "the port is taken" },
		{ ERR_ABRT, ERR_CLOSED, "given up" },
		{ ERR_RST, ERR_CLOSED, "the peer reset the connection" },
		{ ERR_CLSD, ERR_CLOSED, "closed" },
		{ ERR_CONN, ERR_CLOSED, "not connected" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].e == e)
			return err_set(rows[i].err, "%s: %s", what, rows[i].words);
	return err_set(ERR_IO, "%s: lwIP error %d", what, e);
}
