/* SPDX-License-Identifier: ISC */
/* Any If header: read to its end or refused; what is decided was decided about a resource. */
#include "services/dav/if.h"

#include <stdlib.h>

static void named(void *ctx, struct dav_if_subject *s, struct str tag)
{
	unsigned *n = ctx;

	if (tag.p && tag.n > 1 << 20)
		abort();
	++*n;
	*s = (struct dav_if_subject){ STR("\"e\""), tag.n ? tag : STR("urn:t") };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of exactly that size, so that reading past its end is seen. */
	char *copy = malloc(n ? n : 1);
	unsigned asked = 0;
	bool yes = true;

	if (!copy)
		abort();
	if (n)
		memcpy(copy, data, n);
	if (dav_if_eval(&yes, str_n(copy, n), named, &asked) < 0)
		yes = false;
	else if (n == 0 || asked == 0)
		abort(); /* it held, or not, of nothing */
	for (struct str tag, in = str_n(copy, n); dav_if_etag(&tag, &in);)
		if (tag.n > n)
			abort();
	free(copy);
	return 0;
}
