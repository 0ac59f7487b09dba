/* SPDX-License-Identifier: ISC */
/*
 * What a backup holds besides the git repositories: estate.sealed, which only the recovery code
 * opens. A JSON object:
 *
 *	{"version": 1, "made": <unix seconds>,
 *	 "files": {"allod.conf": "...", "ca.pem": "...", "keys/ca.key": "...", "keys/control.token": "..."},
 *	 "services": {"mail": {"disk_bytes": <n>, "endpoint": "<16 hex digits>",
 *	                       "refs": ["refs/heads/alice", ...]}}}
 */
#ifndef PROVISIONER_SEAL_H
#define PROVISIONER_SEAL_H

#include "identity/recovery.h"
#include "provisioner/estate.h"

#include <jansson.h>

#define PROV_SEAL_FILE "estate.sealed"
#define PROV_SEAL_KEY  "keys/recovery.pub"

/* Files of an estate without which it is not the same one; ended by NULL. */
extern const char *const prov_seal_files[];

/* A new code and its key in keys/: what was sealed before needs the code of then. */
MUST_CHECK int prov_seal_key_make(char code[static ID_CODE_TEXT], struct prov *p);
/* ERR_NOENT: an estate from before there were codes. */
MUST_CHECK int prov_seal_key(struct id_seal_key *out, struct prov *p);
/* Says the code to the person, with the advice. */
void prov_seal_tell(const char *code);

/* `services` as above, a new reference that is taken. All or nothing, durable. */
MUST_CHECK int prov_seal_write(struct prov *p, const char *dir, json_t *services);
/*
 * A new reference; ERR_NOENT: no such file; ERR_DENIED: another code's; ERR_CORRUPT: damaged, or
 * made by a newer allod.
 */
MUST_CHECK int prov_seal_read(
	json_t **out, struct prov *p, const char *dir, const struct id_code *code);
/* One of its files; STR_NONE when it is not there. Borrowed. */
struct str prov_seal_get(const json_t *sealed, const char *file);

#endif
