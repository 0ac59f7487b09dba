/* SPDX-License-Identifier: ISC */
/*
 * What must never work, one per boot (`mode=`): each ends in a panic. Breakage: a section mapped
 * with rights it should not have, a guard page that is mapped, a canary nobody checks.
 */
#include "os/platform.h"

#include <stdio.h>

static volatile uintptr_t nowhere; /* out of the compiler's sight */
static volatile int zero;

static int constant_data_of_ours(void)
{
	static const int constant[2] = { 5, 6 };
	volatile uintptr_t at = (uintptr_t)constant;
	*(volatile int *)at = 6;
	return constant[at & 1];
}

static int write_text(void)
{
	volatile unsigned char *p = (unsigned char *)(uintptr_t)write_text;
	*p = 0xc3;
	return *p;
}

static const unsigned char code_that_returns[] = { 0xc3 };

static int run(void *at)
{
	int (*volatile f)(void) = (int (*)(void))(uintptr_t)at;
	memcpy(at, code_that_returns, sizeof(code_that_returns));
	return f() + 1;
}

static int run_data(void)
{
	static unsigned char data[16] = { 1 };
	return run(data) + 1;
}

static int run_stack(void)
{
	unsigned char data[16];
	return run(data) + 1;
}

static int run_heap(void)
{
	static void *p;
	p = malloc(16);
	return p ? run(p) + 1 : 0;
}

static int read_null(void)
{
	return *(volatile int *)nowhere;
}

static int call_null(void)
{
	return ((int (*)(void))nowhere)() + 1;
}

static int deep(volatile char *above)
{
	volatile char here[512];
	here[0] = *above;
	return *above ? deep(here) + here[0] : 0;
}

static int overflow_stack(void)
{
	volatile char top = 1;
	return deep(&top);
}

static __attribute__((noinline)) void fill(volatile char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = 'x';
}

static int smash_stack(void)
{
	volatile char small[16];
	fill(small, 64);
	return small[3];
}

static int divide(void)
{
	return 5 / zero;
}

static int panic_by_hand(void)
{
	os_panic("on %s", "purpose");
}

static int write_past_heap(void)
{
	volatile size_t n = 1 << 20;
	static volatile char *p;
	p = malloc(n);
	p[n + (64 << 10)] = 1;
	return 0;
}

static int signal_abort(void)
{
	abort();
}

static const struct {
	const char *name;
	int (*fn)(void);
} modes[] = {
	{ "write-constant", constant_data_of_ours },
	{ "write-text", write_text },
	{ "run-data", run_data },
	{ "run-stack", run_stack },
	{ "run-heap", run_heap },
	{ "read-null", read_null },
	{ "call-null", call_null },
	{ "overflow-stack", overflow_stack },
	{ "smash-stack", smash_stack },
	{ "divide", divide },
	{ "panic", panic_by_hand },
	{ "past-heap", write_past_heap },
	{ "abort", signal_abort },
};

void os_start(void)
{
	const char *mode = plat_args() + strlen("mode=");

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (!strcmp(modes[i].name, mode)) {
			int r = modes[i].fn();
			printf("survived %s: %d\n", mode, r);
		}
	fflush(stdout);
	plat_exit(PLAT_EXIT_CONFIG);
}
