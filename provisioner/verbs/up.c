/* SPDX-License-Identifier: ISC */
#include "provisioner/say.h"
#include "provisioner/start.h"

enum { OPT_FOREGROUND, OPT_TARGET };
static const struct prov_opt opts[] = {
	[OPT_FOREGROUND] = { "foreground", 'f', NULL, "stay, with the logs on the terminal" },
	[OPT_TARGET] = { "target", 0, "virt|unix", "instead of what allod.conf says" },
	{ 0 },
};

static int run(struct prov *p, const struct prov_args *a)
{
	struct prov_start how = { .p = p,
		.names = a->pos,
		.name_count = a->n,
		.target = -1,
		.e = ARENA_NEW(&p->arena, struct prov_estate) };
	enum prov_target target;
	int code;

	os_assert(how.e);
	if (a->opt[OPT_TARGET]) {
		if (prov_target_parse(&target, str_of(a->opt[OPT_TARGET])) < 0)
			return prov_usage(NULL, "%s", err_text(ERR_BAD));
		how.target = (int)target;
	}
	code = prov_estate_need(how.e, p);
	if (code != PROV_OK)
		return code;
	if (!a->opt[OPT_FOREGROUND])
		return prov_start_background(&how);
	how.echo = true;
	return prov_start_foreground(&how);
}

const struct prov_verb verb_up = { "up", "[SERVICE...]", "start services and keep them running",
	"A supervisor stays in the background: it restarts what crashes, keeps the logs and stops "
	"all\n"
	"in order at `allod down`. Done when every service has greeted on its port.",
	opts, 0, PROV_MANY, run };
