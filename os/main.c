/* SPDX-License-Identifier: ISC */
#include "os/fiber_impl.h"
#include "os/main.h"
#include "os/platform.h"

static bool asked;

bool os_stopping(void)
{
	return asked || plat_stop_requested();
}

void os_stop(void)
{
	asked = true;
}

struct stop_wait {
	struct os_stop_hook hook;
	struct os_waitq q;
};

static void stop_wake(struct os_stop_hook *h)
{
	os_wake_all(&((struct stop_wait *)h)->q);
}

void os_stop_wait(void)
{
	struct stop_wait w = { .hook.fn = stop_wake, .q = OS_WAITQ };

	os_stop_hook_add(&w.hook);
	while (!os_stopping())
		if (os_wait(&w.q, OS_FOREVER) < 0)
			break;
	os_stop_hook_del(&w.hook);
}

/* libgit2's file code, which only host programs call, has frames of 64 KiB. */
#define HOST_STACK_BYTES (1024 * 1024)

int os_run(int (*fn)(void *), void *arg)
{
	return os_sched_run(fn, arg, HOST_STACK_BYTES);
}
