/* SPDX-License-Identifier: ISC */
/*
 * What a service defines: os_main and a manifest.
 *
 *	OS_MANIFEST("hello 0.1 nics=1 disks=1 memory_mb=8 ports=http:80,https:443")
 *	int os_main(void)
 *	{
 *		... spawn listeners ...
 *		os_stop_wait();           until powerdown is asked for
 *		return 0;                 0 clean; PLAT_EXIT_CONFIG after a configuration error
 *	}
 *
 * The manifest is an ELF note (owner "Allod", type 1): name, version, then key=value words:
 * nics, disks, memory_mb (least), ports (name:number,...). The CLI attaches exactly these
 * devices and refuses a mismatch.
 */
#ifndef OS_MAIN_H
#define OS_MAIN_H

#include "os/fiber.h"

int os_main(void); /* runs in a fiber */

/* BLOCKS until an orderly stop is requested; then os_accept answers ERR_CLOSED everywhere. */
void os_stop_wait(void);
bool os_stopping(void);
/* Ask for one, as the power button would. */
void os_stop(void);

/*
 * For host programs and tests, which have a main() of their own: run fn(arg) as the first
 * fiber until it returns; other fibers still running are dropped then. Its result.
 */
int os_run(int (*fn)(void *), void *arg);

#define OS_MANIFEST(text) \
	const struct { \
		uint32_t namesz, descsz, type; \
		char name[8]; \
		char desc[(sizeof(text) + 3) & ~3u]; \
	} os_manifest_note __attribute__((section(".note.allod"), used, aligned(4))) = { 6, \
		sizeof(text), 1, "Allod", text };

#endif
