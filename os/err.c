/* SPDX-License-Identifier: ISC */
#include "os/fiber_impl.h"

#include <stdio.h>

/* Used before there are fibers, and by programs that never start any. */
static struct os_err_slot boot_slot;
struct os_err_slot *os_err_slot = &boot_slot;

const char *err_name(int err)
{
	switch (err) {
#define X(name, value, words) \
	case value: return words;
		ERR_TABLE(X)
#undef X
	case 0: return "ok";
	default: return "unknown error";
	}
}

int(err_set)(int err, const char *fmt, ...)
{
	/* The arguments may borrow the old sentence ("%s", err_text(err)): format aside, then copy.
	 */
	static char room[OS_ERR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(room, sizeof(room), fmt, ap);
	va_end(ap);
	os_err_slot->err = err;
	memcpy(os_err_slot->text, room, sizeof(room));
	return err;
}

const char *err_text(int err)
{
	if (err != 0 && os_err_slot->err == err && os_err_slot->text[0] != 0)
		return os_err_slot->text;
	return err_name(err);
}
