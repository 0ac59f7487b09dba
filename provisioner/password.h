/* SPDX-License-Identifier: ISC */
/*
 * An app password for one client, the same at every service of the estate.
 *
 *	char secret[PROV_SECRET_BYTES];
 *	code = prov_password_make(secret, p, a, e, "alice", "phone");      PROV_OK, or it was said
 *	... os_wipe(secret, sizeof(secret));
 */
#ifndef PROVISIONER_PASSWORD_H
#define PROVISIONER_PASSWORD_H

#include "provisioner/client.h"

#define PROV_SECRET_BYTES (ID_PASSWORD_BYTES_MAX + 1)

int prov_password_make(char secret[static PROV_SECRET_BYTES], struct prov *p,
	const struct prov_args *a, const struct prov_estate *e, const char *user,
	const char *client);
/* "/v1/users/<user>/app-passwords[/<name>]", or another kind than that, in the arena. */
#define PROV_PASSWORDS "app-passwords"
#define PROV_TOKENS    "device-tokens"
const char *prov_password_path(
	struct prov *p, const char *user, const char *kind, const char *name);

#endif
