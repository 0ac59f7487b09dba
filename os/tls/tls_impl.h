/* SPDX-License-Identifier: ISC */
#ifndef OS_TLS_TLS_IMPL_H
#define OS_TLS_TLS_IMPL_H

#include "os/tls.h"

#include <mbedtls/ssl.h>

struct os_tls {
	mbedtls_ssl_config conf;
	mbedtls_x509_crt chain; /* ours, or the ones a client trusts */
	mbedtls_pk_context key;
};

/* Once, before anything else of mbedTLS. */
MUST_CHECK int tls_init(void);
int tls_rng(void *ctx, unsigned char *p, size_t n);
/* Our code, and a sentence "WHAT: why", for what mbedTLS returned. */
int tls_err(int code, const char *what);
/* PEM text as mbedTLS wants it: its NUL counted. Caller frees with tls_pem_free, which wipes. */
char *tls_pem(struct str pem);
void tls_pem_free(char *z);

#endif
