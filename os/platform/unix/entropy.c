/* SPDX-License-Identifier: ISC */
#include "os/crypto_impl.h"
#include "os/platform.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

int plat_entropy(void *p, size_t n)
{
	static bool watched;
	ssize_t m;

	os_assert(n <= 256);
	if (!watched)
		watched = pthread_atfork(NULL, NULL, os_random_fork) == 0;
	do
		m = getrandom(p, n, 0); /* never short up to 256 bytes */
	while (m < 0 && errno == EINTR);
	return watched && m == (ssize_t)n ? 0 : err_set(ERR_UNSUPPORTED, "entropy: no getrandom");
}
