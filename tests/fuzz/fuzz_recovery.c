/* SPDX-License-Identifier: ISC */
/* A code as somebody typed it, and a sealed file as somebody left it: refused or understood. */
#include "identity/recovery.h"
#include "os/crypto.h"

#include <sodium.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char typed[] = "aaaab-aaaac-aaaad-aaaae-aaaaf-aaaag-aaaah";
	static struct id_code known;
	static bool begun;
	struct str in = str_n(p, n);
	struct id_code code;
	struct buf out;

	if (!begun) {
		os_assert(sodium_init() >= 0);
		os_assert(id_recovery_parse(&known, str_of(typed)) == 0);
		begun = true;
	}
	if (id_recovery_parse(&code, in) == 0)
		id_recovery_wipe(&code);
	buf_init(&out, NULL);
	/* Nobody guesses what opens: it is authenticated. */
	if (id_recovery_open(&out, &known, in) == 0) {
		struct buf again;

		buf_init(&again, NULL);
		os_assert(id_recovery_seal(&again, &known.key, buf_str(&out)) == 0);
		buf_free(&again);
	}
	buf_free(&out);
	return 0;
}
