/* SPDX-License-Identifier: ISC */
/* The mail appliance: opens what is on its disk, listens, serves until it is told to stop. */
#include "identity/guard.h"
#include "identity/registry.h"
#include "os/conf.h"
#include "os/log.h"
#include "os/main.h"
#include "os/platform.h"
#include "os/tls.h"
#include "services/control/control.h"
#include "services/mail/imap.h"
#include "services/mail/intake.h"
#include "services/mail/mailbox.h"
#include "services/mail/options.h"
#include "services/mail/push.h"
#include "services/mail/smtp.h"
#include "services/mail/words.h"
#include "store/keep.h"
#include "sync/git.h"

#define VERSION "0.1"
OS_MANIFEST("mail " VERSION " nics=1 disks=1 memory_mb=48 "
	    "ports=smtp:25,submission:587,submissions:465,imap:143,imaps:993,control:8443,git:443")

/* Nobody new comes in when less memory is free: those inside need some for what they do. */
#define RESERVE_PART 8 /* of all memory */
#define RESERVE_MAX  ((uint64_t)16 << 20)
#define SNAPSHOT_NS  (3600 * OS_SEC)
#define PARTINGS_MAX 64 /* being told so at once, each for a second or two */

struct options {
	struct str hostname, tls_cert, tls_key, token;
};
static const struct os_opt option_rows[] = {
	OS_OPT_STR(struct options, hostname, "hostname", "localhost",
		"name in greetings and Received fields"),
	OS_OPT_STR(struct options, tls_cert, "tls.cert", "", "certificate chain, PEM"),
	OS_OPT_STR(struct options, tls_key, "tls.key", "", "its private key, PEM"),
	OS_OPT_STR(
		struct options, token, "control.token", "", "bearer token of the control endpoint"),
	{ 0 },
};

struct service {
	struct options options;
	struct mail_conf set;
	struct arena arena;
	struct os_disk *disk;
	struct store *store;
	struct id_registry *registry;
	struct id_guard *guard;
	struct mail *mail;
	struct os_tls *tls;
	struct smtp_config smtp;
	struct imap_config imap;
	struct git_config git;
	unsigned connections, partings;
};

/* ---- listeners ---- */

enum protocol { P_SMTP, P_SUBMISSION, P_SUBMISSIONS, P_IMAP, P_IMAPS, P_GIT };
struct listener {
	const char *name;
	uint16_t port;
	enum protocol protocol;
	const char *busy; /* said in the clear before closing; NULL where TLS comes first */
	struct service *service;
	struct os_listener *l;
};
static struct listener listeners[] = {
	{ "smtp", 25, P_SMTP, "421 4.3.2 too many connections, try again later\r\n", NULL, NULL },
	{ "submission", 587, P_SUBMISSION, "421 4.3.2 too many connections, try again later\r\n",
		NULL, NULL },
	{ "submissions", 465, P_SUBMISSIONS, NULL, NULL, NULL },
	{ "imap", 143, P_IMAP, "* BYE [UNAVAILABLE] too many connections, try again later\r\n",
		NULL, NULL },
	{ "imaps", 993, P_IMAPS, NULL, NULL, NULL },
	{ "git", 443, P_GIT, NULL, NULL, NULL },
};

struct connection {
	struct listener *from;
	struct os_stream *stream;
};

static void serve(void *arg)
{
	struct connection c = *(struct connection *)arg;
	struct service *s = c.from->service;

	free(arg);
	switch (c.from->protocol) {
	case P_SMTP: smtp_session(&s->smtp, SMTP_MX, c.stream); break;
	case P_SUBMISSION: smtp_session(&s->smtp, SMTP_SUBMISSION, c.stream); break;
	case P_SUBMISSIONS: smtp_session(&s->smtp, SMTP_SUBMISSIONS, c.stream); break;
	case P_IMAP: imap_session(&s->imap, c.stream, false); break;
	case P_IMAPS: imap_session(&s->imap, c.stream, true); break;
	case P_GIT: git_session(&s->git, c.stream); break;
	}
	s->connections--;
}

static bool room_for_one(const struct service *s)
{
	uint64_t total, left, reserve;

	plat_memory(&total, &left);
	reserve = total / RESERVE_PART < RESERVE_MAX ? total / RESERVE_PART : RESERVE_MAX;
	return s->connections < s->set.connections_max && left > reserve;
}

static void turn_away(const struct connection *c)
{
	if (c->from->busy) {
		int err = os_stream_write(c->stream, str_of(c->from->busy), os_after(OS_SEC));

		(void)err; /* it is closed either way */
	}
	os_stream_close(c->stream);
}

static void part(void *arg)
{
	struct connection c = *(struct connection *)arg;

	free(arg);
	turn_away(&c);
	c.from->service->partings--;
}

/* Saying goodbye takes as long as the other side likes, up to a point: not here, if it can be. */
static void take_in(const struct connection *c)
{
	struct service *s = c->from->service;
	bool room = room_for_one(s);
	struct connection *copy = malloc(sizeof(*copy));

	if (copy)
		*copy = *c;
	if (!room)
		os_log(OS_WARN, "svc=%s event=refused why=busy connections=%u", c->from->name,
			s->connections);
	if (!copy || (!room && s->partings >= PARTINGS_MAX) ||
		os_spawn(c->from->name, room ? serve : part, copy) < 0) {
		free(copy);
		turn_away(c);
		return;
	}
	if (room)
		s->connections++;
	else
		s->partings++;
}

static void accept_all(void *arg)
{
	struct listener *l = arg;
	struct connection c = { .from = l };
	int err;

	while ((err = os_accept(&c.stream, l->l, OS_FOREVER)) == 0) {
		take_in(&c);
		os_yield(); /* what it allocates first is seen before the next one is let in */
	}
	if (err != ERR_CLOSED)
		os_log(OS_ERROR, "svc=%s event=accept result=failed why=\"%s\"", l->name,
			err_text(err));
}

static int listen_all(struct service *s)
{
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
		struct listener *l = &listeners[i];
		int err = os_listen(&l->l, l->port);

		if (err < 0 && l->protocol == P_GIT) { /* an estate from before there was one */
			os_log(OS_WARN,
				"svc=git event=listen result=failed why=\"%s; is there a row "
				"git = ADDRESS:PORT under [listen] in allod.conf?\"",
				err_text(err));
			continue;
		}
		if (err < 0)
			return err;
		l->service = s;
		if ((err = os_spawn("accept", accept_all, l)) < 0)
			return err;
	}
	return 0;
}

/* ---- what clients were told ---- */

static int snapshot(char *endpoint, size_t *written, void *ctx)
{
	struct service *s = ctx;

	_Static_assert(MAIL_ENDPOINT_HEX <= CONTROL_ENDPOINT, "room for an endpoint's id");
	return mail_snapshot(endpoint, written, s->mail);
}

static void keep_snapshot(struct service *s)
{
	char endpoint[MAIL_ENDPOINT_HEX];
	size_t written;
	int err = mail_snapshot(endpoint, &written, s->mail);

	if (err < 0)
		os_log(OS_WARN, "svc=mail event=snapshot result=failed why=\"%s\"", err_text(err));
	else if (written)
		os_log(OS_INFO, "svc=mail event=snapshot endpoint=%s accounts=%zu", endpoint,
			written);
}

static void keep_snapshots(void *arg)
{
	for (;;) {
		os_sleep(os_after(SNAPSHOT_NS));
		keep_snapshot(arg);
	}
}

/* ---- start ---- */

/* Options stand on the disk as local records "conf/<name>". */
static int read_option(void *ctx, struct str key, struct str value)
{
	struct service *s = ctx;
	int err = os_conf_set(&s->options, option_rows, &s->arena, str_sub(key, 5, key.n), value);

	return err == ERR_NOENT ? 0 : err;
}

static int open_all(struct service *s)
{
	int err;

	if ((err = os_disk_open(&s->disk, 0)) < 0 ||
		(err = store_open(&s->store, s->disk, mail_driver())) < 0)
		return err;
	if ((err = store_local_scan(s->store, STR("conf/"), STR_NONE, read_option, s)) < 0)
		return err;
	if (s->options.tls_cert.n == 0 || s->options.tls_key.n == 0)
		return err_set(
			ERR_NOENT, "no TLS certificate on the disk (conf/tls.cert, conf/tls.key)");
	if ((err = os_tls_server(&s->tls, s->options.tls_cert, s->options.tls_key)) < 0)
		return err;
	if ((err = id_open(&s->registry, s->store)) < 0 || (err = id_guard_open(&s->guard)) < 0)
		return err;
	return mail_open(&s->mail, s->store, id_domain(s->registry));
}

static void resume(void *arg)
{
	git_resume(arg);
}

static int start_all(struct service *s)
{
	static struct control_words words;
	static struct control_items items;
	struct control_config control = {
		.name = STR("mail"),
		.version = STR(VERSION),
		.store = s->store,
		.registry = s->registry,
		.tls = s->tls,
		.token = s->options.token,
		.snapshot = snapshot,
		.snapshot_ctx = s,
		.words = &words,
		.items = &items,
	};
	int err;

	mail_words(&words, s->mail);
	mail_transfer(&items, s->mail);

	s->smtp = (struct smtp_config){
		.store = s->store,
		.mail = s->mail,
		.registry = s->registry,
		.guard = s->guard,
		.tls = s->tls,
		.hostname = s->options.hostname,
		.message_max_bytes = s->set.message_max,
	};
	s->imap = (struct imap_config){
		.store = s->store,
		.mail = s->mail,
		.registry = s->registry,
		.guard = s->guard,
		.tls = s->tls,
		.append_max_bytes = s->set.message_max,
	};
	s->git = (struct git_config){
		.store = s->store,
		.registry = s->registry,
		.guard = s->guard,
		.tls = s->tls,
		.object_bytes_max = s->set.message_max,
		.check_push = mail_push_check,
		.ctx = s->mail,
	};
	if ((err = control_start(&control)) < 0 || (err = store_keep(s->store)) < 0 ||
		(err = os_spawn("snapshots", keep_snapshots, s)) < 0 ||
		(err = os_spawn("git", resume, &s->git)) < 0)
		return err;
	return listen_all(s);
}

int os_main(void)
{
	static struct service s;
	int err;

	arena_init(&s.arena, 1 << 20);
	os_conf_defaults(&s.options, option_rows);
	os_conf_defaults(&s.set, mail_conf_rows);
	if ((err = os_conf_args(&s.set, mail_conf_rows, &s.arena, str_of(plat_args()))) < 0 ||
		(err = open_all(&s)) < 0 || (err = start_all(&s)) < 0) {
		os_log(OS_ERROR, "svc=mail event=start result=failed why=\"%s\"", err_text(err));
		/* What may be better next time is worth another start. */
		return err == ERR_IO || err == ERR_NOMEM || err == ERR_BUSY ? PLAT_EXIT_CRASH
									    : PLAT_EXIT_CONFIG;
	}
	os_log(OS_INFO, "svc=mail event=ready seq=%llu", (unsigned long long)store_seq(s.store));
	os_stop_wait();
	os_log(OS_INFO, "svc=mail event=stop connections=%u", s.connections);
	keep_snapshot(&s);
	store_close(s.store); /* what is under way is finished, or never was */
	os_disk_close(s.disk);
	return 0;
}
