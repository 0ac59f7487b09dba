/* SPDX-License-Identifier: ISC */
#include "sync/git_impl.h"

#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#define PIECE_BYTES 4096
#define GZIP_HEAD   10 /* bytes, without any of the optional fields */

struct git_body {
	struct http_x *x;
	z_stream z;
	bool packed, ended;
	uint8_t head[GZIP_HEAD];
	size_t head_n;
	uint64_t total, max;
	struct str raw;
	char room[PIECE_BYTES];
};

int git_body_begin(struct git_body **out, struct http_x *x, uint64_t max)
{
	struct str encoding = http_get(x, "Content-Encoding");
	bool packed = str_ieq(encoding, STR("gzip")) || str_ieq(encoding, STR("x-gzip"));
	struct git_body *b;

	if (encoding.n && !packed)
		return err_set(ERR_UNSUPPORTED, "git: a body must be plain or gzip");
	b = ARENA_NEW(&x->arena, struct git_body);
	if (!b)
		return err_set(ERR_LIMIT, "git: no room for the request");
	b->x = x;
	b->packed = packed;
	b->max = max;
	if (packed && inflateInit2(&b->z, -15) != Z_OK)
		return err_set(ERR_NOMEM, "git: out of memory");
	*out = b;
	return 0;
}

/* RFC 1952. Our zlib is built without gzip; what the trailer would tell, TLS has checked. */
static int take_head(struct git_body *b)
{
	struct str part = str_sub(b->raw, 0, GZIP_HEAD - b->head_n);

	memcpy(b->head + b->head_n, part.p, part.n);
	b->head_n += part.n;
	b->raw = str_sub(b->raw, part.n, b->raw.n);
	if (b->head_n == GZIP_HEAD && memcmp(b->head, "\x1f\x8b\x08\0", 4) != 0)
		return err_set(ERR_BAD, "git: the body is not gzip, or names a file");
	return 0;
}

static int unpack(struct str *part, struct git_body *b)
{
	z_stream *z = &b->z;

	z->next_out = (Bytef *)b->room;
	z->avail_out = PIECE_BYTES;
	while (z->avail_out == PIECE_BYTES && !b->ended) {
		int err = 0, rc;

		if (b->raw.n == 0 && (err = http_body(&b->raw, b->x)) < 0)
			return err;
		if (b->raw.n == 0)
			return err_set(ERR_BAD, "git: the packed body ends early");
		if (b->head_n < GZIP_HEAD) {
			err = take_head(b);
			if (err < 0)
				return err;
			continue;
		}
		z->next_in = (const Bytef *)b->raw.p;
		z->avail_in = (uInt)b->raw.n;
		rc = inflate(z, Z_NO_FLUSH);
		b->raw = str_sub(b->raw, b->raw.n - z->avail_in, b->raw.n);
		b->ended = rc == Z_STREAM_END;
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return err_set(ERR_BAD, "git: the body is not gzip");
	}
	*part = str_n(b->room, PIECE_BYTES - z->avail_out);
	return 0;
}

int git_body_next(struct str *part, struct git_body *b)
{
	int err = b->packed ? unpack(part, b) : http_body(part, b->x);

	if (err < 0)
		return err;
	b->total += part->n;
	if (b->total > b->max)
		return err_set(
			ERR_LIMIT, "git: a request over %llu bytes", (unsigned long long)b->max);
	return 0;
}

void git_body_end(struct git_body *b)
{
	if (b && b->packed)
		inflateEnd(&b->z);
}
