/* SPDX-License-Identifier: ISC */
/*
 * One line per event, key=value, written to the console:
 *	os_log(OS_INFO, "svc=smtp event=rcpt result=550 why=no-such-user rcpt=%.*s", ...);
 * prints  `2026-11-21T10:00:00.123Z info sid=0000002a svc=smtp event=rcpt ...`.
 * One place in the program may say 1000
 * lines at once and 100 a second; "event=left-out" counts the rest. No message content, no secrets. Control bytes in the text are shown as \xNN; a line is
 * cut at 1000 bytes. Formatted in one static buffer, so it costs no fiber stack.
 */
#ifndef OS_LOG_H
#define OS_LOG_H

#include "os/base.h"

enum os_level { OS_DEBUG, OS_INFO, OS_WARN, OS_ERROR };

void os_log(enum os_level level, const char *fmt, ...) PRINTF(2, 3);
void os_log_level(enum os_level least); /* default OS_INFO */

#endif
