/* SPDX-License-Identifier: ISC */
/* Calendars and contacts from files: found and put together here, sent many at a time. */
#include "provisioner/history.h"
#include "provisioner/pieces.h"
#include "provisioner/say.h"
#include "services/control/items.h"

enum { OPT_USER, OPT_KEEP, OPT_DRY_RUN, OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_USER] = PROV_OPT_USER,
	[OPT_KEEP] = { "keep", 0, NULL, "leave what is there already as it is" },
	[OPT_DRY_RUN] = { "dry-run", 'n', NULL, "only show what would become of it" },
	[OPT_JSON] = { "json", 0, NULL, "print one JSON object a line for programs" },
	{ 0 },
};
static const struct prov_history_opts history = { OPT_USER, -1, OPT_JSON };

#define BATCH_BYTES (1u << 20)
#define BATCH_ITEMS 400
#define FAULTS_TOLD 50 /* to people; all are counted */

enum { ADDED, REPLACED, UNCHANGED, KEPT, REFUSED, OUTCOMES };
static const char *const outcomes[] = { "added", "replaced", "unchanged", "kept", "refused" };

struct job {
	struct prov_history *h;
	struct prov_pieces *pieces;
	struct prov_progress bar;
	uint64_t counts[OUTCOMES];
	uint64_t commits;
	char first[STORE_HEX], last[STORE_HEX];
	/* of the batch under way */
	struct buf body;
	struct {
		const char *file;
		uint32_t line;
	} from[BATCH_ITEMS];
	size_t n, sent;
	bool broken; /* stdout is closed */
};

/* ---- what is wrong with some ---- */
static void print_json(struct job *j, json_t *row)
{
	j->broken |= prov_print_json_line(row) != PROV_OK;
	json_decref(row);
}

static void fault(void *ctx, const char *file, uint32_t line, const char *why)
{
	struct job *j = ctx;
	unsigned at;
	int n = 0;

	/* A line of the item as it was put together says nothing to anybody. */
	if (sscanf(why, "line %u: %n", &at, &n) == 1 && n > 0)
		why += n;
	j->counts[REFUSED]++;
	if (j->h->json) {
		print_json(j,
			json_pack("{s:s,s:o,s:I,s:o}", "change", "refused", "file",
				control_text(str_of(file)), "line", (json_int_t)line, "why",
				control_text(str_of(why))));
		return;
	}
	prov_progress_end(&j->bar);
	if (j->counts[REFUSED] <= FAULTS_TOLD)
		prov_note("%s, line %u: skipped: %s", file, (unsigned)line, why);
	else if (j->counts[REFUSED] == FAULTS_TOLD + 1)
		prov_note("and more: --json tells all");
}

/* ---- one batch ---- */
static int outcome(const char *change)
{
	for (int i = 0; i < OUTCOMES; i++)
		if (change && strcmp(change, outcomes[i]) == 0)
			return i;
	return -1;
}

static void on_item(struct job *j, const json_t *row, int what)
{
	json_int_t n = json_integer_value(json_object_get(row, "n"));
	const char *why = json_string_value(json_object_get(row, "why"));
	json_t *copy;

	if (n < 0 || (size_t)n >= j->n)
		return;
	if (what == REFUSED) {
		fault(j, j->from[n].file, j->from[n].line, why ? why : "it was refused");
		return;
	}
	j->counts[what]++;
	if (!j->h->json)
		return;
	copy = json_copy((json_t *)row);
	json_object_del(copy, "n");
	json_object_set_new(copy, "file", control_text(str_of(j->from[n].file)));
	json_object_set_new(copy, "line", json_integer((json_int_t)j->from[n].line));
	print_json(j, copy);
}

static int line(void *ctx, const json_t *row)
{
	struct job *j = ctx;
	const char *change = json_string_value(json_object_get(row, "change"));
	const char *commit = json_string_value(json_object_get(row, "commit"));
	int what = outcome(change);

	if (commit) {
		snprintf(j->commits ? j->last : j->first, STORE_HEX, "%s", commit);
		if (!j->commits++)
			memcpy(j->last, j->first, STORE_HEX);
	} else if (what >= 0) {
		on_item(j, row, what);
	} else if (change &&
		j->sent == 0) { /* a collection was made; a dry run says so every time */
		if (j->h->json)
			print_json(j, json_incref((json_t *)row));
		else
			prov_note("%s %s made",
				json_string_value(json_object_get(row, "collection")),
				j->h->x->args->opt[OPT_DRY_RUN] ? "would be" : "is");
	}
	return j->broken ? ERR_CLOSED : 0;
}

static void add_query(struct buf *b, const char *name, struct str value)
{
	if (!value.n)
		return;
	buf_fmt(b, "&%s=", name);
	prov_encode(b, value);
}

/* Files as people call them, without folders. */
static struct str source_of(const struct job *j)
{
	struct str s = str_of(j->from[0].file);
	size_t at = s.n;

	while (at > 0 && s.p[at - 1] != '/')
		at--;
	return str_sub(s, at, s.n);
}

static int send(struct job *j)
{
	const struct prov_history *h = j->h;
	struct buf b;
	int err;

	if (j->n == 0)
		return 0;
	buf_init(&b, NULL);
	buf_addz(&b, "/v1/items?ref=refs/heads/");
	prov_encode(&b, h->user);
	add_query(&b, "collection", h->x->path);
	add_query(&b, "source", source_of(j));
	buf_addz(&b, h->x->args->opt[OPT_KEEP] ? "&keep=1" : "");
	buf_addz(&b, h->x->args->opt[OPT_DRY_RUN] ? "&dry_run=1" : "");
	err = b.err < 0 ? b.err : j->body.err;
	if (err >= 0)
		err = prov_send(h->x->c, b.p, buf_str(&j->body), line, j);
	buf_free(&b);
	j->sent += j->n;
	j->n = 0;
	j->body.n = 0;
	prov_progress(&j->bar, "import: %zu of %zu", j->sent, prov_pieces_count(j->pieces));
	return err;
}

static int send_all(struct job *j)
{
	struct arena a;
	int err = 0;

	arena_init(&a, PROV_ITEM_ROOM);
	buf_init(&j->body, NULL);
	for (size_t i = 0; i < prov_pieces_count(j->pieces) && err >= 0; i++) {
		struct prov_item item;
		arena_reset(&a);
		err = prov_pieces_item(&item, &a, j->pieces, i);
		if (err >= 0 && item.bytes.n > CONTROL_ITEMS_BYTES / 2)
			err = err_set(ERR_LIMIT, "it is over 1 MiB");
		if (err == ERR_LIMIT) { /* one of many */
			fault(j, item.file, item.line, err_text(err));
			err = 0;
			continue;
		}
		if (err < 0)
			break;
		if (j->n == BATCH_ITEMS || (j->n && j->body.n + item.bytes.n > BATCH_BYTES))
			err = send(j);
		j->from[j->n].file = item.file;
		j->from[j->n++].line = item.line;
		buf_fmt(&j->body, "{\"bytes\":%zu}\n", item.bytes.n);
		buf_add(&j->body, item.bytes);
	}
	if (err >= 0)
		err = send(j);
	buf_free(&j->body);
	arena_free(&a);
	return err;
}

/* ---- all of it ---- */
static void conclude(struct job *j, int err)
{
	static const char *const words[] = { "added", "replaced", "unchanged", "left as they are",
		"skipped" };
	const struct prov_history *h = j->h;
	const char *between = "";

	if (h->json) {
		json_t *row = json_pack("{s:b}", "ok", err >= 0 && j->counts[REFUSED] == 0);
		for (int i = 0; i < OUTCOMES; i++)
			json_object_set_new(
				row, outcomes[i], json_integer((json_int_t)j->counts[i]));
		json_object_set_new(
			row, "doubles", json_integer((json_int_t)prov_pieces_doubles(j->pieces)));
		if (j->commits) {
			json_object_set_new(row, "first", json_string(j->first));
			json_object_set_new(row, "last", json_string(j->last));
		}
		print_json(j, row);
		return;
	}
	for (int i = 0; i < OUTCOMES; i++)
		if (j->counts[i] || i == ADDED) {
			printf("%s%llu %s", between, (unsigned long long)j->counts[i], words[i]);
			between = ", ";
		}
	if (prov_pieces_doubles(j->pieces))
		printf("; %zu stood there twice, the newer ones count",
			prov_pieces_doubles(j->pieces));
	printf(h->x->args->opt[OPT_DRY_RUN] ? "; nothing was done\n" : "\n");
	if (j->commits)
		prov_history_print_undo(h, j->first, j->commits > 1 ? j->last : NULL);
}

static int read_files(struct job *j)
{
	const struct prov_args *a = j->h->x->args;
	int err = 0;

	for (size_t i = 1; i < a->n && err >= 0; i++) {
		prov_progress(&j->bar, "reading %s", a->pos[i]);
		err = prov_pieces_add(j->pieces, a->pos[i]);
	}
	return err;
}

static int import(struct prov_history *h)
{
	bool cards = str_eq(h->x->c->s->name, STR("contacts"));
	struct job *j = calloc(1, sizeof(*j));
	int err, code;

	if (!j)
		return prov_fail(NULL, "out of memory");
	j->h = h;
	err = prov_pieces_open(&j->pieces, cards, fault, j);
	if (err < 0) {
		free(j);
		return prov_fail(NULL, "%s", err_text(err));
	}
	err = read_files(j);
	if (err < 0)
		code = prov_fail(NULL, "cannot read it in: %s", err_text(err));
	else if ((err = send_all(j)) < 0)
		code = err == ERR_CLOSED && j->broken
			? PROV_FAILED
			: prov_client_fail(h->x->c, err, "cannot import");
	else
		code = j->counts[REFUSED] ? PROV_FAILED : PROV_OK;
	prov_progress_end(&j->bar);
	if (err >= 0 || j->commits) /* what was done stays */
		conclude(j, err);
	prov_pieces_close(j->pieces);
	free(j);
	return code;
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct str service, path;

	str_cut(&service, &path, str_of(a->pos[0]), '/');
	if (!str_eq(service, STR("calendar")) && !str_eq(service, STR("contacts")))
		return prov_usage("such as `allod import calendar holidays.ics`",
			"`import` takes calendar or contacts, not \"%.*s\"", STR_ARG(service));
	return prov_history(p, a, &history, import);
}

const struct prov_verb verb_import = { "import", "SERVICE[/COLLECTION] FILE...",
	"events, tasks and contacts from .ics and .vcf files",
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
	"Windows-1252, line ends of all kinds.\n",
	opts, 2, PROV_MANY, run };
