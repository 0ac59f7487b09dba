/* SPDX-License-Identifier: ISC */
#include "provisioner/estate.h"
#include "os/conf.h"
#include "provisioner/conf.h"
#include "provisioner/home.h"
#include "provisioner/say.h"

const char *const prov_target_name[] = { [PROV_VIRT] = "virt", [PROV_UNIX] = "unix" };

const struct prov_port_def prov_port_defs[] = {
	{ "mail", "smtp", 25 },
	{ "mail", "submission", 587 },
	{ "mail", "submissions", 465 },
	{ "mail", "imap", 143 },
	{ "mail", "imaps", 993 },
	{ "mail", "control", 8443 },
	{ "mail", "git", 443 },
	{ "calendar", "https", 443 },
	{ "calendar", "control", 8443 },
	{ "contacts", "https", 443 },
	{ "contacts", "control", 8443 },
	{ NULL, NULL, 0 },
};

int prov_target_parse(enum prov_target *out, struct str word)
{
	for (size_t i = 0; i < 2; i++) {
		if (!str_eq(word, str_of(prov_target_name[i])))
			continue;
		*out = (enum prov_target)i;
		return 0;
	}
	return err_set(ERR_BAD, "target is virt or unix, not \"%.*s\"", STR_ARG(word));
}

struct prov_service *prov_service_find(struct prov_estate *e, struct str name)
{
	for (size_t i = 0; i < e->service_count; i++)
		if (str_eq(e->services[i].name, name))
			return &e->services[i];
	return NULL;
}

const struct prov_listen *prov_listen_find(const struct prov_service *s, const char *name)
{
	for (size_t i = 0; i < s->listen_count; i++)
		if (str_eq(s->listen[i].name, str_of(name)))
			return &s->listen[i];
	return NULL;
}

struct os_addr prov_listen_reach(const struct prov_listen *l)
{
	static const uint8_t any6[16], any4[16] = { [10] = 0xff, [11] = 0xff };
	struct os_addr a = l->host;

	if (memcmp(a.ip, any4, 16) == 0) {
		a.ip[12] = 127;
		a.ip[15] = 1;
	} else if (memcmp(a.ip, any6, 16) == 0) {
		a.ip[15] = 1;
	}
	return a;
}

/* ---- reading ---- */

struct row_estate {
	struct str domain, owner;
};
static const struct os_opt estate_opts[] = {
	OS_OPT_STR(struct row_estate, domain, "domain", "", "mail domain served"),
	OS_OPT_STR(struct row_estate, owner, "owner", "", "whose estate this is"),
	{ 0 },
};
struct row_service {
	struct str target, disk;
	uint64_t memory;
};
const struct os_opt prov_service_rows[] = {
	OS_OPT_STR(struct row_service, target, "target", "virt", "virt or unix"),
	OS_OPT_STR(struct row_service, disk, "disk", "", "disk image"),
	OS_OPT_U64(struct row_service, memory, "memory", 0, 65536, 0, "MiB on virt"),
	{ 0 },
};

struct parse {
	struct prov_estate *e;
	struct arena *a;
	const char *home;
	struct row_estate estate;
	struct row_service services[PROV_SERVICES_MAX];
};

static int service_of(size_t *out, struct parse *x, struct str name)
{
	struct prov_estate *e = x->e;
	struct prov_service *s = prov_service_find(e, name);

	if (s) {
		*out = (size_t)(s - e->services);
		return 0;
	}
	if (name.n == 0)
		return err_set(
			ERR_BAD, "the section must name a service, as in [service \"mail\"]");
	if (e->service_count == PROV_SERVICES_MAX)
		return err_set(ERR_LIMIT, "more than %d services", PROV_SERVICES_MAX);
	*out = e->service_count++;
	e->services[*out] = (struct prov_service){ .name = name };
	os_conf_defaults(&x->services[*out], prov_service_rows);
	return 0;
}

static int take_listen(struct parse *x, const struct conf_line *l)
{
	const struct prov_port_def *def;
	struct prov_service *s;
	struct prov_listen *row;
	size_t i;
	int err = service_of(&i, x, l->sub);

	if (err < 0)
		return err;
	s = &x->e->services[i];
	for (def = prov_port_defs; def->service; def++)
		if (str_eq(s->name, str_of(def->service)) && str_eq(l->key, str_of(def->name)))
			break;
	if (!def->service)
		return err_set(ERR_BAD, "service \"%.*s\" has no port called \"%.*s\"",
			STR_ARG(s->name), STR_ARG(l->key));
	if (prov_listen_find(s, def->name))
		return err_set(ERR_BAD, "\"%s\" is stated twice", def->name);
	row = &s->listen[s->listen_count];
	*row = (struct prov_listen){ .name = str_of(def->name), .guest = def->guest };
	err = os_addr_parse(&row->host, l->value, 0);
	if (err < 0 || row->host.port == 0)
		return err_set(ERR_BAD, "\"%.*s\" is not an address and port like 127.0.0.1:10993",
			STR_ARG(l->value));
	s->listen_count++;
	return 0;
}

static int take(struct parse *x, const struct conf_line *l)
{
	int err;
	size_t i;

	if (str_eq(l->section, STR("estate")) && !l->sub.p) {
		err = os_conf_set(&x->estate, estate_opts, x->a, l->key, l->value);
	} else if (str_eq(l->section, STR("service"))) {
		err = service_of(&i, x, l->sub);
		if (err == 0)
			err = os_conf_set(
				&x->services[i], prov_service_rows, x->a, l->key, l->value);
		if (err == ERR_NOENT)
			err = prov_option_take(
				&x->e->services[i].options, l->sub, l->key, l->value);
	} else if (str_eq(l->section, STR("listen"))) {
		return take_listen(x, l);
	} else {
		return err_set(ERR_BAD, "there is no section [%.*s]", STR_ARG(l->section));
	}
	if (err == ERR_NOENT)
		return err_set(ERR_BAD, "section [%.*s] has no key \"%.*s\"", STR_ARG(l->section),
			STR_ARG(l->key));
	return err;
}

/* What the rows mean together. */
static int settle(struct parse *x)
{
	struct prov_estate *e = x->e;

	e->domain = x->estate.domain;
	e->owner = x->estate.owner;
	if (e->domain.n == 0 || e->owner.n == 0)
		return err_set(ERR_BAD, "[estate] must state domain and owner");
	for (size_t i = 0; i < e->service_count; i++) {
		struct prov_service *s = &e->services[i];
		struct row_service *row = &x->services[i];
		struct str disk;
		int err = prov_target_parse(&s->target, row->target);

		if (err < 0)
			return err;
		if (row->disk.n == 0)
			return err_set(ERR_BAD, "[service \"%.*s\"] must state its disk",
				STR_ARG(s->name));
		disk = row->disk.p[0] == '/'
			? arena_dup(x->a, row->disk)
			: arena_fmt(x->a, "%s/%.*s", x->home, STR_ARG(row->disk));
		if (!disk.p)
			return err_set(ERR_LIMIT, "too much text");
		s->disk = disk.p;
		s->memory_mb = row->memory;
	}
	return 0;
}

int prov_estate_parse(struct prov_estate *out, struct arena *a, struct str text, const char *file,
	const char *home)
{
	struct parse *x = ARENA_NEW(a, struct parse);
	struct conf_reader r;
	struct conf_line l;
	int err;

	if (!x)
		return err_set(ERR_LIMIT, "%s: no room", file);
	memset(out, 0, sizeof(*out));
	*x = (struct parse){ .e = out, .a = a, .home = home };
	os_conf_defaults(&x->estate, estate_opts);
	conf_begin(&r, a, text);
	while ((err = conf_next(&l, &r)) == 0 && (err = take(x, &l)) == 0)
		;
	if (err != ERR_CLOSED)
		return err_set(ERR_BAD, "%s:%u: %s", file, r.line, err_text(err));
	err = settle(x);
	return err < 0 ? err_set(ERR_BAD, "%s: %s", file, err_text(err)) : 0;
}

int prov_estate_load(struct prov_estate *out, struct prov *p)
{
	const char *file = prov_path(p, "allod.conf");
	struct str text;
	int err = prov_file_read(&text, &p->arena, file, CONF_BYTES_MAX);

	return err < 0 ? err : prov_estate_parse(out, &p->arena, text, file, p->home);
}

int prov_estate_need(struct prov_estate *out, struct prov *p)
{
	int err = prov_estate_load(out, p);

	if (err == ERR_NOENT)
		return prov_fail("`allod init USER@DOMAIN` makes one; --home or $ALLOD_HOME names "
				 "another folder",
			"there is no estate in %s", p->home);
	if (err < 0)
		return prov_fail(NULL, "%s", err_text(err));
	return PROV_OK;
}

/* ---- writing ---- */

void prov_estate_write(struct buf *out, const struct prov_estate *e, const char *home)
{
	char text[OS_ADDR_TEXT];

	buf_addz(out,
		"# What this estate runs and where. Syntax: git-config. Takes effect at the\n"
		"# next `allod restart`.\n[estate]\n");
	conf_write(out, "domain", e->domain);
	conf_write(out, "owner", e->owner);
	for (size_t i = 0; i < e->service_count; i++) {
		const struct prov_service *s = &e->services[i];
		struct str disk = str_of(s->disk), base = str_of(home);

		if (str_starts(disk, base) && disk.n > base.n && disk.p[base.n] == '/')
			disk = str_sub(disk, base.n + 1, disk.n);
		buf_fmt(out, "[service \"%.*s\"]\n", STR_ARG(s->name));
		conf_write(out, "target", str_of(prov_target_name[s->target]));
		conf_write(out, "disk", disk);
		if (s->memory_mb)
			buf_fmt(out, "\tmemory = %llu\n", (unsigned long long)s->memory_mb);
		for (size_t j = 0; j < s->options.n; j++)
			buf_fmt(out, "\t%.*s = %.*s\n", STR_ARG(s->options.v[j].key),
				STR_ARG(s->options.v[j].value));
		buf_fmt(out, "[listen \"%.*s\"]\n", STR_ARG(s->name));
		for (size_t j = 0; j < s->listen_count; j++)
			buf_fmt(out, "\t%.*s = %s\n", STR_ARG(s->listen[j].name),
				os_addr_text(text, &s->listen[j].host));
	}
}
