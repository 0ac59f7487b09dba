/* SPDX-License-Identifier: ISC */
/* What allod.conf may say of calendar and contacts; it comes as boot arguments. */
#ifndef SERVICES_DAV_OPTIONS_H
#define SERVICES_DAV_OPTIONS_H

#include "os/conf.h"

struct dav_conf {
	uint64_t connections_max;
};
extern const struct os_opt dav_conf_rows[];

#endif
