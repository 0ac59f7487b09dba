/* SPDX-License-Identifier: ISC */
/*
 * Sends items to a service, many at a time (services/control/items.h), and tells what became of them:
 *
 *	err = prov_intake_open(&in, h, folder, options, 100);
 *	err = prov_intake_add(in, "old.mbox", 17, json_pack(...), bytes);
 *	prov_intake_fault(in, "old.mbox", 230, "it is empty");       one that is not even sent
 *	return prov_intake_close(in, err, doubles);
 */
#ifndef PROVISIONER_INTAKE_H
#define PROVISIONER_INTAKE_H

#include "provisioner/history.h"
#include "provisioner/say.h"

struct prov_intake;
struct prov_intake_how {
	struct str collection; /* "": where the service puts things */
	bool keep, dry_run;
	const char *what;   /* for the progress: "import" */
	size_t batch_items; /* at most PROV_INTAKE_ITEMS */
	/* Says how to take it back, when undoing its commits doesn't; NULL. */
	void (*take_back)(const struct prov_history *h, const char *first);
};
#define PROV_INTAKE_ITEMS 400

MUST_CHECK int prov_intake_open(
	struct prov_intake **out, struct prov_history *h, const struct prov_intake_how *how);
/* `file` stays valid until it is sent; line 0: of a whole file. Takes `head` over, {} when NULL. BLOCKS. */
MUST_CHECK int prov_intake_add(
	struct prov_intake *in, const char *file, uint32_t line, json_t *head, struct str bytes);
/* Sends what waits. BLOCKS. */
MUST_CHECK int prov_intake_flush(struct prov_intake *in);
/* A prov_fault_fn: told, and counted as refused. */
void prov_intake_fault(void *in, const char *file, uint32_t line, const char *why);
/* How much there is to do, in whatever it is counted; for the progress. */
void prov_intake_total(struct prov_intake *in, uint64_t done, uint64_t all);
struct prov_progress *prov_intake_bar(struct prov_intake *in);
/*
 * Sends the rest unless err < 0, which is complained about as `failed`, says what was done, and frees it: an exit
 * code. `doubles`: what was left out before. BLOCKS.
 */
int prov_intake_close(struct prov_intake *in, int err, const char *failed, size_t doubles);

#endif
