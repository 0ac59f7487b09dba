/* SPDX-License-Identifier: ISC */
/* The host's kernel maps disks (os_disk_ops.map); there is nothing to count or to bound. */
#include "os/map.h"

void os_map_stats(struct os_map_stats *out)
{
	*out = (struct os_map_stats){ 0 };
}

void os_map_limit(size_t bytes)
{
	(void)bytes;
}
