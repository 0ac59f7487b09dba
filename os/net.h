/* SPDX-License-Identifier: ISC */
/*
 * TCP and UDP. A stream is one interface whether it is TCP or TLS (os/tls.h).
 *
 *	struct os_listener *l;
 *	struct os_stream *s;
 *	err = os_listen(&l, 143);
 *	while ((err = os_accept(&s, l, OS_FOREVER)) == 0)
 *		if (os_spawn("imap", session, s) < 0)
 *			os_stream_close(s);
 *
 *	static char room[4096];
 *	struct os_reader r;
 *	struct str line;
 *	os_reader_init(&r, s, room, sizeof(room));
 *	err = os_read_line(&line, &r, os_after(30 * OS_SEC));     "EHLO x\r\n"
 *	err = os_stream_write(s, STR("250 hi\r\n"), os_after(30 * OS_SEC));
 *	os_stream_close(s);
 *
 * On `virt` and `unix-direct` this is os/net/lwip, on `unix` os/net/socket, chosen at link.
 * A unix process finds its real address for a port in the boot argument
 * `listen.<port>=<ip>:<port>[,<ip>:<port>...]`; without one, os_listen uses 127.0.0.1 and the
 * port itself.
 */
#ifndef OS_NET_H
#define OS_NET_H

#include "os/fiber.h"

/* IPv6, or IPv4 as ::ffff:a.b.c.d; port in host order. */
struct os_addr {
	uint8_t ip[16];
	uint16_t port;
};
#define OS_ADDR_TEXT 56
/* "192.0.2.1:25" or "[2001:db8::1]:25"; os_addr_ip without the port. Returns `out`. */
const char *os_addr_text(char out[static OS_ADDR_TEXT], const struct os_addr *a);
const char *os_addr_ip(char out[static OS_ADDR_TEXT], const struct os_addr *a);
/* "ip", "ip:port", "[ip6]:port"; ERR_BAD. */
MUST_CHECK int os_addr_parse(struct os_addr *out, struct str s, uint16_t default_port);

/* ---- streams ---- */
struct os_stream;
struct os_stream_ops {
	int (*read)(size_t *n, struct os_stream *, void *p, size_t cap, os_time deadline);
	int (*write)(struct os_stream *, const void *p, size_t n, os_time deadline);
	bool (*readable)(struct os_stream *);
	void (*notify)(struct os_stream *, struct os_waitq *q);
	void (*close)(struct os_stream *);
};
struct os_stream {
	const struct os_stream_ops *ops;
	struct os_addr peer, local;
	bool secure; /* the bytes travel in TLS */
};

/*
 * BLOCKS until at least one byte is there. *n is 1..cap, or 0 at the peer's orderly end.
 * ERR_TIMEOUT leaves the stream usable; any other error does not.
 */
MUST_CHECK int os_stream_read(
	size_t *n, struct os_stream *s, void *p, size_t cap, os_time deadline);
/* BLOCKS until all is taken by the network stack. After an error nothing more may be written. */
MUST_CHECK int os_stream_write(struct os_stream *s, struct str bytes, os_time deadline);
/* Would os_stream_read return without waiting? */
bool os_stream_readable(struct os_stream *s);
/* Wake `q` whenever the stream becomes readable or ends; NULL: stop. For waiting on a stream and
 * something else. */
void os_stream_notify(struct os_stream *s, struct os_waitq *q);
/* BLOCKS briefly (sends what is queued, TLS close notify); frees the stream in every case. */
void os_stream_close(struct os_stream *s);

/* ---- buffered reading; `room` is the caller's ---- */
struct os_reader {
	struct os_stream *s;
	char *room;
	size_t cap, at, n; /* unread bytes: room[at, n) */
};
void os_reader_init(struct os_reader *r, struct os_stream *s, void *room, size_t cap);
/*
 * BLOCKS for one line, *line borrowed until the next call, with its LF (and CR) still
 * on it so that a caller can tell a bare LF. ERR_LIMIT when `cap` bytes hold no LF (they
 * stay unread: os_read_some skips them); ERR_CLOSED at the end of the stream.
 */
MUST_CHECK int os_read_line(struct str *line, struct os_reader *r, os_time deadline);
/* BLOCKS for 1..max buffered bytes, borrowed until the next call; ERR_CLOSED at the end. */
MUST_CHECK int os_read_some(struct str *bytes, struct os_reader *r, size_t max, os_time deadline);
/* Give the last `n` bytes of what was just read back, to be read again. */
static inline void os_reader_unread(struct os_reader *r, size_t n)
{
	r->at -= n;
}
/* Bytes already here, so that a read does not wait. Also true at the end of the stream. */
bool os_reader_ready(const struct os_reader *r);

/* ---- buffered writing ---- */
struct os_writer {
	struct os_stream *s;
	char *room;
	size_t cap, n;
	os_time idle; /* deadline of every flush: now + idle */
	int err;      /* sticky */
};
void os_writer_init(struct os_writer *w, struct os_stream *s, void *room, size_t cap, os_time idle);
void os_write(struct os_writer *w, struct str bytes); /* BLOCKS when the room is full */
void os_writef(struct os_writer *w, const char *fmt, ...)
	PRINTF(2, 3);                         /* BLOCKS; less than `cap` bytes, else ERR_LIMIT */
MUST_CHECK int os_flush(struct os_writer *w); /* BLOCKS; the sticky error */

/* ---- TCP ---- */
struct os_listener;
MUST_CHECK int os_listen(struct os_listener **out, uint16_t port);
/* BLOCKS. ERR_CLOSED after os_listener_close or when a stop was requested (os/main.h). */
MUST_CHECK int os_accept(struct os_stream **out, struct os_listener *l, os_time deadline);
void os_listener_close(struct os_listener *l);
uint16_t os_listener_port(const struct os_listener *l); /* the real one, of its first address */
MUST_CHECK int os_connect(
	struct os_stream **out, const struct os_addr *to, os_time deadline); /* BLOCKS */
/* BLOCKS. Addresses of a host name, at most `cap`; *n found. ERR_NOENT when it has none. */
MUST_CHECK int os_resolve(
	size_t *n, struct os_addr *out, size_t cap, struct str name, os_time deadline);

/* Counters for status and for the soak test. */
struct os_net_stats {
	uint64_t accepted, refused, connections;
	uint64_t bytes_in, bytes_out;
};
void os_net_stats(struct os_net_stats *out);

#endif
