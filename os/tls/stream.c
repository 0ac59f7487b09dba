/* SPDX-License-Identifier: ISC */
/*
 * A TLS stream over another stream.
 *
 * mbedTLS is entered with input only when it would not wait for it: what `raw` has is either
 * read straight into its record buffer, or was put into `in` by the fiber that waits outside.
 * So one fiber may read while another one writes. Output blocks inside, under `deadline`.
 */
#include "os/tls/tls_impl.h"

#define MAX_EMPTY 64 /* records without data in a row: more is an attack */

struct tls {
	struct os_stream s;
	struct os_stream *raw;
	mbedtls_ssl_context ssl;
	os_time deadline; /* of the write under way */
	int raw_err;      /* what the stream below said last */
	bool failed, ended, raw_ended;
	bool mute;    /* writing failed; what the peer said before it went may still be read */
	bool starved; /* bio_recv had nothing to give */
	size_t in_at, in_n;
	char in[512]; /* a short command's whole record */
};

static struct tls *tls_of(struct os_stream *s)
{
	return (struct tls *)s;
}

static int bio_send(void *ctx, const unsigned char *p, size_t n)
{
	struct tls *t = ctx;

	t->raw_err = os_stream_write(t->raw, str_n(p, n), t->deadline);
	return t->raw_err < 0 ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : (int)n;
}

static int bio_recv(void *ctx, unsigned char *p, size_t cap)
{
	struct tls *t = ctx;
	size_t n = t->in_n - t->in_at;

	if (n > 0) {
		n = n < cap ? n : cap;
		memcpy(p, t->in + t->in_at, n);
		t->in_at += n;
		return (int)n;
	}
	if (t->raw_ended)
		return MBEDTLS_ERR_SSL_CONN_EOF;
	t->starved = !os_stream_readable(t->raw);
	if (t->starved)
		return MBEDTLS_ERR_SSL_WANT_READ;
	t->raw_err = os_stream_read(&n, t->raw, p, cap, OS_FOREVER);
	if (t->raw_err < 0)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	t->raw_ended = n == 0;
	return n > 0 ? (int)n : MBEDTLS_ERR_SSL_CONN_EOF;
}

/* BLOCKS for more from below. ERR_TIMEOUT leaves everything as it was. */
static int wait_input(struct tls *t, os_time deadline)
{
	size_t n;
	int err = os_stream_read(&n, t->raw, t->in, sizeof(t->in), deadline);

	if (err < 0)
		return err;
	t->in_at = 0;
	t->in_n = n;
	t->raw_ended = n == 0;
	return 0;
}

/* Any other end than WANT_READ and success. */
static int fail(struct tls *t, int code, const char *what)
{
	t->failed = true;
	if (t->raw_err < 0)
		return err_set(t->raw_err, "%s: %s", what, err_text(t->raw_err));
	return tls_err(code, what);
}

/*
 * As far as the bytes that are here go: n > 0, or WANT_READ, or how it ended. mbedTLS says
 * WANT_READ after each record without data, too; then there may be more here.
 */
static int step(struct tls *t, void *p, size_t cap)
{
	for (int i = 0; i < MAX_EMPTY; i++) {
		int code;
		t->starved = false;
		code = mbedtls_ssl_read(&t->ssl, p, cap);
		if (code != MBEDTLS_ERR_SSL_WANT_READ || t->starved)
			return code == 0 && cap > 0 ? MBEDTLS_ERR_SSL_CONN_EOF : code;
	}
	return MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE;
}

static int tls_read(size_t *n, struct os_stream *s, void *p, size_t cap, os_time deadline)
{
	struct tls *t = tls_of(s);

	while (!t->ended) {
		int err, code;

		if (t->failed)
			return err_set(ERR_CLOSED, "tls read: the connection failed before");
		code = step(t, p, cap);
		if (code > 0) {
			*n = (size_t)code;
			return 0;
		}
		if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
			t->ended = true;
			break;
		}
		if (code != MBEDTLS_ERR_SSL_WANT_READ)
			return fail(t, code, "tls read");
		err = wait_input(t, deadline);
		if (err < 0)
			return err;
	}
	*n = 0;
	return 0;
}

static int tls_write(struct os_stream *s, const void *p, size_t n, os_time deadline)
{
	struct tls *t = tls_of(s);

	t->deadline = deadline;
	while (n > 0) {
		int put;

		if (t->failed || t->mute)
			return err_set(ERR_CLOSED, "tls write: the connection failed before");
		put = mbedtls_ssl_write(&t->ssl, p, n);
		if (put <= 0) {
			int err = fail(t, put, "tls write");

			t->mute = t->raw_err < 0 && t->raw_err != ERR_TIMEOUT;
			t->failed = !t->mute;
			return err;
		}
		p = (const char *)p + put;
		n -= (size_t)put;
	}
	return 0;
}

static bool tls_readable(struct os_stream *s)
{
	struct tls *t = tls_of(s);
	int code;

	if (t->failed || t->ended || mbedtls_ssl_get_bytes_avail(&t->ssl) > 0)
		return true;
	/* Records may be without data (alerts, tickets), so only trying tells. */
	code = step(t, NULL, 0);
	if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) /* said once: the next read must know */
		t->ended = true;
	return code != MBEDTLS_ERR_SSL_WANT_READ;
}

static void tls_notify(struct os_stream *s, struct os_waitq *q)
{
	os_stream_notify(tls_of(s)->raw, q);
}

static void tls_close(struct os_stream *s)
{
	struct tls *t = tls_of(s);

	t->deadline = os_after(OS_SEC);
	if (!t->failed && !t->mute)
		mbedtls_ssl_close_notify(&t->ssl); /* best effort: we leave in any case */
	os_stream_close(t->raw);
	mbedtls_ssl_free(&t->ssl);
	free(t);
}

static const struct os_stream_ops ops = {
	.read = tls_read,
	.write = tls_write,
	.readable = tls_readable,
	.notify = tls_notify,
	.close = tls_close,
};

static int not_verified(struct tls *t)
{
	static const struct {
		uint32_t flag;
		const char *words;
	} rows[] = {
		{ MBEDTLS_X509_BADCERT_CN_MISMATCH, "it names another host" },
		{ MBEDTLS_X509_BADCERT_EXPIRED, "it has expired" },
		{ MBEDTLS_X509_BADCERT_FUTURE, "it is not valid yet" },
		{ MBEDTLS_X509_BADCERT_NOT_TRUSTED, "it is signed by an authority not trusted" },
	};
	uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (flags & rows[i].flag)
			return err_set(ERR_DENIED, "tls: certificate refused: %s", rows[i].words);
	return err_set(ERR_DENIED, "tls: certificate refused (0x%x)", (unsigned)flags);
}

static int handshake(struct tls *t, os_time deadline)
{
	int code;

	t->deadline = deadline;
	while ((code = mbedtls_ssl_handshake(&t->ssl)) != 0) {
		int err;
		if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
			return not_verified(t);
		if (code != MBEDTLS_ERR_SSL_WANT_READ)
			return fail(t, code, "tls handshake");
		if (!t->starved)
			continue;
		t->starved = false;
		err = wait_input(t, deadline);
		if (err < 0)
			return err_set(err, "tls handshake: %s", err_text(err));
	}
	return 0;
}

static int tls_open(struct os_stream **out, struct os_tls *conf, struct os_stream *raw,
	struct str host, os_time deadline)
{
	struct tls *t = calloc(1, sizeof(*t));
	char name[256];
	int err = 0;

	if (!t) {
		os_stream_close(raw);
		return err_set(ERR_NOMEM, "tls: no memory");
	}
	t->s = (struct os_stream){ &ops, raw->peer, raw->local, true };
	t->raw = raw;
	mbedtls_ssl_init(&t->ssl);
	if (mbedtls_ssl_setup(&t->ssl, &conf->conf) != 0)
		err = err_set(ERR_NOMEM, "tls: no memory");
	mbedtls_ssl_set_bio(&t->ssl, t, bio_send, bio_recv, NULL);
	if (err == 0 && host.p) {
		if (host.n >= sizeof(name) || str_chr(host, 0) >= 0)
			err = err_set(ERR_BAD, "tls: not a host name");
		else
			memcpy(name, host.p, host.n), name[host.n] = 0;
		if (err == 0 && mbedtls_ssl_set_hostname(&t->ssl, name) != 0)
			err = err_set(ERR_NOMEM, "tls: no memory");
	}
	if (err == 0)
		err = handshake(t, deadline);
	if (err < 0) {
		t->failed = true;
		tls_close(&t->s);
		return err;
	}
	*out = &t->s;
	return 0;
}

int os_tls_accept(struct os_stream **out, struct os_tls *t, struct os_stream *raw, os_time deadline)
{
	return tls_open(out, t, raw, STR_NONE, deadline);
}

int os_tls_connect(struct os_stream **out, struct os_tls *t, struct os_stream *raw, struct str host,
	os_time deadline)
{
	return tls_open(out, t, raw, host.p ? host : STR(""), deadline);
}
