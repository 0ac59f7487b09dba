/* SPDX-License-Identifier: ISC */
/*
 * A private certificate authority, for the `allod` command: ECDSA P-256, PEM in and out.
 *
 *	struct str ca, ca_key, cert, key;                        borrowed from the arena
 *	err = os_ca_make(&ca, &ca_key, &arena, STR("Allod example.org"));          20 years
 *	struct str names[] = { STR("mail.example.org"), STR("127.0.0.1") };
 *	err = os_ca_issue(&cert, &key, &arena, ca, ca_key, names, 2, 365);
 */
#ifndef OS_TLS_CA_H
#define OS_TLS_CA_H

#include "os/base.h"

#define OS_CA_DAYS_MAX  825 /* what Apple's clients take of a private authority */
#define OS_CA_NAMES_MAX 32

/* `name` is letters, digits, spaces, '.', '-': what a person sees in a list of authorities. */
MUST_CHECK int os_ca_make(
	struct str *cert_pem, struct str *key_pem, struct arena *a, struct str name);
/*
 * A certificate for a server under these DNS names and IP addresses, with a new key.
 * It is valid from an hour ago, so that a client whose clock is late takes it.
 */
MUST_CHECK int os_ca_issue(struct str *cert_pem, struct str *key_pem, struct arena *a,
	struct str ca_pem, struct str ca_key_pem, const struct str *names, size_t name_count,
	unsigned days);
/* When a certificate ends, Unix seconds: to issue the next one in time. */
MUST_CHECK int os_cert_expiry(int64_t *unix_sec, struct str cert_pem);

#endif
