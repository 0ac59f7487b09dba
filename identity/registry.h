/* SPDX-License-Identifier: ISC */
/*
 * People, the passwords of their programs, the tokens of their devices: the branch refs/heads/estate,
 * read from memory.
 *
 *	err = id_open(&reg, store);                      follows every later change of the branch
 *	err = id_user_add(reg, STR("alice"), STR("Alice"));
 *	struct id_key k = { ID_PASSWORD, STR("alice"), STR("thunderbird") };
 *	err = id_secret_add(&secret, &arena, reg, &k, 0);
 *	err = id_login(&who, reg, STR("alice@example.org"), secret);       0, or ERR_DENIED
 *
 * Layout of the branch:
 *	estate                       "domain = example.org\n"
 *	users/<user>/user            "name = Alice\n"
 *	users/<user>/passwords/<client>   "blake2b:<salt>:<mac>\ncreated = <unix seconds>\n"
 *	users/<user>/tokens/<device>      the same and "expires = <unix seconds>\n"
 * Both are made here, 150 random bits, so that a salted BLAKE2b is enough and checking costs nothing.
 */
#ifndef IDENTITY_REGISTRY_H
#define IDENTITY_REGISTRY_H

#include "store/store.h"

#define ID_USER_BYTES_MAX     64
#define ID_CLIENT_BYTES_MAX   64
#define ID_USERS_MAX          1000
#define ID_DEVICE_BYTES_MAX   63
#define ID_PASSWORDS_MAX      100 /* per user; and as many tokens */
#define ID_TOKEN_DAYS         180 /* as long as a replica keeps its merge base */
#define ID_TOKEN_DAYS_MAX     3650
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
 * What lets in: an app password of a client, or the bearer token of a device, which git alone takes.
 * Apart, on disk as well: what takes the one never meets the other.
 */
enum id_kind { ID_PASSWORD, ID_TOKEN, ID_KINDS };
struct id_key { /* borrowed */
	enum id_kind kind;
	struct str user;
	/* Of the client: letters, digits, spaces and . - _ @ +, starting with a letter or digit. Of the
	 * device: lower-case letters, digits and '-', as in refs/devices/<device>/<user>. */
	struct str name;
};
bool id_device_ok(struct str name);
/*
 * A new secret, shown once, in the arena; replaces one of the same name. With secret->p set: the one
 * that was made for another service of this estate; ERR_BAD: it has another shape. A token is good
 * until `expires_sec`; 0 for a password. BLOCKS.
 */
MUST_CHECK int id_secret_add(struct str *secret, struct arena *a, struct id_registry *r,
	const struct id_key *k, int64_t expires_sec);
MUST_CHECK int id_secret_revoke(
	struct id_registry *r, const struct id_key *k); /* BLOCKS; ERR_NOENT */
typedef int id_secret_fn(void *ctx, struct str name, int64_t created_sec, int64_t expires_sec);
MUST_CHECK int id_secret_list(
	struct id_registry *r, struct str user, enum id_kind kind, id_secret_fn *fn, void *ctx);

struct id_login {
	char user[ID_USER_BYTES_MAX + 1];
	char client[ID_CLIENT_BYTES_MAX + 1]; /* whose password it was */
	char device[ID_DEVICE_BYTES_MAX + 1]; /* or whose token; the other one is "" */
};
/* ERR_DENIED for a wrong name as for a wrong password, in the same time. Does not BLOCK. */
typedef int id_login_fn(
	struct id_login *out, struct id_registry *r, struct str login, struct str secret);
/* By a password alone. */
MUST_CHECK int id_login(
	struct id_login *out, struct id_registry *r, struct str login, struct str password);
/* By a token alone; one that was right and has expired: ERR_TIMEOUT with a sentence for its owner. */
MUST_CHECK int id_login_device(
	struct id_login *out, struct id_registry *r, struct str login, struct str token);
MUST_CHECK int id_login_either(
	struct id_login *out, struct id_registry *r, struct str login, struct str secret);

#endif
