/* SPDX-License-Identifier: ISC */
/* Words for moments: what is understood lies in the past, its end not before its beginning, and reads
 * back as text. The first byte moves the clock. */
#include "provisioner/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int32_t east(const struct prov_zone *z, int64_t t)
{
	(void)z;
	return t / 10000000 % 2 ? 7200 : -12600; /* jumps of hours, now and then */
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct prov_zone z = { east };
	int64_t now = n ? (int64_t)p[0] * 20000003 : 0;
	char text[PROV_WHEN_TEXT];
	struct prov_when w;

	if (prov_when(&w, str_n(p + (n > 0), n - (n > 0)), now, &z) < 0)
		return 0;
	os_assert(w.first <= w.last && w.last <= now);
	prov_when_text(text, w.first, &z);
	os_assert(strlen(text) > 20);
	return 0;
}
