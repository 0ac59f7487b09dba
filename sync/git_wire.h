/* SPDX-License-Identifier: ISC */
/*
 * git's pkt-lines and what a client says in them (gitprotocol-pack(5), -v2(5)). Pure: bytes in,
 * values out, no store and no network.
 *
 *	struct git_ask q;
 *	struct pkt_reader r = { 0 };
 *	git_ask_init(&q, version);
 *	while (!q.ended && (err = pkt_next(&p, &r, &bytes)) == 0)       ERR_AGAIN: more bytes
 *		if ((err = git_ask_take(&q, &p)) < 0) ...                   its sentence is for the person
 *	... q.wants, q.haves ...
 *	git_ask_free(&q);
 */
#ifndef SYNC_GIT_WIRE_H
#define SYNC_GIT_WIRE_H

#include "store/store.h"

#define GIT_AGENT "allod/0.1"
/* How a refusal begins that less at once would not meet. */
#define GIT_TOO_MUCH      "too much at once: "
#define PKT_LINE_MAX      1024  /* bytes of one line of a request */
#define PKT_DATA_MAX      65516 /* bytes of one packet */
#define GIT_WANTS_MAX     4096  /* and refs of a repository */
#define GIT_HAVES_MAX     16384 /* more are not looked at */
#define GIT_SHALLOWS_MAX  4096
#define GIT_PREFIXES_MAX  32
#define GIT_REQUEST_BYTES (8u << 20) /* of one request, unpacked */

enum pkt_kind { PKT_FLUSH, PKT_DELIM, PKT_END, PKT_DATA };
struct pkt {
	enum pkt_kind kind;
	struct str data; /* without its newline; borrowed from the reader */
};
struct pkt_reader {
	char room[PKT_LINE_MAX + 4];
	size_t n;
	bool done; /* the packet in it was given out */
};
/* The next packet, its bytes taken off the front of *in; ERR_AGAIN when all were taken and it is
 * not whole yet; ERR_BAD, ERR_LIMIT. */
MUST_CHECK int pkt_next(struct pkt *out, struct pkt_reader *r, struct str *in);
/* The number a packet begins with. */
MUST_CHECK int pkt_length(size_t *out, const char hex[static 4]);
/* True between two packets. */
bool pkt_at_rest(const struct pkt_reader *r);
/* "0009hello" */
void pkt_line(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

struct git_oids {
	struct store_oid *p;
	size_t n, cap;
};
enum git_command { GIT_FETCH, GIT_LS_REFS };
struct git_ask {
	int version; /* 0 or 2 */
	enum git_command command;
	bool ended;           /* nothing more belongs to it */
	bool named;           /* v2: the command was named */
	bool args;            /* v2: past the delimiter; v0: past the wants' flush */
	bool began;           /* v0: the capabilities came */
	bool flushed, done;   /* v0: a flush after haves; the client negotiates no more */
	bool symrefs, unborn; /* ls-refs */
	bool multi_ack, detailed, no_done, side_band, side_band_64k, no_progress;
	bool relative;  /* deepen counts from the boundary */
	uint32_t depth; /* 0: not asked */
	struct git_oids wants, haves, shallows;
	size_t prefix_count; /* of ref-prefix; over GIT_PREFIXES_MAX: too many, all refs are meant */
	struct str prefixes[GIT_PREFIXES_MAX];
	struct arena arena;
};
void git_ask_init(struct git_ask *q, int version);
void git_ask_free(struct git_ask *q);
/* ERR_BAD, ERR_LIMIT, ERR_UNSUPPORTED with a sentence to send back. */
MUST_CHECK int git_ask_take(struct git_ask *q, const struct pkt *p);
/* Does ls-refs ask for this ref? */
bool git_ask_prefix(const struct git_ask *q, struct str ref);

/* ---- the client's side: what a server answers ---- */
enum git_said {
	GIT_SAID_LINE,     /* without its newline; cut after PKT_LINE_MAX bytes */
	GIT_SAID_DELIM,    /* the next section */
	GIT_SAID_FLUSH,    /* the end */
	GIT_SAID_PACK,     /* bytes of the pack, after the line "packfile" */
	GIT_SAID_PROGRESS, /* words for a person */
};
struct git_reply { /* starts as { 0 } */
	char head[4], room[PKT_LINE_MAX];
	size_t head_n, n, left; /* left: bytes of the packet still to come */
	int band;               /* of the packet, when known */
	bool open, in_pack;
};
/*
 * The next event, its bytes taken off the front of *in; *data is borrowed from there or from the
 * reply. ERR_AGAIN when all were taken; ERR_BAD; ERR_IO (ERR_LIMIT: less would do) with what the
 * other side complains of.
 */
MUST_CHECK int git_reply_next(
	enum git_said *what, struct str *data, struct git_reply *r, struct str *in);
/* True between two packets. */
bool git_reply_at_rest(const struct git_reply *r);

/* ---- moves.c: what a push asks for ---- */
#define GIT_MOVES_MAX 64
#define GIT_REF_BYTES 255
struct git_move {
	struct str ref;
	struct store_oid from, to;
	bool has_from,
		has_to; /* else: it is made, deleted; neither: it was not there to be deleted */
};
struct git_moves {
	bool began, ended; /* ended: a pack follows, if anything has_to */
	bool report, side_band_64k, atomic, quiet;
	size_t n;
	struct git_move *p;
	struct arena arena;
};
void git_moves_init(struct git_moves *q);
void git_moves_free(struct git_moves *q);
/* ERR_BAD, ERR_LIMIT, ERR_UNSUPPORTED with a sentence to send back. */
MUST_CHECK int git_moves_take(struct git_moves *q, const struct pkt *p);
/* May this user push to this ref; with `only`, this device of theirs? *device is whose it is; ERR_DENIED
 * with the reason. */
MUST_CHECK int git_push_ref(struct str *device, struct str user, struct str only, struct str ref);

/* "version=2" somewhere in the Git-Protocol header: 2, else 0. */
int git_version(struct str header);
/* May this user see this ref? */
bool git_ref_visible(struct str user, struct str ref);

#endif
