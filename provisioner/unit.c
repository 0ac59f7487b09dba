/* SPDX-License-Identifier: ISC */
#include "provisioner/unit.h"
#include "os/log.h"
#include "provisioner/accel.h"
#include "provisioner/home.h"
#include "provisioner/ports.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARENA_BYTES (4 * 1024 * 1024)

const char *const unit_state_name[] = { [UNIT_STOPPED] = "stopped",
	[UNIT_STARTING] = "starting",
	[UNIT_READY] = "ready",
	[UNIT_CRASHED] = "crashed",
	[UNIT_FAILED] = "failed" };

int unit_init(struct unit *u, const struct prov *like, struct str name)
{
	struct str copy;

	memset(u, 0, sizeof(*u));
	u->p.home = like->home;
	u->p.self = like->self;
	arena_init(&u->p.arena, ARENA_BYTES);
	u->proc = (struct prov_process)PROV_NO_PROCESS;
	u->log.fd = -1;
	u->due = OS_FOREVER;
	u->override = -1;
	u->since_sec = os_wall_sec();
	copy.n = name.n;
	copy.p = strndup(name.p, name.n);
	u->name = copy;
	return copy.p ? 0 : err_set(ERR_NOMEM, "out of memory");
}

void unit_free(struct unit *u)
{
	prov_log_close(&u->log);
	arena_free(&u->p.arena);
	free((char *)u->name.p);
}

static void set_state(struct unit *u, enum unit_state state)
{
	u->state = state;
	u->since_sec = os_wall_sec();
	os_log(state == UNIT_CRASHED || state == UNIT_FAILED ? OS_WARN : OS_INFO,
		"svc=supervisor event=%s service=%.*s pid=%d%s%s%s", unit_state_name[state],
		STR_ARG(u->name), (int)u->proc.pid, u->why[0] ? " why=\"" : "", u->why,
		u->why[0] ? "\"" : "");
}

static void fail(struct unit *u, int err)
{
	snprintf(u->why, sizeof(u->why), "%s", err_text(err));
	u->due = OS_FOREVER;
	set_state(u, UNIT_FAILED);
}

/* ---- starting ---- */

static int spawn(struct unit *u)
{
	struct prov_argv argv;
	struct arena a; /* of this start alone: there may be many restarts */
	int err;

	arena_init(&a, ARENA_BYTES);
	err = prov_ports_check(&a, &u->s);
	if (err == 0 && u->s.target == PROV_UNIX)
		err = prov_launch_unix(&argv, &a, &u->image, &u->s, &u->behind);
	else if (err == 0)
		err = prov_launch_virt(&argv, &a, &u->image, &u->s, &u->behind,
			prov_accel_known(&u->p), PROV_QMP_FD);
	if (err == 0)
		err = prov_spawn(&u->proc, argv.v, u->s.target == PROV_VIRT);
	arena_free(&a);
	return err;
}

static int launch(struct unit *u)
{
	int err = spawn(u);

	if (err < 0)
		return err;
	u->started = os_now();
	u->said = (struct unit_words){ 0 };
	u->probe_count = 0;
	for (size_t i = 0; i < u->s.listen_count && u->probe_count < UNIT_PROBES; i++) {
		const struct prov_greeting *want = prov_greeting_of(u->s.listen[i].name);
		struct os_addr to = prov_listen_reach(&u->s.listen[i]);

		if (want)
			prov_probe_begin(&u->probes[u->probe_count++], &to, want);
	}
	u->due = OS_FOREVER;
	set_state(u, UNIT_STARTING);
	return 0;
}

static int prepare(struct unit *u)
{
	struct prov_estate *e;
	const struct prov_service *s;
	int err;

	arena_reset(&u->p.arena);
	e = ARENA_NEW(&u->p.arena, struct prov_estate);
	if (!e)
		return err_set(ERR_NOMEM, "out of memory");
	err = prov_estate_load(e, &u->p);
	if (err < 0)
		return err;
	s = prov_service_find(e, u->name);
	if (!s)
		return err_set(ERR_NOENT, "allod.conf no longer has it");
	u->s = *s;
	if (u->override >= 0)
		u->s.target = (enum prov_target)u->override;
	err = prov_behind_find(&u->behind, &u->p, e, &u->s);
	if (err == 0)
		err = prov_image_take(&u->image, &u->p, &u->s);
	if (err < 0)
		return err;
	prov_log_close(&u->log);
	return prov_log_open(
		&u->log, prov_path(&u->p, "logs/%.*s.log", STR_ARG(u->name)), PROV_LOG_BYTES);
}

void unit_start(struct unit *u)
{
	int err;

	if (u->proc.pid) {
		u->again = u->stopping;
		return;
	}
	u->why[0] = '\0';
	u->backoff.next = 0;
	err = prepare(u);
	if (err == 0)
		err = launch(u);
	if (err < 0)
		fail(u, err);
}

void unit_stop(struct unit *u)
{
	u->again = false;
	if (!u->proc.pid) {
		u->due = OS_FOREVER;
		if (u->state != UNIT_STOPPED)
			set_state(u, UNIT_STOPPED);
		return;
	}
	if (u->stopping)
		return;
	u->stopping = true;
	u->kill_at = os_now() + UNIT_STOP_NS;
	u->due = os_now(); /* unit_step asks */
	os_log(OS_INFO, "svc=supervisor event=stopping service=%.*s pid=%d", STR_ARG(u->name),
		(int)u->proc.pid);
}

void unit_restart(struct unit *u)
{
	unit_stop(u);
	if (u->proc.pid)
		u->again = true;
	else
		unit_start(u);
}

void unit_follow(struct unit *u)
{
	struct prov p = { .home = u->p.home, .self = u->p.self };
	struct prov_estate *e;
	struct prov_behind now;

	if (!u->proc.pid || u->stopping)
		return;
	arena_init(&p.arena, ARENA_BYTES);
	e = ARENA_NEW(&p.arena, struct prov_estate);
	if (e && prov_estate_load(e, &p) == 0 && prov_behind_find(&now, &p, e, &u->s) == 0 &&
		memcmp(&now.at, &u->behind.at, sizeof(now.at)) != 0) {
		os_log(OS_INFO, "svc=supervisor event=follow service=%.*s", STR_ARG(u->name));
		unit_restart(u);
	}
	arena_free(&p.arena);
}

bool unit_idle(const struct unit *u)
{
	return !u->proc.pid && u->due == OS_FOREVER;
}

/* ---- running ---- */

static void end_probes(struct unit *u)
{
	for (size_t i = 0; i < u->probe_count; i++)
		prov_probe_end(&u->probes[i]);
	u->probe_count = 0;
}

/* A store that is damaged is served as far as it can be read, which somebody should know. */
static void hear(struct unit_words *w)
{
	struct str line = str_n(w->line, w->n), why = STR(" why=\"");
	ptrdiff_t at = str_find(line, STR(" svc=store event=failed "));

	if (at < 0 || (at = str_find(line, why)) < 0)
		return;
	line = str_sub(line, (size_t)at + why.n, line.n);
	if (line.n && line.p[line.n - 1] == '"')
		line.n--;
	snprintf(w->store, sizeof(w->store), "%.*s", STR_ARG(line));
}

/* Keeps the last line said, for `why`; a panic's first line stays. Cut at the room's end. */
static void listen_to(struct unit_words *w, struct str bytes)
{
	for (size_t i = 0; i < bytes.n && !(w->panic && w->whole); i++) {
		char c = bytes.p[i];

		if (c == '\n' || c == '\r') {
			if (!w->whole)
				hear(w);
			w->whole = w->n > 0;
			w->panic = str_istarts(str_n(w->line, w->n), STR("panic: "));
			continue;
		}
		if (w->whole)
			w->n = 0;
		w->whole = false;
		if (w->n < sizeof(w->line))
			w->line[w->n++] = c >= ' ' && c != 0x7f ? c : '?';
	}
}

static void read_output(struct unit *u)
{
	char room[512];
	ssize_t n;

	if (u->proc.out < 0)
		return;
	while ((n = read(u->proc.out, room, sizeof(room))) > 0) {
		prov_log_write(&u->log, str_n(room, (size_t)n));
		listen_to(&u->said, str_n(room, (size_t)n));
		if (u->echo)
			fwrite(room, 1, (size_t)n, stderr);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	close(u->proc.out);
	u->proc.out = -1;
}

/* Why it ended, in u->why: by a signal, or in its own last words. */
static void explain(struct unit *u, int pid, int status, const char *words)
{
	if (WIFSIGNALED(status) && !u->said.panic)
		snprintf(u->why, sizeof(u->why), "process %d %s: %s", pid, words,
			strsignal(WTERMSIG(status)));
	else
		snprintf(u->why, sizeof(u->why), "process %d %s%s%.*s", pid, words,
			u->said.n ? ": " : "", (int)u->said.n, u->said.line);
}

/* It starts again by itself after a pause. u->why is set. */
static void crash(struct unit *u, os_time ran)
{
	u->due = os_now() + prov_backoff_after(&u->backoff, ran, u->state == UNIT_READY);
	set_state(u, UNIT_CRASHED);
}

/* What its end means; u->why says it in words. */
static void ended(struct unit *u)
{
	const char *words;
	int pid = (int)u->proc.pid, status = prov_process_reap(&u->proc);
	enum prov_end end = prov_end_of(u->s.target, status, u->proc.reset, &words);
	os_time ran = os_now() - u->started;

	read_output(u);
	if (u->proc.out >= 0) /* somebody it left behind may hold the other end */
		close(u->proc.out);
	u->proc.out = -1;
	end_probes(u);
	u->due = OS_FOREVER;
	if (u->stopping || end == PROV_END_CLEAN) {
		u->stopping = false;
		if (end != PROV_END_CLEAN)
			snprintf(u->why, sizeof(u->why), "%s while it was stopping", words);
		set_state(u, UNIT_STOPPED);
		if (u->again)
			unit_start(u);
		u->again = false;
		return;
	}
	explain(u, pid, status, words);
	if (end == PROV_END_CONFIG || (end == PROV_END_REFUSED && !u->restarts))
		set_state(u, UNIT_FAILED);
	else
		crash(u, ran);
}

static void step_probes(struct unit *u)
{
	size_t seen = 0;

	for (size_t i = 0; i < u->probe_count; i++) {
		prov_probe_step(&u->probes[i]);
		seen += u->probes[i].seen;
	}
	if (u->state != UNIT_STARTING || seen < u->probe_count)
		return;
	end_probes(u);
	u->why[0] = '\0';
	if (u->s.target == PROV_VIRT && prov_process_queue(&u->proc) == 0 && u->s.listen_count)
		os_log(OS_WARN,
			"svc=supervisor event=queue service=%.*s result=failed why=\"many clients "
			"at once may have to wait\"",
			STR_ARG(u->name));
	set_state(u, UNIT_READY);
}

static void step_stop(struct unit *u)
{
	if (!u->stopping || os_now() < u->due)
		return;
	if (os_now() >= u->kill_at) {
		os_log(OS_WARN,
			"svc=supervisor event=kill service=%.*s why=\"no answer to the "
			"power button\"",
			STR_ARG(u->name));
		prov_process_kill(&u->proc);
		u->due = OS_FOREVER;
		return;
	}
	prov_process_stop(&u->proc);
	u->due = os_now() + UNIT_AGAIN_NS;
}

void unit_step(struct unit *u)
{
	struct pollfd end = { .fd = u->proc.pidfd, .events = POLLIN };
	int err;

	if (!u->proc.pid) {
		if (u->state != UNIT_CRASHED || os_now() < u->due)
			return;
		u->restarts++;
		err = launch(u);
		if (err < 0) { /* it ran before: what is in the way may go */
			snprintf(u->why, sizeof(u->why), "%s", err_text(err));
			crash(u, 0);
		}
		return;
	}
	read_output(u);
	prov_process_hear(&u->proc);
	if (poll(&end, 1, 0) > 0) {
		ended(u);
		return;
	}
	step_probes(u);
	step_stop(u);
}

static void add_row(struct pollfd *rows, size_t *n, int fd, short events)
{
	if (fd >= 0)
		rows[(*n)++] = (struct pollfd){ .fd = fd, .events = events };
}

void unit_poll(struct pollfd *rows, size_t *n, os_time *due, const struct unit *u)
{
	*n = 0;
	*due = u->due;
	add_row(rows, n, u->proc.pidfd, POLLIN);
	add_row(rows, n, u->proc.out, POLLIN);
	add_row(rows, n, u->proc.qmp, POLLIN);
	for (size_t i = 0; i < u->probe_count; i++) {
		const struct prov_probe *p = &u->probes[i];

		if (p->seen)
			continue;
		add_row(rows, n, p->fd, p->events);
		if (p->due < *due)
			*due = p->due;
	}
}

/* ---- for status ---- */

static json_t *endpoints(const struct prov_service *s)
{
	static const struct {
		const char *port, *scheme;
	} schemes[] = { { "submission", "smtp" }, { "submissions", "smtps" },
		{ "control", "https" }, { "git", "https" } };
	json_t *all = json_object();

	for (size_t i = 0; all && i < s->listen_count; i++) {
		struct os_addr to = prov_listen_reach(&s->listen[i]);
		struct str scheme = s->listen[i].name;
		char ip[OS_ADDR_TEXT];
		const char *host = os_addr_ip(ip, &to);

		for (size_t j = 0; j < ARRAY_LEN(schemes); j++)
			if (str_eq(s->listen[i].name, str_of(schemes[j].port)))
				scheme = str_of(schemes[j].scheme);
		if (strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0)
			host = "localhost";
		json_object_setn_new(all, s->listen[i].name.p, s->listen[i].name.n,
			json_sprintf(strchr(host, ':') ? "%.*s://[%s]:%d" : "%.*s://%s:%d",
				STR_ARG(scheme), host, to.port));
	}
	return all;
}

json_t *prov_service_json(const struct prov_service *s, enum unit_state state)
{
	return json_pack("{s:s%,s:s,s:s,s:n,s:i,s:o}", "name", s->name.p, s->name.n, "target",
		prov_target_name[s->target], "state", unit_state_name[state], "pid", "restarts", 0,
		"endpoints", endpoints(s));
}

json_t *unit_json(const struct unit *u)
{
	/* What greets now is about to go: a restart is not over before the next one greets. */
	enum unit_state state = u->stopping && u->again ? UNIT_STARTING : u->state;
	json_t *j;

	if (!u->s.name.p) /* never got as far as reading allod.conf */
		j = json_pack("{s:s%,s:s,s:n,s:i,s:{}}", "name", u->name.p, u->name.n, "state",
			unit_state_name[state], "pid", "restarts", (int)u->restarts, "endpoints");
	else
		j = prov_service_json(&u->s, state);
	if (!j)
		return NULL;
	if (u->proc.pid)
		json_object_set_new(j, "pid", json_integer(u->proc.pid));
	json_object_set_new(j, "restarts", json_integer(u->restarts));
	json_object_set_new(j, "since", json_integer(u->since_sec));
	const char *why = u->why[0] ? u->why : u->proc.pid ? u->said.store : "";
	json_object_set_new(j, "why", why[0] ? json_string(why) : json_null());
	if (u->image.hash)
		json_object_set_new(j, "image", json_string(u->image.hash));
	return j;
}
