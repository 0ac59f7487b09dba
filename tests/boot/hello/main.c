/* SPDX-License-Identifier: ISC */
/* Breakage: any step of coming up; a clock that stands still. */
#include "os/main.h"
#include "os/platform.h"

#include <stdio.h>

OS_MANIFEST("boot-hello 0.1 nics=1 memory_mb=4")

static uint8_t cmos_second(void)
{
	uint8_t v;

	__asm__ volatile("outb %%al, $0x70; inb $0x71, %0" : "=a"(v) : "a"(0));
	return v;
}

/* Our clock over one second of the CMOS clock. */
static void compare_clocks(void)
{
	uint64_t at[2];

	for (unsigned i = 0; i < 2; i++) {
		uint8_t second = cmos_second();
		while (cmos_second() == second)
			;
		at[i] = plat_mono_ns();
	}
	printf("a second took %lu us\n", (at[1] - at[0]) / 1000);
	fflush(stdout);
	plat_exit(at[1] - at[0] > OS_SEC / 5 * 4 && at[1] - at[0] < OS_SEC / 4 * 5 ? 0 : 71);
}

void os_start(void)
{
	if (!strcmp(plat_args(), "mode=clock"))
		compare_clocks();
	uint64_t from = plat_mono_ns(), total, left;

	plat_wait(from + 20 * OS_MS);
	uint64_t slept = plat_mono_ns() - from;
	plat_memory(&total, &left);
	printf("hello args=[%s] slept_ms=%lu total_mb=%lu wall=%ld\n", plat_args(), slept / OS_MS,
		total >> 20, plat_wall_ns() / OS_SEC);
	fflush(stdout);
	plat_exit(slept >= 20 * OS_MS && slept < 500 * OS_MS ? 0 : 70);
}
