/* SPDX-License-Identifier: ISC */
/* From lines of mbox files: what is one, and when it says the message came. The rest: tests/e2e/test_import_mail.py. */
#include "provisioner/letters_impl.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

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

static void no_fault(void *ctx, const char *file, uint32_t line, const char *why)
{
	(void)ctx;
	cr_expect(false, "%s, %u: %s", file, (unsigned)line, why);
}

/*
 * A field as long as what is at hand of the file: its end comes alone, and is no empty line. Of its keywords as many
 * are taken as the line before an item has room for, in which they may have to be escaped.
 */
Test(letters, long_field)
{
	static const char head[] = "From a@b Thu Nov  5 13:02:10 2026\nX-Keywords:";
	static const char rest[] = "\nSubject: x\n\nbody\n";
	char text[LETTER_ROOM + sizeof(rest)], path[64];
	int fd = memfd_create("letters", MFD_CLOEXEC);
	struct prov_letters *l;
	struct prov_letter one;

	for (size_t i = 0; i < LETTER_ROOM; i++)
		text[i] = i < sizeof(head) - 1 ? head[i] : " word"[i % 5];
	memcpy(text + LETTER_ROOM, rest, sizeof(rest) - 1);
	cr_assert(fd >= 0 &&
		write(fd, text, LETTER_ROOM + sizeof(rest) - 1) ==
			(ssize_t)(LETTER_ROOM + sizeof(rest) - 1));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	cr_assert_eq(prov_letters_open(&l, path, 1 << 20, no_fault, NULL), 0);
	cr_assert_eq(prov_letters_next(&one, l), 0);
	cr_expect(str_eq(one.bytes, STR("Subject: x\r\n\r\nbody\r\n")), "%.*s", STR_ARG(one.bytes));
	cr_expect(one.keywords.n > 500 && one.keywords.n <= 600, "%zu", one.keywords.n);
	cr_assert_eq(prov_letters_next(&one, l), 0);
	cr_expect(!one.bytes.p);
	prov_letters_close(l);
	close(fd);
}
