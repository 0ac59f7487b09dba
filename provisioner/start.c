/* SPDX-License-Identifier: ISC */
#include "provisioner/start.h"
#include "os/crypto.h"
#include "os/main.h"
#include "provisioner/accel.h"
#include "provisioner/create.h"
#include "provisioner/home.h"
#include "provisioner/image.h"
#include "provisioner/ports.h"
#include "provisioner/say.h"
#include "provisioner/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- before anything is started ---- */

static int check_names(const struct prov_start *how)
{
	for (size_t i = 0; i < how->name_count; i++)
		if (!prov_service_find(how->e, str_of(how->names[i])))
			return prov_fail("`allod status` lists the services",
				"there is no service \"%s\"", how->names[i]);
	return PROV_OK;
}

static bool is_wanted(const struct prov_start *how, struct str name)
{
	for (size_t i = 0; i < how->name_count; i++)
		if (str_eq(name, str_of(how->names[i])))
			return true;
	return how->name_count == 0;
}

struct renewal {
	const struct prov_start *how;
	const struct prov_service *s;
};

static int renew(void *arg)
{
	const struct renewal *r = arg;
	int err = prov_renew(r->how->p, r->how->e, r->s);

	if (err < 0)
		return prov_fail(NULL, "cannot renew the certificate of %.*s: %s",
			STR_ARG(r->s->name), err_text(err));
	prov_note("renewed the certificate of %.*s", STR_ARG(r->s->name));
	return PROV_OK;
}

static int check_one(const struct prov_start *how, struct prov_service *s)
{
	const char *accel, *why, *image;
	struct renewal r = { how, s };
	int err, code;

	if (how->target >= 0)
		s->target = (enum prov_target)how->target;
	err = prov_image_find(&image, how->p, s->name, s->target);
	if (err < 0)
		return prov_fail("`make build` makes it; $ALLOD_IMAGES names another folder",
			"cannot start %.*s: %s", STR_ARG(s->name), err_text(err));
	err = prov_ports_check(&how->p->arena, s);
	if (err < 0) {
		code = prov_fail(NULL, "cannot start %.*s: %s", STR_ARG(s->name), err_text(err));
		prov_hint("stop what uses it, or change [listen \"%.*s\"] in %s/allod.conf",
			STR_ARG(s->name), how->p->home);
		return code;
	}
	if (s->target == PROV_VIRT) {
		err = prov_accel_probe(&accel, &why, how->p, false);
		if (err < 0)
			return prov_fail(
				"install it (Debian: qemu-system-x86), or use `--target unix`",
				"cannot start %.*s: %s", STR_ARG(s->name), err_text(err));
		if (*why)
			prov_note("virtualisation is not usable here (%s): emulating, which is "
				  "slower",
				why);
	}
	if (!prov_renew_due(how->p, s))
		return PROV_OK;
	if (os_crypto_init() < 0)
		return prov_fail(NULL, "no source of randomness");
	code = os_run(renew, &r);
	return code < 0 ? prov_fail(NULL, "cannot start: %s", err_text(code)) : code;
}

static int check(const struct prov_start *how)
{
	int code = check_names(how);

	for (size_t i = 0; code == PROV_OK && i < how->e->service_count; i++)
		if (is_wanted(how, how->e->services[i].name))
			code = check_one(how, &how->e->services[i]);
	return code;
}

/* ---- foreground ---- */

static int supervise(const struct prov_start *how, int ready)
{
	struct prov_supervise v = { .p = how->p,
		.e = how->e,
		.names = how->names,
		.name_count = how->name_count,
		.target = how->target,
		.echo = how->echo,
		.ready = ready,
		.settled = how->settled,
		.ctx = how->ctx };
	int err = prov_supervise(&v);

	if (err == ERR_BUSY)
		return prov_fail("`allod status` shows it, `allod down` stops it",
			"cannot start: %s", err_text(err));
	return err < 0
		? prov_fail("`allod logs` shows what it said", "cannot start: %s", err_text(err))
		: PROV_OK;
}

static bool runs(struct prov *p)
{
	return prov_ask(NULL, p, "status") != ERR_NOENT;
}

/*
 * Started by make, Ctrl-C would reach make as well, which then ends by the signal whatever we do. So
 * we take the terminal alone, as a shell's job does, and give it back. Ctrl-Z would leave nobody
 * at the terminal: it is not heard meanwhile. Returns whom to give it back to, or -1.
 */
static pid_t terminal_take(void)
{
	pid_t before = getpgrp();

	if (before == getpid() || tcgetpgrp(STDIN_FILENO) != before)
		return -1;
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	if (setpgid(0, 0) < 0 || tcsetpgrp(STDIN_FILENO, getpid()) < 0)
		return -1;
	return before;
}

static void terminal_give(pid_t before)
{
	if (before > 0 && tcsetpgrp(STDIN_FILENO, before) < 0)
		prov_note("the terminal is gone");
}

int prov_start_foreground(const struct prov_start *how)
{
	pid_t before;
	int code;

	if (runs(how->p))
		return prov_fail("`allod status` shows it, `allod down` stops it",
			"this estate is already running");
	code = check(how);
	if (code != PROV_OK)
		return code;
	before = terminal_take();
	code = supervise(how, -1);
	terminal_give(before);
	return code;
}

/* ---- background ---- */

/* The daemon: away from terminal and session, its log in logs/supervisor.log. */
static NORETURN void daemon_process(const struct prov_start *how, int ready)
{
	const char *log = prov_path(how->p, "logs/supervisor.log");
	int null, out;

	setsid();
	if (fork() != 0)
		_exit(0);
	null = open("/dev/null", O_RDWR);
	out = open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || out < 0 || dup2(out, 2) < 0 ||
		chdir("/") < 0)
		_exit(PROV_FAILED);
	_exit(supervise(how, ready));
}

static int spawn_daemon(const struct prov_start *how)
{
	int fd[2], status;
	char byte;
	ssize_t n;
	pid_t pid;

	if (prov_mkdirs(prov_path(how->p, "logs")) < 0 || pipe2(fd, O_CLOEXEC) < 0)
		return prov_fail(NULL, "cannot start the supervisor: %s", err_text(ERR_IO));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		daemon_process(how, fd[1]);
	}
	close(fd[1]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	n = pid > 0 ? read(fd[0], &byte, 1) : -1;
	close(fd[0]);
	if (n == 1)
		return PROV_OK;
	prov_fail(NULL, "the supervisor did not start");
	prov_hint("%s says why", prov_path(how->p, "logs/supervisor.log"));
	return PROV_FAILED;
}

static int tell(const json_t *status, const char *const *names, size_t n)
{
	int code = PROV_OK;

	for (size_t i = 0; i < n; i++) {
		const char *why,
			*state = status ? prov_state_in(status, str_of(names[i]), &why) : "gone";

		if (strcmp(state, "ready") == 0) {
			printf("%s: ready\n", names[i]);
			continue;
		}
		code = prov_fail(NULL, "%s is %s: %s", names[i], state, status ? why : "");
		prov_hint("`allod logs %s` shows what it said", names[i]);
	}
	return code;
}

int prov_start_background(const struct prov_start *how)
{
	const char *names[PROV_SERVICES_MAX];
	json_t *status;
	size_t n = 0;
	int err = 0, code;

	for (size_t i = 0; i < how->e->service_count; i++)
		if (is_wanted(how, how->e->services[i].name))
			names[n++] = arena_dup(&how->p->arena, how->e->services[i].name).p;
	if (runs(how->p)) {
		code = check_names(how);
		for (size_t i = 0; code == PROV_OK && err == 0 && i < n; i++)
			err = prov_ask(NULL, how->p, "start %s", names[i]);
		if (err < 0)
			code = prov_fail(NULL, "cannot start: %s", err_text(err));
	} else {
		code = check(how);
		if (code == PROV_OK)
			code = spawn_daemon(how);
	}
	if (code != PROV_OK)
		return code;
	err = prov_wait_states(
		&status, how->p, names, n, "ready failed stopped", os_after(PROV_START_NS));
	if (err < 0) {
		code = prov_fail("`allod logs` shows what they said; `allod status` how they are",
			"not ready yet: %s", err_text(err));
		json_decref(status);
		return code;
	}
	code = tell(status, names, n);
	json_decref(status);
	return code;
}
