/* SPDX-License-Identifier: ISC */
/* The manual page, from the tables that parse what it is about. */
#include "provisioner/estate.h"
#include "provisioner/say.h"

/* Text as roff takes it: nothing in it is a request or an escape. */
static void text(struct buf *b, struct str s)
{
	bool first = true;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (first && (c == '.' || c == '\''))
			buf_addz(b, "\\&");
		if (c == '\\')
			buf_addz(b, "\\e");
		else if (c == '-')
			buf_addz(b, "\\-");
		else
			buf_addc(b, c);
		first = c == '\n';
	}
}

/* In bold or italics, within a line. */
static void font(struct buf *b, char which, const char *words)
{
	buf_fmt(b, "\\f%c", which);
	text(b, str_of(words));
	buf_addz(b, "\\fR");
}

/* Sentences; what is indented stays as it is laid out. */
static void paragraphs(struct buf *b, const char *words)
{
	struct str line, rest = str_of(words);
	bool laid = false;

	while (rest.n) {
		str_cut(&line, &rest, rest, '\n');
		if (str_starts(line, STR("  ")) != laid) {
			laid = !laid;
			buf_addz(b, laid ? ".nf\n" : ".fi\n");
		}
		if (line.n == 0)
			buf_addz(b, ".sp\n");
		text(b, line);
		if (line.n)
			buf_addc(b, '\n');
	}
	if (laid)
		buf_addz(b, ".fi\n");
}

static void verb(struct buf *b, const struct prov_verb *v)
{
	buf_addz(b, ".TP\n");
	font(b, 'B', v->name);
	if (*v->takes) {
		buf_addc(b, ' ');
		font(b, 'I', v->takes);
	}
	buf_addc(b, '\n');
	text(b, str_of(v->meaning));
	buf_addz(b, ".\n");
	for (size_t i = 0; v->opts && v->opts[i].name; i++) {
		const struct prov_opt *o = &v->opts[i];

		buf_addz(b, ".br\n");
		if (o->letter)
			buf_fmt(b, "\\fB\\-%c\\fR, ", o->letter);
		buf_addz(b, "\\fB\\-\\-");
		text(b, str_of(o->name));
		buf_addz(b, "\\fR ");
		if (o->value) {
			font(b, 'I', o->value);
			buf_addc(b, ' ');
		}
		text(b, str_of(o->meaning));
		buf_addc(b, '\n');
	}
	if (v->more) {
		buf_addz(b, ".sp\n");
		paragraphs(b, v->more);
	}
}

static void rows(struct buf *b, const struct os_opt *o)
{
	for (; o->type != OS_OPT_END; o++) {
		buf_addz(b, ".TP\n");
		font(b, 'B', o->name);
		buf_addc(b, '\n');
		text(b, str_of(o->meaning));
		if (o->type == OS_OPT_TYPE_U64)
			buf_fmt(b, ", from %llu to %llu; %llu unless stated",
				(unsigned long long)o->min, (unsigned long long)o->max,
				(unsigned long long)o->num);
		buf_addz(b, ".\n");
	}
}

static void conf(struct buf *b)
{
	const char *last = "";

	buf_addz(b,
		".SH ALLOD.CONF\nWhat the estate runs and where, in the syntax of\n"
		".BR git\\-config (1).\nRead at every start; a mistake is named with its line.\n"
		".SS [service \\(dqNAME\\(dq]\n");
	rows(b, prov_service_rows);
	for (const struct prov_port_def *d = prov_port_defs; d->service; d++) {
		if (strcmp(d->service, last) == 0)
			continue;
		last = d->service;
		buf_fmt(b, ".SS [service \\(dq%s\\(dq]\n", last);
		rows(b, prov_option_rows(str_of(last)));
		buf_fmt(b, ".SS [listen \\(dq%s\\(dq]\nRows PORT = ADDRESS:NUMBER, for:\n", last);
		for (const struct prov_port_def *p = d; p->service && strcmp(p->service, last) == 0;
			p++)
			buf_fmt(b, "%s\n", p->name);
	}
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct buf b;

	(void)a;
	buf_init(&b, &p->arena);
	buf_addz(&b,
		".TH ALLOD 1 \"\" \"allod\"\n.SH NAME\nallod \\- mail, calendar and contacts of "
		"your own\n"
		".SH SYNOPSIS\n.B allod\n[\\fB\\-\\-home\\fR \\fIDIR\\fR] \\fIVERB\\fR [options] "
		"[arguments]\n.SH DESCRIPTION\nAn estate is one folder: disks, keys, logs and "
		"allod.conf. Each service in it is a small machine of its own, or a process.\n"
		".SH VERBS\n");
	for (size_t i = 0; prov_verbs[i]; i++)
		verb(&b, prov_verbs[i]);
	conf(&b);
	buf_addz(&b,
		".SH ENVIRONMENT\n.TP\n.B ALLOD_HOME\nThe estate's folder, unless \\-\\-home names "
		"one; else allod in the XDG data folder.\n.TP\n.B ALLOD_IMAGES\nA folder with the "
		"services' images.\n"
		".SH EXIT STATUS\n0 done, 1 failed, 2 the command was not understood.\n");
	return b.err < 0 ? PROV_FAILED : prov_print(buf_str(&b));
}

const struct prov_verb verb_man = { "man", "", "the manual page",
	"Read it by `allod man | man -l -`; as a file it is man1/allod.1.", NULL, 0, 0, run };
