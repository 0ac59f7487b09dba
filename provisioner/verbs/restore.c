/* SPDX-License-Identifier: ISC */
#include "provisioner/history.h"
#include "provisioner/say.h"

enum { OPT_USER, OPT_AT, OPT_EXACT, OPT_UNDO, OPT_DRY_RUN, OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_USER] = PROV_OPT_USER,
	[OPT_AT] = { "at", 0, "TIME", "as of when; what is gone altogether: as it last was" },
	[OPT_EXACT] = { "exact", 0, NULL, "also take out what came since" },
	[OPT_UNDO] = { "undo", 0, "COMMIT[..COMMIT]",
		"take back what a commit (or several) changed, such as a restore" },
	[OPT_DRY_RUN] = { "dry-run", 'n', NULL, "only show what would change" },
	[OPT_JSON] = { "json", 0, NULL, "print one JSON object a line for programs" },
	{ 0 },
};
static const struct prov_history_opts history = { OPT_USER, -1, OPT_JSON };

struct job {
	struct prov_history *h;
	uint64_t changes;
	json_t *result;
};

static int line(void *ctx, const json_t *row)
{
	struct job *j = ctx;
	const json_t *as_of = json_object_get(row, "as_of");
	const char *const *opt = j->h->x->args->opt;

	if (json_is_true(json_object_get(row, "ok")))
		j->result = json_incref((json_t *)row);
	if (j->h->json)
		return prov_print_json_line(row) == PROV_OK ? 0 : ERR_CLOSED;
	if (json_is_object(as_of)) {
		prov_note("%s %s%s", opt[OPT_UNDO] ? "back to" : "as of",
			prov_history_when(j->h, as_of),
			opt[OPT_DRY_RUN] ? "; this would change:" : ":");
	} else if (json_object_get(row, "change")) {
		j->changes++;
		prov_history_print(j->h, row);
	}
	return ferror(stdout) ? ERR_CLOSED : 0;
}

static json_int_t count(const struct job *j, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(j->result, "counts"), name));
}

static const char *hex_of(const struct job *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j->result, name));

	return s ? s : "";
}

static void print_counts(const struct job *j)
{
	static const struct {
		const char *name, *words;
	} rows[] = {
		{ "back", "brought back" },
		{ "moved", "moved back" },
		{ "flags", "with other flags" },
		{ "changed", "as they were" },
		{ "removed", "removed" },
		{ "mailboxes", "mailboxes changed" },
		{ "collections", "collections changed" },
	};
	const char *between = "";

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_int_t n = count(j, rows[i].name);

		if (n)
			printf("%s%lld %s", between, (long long)n, rows[i].words);
		if (n)
			between = ", ";
	}
}

static int conclude(const struct job *j)
{
	const struct prov_history *h = j->h;
	json_int_t commits = json_integer_value(json_object_get(j->result, "commits"));

	if (!j->result)
		return prov_fail(NULL, "cannot restore: the service stopped answering");
	if (h->json)
		return PROV_OK;
	if (!j->changes) {
		prov_note("nothing to do: it is so already");
		return PROV_OK;
	}
	print_counts(j);
	if (h->x->args->opt[OPT_DRY_RUN]) {
		printf("; nothing was done\n");
		return PROV_OK;
	}
	if (commits > 1)
		printf(", in %lld commits", (long long)commits);
	putchar('\n');
	if (commits)
		prov_history_print_undo(h, commits == 1 ? hex_of(j, "last") : hex_of(j, "first"),
			commits == 1 ? NULL : hex_of(j, "last"));
	return PROV_OK;
}

/* "--undo A..B" are the commits after A up to B; "--undo B" is B alone. */
static int add_undo(struct buf *b, struct prov_history *h, const char *text)
{
	ptrdiff_t dots = str_find(str_of(text), STR(".."));
	struct str from, to;
	int code;

	if (dots >= 0) {
		from = arena_dup(&h->x->p->arena, str_sub(str_of(text), 0, (size_t)dots));
		to = str_of(text + dots + 2);
	} else {
		from = arena_fmt(&h->x->p->arena, "%s~1", text);
		to = str_of(text);
	}
	if (!from.p)
		return prov_fail(NULL, "out of memory");
	code = prov_history_moment(b, h, "to", from.p);
	return code == PROV_OK ? prov_history_moment(b, h, "undo", to.p) : code;
}

static int restore(struct prov_history *h)
{
	const char *const *opt = h->x->args->opt;
	struct job j = { .h = h };
	struct buf b;
	int err, code = PROV_OK;

	if (opt[OPT_UNDO] && (opt[OPT_AT] || opt[OPT_EXACT]))
		return prov_usage(NULL, "--undo stands alone, without --at and --exact");
	if (!opt[OPT_UNDO] && !opt[OPT_AT] && !h->x->path.n)
		return prov_usage("such as `allod restore mail --at \"yesterday 14:00\"`",
			"`restore` needs --at TIME, or a path that is gone");
	buf_init(&b, &h->x->p->arena);
	prov_history_target(&b, h, "restore");
	buf_addz(&b, opt[OPT_EXACT] ? "&exact=1" : "");
	buf_addz(&b, opt[OPT_DRY_RUN] ? "&dry_run=1" : "");
	if (opt[OPT_UNDO])
		code = add_undo(&b, h, opt[OPT_UNDO]);
	else if (opt[OPT_AT])
		code = prov_history_moment(&b, h, "to", opt[OPT_AT]);
	if (code != PROV_OK)
		return code;
	err = b.err < 0 ? b.err : prov_lines(h->x->c, "POST", b.p, line, &j);
	if (err == ERR_CLOSED)
		code = PROV_FAILED;
	else
		code = err < 0 ? prov_client_fail(h->x->c, err, "cannot restore") : conclude(&j);
	json_decref(j.result);
	return code;
}

static int run(struct prov *p, const struct prov_args *a)
{
	return prov_history(p, a, &history, restore);
}

const struct prov_verb verb_restore = { "restore", "SERVICE[/PATH]",
	"bring back what was there at a moment",
	"The path is " PROV_PATHS_HELP ";\n"
	"without one, all of it. Messages that are gone come back under new UIDs; what was moved\n"
	"moves back; flags, events and contacts are as they were; what came since stays, unless\n"
	"--exact. It works while clients are connected, and can be undone like any other change.\n"
	"\n" PROV_TIMES_HELP,
	opts, 1, 1, run };
