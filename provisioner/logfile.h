/* SPDX-License-Identifier: ISC */
/* A log that is kept to a size: past it, FILE becomes FILE.1, that FILE.2, and so on. */
#ifndef PROVISIONER_LOGFILE_H
#define PROVISIONER_LOGFILE_H

#include "os/base.h"

#define PROV_LOG_BYTES (8 * 1024 * 1024)
#define PROV_LOG_OLD   3 /* how many older ones stay */

struct prov_log {
	const char *path; /* borrowed */
	int fd;
	uint64_t size_bytes, limit_bytes;
};
/* Appends to what is there. ERR_IO and the like. */
MUST_CHECK int prov_log_open(struct prov_log *l, const char *path, uint64_t limit_bytes);
/* Turns over at the start of a line only, so that no line is cut in two. Errors are dropped: a
 * full disk must not stop the service. */
void prov_log_write(struct prov_log *l, struct str bytes);
void prov_log_close(struct prov_log *l);

#endif
