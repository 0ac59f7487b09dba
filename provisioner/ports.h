/* SPDX-License-Identifier: ISC */
/* TCP ports of this machine: is one free, who has it, which shall we take. */
#ifndef PROVISIONER_PORTS_H
#define PROVISIONER_PORTS_H

#include "provisioner/estate.h"

struct sockaddr_storage;
/* Fills `out` and returns its length: IPv4 where the address is IPv4. */
unsigned prov_sockaddr(struct sockaddr_storage *out, const struct os_addr *a);
/* 0: could be bound now; ERR_BUSY, ERR_DENIED (below 1024 without the right), ERR_IO. */
MUST_CHECK int prov_port_try(const struct os_addr *a);
/* "process 1234 (python3)", or "another process" where the system does not tell us. In the arena. */
struct str prov_port_holder(struct arena *a, const struct os_addr *addr);
/*
 * A free port of this address: 10000 + guest, else the nearest free one above it that is not in
 * taken[0, n). ERR_NOENT when a hundred are busy.
 */
MUST_CHECK int prov_port_choose(
	struct os_addr *out, uint16_t guest, const struct prov_listen *taken, size_t n);
/* Every port of the service is free: 0, or ERR_BUSY saying which is not and who has it. */
MUST_CHECK int prov_ports_check(struct arena *a, const struct prov_service *s);

#endif
