/* SPDX-License-Identifier: ISC */
/*
 * The process that keeps an estate running: one per estate, it holds run/lock and answers on
 * run/socket, one request a connection, one line each way:
 *
 *	"status\n"                                {"pid":…,"services":[…]}
 *	"start mail\n" "stop mail\n" "restart mail\n"     {"ok":true}; what follows is seen in status
 *	"quit\n"                                  {"ok":true}, then everything stops in order
 *
 * The other half, what verbs call, is at the end.
 */
#ifndef PROVISIONER_SUPERVISOR_H
#define PROVISIONER_SUPERVISOR_H

#include "provisioner/estate.h"

#include <jansson.h>

struct prov_supervise {
	struct prov *p;
	const struct prov_estate *e;
	const char *const *names; /* the services to start; none: all */
	size_t name_count;
	int target; /* -1, or an enum prov_target in place of what allod.conf says */
	bool echo;  /* their output on stderr as well */
	int ready;  /* a descriptor that gets one byte once requests are answered; -1: none, and
		       it ends when all that was to start has failed */
	/* Called once, when every service that was to start is ready or failed; may be NULL. */
	void (*settled)(void *ctx);
	void *ctx;
};
/*
 * Runs until SIGINT, SIGTERM or "quit", then stops the services in order. 0; ERR_BUSY when there is
 * one already; ERR_IO; ERR_CLOSED: nothing could be started.
 */
MUST_CHECK int prov_supervise(const struct prov_supervise *how);

/* ---- for verbs ---- */
/* Send one request. ERR_NOENT: no supervisor runs. *reply is a new reference, or NULL to drop it.
 */
MUST_CHECK int prov_ask(json_t **reply, struct prov *p, const char *fmt, ...) PRINTF(3, 4);
/* The state of a service in a status reply; "stopped" when it is not in it. */
const char *prov_state_in(const json_t *status, struct str service, const char **why);
#define PROV_CRASHES_MAX 3
/*
 * Waits, with progress on a terminal, until each of names[0, n) is in one of the states of `until`
 * ("ready failed") or has crashed PROV_CRASHES_MAX times meanwhile, or the supervisor is gone.
 * ERR_TIMEOUT. *status is a new reference, NULL when the supervisor is gone.
 */
MUST_CHECK int prov_wait_states(json_t **status, struct prov *p, const char *const *names, size_t n,
	const char *until, os_time deadline);
/* Waits for the supervisor to end. ERR_TIMEOUT. */
MUST_CHECK int prov_wait_gone(struct prov *p, os_time deadline);

#endif
