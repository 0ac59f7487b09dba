/* SPDX-License-Identifier: ISC */
/* What AddressSanitizer must be told about fibers; nothing in other builds. */
#ifndef OS_SANITIZE_IMPL_H
#define OS_SANITIZE_IMPL_H

#ifdef __has_feature
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#define SAN_STACK_FACTOR        4 /* red zones around every local */
#define SAN_LEAVE(fake, low, n) __sanitizer_start_switch_fiber(fake, low, n)
#define SAN_ENTER(fake, low, n) __sanitizer_finish_switch_fiber(fake, low, n)
#define SAN_STACK_MADE(low, n)  __lsan_register_root_region(low, n)
#define SAN_STACK_GONE(low, n) \
	do { \
		__asan_unpoison_memory_region(low, n); \
		__lsan_unregister_root_region(low, n); \
	} while (0)
#else
#define SAN_STACK_FACTOR        1
#define SAN_LEAVE(fake, low, n) ((void)(fake), (void)(low), (void)(n))
#define SAN_ENTER(fake, low, n) ((void)(fake), (void)(low), (void)(n))
#define SAN_STACK_MADE(low, n)  ((void)(low), (void)(n))
#define SAN_STACK_GONE(low, n)  ((void)(low), (void)(n))
#endif

#endif
