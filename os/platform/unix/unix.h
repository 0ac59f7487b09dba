/* SPDX-License-Identifier: ISC */
/* What the files of this platform share, and what os/net/socket and os/disk use of it. */
#ifndef OS_PLATFORM_UNIX_UNIX_H
#define OS_PLATFORM_UNIX_UNIX_H

#include "os/fiber.h"
#include "os/platform.h"

/*
 * A descriptor whose edges are watched: `ready` is called from plat_poll with EPOLL* bits,
 * and only wakes fibers. Stays registered until unix_unwatch; the caller closes the descriptor.
 */
struct unix_watch {
	int fd;
	void (*ready)(struct unix_watch *w, uint32_t events);
};
MUST_CHECK int unix_watch(struct unix_watch *w, uint32_t events);
void unix_unwatch(struct unix_watch *w);

/*
 * Run fn(arg) on a helper thread while this fiber waits: for host calls that may take long and
 * have no other form. fn uses nothing of os/. Outside of fibers it is just called. BLOCKS.
 */
MUST_CHECK int unix_offload(int (*fn)(void *), void *arg);

/* Install the handlers that make plat_stop_requested() true. main() does; host programs may. */
void unix_catch_stop(void);
/* The boot arguments, for programs with a main() of their own. Borrowed for ever. */
void unix_set_args(const char *args);

#endif
