/* SPDX-License-Identifier: ISC */
/*
 * The recovery code: what a person keeps on paper to get an estate back from its backups. The
 * machine keeps a key that can only seal, so backups need no code and a stolen machine or backup
 * gives nothing away.
 *
 *	char code[ID_CODE_TEXT];
 *	struct id_seal_key key;
 *	id_recovery_make(code, &key);                    show the code once, keep the key
 *	err = id_recovery_seal(&sealed, &key, bytes);
 *
 *	struct id_code secret;
 *	err = id_recovery_parse(&secret, typed);         ERR_BAD: says which group is mistyped
 *	err = id_recovery_open(&bytes, &secret, sealed);
 *	id_recovery_wipe(&secret);
 *
 * A code is 7 groups of 5 letters and digits, none that look alike, "qk3f7-...": 140 random bits.
 * The fifth of each group checks the other four and the group's place, so a slip of the pen is found
 * before it matters, and where it is can be told. The seal is libsodium's crypto_box_seal for the
 * key pair whose seed is the code's keyed BLAKE2b.
 */
#ifndef IDENTITY_RECOVERY_H
#define IDENTITY_RECOVERY_H

#include "os/base.h"

#define ID_CODE_TEXT  42 /* with its NUL */
#define ID_SEALED_MAX (4u << 20)

struct id_seal_key {
	uint8_t b[32];
};
struct id_code { /* secret */
	struct id_seal_key key;
	uint8_t open[32];
};
void id_recovery_make(char code[static ID_CODE_TEXT], struct id_seal_key *key);
/* Spaces, line ends, hyphens and capitals do not matter. ERR_BAD with a sentence for the person. */
MUST_CHECK int id_recovery_parse(struct id_code *out, struct str typed);
void id_recovery_wipe(struct id_code *code);
/* The key as a line of text, and back. */
void id_recovery_key_text(struct buf *out, const struct id_seal_key *key);
MUST_CHECK int id_recovery_key_parse(struct id_seal_key *out, struct str text);

/* Appends; ERR_LIMIT over ID_SEALED_MAX. */
MUST_CHECK int id_recovery_seal(struct buf *out, const struct id_seal_key *key, struct str bytes);
/* Appends. ERR_BAD: not sealed by us; ERR_DENIED: for another code; ERR_CORRUPT: damaged. */
MUST_CHECK int id_recovery_open(struct buf *out, const struct id_code *code, struct str sealed);

#endif
