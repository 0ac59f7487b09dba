/* SPDX-License-Identifier: ISC */
#include "os/platform.h"

#include <time.h>

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* CLOCK_BOOTTIME would count a suspend too; deadlines must not all expire at a resume. */
uint64_t plat_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t plat_wall_ns(void)
{
	return (int64_t)clock_ns(CLOCK_REALTIME);
}
