/* SPDX-License-Identifier: ISC */
/*
 * All items of a service as they come from its control endpoint, and what files are made of them:
 * one file of calendar data or vCards, or a vdir (a folder a collection, a file an item, as khal, khard
 * and vdirsyncer read it).
 */
#ifndef PROVISIONER_GIVE_H
#define PROVISIONER_GIVE_H

#include "provisioner/client.h"
#include "services/control/items.h"

struct prov_written {
	uint64_t items, collections;
	uint64_t skipped; /* that can't be given or read as what they should be, each was told */
	uint64_t zones;   /* that bear the name of another one, and were left out */
};
void prov_left_out(struct prov_written *out, struct str name, const char *why);

struct prov_give {
	/* {collection, kind, name?, color?, ...}; then each of its items. < 0 stops and is returned. */
	int (*head)(void *ctx, const json_t *collection);
	int (*item)(void *ctx, struct str name, struct str bytes);
	void *ctx;
	struct prov_written *out; /* takes what the service leaves out */
};
/* BLOCKS. */
MUST_CHECK int prov_give(struct prov_client *c, const char *target, const struct prov_give *g);

/* Both replace nothing before all is there; "-" is standard output. BLOCK. */
MUST_CHECK int prov_write_ics(
	struct prov_written *out, struct prov_client *c, const char *target, const char *file);
MUST_CHECK int prov_write_vcf(
	struct prov_written *out, struct prov_client *c, const char *target, const char *file);
/* Into a new or empty folder; ERR_EXIST. BLOCKS. */
MUST_CHECK int prov_write_vdir(
	struct prov_written *out, struct prov_client *c, const char *target, const char *dir);

#endif
