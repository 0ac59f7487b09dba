/* SPDX-License-Identifier: ISC */
#include "os/fiber.h"
#include "os/platform.h"

#include <stdio.h>

void os_panic_at(const char *file, int line, const char *fmt, ...)
{
	static char room[512];
	static bool again;
	va_list ap;
	int n, m;

	if (again) {
		plat_console_write("panic: while panicking\n", 23);
		plat_exit(PLAT_EXIT_CRASH);
	}
	again = true;
	n = snprintf(room, sizeof(room), "panic: %s:%d: ", file, line);
	va_start(ap, fmt);
	m = vsnprintf(room + n, sizeof(room) - (size_t)n, fmt, ap);
	va_end(ap);
	n = n + m < (int)sizeof(room) - 1 ? n + m : (int)sizeof(room) - 2;
	room[n++] = '\n';
	plat_console_write(room, (size_t)n);
	if (os_self()) {
		n = snprintf(room, sizeof(room), "fiber: %s\n", os_fiber_name(os_self()));
		plat_console_write(room, (size_t)n);
	}
	plat_backtrace();
	plat_exit(PLAT_EXIT_CRASH);
}
