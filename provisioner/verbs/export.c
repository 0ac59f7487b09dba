/* SPDX-License-Identifier: ISC */
#include "provisioner/copy.h"
#include "provisioner/give.h"
#include "provisioner/history.h"
#include "provisioner/say.h"

enum { OPT_GIT, OPT_ICS, OPT_VCF, OPT_VDIR, OPT_USER };
static const struct prov_opt opts[] = {
	[OPT_GIT] = { "git", 0, "DIR",
		"every user's branch: a bare git repository, made or brought up to date" },
	[OPT_ICS] = { "ics", 0, "FILE", "all events and tasks in one file" },
	[OPT_VCF] = { "vcf", 0, "FILE", "all contacts in one file" },
	[OPT_VDIR] = { "vdir", 0, "DIR", "a folder a calendar or address book, a file an item" },
	[OPT_USER] = PROV_OPT_USER,
	{ 0 },
};
static const struct prov_history_opts history = { OPT_USER, -1, -1 };

/* ---- git ---- */
static int export_git(struct prov_session *x)
{
	const char *dir = x->args->opt[OPT_GIT];
	struct prov_copy k = {
		.dir = dir,
		.verb = "export",
		.prefix = STR("refs/heads/"),
		.head = arena_fmt(&x->p->arena, "refs/heads/%.*s", STR_ARG(x->e->owner)),
	};
	char size[16];
	int err = prov_copy(&k, x->c);

	if (err < 0)
		return prov_client_fail(x->c, err, "cannot export");
	printf("%s into %s; `git -C %s log` shows it\n", prov_size(size, k.bytes), dir, dir);
	return PROV_OK;
}

/* ---- files ---- */
static int export_items(struct prov_history *h)
{
	const char *const *opt = h->x->args->opt;
	const char *to = opt[OPT_ICS] ? opt[OPT_ICS] : opt[OPT_VCF] ? opt[OPT_VCF] : opt[OPT_VDIR];
	struct prov_written w;
	struct buf b;
	int err;

	buf_init(&b, &h->x->p->arena);
	buf_addz(&b, "/v1/items?ref=refs/heads/");
	prov_encode(&b, h->user);
	buf_addz(&b, "&collection=");
	prov_encode(&b, h->x->path);
	if (b.err < 0)
		return prov_fail(NULL, "out of memory");
	err = opt[OPT_ICS]     ? prov_write_ics(&w, h->x->c, b.p, to)
		: opt[OPT_VCF] ? prov_write_vcf(&w, h->x->c, b.p, to)
			       : prov_write_vdir(&w, h->x->c, b.p, to);
	if (err < 0)
		return prov_client_fail(h->x->c, err, "cannot export");
	prov_note("%llu item%s of %llu %s%s into %s", (unsigned long long)w.items,
		w.items == 1 ? "" : "s", (unsigned long long)w.collections,
		str_eq(h->x->c->s->name, STR("contacts")) ? "address book" : "calendar",
		w.collections == 1 ? "" : "s", strcmp(to, "-") == 0 ? "standard output" : to);
	if (w.zones)
		prov_note("%llu time zone definitions bore the name of another one: the first was "
			  "kept",
			(unsigned long long)w.zones);
	return w.skipped ? PROV_FAILED : PROV_OK;
}

/* ---- which ---- */
static int run(struct prov *p, const struct prov_args *a)
{
	int chosen = 0;
	struct str service, path;

	for (int i = OPT_GIT; i <= OPT_VDIR; i++)
		chosen += a->opt[i] != NULL;
	if (chosen != 1)
		return prov_usage("such as `--git mail.git`",
			"`export` needs one of --git DIR, --ics FILE, --vcf FILE and --vdir DIR");
	str_cut(&service, &path, str_of(a->pos[0]), '/');
	if (a->opt[OPT_GIT])
		return prov_with_client(p, a, a->pos[0], export_git);
	if ((a->opt[OPT_ICS] && !str_eq(service, STR("calendar"))) ||
		(a->opt[OPT_VCF] && !str_eq(service, STR("contacts"))))
		return prov_usage(NULL, "--ics is for calendar, --vcf for contacts");
	return prov_history(p, a, &history, export_items);
}

const struct prov_verb verb_export = { "export", "SERVICE[/COLLECTION]",
	"a service's data as git, or as files other programs read",
	"--git: every user's mail, calendars or contacts are a branch, every message or item a "
	"file;\n"
	"run again, it brings the copy up to date. --ics and --vcf write one file (`-`: standard\n"
	"output) that every calendar or contacts program imports; --vdir a new folder that khal,\n"
	"khard and vdirsyncer read, with names and colours. With a collection (calendar/Calendar)\n"
	"only that one.\n",
	opts, 1, 1, run };
