/* SPDX-License-Identifier: ISC */
/* What a service brings to its disk when the command opens it: the store's driver and its words. */
#ifndef PROVISIONER_DRIVER_H
#define PROVISIONER_DRIVER_H

#include "services/dav/words.h"

struct prov_driver {
	struct mail *mail;    /* or NULL */
	struct dav_words dav; /* of calendar and contacts */
	struct control_words words;
	struct control_items items;
	bool has_words, has_items;
};
const struct store_driver *prov_driver_store(struct str service); /* NULL: it has none */
/* The domain of `registry` is what authors of commits are addressed at. */
MUST_CHECK int prov_driver_open(
	struct prov_driver *d, struct str service, struct store *s, struct id_registry *registry);
void prov_driver_close(struct prov_driver *d); /* before the store; harmless on a zeroed one */

#endif
