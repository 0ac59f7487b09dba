/* SPDX-License-Identifier: ISC */
/* A service's branches into a bare git repository on this machine, by git. */
#ifndef PROVISIONER_COPY_H
#define PROVISIONER_COPY_H

#include "provisioner/client.h"

struct prov_copy {
	const char *dir, *verb; /* the repository; the word in front of the progress */
	struct str prefix;      /* of the refs */
	struct str head;        /* the ref HEAD names */
	bool whole;             /* everything anew, whatever is there */
	/* what was done */
	uint64_t bytes, objects; /* of the pack that came */
	size_t refs, moved;      /* refs there are, and of them new or changed */
	json_t *names;           /* an array of the caller's that they are added to; NULL: not */
};
/* What was there stays whole and usable if it fails. In a fiber. */
MUST_CHECK int prov_copy(struct prov_copy *k, struct prov_client *c);

#endif
