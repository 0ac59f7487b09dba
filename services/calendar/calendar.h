/* SPDX-License-Identifier: ISC */
/* CalDAV (RFC 4791): what of services/dav is about calendars. */
#ifndef SERVICES_CALENDAR_CALENDAR_H
#define SERVICES_CALENDAR_CALENDAR_H

#include "services/dav/dav.h"

extern const struct dav_service calendar_service;

#endif
