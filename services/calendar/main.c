/* SPDX-License-Identifier: ISC */
/* The calendar appliance. */
#include "os/main.h"
#include "services/calendar/calendar.h"
#include "services/dav/appliance.h"

#define VERSION "0.1"
OS_MANIFEST("calendar " VERSION " nics=1 disks=1 memory_mb=32 ports=https:443,control:8443")

int os_main(void)
{
	return dav_appliance(&calendar_service, VERSION);
}
