/* SPDX-License-Identifier: ISC */
/* How much history each person's branch keeps (`allod keep`), as a backup holds it. */
#ifndef PROV_KEEPING_H
#define PROV_KEEPING_H

#include "provisioner/client.h"
#include "store/store.h"

/* {user: [days, least]} of those of `refs` for which something is set. BLOCKS. */
MUST_CHECK int prov_keeping_ask(
	json_t **out, struct prov_client *c, struct arena *a, const json_t *refs);
/* As it was; NULL: nothing. BLOCKS. */
MUST_CHECK int prov_keeping_set(struct store *s, const json_t *kept);

#endif
