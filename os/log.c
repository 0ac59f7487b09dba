/* SPDX-License-Identifier: ISC */
#include "os/fiber.h"
#include "os/log.h"
#include "os/platform.h"
#include "os/time.h"

#include <stdio.h>

#define LINE_MAX_BYTES 1000

static enum os_level level_least = OS_INFO;

void os_log_level(enum os_level least)
{
	level_least = least;
}

static size_t add_text(char *out, size_t n, const char *text)
{
	for (; *text && n + 4 < LINE_MAX_BYTES; text++) {
		unsigned char c = (unsigned char)*text;
		if (c >= ' ' && c != 0x7f)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 5, "\\x%02x", c);
	}
	return n;
}

void os_log(enum os_level level, const char *fmt, ...)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	static char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 1];
	os_time wall = os_wall();
	struct os_date d;
	va_list ap;
	size_t n;

	if (level < level_least)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	os_date_of(&d, wall / OS_SEC);
	n = (size_t)snprintf(line, sizeof(line), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s sid=%08x ",
		d.year, d.month, d.day, d.hour, d.min, d.sec, (int)(wall % OS_SEC / OS_MS),
		names[level], os_fiber_sid());
	n = add_text(line, n, text);
	line[n++] = '\n';
	plat_console_write(line, n);
}
