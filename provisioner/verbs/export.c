/* SPDX-License-Identifier: ISC */
#include "provisioner/client.h"
#include "provisioner/say.h"
#include "store/git_dir.h"

enum { OPT_GIT };
static const struct prov_opt opts[] = {
	[OPT_GIT] = { "git", 0, "DIR",
		"a bare git repository, made or brought up to date (needed)" },
	{ 0 },
};

struct job {
	struct git_dir *g;
	json_t *refs;
	struct prov_progress bar;
	uint64_t bytes;
};

static int on_ref(void *ctx, const json_t *row)
{
	struct job *j = ctx;

	return json_array_append(j->refs, (json_t *)row) < 0 ? ERR_NOMEM : 0;
}

static int on_pack(void *ctx, struct str bytes)
{
	struct job *j = ctx;
	char size[16];

	j->bytes += bytes.n;
	prov_progress(&j->bar, "export: %s", prov_size(size, j->bytes));
	return git_dir_pack(j->g, bytes);
}

static int put_refs(struct job *j)
{
	json_t *row;
	size_t i;
	int err = 0;

	json_array_foreach(j->refs, i, row)
	{
		const char *ref, *commit;
		struct store_oid id;

		if (json_unpack(row, "{s:s,s:s}", "ref", &ref, "commit", &commit) < 0)
			return err_set(ERR_BAD, "the service sent what is no ref");
		if (!str_starts(str_of(ref), STR("refs/heads/")))
			continue;
		err = store_oid_parse(&id, str_of(commit));
		if (err == 0)
			err = git_dir_ref(j->g, str_of(ref), &id);
		if (err < 0)
			return err;
	}
	return err;
}

/* The refs come first: whatever happens meanwhile, the pack then holds what they name. */
static int transfer(struct prov_session *x, struct job *j)
{
	struct str head = arena_fmt(&x->p->arena, "refs/heads/%.*s", STR_ARG(x->e->owner));
	int err = git_dir_begin(&j->g, x->args->opt[OPT_GIT]);

	if (err < 0)
		return err;
	err = prov_lines(x->c, "GET", "/v1/refs", on_ref, j);
	if (err == 0)
		err = prov_bytes(x->c, "GET", "/v1/pack?prefix=refs/heads/", on_pack, j);
	if (err == 0)
		err = put_refs(j);
	if (err == 0)
		return git_dir_end(j->g, head);
	git_dir_abort(j->g);
	return err;
}

static int export(struct prov_session *x)
{
	struct job j = { .refs = json_array() };
	char size[16];
	int err = transfer(x, &j);

	prov_progress_end(&j.bar);
	json_decref(j.refs);
	if (err < 0)
		return prov_client_fail(x->c, err, "cannot export");
	printf("%s in %s; `git -C %s log` shows it\n", prov_size(size, j.bytes),
		x->args->opt[OPT_GIT], x->args->opt[OPT_GIT]);
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
