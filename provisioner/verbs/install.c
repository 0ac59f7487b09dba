/* SPDX-License-Identifier: ISC */
/* A systemd unit of this user: the estate starts with the machine or the session. */
#include "provisioner/estate.h"
#include "provisioner/home.h"
#include "provisioner/say.h"

#include <stdlib.h>

#define UNIT_BYTES_MAX 65536

enum { OPT_NAME };
static const struct prov_opt opts[] = {
	[OPT_NAME] = { "name", 0, "NAME", "of the unit (allod), where there are several estates" },
	{ 0 },
};

static bool name_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') &&
			s.p[i] != '-' && s.p[i] != '_')
			return false;
	return s.n > 0 && s.n <= 64;
}

/* One word of ExecStart (systemd.service(5), COMMAND LINES): in quotes, no specifier, no variable. */
static int quoted(struct buf *b, const char *word)
{
	buf_addc(b, '"');
	for (; *word; word++) {
		if ((unsigned char)*word < ' ')
			return err_set(
				ERR_BAD, "a path with a control byte cannot stand in a unit");
		if (*word == '"' || *word == '\\')
			buf_addc(b, '\\');
		if (*word == '%' || *word == '$')
			buf_addc(b, *word);
		buf_addc(b, *word);
	}
	buf_addc(b, '"');
	return b->err;
}

static int unit_text(struct buf *b, struct prov *p, const struct prov_estate *e)
{
	int err;

	buf_fmt(b,
		"[Unit]\nDescription=Allod, the estate of %.*s@%.*s\n\n"
		"[Service]\n"
		"ExecStart=",
		STR_ARG(e->owner), STR_ARG(e->domain));
	err = quoted(b, p->self);
	buf_addz(b, " --home ");
	if (err == 0)
		err = quoted(b, p->home);
	/* The supervisor alone is told to stop: it stops the services in order, within 20 s. */
	buf_addz(b,
		" up --foreground\nKillMode=mixed\nTimeoutStopSec=40\nRestart=on-failure\n"
		"RestartSec=2\n\n[Install]\nWantedBy=default.target\n");
	return err < 0 ? err : b->err;
}

static int unit_path(const char **out, struct prov *p, struct str name)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config == '/')
		*out = arena_fmt(&p->arena, "%s/systemd/user/%.*s.service", config, STR_ARG(name))
			       .p;
	else if (home && *home == '/')
		*out = arena_fmt(
			&p->arena, "%s/.config/systemd/user/%.*s.service", home, STR_ARG(name))
			       .p;
	else
		return err_set(ERR_NOENT, "neither $XDG_CONFIG_HOME nor $HOME names a folder");
	return *out ? 0 : ERR_LIMIT;
}

/* ERR_EXIST: a unit of this name is somebody else's, or another estate's. */
static int put(struct prov *p, const char *path, struct str text, struct str home)
{
	struct str old, folder = str_of(path);
	int err = prov_file_read(&old, &p->arena, path, UNIT_BYTES_MAX);

	if (err == 0 && str_find(old, home) < 0)
		return err_set(ERR_EXIST, "%s is there and is not about %s", path, p->home);
	if (err < 0 && err != ERR_NOENT)
		return err;
	while (folder.p[folder.n - 1] != '/')
		folder.n--;
	err = prov_mkdirs(arena_dup(&p->arena, str_sub(folder, 0, folder.n - 1)).p);
	return err < 0 ? err : prov_file_write(p, path, text, 0644);
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct str name = str_of(a->opt[OPT_NAME] ? a->opt[OPT_NAME] : "allod");
	struct prov_estate *e = ARENA_NEW(&p->arena, struct prov_estate);
	struct buf text, home;
	const char *path = NULL;
	int err, code;

	os_assert(e);
	if (!name_ok(name))
		return prov_usage(NULL, "a unit's name is made of small letters, digits, - and _");
	code = prov_estate_need(e, p);
	if (code != PROV_OK)
		return code;
	buf_init(&text, &p->arena);
	buf_init(&home, &p->arena);
	err = unit_path(&path, p, name);
	if (err == 0)
		err = unit_text(&text, p, e);
	if (err == 0)
		err = quoted(&home, p->home);
	if (err == 0)
		err = put(p, path, buf_str(&text), buf_str(&home));
	if (err < 0)
		return prov_fail(
			err == ERR_EXIST ? "`--name` gives this estate's unit another name" : NULL,
			"cannot install: %s", err_text(err));
	printf("%s\n", path);
	prov_note("next: systemctl --user daemon-reload && systemctl --user enable --now %.*s\n"
		  "to run also while you are not logged in: loginctl enable-linger",
		STR_ARG(name));
	return PROV_OK;
}

const struct prov_verb verb_install = { "install", "", "start with the machine, by systemd",
	"Writes a unit of this user, which starts the estate and stops it in order. `allod down` "
	"first\n"
	"where it runs.",
	opts, 0, 0, run };
