/* SPDX-License-Identifier: ISC */
#include "provisioner/intake.h"
#include "services/control/items.h"

#define BATCH_BYTES (1u << 20)
#define FAULTS_TOLD 50 /* to people; all are counted */

enum { ADDED, REPLACED, UNCHANGED, KEPT, REFUSED, OUTCOMES };
static const char *const outcomes[] = { "added", "replaced", "unchanged", "kept", "refused" };

struct prov_intake {
	struct prov_history *h;
	struct prov_intake_how how;
	struct prov_progress bar;
	uint64_t counts[OUTCOMES];
	uint64_t commits, done, all;
	char first[STORE_HEX], last[STORE_HEX];
	/* of the batch under way */
	struct buf body;
	struct {
		const char *file;
		uint32_t line;
	} from[PROV_INTAKE_ITEMS];
	size_t n, sent;
	bool broken; /* stdout is closed */
};

int prov_intake_open(
	struct prov_intake **out, struct prov_history *h, const struct prov_intake_how *how)
{
	struct prov_intake *in = calloc(1, sizeof(*in));

	if (!in)
		return err_set(ERR_NOMEM, "out of memory");
	in->h = h;
	in->how = *how;
	buf_init(&in->body, NULL);
	*out = in;
	return 0;
}

void prov_intake_total(struct prov_intake *in, uint64_t done, uint64_t all)
{
	in->done = done;
	in->all = all;
}

struct prov_progress *prov_intake_bar(struct prov_intake *in)
{
	return &in->bar;
}

/* ---- what is wrong with some ---- */
static void print_json(struct prov_intake *in, json_t *row)
{
	in->broken |= prov_print_json_line(row) != PROV_OK;
	json_decref(row);
}

static void add_place(json_t *row, const char *file, uint32_t line)
{
	json_object_set_new(row, "file", control_text(str_of(file)));
	if (line)
		json_object_set_new(row, "line", json_integer((json_int_t)line));
}

void prov_intake_fault(void *ctx, const char *file, uint32_t line, const char *why)
{
	struct prov_intake *in = ctx;
	unsigned at;
	int n = 0;

	/* A line of the item as it was put together says nothing to anybody. */
	if (sscanf(why, "line %u: %n", &at, &n) == 1 && n > 0)
		why += n;
	in->counts[REFUSED]++;
	if (in->h->json) {
		json_t *row = json_pack("{s:s}", "change", "refused");
		add_place(row, file, line);
		json_object_set_new(row, "why", control_text(str_of(why)));
		print_json(in, row);
		return;
	}
	prov_progress_end(&in->bar);
	if (in->counts[REFUSED] > FAULTS_TOLD)
		return;
	if (line)
		prov_note("%s, line %u: skipped: %s", file, (unsigned)line, why);
	else
		prov_note("%s: skipped: %s", file, why);
	if (in->counts[REFUSED] == FAULTS_TOLD)
		prov_note("there may be more: --json tells all");
}

/* ---- one batch ---- */
static int outcome(const char *change)
{
	for (int i = 0; i < OUTCOMES; i++)
		if (change && strcmp(change, outcomes[i]) == 0)
			return i;
	return -1;
}

static void on_item(struct prov_intake *in, const json_t *row, int what)
{
	json_int_t n = json_integer_value(json_object_get(row, "n"));
	const char *why = json_string_value(json_object_get(row, "why"));
	json_t *copy;

	if (n < 0 || (size_t)n >= in->n)
		return;
	if (what == REFUSED) {
		prov_intake_fault(
			in, in->from[n].file, in->from[n].line, why ? why : "it was refused");
		return;
	}
	in->counts[what]++;
	if (!in->h->json)
		return;
	copy = json_copy((json_t *)row);
	json_object_del(copy, "n");
	add_place(copy, in->from[n].file, in->from[n].line);
	print_json(in, copy);
}

static int on_line(void *ctx, const json_t *row)
{
	struct prov_intake *in = ctx;
	const char *change = json_string_value(json_object_get(row, "change"));
	const char *commit = json_string_value(json_object_get(row, "commit"));
	int what = outcome(change);

	if (commit) {
		snprintf(in->commits ? in->last : in->first, STORE_HEX, "%s", commit);
		if (!in->commits++)
			memcpy(in->last, in->first, STORE_HEX);
	} else if (what >= 0) {
		on_item(in, row, what);
	} else if (change &&
		in->sent == 0) { /* a collection was made; a dry run says so every time */
		if (in->h->json)
			print_json(in, json_incref((json_t *)row));
		else
			prov_note("%s %s made",
				json_string_value(json_object_get(row, "collection")),
				in->how.dry_run ? "would be" : "is");
	}
	return in->broken ? ERR_CLOSED : 0;
}

static void add_query(struct buf *b, const char *name, struct str value)
{
	if (!value.n)
		return;
	buf_fmt(b, "&%s=", name);
	prov_encode(b, value);
}

/* Files as people call them, without folders. */
static struct str source_of(const struct prov_intake *in)
{
	struct str s = str_of(in->from[0].file);
	size_t at = s.n;

	while (at > 0 && s.p[at - 1] != '/')
		at--;
	return str_sub(s, at, s.n);
}

static void progress(struct prov_intake *in)
{
	if (in->all)
		prov_progress(&in->bar, "%s: %zu, %u %%", in->how.what, in->sent,
			(unsigned)(100.0 * (double)in->done / (double)in->all));
	else
		prov_progress(&in->bar, "%s: %zu", in->how.what, in->sent);
}

int prov_intake_flush(struct prov_intake *in)
{
	const struct prov_history *h = in->h;
	struct buf b;
	int err;

	if (in->n == 0)
		return 0;
	buf_init(&b, NULL);
	buf_addz(&b, "/v1/items?ref=refs/heads/");
	prov_encode(&b, h->user);
	add_query(&b, "collection", in->how.collection);
	add_query(&b, "source", source_of(in));
	buf_addz(&b, in->how.keep ? "&keep=1" : "");
	buf_addz(&b, in->how.dry_run ? "&dry_run=1" : "");
	err = b.err < 0 ? b.err : in->body.err;
	if (err >= 0)
		err = prov_send(h->x->c, b.p, buf_str(&in->body), on_line, in);
	buf_free(&b);
	in->sent += in->n;
	in->n = 0;
	if (in->body.n > 4 * (size_t)BATCH_BYTES)
		buf_free(&in->body); /* of one large item: don't hold on to that much */
	in->body.n = 0;
	progress(in);
	return err;
}

int prov_intake_add(
	struct prov_intake *in, const char *file, uint32_t line, json_t *head, struct str bytes)
{
	char *text;
	int err = 0;

	if (in->n == in->how.batch_items || (in->n && in->body.n + bytes.n > BATCH_BYTES))
		err = prov_intake_flush(in);
	head = head ? head : json_object();
	json_object_set_new(head, "bytes", json_integer((json_int_t)bytes.n));
	text = json_dumps(head, JSON_COMPACT);
	json_decref(head);
	if (err == 0 && !text)
		err = err_set(ERR_NOMEM, "out of memory");
	if (err == 0) {
		in->from[in->n].file = file;
		in->from[in->n++].line = line;
		buf_fmt(&in->body, "%s\n", text);
		buf_add(&in->body, bytes);
	}
	free(text);
	return err;
}

/* ---- the end ---- */
static void conclude(struct prov_intake *in, int err, size_t doubles)
{
	static const char *const words[] = { "added", "replaced", "unchanged", "left as they are",
		"skipped" };
	const struct prov_history *h = in->h;
	const char *between = "";

	if (h->json) {
		json_t *row = json_pack("{s:b}", "ok", err >= 0 && in->counts[REFUSED] == 0);
		for (int i = 0; i < OUTCOMES; i++)
			json_object_set_new(
				row, outcomes[i], json_integer((json_int_t)in->counts[i]));
		json_object_set_new(row, "doubles", json_integer((json_int_t)doubles));
		if (in->commits) {
			json_object_set_new(row, "first", json_string(in->first));
			json_object_set_new(row, "last", json_string(in->last));
		}
		print_json(in, row);
		return;
	}
	for (int i = 0; i < OUTCOMES; i++)
		if (in->counts[i] || i == ADDED) {
			printf("%s%llu %s", between, (unsigned long long)in->counts[i], words[i]);
			between = ", ";
		}
	if (doubles)
		printf("; %zu stood there twice, the newer ones count", doubles);
	printf(in->how.dry_run ? "; nothing was done\n" : "\n");
	if (in->commits && in->how.take_back)
		in->how.take_back(h, in->first);
	else if (in->commits)
		prov_history_print_undo(h, in->first, in->commits > 1 ? in->last : NULL);
}

int prov_intake_close(struct prov_intake *in, int err, const char *failed, size_t doubles)
{
	bool sending = err >= 0;
	int code;

	if (err >= 0)
		err = prov_intake_flush(in);
	if (err >= 0)
		code = in->counts[REFUSED] ? PROV_FAILED : PROV_OK;
	else if (!sending)
		code = prov_client_fail(in->h->x->c, err, failed);
	else
		code = in->broken ? PROV_FAILED
				  : prov_client_fail(in->h->x->c, err, "cannot import");
	prov_progress_end(&in->bar);
	if (err >= 0 || in->commits) /* what was done stays */
		conclude(in, err, doubles);
	buf_free(&in->body);
	free(in);
	return code;
}
