/* SPDX-License-Identifier: ISC */
/* Private to os/libc and the platform under it: musl on a machine without a kernel. */
#ifndef OS_LIBC_LIBC_H
#define OS_LIBC_LIBC_H

#include "os/base.h"

/* Thread-local storage, canary, constructors. Once, after plat_* work. */
void libc_start(uint64_t canary);

#endif
