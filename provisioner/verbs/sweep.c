/* SPDX-License-Identifier: ISC */
/* Room and history: `allod sweep`, `allod keep`. */
#include "provisioner/client.h"
#include "provisioner/say.h"

enum { OPT_JSON };
static const struct prov_opt sweep_opts[] = { [OPT_JSON] = PROV_OPT_JSON, { 0 } };

struct job {
	struct prov_progress bar;
	json_t *last;
};

static int line(void *ctx, const json_t *row)
{
	struct job *j = ctx;
	json_int_t done, total;

	if (json_object_get(row, "ok"))
		j->last = json_incref((json_t *)row);
	else if (json_unpack((json_t *)row, "{s:I,s:I}", "done", &done, "total", &total) == 0)
		prov_progress(&j->bar,
			total ? "sweep: %lld of %lld" : "sweep: %lld objects are needed",
			(long long)done, (long long)total);
	return 0;
}

static int conclude(struct prov_session *x, json_t *last)
{
	json_int_t objects, kept, moved, freed;

	if (json_unpack(last, "{s:I,s:I,s:I,s:I}", "objects", &objects, "kept", &kept,
		    "moved_bytes", &moved, "freed_bytes", &freed) < 0)
		return prov_fail(NULL, "cannot sweep: it ended without a result");
	if (x->args->opt[OPT_JSON])
		return prov_print_json_line(last);
	printf("%lld of %lld objects are needed; %lld bytes are free again (%lld were moved for "
	       "it)\n",
		(long long)kept, (long long)objects, (long long)freed, (long long)moved);
	return PROV_OK;
}

static int sweep(struct prov_session *x)
{
	struct job j = { 0 };
	int err = prov_lines(x->c, "POST", "/v1/sweep", line, &j), code;

	prov_progress_end(&j.bar);
	code = err < 0 ? prov_client_fail(x->c, err, "cannot sweep") : conclude(x, j.last);
	json_decref(j.last);
	return code;
}

static int run_sweep(struct prov *p, const struct prov_args *a)
{
	return prov_with_client(p, a, a->pos[0], sweep);
}

const struct prov_verb verb_sweep = { "sweep", "SERVICE", "give back what nothing needs any more",
	"Forgets history beyond what `allod keep` says, and compacts the disk, while the service "
	"runs.\n"
	"It happens by itself when room runs out.",
	sweep_opts, 1, 1, run_sweep };

/* ---- keep ---- */
enum { KEEP_USER, KEEP_DAYS, KEEP_LEAST, KEEP_JSON };
static const struct prov_opt keep_opts[] = {
	[KEEP_USER] = { "user", 0, "USER", "whose history (the owner's)" },
	[KEEP_DAYS] = { "days", 0, "N", "keep so many days of it; 0: all" },
	[KEEP_LEAST] = { "least", 0, "N", "when room runs out, as few as these; 0: never fewer" },
	[KEEP_JSON] = PROV_OPT_JSON,
	{ 0 },
};

static void days(const char *what, json_int_t n, const char *zero)
{
	if (n)
		printf("  %-10s %lld days\n", what, (long long)n);
	else
		printf("  %-10s %s\n", what, zero);
}

static int keep(struct prov_session *x)
{
	const char *const *o = x->args->opt;
	const char *days_opt = o[KEEP_DAYS], *least = o[KEEP_LEAST];
	json_int_t n = 0, m = 0;
	json_t *j = NULL;
	struct buf b;
	int err, code;

	buf_init(&b, &x->p->arena);
	buf_addz(&b, "/v1/keeping?user=");
	prov_encode(&b, o[KEEP_USER] ? str_of(o[KEEP_USER]) : x->e->owner);
	if (days_opt) {
		buf_addz(&b, "&keep_days=");
		prov_encode(&b, str_of(days_opt));
	}
	if (least) {
		buf_addz(&b, "&keep_days_min=");
		prov_encode(&b, str_of(least));
	}
	os_assert(b.err == 0);
	err = prov_call(&j, x->c, days_opt || least ? "POST" : "GET", b.p, NULL);
	if (err < 0)
		return prov_client_fail(x->c, err, "cannot say how much history is kept");
	code = o[KEEP_JSON] ? prov_print_json_line(j) : PROV_OK;
	if (!o[KEEP_JSON] &&
		json_unpack(j, "{s:I,s:I}", "keep_days", &n, "keep_days_min", &m) == 0) {
		printf("History of %s:\n", json_string_value(json_object_get(j, "user")));
		days("kept", n, "all of it");
		days("at least", m, "as above, also when room runs out");
		if (days_opt || least)
			prov_note("The next `allod sweep %.*s` forgets what is older.",
				STR_ARG(x->c->s->name));
	}
	json_decref(j);
	return code;
}

static int run_keep(struct prov *p, const struct prov_args *a)
{
	return prov_with_client(p, a, a->pos[0], keep);
}

const struct prov_verb verb_keep = { "keep", "SERVICE", "how much history is kept",
	"All of it, unless told otherwise. What devices still need to merge is kept for 180 days.",
	keep_opts, 1, 1, run_keep };
