/* SPDX-License-Identifier: ISC */
/* Starting an estate's supervisor: checks a person can act on first, then foreground or daemon. */
#ifndef PROVISIONER_START_H
#define PROVISIONER_START_H

#include "provisioner/estate.h"

#define PROV_START_NS (120 * OS_SEC)

struct prov_start {
	struct prov *p;
	struct prov_estate *e;
	const char *const *names; /* services; none: all */
	size_t name_count;
	int target; /* -1, or an enum prov_target instead of allod.conf's */
	bool echo;
	void (*settled)(void *ctx); /* foreground: once all are ready or failed */
	void *ctx;
};
/* Both return an exit code and have said what went wrong. */
int prov_start_foreground(const struct prov_start *how);
int prov_start_background(const struct prov_start *how);

#endif
