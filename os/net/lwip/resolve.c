/* SPDX-License-Identifier: ISC */
#include "os/net/lwip/lwip_impl.h"

#include <lwip/dns.h>

/* lwIP calls back whenever it is done, even when the fiber that asked has given up. */
struct query {
	ip_addr_t ip;
	bool done, found, abandoned;
	struct os_waitq waiter;
};

static void on_found(const char *name, const ip_addr_t *ip, void *arg)
{
	struct query *q = arg;

	(void)name;
	if (q->abandoned) {
		free(q);
		return;
	}
	q->done = true;
	q->found = ip != NULL;
	if (ip)
		q->ip = *ip;
	os_wake_all(&q->waiter);
}

/* One address of one family; ERR_NOENT. */
static int ask(struct os_addr *out, const char *name, u8_t family, os_time deadline)
{
	struct query *q = calloc(1, sizeof(*q));
	int err = 0;
	err_t e;

	if (!q)
		return err_set(ERR_NOMEM, "%s: no memory", name);
	e = dns_gethostbyname_addrtype(name, &q->ip, on_found, q, family);
	lwip_timers_changed();
	if (e == ERR_OK) {
		q->done = q->found = true;
	} else if (e != ERR_INPROGRESS) {
		free(q);
		return lwip_err(e, name);
	}
	while (err == 0 && !q->done)
		err = os_wait(&q->waiter, deadline);
	if (!q->done) {
		q->abandoned = true;
		return err_set(err, "%s: no answer in time", name);
	}
	if (q->found)
		lwip_addr_from(out, &q->ip, 0);
	err = q->found ? 0 : err_set(ERR_NOENT, "%s: no such host, or no answer", name);
	free(q);
	return err;
}

int os_resolve(size_t *n, struct os_addr *out, size_t cap, struct str name, os_time deadline)
{
	static const u8_t families[] = { LWIP_DNS_ADDRTYPE_IPV4, LWIP_DNS_ADDRTYPE_IPV6 };
	char z[DNS_MAX_NAME_LENGTH];
	int err = lwip_start();

	*n = 0;
	if (err < 0)
		return err;
	if (cap > 0 && os_addr_parse(out, name, 0) == 0)
		return *n = 1, 0;
	if (name.n == 0 || name.n >= sizeof(z) || str_chr(name, 0) >= 0)
		return err_set(ERR_BAD, "%.*s: not a host name", STR_ARG(str_sub(name, 0, 100)));
	memcpy(z, name.p, name.n);
	z[name.n] = 0;
	for (size_t i = 0; i < ARRAY_LEN(families) && *n < cap; i++) {
		int e = ask(&out[*n], z, families[i], deadline);
		if (e == 0)
			++*n;
		else
			err = e;
	}
	return *n > 0 ? 0 : err;
}
