/* SPDX-License-Identifier: ISC */
/* The contacts appliance. */
#include "os/main.h"
#include "services/contacts/contacts.h"
#include "services/dav/appliance.h"

#define VERSION "0.1"
OS_MANIFEST("contacts " VERSION " nics=1 disks=1 memory_mb=32 ports=https:443,control:8443")

int os_main(void)
{
	return dav_appliance(&contacts_service, VERSION);
}
