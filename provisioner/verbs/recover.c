/* SPDX-License-Identifier: ISC */
#include "os/crypto.h"
#include "os/main.h"
#include "os/time.h"
#include "provisioner/home.h"
#include "provisioner/recover.h"

#include <jansson.h>

enum { OPT_CODE, OPT_LISTEN, OPT_TARGET, OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_CODE] = { "code-file", 0, "FILE", "where the recovery code is written (needed)" },
	[OPT_LISTEN] = { "listen", 0, "NAME=ADDR:PORT,...",
		"ports instead of those of the first machine" },
	[OPT_TARGET] = { "target", 0, "virt|unix", "what services run as, if not as before" },
	[OPT_JSON] = PROV_OPT_JSON,
	{ 0 },
};

struct job {
	struct prov *p;
	struct prov_recover how;
	struct prov_estate *e;
};

static const char *hint_for(int err)
{
	switch (err) {
	case ERR_EXIST: return "an estate is never overwritten; --home names another folder";
	case ERR_BUSY: return "--listen NAME=ADDRESS:PORT,... names other ports";
	default: return NULL;
	}
}

static int in_fiber(void *arg)
{
	struct job *j = arg;
	int err = prov_recover(j->e, j->p, &j->how);

	return err < 0 ? prov_fail(hint_for(err), "cannot recover: %s", err_text(err)) : PROV_OK;
}

static int read_code(struct id_code *out, struct prov *p, const char *file)
{
	struct str text;
	int err = prov_file_read(&text, &p->arena, file, 1024);

	if (err < 0)
		return prov_fail(NULL, "cannot read the recovery code: %s", err_text(err));
	err = id_recovery_parse(out, text);
	os_wipe((char *)text.p, text.n);
	return err < 0 ? prov_fail("it is 7 groups of 5 letters and digits, as `allod init` "
				   "showed it",
				 "cannot use the code in %s: %s", file, err_text(err))
		       : PROV_OK;
}

static void tell(const struct job *j)
{
	const struct prov_recover *h = &j->how;
	struct os_date d;
	char size[16];

	os_date_of(&d, h->made_sec);
	printf("%sThe estate of %.*s@%.*s%s is in %s\n", prov_bold(), STR_ARG(j->e->owner),
		STR_ARG(j->e->domain), prov_plain(), j->p->home);
	printf("  as backed up on %04d-%02d-%02d at %02d:%02d UTC: %zu branches, %llu objects, "
	       "%s\n",
		d.year, d.month, d.day, d.hour, d.min, h->refs, (unsigned long long)h->objects,
		prov_size(size, h->bytes));
	printf("  users, passwords, certificates' authority and ports are as they were\n");
	printf("Next: `allod up`. If the first machine still runs, stop it for good before "
	       "that.\n");
}

static int tell_json(const struct job *j)
{
	const struct prov_recover *h = &j->how;
	json_t *all = json_pack("{s:s,s:s%,s:s%,s:I,s:I,s:I,s:I,s:I}", "home", j->p->home, "owner",
		j->e->owner.p, j->e->owner.n, "domain", j->e->domain.p, j->e->domain.n, "made",
		(json_int_t)h->made_sec, "refs", (json_int_t)h->refs, "accounts",
		(json_int_t)h->accounts, "objects", (json_int_t)h->objects, "bytes",
		(json_int_t)h->bytes);
	int code = prov_print_json_line(all);

	json_decref(all);
	return code;
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct job j = { .p = p, .how.target = -1, .e = ARENA_NEW(&p->arena, struct prov_estate) };
	enum prov_target target;
	int code;

	os_assert(j.e);
	if (!a->opt[OPT_CODE])
		return prov_usage(
			"such as `--code-file code.txt`", "`recover` needs --code-file FILE");
	if (a->opt[OPT_TARGET]) {
		if (prov_target_parse(&target, str_of(a->opt[OPT_TARGET])) < 0)
			return prov_usage(NULL, "%s", err_text(ERR_BAD));
		j.how.target = (int)target;
	}
	j.how.listen = a->opt[OPT_LISTEN];
	if (prov_absolute(&j.how.dir, &p->arena, str_of(a->pos[0])) < 0)
		return prov_fail(NULL, "%s", err_text(ERR_LIMIT));
	if (os_crypto_init() < 0)
		return prov_fail(NULL, "no source of randomness");
	code = read_code(&j.how.code, p, a->opt[OPT_CODE]);
	if (code == PROV_OK)
		code = os_run(in_fiber, &j);
	id_recovery_wipe(&j.how.code);
	if (code < 0)
		return prov_fail(NULL, "cannot start: %s", err_text(code));
	if (code == PROV_OK && a->opt[OPT_JSON])
		return tell_json(&j);
	if (code == PROV_OK)
		tell(&j);
	return code;
}

const struct prov_verb verb_recover = { "recover", "DIR", "an estate from its backup",
	"Builds it in an empty home: same mail, users, passwords, authority and ports. Clients "
	"find\n"
	"the messages under the UIDs they know. Everything is checked before the estate is there.",
	opts, 1, 1, run };
