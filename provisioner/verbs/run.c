/* SPDX-License-Identifier: ISC */
/* The first minute: an estate if there is none, in the foreground, and how to use it. */
#include "os/crypto.h"
#include "os/main.h"
#include "provisioner/create.h"
#include "provisioner/home.h"
#include "provisioner/launch.h"
#include "provisioner/say.h"
#include "provisioner/seal.h"
#include "provisioner/start.h"

enum { OPT_TARGET };
static const struct prov_opt opts[] = {
	[OPT_TARGET] = { "target", 0, "virt|unix", "what the services run as" },
	{ 0 },
};

#define CLIENT "first-client"

struct job {
	struct prov *p;
	struct prov_create how;
	struct prov_start start;
	struct prov_secrets secrets; /* the first time */
	bool first;
};

static int make(void *arg)
{
	struct job *j = arg;
	int err = prov_create(j->start.e, j->p, &j->how, STR(CLIENT), &j->secrets);

	return err < 0 ? prov_fail(NULL, "cannot make an estate: %s", err_text(err)) : PROV_OK;
}

static int port_of(const struct prov_service *s, const char *name)
{
	const struct prov_listen *l = prov_listen_find(s, name);

	return l ? l->host.port : 0;
}

static void print_access(const struct job *j, const struct prov_service *s)
{
	const struct prov_estate *e = j->start.e;

	printf("\n%sMail for %.*s@%.*s is running%s (%s)\n\n", prov_bold(), STR_ARG(e->owner),
		STR_ARG(e->domain), prov_plain(), prov_target_name[s->target]);
	printf("  IMAP      localhost port %d (TLS) or %d (STARTTLS)\n", port_of(s, "imaps"),
		port_of(s, "imap"));
	printf("  SMTP      localhost port %d (TLS) or %d (STARTTLS); from other servers: %d\n",
		port_of(s, "submissions"), port_of(s, "submission"), port_of(s, "smtp"));
	printf("  user      %.*s\n", STR_ARG(e->owner));
	if (j->first)
		printf("  password  %.*s   (for one client, shown this once)\n",
			STR_ARG(j->secrets.password));
	else
		printf("  password  a new one: %s user app-password %.*s --client NAME\n",
			prov_quoted(j->p, str_of(j->p->self)), STR_ARG(e->owner));
	printf("  CA file   %s\n  estate    %s\n", prov_path(j->p, "ca.pem"), j->p->home);
}

static void print_url(const struct prov_service *s, const char *what)
{
	if (s)
		printf("  %-12s https://localhost:%d/\n", what, port_of(s, "https"));
}

static void print_accounts(const struct job *j)
{
	struct prov_estate *e = j->start.e;
	const struct prov_service *cal = prov_service_find(e, STR("calendar")),
				  *card = prov_service_find(e, STR("contacts"));
	struct prov_behind behind = { 0 };

	if (!cal && !card)
		return;
	printf("\n%sCalendar and contacts%s (same user, same password)\n\n", prov_bold(),
		prov_plain());
	if (cal && prov_behind_find(&behind, j->p, e, cal) == 0 && behind.at.port) {
		print_url(cal, "URL");
	} else { /* one of them is not there, or the other one has no way to it */
		print_url(cal, "calendar");
		print_url(card, "contacts");
	}
	printf("  Thunderbird  New Calendar, On the Network: user and URL; then New Address Book, "
	       "CardDAV, the same\n"
	       "  DAVx5        Login with URL and user name\n"
	       "  Apple        %s --home %s user mobileconfig %.*s -o allod.mobileconfig, and open "
	       "that\n"
	       "  Evolution    New, Collection Account: user, and the URL as server\n"
	       "  vdirsyncer   storages caldav and carddav: url, username, password, "
	       "verify = CA file\n",
		prov_quoted(j->p, str_of(j->p->self)), prov_quoted(j->p, str_of(j->p->home)),
		STR_ARG(e->owner));
}

static void print_commands(const struct job *j, const struct prov_service *s)
{
	const struct prov_estate *e = j->start.e;
	const char *ca = prov_quoted(j->p, str_of(prov_path(j->p, "ca.pem")));
	struct str password = j->first ? j->secrets.password : STR("PASSWORD");

	printf("\nTry, in another terminal:\n");
	printf("  printf 'Subject: hello\\r\\n\\r\\nIt works.\\r\\n' | curl --cacert %s --ssl-reqd "
	       "\\\n"
	       "    smtp://localhost:%d --user %.*s:%.*s --mail-from %.*s@%.*s --mail-rcpt "
	       "%.*s@%.*s -T -\n",
		ca, port_of(s, "submission"), STR_ARG(e->owner), STR_ARG(password),
		STR_ARG(e->owner), STR_ARG(e->domain), STR_ARG(e->owner), STR_ARG(e->domain));
	printf("  curl --cacert %s --user %.*s:%.*s 'imaps://localhost:%d/INBOX?ALL'\n", ca,
		STR_ARG(e->owner), STR_ARG(password), port_of(s, "imaps"));
	printf("  %s --home %s logs -f\n\n", prov_quoted(j->p, str_of(j->p->self)),
		prov_quoted(j->p, str_of(j->p->home)));
	printf("Ctrl-C stops it in order.\n");
	fflush(stdout);
}

static void settled(void *ctx)
{
	const struct job *j = ctx;
	const struct prov_service *s = prov_service_find(j->start.e, STR("mail"));

	if (!s) {
		print_accounts(j);
		return; /* an estate without mail runs all the same */
	}
	print_access(j, s);
	print_accounts(j);
	if (j->first)
		prov_seal_tell(j->secrets.code);
	print_commands(j, s);
}

static int prepare(struct job *j, const char *address)
{
	int err = prov_estate_load(j->start.e, j->p), code;

	if (err == 0)
		return PROV_OK;
	if (err != ERR_NOENT)
		return prov_fail(NULL, "%s", err_text(err));
	err = prov_create_owner(&j->how, address);
	if (err < 0)
		return prov_usage(NULL, "%s", err_text(err));
	j->first = true;
	if (os_crypto_init() < 0)
		return prov_fail(NULL, "no source of randomness");
	prov_note("making an estate for %s in %s", address, j->p->home);
	code = os_run(make, j);
	return code < 0 ? prov_fail(NULL, "cannot start: %s", err_text(code)) : code;
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct job j = { .p = p };
	enum prov_target target;
	int code;

	j.start = (struct prov_start){ .p = p,
		.target = -1,
		.settled = settled,
		.ctx = &j,
		.e = ARENA_NEW(&p->arena, struct prov_estate) };
	os_assert(j.start.e);
	j.how.disk_bytes = PROV_DISK_BYTES;
	if (a->opt[OPT_TARGET]) {
		if (prov_target_parse(&target, str_of(a->opt[OPT_TARGET])) < 0)
			return prov_usage(NULL, "%s", err_text(ERR_BAD));
		j.how.target = target;
		j.start.target = (int)target;
	}
	code = prepare(&j, a->pos[0]);
	if (code != PROV_OK)
		return code;
	prov_note("starting");
	code = prov_start_foreground(&j.start);
	if (j.secrets.password.p)
		os_wipe((char *)j.secrets.password.p, j.secrets.password.n);
	os_wipe(j.secrets.code, sizeof(j.secrets.code));
	return code;
}

const struct prov_verb verb_run = { "run", "USER@DOMAIN",
	"init if needed, then up in the foreground",
	"Says where and how to connect; what `make run` does. SIGINT and SIGTERM stop it in order.",
	opts, 1, 1, run };
