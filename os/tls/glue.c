/* SPDX-License-Identifier: ISC */
/* What mbedTLS asks of its host, and its errors in words. */
#include "os/crypto.h"
#include "os/tls/tls_impl.h"

#include <mbedtls/error.h>
#include <mbedtls/pem.h>
#include <mbedtls/platform_time.h>
#include <psa/crypto.h>
#include <psa/crypto_extra.h>

mbedtls_ms_time_t mbedtls_ms_time(void)
{
	return os_now() / OS_MS;
}

psa_status_t mbedtls_psa_external_get_random(
	mbedtls_psa_external_random_context_t *ctx, uint8_t *out, size_t n, size_t *got)
{
	(void)ctx;
	os_random(out, n);
	*got = n;
	return PSA_SUCCESS;
}

int tls_rng(void *ctx, unsigned char *p, size_t n)
{
	(void)ctx;
	os_random(p, n);
	return 0;
}

int tls_init(void)
{
	int err = os_crypto_init();

	if (err < 0)
		return err;
	return psa_crypto_init() == PSA_SUCCESS ? 0
						: err_set(ERR_UNSUPPORTED, "tls: no PSA crypto");
}

int tls_err(int code, const char *what)
{
	static const struct {
		int code, err;
		const char *words;
	} rows[] = {
		{ MBEDTLS_ERR_SSL_CONN_EOF, ERR_CLOSED, "the peer went away without saying so" },
		{ MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY, ERR_CLOSED, "the peer closed" },
		{ MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, ERR_CLOSED, "the peer sent an alert" },
		{ MBEDTLS_ERR_SSL_INVALID_RECORD, ERR_BAD, "the peer does not speak TLS" },
		{ MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, ERR_BAD, "a message out of order" },
		{ MBEDTLS_ERR_SSL_DECODE_ERROR, ERR_BAD, "a malformed message" },
		{ MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER, ERR_BAD, "a parameter not offered" },
		{ MBEDTLS_ERR_SSL_INVALID_MAC, ERR_BAD, "a record that was tampered with" },
		{ MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, ERR_UNSUPPORTED, "TLS older than 1.2" },
		{ MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE, ERR_UNSUPPORTED,
			"no cipher or curve in common" },
		{ MBEDTLS_ERR_SSL_ALLOC_FAILED, ERR_NOMEM, "out of memory" },
		{ MBEDTLS_ERR_X509_ALLOC_FAILED, ERR_NOMEM, "out of memory" },
		{ MBEDTLS_ERR_X509_CERT_VERIFY_FAILED, ERR_DENIED,
			"the certificate is not trusted" },
		{ MBEDTLS_ERR_X509_INVALID_FORMAT, ERR_BAD, "no certificate in PEM" },
		{ MBEDTLS_ERR_PK_KEY_INVALID_FORMAT, ERR_BAD, "no key in PEM" },
		{ MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT, ERR_BAD, "no PEM text" },
		{ MBEDTLS_ERR_PEM_INVALID_DATA, ERR_BAD, "damaged PEM text" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].code == code)
			return err_set(rows[i].err, "%s: %s", what, rows[i].words);
	return err_set(ERR_BAD, "%s: mbedTLS error -0x%04x", what, (unsigned)-code);
}

char *tls_pem(struct str pem)
{
	char *z = malloc(pem.n + 1);

	if (!z)
		return NULL;
	if (pem.n)
		memcpy(z, pem.p, pem.n);
	z[pem.n] = 0;
	return z;
}

void tls_pem_free(char *z)
{
	if (z)
		os_wipe(z, strlen(z));
	free(z);
}
