/* SPDX-License-Identifier: ISC */
#include "provisioner/history.h"
#include "provisioner/say.h"
#include "provisioner/when.h"

enum { OPT_USER, OPT_AT, OPT_LIMIT, OPT_RAW, OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_USER] = PROV_OPT_USER,
	[OPT_AT] = { "at", 0, "TIME", "from then backwards" },
	[OPT_LIMIT] = { "limit", 'n', "N", "at most so many commits (all)" },
	[OPT_RAW] = PROV_OPT_RAW,
	[OPT_JSON] = { "json", 0, NULL, "print one JSON object a line for programs" },
	{ 0 },
};
static const struct prov_history_opts history = { OPT_USER, OPT_RAW, OPT_JSON };
#define PAGE 200

struct job {
	struct prov_history *h;
	uint64_t left;
	char next[672]; /* where the next page starts: up to 16 ids; "" at the end */
	struct str path;
	int code;
};

static void print_changes(const struct prov_history *h, const json_t *c)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(c, "changes"), i, one)
	{
		printf("    ");
		prov_history_print(h, one);
	}
	if (json_is_true(json_object_get(c, "more_changes")))
		printf("    ... (`allod show %s %.12s` shows all)\n", h->x->args->pos[0],
			json_string_value(json_object_get(c, "commit")));
}

static void print_commit(const struct prov_history *h, const json_t *c)
{
	const char *message = json_string_value(json_object_get(c, "message"));
	const char *author = json_string_value(json_object_get(c, "author"));
	struct str subject = str_of(message ? message : "");
	char when[PROV_WHEN_TEXT];

	str_cut(&subject, &(struct str){ 0 }, subject, '\n');
	printf("%s%.12s%s  %s  ", prov_bold(), json_string_value(json_object_get(c, "commit")),
		prov_plain(),
		prov_when_text(
			when, json_integer_value(json_object_get(c, "time")), &prov_zone_here));
	prov_print_clean(str_of(author ? author : ""));
	printf("  ");
	prov_print_clean(subject);
	putchar('\n');
	print_changes(h, c);
}

static int line(void *ctx, const json_t *row)
{
	struct job *j = ctx;
	const char *from = json_string_value(json_object_get(row, "from"));
	const char *path = json_string_value(json_object_get(row, "path"));

	if (json_is_true(json_object_get(row, "more"))) {
		snprintf(j->next, sizeof(j->next), "%s", from ? from : "");
		j->path = arena_dup(&j->h->x->p->arena, str_of(path ? path : ""));
		return 0;
	}
	if (!json_is_string(json_object_get(row, "commit")))
		return err_set(ERR_BAD, "the service sent what is no commit");
	j->left--;
	if (j->h->json)
		return prov_print_json_line(row) == PROV_OK ? 0 : ERR_CLOSED;
	print_commit(j->h, row);
	return ferror(stdout) ? ERR_CLOSED : 0;
}

static int page(struct job *j)
{
	struct prov_history *h = j->h;
	const char *at = h->x->args->opt[OPT_AT];
	struct buf b;

	h->x->path = j->path;
	buf_init(&b, NULL);
	prov_history_target(&b, h, "log");
	buf_fmt(&b, "&limit=%d", (int)(j->left < PAGE ? j->left : PAGE));
	j->code = PROV_OK;
	if (j->next[0])
		buf_fmt(&b, "&on=1&from=%s", j->next);
	else if (at)
		j->code = prov_history_moment(&b, h, "from", at);
	j->next[0] = '\0';
	int err = j->code != PROV_OK ? ERR_BAD
		: b.err < 0          ? b.err
				     : prov_lines(h->x->c, "GET", b.p, line, j);
	buf_free(&b);
	return err;
}

static int all(struct prov_history *h)
{
	const char *limit = h->x->args->opt[OPT_LIMIT];
	struct job j = { .h = h, .left = UINT64_MAX, .path = h->x->path };
	int err = limit ? str_u64(&j.left, str_of(limit), UINT32_MAX) : 0;

	if (err < 0 || j.left == 0)
		return prov_usage(NULL, "--limit takes a number from 1, not \"%s\"", limit);
	do
		err = page(&j);
	while (err == 0 && j.next[0] && j.left);
	if (j.code != PROV_OK)
		return j.code;
	if (err == ERR_CLOSED)
		return PROV_FAILED;
	return err < 0 ? prov_client_fail(h->x->c, err, "cannot read the log") : PROV_OK;
}

static int run(struct prov *p, const struct prov_args *a)
{
	return prov_history(p, a, &history, all);
}

const struct prov_verb verb_log = { "log", "SERVICE[/PATH]", "what changed, newest first",
	"With a path only what changed there: " PROV_PATHS_HELP ";\n"
	"followed through renames and moves. Times are local. `--user estate` shows the users' "
	"branch.\n"
	"\n" PROV_TIMES_HELP,
	opts, 1, 1, run };
