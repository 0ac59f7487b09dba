/* SPDX-License-Identifier: ISC */
/*
 * Asks QEMU's user network who has 10.0.2.2, many times over. Breakage: frames in or out lost or
 * cut, the ring not refilled (it would stop after one round), a wait that frames do not end.
 */
#include "os/platform.h"

#include <stdio.h>

#define ROUNDS 500

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			printf("line %d: %s\n", __LINE__, #cond); \
			fflush(stdout); \
			plat_exit(70); \
		} \
	} while (0)

static unsigned told;

static void ready(void *ctx)
{
	++*(unsigned *)ctx;
}

static const uint8_t ours[] = { 10, 0, 2, 15 }, theirs[] = { 10, 0, 2, 2 };

static void ask(const struct plat_nic *nic)
{
	static const uint8_t kind[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
	uint8_t to[6], rest[32] = { 0 };

	memset(to, 0xff, sizeof(to));
	memcpy(rest, nic->mac, 6);
	memcpy(rest + 6, ours, 4);
	memcpy(rest + 16, theirs, 4);
	const struct plat_iov iov[] = { { to, 6 }, { nic->mac, 6 }, { kind, sizeof(kind) },
		{ rest, sizeof(rest) } };
	CHECK(plat_nic_send(0, iov, ARRAY_LEN(iov)) == 0);
}

static bool answered(const struct plat_nic *nic)
{
	const void *frame;
	const uint8_t *p;
	size_t n;
	bool found = false;

	while (plat_nic_recv(&frame, &n, 0) == 0) {
		const void *other;
		p = frame;
		CHECK(plat_nic_recv(&other, &n, 0) < 0); /* one at a time */
		if (n >= 42 && !memcmp(p, nic->mac, 6) && p[12] == 8 && p[13] == 6 && p[21] == 2 &&
			!memcmp(p + 28, theirs, 4) && !memcmp(p + 38, ours, 4))
			found = true;
		plat_nic_done(0);
	}
	return found;
}

void os_start(void)
{
	struct plat_nic nic, none;
	uint64_t slowest = 0;

	CHECK(plat_nic_open(&none, 1, ready, &told) == ERR_NOENT);
	CHECK(plat_nic_open(&nic, 0, ready, &told) == 0);
	CHECK(nic.mtu == 1500 && !memcmp(nic.mac, "\x52\x54\x00\x12\x34\x99", 6));
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t from = plat_mono_ns();
		ask(&nic);
		do {
			CHECK(plat_mono_ns() - from < 2000000000);
			plat_wait(from + 2000000000);
			plat_poll();
		} while (!answered(&nic));
		uint64_t took = plat_mono_ns() - from;
		slowest = took > slowest ? took : slowest;
	}
	static char big[2000];
	const struct plat_iov too_long = { big, 1519 }, longest = { big, 1514 };
	CHECK(plat_nic_send(0, &too_long, 1) == ERR_BAD || nic.mtu > 1500);
	for (unsigned i = 0; i < 300; i++) { /* more than the ring holds: refused, then taken */
		int err;
		while ((err = plat_nic_send(0, &longest, 1)) == ERR_BUSY) {
			plat_wait(plat_mono_ns() + 1000000000);
			plat_poll();
		}
		CHECK(err == 0);
	}
	CHECK(told >= ROUNDS / 2);
	printf("net ok, slowest answer %lu us\n", slowest / 1000);
	fflush(stdout);
	plat_exit(0);
}
