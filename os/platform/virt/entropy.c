/* SPDX-License-Identifier: ISC */
/* Randomness: the virtio device and the processor's instruction, one over the other. */
#include "os/platform/virt/virt.h"
#include "os/platform/virt/virtio.h"

#define CPUID_RDRAND (1u << 30)
#define TRIES        10

static bool rdrand64(uint64_t *out)
{
	uint8_t ok = 0;

	for (unsigned i = 0; i < TRIES && !ok; i++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*out), "=qm"(ok) : : "cc");
	return ok;
}

static bool mix_rdrand(uint8_t *p, size_t n)
{
	uint32_t r[4];

	cpuid(r, 1);
	if (!(r[2] & CPUID_RDRAND))
		return false;
	while (n) {
		uint64_t v;
		if (!rdrand64(&v))
			return false;
		size_t take = n < sizeof(v) ? n : sizeof(v);
		for (size_t i = 0; i < take; i++)
			*p++ ^= (uint8_t)(v >> 8 * i);
		n -= take;
	}
	return true;
}

int plat_entropy(void *p, size_t n)
{
	if (n > 256)
		return ERR_LIMIT;
	memset(p, 0, n);
	bool device = rng_read(p, n);
	bool cpu = mix_rdrand(p, n);
	return device || cpu ? 0 : ERR_UNSUPPORTED;
}
