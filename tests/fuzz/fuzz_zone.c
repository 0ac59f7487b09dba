/* SPDX-License-Identifier: ISC */
/* TZif data of any shape: refused, or offsets within what a reader should take. */
#include "services/calendar/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const int64_t times[] = { -5000000000, 0, 1774746000, 1792889999, 2700000000,
		32503680000 };
	struct zone z, found;

	if (zone_parse(&z, STR("x"), str_n(p, n)) == 0)
		for (size_t i = 0; i < ARRAY_LEN(times); i++) {
			int32_t off = zone_offset(&z, times[i]);
			os_assert(off > -8 * 86400 && off < 8 * 86400);
			int64_t utc = zone_to_utc(&z, times[i]);
			os_assert(utc > times[i] - 8 * 86400 && utc < times[i] + 8 * 86400);
		}
	if (zone_find(&found, str_n(p, n)) == 0)
		os_assert(found.name.n > 0);
	return 0;
}
