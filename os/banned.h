/* SPDX-License-Identifier: ISC */
/* Calls that cannot be used safely do not compile. Included by os/base.h, before anything else. */
#ifndef OS_BANNED_H
#define OS_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets alloca strncpy strncat

#endif
