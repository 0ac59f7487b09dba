/* SPDX-License-Identifier: ISC */
/* What fiber.c shares with the rest of os/: the error slot and the stop hooks. */
#ifndef OS_FIBER_IMPL_H
#define OS_FIBER_IMPL_H

#include "os/fiber.h"

#define OS_ERR_TEXT 256
struct os_err_slot {
	int err;
	char text[OS_ERR_TEXT];
};
/* Of the running fiber; a static one outside of fibers. Never NULL. */
extern struct os_err_slot *os_err_slot;

/* Start fn(arg) as a fiber with a stack of that size, run until it ends, drop what else still runs; its result. */
int os_sched_run(int (*fn)(void *), void *arg, size_t stack_bytes);

/*
 * The running fiber lends memory of its own (its stack, as a rule) to a device or a thread; the
 * callback that tells of its return ends that. os_run drops no fiber in between.
 */
void os_lend(void);
void os_lend_end(void);

/* Called once, by the scheduler, when an orderly stop was requested. */
struct os_stop_hook {
	void (*fn)(struct os_stop_hook *);
	struct os_stop_hook *next, **prev;
};
void os_stop_hook_add(struct os_stop_hook *h);
void os_stop_hook_del(struct os_stop_hook *h);

#endif
