/* SPDX-License-Identifier: ISC */
/* What decodes must encode to the very same bytes, and the other way round. */
#include "services/mail/utf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str in = str_n(p, n), there, back;
	struct arena a;

	arena_init(&a, 1 << 20);
	if (mail_utf7_decode(&there, &a, in) == 0) {
		os_assert(mail_utf7_encode(&back, &a, there) == 0);
		os_assert(str_eq(in, back));
	}
	if (mail_utf7_encode(&there, &a, in) == 0) {
		os_assert(mail_utf7_decode(&back, &a, there) == 0);
		os_assert(str_eq(in, back));
	}
	arena_free(&a);
	return 0;
}
