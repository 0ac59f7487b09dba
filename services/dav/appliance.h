/* SPDX-License-Identifier: ISC */
/*
 * A whole appliance around a struct dav_service: what main.c of calendar and contacts call.
 *
 *	OS_MANIFEST("contacts 0.1 nics=1 disks=1 memory_mb=32 ports=https:443,control:8443");
 *	int os_main(void)
 *	{
 *		return dav_appliance(&contacts, "0.1");
 *	}
 */
#ifndef SERVICES_DAV_APPLIANCE_H
#define SERVICES_DAV_APPLIANCE_H

#include "services/dav/dav.h"

/* Opens what is on the disk, listens, serves until it is told to stop: the exit code. BLOCKS. */
int dav_appliance(const struct dav_service *service, const char *version);

#endif
