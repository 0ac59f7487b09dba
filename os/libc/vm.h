/* SPDX-License-Identifier: ISC */
/*
 * What mmap and its like become. Ranges are read-write, filled on first touch, and promised when
 * made: ERR from vm_map instead of a failing touch. 0 or an address, or -errno.
 */
#ifndef OS_LIBC_VM_H
#define OS_LIBC_VM_H

#include "os/base.h"

long vm_map(size_t n, int prot); /* PROT_EXEC is refused */
long vm_unmap(uint64_t at, size_t n);
long vm_protect(uint64_t at, size_t n, int prot);
long vm_discard(uint64_t at, size_t n); /* contents go, the range stays */
long vm_remap(uint64_t at, size_t old_n, size_t new_n, bool may_move);

#endif
