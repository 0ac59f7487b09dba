/* SPDX-License-Identifier: ISC */
#include "os/main.h"
#include "services/hello/site.h"
#include "tests/fake/stream.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

static struct site site = { .branch = { "refs/heads/site", 15 } };
static char big[100000];

static void put(const char *path, struct str bytes)
{
	struct store_why why = { STR("a"), STR("a@b"), STR("site: change"), 0 };
	struct store_edit *e;

	cr_assert_eq(store_edit_begin(&e, site.store, site.branch, OS_FOREVER), 0);
	cr_assert_eq(store_edit_put_bytes(e, str_of(path), bytes), 0);
	cr_assert_eq(store_edit_commit(NULL, e, &why), 0);
}

/* The reply to "GET /" or "GET /\nX: y\r\n", without its Date line. */
static struct str ask(struct arena *a, const char *request)
{
	struct str line, field, in;
	struct str date, rest, out;
	struct fake_stream f;
	ptrdiff_t at;

	str_cut(&line, &field, str_of(request), '\n');
	in = arena_fmt(a, "%.*s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%.*s\r\n",
		STR_ARG(line), STR_ARG(field));
	fake_stream_init(&f, in, 1000);
	http_serve(&f.s, site_serve, &site);
	at = str_find(buf_str(&f.out), STR("Date: "));
	cr_assert_geq(at, 0);
	str_cut(&date, &rest, str_sub(buf_str(&f.out), (size_t)at, f.out.n), '\n');
	out = arena_fmt(a, "%.*s%.*s", (int)at, f.out.p, STR_ARG(rest));
	fake_stream_free(&f);
	return out;
}

static void expect(const char *request, const char *start, const char *end)
{
	struct arena a;
	struct str out;

	arena_init(&a, 1 << 20);
	out = ask(&a, request);
	cr_expect(str_starts(out, str_of(start)) && str_ends(out, str_of(end)), "%s: %.*s", request,
		STR_ARG(str_sub(out, 0, 500)));
	arena_free(&a);
}

static int serves(void *arg)
{
	struct arena a;
	struct str out;

	(void)arg;
	expect("GET /", "HTTP/1.1 404", "nothing here\n");
	put("index.html", STR("<p>hello"));
	put("docs/index.html", STR("<p>docs"));
	put("docs/a b.txt", STR("text"));
	put(".hidden/x", STR("secret"));
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)('a' + i % 23);
	put("big", str_n(big, sizeof(big)));
	/* The id is what `printf '<p>hello' | git hash-object --stdin` says. */
	expect("GET /",
		"HTTP/1.1 200 OK\r\nETag: \"e90db3801a3ed12691f49ad8c4c4a44fce1d372b\"\r\n"
		"Content-Type: text/html; charset=utf-8\r\nContent-Length: 8\r\n",
		"\r\n\r\n<p>hello");
	expect("HEAD /", "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
	expect("GET /docs/", "HTTP/1.1 200 OK\r\n", "<p>docs");
	expect("GET /docs?x=y", "HTTP/1.1 308", "a folder\n");
	expect("GET /docs/a%20b.txt", "HTTP/1.1 200 OK\r\n", "\r\n\r\ntext");
	expect("GET /docs/none", "HTTP/1.1 404", "nothing here\n");
	expect("GET /index.html/", "HTTP/1.1 404", "nothing here\n");
	expect("GET /.hidden/x", "HTTP/1.1 404", "nothing here\n");
	expect("GET /docs//index.html", "HTTP/1.1 404", "nothing here\n");
	expect("GET /docs/../.hidden/x", "HTTP/1.1 400", "Bad Request");
	expect("DELETE /", "HTTP/1.1 405", "only GET and HEAD here\n");
	put("index.html", STR("<p>changed"));
	expect("GET /", "HTTP/1.1 200 OK\r\n", "<p>changed");
	arena_init(&a, 1 << 20);
	out = ask(&a, "GET /big");
	cr_expect(str_ends(out, str_n(big, sizeof(big))));
	cr_expect(str_find(out, STR("Content-Length: 100000\r\n")) > 0);
	expect("GET /\nIf-None-Match: \"x\", \"7d6a30d579aeefd0003d47589a18489e9f590a29\"\r\n",
		"HTTP/1.1 304", "\r\n\r\n");
	expect("GET /\nIf-None-Match: \"x\"\r\n", "HTTP/1.1 200", "<p>changed");
	arena_free(&a);
	return 7;
}

Test(hello, site, .timeout = 60)
{
	char path[] = "/tmp/allod-hello-XXXXXX";
	struct os_disk *disk;
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
	cr_assert_eq(os_disk_file(&disk, path, 64 << 20), 0);
	unlink(path);
	cr_assert_eq(store_format(disk), 0);
	cr_assert_eq(store_open(&site.store, disk, NULL), 0);
	cr_expect_eq(os_run(serves, NULL), 7);
	store_close(site.store);
	os_disk_close(disk);
}
