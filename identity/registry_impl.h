/* SPDX-License-Identifier: ISC */
/* What registry.c and password.c share: the estate branch as it is kept in memory. */
#ifndef IDENTITY_REGISTRY_IMPL_H
#define IDENTITY_REGISTRY_IMPL_H

#include "identity/registry.h"
#include "os/crypto.h"

#define ID_SALT_BYTES 16

struct id_secret {
	struct str name;                  /* of the client, of the device */
	int64_t created_sec, expires_sec; /* expires_sec: of a token */
	uint8_t salt[ID_SALT_BYTES], mac[OS_MAC_BYTES];
	struct id_secret *next;
};
struct id_secrets {
	struct id_secret *first;
	unsigned count;
};
struct id_user {
	struct str name, full_name;
	int64_t created_sec;
	struct id_secrets secrets[ID_KINDS];
	struct id_user *next;
};
struct id_registry {
	struct store *s;
	struct arena a; /* everything below; replaced as a whole when the branch moved */
	struct str domain;
	struct id_user *users, **tail;
	unsigned user_count;
	bool stale; /* the branch moved since it was read */
};

/* Read the branch again if it moved. */
MUST_CHECK int id_refresh(struct id_registry *r);
struct id_user *id_user_find(struct id_registry *r, struct str name); /* NULL: none */
/* One file of the estate written (or removed, with text.p NULL) as one commit. BLOCKS. */
MUST_CHECK int id_change(struct store *s, struct str path, struct str text, struct str message);
/* Lower-case letters and digits, with `upper` capitals, and after the first byte those of `more`. */
bool id_name_ok(struct str s, size_t max, bool upper, const char *more);
/* Of the folder below users/<user>/. */
struct str id_kind_folder(enum id_kind kind);
/* "blake2b:<salt>:<mac>" and what follows. */
MUST_CHECK int id_secret_parse(struct id_secret *p, struct str text);
/* The value of "key = value" among the lines; STR_NONE. */
struct str id_file_get(struct str text, struct str key);
int64_t id_file_time(struct str text, struct str key);

#endif
