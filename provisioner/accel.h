/* SPDX-License-Identifier: ISC */
/*
 * May QEMU use the processor's virtualisation here? Not to be told by opening /dev/kvm: some hosts
 * open it and cannot run an ordinary 64-bit guest. So a guest of a few hundred bytes
 * (accel_guest.S) is started with it once and has two seconds to report; the answer is kept in
 * the estate's folder.
 */
#ifndef PROVISIONER_ACCEL_H
#define PROVISIONER_ACCEL_H

#include "provisioner/verb.h"

#define PROV_ACCEL_NS (2 * (int64_t)1000000000)

/* "kvm" or "tcg": what is remembered, "tcg" before any probe. */
const char *prov_accel_known(struct prov *p);
/*
 * Probes, unless an answer is remembered and `anew` is false. *out "kvm" or "tcg"; *why says in
 * words why not kvm ("" when it is kvm or was remembered). ERR_NOENT: QEMU is not installed.
 */
MUST_CHECK int prov_accel_probe(const char **out, const char **why, struct prov *p, bool anew);
/* Runs the probe guest under this accelerator: 0, ERR_TIMEOUT, ERR_IO (it ended otherwise). */
MUST_CHECK int prov_accel_try(struct prov *p, const char *accel, int64_t patience_ns);

#endif
