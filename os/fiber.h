/* SPDX-License-Identifier: ISC */
/*
 * Fibers: straight-line code that waits. One thread, switched only in calls whose
 * comment says BLOCKS, so what stands between two such calls is atomic.
 *
 *	static void session(void *arg) { ... os_sleep(os_after(OS_SEC)); ... }
 *	err = os_spawn("imap", session, conn);
 *
 *	struct os_waitq q = OS_WAITQ;
 *	while (!ready)                       always in a loop: wakes may be spurious
 *		if ((err = os_wait(&q, deadline)) < 0)
 *			return err;                  ERR_TIMEOUT
 *	... elsewhere: ready = true; os_wake_all(&q);
 */
#ifndef OS_FIBER_H
#define OS_FIBER_H

#include "os/time.h"

#define OS_STACK_BYTES (64 * 1024)
#define OS_FIBERS_MAX  4096

struct os_fiber;

/* `name` is borrowed for the fiber's life. ERR_LIMIT or ERR_NOMEM when no more fit. */
MUST_CHECK int os_spawn(const char *name, void (*fn)(void *), void *arg);
struct os_fiber *os_self(void);
const char *os_fiber_name(const struct os_fiber *f);
unsigned os_fiber_count(void);
/* Session id of this fiber, put first in every log line; 0 for none. Never reused while running. */
uint32_t os_fiber_sid(void);

void os_yield(void);          /* BLOCKS until every other runnable fiber had its turn */
void os_sleep(os_time until); /* BLOCKS */

struct os_waitq {
	struct os_fiber *first, *last;
};
#define OS_WAITQ { NULL, NULL }
MUST_CHECK int os_wait(struct os_waitq *q, os_time deadline); /* BLOCKS; 0 or ERR_TIMEOUT */
void os_wake_one(struct os_waitq *q);
void os_wake_all(struct os_waitq *q);

/* Fair (first come, first served). A fiber that locks it twice panics. */
struct os_mutex {
	struct os_fiber *owner;
	struct os_waitq waiters;
};
#define OS_MUTEX { NULL, OS_WAITQ }
MUST_CHECK int os_lock(struct os_mutex *m, os_time deadline); /* BLOCKS; 0 or ERR_TIMEOUT */
void os_unlock(struct os_mutex *m);

/* Bounded queue of pointers. `slots` is the caller's, `cap` long. */
struct os_queue {
	void **slots;
	size_t cap, head, n;
	struct os_waitq readers, writers;
	bool closed;
};
void os_queue_init(struct os_queue *q, void **slots, size_t cap);
MUST_CHECK int os_queue_put(
	struct os_queue *q, void *item, os_time deadline); /* BLOCKS when full */
MUST_CHECK int os_queue_get(
	void **item, struct os_queue *q, os_time deadline); /* BLOCKS when empty; ERR_CLOSED */
void os_queue_close(struct os_queue *q);

#endif
