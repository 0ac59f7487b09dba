/* SPDX-License-Identifier: ISC */
/* The fiber that sweeps when space runs out. */
#include "store/sweep_impl.h"

#include "os/log.h"

#define LOOK_EVERY (10 * OS_SEC)
#define TRY_AGAIN  (60 * OS_SEC) /* after a sweep that failed */

static void keeper(void *arg)
{
	struct store *s = arg;
	os_time not_before = 0;

	while (!s->closing) {
		struct store_sweep w = { 0 };
		int err = os_wait(&s->keeper_wake, os_after(LOOK_EVERY));

		if (err < 0 && err != ERR_TIMEOUT)
			break;
		if (s->closing || s->failed || os_now() < not_before || !store_sweep_wanted(s))
			continue;
		err = store_sweep(s, &w);
		if (err < 0 && err != ERR_CLOSED)
			not_before = os_after(TRY_AGAIN);
	}
	s->keeper = false;
	os_wake_all(&s->idle);
}

int store_keep(struct store *s)
{
	int err = os_spawn("keeper", keeper, s);

	s->keeper = err >= 0;
	return err;
}
