/* SPDX-License-Identifier: ISC */
#include "provisioner/history.h"
#include "provisioner/say.h"

enum { OPT_USER, OPT_AT, OPT_TO, OPT_RAW, OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_USER] = PROV_OPT_USER,
	[OPT_AT] = { "at", 0, "TIME", "since when (needed)" },
	[OPT_TO] = { "to", 0, "TIME", "until when (now)" },
	[OPT_RAW] = PROV_OPT_RAW,
	[OPT_JSON] = { "json", 0, NULL, "print one JSON object a line for programs" },
	{ 0 },
};
static const struct prov_history_opts history = { OPT_USER, OPT_RAW, OPT_JSON };

struct job {
	struct prov_history *h;
	uint64_t changes;
};

static int line(void *ctx, const json_t *row)
{
	struct job *j = ctx;
	const json_t *from = json_object_get(row, "from"), *to = json_object_get(row, "to");

	if (j->h->json)
		return prov_print_json_line(row) == PROV_OK ? 0 : ERR_CLOSED;
	if (json_is_object(from)) {
		prov_note("from %s\nto   %s", prov_history_when(j->h, from),
			prov_history_when(j->h, to));
		return 0;
	}
	j->changes++;
	prov_history_print(j->h, row);
	return ferror(stdout) ? ERR_CLOSED : 0;
}

static int diff(struct prov_history *h)
{
	const char *const *opt = h->x->args->opt;
	struct job j = { .h = h };
	struct buf b;
	int err, code;

	if (!opt[OPT_AT])
		return prov_usage(
			"such as `allod diff mail --at yesterday`", "`diff` needs --at TIME");
	buf_init(&b, &h->x->p->arena);
	prov_history_target(&b, h, "diff");
	code = prov_history_moment(&b, h, "from", opt[OPT_AT]);
	if (code == PROV_OK && opt[OPT_TO])
		code = prov_history_moment(&b, h, "to", opt[OPT_TO]);
	if (code != PROV_OK)
		return code;
	err = b.err < 0 ? b.err : prov_lines(h->x->c, "GET", b.p, line, &j);
	if (err == ERR_CLOSED)
		return PROV_FAILED;
	if (err < 0)
		return prov_client_fail(h->x->c, err, "cannot compare");
	if (!j.changes && !h->json)
		prov_note("nothing changed");
	return PROV_OK;
}

static int run(struct prov *p, const struct prov_args *a)
{
	return prov_history(p, a, &history, diff);
}

const struct prov_verb verb_diff = { "diff", "SERVICE[/PATH]", "what is different since a moment",
	"With a path only what concerns it: " PROV_PATHS_HELP ".\n"
	"\n" PROV_TIMES_HELP,
	opts, 1, 1, run };
