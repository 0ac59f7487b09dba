/* SPDX-License-Identifier: ISC */
/* Breakage: a seed from the clock or from nothing. */
#include "os/platform.h"

#include <stdio.h>

void os_start(void)
{
	uint8_t p[256], q[16];
	uint64_t canary;
	unsigned same = 0;

	if (plat_entropy(p, sizeof(p)) < 0 || plat_entropy(q, sizeof(q)) < 0)
		plat_exit(70);
	for (size_t i = 1; i < sizeof(p); i++)
		same += p[i] == p[i - 1];
	__asm__("mov %%fs:0x28, %0" : "=r"(canary));
	printf("entropy ");
	for (size_t i = 0; i < sizeof(q); i++)
		printf("%02x", q[i]);
	printf(" canary %016lx\n", canary);
	fflush(stdout);
	plat_exit(same < 16 && memcmp(p, q, sizeof(q)) && canary ? 0 : 71);
}
