/* SPDX-License-Identifier: ISC */
#include "provisioner/client.h"
#include "provisioner/say.h"

enum { OPT_JSON };
static const struct prov_opt opts[] = { [OPT_JSON] = PROV_OPT_JSON, { 0 } };

struct job {
	struct prov_progress bar;
	json_t *mismatches, *last;
	bool json;
};

static int line(void *ctx, const json_t *row)
{
	struct job *j = ctx;
	json_t *mismatch = json_object_get(row, "mismatch");
	json_int_t done, total;

	if (mismatch) {
		json_array_append(j->mismatches, mismatch);
		if (!j->json) {
			prov_progress_end(&j->bar);
			printf("mismatch: ");
			prov_print_clean(str_of(json_string_value(mismatch)));
			putchar('\n');
		}
	} else if (json_object_get(row, "ok")) {
		j->last = json_incref((json_t *)row);
	} else if (json_unpack((json_t *)row, "{s:I,s:I}", "done", &done, "total", &total) == 0) {
		prov_progress(&j->bar, "verify: %lld of %lld", (long long)done, (long long)total);
	}
	return 0;
}

static int conclude(struct job *j)
{
	json_int_t objects = 0, rows = 0, mismatches = 0;
	bool ok = json_is_true(json_object_get(j->last, "ok"));
	char *text;
	json_t *all;

	if (json_unpack(j->last, "{s:I,s:I,s:I}", "objects", &objects, "rows", &rows, "mismatches",
		    &mismatches) < 0)
		return prov_fail(NULL, "cannot verify: the check ended without a result");
	if (j->json) {
		all = json_pack(
			"{s:b,s:I,s:O}", "ok", ok, "objects", objects, "mismatches", j->mismatches);
		text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
		puts(text ? text : "");
		free(text);
		json_decref(all);
	} else if (ok) {
		printf("ok: %lld objects, %lld rows, no mismatch\n", (long long)objects,
			(long long)rows);
	}
	if (!ok)
		prov_fail(NULL, "%lld mismatches among %lld objects", (long long)mismatches,
			(long long)objects);
	return ok ? PROV_OK : PROV_FAILED;
}

static int verify(struct prov_session *x)
{
	struct job j = { .mismatches = json_array(), .json = x->args->opt[OPT_JSON] };
	int err = prov_lines(x->c, "POST", "/v1/verify", line, &j), code;

	prov_progress_end(&j.bar);
	code = err < 0 ? prov_client_fail(x->c, err, "cannot verify") : conclude(&j);
	json_decref(j.mismatches);
	json_decref(j.last);
	return code;
}

static int run(struct prov *p, const struct prov_args *a)
{
	return prov_with_client(p, a, a->pos[0], verify);
}

const struct prov_verb verb_verify = { "verify", "SERVICE", "check every object and every index",
	"Hashes all objects again, follows every branch, makes every index anew and compares.",
	opts, 1, 1, run };
