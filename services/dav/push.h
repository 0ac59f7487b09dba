/* SPDX-License-Identifier: ISC */
/*
 * What a device may push to a person's calendars or address books (docs/dav-layout.md, "What a device may
 * push").
 *
 *	git.check_push = dav_push_check;
 *	git.ctx = cfg;                           the struct dav_config
 */
#ifndef SERVICES_DAV_PUSH_H
#define SERVICES_DAV_PUSH_H

#include "services/dav/dav.h"
#include "sync/git.h"

/* ERR_BAD, ERR_LIMIT with a sentence for the person who pushes. BLOCKS */
MUST_CHECK int dav_push_check(void *config, const struct git_push *p);

/* The service's branches as git repositories. */
struct git_config dav_git(const struct dav_config *cfg);

#endif
