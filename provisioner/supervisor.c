/* SPDX-License-Identifier: ISC */
#include "provisioner/supervisor.h"
#include "os/log.h"
#include "provisioner/home.h"
#include "provisioner/socket.h"
#include "provisioner/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS       8
#define REQUEST_BYTES 128
#define CLIENT_NS     (5 * OS_SEC) /* a client that says nothing is let go */

struct client {
	int fd; /* -1: free */
	size_t n;
	os_time until;
	char text[REQUEST_BYTES];
};
struct supervisor {
	const struct prov_supervise *how;
	struct unit units[PROV_SERVICES_MAX];
	size_t unit_count;
	struct client clients[CLIENTS];
	int lock, listener, signals;
	bool quitting, settled;
	int result; /* of prov_supervise */
};

/* ---- requests ---- */

static json_t *status(const struct supervisor *v)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < v->unit_count; i++)
		json_array_append_new(list, unit_json(&v->units[i]));
	return json_pack("{s:i,s:o}", "pid", (int)getpid(), "services", list);
}

static struct unit *find(struct supervisor *v, struct str name)
{
	for (size_t i = 0; i < v->unit_count; i++)
		if (str_eq(v->units[i].name, name))
			return &v->units[i];
	return NULL;
}

static void quit(struct supervisor *v, const char *why)
{
	if (!v->quitting)
		os_log(OS_INFO, "svc=supervisor event=shutdown why=%s", why);
	v->quitting = true;
	for (size_t i = v->unit_count; i-- > 0;)
		unit_stop(&v->units[i]);
}

static json_t *obey(struct supervisor *v, struct str request)
{
	static const struct {
		struct str verb;
		void (*fn)(struct unit *);
	} verbs[] = { { STR("start"), unit_start }, { STR("stop"), unit_stop },
		{ STR("restart"), unit_restart } };
	struct str verb, name;
	struct unit *u;

	str_cut(&verb, &name, request, ' ');
	if (str_eq(verb, STR("status")))
		return status(v);
	if (str_eq(verb, STR("quit"))) {
		quit(v, "asked");
		return json_pack("{s:b}", "ok", 1);
	}
	u = find(v, name);
	if (!u)
		return json_pack("{s:s}", "error", "no such service");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (!str_eq(verb, verbs[i].verb))
			continue;
		if (v->quitting)
			return json_pack("{s:s}", "error", "shutting down");
		verbs[i].fn(u);
		/* Something may have been written into allod.conf before. */
		for (size_t k = 0; k < v->unit_count; k++)
			unit_follow(&v->units[k]);
		return json_pack("{s:b}", "ok", 1);
	}
	return json_pack("{s:s}", "error", "no such request");
}

static void drop_client(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

static void answer(struct supervisor *v, struct client *c, struct str request)
{
	json_t *j = obey(v, request);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	/* A reply is far smaller than a socket's buffer; who does not read it loses it. */
	if (text && send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		os_log(OS_WARN, "svc=supervisor event=reply why=\"%s\"", strerror(errno));
	free(text);
	json_decref(j);
	drop_client(c);
}

static void step_client(struct supervisor *v, struct client *c)
{
	ssize_t n;
	char *end;

	if (c->fd < 0)
		return;
	n = recv(c->fd, c->text + c->n, sizeof(c->text) - c->n, MSG_DONTWAIT);
	if (n > 0) {
		c->n += (size_t)n;
		end = memchr(c->text, '\n', c->n);
		if (end)
			answer(v, c, str_n(c->text, (size_t)(end - c->text)));
		else if (c->n == sizeof(c->text))
			drop_client(c);
		return;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR) || os_now() >= c->until)
		drop_client(c);
}

static void accept_client(struct supervisor *v)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &v->clients[i];

		if (c->fd >= 0)
			continue;
		c->fd = accept4(v->listener, NULL, NULL, SOCK_CLOEXEC);
		c->n = 0;
		c->until = os_now() + CLIENT_NS;
		return;
	}
}

/* ---- the loop ---- */

static int timeout_ms(os_time due)
{
	os_time left = due - os_now();

	if (due == OS_FOREVER)
		return -1;
	if (left <= 0)
		return 0;
	return left > 60 * OS_SEC ? 60000 : (int)((left + OS_MS - 1) / OS_MS);
}

static void wait_for_something(struct supervisor *v)
{
	static struct pollfd rows[PROV_SERVICES_MAX * UNIT_POLLFDS + CLIENTS + 2];
	os_time due = OS_FOREVER, unit_due;
	size_t n = 0, m;
	bool room = false;

	for (size_t i = 0; i < v->unit_count; i++) {
		unit_poll(rows + n, &m, &unit_due, &v->units[i]);
		n += m;
		due = unit_due < due ? unit_due : due;
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		const struct client *c = &v->clients[i];

		room |= c->fd < 0;
		if (c->fd < 0)
			continue;
		rows[n++] = (struct pollfd){ .fd = c->fd, .events = POLLIN };
		due = c->until < due ? c->until : due;
	}
	if (room)
		rows[n++] = (struct pollfd){ .fd = v->listener, .events = POLLIN };
	rows[n++] = (struct pollfd){ .fd = v->signals, .events = POLLIN };
	if (poll(rows, n, timeout_ms(due)) < 0 && errno != EINTR)
		os_panic("poll: %s", strerror(errno));
}

static void tell_when_settled(struct supervisor *v)
{
	const struct unit *failed = NULL;
	size_t ready = 0;

	if (v->settled || v->quitting)
		return;
	for (size_t i = 0; i < v->unit_count; i++) {
		const struct unit *u = &v->units[i];

		if (u->state == UNIT_STARTING || u->state == UNIT_CRASHED)
			return;
		ready += u->state == UNIT_READY;
		failed = u->state == UNIT_FAILED ? u : failed;
	}
	v->settled = true;
	if (failed && ready == 0 && v->how->ready < 0) {
		v->result =
			err_set(ERR_CLOSED, "%.*s failed: %s", STR_ARG(failed->name), failed->why);
		quit(v, "failed");
	} else if (v->how->settled) {
		v->how->settled(v->how->ctx);
	}
}

static bool all_idle(const struct supervisor *v)
{
	for (size_t i = 0; i < v->unit_count; i++)
		if (!unit_idle(&v->units[i]))
			return false;
	return true;
}

static void loop(struct supervisor *v)
{
	struct signalfd_siginfo s;
	struct pollfd waiting = { .fd = v->listener, .events = POLLIN };

	while (!v->quitting || !all_idle(v)) {
		wait_for_something(v);
		if (read(v->signals, &s, sizeof(s)) == sizeof(s))
			quit(v, s.ssi_signo == SIGINT ? "interrupt" : "terminate");
		for (size_t i = 0; i < v->unit_count; i++)
			unit_step(&v->units[i]);
		for (size_t i = 0; i < CLIENTS; i++)
			step_client(v, &v->clients[i]);
		if (poll(&waiting, 1, 0) > 0)
			accept_client(v);
		tell_when_settled(v);
	}
}

/* ---- start and end ---- */

static int take_lock(struct supervisor *v)
{
	const char *path = prov_path(v->how->p, "run/lock");
	int err = prov_mkdirs(prov_path(v->how->p, "run"));

	if (err < 0)
		return err;
	v->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (v->lock < 0)
		return prov_errno("cannot open", path);
	if (flock(v->lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(ERR_BUSY, "this estate is already running");
	return 0;
}

static int catch_signals(struct supervisor *v)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	v->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return v->signals < 0 ? prov_errno("cannot watch", "signals") : 0;
}

static bool wanted(const struct prov_supervise *how, struct str name)
{
	for (size_t i = 0; i < how->name_count; i++)
		if (str_eq(name, str_of(how->names[i])))
			return true;
	return how->name_count == 0;
}

static int start_all(struct supervisor *v)
{
	const struct prov_supervise *how = v->how;
	int err = prov_mkdirs(prov_path(how->p, "logs"));

	if (err == 0)
		err = prov_mkdirs(prov_path(how->p, "images"));
	for (size_t i = 0; err == 0 && i < how->e->service_count; i++) {
		struct unit *u = &v->units[v->unit_count];

		err = unit_init(u, how->p, how->e->services[i].name);
		if (err < 0)
			break;
		v->unit_count++;
		u->echo = how->echo;
		u->override = how->target;
		if (wanted(how, u->name))
			unit_start(u);
	}
	return err;
}

int prov_supervise(const struct prov_supervise *how)
{
	static struct supervisor v;
	int err;

	v = (struct supervisor){ .how = how, .lock = -1, .listener = -1, .signals = -1 };
	for (size_t i = 0; i < CLIENTS; i++)
		v.clients[i].fd = -1;
	err = take_lock(&v);
	if (err == 0)
		err = catch_signals(&v);
	if (err == 0)
		err = prov_socket_listen(&v.listener, prov_path(how->p, "run"));
	if (err == 0)
		err = start_all(&v);
	if (err == 0) {
		if (how->ready >= 0 && write(how->ready, "", 1) < 0)
			os_log(OS_WARN, "svc=supervisor event=orphan");
		loop(&v);
		err = v.result < 0 ? err_set(v.result, "%s", err_text(v.result)) : 0;
	}
	for (size_t i = 0; i < v.unit_count; i++)
		unit_free(&v.units[i]);
	if (v.listener >= 0) {
		unlink(prov_path(how->p, "run/socket"));
		close(v.listener);
	}
	if (v.signals >= 0)
		close(v.signals);
	if (v.lock >= 0)
		close(v.lock); /* last: who takes the lock finds everything ended */
	return err;
}
