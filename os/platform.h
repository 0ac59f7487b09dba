/* SPDX-License-Identifier: ISC */
/*
 * The narrow waist: all that a platform must provide. Everything above is one
 * portable code base. os/platform/unix and os/platform/virt implement it, file
 * for file; which one is chosen at link time.
 *
 * Run order: the platform starts, then calls os_start(args) (os/main.c) on its
 * own stack, which makes the first fiber and enters the scheduler. The scheduler
 * calls plat_wait() whenever nothing is runnable, then polls what became ready.
 * Nothing here may be called from an interrupt; interrupts only end plat_wait.
 */
#ifndef OS_PLATFORM_H
#define OS_PLATFORM_H

#include "os/base.h"

/* ---- console, clock, entropy ---- */
void plat_console_write(const char *p, size_t n); /* never fails, never blocks for long */
uint64_t plat_mono_ns(void);                      /* from boot, never goes back */
int64_t plat_wall_ns(void);                       /* Unix time; re-read after a host suspend */
MUST_CHECK int plat_entropy(void *p, size_t n);   /* real entropy or ERR_UNSUPPORTED, n <= 256 */

/*
 * Sleep until `until_ns` (plat_mono_ns) or until a device, descriptor or shutdown
 * request needs attention. Returns at once when something already does. Spurious
 * returns are allowed.
 */
void plat_wait(uint64_t until_ns);
/* Call the ready callbacks of devices (below); each only wakes fibers or feeds lwIP. */
void plat_poll(void);

/* An orderly stop was asked for (SIGTERM, SIGINT, ACPI power button); set for good. */
bool plat_stop_requested(void);
/* Ends the machine: 0 is a clean stop; 1..63 a refused configuration; 64.. a crash. */
NORETURN void plat_exit(int code);
#define PLAT_EXIT_CONFIG 1
#define PLAT_EXIT_CRASH  64
/* Print a symbolised backtrace of the caller on the console. For os_panic. */
void plat_backtrace(void);

/* ---- memory ---- */
/* A stack of `n` bytes with a guard page below it; touched pages only are backed. NULL: none left.
 */
void *plat_stack_alloc(size_t n);
void plat_stack_free(void *low, size_t n);
/* Bytes of memory the machine has and has free now, for status and for refusing work early. */
void plat_memory(uint64_t *total_bytes, uint64_t *free_bytes);

/* ---- frames (virt and unix-direct; absent on unix, whose os/net uses host sockets) ---- */
struct plat_nic {
	uint8_t mac[6];
	uint16_t mtu;
};
/* ERR_NOENT past the last one. `ready` is called from plat_poll when frames may be waiting. */
MUST_CHECK int plat_nic_open(
	struct plat_nic *out, unsigned index, void (*ready)(void *), void *ctx);
/* One whole Ethernet frame; gathers. ERR_BUSY when the ring is full: try after plat_poll. */
struct plat_iov {
	const void *p;
	size_t n;
};
MUST_CHECK int plat_nic_send(unsigned index, const struct plat_iov *iov, unsigned count);
/* Next received frame or ERR_AGAIN. Borrowed until plat_nic_done(index), one at a time. */
MUST_CHECK int plat_nic_recv(const void **frame, size_t *n, unsigned index);
void plat_nic_done(unsigned index);

/* ---- block devices ---- */
/*
 * A request is given to the device and completed later: plat_poll calls done(req).
 * Offsets and lengths are multiples of 512 bytes. The memory must stay put until then.
 */
enum plat_blk_op { PLAT_BLK_READ, PLAT_BLK_WRITE, PLAT_BLK_FLUSH };
struct plat_blk_req {
	enum plat_blk_op op;
	uint64_t offset_bytes;
	void *p;
	size_t n;
	int err; /* 0 or ERR_IO, set before done() */
	void (*done)(struct plat_blk_req *);
	void *ctx;
};
/* ERR_NOENT past the last device. Size in bytes. */
MUST_CHECK int plat_blk_open(uint64_t *size_bytes, unsigned index);
/* ERR_BUSY when the queue is full: try after plat_poll. On unix may call done() before it returns.
 */
MUST_CHECK int plat_blk_submit(unsigned index, struct plat_blk_req *req);
/*
 * Submit and poll this one device until the request is complete, running no other
 * fiber: for the page-fault path, which may stand in the middle of anything. done() is not called.
 */
MUST_CHECK int plat_blk_sync(unsigned index, struct plat_blk_req *req);

/* ---- boot arguments: "key=value key=value", the same syntax from a kernel command line and argv
 * ---- */
const char *plat_args(void);
/* os/main.c: what the platform calls once it stands. Never returns. */
NORETURN void os_start(void);

#endif
