/* SPDX-License-Identifier: ISC */
/* The whole HTTP server over a stream from memory: heads, bodies, chunks, pipelining. */
#include "os/http.h"
#include "tests/fake/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What every handler may rely on. */
static void handler(struct http_x *x, void *ctx)
{
	size_t *requests = ctx;
	struct str part, rest, segment;
	int err;

	++*requests;
	os_assert(x->method.n > 0 && x->field_count <= HTTP_HEADERS_MAX);
	os_assert(str_starts(x->path, STR("/")) && str_chr(x->path, 0) < 0);
	for (rest = x->path; rest.n > 0;) {
		str_cut(&segment, &rest, rest, '/');
		os_assert(!str_eq(segment, STR("..")) && !str_eq(segment, STR(".")));
	}
	for (size_t i = 0; i < x->field_count; i++) {
		os_assert(x->fields[i].name.n > 0 && str_chr(x->fields[i].name, ' ') < 0);
		os_assert(str_chr(x->fields[i].value, '\r') < 0 &&
			str_chr(x->fields[i].value, 0) < 0);
		http_header(x, "X-Echo", x->fields[i].value);
	}
	while ((err = http_body(&part, x)) == 0 && part.n > 0)
		continue;
	if (*requests % 3 == 0)
		return;
	if (*requests % 3 == 1)
		return http_reply_text(x, err ? 400 : 200, "text\n");
	http_begin(x, 200, HTTP_CHUNKED);
	if (http_send(x, x->path) < 0 || http_end(x) < 0)
		return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_stream f;
	size_t requests = 0;

	fake_stream_init(&f, str_n(data, size), size % 2 ? 1 : 1000);
	http_serve(&f.s, handler, &requests);
	os_assert(f.closed == 1);
	os_assert(requests == 0 || str_starts(buf_str(&f.out), STR("HTTP/1.1 ")));
	fake_stream_free(&f);
	return 0;
}
