/* SPDX-License-Identifier: ISC */
#include "os/platform/unix/unix.h"

static const char *args = "";

void unix_set_args(const char *a)
{
	args = a;
}

const char *plat_args(void)
{
	return args;
}
