/* SPDX-License-Identifier: ISC */
/*
 * What lwIP asks of its host. os/net/lwip provides, beside the functions below,
 *	u32_t sys_now(void);	milliseconds from boot
 */
#ifndef OS_NET_LWIP_ARCH_CC_H
#define OS_NET_LWIP_ARCH_CC_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

__attribute__((noreturn)) void os_lwip_assert(const char *what, const char *file, int line);
uint32_t os_lwip_rand(void); /* unpredictable: transaction ids and ports depend on it */

#define LWIP_PLATFORM_ASSERT(what) os_lwip_assert(what, __FILE__, __LINE__)
#define LWIP_PLATFORM_DIAG(x) \
	do { \
	} while (0)
#define LWIP_RAND() os_lwip_rand()

/* One thread; lwIP is never entered from an interrupt. */
#define SYS_ARCH_DECL_PROTECT(x)
#define SYS_ARCH_PROTECT(x)
#define SYS_ARCH_UNPROTECT(x)

#endif
