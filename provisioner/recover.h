/* SPDX-License-Identifier: ISC */
/* An estate from its backup: the whole folder, or nothing of it. */
#ifndef PROVISIONER_RECOVER_H
#define PROVISIONER_RECOVER_H

#include "identity/recovery.h"
#include "provisioner/say.h"
#include "provisioner/estate.h"

struct prov_recover {
	const char *dir; /* the backup, absolute */
	struct id_code code;
	const char *listen; /* ports instead of those in its allod.conf, as in prov_create */
	int target;         /* enum prov_target instead of the one there; -1: that one */
	struct prov_progress bar;
	/* what was done */
	uint64_t bytes, objects;
	size_t refs, accounts; /* accounts: whose clients find their UIDs */
	int64_t made_sec;      /* when the backup was */
};
/*
 * Builds it aside and puts it in the place of p->home, which is absent or empty (else ERR_EXIST).
 * ERR_BUSY: a port is in use; ERR_DENIED: another code's; ERR_CORRUPT: the backup is damaged, the
 * sentence says where. In a fiber.
 */
MUST_CHECK int prov_recover(struct prov_estate *out, struct prov *p, struct prov_recover *how);

#endif
