/* SPDX-License-Identifier: ISC */
/*
 * People and their per-client passwords: the branch refs/heads/estate, read from memory.
 *
 *	err = id_open(&reg, store);                      follows every later change of the branch
 *	err = id_user_add(reg, STR("alice"), STR("Alice"));
 *	err = id_password_add(&secret, &arena, reg, STR("alice"), STR("thunderbird"));
 *	err = id_login(&who, reg, STR("alice@example.org"), secret);       0, or ERR_DENIED
 *
 * Layout of the branch:
 *	estate                       "domain = example.org\n"
 *	users/<user>/user            "name = Alice\n"
 *	users/<user>/passwords/<client>   "blake2b:<salt>:<mac>\ncreated = <unix seconds>\n"
 * Passwords are made here, 150 random bits, so that a salted BLAKE2b is enough and checking costs nothing.
 */
#ifndef IDENTITY_REGISTRY_H
#define IDENTITY_REGISTRY_H

#include "store/store.h"

#define ID_USER_BYTES_MAX     64
#define ID_CLIENT_BYTES_MAX   64
#define ID_USERS_MAX          1000
#define ID_PASSWORDS_MAX      100 /* per user */
#define ID_PASSWORD_BYTES_MAX 128

struct id_registry;
/* Makes the estate branch; ERR_EXIST when there is one. BLOCKS. */
MUST_CHECK int id_found(struct store *s, struct str domain);
/* ERR_NOENT: no estate on this store. BLOCKS. */
MUST_CHECK int id_open(struct id_registry **out, struct store *s);
void id_close(struct id_registry *r);

/* Borrowed until the estate branch changes (a call that BLOCKS). */
struct str id_domain(const struct id_registry *r);

/* Lower-case letters, digits, '.', '-', '_'; starting with a letter or digit. */
MUST_CHECK int id_user_add(struct id_registry *r, struct str user,
	struct str full_name); /* BLOCKS; ERR_EXIST, ERR_BAD */
typedef int id_user_fn(void *ctx, struct str user, struct str full_name); /* < 0 stops */
MUST_CHECK int id_user_list(struct id_registry *r, id_user_fn *fn, void *ctx);

/*
 * The user a mail address or login name means: "alice", "alice@example.org",
 * "alice+tag@example.org", case-folded. ERR_NOENT: none here; ERR_UNSUPPORTED: the domain is not
 * ours. `out` holds ID_USER_BYTES_MAX + 1.
 */
MUST_CHECK int id_user_of(char *out, struct id_registry *r, struct str address);
/* "postmaster", too, is a user: the first one that was made (RFC 5321 4.5.1). */

/*
 * A new password for this client, shown once, in the arena; replaces one of the same name. Client names:
 * letters, digits, spaces and . - _ @ +, starting with a letter or digit. BLOCKS.
 */
MUST_CHECK int id_password_add(struct str *out, struct arena *a, struct id_registry *r,
	struct str user, struct str client);
/* The same password as id_password_add made for another service of this estate; ERR_BAD: it has
 * another shape. `a` is for the work. BLOCKS. */
MUST_CHECK int id_password_put(struct arena *a, struct id_registry *r, struct str user,
	struct str client, struct str secret);
MUST_CHECK int id_password_revoke(
	struct id_registry *r, struct str user, struct str client); /* BLOCKS; ERR_NOENT */
typedef int id_password_fn(void *ctx, struct str client, int64_t created_sec);
MUST_CHECK int id_password_list(
	struct id_registry *r, struct str user, id_password_fn *fn, void *ctx);

struct id_login {
	char user[ID_USER_BYTES_MAX + 1];
	char client[ID_CLIENT_BYTES_MAX + 1]; /* whose password it was */
};
/* ERR_DENIED for a wrong name as for a wrong password, in the same time. Does not BLOCK. */
MUST_CHECK int id_login(
	struct id_login *out, struct id_registry *r, struct str login, struct str password);

#endif
