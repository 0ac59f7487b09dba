/* SPDX-License-Identifier: ISC */
/* Words of the command line, by the tables of provisioner/verb.h. */
#include "provisioner/verb.h"

#define NAME_MAX_BYTES 64

static bool is_two_words(const char *name, const char *first, const char *second)
{
	struct str head, rest;

	return str_cut(&head, &rest, str_of(name), ' ') && str_eq(head, str_of(first)) &&
		(!second || str_eq(rest, str_of(second)));
}

const struct prov_verb *prov_verb_find(int *used, bool *group, int argc, char **argv)
{
	*group = false;
	*used = 0;
	if (argc < 1)
		return NULL;
	for (size_t i = 0; prov_verbs[i]; i++) {
		if (strcmp(prov_verbs[i]->name, argv[0]) == 0) {
			*used = 1;
			return prov_verbs[i];
		}
		if (!is_two_words(prov_verbs[i]->name, argv[0], NULL))
			continue;
		*group = true;
		if (argc > 1 && is_two_words(prov_verbs[i]->name, argv[0], argv[1])) {
			*used = 2;
			return prov_verbs[i];
		}
	}
	return NULL;
}

static int find_opt(const struct prov_opt *opts, struct str name)
{
	for (int i = 0; opts && opts[i].name; i++)
		if (str_eq(name, str_of(opts[i].name)))
			return i;
	return -1;
}

static int find_letter(const struct prov_opt *opts, char letter)
{
	for (int i = 0; opts && opts[i].name; i++)
		if (opts[i].letter == letter)
			return i;
	return -1;
}

/* One word that starts with a dash; *i moves on when the option's value is the next word. */
static int take_option(
	struct prov_args *out, const struct prov_verb *v, int *i, int argc, char **argv)
{
	const char *word = argv[*i], *value = NULL;
	int row;

	if (word[1] == '-') {
		struct str name, rest;

		if (str_cut(&name, &rest, str_of(word + 2), '='))
			value = rest.p;
		row = find_opt(v->opts, name);
	} else {
		row = find_letter(v->opts, word[1]);
		if (word[2])
			value = word + 2;
	}
	if (row < 0)
		return err_set(ERR_BAD, "`%s` has no option %s", v->name, word);
	if (!v->opts[row].value) {
		if (value)
			return err_set(ERR_BAD, "option --%s takes no value", v->opts[row].name);
		out->opt[row] = "";
		return 0;
	}
	if (!value) {
		if (*i + 1 >= argc)
			return err_set(ERR_BAD, "option --%s needs %s", v->opts[row].name,
				v->opts[row].value);
		value = argv[++*i];
	}
	out->opt[row] = value;
	return 0;
}

int prov_args_parse(struct prov_args *out, const struct prov_verb *v, int argc, char **argv)
{
	bool options = true;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];
		int err;

		if (options && strcmp(word, "--") == 0) {
			options = false;
			continue;
		}
		if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0))
			return ERR_CLOSED;
		if (options && word[0] == '-' && word[1]) {
			err = take_option(out, v, &i, argc, argv);
			if (err < 0)
				return err;
			continue;
		}
		if (out->n >= v->most)
			return err_set(ERR_BAD, "`%s` does not take \"%s\"", v->name, word);
		out->pos[out->n++] = word;
	}
	if (out->n < v->least)
		return err_set(ERR_BAD, "`%s` needs %s", v->name, v->takes);
	return 0;
}

void prov_verb_help(struct buf *out, const struct prov_verb *v)
{
	buf_fmt(out, "usage: allod %s", v->name);
	for (size_t i = 0; v->opts && v->opts[i].name; i++) {
		const struct prov_opt *o = &v->opts[i];

		buf_fmt(out, o->value ? " [--%s %s]" : " [--%s]", o->name, o->value);
	}
	buf_fmt(out, "%s%s\n\n%s.\n", *v->takes ? " " : "", v->takes, v->meaning);
	if (v->opts && v->opts[0].name)
		buf_addz(out, "\noptions:\n");
	for (size_t i = 0; v->opts && v->opts[i].name; i++) {
		const struct prov_opt *o = &v->opts[i];
		char left[NAME_MAX_BYTES];

		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "",
			o->value ? o->value : "");
		if (o->letter)
			buf_fmt(out, "  -%c, %-22s %s\n", o->letter, left, o->meaning);
		else
			buf_fmt(out, "  %-26s %s\n", left, o->meaning);
	}
	if (v->more)
		buf_fmt(out, "\n%s\n", v->more);
}

void prov_help(struct buf *out)
{
	buf_addz(out,
		"usage: allod [--home DIR] VERB [options] [arguments]\n\n"
		"Mail and more of your own, each service a small machine of its own.\n\n");
	for (size_t i = 0; prov_verbs[i]; i++) {
		const struct prov_verb *v = prov_verbs[i];
		char left[NAME_MAX_BYTES];

		snprintf(left, sizeof(left), "%s %s", v->name, v->takes);
		buf_fmt(out, "  %-34s %s\n", left, v->meaning);
	}
	buf_addz(out,
		"\n  --home DIR    the estate's folder; else $ALLOD_HOME, else allod in the "
		"XDG data folder\n"
		"  --version     what this is\n"
		"\n`allod VERB --help` says more about one.\n"
		"Exit status: 0 done, 1 failed, 2 the command was not understood.\n");
}
