/* SPDX-License-Identifier: ISC */
#include "os/platform.h"

#include <sys/mman.h>
#include <unistd.h>

static size_t guard_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

void *plat_stack_alloc(size_t n)
{
	size_t guard = guard_bytes();
	char *p = mmap(NULL, n + guard, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (mprotect(p, guard, PROT_NONE) < 0) {
		munmap(p, n + guard);
		return NULL;
	}
	return p + guard;
}

void plat_stack_free(void *low, size_t n)
{
	size_t guard = guard_bytes();

	munmap((char *)low - guard, n + guard);
}

void plat_memory(uint64_t *total_bytes, uint64_t *free_bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	*total_bytes = page * (uint64_t)sysconf(_SC_PHYS_PAGES);
	*free_bytes = page * (uint64_t)sysconf(_SC_AVPHYS_PAGES);
}
