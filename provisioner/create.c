/* SPDX-License-Identifier: ISC */
#include "provisioner/create.h"
#include "identity/registry.h"
#include "os/crypto.h"
#include "provisioner/home.h"
#include "provisioner/ports.h"
#include "provisioner/seal.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define DOMAIN_MAX 253
#define KEY_MAX    65536

int prov_create_owner(struct prov_create *out, const char *address)
{
	struct str domain;

	if (!str_cut(&out->user, &out->domain, str_of(address), '@') || out->user.n == 0)
		return err_set(ERR_BAD, "\"%s\" is no address like alice@example.org", address);
	domain = out->domain;
	if (domain.n == 0 || domain.n > DOMAIN_MAX || str_chr(domain, '.') <= 0 ||
		domain.p[domain.n - 1] == '.')
		return err_set(ERR_BAD, "\"%.*s\" is no domain like example.org", STR_ARG(domain));
	for (size_t i = 0; i < domain.n; i++)
		if (!(domain.p[i] >= 'a' && domain.p[i] <= 'z') &&
			!(domain.p[i] >= '0' && domain.p[i] <= '9') && domain.p[i] != '-' &&
			domain.p[i] != '.')
			return err_set(ERR_BAD,
				"a domain is made of small letters, digits, '-' and '.', not "
				"\"%.*s\"",
				STR_ARG(domain));
	return 0;
}

/* ---- ports ---- */

/* "imaps=..." of mail, "calendar.https=..." of others. */
static bool names_port(struct str name, struct str service, const char *port)
{
	if (str_starts(name, service) && name.n > service.n && name.p[service.n] == '.')
		return str_eq(str_sub(name, service.n + 1, name.n), str_of(port));
	return str_eq(service, STR("mail")) && str_eq(name, str_of(port));
}

static int wished(struct os_addr *out, const char *list, struct str service, const char *port)
{
	struct str one, rest = str_of(list), name, value;

	while (rest.n) {
		str_cut(&one, &rest, rest, ',');
		if (!str_cut(&name, &value, one, '='))
			return err_set(ERR_BAD, "\"%.*s\" is not NAME=ADDRESS:PORT", STR_ARG(one));
		if (names_port(name, service, port))
			return os_addr_parse(out, value, 0);
	}
	return ERR_NOENT;
}

int prov_ports_wish(struct prov_service *s, const char *list)
{
	int err = 0;

	for (size_t i = 0; i < s->listen_count && (err == 0 || err == ERR_NOENT); i++)
		err = wished(&s->listen[i].host, list, s->name, s->listen[i].name.p);
	return err == ERR_NOENT ? 0 : err;
}

/* Every port given out so far. */
static struct prov_listen *taken_ports(size_t *n, struct prov *p, const struct prov_estate *e)
{
	struct prov_listen *all =
		arena_alloc(&p->arena, PROV_SERVICES_MAX * PROV_PORTS_MAX * sizeof(*all));

	*n = 0;
	for (size_t i = 0; all && i < e->service_count; i++)
		for (size_t k = 0; k < e->services[i].listen_count; k++)
			all[(*n)++] = e->services[i].listen[k];
	return all;
}

static int choose_ports(
	struct prov *p, const struct prov_estate *e, struct prov_service *s, const char *list)
{
	for (const struct prov_port_def *d = prov_port_defs; d->service; d++) {
		struct prov_listen *l = &s->listen[s->listen_count], *taken;
		size_t n;
		int err;

		if (!str_eq(s->name, str_of(d->service)))
			continue;
		*l = (struct prov_listen){ .name = str_of(d->name), .guest = d->guest };
		err = os_addr_parse(&l->host, STR("127.0.0.1"), 0);
		if (err == 0)
			err = list ? wished(&l->host, list, s->name, d->name) : ERR_NOENT;
		if (err == ERR_NOENT) {
			taken = taken_ports(&n, p, e);
			err = taken ? prov_port_choose(&l->host, d->guest, taken, n) : ERR_LIMIT;
		}
		if (err < 0)
			return err;
		s->listen_count++;
	}
	return 0;
}

/* ---- certificates ---- */

static int issue(
	struct str *cert, struct str *key, struct prov *p, struct str domain, struct str service)
{
	struct str ca, ca_key;
	struct str names[4] = { arena_fmt(
					&p->arena, "%.*s.%.*s", STR_ARG(service), STR_ARG(domain)),
		STR("localhost"), STR("127.0.0.1"), STR("::1") };
	int err = prov_file_read(&ca, &p->arena, prov_path(p, "ca.pem"), KEY_MAX);

	if (err == 0)
		err = prov_file_read(&ca_key, &p->arena, prov_path(p, "keys/ca.key"), KEY_MAX);
	if (err == 0)
		err = os_ca_issue(
			cert, key, &p->arena, ca, ca_key, names, ARRAY_LEN(names), PROV_LEAF_DAYS);
	if (err == 0)
		err = prov_file_write(
			p, prov_path(p, "keys/%.*s.pem", STR_ARG(service)), *cert, 0644);
	return err;
}

static int make_keys(struct prov *p, struct str domain)
{
	struct str ca, key, name = arena_fmt(&p->arena, "Allod %.*s", STR_ARG(domain));
	uint8_t token[32];
	struct buf hex;
	int err = os_ca_make(&ca, &key, &p->arena, name);

	if (err == 0)
		err = prov_file_write(p, prov_path(p, "ca.pem"), ca, 0644);
	if (err == 0)
		err = prov_file_write(p, prov_path(p, "keys/ca.key"), key, 0600);
	if (err < 0)
		return err;
	buf_init(&hex, &p->arena);
	os_random(token, sizeof(token));
	os_hex(&hex, str_n(token, sizeof(token)));
	return hex.err < 0
		? hex.err
		: prov_file_write(p, prov_path(p, "keys/control.token"), buf_str(&hex), 0600);
}

/* ---- the disk ---- */

struct record {
	const char *key;
	struct str value;
};

static int put_records(struct store *s, const struct record *rows, size_t n, const char *what)
{
	struct store_why why = { STR("allod"), STR("allod@localhost"), str_of(what), 0 };
	struct store_edit *e;
	int err = store_edit_begin(&e, s, STR("refs/heads/estate"), OS_FOREVER);

	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++) {
		err = store_edit_local_put(e, str_of(rows[i].key), rows[i].value);
		if (err < 0) {
			store_edit_abort(e);
			return err;
		}
	}
	return store_edit_commit(NULL, e, &why);
}

int prov_configure(struct store *s, struct prov *p, struct str domain, struct str service)
{
	struct str cert, key, token;
	int err = issue(&cert, &key, p, domain, service);

	if (err == 0)
		err = prov_file_read(
			&token, &p->arena, prov_path(p, "keys/control.token"), KEY_MAX);
	if (err < 0)
		return err;
	const struct record rows[] = {
		{ "conf/tls.cert", cert },
		{ "conf/tls.key", key },
		{ "conf/control.token", token },
		{ "conf/hostname",
			arena_fmt(&p->arena, "%.*s.%.*s", STR_ARG(service), STR_ARG(domain)) },
	};
	return put_records(s, rows, ARRAY_LEN(rows), "allod: configure the service");
}

static int fill_disk(struct store *s, struct prov *p, const struct prov_create *how,
	struct str service, struct str client, struct prov_secrets *secrets)
{
	struct id_key key = { ID_PASSWORD, how->user, client };
	struct id_registry *reg;
	int err = id_found(s, how->domain);

	if (err == 0)
		err = id_open(&reg, s);
	if (err < 0)
		return err;
	err = id_user_add(reg, how->user, how->user);
	if (err == 0 && client.p) /* the same for every service */
		err = id_secret_add(&secrets->password, &p->arena, reg, &key, 0);
	id_close(reg);
	return err < 0 ? err : prov_configure(s, p, how->domain, service);
}

static int make_disk(struct prov *p, const struct prov_create *how, const struct prov_service *svc,
	struct str client, struct prov_secrets *secrets)
{
	struct os_disk *disk;
	struct store *s;
	int err = os_disk_file(&disk, svc->disk, how->disk_bytes);

	if (err < 0)
		return err;
	err = store_format(disk);
	if (err == 0)
		err = store_open(&s, disk, NULL);
	if (err == 0) {
		err = fill_disk(s, p, how, svc->name, client, secrets);
		store_close(s);
	}
	os_disk_close(disk);
	return err;
}

/* ---- the folder ---- */

/* What a failed attempt made; the folder itself goes only when it is empty. */
static void unmake(struct prov *p, const struct prov_estate *e)
{
	static const char *const made[] = { "keys/ca.key", "keys/control.token", PROV_SEAL_KEY,
		"ca.pem", "disks", "keys" };

	for (size_t i = 0; i < e->service_count; i++) {
		remove(e->services[i].disk);
		remove(prov_path(p, "keys/%.*s.pem", STR_ARG(e->services[i].name)));
	}
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		remove(prov_path(p, "%s", made[i]));
	rmdir(p->home);
}

static int refuse_overwriting(struct prov *p)
{
	static const char *const ours[] = { "allod.conf", "keys", "disks", "ca.pem" };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (prov_file_exists(prov_path(p, "%s", ours[i])))
			return err_set(
				ERR_EXIST, "%s is already there", prov_path(p, "%s", ours[i]));
	return 0;
}

static bool is_service(struct str name)
{
	for (const struct prov_port_def *d = prov_port_defs; d->service; d++)
		if (str_eq(name, str_of(d->service)))
			return true;
	return false;
}

/* Names, disks and ports; nothing is made yet. */
static int choose_services(struct prov_estate *e, struct prov *p, const struct prov_create *how)
{
	struct str name, rest = str_of(how->services ? how->services : PROV_SERVICES_ALL);

	while (rest.n) {
		struct prov_service *s = &e->services[e->service_count];
		int err;

		str_cut(&name, &rest, rest, ',');
		if (!is_service(name) || prov_service_find(e, name))
			return err_set(ERR_BAD,
				"\"%.*s\" is no service, or named twice; there "
				"are " PROV_SERVICES_ALL,
				STR_ARG(name));
		*s = (struct prov_service){ .name = name, .target = how->target };
		s->disk = prov_path(p, "disks/%.*s.img", STR_ARG(name));
		err = choose_ports(p, e, s, how->listen);
		if (err < 0)
			return err;
		e->service_count++;
	}
	return e->service_count ? 0 : err_set(ERR_BAD, "an estate has at least one service");
}

static int make_all(struct prov_estate *e, struct prov *p, const struct prov_create *how,
	struct str client, struct prov_secrets *secrets)
{
	struct buf text;
	int err = prov_mkdirs(prov_path(p, "disks"));

	if (err == 0)
		err = prov_mkdirs(prov_path(p, "keys"));
	if (err == 0 && chmod(p->home, 0700) < 0)
		err = prov_errno("cannot protect", p->home);
	if (err == 0)
		err = make_keys(p, how->domain);
	if (err == 0)
		err = prov_seal_key_make(secrets->code, p);
	for (size_t i = 0; i < e->service_count && err == 0; i++)
		err = make_disk(p, how, &e->services[i], client, secrets);
	if (err < 0)
		return err;
	/* The file that makes it an estate comes last. */
	buf_init(&text, &p->arena);
	prov_estate_write(&text, e, p->home);
	return text.err < 0 ? text.err
			    : prov_file_write(p, prov_path(p, "allod.conf"), buf_str(&text), 0600);
}

int prov_create(struct prov_estate *out, struct prov *p, const struct prov_create *how,
	struct str client, struct prov_secrets *secrets)
{
	int err = refuse_overwriting(p);

	if (err < 0)
		return err;
	memset(out, 0, sizeof(*out));
	out->domain = how->domain;
	out->owner = how->user;
	err = choose_services(out, p, how);
	if (err < 0)
		return err;
	err = make_all(out, p, how, client, secrets);
	if (err < 0)
		unmake(p, out);
	return err;
}

/* ---- renewal ---- */

bool prov_renew_due(struct prov *p, const struct prov_service *s)
{
	struct str pem;
	int64_t end;

	if (prov_file_read(&pem, &p->arena, prov_path(p, "keys/%.*s.pem", STR_ARG(s->name)),
		    KEY_MAX) < 0 ||
		os_cert_expiry(&end, pem) < 0)
		return true;
	return end - os_wall_sec() < (int64_t)PROV_RENEW_DAYS * 24 * 3600;
}

int prov_renew(struct prov *p, const struct prov_estate *e, const struct prov_service *s)
{
	struct str cert, key;
	struct os_disk *disk;
	struct store *store;
	int err = os_disk_file(&disk, s->disk, 0);

	if (err < 0)
		return err;
	err = store_open(&store, disk, NULL);
	if (err == 0) {
		err = issue(&cert, &key, p, e->domain, s->name);
		if (err == 0) {
			const struct record rows[] = { { "conf/tls.cert", cert },
				{ "conf/tls.key", key } };

			err = put_records(
				store, rows, ARRAY_LEN(rows), "allod: renew the certificate");
		}
		store_close(store);
	}
	os_disk_close(disk);
	return err;
}
