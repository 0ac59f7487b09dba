/* SPDX-License-Identifier: ISC */
#ifndef SERVICES_DAV_MATCH_IMPL_H
#define SERVICES_DAV_MATCH_IMPL_H

#include "os/base.h"

/* What is equal for two texts by i;unicode-casemap; what is no UTF-8 stays as it is. */
struct str match_casemap(struct arena *a, struct str s);

#endif
