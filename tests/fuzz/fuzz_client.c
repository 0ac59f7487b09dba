/* SPDX-License-Identifier: ISC */
/* A server's reply to our client: head, interim heads, chunks. In one piece it means the same as byte by byte. */
#include "os/http.h"
#include "tests/fake/stream.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int ask(struct buf *out, struct str reply, size_t piece)
{
	struct http_client *c = malloc(sizeof(*c));
	struct fake_stream f;
	struct str part;
	int err;

	if (!c)
		abort();
	fake_stream_init(&f, reply, piece);
	err = http_request(c, &f.s, STR("GET"), STR("h"), STR("/"), STR(""), STR(""), OS_FOREVER);
	if (err == 0) {
		os_assert(c->status >= 200 && c->status < 600);
		buf_fmt(out, "%d ", c->status);
		while ((err = http_reply_body(&part, c, OS_FOREVER)) == 0 && part.n) {
			os_assert(part.n <= reply.n);
			buf_add(out, part);
		}
	}
	fake_stream_free(&f);
	free(c);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, bits;
	int err, same;

	buf_init(&whole, NULL);
	buf_init(&bits, NULL);
	err = ask(&whole, str_n(data, size), SIZE_MAX);
	same = ask(&bits, str_n(data, size), 1);
	os_assert(err == same && str_eq(buf_str(&whole), buf_str(&bits)));
	buf_free(&whole);
	buf_free(&bits);
	return 0;
}
