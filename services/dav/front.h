/* SPDX-License-Identifier: ISC */
/*
 * The service in front: what it answers for the one behind it, and what it hands on.
 *
 *	/                  /principals/...        /.well-known/both      here
 *	/calendars/...     /alice.git             here
 *	/contacts/...                             there, as a byte stream (os/http_forward.h)
 *
 * The git repository of the one behind stays at its own address: both are called /alice.git.
 *
 *	c->upstream, from the boot arguments behind=<ip>:<port> and behind.ca=<its authority, PEM in base64>
 *	err = dav_front_open(cfg);               at start; none named: cfg->upstream stays NULL
 *	b = dav_behind(cfg); if (b && ...) b->forward(x, cfg->upstream);
 */
#ifndef SERVICES_DAV_FRONT_H
#define SERVICES_DAV_FRONT_H

#include "services/dav/dav.h"

/* ERR_BAD: the boot arguments make no sense. The registry has to be open. */
MUST_CHECK int dav_front_open(struct dav_config *cfg);
/* The service behind, when there is one. */
static inline const struct dav_behind *dav_behind(const struct dav_config *cfg)
{
	return cfg->upstream ? cfg->service->behind : NULL;
}

#endif
