/* SPDX-License-Identifier: ISC */
#include "provisioner/say.h"
#include "provisioner/supervisor.h"
#include "provisioner/unit.h"

#define DOWN_NS (UNIT_STOP_NS + 10 * OS_SEC)

static int some(struct prov *p, const struct prov_args *a)
{
	json_t *status;
	int err;

	for (size_t i = 0; i < a->n; i++) {
		err = prov_ask(NULL, p, "stop %s", a->pos[i]);
		if (err < 0)
			return prov_fail(NULL, "cannot stop %s: %s", a->pos[i], err_text(err));
	}
	err = prov_wait_states(&status, p, a->pos, a->n, "stopped", os_after(DOWN_NS));
	json_decref(status);
	return err < 0 ? prov_fail(NULL, "cannot stop: %s", err_text(err)) : PROV_OK;
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct prov_estate *e = ARENA_NEW(&p->arena, struct prov_estate);
	int err, code;

	os_assert(e);
	code = prov_estate_need(e, p);
	if (code != PROV_OK)
		return code;
	if (a->n && prov_ask(NULL, p, "status") == 0)
		return some(p, a);
	err = prov_ask(NULL, p, "quit");
	if (err == ERR_NOENT) {
		prov_note("nothing was running");
		return PROV_OK;
	}
	if (err == 0)
		err = prov_wait_gone(p, os_after(DOWN_NS));
	return err < 0 ? prov_fail(NULL, "cannot stop: %s", err_text(err)) : PROV_OK;
}

const struct prov_verb verb_down = { "down", "[SERVICE...]", "stop services in order",
	"Without a service: all of them and the supervisor. Each finishes what it acknowledged; "
	"one\n"
	"that does not end within 20 seconds is killed.",
	NULL, 0, PROV_MANY, run };
