/* SPDX-License-Identifier: ISC */
#include "os/platform.h"

#include <errno.h>
#include <sys/random.h>

int plat_entropy(void *p, size_t n)
{
	ssize_t m;

	os_assert(n <= 256);
	do
		m = getrandom(p, n, 0); /* never short up to 256 bytes */
	while (m < 0 && errno == EINTR);
	return m == (ssize_t)n ? 0 : err_set(ERR_UNSUPPORTED, "entropy: getrandom failed");
}
