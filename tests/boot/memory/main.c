/* SPDX-License-Identifier: ISC */
/*
 * Breakage: memory handed out that is not there (a touch that dies later), pages lost on free,
 * contents lost when a block grows, stacks that cost more than they use.
 */
#include "os/platform.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			printf("line %d: %s\n", __LINE__, #cond); \
			fflush(stdout); \
			plat_exit(70); \
		} \
	} while (0)

static uint64_t left(void)
{
	uint64_t total, n;

	plat_memory(&total, &n);
	return n;
}

/* Everything there is, in blocks of `n`, each touched; then given back. */
static size_t take_all(size_t n)
{
	struct block {
		struct block *next;
	} *all = NULL, *b;
	size_t blocks = 0;

	errno = 0;
	while ((b = malloc(n))) {
		memset(b, 0x5a, n);
		b->next = all;
		all = b;
		blocks++;
	}
	CHECK(errno == ENOMEM);
	while ((b = all)) {
		all = b->next;
		for (size_t i = sizeof(*b); i < n; i += 509)
			CHECK(((char *)b)[i] == 0x5a);
		free(b);
	}
	return blocks;
}

static void exhaustion(void)
{
	size_t first = take_all(100 << 10);

	CHECK(first * (100 << 10) > left() / 2);
	for (unsigned i = 0; i < 3; i++)
		CHECK(take_all(100 << 10) + 2 >= first);
	take_all(3000);
	take_all(100);
	/* malloc keeps some of its groups of small blocks, and takes large blocks several at a time. */
	size_t later = take_all(100 << 10);
	CHECK(later >= first * 5 / 6);
	take_all(100);
	CHECK(take_all(100 << 10) + 2 >= later);
	void *too_much = malloc((size_t)1 << 40);
	CHECK(!too_much);
}

static void growth(void)
{
	size_t n = 1 << 20;
	char *p = malloc(n);

	CHECK(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7);
	char *block = malloc(200 << 10); /* stands in the way */
	char *q = realloc(p, 2 * n);
	CHECK(q && block);
	for (size_t i = 0; i < n; i++)
		CHECK(q[i] == (char)(i * 7));
	char *less = realloc(q, 4096);
	CHECK(less);
	for (size_t i = 0; i < 4096; i++)
		CHECK(less[i] == (char)(i * 7));
	free(less);
	free(block);
}

static void stacks(void)
{
	enum { N = 200, BYTES = 64 << 10 };
	static void *stack[N];
	uint64_t before = left();
	size_t n = 0;

	while (n < N && (stack[n] = plat_stack_alloc(BYTES)))
		((volatile char *)stack[n++])[BYTES - 1] = 1;
	CHECK(n == N); /* 12.5 MB of addresses in a machine of 8 */
	CHECK(before - left() < (uint64_t)N * BYTES / 4);
	((volatile char *)stack[3])[0] = 1; /* to the last byte */
	for (size_t i = 0; i < N; i++)
		plat_stack_free(stack[i], BYTES);
	CHECK(left() + (64 << 10) >= before); /* tables may stay */

	for (n = 0; n < N && (stack[n] = plat_stack_alloc(BYTES * 16)); n++)
		for (size_t at = 0; left() > (1 << 20) && at < BYTES * 16; at += 4096)
			((volatile char *)stack[n])[at] = 1;
	while (n > 0)
		plat_stack_free(stack[--n], BYTES * 16);
	CHECK(left() + (128 << 10) >= before);
}

static void maps(void)
{
	uint64_t before = left();
	char *p = mmap(NULL, 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && !p[0] && !p[65535]);
	p[5] = 7;
	CHECK(!mprotect(p, 4096, PROT_READ) && p[5] == 7);
	CHECK(!mprotect(p, 4096, PROT_NONE) && !mprotect(p, 4096, PROT_READ) && p[5] == 7);
	CHECK(mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0 && errno == EACCES);
	CHECK(!madvise(p, 4096, MADV_DONTNEED) && p[5] == 0);
	CHECK(!munmap(p, 64 << 10));
	CHECK(left() + (16 << 10) >= before);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		MAP_FAILED);
}

void os_start(void)
{
	exhaustion();
	growth();
	stacks();
	maps();
	printf("memory ok\n");
	fflush(stdout);
	plat_exit(0);
}
