/* SPDX-License-Identifier: ISC */
/* Breakage: any step of coming up; the clock standing still. */
#include "os/platform.h"

#include <stdio.h>

void os_start(void)
{
	uint64_t from = plat_mono_ns();

	plat_wait(from + 20000000);
	uint64_t slept = plat_mono_ns() - from;
	printf("hello args=[%s] slept_ms=%lu wall=%ld\n", plat_args(), slept / 1000000,
		plat_wall_ns() / 1000000000);
	fflush(stdout);
	plat_exit(slept >= 20000000 && slept < 200000000 ? 0 : PLAT_EXIT_CONFIG);
}
