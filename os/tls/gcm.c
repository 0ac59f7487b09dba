/* SPDX-License-Identifier: ISC */
/*
 * AES-GCM for mbedTLS. A key of 256 bits goes to libsodium where the processor has the instructions: it
 * takes eight blocks at a time, mbedTLS one. Such a context does what TLS asks for, whole messages
 * with a nonce of 12 bytes and a tag of 16, and refuses all else. Every other key is mbedTLS's.
 */
#include "os/base.h"

#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>
#include <sodium.h>

#define NONCE_BYTES crypto_aead_aes256gcm_NPUBBYTES
#define TAG_BYTES   crypto_aead_aes256gcm_ABYTES
#define REFUSED     MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED

_Static_assert(sizeof(crypto_aead_aes256gcm_state) <= sizeof(((mbedtls_gcm_context *)0)->fast) &&
		_Alignof(crypto_aead_aes256gcm_state) <= 16,
	"gcm_alt.h");

static crypto_aead_aes256gcm_state *fast(mbedtls_gcm_context *ctx)
{
	return (void *)ctx->fast;
}

void mbedtls_gcm_init(mbedtls_gcm_context *ctx)
{
	ctx->is_fast = false;
	mbedtls_gcm_plain_init(&ctx->plain);
}

void mbedtls_gcm_free(mbedtls_gcm_context *ctx)
{
	if (!ctx)
		return;
	if (!ctx->is_fast)
		mbedtls_gcm_plain_free(&ctx->plain);
	mbedtls_platform_zeroize(ctx, sizeof(*ctx));
}

int mbedtls_gcm_setkey(mbedtls_gcm_context *ctx, mbedtls_cipher_id_t cipher,
	const unsigned char *key, unsigned keybits)
{
	mbedtls_gcm_free(ctx);
	mbedtls_gcm_init(ctx);
	if (cipher != MBEDTLS_CIPHER_ID_AES || keybits != 256 ||
		!crypto_aead_aes256gcm_is_available())
		return mbedtls_gcm_plain_setkey(&ctx->plain, cipher, key, keybits);
	ctx->is_fast = true;
	return crypto_aead_aes256gcm_beforenm(fast(ctx), key);
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t n, const unsigned char *iv,
	size_t iv_n, const unsigned char *ad, size_t ad_n, const unsigned char *in,
	unsigned char *out, size_t tag_n, unsigned char *tag)
{
	if (!ctx->is_fast)
		return mbedtls_gcm_plain_crypt_and_tag(
			&ctx->plain, mode, n, iv, iv_n, ad, ad_n, in, out, tag_n, tag);
	if (mode != MBEDTLS_GCM_ENCRYPT || iv_n != NONCE_BYTES || tag_n != TAG_BYTES)
		return REFUSED;
	return crypto_aead_aes256gcm_encrypt_detached_afternm(
		out, tag, NULL, in, n, ad, ad_n, NULL, iv, fast(ctx));
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t n, const unsigned char *iv,
	size_t iv_n, const unsigned char *ad, size_t ad_n, const unsigned char *tag, size_t tag_n,
	const unsigned char *in, unsigned char *out)
{
	if (!ctx->is_fast)
		return mbedtls_gcm_plain_auth_decrypt(
			&ctx->plain, n, iv, iv_n, ad, ad_n, tag, tag_n, in, out);
	if (iv_n != NONCE_BYTES || tag_n != TAG_BYTES)
		return REFUSED;
	return crypto_aead_aes256gcm_decrypt_detached_afternm(
		       out, NULL, in, n, tag, ad, ad_n, iv, fast(ctx)) == 0
		? 0
		: MBEDTLS_ERR_GCM_AUTH_FAILED;
}

/* ---- in pieces ---- */

int mbedtls_gcm_starts(mbedtls_gcm_context *ctx, int mode, const unsigned char *iv, size_t iv_n)
{
	return ctx->is_fast ? REFUSED : mbedtls_gcm_plain_starts(&ctx->plain, mode, iv, iv_n);
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *ctx, const unsigned char *ad, size_t ad_n)
{
	return ctx->is_fast ? REFUSED : mbedtls_gcm_plain_update_ad(&ctx->plain, ad, ad_n);
}

int mbedtls_gcm_update(mbedtls_gcm_context *ctx, const unsigned char *in, size_t n,
	unsigned char *out, size_t cap, size_t *put)
{
	return ctx->is_fast ? REFUSED : mbedtls_gcm_plain_update(&ctx->plain, in, n, out, cap, put);
}

int mbedtls_gcm_finish(mbedtls_gcm_context *ctx, unsigned char *out, size_t cap, size_t *put,
	unsigned char *tag, size_t tag_n)
{
	return ctx->is_fast ? REFUSED
			    : mbedtls_gcm_plain_finish(&ctx->plain, out, cap, put, tag, tag_n);
}
