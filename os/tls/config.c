/* SPDX-License-Identifier: ISC */
#include "os/tls/tls_impl.h"

#include <sodium.h>

/* Where AES is table look-ups: slow, and its time tells of the key. */
static const int chacha_first[] = { MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384, MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0 };

static int tls_new(struct os_tls **out, int endpoint)
{
	struct os_tls *t;
	int err = tls_init();

	if (err < 0)
		return err;
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(ERR_NOMEM, "tls: no memory");
	mbedtls_ssl_config_init(&t->conf);
	mbedtls_x509_crt_init(&t->chain);
	mbedtls_pk_init(&t->key);
	if (mbedtls_ssl_config_defaults(&t->conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
		    MBEDTLS_SSL_PRESET_DEFAULT) != 0) {
		os_tls_free(t);
		return err_set(ERR_NOMEM, "tls: no memory");
	}
	mbedtls_ssl_conf_rng(&t->conf, tls_rng, NULL);
	if (!crypto_aead_aes256gcm_is_available())
		mbedtls_ssl_conf_ciphersuites(&t->conf, chacha_first);
	mbedtls_ssl_conf_min_tls_version(&t->conf, MBEDTLS_SSL_VERSION_TLS1_2);
	*out = t;
	return 0;
}

void os_tls_free(struct os_tls *t)
{
	mbedtls_ssl_config_free(&t->conf);
	mbedtls_x509_crt_free(&t->chain);
	mbedtls_pk_free(&t->key);
	free(t);
}

static int parse_chain(mbedtls_x509_crt *chain, struct str pem, const char *what)
{
	char *z = tls_pem(pem);
	int code;

	if (!z)
		return err_set(ERR_NOMEM, "%s: no memory", what);
	code = mbedtls_x509_crt_parse(chain, (unsigned char *)z, pem.n + 1);
	tls_pem_free(z);
	if (code > 0) /* so many of several failed */
		return err_set(ERR_BAD, "%s: %d of its certificates cannot be read", what, code);
	return code < 0 ? tls_err(code, what) : 0;
}

int os_tls_server(struct os_tls **out, struct str cert_pem, struct str key_pem)
{
	struct os_tls *t;
	int err = tls_new(&t, MBEDTLS_SSL_IS_SERVER), code;
	char *z;

	if (err < 0)
		return err;
	err = parse_chain(&t->chain, cert_pem, "tls certificate");
	z = tls_pem(key_pem);
	if (err == 0 && !z)
		err = err_set(ERR_NOMEM, "tls: no memory");
	if (err == 0) {
		code = mbedtls_pk_parse_key(
			&t->key, (unsigned char *)z, key_pem.n + 1, NULL, 0, tls_rng, NULL);
		err = code < 0 ? tls_err(code, "tls key") : 0;
	}
	tls_pem_free(z);
	if (err == 0 && mbedtls_pk_check_pair(&t->chain.pk, &t->key, tls_rng, NULL) != 0)
		err = err_set(ERR_BAD, "tls: the key does not belong to the certificate");
	if (err == 0) {
		code = mbedtls_ssl_conf_own_cert(&t->conf, &t->chain, &t->key);
		err = code < 0 ? tls_err(code, "tls certificate") : 0;
	}
	if (err < 0) {
		os_tls_free(t);
		return err;
	}
	*out = t;
	return 0;
}

int os_tls_client(struct os_tls **out, struct str ca_pem)
{
	struct os_tls *t;
	int err = tls_new(&t, MBEDTLS_SSL_IS_CLIENT);

	if (err < 0)
		return err;
	err = parse_chain(&t->chain, ca_pem, "tls authority");
	if (err < 0) {
		os_tls_free(t);
		return err;
	}
	mbedtls_ssl_conf_ca_chain(&t->conf, &t->chain, NULL);
	mbedtls_ssl_conf_authmode(&t->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	*out = t;
	return 0;
}
