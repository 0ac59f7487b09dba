/* SPDX-License-Identifier: ISC */
#include "provisioner/history.h"
#include "provisioner/say.h"
#include "provisioner/when.h"

enum { OPT_USER, OPT_AT, OPT_RAW, OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_USER] = PROV_OPT_USER,
	[OPT_AT] = { "at", 0, "TIME", "the commit that was the newest then" },
	[OPT_RAW] = PROV_OPT_RAW,
	[OPT_JSON] = { "json", 0, NULL, "print one JSON object a line for programs" },
	{ 0 },
};
static const struct prov_history_opts history = { OPT_USER, OPT_RAW, OPT_JSON };

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static void print_commit(const json_t *c)
{
	struct str rest = str_of(text_of(c, "message")), one;
	char when[PROV_WHEN_TEXT];

	printf("%scommit %s%s\nauthor  ", prov_bold(), text_of(c, "commit"), prov_plain());
	prov_print_clean(str_of(text_of(c, "author")));
	printf(" <");
	prov_print_clean(str_of(text_of(c, "email")));
	printf(">\ndate    %s\n\n",
		prov_when_text(
			when, json_integer_value(json_object_get(c, "time")), &prov_zone_here));
	while (rest.n) {
		str_cut(&one, &rest, rest, '\n');
		printf("    ");
		prov_print_clean(one);
		putchar('\n');
	}
	putchar('\n');
}

static int line(void *ctx, const json_t *row)
{
	const struct prov_history *h = ctx;

	if (h->json)
		return prov_print_json_line(row) == PROV_OK ? 0 : ERR_CLOSED;
	if (json_object_get(row, "commit")) {
		print_commit(row);
	} else {
		prov_history_print(h, row);
		prov_history_print_properties(row);
	}
	return ferror(stdout) ? ERR_CLOSED : 0;
}

static int show(struct prov_history *h)
{
	const struct prov_args *a = h->x->args;
	const char *commit = a->n > 1 ? a->pos[1] : a->opt[OPT_AT];
	struct buf b;
	int err, code;

	if (a->n > 1 && a->opt[OPT_AT])
		return prov_usage(NULL, "either a commit or --at");
	buf_init(&b, &h->x->p->arena);
	prov_history_target(&b, h, "show");
	code = prov_history_moment(&b, h, "commit", commit ? commit : "HEAD");
	if (code != PROV_OK)
		return code;
	err = b.err < 0 ? b.err : prov_lines(h->x->c, "GET", b.p, line, h);
	if (err == ERR_CLOSED)
		return PROV_FAILED;
	return err < 0 ? prov_client_fail(h->x->c, err, "cannot show it") : PROV_OK;
}

static int run(struct prov *p, const struct prov_args *a)
{
	return prov_history(p, a, &history, show);
}

const struct prov_verb verb_show = { "show", "SERVICE[/PATH] [COMMIT]",
	"what one commit changed, the newest if none is named",
	"Of a changed event or contact, what it was and is. PATH as for `allod log`.\n"
	"COMMIT is an id as `allod log` prints it, HEAD for the newest, or a branch such as\n"
	"refs/heads/alice; with ~N the Nth before it; or a TIME.\n"
	"\n" PROV_TIMES_HELP,
	opts, 1, 2, run };
