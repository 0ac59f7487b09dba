/* SPDX-License-Identifier: ISC */
#include "os/fiber.h"
#include "os/log.h"
#include "os/platform.h"
#include "os/time.h"

#include <stdio.h>

#define LINE_MAX_BYTES 1000
/*
 * An attacker must not decide how long the log is, nor keep a slow console busy: each place that
 * logs may say BURST lines at once and RATE a second in the long run; what is left out is counted.
 */
#define PLACES 64 /* remembered; two that meet in one share */
#define BURST  1000
#define RATE   100

struct place {
	unsigned said, left_out;
	os_time last;
};

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

/* May the place whose format this is say one more? *left_out lines were not said before it. */
static bool allowed(unsigned *left_out, const char *fmt)
{
	static struct place places[PLACES];
	struct place *p = &places[((uintptr_t)fmt >> 3) % PLACES];
	os_time now = os_now(), gained = (now - p->last) / (OS_SEC / RATE);

	if (gained > 0) {
		p->said = gained < p->said ? p->said - (unsigned)gained : 0;
		p->last = now;
	}
	if (p->said >= BURST) {
		p->left_out++;
		return false;
	}
	p->said++;
	*left_out = p->left_out;
	p->left_out = 0;
	return true;
}

static void say(enum os_level level, const char *text)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	static char line[LINE_MAX_BYTES + 1];
	os_time wall = os_wall();
	struct os_date d;
	size_t n;

	os_date_of(&d, wall / OS_SEC);
	n = (size_t)snprintf(line, sizeof(line), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s sid=%08x ",
		d.year, d.month, d.day, d.hour, d.min, d.sec, (int)(wall % OS_SEC / OS_MS),
		names[level], os_fiber_sid());
	n = add_text(line, n, text);
	line[n++] = '\n';
	plat_console_write(line, n);
}

void os_log(enum os_level level, const char *fmt, ...)
{
	static char text[LINE_MAX_BYTES];
	unsigned left_out;
	va_list ap;

	if (level < level_least || !allowed(&left_out, fmt))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(level, text);
	if (left_out == 0)
		return;
	snprintf(text, sizeof(text), "svc=log event=left-out lines=%u like=\"%.200s\"", left_out,
		fmt);
	say(OS_WARN, text);
}
