/* SPDX-License-Identifier: ISC */
#include "os/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* What the lines look like on the console, read back through a pipe. */
static size_t logged(char *out, size_t cap, enum os_level level, const char *text)
{
	int p[2], saved = dup(2);
	ssize_t n;

	cr_assert_eq(pipe(p), 0);
	dup2(p[1], 2);
	close(p[1]);
	os_log(level, "%s", text);
	dup2(saved, 2);
	close(saved);
	n = read(p[0], out, cap - 1);
	close(p[0]);
	cr_assert_geq(n, 0);
	out[n] = 0;
	return (size_t)n;
}

Test(log, line)
{
	static char out[4096], longer[3000];
	int year, month, day, hour, min, sec, ms, end = 0;

	logged(out, sizeof(out), OS_INFO, "svc=x key=\xc3\xa9 a\r\nb\t\x7f");
	sscanf(out, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &min, &sec, &ms,
		&end);
	cr_expect_eq(end, 24);
	cr_expect_str_eq(
		out + end, " info sid=00000000 svc=x key=\xc3\xa9 a\\x0d\\x0ab\\x09\\x7f\n");
	memset(longer, 1, sizeof(longer) - 1);
	cr_expect_leq(logged(out, sizeof(out), OS_ERROR, longer), 1000);
	cr_expect_eq(out[strlen(out) - 1], '\n');
	cr_expect_eq(logged(out, sizeof(out), OS_DEBUG, "quiet"), 0);
	os_log_level(OS_DEBUG);
	cr_expect_gt(logged(out, sizeof(out), OS_DEBUG, "loud"), 0);
}

/* Catches a flood of one line that goes out whole, or that silences others. */
Test(log, flood)
{
	static char out[1 << 20];
	int p[2], saved = dup(2), lines = 0;
	size_t n = 0;
	ssize_t got;

	cr_assert_eq(pipe(p), 0);
	cr_assert_geq(fcntl(p[1], F_SETPIPE_SZ, sizeof(out)), (int)sizeof(out));
	dup2(p[1], 2);
	close(p[1]);
	for (int i = 0; i < 5000; i++)
		os_log(OS_WARN, "svc=x event=noise n=%d", i);
	os_log(OS_WARN, "svc=x event=else");
	usleep(50000);
	os_log(OS_WARN, "svc=x event=noise n=%d", -1);
	dup2(saved, 2);
	close(saved);
	while (n < sizeof(out) - 1 && (got = read(p[0], out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)got;
	close(p[0]);
	out[n] = 0;
	for (size_t i = 0; i < n; i++)
		lines += out[i] == '\n';
	cr_expect(lines > 1000 && lines < 3000, "%d lines", lines);
	cr_expect_not_null(strstr(out, "event=else"));
	cr_expect_not_null(strstr(out, "event=noise n=-1"));
	cr_expect_not_null(strstr(out, "event=left-out lines="));
}
