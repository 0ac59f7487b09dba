/* SPDX-License-Identifier: ISC */
#include "provisioner/say.h"
#include "provisioner/start.h"
#include "provisioner/supervisor.h"

static int run(struct prov *p, const struct prov_args *a)
{
	struct prov_estate *e = ARENA_NEW(&p->arena, struct prov_estate);
	struct prov_start how = {
		.p = p, .e = e, .names = a->pos, .name_count = a->n, .target = -1
	};
	int code;

	os_assert(e);
	code = prov_estate_need(e, p);
	for (size_t i = 0; code == PROV_OK && i < e->service_count; i++) {
		struct str name = e->services[i].name;
		int err = 0;

		for (size_t j = 0; j < a->n && !str_eq(name, str_of(a->pos[j])); j++)
			if (j + 1 == a->n)
				err = ERR_CLOSED; /* not one of those named */
		if (err == 0)
			err = prov_ask(NULL, p, "restart %.*s", STR_ARG(name));
		if (err < 0 && err != ERR_CLOSED && err != ERR_NOENT)
			code = prov_fail(
				NULL, "cannot restart %.*s: %s", STR_ARG(name), err_text(err));
	}
	/* Waits until they are ready; starts the estate when nothing was running. */
	return code == PROV_OK ? prov_start_background(&how) : code;
}

const struct prov_verb verb_restart = { "restart", "[SERVICE...]",
	"stop services and start them again",
	"Takes up what changed in allod.conf and a new image.", NULL, 0, PROV_MANY, run };
