/* SPDX-License-Identifier: ISC */
/*
 * Text matches and parameter filters, the same in CalDAV (RFC 4791, 9.7) and CardDAV (RFC 6352, 10.5).
 *
 *	if (dav_collation(&why, match) < 0) ...                supported-collation
 *	bool yes = dav_text_match(&arena, value, match);       match: the text-match element
 */
#ifndef SERVICES_DAV_MATCH_H
#define SERVICES_DAV_MATCH_H

#include "services/dav/content.h"
#include "services/dav/xml.h"

/* Every text-match below `filter` names a collation there is; else ERR_UNSUPPORTED. */
MUST_CHECK int dav_collations_known(const struct xml *filter);
bool dav_text_match(struct arena *a, struct str value, const struct xml *match);
/* All param-filter elements of a prop-filter (or any of them, if `any`) hold for the line. */
bool dav_params_match(
	struct arena *a, const struct content_line *l, const struct xml *prop_filter, bool any);

#endif
