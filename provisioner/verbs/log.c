/* SPDX-License-Identifier: ISC */
#include "provisioner/client.h"
#include "provisioner/say.h"

enum { OPT_USER, OPT_LIMIT, OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_USER] = { "user", 0, "USER", "whose branch (the owner's); `estate` is the registry" },
	[OPT_LIMIT] = { "limit", 'n', "N", "at most so many commits (all)" },
	[OPT_JSON] = { "json", 0, NULL, "print one JSON object a line for programs" },
	{ 0 },
};
#define PAGE 200

struct job {
	struct prov_session *x;
	uint64_t left;
	char next[64]; /* where the next page starts; "" at the end */
	bool more, json;
};

static void print_commit(const json_t *c)
{
	const char *message = json_string_value(json_object_get(c, "message"));
	const char *author = json_string_value(json_object_get(c, "author"));
	struct str subject = str_of(message ? message : "");
	struct os_date d;

	str_cut(&subject, &(struct str){ 0 }, subject, '\n');
	os_date_of(&d, json_integer_value(json_object_get(c, "time")));
	printf("%s%.12s%s  %04d-%02d-%02d %02d:%02d:%02d  ", prov_bold(),
		json_string_value(json_object_get(c, "commit")), prov_plain(), d.year, d.month,
		d.day, d.hour, d.min, d.sec);
	prov_print_clean(str_of(author ? author : ""));
	printf("  ");
	prov_print_clean(subject);
	putchar('\n');
}

static int line(void *ctx, const json_t *row)
{
	struct job *j = ctx;
	const char *parent;

	if (json_is_true(json_object_get(row, "more"))) {
		j->more = true;
		return 0;
	}
	if (!json_is_string(json_object_get(row, "commit")))
		return err_set(ERR_BAD, "the service sent what is no commit");
	parent = json_string_value(json_array_get(json_object_get(row, "parents"), 0));
	snprintf(j->next, sizeof(j->next), "%s", parent ? parent : "");
	if (j->left)
		j->left--;
	if (j->json)
		return prov_print_json_line(row) == PROV_OK ? 0 : ERR_CLOSED;
	print_commit(row);
	return 0;
}

static int page(struct job *j)
{
	const char *user = j->x->args->opt[OPT_USER];
	struct buf b;

	buf_init(&b, &j->x->p->arena);
	buf_fmt(&b, "/v1/log?limit=%d&", (int)(j->left < PAGE ? j->left : PAGE));
	buf_addz(&b, j->next[0] ? "from=" : "ref=refs/heads/");
	if (j->next[0])
		buf_addz(&b, j->next);
	else
		prov_encode(&b, user ? str_of(user) : j->x->e->owner);
	if (j->x->path.n) {
		buf_addz(&b, "&path=");
		prov_encode(&b, j->x->path);
	}
	j->more = false;
	return b.err < 0 ? b.err : prov_lines(j->x->c, "GET", b.p, line, j);
}

static int all(struct prov_session *x)
{
	struct job j = { .x = x, .left = UINT64_MAX, .json = x->args->opt[OPT_JSON] };
	int err;

	if (x->args->opt[OPT_LIMIT])
		err = str_u64(&j.left, str_of(x->args->opt[OPT_LIMIT]), UINT32_MAX);
	else
		err = 0;
	if (err < 0 || j.left == 0)
		return prov_usage(
			NULL, "--limit takes a number from 1, not \"%s\"", x->args->opt[OPT_LIMIT]);
	do
		err = page(&j);
	while (err == 0 && j.more && j.next[0] && j.left);
	if (err == ERR_CLOSED)
		return PROV_FAILED;
	return err < 0 ? prov_client_fail(x->c, err, "cannot read the log") : PROV_OK;
}

static int run(struct prov *p, const struct prov_args *a)
{
	return prov_with_client(p, a, a->pos[0], all);
}

const struct prov_verb verb_log = { "log", "SERVICE[/PATH]", "what changed, newest first",
	"With a path, such as mail/INBOX, only what changed there. Times are UTC.", opts, 1, 1,
	run };
