/* SPDX-License-Identifier: ISC */
/*
 * Is a service there? It is when its protocol's greeting was read through the published port.
 * Non-blocking: the supervisor polls probe.fd when it is >= 0 and calls prov_probe_step when it
 * is ready or `due` has come.
 *
 *	prov_probe_begin(&probe, &addr, kind);
 *	while (!probe.seen) { poll(probe.fd, probe.events, until probe.due); prov_probe_step(&probe); }
 *	prov_probe_end(&probe);
 */
#ifndef PROVISIONER_PROBE_H
#define PROVISIONER_PROBE_H

#include "os/net.h"

struct prov_greeting {
	const char *port;  /* its name in the manifest */
	struct str hello;  /* what is said to it first; STR_NONE where the service speaks first */
	const char *words; /* how its first words begin */
	const char *bye;   /* what a polite client says then */
};
/* NULL: this port greets nobody. */
const struct prov_greeting *prov_greeting_of(struct str port);

struct prov_probe {
	const struct prov_greeting *want;
	struct os_addr to;
	os_time due;      /* when to act without an event */
	os_time patience; /* of this try; grows, as what sits in the path may swallow the first ones */
	int fd;           /* -1 between tries */
	short events;
	bool connected, seen;
	size_t n;
	char got[64];
};
void prov_probe_begin(
	struct prov_probe *p, const struct os_addr *to, const struct prov_greeting *want);
void prov_probe_step(struct prov_probe *p);
void prov_probe_end(struct prov_probe *p);

#endif
