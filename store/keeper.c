/* SPDX-License-Identifier: ISC */
/* The fiber that sweeps when space runs out, and waiting for it. */
#include "store/sweep_impl.h"

#include "os/log.h"

#define LOOK_EVERY (10 * OS_SEC)
#define LOOK_FULL  (3600 * OS_SEC)
#define TRY_AGAIN  (60 * OS_SEC) /* after a sweep that failed */
#define WAIT_MOST  (10 * OS_SEC) /* for room */

/* A full disk may have nothing written to it, and its history grows older all the same. */
static bool is_time(struct store *s, os_time again)
{
	if (s->closing || s->failed || os_now() < s->keeper_rests)
		return false;
	return store_sweep_wanted(s) || (os_now() >= again && space_check(s, 0, true) < 0);
}

static void keeper(void *arg)
{
	struct store *s = arg;
	os_time again = os_now();

	while (!s->closing) {
		struct store_sweep w = { 0 };
		int err = os_wait(&s->keeper_wake, os_after(LOOK_EVERY));

		if (err < 0 && err != ERR_TIMEOUT)
			break;
		if (!is_time(s, again))
			continue;
		err = store_sweep(s, &w);
		again = os_after(LOOK_FULL);
		if (err < 0 && err != ERR_CLOSED && err != ERR_BUSY)
			s->keeper_rests = os_after(TRY_AGAIN);
	}
	s->keeper = false;
	os_wake_all(&s->room);
	os_wake_all(&s->idle);
}

void space_wait(struct store *s, os_time deadline)
{
	size_t some = 2 * (size_t)s->super.unit_bytes;
	os_time most = os_after(WAIT_MOST);
	int err = 0;

	while (err >= 0 && s->keeper && !s->closing && !s->failed &&
		(s->sweeping || (store_sweep_wanted(s) && os_now() >= s->keeper_rests)) &&
		space_check(s, some, true) == ERR_NOSPACE) {
		os_wake_all(&s->keeper_wake);
		err = os_wait(&s->room, deadline < most ? deadline : most);
	}
}

int store_keep(struct store *s)
{
	int err = os_spawn("keeper", keeper, s);

	s->keeper = err >= 0;
	return err;
}
