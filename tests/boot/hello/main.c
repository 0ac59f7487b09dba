/* SPDX-License-Identifier: ISC */
/* Breakage: any step of coming up; a clock that stands still. */
#include "os/main.h"
#include "os/platform.h"

#include <stdio.h>

OS_MANIFEST("boot-hello 0.1 nics=1 memory_mb=4")

void os_start(void)
{
	uint64_t from = plat_mono_ns(), total, left;

	plat_wait(from + 20 * OS_MS);
	uint64_t slept = plat_mono_ns() - from;
	plat_memory(&total, &left);
	printf("hello args=[%s] slept_ms=%lu total_mb=%lu wall=%ld\n", plat_args(), slept / OS_MS,
		total >> 20, plat_wall_ns() / OS_SEC);
	fflush(stdout);
	plat_exit(slept >= 20 * OS_MS && slept < 500 * OS_MS ? 0 : 70);
}
