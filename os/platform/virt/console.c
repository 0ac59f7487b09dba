/* SPDX-License-Identifier: ISC */
/* The first serial port. Polled, and never waited for longer than a dead port deserves. */
#include "os/platform/virt/virt.h"

#define COM1      0x3f8
#define LSR       (COM1 + 5)
#define LSR_EMPTY 0x20
#define QUEUE     16
#define TRIES     100000

static bool dead;    /* there is no port */
static bool stalled; /* nobody takes what it has: bytes are dropped until somebody does */

void console_init(void)
{
	outb(COM1 + 1, 0);    /* no interrupts */
	outb(COM1 + 3, 0x80); /* divisor */
	outb(COM1 + 0, 1);    /* 115200 */
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 0x03); /* 8n1 */
	outb(COM1 + 2, 0x07); /* queues on and empty */
	dead = inb(LSR) == 0xff;
}

static void put(char c)
{
	static unsigned room; /* in the port's queue, since it was last seen empty */

	for (unsigned i = 0; !room; i++) {
		if (inb(LSR) & LSR_EMPTY)
			room = QUEUE;
		else if (stalled || i == TRIES) {
			stalled = true;
			return;
		}
		cpu_pause();
	}
	stalled = false;
	room--;
	outb(COM1, (uint8_t)c);
}

void plat_console_write(const char *p, size_t n)
{
	for (size_t i = 0; i < n && !dead; i++) {
		if (p[i] == '\n')
			put('\r');
		put(p[i]);
	}
}

static void say_number(uint64_t v, unsigned base, bool minus)
{
	char digits[24];
	unsigned at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (minus)
		digits[--at] = '-';
	plat_console_write(digits + at, sizeof(digits) - at);
}

void say_va(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			plat_console_write(fmt, 1);
			continue;
		}
		bool wide = fmt[1] == 'l' || fmt[1] == 'z';
		fmt += wide ? 2 : 1;
		if (*fmt == 's') {
			const char *s = va_arg(ap, const char *);
			plat_console_write(s, strlen(s));
		} else if (*fmt == 'c') {
			char c = (char)va_arg(ap, int);
			plat_console_write(&c, 1);
		} else if (*fmt == 'd') {
			int64_t v = wide ? va_arg(ap, long) : va_arg(ap, int);
			say_number(v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0);
		} else {
			uint64_t v = wide ? va_arg(ap, unsigned long) : va_arg(ap, unsigned);
			say_number(v, *fmt == 'x' ? 16 : 10, false);
		}
	}
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_va(fmt, ap);
	va_end(ap);
}
