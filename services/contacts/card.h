/* SPDX-License-Identifier: ISC */
/*
 * vCards of one version told in another: 2.1, 3.0 (RFC 2426, with RFC 4770 and what address books add to
 * it), 4.0 (RFC 6350). Pure: what is stored stays as it was sent, and is converted where somebody asks.
 *
 *	err = card_read(&card, &arena, bytes);
 *	if (card_version(card) != CARD_40)
 *		err = card_convert(&out, &arena, card, CARD_40, NULL, NULL);
 *
 * Nothing is left out but what the other version can't say at all; what neither knows (X-, groups) stays.
 * There and back again gives the same properties, not the same bytes.
 */
#ifndef SERVICES_CONTACTS_CARD_H
#define SERVICES_CONTACTS_CARD_H

#include "services/dav/content.h"

enum card_version { CARD_UNKNOWN, CARD_21, CARD_30, CARD_40 };

MUST_CHECK int card_read(const struct content **out, struct arena *a, struct str bytes);
enum card_version card_version(const struct content *card); /* one that says none is read as 3.0 */
enum card_version card_version_of(struct str text);         /* "3.0" */
/* Which properties, by the names of the version asked for; *value false: but not what it says. */
typedef bool card_pick_fn(const void *ctx, struct str group, struct str name, bool *value);
/* `to`: 3.0 or 4.0; `pick` NULL: everything. ERR_LIMIT. */
MUST_CHECK int card_convert(struct buf *out, struct arena *a, const struct content *card,
	enum card_version to, card_pick_fn *pick, const void *ctx);
/* The version an Accept header would rather have than the one there is; that one where it is as good. */
enum card_version card_accepted(struct str accept, enum card_version is);

#endif
