/* SPDX-License-Identifier: ISC */
/* Mail, calendars and contacts from files: found and put together here, sent many at a time. */
#include "provisioner/intake.h"
#include "provisioner/letters.h"
#include "provisioner/pieces.h"
#include "services/control/items.h"
#include "services/mail/intake.h"

#include <stdio.h>

enum { OPT_USER, OPT_FOLDER, OPT_KEEP, OPT_DRY_RUN, OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_USER] = PROV_OPT_USER,
	[OPT_FOLDER] = { "folder", 'f', "NAME",
		"the mailbox, calendar or address book, made if it is not there" },
	[OPT_KEEP] = { "keep", 0, NULL, "leave what is there already as it is" },
	[OPT_DRY_RUN] = { "dry-run", 'n', NULL, "only show what would become of it" },
	[OPT_JSON] = { "json", 0, NULL, "print one JSON object a line for programs" },
	{ 0 },
};
static const struct prov_history_opts history = { OPT_USER, -1, OPT_JSON };

/* Undoing never takes out mail that came: docs/decisions, what a restore does. */
static void take_back(const struct prov_history *h, const char *first)
{
	const char *folder = h->x->args->opt[OPT_FOLDER];
	struct str box = folder ? str_of(folder) : h->x->path.n ? h->x->path : STR("INBOX");
	struct str path = arena_fmt(&h->x->p->arena, "mail/%.*s", STR_ARG(box));

	printf("to take it back, and what came there since: ");
	prov_history_print_restore(h, path);
	printf(" --at %.12s~1 --exact`\n", first);
}

static int open_intake(struct prov_intake **out, struct prov_history *h, size_t batch_items)
{
	const struct prov_args *a = h->x->args;
	struct prov_intake_how how = { .collection = h->x->path,
		.keep = a->opt[OPT_KEEP] != NULL,
		.dry_run = a->opt[OPT_DRY_RUN] != NULL,
		.what = "import",
		.batch_items = batch_items };

	if (str_eq(h->x->c->s->name, STR("mail")))
		how.take_back = take_back;
	if (a->opt[OPT_FOLDER])
		how.collection = str_of(a->opt[OPT_FOLDER]);
	return prov_intake_open(out, h, &how);
}

/* ---- calendars and contacts ---- */
static int read_files(struct prov_pieces *pieces, struct prov_intake *in, const struct prov_args *a)
{
	int err = 0;

	for (size_t i = 1; i < a->n && err >= 0; i++) {
		prov_progress(prov_intake_bar(in), "reading %s", a->pos[i]);
		err = prov_pieces_add(pieces, a->pos[i]);
	}
	return err;
}

static int send_all(struct prov_pieces *pieces, struct prov_intake *in)
{
	struct arena a;
	int err = 0;

	arena_init(&a, PROV_ITEM_ROOM);
	for (size_t i = 0; i < prov_pieces_count(pieces) && err >= 0; i++) {
		struct prov_item item;
		arena_reset(&a);
		err = prov_pieces_item(&item, &a, pieces, i);
		if (err >= 0 && item.bytes.n > CONTROL_ITEMS_BYTES / 2)
			err = err_set(ERR_LIMIT, "it is over 1 MiB");
		if (err == ERR_LIMIT) { /* one of many */
			prov_intake_fault(in, item.file, item.line, err_text(err));
			err = 0;
			continue;
		}
		prov_intake_total(in, i + 1, prov_pieces_count(pieces));
		if (err >= 0)
			err = prov_intake_add(in, item.file, item.line, NULL, item.bytes);
	}
	arena_free(&a);
	return err;
}

static int import_pieces(struct prov_history *h)
{
	bool cards = str_eq(h->x->c->s->name, STR("contacts"));
	struct prov_pieces *pieces;
	struct prov_intake *in;
	int err = open_intake(&in, h, PROV_INTAKE_ITEMS), code;

	if (err < 0)
		return prov_fail(NULL, "%s", err_text(err));
	err = prov_pieces_open(&pieces, cards, prov_intake_fault, in);
	if (err < 0)
		return prov_intake_close(in, err, "cannot import", 0);
	err = read_files(pieces, in, h->x->args);
	if (err < 0) {
		code = prov_intake_close(in, err, "cannot read it in", 0);
	} else {
		err = send_all(pieces, in);
		code = prov_intake_close(in, err, "cannot import", prov_pieces_doubles(pieces));
	}
	prov_pieces_close(pieces);
	return code;
}

/* ---- mail ---- */
static json_t *letter_head(const struct prov_letter *l)
{
	json_t *head = json_pack("{s:s,s:I}", "flags", l->flags, "date", (json_int_t)l->date_sec);
	json_t *words = json_array();
	struct str word, rest = l->keywords;

	while (rest.n) {
		str_cut(&word, &rest, rest, ' ');
		if (word.n)
			json_array_append_new(words, control_text(word));
	}
	json_object_set_new(head, "keywords", words);
	return head;
}

static int send_letters(struct prov_intake *in, const char *path)
{
	struct prov_letters *letters;
	struct prov_letter l;
	int err = prov_letters_open(&letters, path, MAIL_INTAKE_BYTES, prov_intake_fault, in);

	if (err < 0)
		return err;
	while ((err = prov_letters_next(&l, letters)) == 0 && l.bytes.p) {
		prov_intake_total(in, l.done, l.all);
		err = prov_intake_add(in, l.file, l.line, letter_head(&l), l.bytes);
		if (err < 0)
			break;
	}
	if (err >= 0)
		err = prov_intake_flush(in); /* while its names are there */
	prov_letters_close(letters);
	return err;
}

static int import_mail(struct prov_history *h)
{
	const struct prov_args *a = h->x->args;
	struct prov_intake *in;
	int err;

	if (a->opt[OPT_KEEP])
		return prov_usage(NULL,
			"messages never replace each other: --keep is for calendars and contacts");
	err = open_intake(&in, h, MAIL_APPEND_ITEMS_MAX);
	if (err < 0)
		return prov_fail(NULL, "%s", err_text(err));
	for (size_t i = 1; i < a->n && err >= 0; i++)
		err = send_letters(in, a->pos[i]);
	return prov_intake_close(in, err, "cannot import", 0);
}

static int import(struct prov_history *h)
{
	if (h->x->path.n && h->x->args->opt[OPT_FOLDER])
		return prov_usage(NULL, "--folder says the same as what follows the slash");
	return str_eq(h->x->c->s->name, STR("mail")) ? import_mail(h) : import_pieces(h);
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct str service, path;

	str_cut(&service, &path, str_of(a->pos[0]), '/');
	if (!str_eq(service, STR("mail")) && !str_eq(service, STR("calendar")) &&
		!str_eq(service, STR("contacts")))
		return prov_usage("such as `allod import calendar holidays.ics`",
			"`import` takes mail, calendar or contacts, not \"%.*s\"",
			STR_ARG(service));
	return prov_history(p, a, &history, import);
}

const struct prov_verb verb_import = { "import", "SERVICE[/COLLECTION] FILE...",
	"mail from mbox files and Maildirs; events, tasks, contacts from .ics, .vcf",
	"Reads calendar data into calendar and vCards into contacts, from files of any size; a\n"
	"folder stands for its .ics or .vcf files, `-` for standard input. With a collection\n"
	"(calendar/Holidays) all of it goes there, and it is made if it is not there; without "
	"one,\n"
	"each where its UID is already, else events to the calendar, tasks to the task list,\n"
	"contacts to the address book.\n"
	"What has the UID of something that is there replaces it, unless it says the same or "
	"--keep\n"
	"is given. What has no UID gets one made from what it says, so that reading it in again "
	"adds\n"
	"nothing. What is broken is told with its line and skipped; the exit code is then 1. "
	"Broken\n"
	"off, it can be run again. Other programs' quirks are understood: vCard 2.1, UTF-16,\n"
	"Windows-1252, line ends of all kinds.\n"
	"\n"
	"Reads mail from mbox files (also a single message), `-` for standard input, and Maildir\n"
	"folders, into INBOX or the mailbox that is named (mail/Old or --folder Old). Flags are\n"
	"kept (a Maildir's suffixes; Status, X-Status and X-Keywords of an mbox, which are taken\n"
	"off), and when it came (the From line, the file's date, else its Date). A message whose\n"
	"very bytes are in that mailbox is left out, so that it can be run again.\n",
	opts, 2, PROV_MANY, run };
