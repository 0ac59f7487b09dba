/* SPDX-License-Identifier: ISC */
/* What is a vCard can be told in either version, and that reads as one vCard of that version. */
#include "services/contacts/card.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const enum card_version versions[] = { CARD_30, CARD_40 };
	const struct content *card, *again;
	struct arena a;
	struct buf b;

	arena_init(&a, 64 << 20);
	if (card_read(&card, &a, str_n(p, n)) == 0)
		for (size_t i = 0; i < 2; i++) {
			buf_init(&b, &a);
			os_assert(card_convert(&b, &a, card, versions[i], NULL, NULL) == 0);
			if (card_read(&again, &a, buf_str(&b)) < 0)
				continue; /* over a limit now; a quote in a parameter */
			os_assert(card_version(again) == versions[i]);
			os_assert(content_get(again, STR("FN"), NULL) != NULL);
		}
	(void)card_accepted(str_n(p, n), CARD_30);
	arena_free(&a);
	return 0;
}
