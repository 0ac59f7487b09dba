/* SPDX-License-Identifier: ISC */
/*
 * What the end of a service means and when it may start again. Pure.
 *
 * Clean: it stays stopped. Refused configuration: it would refuse again, so it stays failed until
 * a person acts; so does one that QEMU refused to start, unless it did run before. Crash: again
 * after 200 ms, doubling; to 1 s when it had come up and served (people wait for it), to 30 s when it
 * did not even start. A minute of health starts over.
 */
#ifndef PROVISIONER_RESTART_H
#define PROVISIONER_RESTART_H

#include "provisioner/estate.h"

enum prov_end { PROV_END_CLEAN, PROV_END_CONFIG, PROV_END_REFUSED, PROV_END_CRASH };

#define PROV_BACKOFF_LEAST_NS  (200 * OS_MS)
#define PROV_BACKOFF_SERVED_NS OS_SEC
#define PROV_BACKOFF_MOST_NS   (30 * OS_SEC)
#define PROV_HEALTHY_NS        (60 * OS_SEC)

/*
 * `status` as waitpid gives it. On virt the guest's code c reaches us as QEMU's exit status
 * 2c + 1 (isa-debug-exit), a clean power-off as 0, and QEMU's own refusal to start as 1. A triple
 * fault ends in 0 as well, but QEMU has told of the `reset`.
 */
enum prov_end prov_end_of(enum prov_target target, int status, bool reset, const char **words);

struct prov_backoff {
	os_time next; /* 0: as after health */
};
/* How long to wait after a run of `ran` that crashed; `served`: its greetings were seen. */
os_time prov_backoff_after(struct prov_backoff *b, os_time ran, bool served);

#endif
