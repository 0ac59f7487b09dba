/* SPDX-License-Identifier: ISC */
#include "provisioner/home.h"
#include "provisioner/say.h"
#include "provisioner/supervisor.h"
#include "provisioner/unit.h"

enum { OPT_JSON };
static const struct prov_opt opts[] = { [OPT_JSON] = PROV_OPT_JSON, { 0 } };

/* The services of allod.conf; what the supervisor knows of one stands above it. */
static json_t *gather(const struct prov_estate *e, const json_t *live)
{
	json_t *all = json_array();

	for (size_t i = 0; i < e->service_count; i++) {
		const struct prov_service *s = &e->services[i];
		json_t *row = NULL, *one;
		size_t j;

		json_array_foreach(json_object_get(live, "services"), j, one)
		{
			const char *name = json_string_value(json_object_get(one, "name"));

			if (name && str_eq(s->name, str_of(name)))
				row = json_incref(one);
		}
		if (!row)
			row = prov_service_json(s, UNIT_STOPPED);
		json_array_append_new(all, row);
	}
	return all;
}

static void print_age(const json_t *since)
{
	int64_t sec = os_wall_sec() - json_integer_value(since);

	if (!since || sec < 0)
		return;
	if (sec < 120)
		printf(" for %llds", (long long)sec);
	else if (sec < 7200)
		printf(" for %lldm", (long long)sec / 60);
	else
		printf(" for %lldh", (long long)sec / 3600);
}

static void print_service(const json_t *s)
{
	const json_t *url, *pid = json_object_get(s, "pid"), *why = json_object_get(s, "why");
	const char *name;

	printf("%s%s%s: %s", prov_bold(), json_string_value(json_object_get(s, "name")),
		prov_plain(), json_string_value(json_object_get(s, "state")));
	print_age(json_object_get(s, "since"));
	if (json_is_string(json_object_get(s, "target")))
		printf(", %s", json_string_value(json_object_get(s, "target")));
	if (json_is_integer(pid))
		printf(", process %lld", (long long)json_integer_value(pid));
	if (json_integer_value(json_object_get(s, "restarts")))
		printf(", restarted %lld times",
			(long long)json_integer_value(json_object_get(s, "restarts")));
	putchar('\n');
	if (json_is_string(why))
		printf("  %s\n", json_string_value(why));
	json_object_foreach((json_t *)json_object_get(s, "endpoints"), name, url)
		printf("  %-12s %s\n", name, json_string_value(url));
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct prov_estate *e = ARENA_NEW(&p->arena, struct prov_estate);
	json_t *live = NULL, *list, *one;
	size_t i;
	int err, code;

	os_assert(e);
	code = prov_estate_need(e, p);
	if (code != PROV_OK)
		return code;
	err = prov_ask(&live, p, "status");
	if (err < 0 && err != ERR_NOENT)
		return prov_fail(NULL, "cannot tell how the services are: %s", err_text(err));
	list = gather(e, live);
	json_decref(live);
	if (a->opt[OPT_JSON]) {
		json_t *all = json_pack("{s:s,s:s,s:s%,s:o}", "home", p->home, "ca_file",
			prov_path(p, "ca.pem"), "domain", e->domain.p, e->domain.n, "services",
			list);
		char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;

		if (text)
			puts(text);
		free(text);
		json_decref(all);
		return text ? PROV_OK : prov_fail(NULL, "out of memory");
	}
	json_array_foreach(list, i, one) print_service(one);
	printf("authority: %s\n", prov_path(p, "ca.pem"));
	json_decref(list);
	return PROV_OK;
}

const struct prov_verb verb_status = { "status", "", "what runs, since when, and where",
	"States: stopped, starting, ready (its greeting was seen), crashed (starts again by "
	"itself),\n"
	"failed (needs you).",
	opts, 0, 0, run };
