/* SPDX-License-Identifier: ISC */
/*
 * The command line a service is started with. Secrets never stand here: they are on its disk.
 *
 *	virt: qemu-system-x86_64 -M microvm ... -kernel IMAGE, with exactly the devices of the manifest
 *	unix: IMAGE disk0=DISK listen.<port>=<address>:<port> ...
 *
 * A service that stands in front of another one (calendar, of contacts) is told where that is, by the
 * arguments behind= and behind.ca= (services/dav/front.h): made from allod.conf at every start, so that a
 * port that changed and an estate from before need nothing on the disk.
 */
#ifndef PROVISIONER_LAUNCH_H
#define PROVISIONER_LAUNCH_H

#include "provisioner/image.h"

#define PROV_ARGV_MAX 64
#define PROV_QEMU     "qemu-system-x86_64"

struct prov_argv {
	const char *v[PROV_ARGV_MAX + 1]; /* ended by NULL */
	size_t n;
	struct arena *a;
	int err; /* sticky: ERR_LIMIT */
};
void prov_arg(struct prov_argv *out, const char *fmt, ...) PRINTF(2, 3);

struct prov_behind {
	struct os_addr at; /* port 0: there is none */
	struct str ca;     /* PEM in base64 */
};
/* What stands behind `s` in this estate, as `s` reaches it. */
MUST_CHECK int prov_behind_find(struct prov_behind *out, struct prov *p,
	const struct prov_estate *e, const struct prov_service *s);

/* `accel` is "kvm" or "tcg"; `qmp_fd` a connected socket the child inherits. */
MUST_CHECK int prov_launch_virt(struct prov_argv *out, struct arena *a, const struct prov_image *i,
	const struct prov_service *s, const struct prov_behind *b, const char *accel, int qmp_fd);
MUST_CHECK int prov_launch_unix(struct prov_argv *out, struct arena *a, const struct prov_image *i,
	const struct prov_service *s, const struct prov_behind *b);

#endif
