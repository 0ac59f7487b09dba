/* SPDX-License-Identifier: ISC */
#include "provisioner/copy.h"
#include "provisioner/say.h"

enum { OPT_GIT };
static const struct prov_opt opts[] = {
	[OPT_GIT] = { "git", 0, "DIR",
		"a bare git repository, made or brought up to date (needed)" },
	{ 0 },
};

static int export(struct prov_session *x)
{
	const char *dir = x->args->opt[OPT_GIT];
	struct prov_copy k = {
		.dir = dir,
		.verb = "export",
		.prefix = STR("refs/heads/"),
		.head = arena_fmt(&x->p->arena, "refs/heads/%.*s", STR_ARG(x->e->owner)),
	};
	char size[16];
	int err = prov_copy(&k, x->c);

	if (err < 0)
		return prov_client_fail(x->c, err, "cannot export");
	printf("%s into %s; `git -C %s log` shows it\n", prov_size(size, k.bytes), dir, dir);
	return PROV_OK;
}

static int run(struct prov *p, const struct prov_args *a)
{
	if (!a->opt[OPT_GIT])
		return prov_usage("such as `--git mail.git`", "`export` needs --git DIR");
	return prov_with_client(p, a, a->pos[0], export);
}

const struct prov_verb verb_export = { "export", "SERVICE", "all of a service's branches as git",
	"Every user's mail is a branch, every message a file. Run again, it brings the copy up to "
	"date.",
	opts, 1, 1, run };
