/* SPDX-License-Identifier: ISC */
/*
 * Sleeps for good until the power button is pressed. Breakage: the button's interrupt not routed
 * or its event not read; a power-off that ends like a crash; a wait that burns the processor.
 */
#include "os/platform.h"

#include <stdio.h>

void os_start(void)
{
	unsigned waits = 0;

	printf("waiting\n");
	fflush(stdout);
	while (!plat_stop_requested()) {
		plat_wait(UINT64_MAX);
		plat_poll();
		waits++;
	}
	/* Once asked for, it stays asked for, and waiting is possible all the same. */
	uint64_t from = plat_mono_ns();
	plat_wait(from + 10000000);
	uint64_t slept = plat_mono_ns() - from;
	printf("stopping after %u waits, slept %lu us\n", waits, slept / 1000);
	fflush(stdout);
	plat_exit(plat_stop_requested() && waits < 10 && slept >= 9000000 ? 0 : 70);
}
