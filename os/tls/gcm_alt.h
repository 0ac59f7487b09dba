/* SPDX-License-Identifier: ISC */
/*
 * What stands for mbedTLS's GCM context; mbedtls/gcm.h includes it. Behind the calls of that header
 * stands os/tls/gcm.c, and behind it libsodium or mbedTLS's own code, which third_party/recipes/mbedtls.sh
 * builds as mbedtls_gcm_plain_*.
 */
#ifndef OS_TLS_GCM_ALT_H
#define OS_TLS_GCM_ALT_H

#include <mbedtls/gcm_plain.h>

typedef struct mbedtls_gcm_context {
	union {
		mbedtls_gcm_plain_context plain;
		_Alignas(16) unsigned char fast[512]; /* crypto_aead_aes256gcm_state */
	};
	_Bool is_fast;
} mbedtls_gcm_context;

#endif
