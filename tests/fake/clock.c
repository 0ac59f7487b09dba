/* SPDX-License-Identifier: ISC */
#include "tests/fake/clock.h"
#include "store/store_impl.h"

void fake_clock_ahead(struct store *s, int64_t sec)
{
	s->ahead_sec = sec;
}
