/* SPDX-License-Identifier: ISC */
/*
 * The folder of an estate ("home", mode 0700) and files in it:
 *
 *	allod.conf               what runs where (provisioner/estate.h)
 *	ca.pem                   the authority clients trust
 *	keys/ca.key  keys/control.token              0600
 *	keys/recovery.pub        what backups are sealed with (provisioner/seal.h)
 *	disks/<service>.img      all that service knows, its TLS key included; 0600
 *	images/<hash>            the images that ran
 *	logs/<service>.log  logs/supervisor.log      rotated: .1 .2 .3
 *	run/lock  run/socket     held and served by the supervisor
 *	accel                    what the acceleration probe found
 */
#ifndef PROVISIONER_HOME_H
#define PROVISIONER_HOME_H

#include "provisioner/verb.h"

/* --home, $ALLOD_HOME, $XDG_DATA_HOME/allod, ~/.local/share/allod; absolute, in the arena. */
MUST_CHECK int prov_home(const char **out, struct arena *a, const char *opt);
/* `path` without slashes at the end, from the current folder when it is relative; in the arena. */
MUST_CHECK int prov_absolute(const char **out, struct arena *a, struct str path);
/* "<home>/<printf>", in the arena; never NULL (ends the program when the arena is full). */
const char *prov_path(struct prov *p, const char *fmt, ...) PRINTF(2, 3);
/* Everything below it and itself; what is absent is gone. ERR_IO. */
MUST_CHECK int prov_remove(const char *path);
/* Folder with its parents, mode 0700 for what is made. */
MUST_CHECK int prov_mkdirs(const char *path);
/* Whole file in the arena, at most `max` bytes. ERR_NOENT, ERR_LIMIT, ERR_IO. */
MUST_CHECK int prov_file_read(struct str *out, struct arena *a, const char *path, size_t max);
/* All or nothing, durable: written aside, synced, renamed. */
MUST_CHECK int prov_file_write(struct prov *p, const char *path, struct str bytes, unsigned mode);
bool prov_file_exists(const char *path);
/* Words for this errno after "what": ERR_IO (ERR_NOENT, ERR_DENIED, ERR_NOSPACE where they fit). */
MUST_CHECK int prov_errno(const char *what, const char *path);

#endif
