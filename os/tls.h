/* SPDX-License-Identifier: ISC */
/*
 * TLS 1.2 and 1.3 over a stream, as a stream. Behind it stands mbedTLS.
 *
 *	struct os_tls *tls;
 *	err = os_tls_server(&tls, cert_pem, key_pem);            once, at start
 *	err = os_tls_accept(&secure, tls, raw, os_after(30 * OS_SEC));
 *	... use `secure`; closing it closes `raw` as well ...
 *
 * STARTTLS: answer, flush, make sure the reader holds no bytes the client sent ahead
 * (refuse if it does: command injection), then os_tls_accept on the same stream.
 */
#ifndef OS_TLS_H
#define OS_TLS_H

#include "os/net.h"

struct os_tls;
/* PEM text. ERR_BAD names what is wrong with which. The strings may be freed afterwards. */
MUST_CHECK int os_tls_server(struct os_tls **out, struct str cert_pem, struct str key_pem);
/* For clients: trust only `ca_pem`. */
MUST_CHECK int os_tls_client(struct os_tls **out, struct str ca_pem);
void os_tls_free(struct os_tls *t);
/* BLOCKS for the handshake. Takes over `raw`: on an error it is closed. */
MUST_CHECK int os_tls_accept(
	struct os_stream **out, struct os_tls *t, struct os_stream *raw, os_time deadline);
/* Verifies the chain and that the certificate names `host` (a DNS name or an IP address). */
MUST_CHECK int os_tls_connect(struct os_stream **out, struct os_tls *t, struct os_stream *raw,
	struct str host, os_time deadline);

#endif
