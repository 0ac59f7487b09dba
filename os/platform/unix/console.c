/* SPDX-License-Identifier: ISC */
#include "os/platform.h"

#include <errno.h>
#include <execinfo.h>
#include <unistd.h>

void plat_console_write(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t m = write(STDERR_FILENO, p, n);
		if (m < 0 && errno == EINTR)
			continue;
		if (m <= 0)
			return;
		p += m;
		n -= (size_t)m;
	}
}

void plat_backtrace(void)
{
	void *frames[48];

	backtrace_symbols_fd(frames, backtrace(frames, ARRAY_LEN(frames)), STDERR_FILENO);
}

void plat_exit(int code)
{
	/* A crash leaves at once, without the exit handlers that may stand on what is broken. */
	if (code >= PLAT_EXIT_CRASH)
		_exit(code);
	exit(code);
}
