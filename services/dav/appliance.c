/* SPDX-License-Identifier: ISC */
#include "services/dav/appliance.h"
#include "services/dav/push.h"
#include "os/conf.h"
#include "os/log.h"
#include "os/main.h"
#include "os/platform.h"
#include "services/control/control.h"
#include "services/dav/options.h"
#include "services/dav/words.h"
#include "store/keep.h"

/* Nobody new comes in when less memory is free: those inside need some for what they do. */
#define RESERVE_PART 8 /* of all memory */
#define RESERVE_MAX  ((uint64_t)16 << 20)
#define PARTINGS_MAX 64 /* being closed at once, each for a second or so */

struct options {
	struct str tls_cert, tls_key, token;
};
static const struct os_opt option_rows[] = {
	OS_OPT_STR(struct options, tls_cert, "tls.cert", "", "certificate chain, PEM"),
	OS_OPT_STR(struct options, tls_key, "tls.key", "", "its private key, PEM"),
	OS_OPT_STR(
		struct options, token, "control.token", "", "bearer token of the control endpoint"),
	{ 0 },
};

static struct {
	struct options options;
	struct dav_conf set;
	struct arena arena;
	struct os_disk *disk;
	struct store_driver driver;
	struct dav_config dav;
	struct os_listener *listener;
	unsigned connections, partings;
} app;

static void serve(void *stream)
{
	dav_session(&app.dav, stream);
	app.connections--;
}

static void part(void *stream)
{
	os_stream_close(stream);
	app.partings--;
}

static bool room_for_one(void)
{
	uint64_t total, left, reserve;

	plat_memory(&total, &left);
	reserve = total / RESERVE_PART < RESERVE_MAX ? total / RESERVE_PART : RESERVE_MAX;
	return app.connections < app.set.connections_max && left > reserve;
}

static void accept_all(void *arg)
{
	const char *name = app.dav.service->name;
	struct os_stream *s;
	int err;

	(void)arg;
	while ((err = os_accept(&s, app.listener, OS_FOREVER)) == 0) {
		bool room = room_for_one();
		if (!room) /* before TLS there are no words to say it in */
			os_log(OS_WARN, "svc=%s event=refused why=busy connections=%u", name,
				app.connections);
		/* Closing takes as long as the other side likes, up to a point: not here, if it can be. */
		if ((!room && app.partings >= PARTINGS_MAX) ||
			os_spawn(name, room ? serve : part, s) < 0) {
			os_stream_close(s);
			continue;
		}
		(*(room ? &app.connections : &app.partings))++;
		os_yield(); /* what it allocates first is seen before the next one is let in */
	}
	if (err != ERR_CLOSED)
		os_log(OS_ERROR, "svc=%s event=accept result=failed why=\"%s\"", name,
			err_text(err));
}

/* Options stand on the disk as local records "conf/<name>". */
static int read_option(void *ctx, struct str key, struct str value)
{
	int err = os_conf_set(ctx, option_rows, &app.arena, str_sub(key, 5, key.n), value);

	return err == ERR_NOENT ? 0 : err;
}

static int open_all(void)
{
	struct options *o = &app.options;
	struct dav_config *c = &app.dav;
	int err;

	if ((err = os_disk_open(&app.disk, 0)) < 0 ||
		(err = store_open(&c->store, app.disk, &app.driver)) < 0 ||
		(err = store_local_scan(c->store, STR("conf/"), STR_NONE, read_option, o)) < 0)
		return err;
	if (o->tls_cert.n == 0 || o->tls_key.n == 0)
		return err_set(
			ERR_NOENT, "no TLS certificate on the disk (conf/tls.cert, conf/tls.key)");
	if ((err = os_tls_server(&c->tls, o->tls_cert, o->tls_key)) < 0 ||
		(err = id_open(&c->registry, c->store)) < 0 || (err = id_guard_open(&c->guard)) < 0)
		return err;
	err = dav_open(c);
	return err < 0 || !c->service->behind ? err : c->service->behind->open(c);
}

/* What was pushed and could not be merged then. */
static void resume_merges(void *arg)
{
	struct git_config git = dav_git(&app.dav);

	(void)arg;
	git_resume(&git);
}

static int start_all(const char *version)
{
	static struct dav_words mine;
	static struct control_words words;
	static struct control_items items;
	struct control_config control = {
		.name = str_of(app.dav.service->name),
		.version = str_of(version),
		.store = app.dav.store,
		.registry = app.dav.registry,
		.tls = app.dav.tls,
		.token = app.options.token,
		.words = &words,
		.items = &items,
	};
	int err;

	mine = (struct dav_words){ app.dav.store, app.dav.service, app.dav.registry };
	dav_words(&words, &mine);
	dav_transfer(&items, &mine);
	err = control_start(&control);
	if (err == 0)
		err = store_keep(app.dav.store);
	if (err == 0)
		err = os_spawn("git", resume_merges, NULL);
	if (err == 0)
		err = os_listen(&app.listener, 443);
	return err < 0 ? err : os_spawn("accept", accept_all, NULL);
}

int dav_appliance(const struct dav_service *service, const char *version)
{
	int err;

	app.dav.service = service;
	dav_driver(&app.driver, service);
	arena_init(&app.arena, 1 << 20);
	os_conf_defaults(&app.options, option_rows);
	os_conf_defaults(&app.set, dav_conf_rows);
	if ((err = os_conf_args(&app.set, dav_conf_rows, &app.arena, str_of(plat_args()))) < 0 ||
		(err = open_all()) < 0 || (err = start_all(version)) < 0) {
		os_log(OS_ERROR, "svc=%s event=start result=failed why=\"%s\"", service->name,
			err_text(err));
		return err == ERR_IO || err == ERR_NOMEM || err == ERR_BUSY ? PLAT_EXIT_CRASH
									    : PLAT_EXIT_CONFIG;
	}
	os_log(OS_INFO, "svc=%s event=ready seq=%llu", service->name,
		(unsigned long long)store_seq(app.dav.store));
	os_stop_wait();
	os_log(OS_INFO, "svc=%s event=stop connections=%u", service->name, app.connections);
	store_close(app.dav.store);
	os_disk_close(app.disk);
	return 0;
}
