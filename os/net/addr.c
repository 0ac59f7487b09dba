/* SPDX-License-Identifier: ISC */
#include "os/net.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static bool is_v4(const struct os_addr *a)
{
	return memcmp(a->ip, v4_prefix, sizeof(v4_prefix)) == 0;
}

const char *os_addr_ip(char out[static OS_ADDR_TEXT], const struct os_addr *a)
{
	bool v4 = is_v4(a);

	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->ip + 12 : a->ip, out, OS_ADDR_TEXT))
		out[0] = 0;
	return out;
}

const char *os_addr_text(char out[static OS_ADDR_TEXT], const struct os_addr *a)
{
	char ip[OS_ADDR_TEXT];

	snprintf(out, OS_ADDR_TEXT, is_v4(a) ? "%.45s:%u" : "[%.45s]:%u", os_addr_ip(ip, a),
		a->port);
	return out;
}

static int parse_ip(uint8_t ip[static 16], struct str s)
{
	char z[OS_ADDR_TEXT];

	if (s.n >= sizeof(z) || str_chr(s, 0) >= 0)
		return ERR_BAD;
	memcpy(z, s.p, s.n);
	z[s.n] = 0;
	if (inet_pton(AF_INET6, z, ip) == 1)
		return 0;
	memcpy(ip, v4_prefix, sizeof(v4_prefix));
	return inet_pton(AF_INET, z, ip + 12) == 1 ? 0 : ERR_BAD;
}

int os_addr_parse(struct os_addr *out, struct str s, uint16_t default_port)
{
	struct str ip = s, port = STR_NONE, rest;
	uint64_t num = default_port;
	bool ported = false;

	if (str_starts(s, STR("["))) {
		if (!str_cut(&ip, &rest, str_sub(s, 1, s.n), ']'))
			return err_set(ERR_BAD, "%.*s: a [ without its ]", STR_ARG(s));
		ported = rest.n > 0;
		if (str_chr(ip, ':') < 0 || (ported && rest.p[0] != ':'))
			return err_set(ERR_BAD, "%.*s: not an address", STR_ARG(s));
		port = str_sub(rest, 1, rest.n);
	} else if (str_chr(s, '.') >= 0 && str_chr(s, ':') > str_chr(s, '.')) {
		ported = str_cut(&ip, &port, s, ':'); /* 192.0.2.1:25, but not ::ffff:192.0.2.1 */
	}
	if (parse_ip(out->ip, ip) < 0 || (ported && str_u64(&num, port, UINT16_MAX) < 0))
		return err_set(ERR_BAD, "%.*s: not an address", STR_ARG(s));
	out->port = (uint16_t)num;
	return 0;
}
