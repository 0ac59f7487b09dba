/* SPDX-License-Identifier: ISC */
/* CardDAV (RFC 6352): what of services/dav is about address books. */
#ifndef SERVICES_CONTACTS_CONTACTS_H
#define SERVICES_CONTACTS_CONTACTS_H

#include "services/dav/dav.h"

extern const struct dav_service contacts_service;

#endif
