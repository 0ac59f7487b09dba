/* SPDX-License-Identifier: ISC */
#include "os/crypto.h"
#include "os/main.h"
#include "provisioner/copy.h"
#include "provisioner/home.h"
#include "provisioner/keeping.h"
#include "provisioner/say.h"
#include "provisioner/seal.h"

#include <dirent.h>
#include <sys/stat.h>

enum { OPT_WHOLE, OPT_NEW_CODE, OPT_JSON };
static const struct prov_opt opts[] = {
	[OPT_WHOLE] = { "whole", 0, NULL, "fetch everything anew, whatever is there" },
	[OPT_NEW_CODE] = { "new-code", 0, NULL,
		"make a new recovery code first (the old one is lost)" },
	[OPT_JSON] = PROV_OPT_JSON,
	{ 0 },
};

static const char readme[] =
	"A backup of an Allod estate, made by `allod backup`.\n"
	"\n"
	"  *.git          every branch of a service, a plain git repository: `git -C mail.git log\n"
	"                 --all`, `git fsck --strict`; each message is a file\n"
	"  estate.sealed  keys and configuration; only the recovery code opens it\n"
	"  ca.pem         the authority this estate's clients trust\n"
	"\n"
	"On an empty machine: write the recovery code into a file and type\n"
	"  allod recover THIS-FOLDER --code-file FILE\n"
	"Keep the code elsewhere, and this folder where only you can write.\n";

struct job {
	struct prov *p;
	const struct prov_args *args;
	const char *dir; /* absolute */
	struct prov_estate *e;
	char code[ID_CODE_TEXT]; /* a new one, else empty */
	json_t *told, *sealed;   /* services, for the person and for recover */
};

static const char *in_dir(struct job *j, const char *name)
{
	struct str path = arena_fmt(&j->p->arena, "%s/%s", j->dir, name);

	os_assert(path.p);
	return path.p;
}

/* ---- the folder ---- */
static bool is_empty(const char *dir)
{
	struct dirent *e;
	bool empty = true;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d)))
		empty &= strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (d)
		closedir(d);
	return empty;
}

/* Absent, empty, or a backup of this very estate. The authority's certificate tells which. */
static int prepare(struct job *j)
{
	struct str ours, theirs;
	int err = prov_file_read(&ours, &j->p->arena, prov_path(j->p, "ca.pem"), 65536);

	if (err < 0)
		return err;
	err = prov_file_read(&theirs, &j->p->arena, in_dir(j, "ca.pem"), 65536);
	if (err == 0 && !str_eq(ours, theirs))
		return err_set(ERR_EXIST, "%s is the backup of another estate", j->dir);
	if (err != ERR_NOENT)
		return err;
	if (!is_empty(j->dir))
		return err_set(ERR_EXIST, "%s holds something that is no backup", j->dir);
	err = prov_mkdirs(j->dir);
	if (err == 0)
		err = prov_file_write(j->p, in_dir(j, "README"), str_of(readme), 0644);
	return err < 0 ? err : prov_file_write(j->p, in_dir(j, "ca.pem"), ours, 0644);
}

/* ---- a service ---- */
static uint64_t disk_bytes(const struct prov_service *s)
{
	struct stat st;

	return stat(s->disk, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int note(struct job *j, const struct prov_service *s, const struct prov_copy *k,
	const char *endpoint, json_t *keeping)
{
	json_t *told = json_pack("{s:s%,s:s,s:I,s:I,s:I,s:I}", "name", s->name.p, s->name.n,
		"repository", k->dir, "refs", (json_int_t)k->refs, "moved", (json_int_t)k->moved,
		"objects", (json_int_t)k->objects, "bytes", (json_int_t)k->bytes);
	json_t *kept = json_pack("{s:I,s:s,s:O,s:O}", "disk_bytes", (json_int_t)disk_bytes(s),
		"endpoint", endpoint, "refs", k->names, "keeping", keeping);
	int rc = json_array_append_new(j->told, told);

	rc |= json_object_setn_new(j->sealed, s->name.p, s->name.n, kept);
	return rc < 0 ? err_set(ERR_NOMEM, "out of memory") : 0;
}

static int copy_service(struct job *j, const struct prov_service *s, struct prov_client *c)
{
	struct str name = arena_fmt(&j->p->arena, "%.*s.git", STR_ARG(s->name));
	struct prov_copy k = {
		.verb = "backup",
		.prefix = STR("refs/"),
		.head = arena_fmt(&j->p->arena, "refs/heads/%.*s", STR_ARG(j->e->owner)),
		.whole = j->args->opt[OPT_WHOLE],
	};
	const char *endpoint = "", *warning = NULL;
	json_t *snapshot = NULL, *keeping = NULL;
	int err;

	os_assert(name.p && k.head.p);
	k.dir = in_dir(j, name.p);
	err = prov_call(&snapshot, c, "POST", "/v1/snapshot", NULL);
	if (err == 0 &&
		json_unpack(snapshot, "{s:s,s?s}", "endpoint", &endpoint, "warning", &warning) < 0)
		err = err_set(ERR_BAD, "the service's reply to a snapshot is not understood");
	if (err == 0 && warning)
		prov_note("%.*s: what its clients were told is as of the last snapshot: %s",
			STR_ARG(s->name), warning);
	k.names = json_array();
	if (err == 0)
		err = prov_copy(&k, c);
	if (err == 0)
		err = prov_keeping_ask(&keeping, c, &j->p->arena, k.names);
	if (err == 0)
		err = note(j, s, &k, endpoint, keeping);
	json_decref(keeping);
	json_decref(k.names);
	json_decref(snapshot);
	return err;
}

static int backup_service(struct job *j, const struct prov_service *s)
{
	struct prov_client c;
	int err = prov_client_open(&c, j->p, s);

	if (err < 0)
		return prov_fail(err == ERR_BUSY ? "`allod status` shows when it is ready" : NULL,
			"cannot back up %.*s: %s", STR_ARG(s->name), err_text(err));
	err = copy_service(j, s, &c);
	if (err < 0)
		prov_client_fail(&c, err, "cannot back up");
	prov_client_close(&c);
	return err < 0 ? PROV_FAILED : PROV_OK;
}

/* ---- all ---- */
static int need_key(struct job *j)
{
	struct id_seal_key key;
	int err;

	if (j->args->opt[OPT_NEW_CODE])
		err = prov_seal_key_make(j->code, j->p);
	else
		err = prov_seal_key(&key, j->p);
	if (err == ERR_NOENT)
		return prov_fail("`allod backup --new-code DIR` makes one",
			"this estate has no recovery code");
	return err < 0 ? prov_fail(NULL, "cannot use the recovery code's key: %s", err_text(err))
		       : PROV_OK;
}

static int in_fiber(void *arg)
{
	struct job *j = arg;
	int err = prepare(j), code;

	if (err < 0)
		return prov_fail(err == ERR_EXIST ? "name another folder" : NULL,
			"cannot back up: %s", err_text(err));
	code = need_key(j);
	for (size_t i = 0; i < j->e->service_count && code == PROV_OK; i++)
		code = backup_service(j, &j->e->services[i]);
	if (code != PROV_OK)
		return code;
	err = prov_seal_write(j->p, j->dir, json_incref(j->sealed));
	return err < 0 ? prov_fail(NULL, "cannot seal the keys: %s", err_text(err)) : PROV_OK;
}

static int tell(const struct job *j)
{
	const json_t *one;
	size_t i;

	json_array_foreach(j->told, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "name"));
		json_int_t refs = json_integer_value(json_object_get(one, "refs"));
		json_int_t moved = json_integer_value(json_object_get(one, "moved"));
		uint64_t bytes = (uint64_t)json_integer_value(json_object_get(one, "bytes"));
		char size[16];

		printf("%s: %lld branches, %lld of them changed, %s came\n", name, (long long)refs,
			(long long)moved, prov_size(size, bytes));
	}
	printf("Keys and configuration are sealed to the recovery code.\n"
	       "To get it all back on an empty machine:\n"
	       "  allod recover %s --code-file FILE\n",
		j->dir);
	if (j->code[0])
		prov_seal_tell(j->code);
	return PROV_OK;
}

static int tell_json(const struct job *j)
{
	json_t *all = json_pack("{s:s,s:O}", "dir", j->dir, "services", j->told);
	int code;

	if (all && j->code[0])
		json_object_set_new(all, "recovery_code", json_string(j->code));
	code = prov_print_json_line(all);
	json_decref(all);
	return code;
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct job j = { .p = p, .args = a, .e = ARENA_NEW(&p->arena, struct prov_estate) };
	int code;

	os_assert(j.e);
	code = prov_estate_need(j.e, p);
	if (code != PROV_OK)
		return code;
	if (prov_absolute(&j.dir, &p->arena, str_of(a->pos[0])) < 0)
		return prov_fail(NULL, "%s", err_text(ERR_LIMIT));
	if (os_crypto_init() < 0)
		return prov_fail(NULL, "no source of randomness");
	j.told = json_array();
	j.sealed = json_object();
	code = os_run(in_fiber, &j);
	if (code < 0)
		code = prov_fail(NULL, "cannot start: %s", err_text(code));
	if (code == PROV_OK)
		code = a->opt[OPT_JSON] ? tell_json(&j) : tell(&j);
	else if (j.code[0]) /* it counts from now on */
		prov_seal_tell(j.code);
	os_wipe(j.code, sizeof(j.code));
	json_decref(j.told);
	json_decref(j.sealed);
	return code;
}

const struct prov_verb verb_backup = { "backup", "DIR", "everything an estate is, in a folder",
	"A bare git repository per service, with all branches, and estate.sealed, which only the\n"
	"recovery code opens. Run again, it fetches what is new; a backup that is cut short "
	"leaves\n"
	"the one before it. Services may run or be stopped.",
	opts, 1, 1, run };
