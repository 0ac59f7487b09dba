/* SPDX-License-Identifier: ISC */
#include "provisioner/client.h"
#include "provisioner/diff.h"
#include "provisioner/say.h"

enum { OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_JSON] = { "json", 0, NULL, "print one JSON object a line for programs" },
	{ 0 },
};

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static void print_commit(const json_t *c)
{
	struct str rest = str_of(text_of(c, "message")), one;
	struct os_date d;

	os_date_of(&d, json_integer_value(json_object_get(c, "time")));
	printf("%scommit %s%s\nauthor  ", prov_bold(), text_of(c, "commit"), prov_plain());
	prov_print_clean(str_of(text_of(c, "author")));
	printf(" <");
	prov_print_clean(str_of(text_of(c, "email")));
	printf(">\ndate    %04d-%02d-%02d %02d:%02d:%02d UTC\n\n", d.year, d.month, d.day, d.hour,
		d.min, d.sec);
	while (rest.n) {
		str_cut(&one, &rest, rest, '\n');
		printf("    ");
		prov_print_clean(one);
		putchar('\n');
	}
}

static void print_diff_line(void *ctx, char sign, struct str text)
{
	(void)ctx;
	putchar(' ');
	putchar(sign);
	prov_print_clean(text);
	putchar('\n');
}

static void print_change(const json_t *c)
{
	const json_t *before = json_object_get(c, "before"), *after = json_object_get(c, "after");
	const json_t *old_text = json_object_get(before, "text");
	const json_t *new_text = json_object_get(after, "text");
	const json_t *size = json_object_get(json_is_object(after) ? after : before, "size");
	const char *what = !json_is_object(before) ? "added  "
		: !json_is_object(after)           ? "removed"
						   : "changed";
	char bytes[16];

	printf("\n%s%s%s ", prov_bold(), what, prov_plain());
	prov_print_clean(str_of(text_of(c, "path")));
	printf(" (%s)\n", prov_size(bytes, (uint64_t)json_integer_value(size)));
	if ((json_is_object(before) && !json_is_string(old_text)) ||
		(json_is_object(after) && !json_is_string(new_text)))
		return; /* large or no text: the size must do */
	prov_diff(str_of(json_string_value(old_text)), str_of(json_string_value(new_text)),
		print_diff_line, NULL);
}

static int line(void *ctx, const json_t *row)
{
	const struct prov_session *x = ctx;

	if (x->args->opt[OPT_JSON])
		return prov_print_json_line(row) == PROV_OK ? 0 : ERR_CLOSED;
	if (json_is_true(json_object_get(row, "more")))
		printf("\nand more files: `allod export %s --git DIR` gives all\n",
			x->args->pos[0]);
	else if (json_object_get(row, "commit"))
		print_commit(row);
	else
		print_change(row);
	return 0;
}

static int show(struct prov_session *x)
{
	struct str commit = str_of(x->args->pos[1]);
	struct buf b;
	int err;

	buf_init(&b, &x->p->arena);
	buf_addz(&b, "/v1/show?commit=");
	if (str_starts(commit, STR("HEAD"))) { /* as people know it from git: the owner's branch */
		buf_addz(&b, "refs/heads/");
		prov_encode(&b, x->e->owner);
		commit = str_sub(commit, 4, commit.n);
	}
	prov_encode(&b, commit);
	if (x->path.n) {
		buf_addz(&b, "&path=");
		prov_encode(&b, x->path);
	}
	err = b.err < 0 ? b.err : prov_lines(x->c, "GET", b.p, line, x);
	if (err == ERR_CLOSED)
		return PROV_FAILED;
	return err < 0 ? prov_client_fail(x->c, err, "cannot show it") : PROV_OK;
}

static int run(struct prov *p, const struct prov_args *a)
{
	return prov_with_client(p, a, a->pos[0], show);
}

const struct prov_verb verb_show = { "show", "SERVICE[/PATH] COMMIT", "what one commit changed",
	"COMMIT is an id as `allod log` prints it, HEAD for the newest of the owner, or a\n"
	"branch such as refs/heads/alice; with ~N the Nth before it.",
	opts, 2, 2, run };
