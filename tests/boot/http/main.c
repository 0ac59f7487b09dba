/* SPDX-License-Identifier: ISC */
/* A page over HTTP and nothing else: boot time, and the stack under many connections. */
#include "os/http.h"
#include "os/log.h"
#include "os/main.h"
#include "os/platform.h"

#include <stdio.h>

static struct os_waitq stop = OS_WAITQ;
static bool stopping;

static void page(struct http_x *x, void *ctx)
{
	(void)ctx;
	if (str_eq(x->path, STR("/stop"))) {
		stopping = true;
		os_wake_all(&stop);
	}
	if (!str_eq(x->method, STR("GET")) && !str_eq(x->method, STR("HEAD"))) {
		http_header(x, "Allow", STR("GET, HEAD"));
		http_reply_text(x, 405, "only GET and HEAD here\n");
	} else if (!str_eq(x->path, STR("/")) && !stopping) {
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
	struct os_net_stats st;
	struct os_listener *l;
	int err = os_listen(&l, 80);

	if (err == 0)
		err = os_spawn("listen", serve, l);
	if (err < 0) {
		os_log(OS_ERROR, "svc=http event=refused why=\"%s\"", err_text(err));
		return PLAT_EXIT_CONFIG;
	}
	os_log(OS_INFO, "svc=http event=ready");
	while (!stopping && err == 0)
		err = os_wait(&stop, OS_FOREVER);
	os_net_stats(&st);
	os_log(OS_INFO, "svc=http event=stop accepted=%llu refused=%llu bytes_in=%llu",
		(unsigned long long)st.accepted, (unsigned long long)st.refused,
		(unsigned long long)st.bytes_in);
	return err;
}
