/* SPDX-License-Identifier: ISC */
/* Making an estate: the whole folder, or nothing of it. */
#ifndef PROVISIONER_CREATE_H
#define PROVISIONER_CREATE_H

#include "identity/recovery.h"
#include "os/tls_ca.h"
#include "provisioner/estate.h"
#include "store/store.h"

#define PROV_DISK_BYTES   ((uint64_t)16 << 30) /* sparse: it takes on the host what is in it */
#define PROV_SERVICES_ALL "mail,calendar,contacts"
#define PROV_LEAF_DAYS    OS_CA_DAYS_MAX
#define PROV_RENEW_DAYS   30

struct prov_create {
	struct str user, domain;
	enum prov_target target;
	uint64_t disk_bytes;
	const char *services; /* "mail,calendar"; NULL: all there are */
	const char *listen;   /* "smtp=127.0.0.1:2525,calendar.https=...": ports wished for; NULL */
};
/* Cuts "alice@example.org"; ERR_BAD with a sentence. */
MUST_CHECK int prov_create_owner(struct prov_create *out, const char *address);
struct prov_secrets {            /* shown once */
	char code[ID_CODE_TEXT]; /* of recovery */
	struct str password;     /* an app password of the owner, in p->arena */
};
/*
 * ERR_EXIST: there is an estate, or part of one. In a fiber. On an error nothing stays behind.
 * `client`: whom the password is for; STR_NONE: none is made.
 */
MUST_CHECK int prov_create(struct prov_estate *out, struct prov *p, const struct prov_create *how,
	struct str client, struct prov_secrets *secrets);
/* Ports "NAME=ADDRESS:PORT,..." names are the service's; the others stay. ERR_BAD. */
MUST_CHECK int prov_ports_wish(struct prov_service *s, const char *list);
/* What a service finds on its disk: a certificate made now, the token, its host name. In a fiber. */
MUST_CHECK int prov_configure(
	struct store *s, struct prov *p, struct str domain, struct str service);
/* A new certificate on a stopped service's disk when the old one ends soon. In a fiber. */
MUST_CHECK int prov_renew(
	struct prov *p, const struct prov_estate *e, const struct prov_service *s);
/* Does it end within PROV_RENEW_DAYS? */
bool prov_renew_due(struct prov *p, const struct prov_service *s);

#endif
