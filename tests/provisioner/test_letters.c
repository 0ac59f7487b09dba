/* SPDX-License-Identifier: ISC */
/* From lines of mbox files: what is one, and when it says the message came. The rest: tests/e2e/test_import_mail.py. */
#include "provisioner/letters.h"

#include <criterion/criterion.h>

Test(letters, from_lines)
{
	static const struct {
		const char *line;
		int64_t sec; /* -1: none */
	} rows[] = {
		{ "From MAILER-DAEMON Thu Nov  5 13:02:10 2026", 1793883730 },
		{ "From - Thu Nov 05 13:02:10 2026\r", 1793883730 },
		{ "From a@b Thu Nov  5 13:02 2026", 1793883720 },
		{ "From a@b Thu Nov  5 13:02:10 CET 2026", 1793883730 },
		{ "From a@b Thu Nov  5 13:02:10 2026 +0100", 1793880130 },
		{ "From 12@xxx Thu Nov 05 13:02:10 +0000 2026", 1793883730 },
		{ "From a@b 5 Nov 2026 13:02:10 -0030", 1793885530 },
		{ "From \"a b\"@c Thu Nov  5 13:02:10 2026 remote from d", 1793883730 },
		{ "From here at 10:30 we went", -1 },
		{ "From the desk of A", -1 },
		{ "From a@b Thu Nov  5 25:02:10 2026", -1 },
		{ "From a@b Thu Nix  5 13:02:10 2026", -1 },
		{ "From a@b Thu Nov  5 13:02:10", -1 },
		{ "From ", -1 },
		{ "from a@b Thu Nov  5 13:02:10 2026", -1 },
		{ ">From a@b Thu Nov  5 13:02:10 2026", -1 },
		{ "From: a@b Thu Nov  5 13:02:10 2026", -1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t sec = -1;
		bool is = prov_from_line(&sec, str_of(rows[i].line));
		cr_expect_eq(is ? sec : -1, rows[i].sec, "%s: %lld", rows[i].line, (long long)sec);
	}
}
