/* SPDX-License-Identifier: ISC */
/*
 * One service under supervision: a state machine that the supervisor's loop drives.
 *
 *	stopped --start--> starting --greetings seen--> ready
 *	   ^                  |  ended                    |  ended
 *	   |                  v                           v
 *	   +--clean--- (what the end means, restart.h) --crash--> crashed --after a pause--> starting
 *	                      +--configuration refused--> failed
 *
 * A start that is asked for reads allod.conf and takes the image anew; a restart after a crash
 * runs the same again.
 */
#ifndef PROVISIONER_UNIT_H
#define PROVISIONER_UNIT_H

#include "provisioner/launch.h"
#include "provisioner/logfile.h"
#include "provisioner/probe.h"
#include "provisioner/process.h"
#include "provisioner/restart.h"

#include <jansson.h>
#include <poll.h>

#define UNIT_PROBES   2
#define UNIT_POLLFDS  (3 + UNIT_PROBES)
#define UNIT_STOP_NS  (20 * OS_SEC) /* from the request to SIGKILL */
#define UNIT_AGAIN_NS OS_SEC        /* the request is repeated: a guest that boots may miss it */

enum unit_state { UNIT_STOPPED, UNIT_STARTING, UNIT_READY, UNIT_CRASHED, UNIT_FAILED };
extern const char *const unit_state_name[];

struct unit {
	struct str name;
	enum unit_state state;
	struct prov p; /* its arena holds what the last start read */
	struct prov_service s;
	struct prov_image image;
	struct prov_behind behind;
	struct prov_process proc;
	struct prov_log log;
	struct prov_probe probes[UNIT_PROBES];
	size_t probe_count;
	struct prov_backoff backoff;
	unsigned restarts;
	os_time started, due; /* due: next act without an event; OS_FOREVER for none */
	os_time kill_at;
	int64_t since_sec; /* wall clock of the last change of state */
	bool stopping, again, echo;
	int override;  /* -1, or the enum prov_target that stands above allod.conf's */
	char why[256]; /* the last failure or crash; "" for none */
	struct unit_words {
		char line[320]; /* what it said last, or the first line of its panic */
		size_t n;
		bool whole, panic;
		char store[240]; /* why its store is read only; "" when it is not */
	} said;
};

/* `like` names home and program. The name is copied. */
MUST_CHECK int unit_init(struct unit *u, const struct prov *like, struct str name);
void unit_free(struct unit *u);
void unit_start(struct unit *u); /* nothing when it runs */
void unit_stop(struct unit *u);
void unit_restart(struct unit *u);
/* Restarts one that runs, when what stands behind it is elsewhere by now (provisioner/launch.h). */
void unit_follow(struct unit *u);
bool unit_idle(const struct unit *u); /* no process and none to come by itself */

/* What to poll for, *n rows; then unit_step in every round, whatever became ready. */
void unit_poll(struct pollfd *rows, size_t *n, os_time *due, const struct unit *u);
void unit_step(struct unit *u);

/* As `allod status --json` shows it. NULL when out of memory. */
json_t *unit_json(const struct unit *u);
json_t *prov_service_json(const struct prov_service *s, enum unit_state state);

#endif
