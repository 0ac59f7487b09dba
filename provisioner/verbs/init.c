/* SPDX-License-Identifier: ISC */
#include "os/crypto.h"
#include "os/main.h"
#include "provisioner/create.h"
#include "provisioner/home.h"
#include "provisioner/say.h"
#include "provisioner/seal.h"

enum { OPT_TARGET, OPT_SERVICES, OPT_DISK, OPT_LISTEN, OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_TARGET] = { "target", 0, "virt|unix",
		"what services run as: machines (virt) or processes" },
	[OPT_SERVICES] = { "services", 0, "NAME,...",
		"which ones: any of " PROV_SERVICES_ALL " (all)" },
	[OPT_DISK] = { "disk-size", 0, "GIB",
		"most a service can hold; takes what is in it (16); 500M is MiB" },
	[OPT_LISTEN] = { "listen", 0, "NAME=ADDR:PORT,...",
		"ports wished for, such as imaps=127.0.0.1:993,calendar.https=127.0.0.1:443" },
	[OPT_JSON] = PROV_OPT_JSON,
	{ 0 },
};

struct job {
	struct prov *p;
	struct prov_create how;
	struct prov_estate *e;
	struct prov_secrets secrets;
};

static int in_fiber(void *arg)
{
	struct job *j = arg;
	int err = prov_create(j->e, j->p, &j->how, STR_NONE, &j->secrets);

	if (err == ERR_EXIST)
		return prov_fail("an estate is never overwritten; --home names another folder",
			"cannot make an estate: %s", err_text(err));
	return err < 0 ? prov_fail(NULL, "cannot make the estate: %s", err_text(err)) : PROV_OK;
}

static void tell(const struct job *j)
{
	char text[OS_ADDR_TEXT];

	printf("%sA new estate%s for %.*s@%.*s in %s\n", prov_bold(), prov_plain(),
		STR_ARG(j->how.user), STR_ARG(j->how.domain), j->p->home);
	for (size_t i = 0; i < j->e->service_count; i++) {
		const struct prov_service *s = &j->e->services[i];

		printf("  %.*s\n", STR_ARG(s->name));
		for (size_t k = 0; k < s->listen_count; k++)
			printf("    %-12.*s %s\n", STR_ARG(s->listen[k].name),
				os_addr_text(text, &s->listen[k].host));
	}
	printf("  %-12s %s/ca.pem (clients must trust it)\n", "authority", j->p->home);
	prov_seal_tell(j->secrets.code);
	printf("Next: `allod up`, then `allod user app-password %.*s --client NAME`\n",
		STR_ARG(j->how.user));
}

static int tell_json(const struct job *j)
{
	json_t *listen = json_object(), *all;
	char text[OS_ADDR_TEXT];
	int code;

	for (size_t i = 0; i < j->e->service_count; i++) {
		const struct prov_service *s = &j->e->services[i];

		for (size_t k = 0; k < s->listen_count; k++) {
			/* As --listen takes them. */
			bool mail = str_eq(s->name, STR("mail"));
			struct str name =
				arena_fmt(&j->p->arena, "%.*s%s%.*s", mail ? 0 : (int)s->name.n,
					s->name.p, mail ? "" : ".", STR_ARG(s->listen[k].name));

			json_object_setn_new(listen, name.p, name.n,
				json_string(os_addr_text(text, &s->listen[k].host)));
		}
	}
	all = json_pack("{s:s,s:s%,s:s%,s:s,s:s,s:o}", "home", j->p->home, "owner", j->how.user.p,
		j->how.user.n, "domain", j->how.domain.p, j->how.domain.n, "ca_file",
		prov_path(j->p, "ca.pem"), "recovery_code", j->secrets.code, "listen", listen);
	code = prov_print_json_line(all);
	json_decref(all);
	return code;
}

/* "16" GiB or "500M" MiB */
static int parse_size(uint64_t *bytes, struct str s)
{
	bool mib = s.n > 0 && s.p[s.n - 1] == 'M';
	uint64_t n;

	if (str_u64(&n, str_sub(s, 0, s.n - mib), mib ? 1 << 20 : 1 << 16) < 0 || n == 0)
		return err_set(ERR_BAD,
			"a disk's size is a number of GiB, or of MiB and M, not \"%.*s\"",
			STR_ARG(s));
	*bytes = n << (mib ? 20 : 30);
	return 0;
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct job j = { .p = p, .e = ARENA_NEW(&p->arena, struct prov_estate) };
	int err, code;

	os_assert(j.e);
	err = prov_create_owner(&j.how, a->pos[0]);
	if (err == 0 && a->opt[OPT_TARGET])
		err = prov_target_parse(&j.how.target, str_of(a->opt[OPT_TARGET]));
	j.how.disk_bytes = PROV_DISK_BYTES;
	if (err == 0 && a->opt[OPT_DISK])
		err = parse_size(&j.how.disk_bytes, str_of(a->opt[OPT_DISK]));
	if (err < 0)
		return prov_usage("`allod init --help` says how it is used", "%s", err_text(err));
	j.how.listen = a->opt[OPT_LISTEN];
	j.how.services = a->opt[OPT_SERVICES];
	if (os_crypto_init() < 0)
		return prov_fail(NULL, "no source of randomness");
	code = os_run(in_fiber, &j);
	if (code < 0)
		return prov_fail(NULL, "cannot start: %s", err_text(code));
	if (code == PROV_OK && a->opt[OPT_JSON])
		code = tell_json(&j);
	else if (code == PROV_OK)
		tell(&j);
	os_wipe(j.secrets.code, sizeof(j.secrets.code));
	return code;
}

const struct prov_verb verb_init = { "init", "USER@DOMAIN", "make a new estate",
	"Makes the folder: allod.conf, a certificate authority, and a disk for each service with "
	"the\nowner on it. Ports are chosen free ones above 10000 on 127.0.0.1 and kept in "
	"allod.conf.\n"
	"The recovery code is shown once: it opens the backups `allod backup` makes.",
	opts, 1, 1, run };
