/* SPDX-License-Identifier: ISC */
/* Lines that differ between two small texts, for people. Pure. */
#ifndef PROVISIONER_DIFF_H
#define PROVISIONER_DIFF_H

#include "os/base.h"

#define PROV_DIFF_LINES 128 /* past it on either side: all of the old goes, all of the new comes */

/* `sign` is '-' or '+'; lines without their end, in the order of the texts. */
typedef void prov_diff_fn(void *ctx, char sign, struct str line);
void prov_diff(struct str before, struct str after, prov_diff_fn *fn, void *ctx);

#endif
