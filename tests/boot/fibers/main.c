/* SPDX-License-Identifier: ISC */
/*
 * Fibers over the real scheduler, on the bare machine. Breakage: a switch that loses a register
 * or the vector state, a backtrace that runs past the bottom of a fiber's stack, `make gdb`
 * showing nothing.
 */
#include "os/main.h"
#include "os/platform.h"

#include <stdio.h>

OS_MANIFEST("boot-fibers 0.1 memory_mb=8")

static struct os_waitq never = OS_WAITQ;
static double sums[8];

static void waits(void *arg)
{
	(void)arg;
	while (os_wait(&never, OS_FOREVER) == 0)
		;
}

static void sleeps(void *arg)
{
	(void)arg;
	os_sleep(os_after(3600 * OS_SEC));
	sums[0] = 0;
}

static void counts(void *arg)
{
	double sum = 0, *out = arg;
	char deep[900];

	memset(deep, 1, sizeof(deep));
	for (int i = 0; i < 1000; i++) {
		sum += i * 0.5;
		os_yield();
	}
	*out = sum + deep[17] - 1;
}

static __attribute__((noinline)) void look_here(void)
{
	__asm__ volatile("");
}

static __attribute__((noinline)) void panics(void *arg)
{
	(void)arg;
	os_panic("in a fiber");
}

int os_main(void)
{
	os_time from = os_now();

	os_sleep(os_after(30 * OS_MS));
	if (os_now() - from < 30 * OS_MS || os_now() - from > 500 * OS_MS)
		return 70;
	for (unsigned i = 0; i < ARRAY_LEN(sums); i++)
		if (os_spawn("counter", counts, &sums[i]) < 0)
			return 71;
	if (os_spawn("waiter", waits, NULL) < 0 || os_spawn("sleeper", sleeps, NULL) < 0)
		return 72;
	while (os_fiber_count() > 3)
		os_yield();
	for (unsigned i = 0; i < ARRAY_LEN(sums); i++)
		if (sums[i] != 999 * 1000 / 4.0)
			return 73;
	look_here();
	printf("fibers ok\n");
	fflush(stdout);
	if (!strcmp(plat_args(), "panic=1")) {
		if (os_spawn("crasher", panics, NULL) < 0)
			return 74;
		os_sleep(os_after(OS_SEC));
	}
	return 0;
}
