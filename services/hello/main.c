/* SPDX-License-Identifier: ISC */
/* A static site from a branch of its store: the template for a new service. */
#include "os/conf.h"
#include "os/log.h"
#include "os/main.h"
#include "os/platform.h"
#include "os/tls.h"
#include "services/hello/site.h"

OS_MANIFEST("hello 0.1 nics=1 disks=1 memory_mb=16 ports=http:80,https:443")

struct options {
	struct str branch, tls_cert, tls_key;
};
static const struct os_opt option_rows[] = {
	OS_OPT_STR(struct options, branch, "site.branch", "refs/heads/site", "branch served"),
	OS_OPT_STR(struct options, tls_cert, "tls.cert", "", "certificate chain, PEM"),
	OS_OPT_STR(struct options, tls_key, "tls.key", "", "its private key, PEM"),
	{ 0 },
};

static struct {
	struct options options;
	struct arena arena;
	struct os_disk *disk;
	struct site site;
	struct os_tls *tls;
} hello;

static void http_session(void *arg)
{
	http_serve(arg, site_serve, &hello.site);
}

static void https_session(void *arg)
{
	struct os_stream *s;

	if (os_tls_accept(&s, hello.tls, arg, os_after(30 * OS_SEC)) == 0)
		http_serve(s, site_serve, &hello.site);
}

static void accept_all(struct os_listener *l, const char *name, void (*session)(void *))
{
	struct os_stream *s;

	while (os_accept(&s, l, OS_FOREVER) == 0)
		if (os_spawn(name, session, s) < 0)
			os_stream_close(s);
}

static void accept_http(void *arg)
{
	accept_all(arg, "http", http_session);
}

static void accept_https(void *arg)
{
	accept_all(arg, "https", https_session);
}

static int listen_on(uint16_t port, void (*accept)(void *))
{
	struct os_listener *l;
	int err = os_listen(&l, port);

	return err < 0 ? err : os_spawn("accept", accept, l);
}

/* Options stand on the disk as local records "conf/<name>". */
static int read_option(void *ctx, struct str key, struct str value)
{
	int err = os_conf_set(ctx, option_rows, &hello.arena, str_sub(key, 5, key.n), value);

	return err == ERR_NOENT ? 0 : err;
}

static int start(void)
{
	struct options *o = &hello.options;
	int err = os_disk_open(&hello.disk, 0);

	arena_init(&hello.arena, 256 * 1024);
	os_conf_defaults(o, option_rows);
	if (err == 0)
		err = store_open(&hello.site.store, hello.disk, NULL);
	if (err == 0)
		err = store_local_scan(hello.site.store, STR("conf/"), STR_NONE, read_option, o);
	if (err < 0)
		return err;
	hello.site.branch = o->branch;
	err = listen_on(80, accept_http);
	if (err < 0 || o->tls_cert.n == 0)
		return err;
	err = os_tls_server(&hello.tls, o->tls_cert, o->tls_key);
	return err < 0 ? err : listen_on(443, accept_https);
}

int os_main(void)
{
	int err = start();

	if (err < 0) {
		os_log(OS_ERROR, "svc=hello event=refused why=\"%s\"", err_text(err));
		return PLAT_EXIT_CONFIG;
	}
	os_log(OS_INFO, "svc=hello event=ready tls=%d", hello.tls != NULL);
	os_stop_wait();
	store_close(hello.site.store);
	os_disk_close(hello.disk);
	return 0;
}
