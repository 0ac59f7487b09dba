/* SPDX-License-Identifier: ISC */
#ifndef OS_CRYPTO_IMPL_H
#define OS_CRYPTO_IMPL_H

#include "os/crypto.h"

/* For a platform that can fork: the child must not repeat its parent's random bytes. */
void os_random_fork(void);

#endif
