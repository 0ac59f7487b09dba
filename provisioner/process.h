/* SPDX-License-Identifier: ISC */
/* A service's process, QEMU or the service itself: in a session of its own, its output in a pipe. */
#ifndef PROVISIONER_PROCESS_H
#define PROVISIONER_PROCESS_H

#include "os/base.h"

#include <sys/types.h>

#define PROV_QMP_FD 3 /* what the child calls its end */

struct prov_process {
	pid_t pid;      /* 0: none */
	int pidfd;      /* readable when it has ended */
	int out;        /* its stdout and stderr; -1 once it closed them */
	int qmp;        /* our end of its machine protocol; -1: none */
	bool reset;     /* QEMU said that the guest reset itself: a triple fault */
	char heard[16]; /* the end of what it said, for words cut in two */
	size_t heard_n;
};
#define PROV_NO_PROCESS { .pidfd = -1, .out = -1, .qmp = -1 }

/* `argv` is searched in PATH. With `qmp`, QEMU (started by -S) is told to run. The child gets SIGTERM should we die. ERR_NOENT: no such program. */
MUST_CHECK int prov_spawn(struct prov_process *out, const char *const *argv, bool qmp);
/* Ask for an orderly stop; may be repeated. */
void prov_process_stop(struct prov_process *c);
void prov_process_kill(struct prov_process *c);
/* Its listeners queue more than they asked for: QEMU's user network asks for one (libslirp, listen(s, 1)),
 * and of a crowd that connects at once most would wait for retransmissions, or be reset. How many there
 * are; 0 also where the kernel refuses. */
int prov_process_queue(const struct prov_process *c);
/* Read what QEMU says; only a reset of the guest is of interest. */
void prov_process_hear(struct prov_process *c);
/* After pidfd became readable: its wait status; hears the rest, closes everything but `out`. */
int prov_process_reap(struct prov_process *c);

#endif
