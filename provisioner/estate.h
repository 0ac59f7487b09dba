/* SPDX-License-Identifier: ISC */
/*
 * An estate as allod.conf states it.
 *
 *	[estate]
 *		domain = example.org
 *		owner = alice
 *	[service "mail"]
 *		target = virt              ; or unix
 *		disk = disks/mail.img      ; relative to the estate's folder
 *		memory = 64                ; MiB on virt; what its manifest asks for when absent
 *		message-max = 26214400     ; and the service's own options, see option.h
 *	[listen "mail"]
 *		imaps = 127.0.0.1:10993    ; one row per port of its manifest; [::1]:10993 works too
 *
 * Ports are chosen once, by `allod init`, and never changed behind the owner's back.
 */
#ifndef PROVISIONER_ESTATE_H
#define PROVISIONER_ESTATE_H

#include "os/net.h"
#include "provisioner/option.h"
#include "provisioner/verb.h"

#define PROV_SERVICES_MAX 8
#define PROV_PORTS_MAX    16

enum prov_target { PROV_VIRT, PROV_UNIX };
extern const char *const prov_target_name[]; /* by enum prov_target */
/* ERR_BAD with a sentence for other words. */
MUST_CHECK int prov_target_parse(enum prov_target *out, struct str word);

struct prov_listen {
	struct str name; /* as in the manifest: smtp, imaps, control ... */
	uint16_t guest;  /* port the service listens on */
	struct os_addr host;
};
struct prov_service {
	struct str name;
	enum prov_target target;
	const char *disk;   /* absolute */
	uint64_t memory_mb; /* 0: as the manifest says */
	struct prov_options options;
	struct prov_listen listen[PROV_PORTS_MAX];
	size_t listen_count;
};
/* What [service "NAME"] may state of any service; its own: prov_option_rows(). */
extern const struct os_opt prov_service_rows[];
struct prov_estate {
	struct str domain, owner;
	struct prov_service services[PROV_SERVICES_MAX];
	size_t service_count;
};

/* The services we know and the ports each of them serves, in the order of `init`. */
struct prov_port_def {
	const char *service, *name;
	uint16_t guest;
};
extern const struct prov_port_def prov_port_defs[]; /* ended by .service NULL */

/*
 * Reads allod.conf. ERR_NOENT: there is no estate; ERR_BAD names file and line. Strings live in
 * p->arena.
 */
MUST_CHECK int prov_estate_load(struct prov_estate *out, struct prov *p);
/* The text of an allod.conf, `file` named in errors; `home` is where relative paths start. */
MUST_CHECK int prov_estate_parse(struct prov_estate *out, struct arena *a, struct str text,
	const char *file, const char *home);
/* The same as text. */
void prov_estate_write(struct buf *out, const struct prov_estate *e, const char *home);

/* Like prov_estate_load but speaks to the person on failure: PROV_OK or PROV_FAILED. */
int prov_estate_need(struct prov_estate *out, struct prov *p);
/* NULL when there is none of this name. */
struct prov_service *prov_service_find(struct prov_estate *e, struct str name);
const struct prov_listen *prov_listen_find(const struct prov_service *s, const char *name);
/* Where a client on this machine reaches it: loopback when bound to every address. */
struct os_addr prov_listen_reach(const struct prov_listen *l);

#endif
