/* SPDX-License-Identifier: ISC */
/* The smallest appliance: a page over HTTP. */
#include "os/http.h"
#include "os/log.h"
#include "os/main.h"

#include <stdio.h>

OS_MANIFEST("hello 0.1 nics=1 disks=0 memory_mb=4 ports=http:80")

static void page(struct http_x *x, void *ctx)
{
	(void)ctx;
	if (!str_eq(x->method, STR("GET")) && !str_eq(x->method, STR("HEAD"))) {
		http_header(x, "Allow", STR("GET, HEAD"));
		http_reply_text(x, 405, "only GET and HEAD here\n");
	} else if (!str_eq(x->path, STR("/"))) {
		http_reply_text(x, 404, "nothing here\n");
	} else {
		http_reply_text(x, 200, "hello\n");
	}
}

static void session(void *arg)
{
	http_serve(arg, page, NULL);
}

static void serve(void *arg)
{
	struct os_listener *l = arg;
	struct os_stream *s;
	int err;

	while ((err = os_accept(&s, l, OS_FOREVER)) == 0)
		if (os_spawn("http", session, s) < 0)
			os_stream_close(s);
	os_listener_close(l);
}

int os_main(void)
{
	struct os_listener *l;
	int err = os_listen(&l, 80);

	if (err == 0)
		err = os_spawn("listen", serve, l);
	if (err < 0) {
		os_log(OS_ERROR, "svc=hello event=refused why=\"%s\"", err_text(err));
		return 1;
	}
	os_log(OS_INFO, "svc=hello event=ready");
	os_stop_wait();
	return 0;
}
