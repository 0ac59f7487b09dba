/* SPDX-License-Identifier: ISC */
/* The verbs' half of provisioner/supervisor.h. */
#include "provisioner/home.h"
#include "provisioner/say.h"
#include "provisioner/socket.h"
#include "provisioner/supervisor.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LOOK_AGAIN_NS (30 * OS_MS)

static size_t feed(void *room, size_t cap, void *ctx)
{
	ssize_t n = recv(*(int *)ctx, room, cap, 0);

	return n < 0 ? (size_t)-1 : (size_t)n;
}

int prov_ask(json_t **reply, struct prov *p, const char *fmt, ...)
{
	struct timeval patience = { .tv_sec = 30 };
	struct str line;
	json_error_t why;
	const char *error;
	json_t *j;
	char text[120];
	va_list ap;
	int fd, err, n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text) - 1)
		return err_set(ERR_LIMIT, "a service's name is too long");
	text[n++] = '\n';
	line = str_n(text, (size_t)n);
	err = prov_socket_connect(&fd, prov_path(p, "run"));
	if (err < 0)
		return err;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	j = send(fd, line.p, line.n, MSG_NOSIGNAL) == (ssize_t)line.n
		? json_load_callback(feed, &fd, JSON_DISABLE_EOF_CHECK, &why)
		: NULL;
	close(fd);
	if (!j)
		return err_set(ERR_CLOSED, "the supervisor did not answer");
	if (json_unpack(j, "{s:s}", "error", &error) == 0) {
		err = err_set(ERR_BAD, "%s", error);
		json_decref(j);
		return err;
	}
	if (reply)
		*reply = j;
	else
		json_decref(j);
	return 0;
}

/* The row of a service in a status reply; NULL when it is not in it. */
static const json_t *row_of(const json_t *status, struct str service)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(status, "services"), i, one)
	{
		const char *name = json_string_value(json_object_get(one, "name"));

		if (name && str_eq(service, str_of(name)))
			return one;
	}
	return NULL;
}

const char *prov_state_in(const json_t *status, struct str service, const char **why)
{
	const json_t *row = row_of(status, service);
	const char *state = json_string_value(json_object_get(row, "state"));
	const char *text = json_string_value(json_object_get(row, "why"));

	*why = text ? text : "";
	return state ? state : "stopped";
}

static json_int_t restarts_in(const json_t *status, struct str service)
{
	return json_integer_value(json_object_get(row_of(status, service), "restarts"));
}

static bool is_word_of(const char *word, const char *list)
{
	struct str one, rest = str_of(list);

	while (rest.n) {
		str_cut(&one, &rest, rest, ' ');
		if (str_eq(one, str_of(word)))
			return true;
	}
	return false;
}

static void pause_ns(os_time ns)
{
	struct timespec t = { (time_t)(ns / OS_SEC), (long)(ns % OS_SEC) };

	nanosleep(&t, NULL);
}

int prov_wait_states(json_t **status, struct prov *p, const char *const *names, size_t n,
	const char *until, os_time deadline)
{
	json_int_t before[PROV_POS_MAX];
	struct prov_progress bar = { 0 };
	bool first = true;
	int err = 0;

	os_assert(n <= PROV_POS_MAX);
	for (*status = NULL;; pause_ns(LOOK_AGAIN_NS), first = false) {
		const char *why, *state;
		size_t there = 0;

		json_decref(*status);
		*status = NULL;
		err = prov_ask(status, p, "status");
		if (err == ERR_NOENT) {
			err = 0;
			break;
		}
		for (size_t i = 0; err == 0 && i < n; i++) {
			state = prov_state_in(*status, str_of(names[i]), &why);
			if (first)
				before[i] = restarts_in(*status, str_of(names[i]));
			there += is_word_of(state, until) ||
				(strcmp(state, "crashed") == 0 &&
					restarts_in(*status, str_of(names[i])) - before[i] >=
						PROV_CRASHES_MAX);
			prov_progress(&bar, "%s: %s%s%s", names[i], state, *why ? ": " : "", why);
		}
		if (err == 0 && there == n)
			break;
		if (os_now() >= deadline) {
			err = err_set(ERR_TIMEOUT, "it takes too long");
			break;
		}
	}
	prov_progress_end(&bar);
	return err;
}

int prov_wait_gone(struct prov *p, os_time deadline)
{
	const char *path = prov_path(p, "run/lock");
	struct prov_progress bar = { 0 };
	int err = 0, fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return 0;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		prov_progress(&bar, "stopping");
		if (os_now() >= deadline) {
			err = err_set(ERR_TIMEOUT, "it takes too long");
			break;
		}
		pause_ns(LOOK_AGAIN_NS);
	}
	prov_progress_end(&bar);
	close(fd);
	return err;
}
