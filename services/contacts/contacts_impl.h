/* SPDX-License-Identifier: ISC */
#ifndef SERVICES_CONTACTS_CONTACTS_IMPL_H
#define SERVICES_CONTACTS_CONTACTS_IMPL_H

#include "services/contacts/contacts.h"
#include "services/dav/request.h"

void card_query(struct dav_request *r, const struct xml *root);
MUST_CHECK int card_data(struct buf *out, struct arena *a, struct str bytes,
	const struct xml *asked, const void *zone);
MUST_CHECK int card_prefer(struct str *bytes, struct str *type, struct arena *a, struct str accept);
MUST_CHECK int card_data_check(struct dav_refusal *why, const struct xml *asked);

#endif
