/* SPDX-License-Identifier: ISC */
/*
 * Apple's configuration profile: mail, calendars, contacts and the authority, in one file to open on the
 * device. Identifiers are made from the authority and the user, so a new file replaces the old one.
 */
#include "os/crypto.h"
#include "provisioner/home.h"
#include "provisioner/launch.h"
#include "provisioner/password.h"
#include "provisioner/say.h"
#include "services/dav/xml.h"

#include <sys/stat.h>
#include <unistd.h>

enum { OPT_CLIENT, OPT_NAMES, OPT_OUTPUT };
static const struct prov_opt opts[] = {
	[OPT_CLIENT] = { "client", 0, "NAME", "what its app password is called (apple)" },
	[OPT_NAMES] = { "names", 0, NULL,
		"servers by name (mail.DOMAIN ...), also those on this machine alone" },
	[OPT_OUTPUT] = { "output", 'o', "FILE", "write there, not to stdout" },
	{ 0 },
};

struct profile {
	struct buf b;
	struct str ca, user, domain, secret;
	bool names, one_origin;
	bool local; /* a server is named that only this machine can reach */
};

/* ---- property lists ---- */
static void key(struct profile *f, const char *name)
{
	buf_fmt(&f->b, "<key>%s</key>", name);
}

static void text(struct profile *f, const char *name, struct str value)
{
	key(f, name);
	buf_addz(&f->b, "<string>");
	xml_text(&f->b, value);
	buf_addz(&f->b, "</string>\n");
}

static void number(struct profile *f, const char *name, unsigned value)
{
	key(f, name);
	buf_fmt(&f->b, "<integer>%u</integer>\n", value);
}

static void yes(struct profile *f, const char *name)
{
	key(f, name);
	buf_addz(&f->b, "<true/>\n");
}

/* Of a hash: version 8 of RFC 9562. */
static void uuid(struct profile *f, const char *type)
{
	uint8_t h[OS_SHA256_BYTES];
	struct buf b;

	buf_init(&b, f->b.a);
	buf_add(&b, f->ca);
	buf_fmt(&b, "\n%.*s@%.*s\n%s", STR_ARG(f->user), STR_ARG(f->domain), type);
	os_sha256(h, buf_str(&b));
	h[6] = (uint8_t)(0x80 | (h[6] & 0x0f));
	h[8] = (uint8_t)(0x80 | (h[8] & 0x3f));
	key(f, "PayloadUUID");
	buf_addz(&f->b, "<string>");
	for (int i = 0; i < 16; i++)
		buf_fmt(&f->b, "%s%02X", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", h[i]);
	buf_addz(&f->b, "</string>\n");
}

/* What every payload says of itself. `kind` "": the profile. */
static void begin(struct profile *f, const char *type, const char *kind, struct str name)
{
	struct str id = arena_fmt(f->b.a, "allod.%.*s.%.*s%s%s", STR_ARG(f->domain),
		STR_ARG(f->user), *kind ? "." : "", kind);

	buf_addz(&f->b, "<dict>\n");
	text(f, "PayloadType", str_of(type));
	number(f, "PayloadVersion", 1);
	text(f, "PayloadIdentifier", id);
	uuid(f, type);
	text(f, "PayloadDisplayName", name);
}

static void end(struct profile *f)
{
	buf_addz(&f->b, "</dict>\n");
}

/* ---- payloads ---- */
struct server {
	struct str host;
	unsigned port;
};

/* What its certificate names: localhost, or the service in the domain. */
static struct server server_of(struct profile *f, const struct prov_service *s, const char *port)
{
	const struct prov_listen *l = prov_listen_find(s, port);
	struct server out = { STR("localhost"), 0 };
	struct os_addr to;
	char ip[OS_ADDR_TEXT];

	if (!l)
		return out;
	to = prov_listen_reach(l);
	out.port = to.port;
	os_addr_ip(ip, &to);
	if (!f->names && (strcmp(ip, "127.0.0.1") == 0 || strcmp(ip, "::1") == 0))
		f->local = true;
	else
		out.host = arena_fmt(f->b.a, "%.*s.%.*s", STR_ARG(s->name), STR_ARG(f->domain));
	return out;
}

static void mail(struct profile *f, const struct prov_service *s)
{
	static const char *const ways[] = { "Incoming", "Outgoing" };
	struct str address = arena_fmt(f->b.a, "%.*s@%.*s", STR_ARG(f->user), STR_ARG(f->domain));

	begin(f, "com.apple.mail.managed", "mail", STR("Mail"));
	text(f, "EmailAccountType", STR("EmailTypeIMAP"));
	text(f, "EmailAccountDescription", address);
	text(f, "EmailAccountName", f->user);
	text(f, "EmailAddress", address);
	for (int i = 0; i < 2; i++) {
		struct arena *a = f->b.a;
		struct server to = server_of(f, s, i ? "submissions" : "imaps");

		text(f, arena_fmt(a, "%sMailServerAuthentication", ways[i]).p,
			STR("EmailAuthPassword"));
		text(f, arena_fmt(a, "%sMailServerHostName", ways[i]).p, to.host);
		number(f, arena_fmt(a, "%sMailServerPortNumber", ways[i]).p, to.port);
		yes(f, arena_fmt(a, "%sMailServerUseSSL", ways[i]).p);
		text(f, arena_fmt(a, "%sMailServerUsername", ways[i]).p, f->user);
	}
	text(f, "IncomingPassword", f->secret);
	yes(f, "OutgoingPasswordSameAsIncomingPassword");
	end(f);
}

/* "CalDAV" and "CardDAV" differ in nothing but their name. */
static void dav(struct profile *f, const char *what, const struct prov_service *s)
{
	struct arena *a = f->b.a;
	struct server to = server_of(f, s, "https");
	bool cal = strcmp(what, "CalDAV") == 0;

	begin(f, cal ? "com.apple.caldav.account" : "com.apple.carddav.account",
		cal ? "caldav" : "carddav", cal ? STR("Calendars") : STR("Contacts"));
	text(f, arena_fmt(a, "%sAccountDescription", what).p, f->domain);
	text(f, arena_fmt(a, "%sHostName", what).p, to.host);
	number(f, arena_fmt(a, "%sPort", what).p, to.port);
	yes(f, arena_fmt(a, "%sUseSSL", what).p);
	text(f, arena_fmt(a, "%sPrincipalURL", what).p,
		arena_fmt(a, "/principals/%.*s/", STR_ARG(f->user)));
	text(f, arena_fmt(a, "%sUsername", what).p, f->user);
	text(f, arena_fmt(a, "%sPassword", what).p, f->secret);
	end(f);
}

static void authority(struct profile *f)
{
	struct str line, rest = f->ca;

	begin(f, "com.apple.security.root", "authority",
		arena_fmt(f->b.a, "Allod %.*s", STR_ARG(f->domain)));
	text(f, "PayloadCertificateFileName", STR("allod.cer"));
	key(f, "PayloadContent");
	buf_addz(&f->b, "<data>\n");
	while (rest.n) { /* PEM is that in base64, between two lines */
		str_cut(&line, &rest, rest, '\n');
		if (!str_starts(line, STR("-----"))) {
			buf_add(&f->b, line);
			buf_addc(&f->b, '\n');
		}
	}
	buf_addz(&f->b, "</data>\n");
	end(f);
}

/* One origin serves both where there are both (services/dav/front.h). */
static void payloads(struct profile *f, struct prov_estate *e)
{
	const struct prov_service *m = prov_service_find(e, STR("mail")),
				  *cal = prov_service_find(e, STR("calendar")),
				  *card = prov_service_find(e, STR("contacts"));

	authority(f);
	if (m)
		mail(f, m);
	if (cal)
		dav(f, "CalDAV", cal);
	if (card)
		dav(f, "CardDAV", cal && f->one_origin ? cal : card);
}

static void write_profile(struct profile *f, struct prov_estate *e)
{
	buf_addz(&f->b,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC "
		"\"-//Apple//DTD PLIST 1.0//EN\" "
		"\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
		"<plist version=\"1.0\">\n");
	begin(f, "Configuration", "",
		arena_fmt(f->b.a, "Allod: %.*s@%.*s", STR_ARG(f->user), STR_ARG(f->domain)));
	text(f, "PayloadOrganization", f->domain);
	text(f, "PayloadDescription", STR("Mail, calendars and contacts from an Allod estate."));
	key(f, "PayloadContent");
	buf_addz(&f->b, "<array>\n");
	payloads(f, e);
	buf_addz(&f->b, "</array>\n");
	end(f);
	buf_addz(&f->b, "</plist>\n");
}

/* ---- the verb ---- */
/* Before the password is made: it replaces the one that a device may use already. */
static int can_put(struct prov *p, const char *path)
{
	struct str folder = str_of(path);
	const char *dir;
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return err_set(ERR_BAD, "it is a folder");
	while (folder.n && folder.p[folder.n - 1] != '/')
		folder.n--;
	dir = folder.n ? arena_dup(&p->arena, folder).p : ".";
	os_assert(dir);
	return access(dir, W_OK | X_OK) < 0 ? prov_errno("cannot write into", dir) : 0;
}

static int put(struct prov *p, const struct prov_args *a, struct str all)
{
	const char *path = a->opt[OPT_OUTPUT];
	int err = path ? prov_file_write(p, path, all, 0600) : 0;

	if (err < 0)
		return prov_fail(NULL, "cannot write %s: %s", path, err_text(err));
	return path ? PROV_OK : prov_print(all);
}

static int run(struct prov *p, const struct prov_args *a)
{
	const char *user = a->pos[0], *client = a->opt[OPT_CLIENT] ? a->opt[OPT_CLIENT] : "apple";
	struct prov_estate *e = ARENA_NEW(&p->arena, struct prov_estate);
	struct profile f = { .user = str_of(user), .names = a->opt[OPT_NAMES] };
	const struct prov_service *s;
	struct prov_behind behind = { 0 };
	char secret[PROV_SECRET_BYTES];
	int code, err;

	os_assert(e);
	code = prov_estate_need(e, p);
	if (code != PROV_OK)
		return code;
	err = prov_file_read(&f.ca, &p->arena, prov_path(p, "ca.pem"), 65536);
	if (err < 0)
		return prov_fail(NULL, "cannot read the authority: %s", err_text(err));
	f.domain = e->domain;
	s = prov_service_find(e, STR("calendar"));
	err = s ? prov_behind_find(&behind, p, e, s) : 0;
	if (err < 0)
		return prov_fail(NULL, "cannot tell where contacts is: %s", err_text(err));
	f.one_origin = behind.at.port != 0;
	err = a->opt[OPT_OUTPUT] ? can_put(p, a->opt[OPT_OUTPUT]) : 0;
	if (err < 0)
		return prov_fail(NULL, "cannot write %s: %s", a->opt[OPT_OUTPUT], err_text(err));
	code = prov_password_make(secret, p, a, e, user, client);
	if (code != PROV_OK)
		return code;
	f.secret = str_of(secret);
	buf_init(&f.b, &p->arena);
	write_profile(&f, e);
	code = f.b.err < 0 ? prov_fail(NULL, "out of memory") : put(p, a, buf_str(&f.b));
	os_wipe(secret, sizeof(secret));
	if (f.b.p)
		os_wipe(f.b.p, f.b.n);
	if (code == PROV_OK && f.local)
		prov_note("It names localhost, as the services listen on this machine alone. For "
			  "another device: addresses it can reach in allod.conf.");
	if (code == PROV_OK)
		prov_note("It holds an app password: `allod user revoke %s '%s'` takes it back.",
			user, client);
	return code;
}

const struct prov_verb verb_user_mobileconfig = { "user mobileconfig", "USER",
	"a profile that sets up an iPhone, iPad or Mac",
	"Writes an Apple configuration profile: mail, calendars, contacts, the certificate "
	"authority, and\n"
	"an app password made for it. Open it on the device; a newer one replaces it.",
	opts, 1, 1, run };
