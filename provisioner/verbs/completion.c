/* SPDX-License-Identifier: ISC */
#include "provisioner/say.h"

/* The words that may follow `prefix` (a verb's name and a space, or nothing). */
static void words(struct buf *b, struct str prefix)
{
	struct str last = STR_NONE;

	for (size_t i = 0; prov_verbs[i]; i++) {
		struct str name = str_of(prov_verbs[i]->name), word, rest;

		if (!str_starts(name, prefix))
			continue;
		str_cut(&word, &rest, str_sub(name, prefix.n, name.n), ' ');
		if (!str_eq(word, last))
			buf_fmt(b, "%.*s ", STR_ARG(word));
		last = word;
	}
}

static void cases(struct buf *b)
{
	for (size_t i = 0; prov_verbs[i]; i++) {
		const struct prov_verb *v = prov_verbs[i];

		if (!v->opts)
			continue;
		buf_fmt(b, "\t\"%s\") words=\"", v->name);
		for (size_t j = 0; v->opts[j].name; j++)
			buf_fmt(b, "--%s ", v->opts[j].name);
		buf_addz(b, "--help\" ;;\n");
	}
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct buf b;

	(void)a;
	buf_init(&b, &p->arena);
	buf_addz(&b,
		"# bash completion of allod: source <(allod completion)\n"
		"_allod() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words=\n"
		"\t[ \"$verb\" = user ] && verb=\"user ${COMP_WORDS[2]}\"\n"
		"\tcase $verb in\n");
	cases(&b);
	buf_addz(&b, "\tesac\n\t[ \"$COMP_CWORD\" = 1 ] && words=\"");
	words(&b, STR(""));
	buf_addz(
		&b, "\"\n\t[ \"$COMP_CWORD\" = 2 ] && [ \"${COMP_WORDS[1]}\" = user ] && words=\"");
	words(&b, STR("user "));
	buf_addz(&b,
		"\"\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
		"complete -o default -F _allod allod\n");
	return b.err < 0 ? PROV_FAILED : prov_print(buf_str(&b));
}

const struct prov_verb verb_completion = { "completion", "", "completion for bash",
	"Use it by `source <(allod completion)`.", NULL, 0, 0, run };
