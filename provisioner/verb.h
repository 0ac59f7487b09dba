/* SPDX-License-Identifier: ISC */
/*
 * A verb of `allod` is a row: name, what it takes, what it does, options, handler. Parser, --help
 * and the list of verbs come from the rows (provisioner/verbs.c); one file per verb stands in
 * provisioner/verbs/.
 *
 *	enum { OPT_JSON };
 *	static const struct prov_opt opts[] = { [OPT_JSON] = PROV_OPT_JSON, { 0 } };
 *	static int run(struct prov *p, const struct prov_args *a)
 *	{
 *		if (a->opt[OPT_JSON]) ...
 *		return PROV_OK;
 *	}
 *	const struct prov_verb verb_status = { "status", "[SERVICE...]", "what runs, ...", NULL, opts, 0,
 *		PROV_MANY, run };
 *
 * Exit codes: 0 done, 1 failed, 2 not understood. Data go to stdout, talk to stderr; nothing asks.
 */
#ifndef PROVISIONER_VERB_H
#define PROVISIONER_VERB_H

#include "os/base.h"

enum { PROV_OK, PROV_FAILED, PROV_USAGE };

#define PROV_OPTS_MAX 8
#define PROV_POS_MAX  16
#define PROV_MANY     PROV_POS_MAX

struct prov_opt {
	const char *name;  /* without the dashes */
	char letter;       /* 0: none */
	const char *value; /* what it takes, for the help; NULL: a switch */
	const char *meaning;
};
#define PROV_OPT_JSON { "json", 0, NULL, "print JSON for programs" }

struct prov_args {
	const char *opt[PROV_OPTS_MAX]; /* by row of the verb's table; NULL: not given */
	const char *pos[PROV_POS_MAX];
	size_t n;
};

/* What every verb is given. */
struct prov {
	struct arena arena;
	const char *home; /* absolute, no slash at the end */
	const char *self; /* path of this program */
};

struct prov_verb {
	const char *name; /* one word or two */
	const char *takes;
	const char *meaning;
	const char *more; /* paragraphs for --help, or NULL */
	const struct prov_opt *opts;
	size_t least, most; /* positional arguments */
	int (*run)(struct prov *p, const struct prov_args *a);
};

/* All verbs in the order of the help, ended by NULL. */
extern const struct prov_verb *const prov_verbs[];

/*
 * The verb the first word or two name, *used words; NULL when there is none. With *group set: the
 * word starts some two-word verbs, but no second word that fits was given.
 */
const struct prov_verb *prov_verb_find(int *used, bool *group, int argc, char **argv);
/*
 * Sorts words into options and positions by the verb's table. 0, or ERR_BAD with a sentence;
 * ERR_CLOSED: help was asked for. Options may stand anywhere; `--` ends them.
 */
MUST_CHECK int prov_args_parse(
	struct prov_args *out, const struct prov_verb *v, int argc, char **argv);
void prov_verb_help(struct buf *out, const struct prov_verb *v);
void prov_help(struct buf *out);

/* The whole of main() but the process around it: exit code. */
int prov_main(int argc, char **argv);

#endif
