/* SPDX-License-Identifier: ISC */
/* The contacts appliance. */
#include "os/main.h"
#include "services/contacts/contacts.h"
#include "services/dav/appliance.h"
#include "services/dav/merge_align.h"

#define VERSION "0.1"
OS_MANIFEST("contacts " VERSION " nics=1 disks=1 memory_mb=32 ports=https:443,control:8443")

/* There are no series among contacts: the image goes without merge_series.c, which is 8 kB. */
int merge_align(struct merge_strays *out, struct arena *a, struct content *const cal[3], bool moves)
{
	(void)a;
	(void)cal;
	(void)moves;
	*out = (struct merge_strays){ 0 };
	return 0;
}

int os_main(void)
{
	return dav_appliance(&contacts_service, VERSION);
}
