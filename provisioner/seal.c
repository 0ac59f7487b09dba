/* SPDX-License-Identifier: ISC */
#include "provisioner/seal.h"
#include "os/crypto.h"
#include "os/time.h"
#include "provisioner/home.h"
#include "provisioner/say.h"

#define VERSION  1
#define FILE_MAX 65536

const char *const prov_seal_files[] = { "allod.conf", "ca.pem", "keys/ca.key", "keys/control.token",
	NULL };

/* ---- the key ---- */
static int write_key(struct prov *p, const struct id_seal_key *key)
{
	struct buf text;

	buf_init(&text, &p->arena);
	id_recovery_key_text(&text, key);
	return text.err < 0 ? text.err
			    : prov_file_write(p, prov_path(p, PROV_SEAL_KEY), buf_str(&text), 0600);
}

int prov_seal_key_make(char code[static ID_CODE_TEXT], struct prov *p)
{
	struct id_seal_key key;
	int err;

	id_recovery_make(code, &key);
	err = write_key(p, &key);
	if (err < 0)
		os_wipe(code, ID_CODE_TEXT);
	return err;
}

int prov_seal_key(struct id_seal_key *out, struct prov *p)
{
	struct str text;
	int err = prov_file_read(&text, &p->arena, prov_path(p, PROV_SEAL_KEY), 1024);

	return err < 0 ? err : id_recovery_key_parse(out, text);
}

void prov_seal_tell(const char *code)
{
	printf("\n%sRecovery code%s  %s\n"
	       "  Write it on paper and keep it away from this machine. With it, a backup\n"
	       "  (`allod backup DIR`) becomes this estate again on an empty machine; without\n"
	       "  it, no backup's keys can be opened by anybody. It is shown this once.\n\n",
		prov_bold(), prov_plain(), code);
}

/* ---- sealing ---- */
static int gather(json_t *files, struct prov *p)
{
	for (const char *const *f = prov_seal_files; *f; f++) {
		struct str text;
		int err = prov_file_read(&text, &p->arena, prov_path(p, "%s", *f), FILE_MAX);

		if (err < 0)
			return err;
		if (json_object_set_new(files, *f, json_stringn(text.p, text.n)) < 0)
			return err_set(ERR_BAD, "%s is not text", *f);
		os_wipe((char *)text.p, text.n);
	}
	return 0;
}

static int seal(struct buf *out, struct prov *p, json_t *all)
{
	char *text = json_dumps(all, JSON_INDENT(1) | JSON_SORT_KEYS);
	struct id_seal_key key;
	int err = text ? prov_seal_key(&key, p) : err_set(ERR_NOMEM, "out of memory");

	if (err == 0)
		err = id_recovery_seal(out, &key, str_of(text));
	if (text)
		os_wipe(text, strlen(text));
	free(text);
	return err;
}

int prov_seal_write(struct prov *p, const char *dir, json_t *services)
{
	json_t *files = json_object();
	json_t *all = json_pack("{s:i,s:I,s:O,s:o}", "version", VERSION, "made",
		(json_int_t)os_wall_sec(), "files", files, "services", services);
	struct str path = arena_fmt(&p->arena, "%s/" PROV_SEAL_FILE, dir);
	struct buf out;
	int err = all && path.p ? gather(files, p) : err_set(ERR_NOMEM, "out of memory");

	buf_init(&out, NULL);
	if (err == 0)
		err = seal(&out, p, all);
	if (err == 0)
		err = prov_file_write(p, path.p, buf_str(&out), 0600);
	buf_free(&out);
	json_decref(files);
	json_decref(all);
	return err;
}

/* ---- opening ---- */
static int understand(json_t **out, struct str text)
{
	json_error_t why;
	json_t *j = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &why), *files,
	       *services;
	int version = 0, err = 0;

	if (!j ||
		json_unpack(j, "{s:i,s:o,s:o}", "version", &version, "files", &files, "services",
			&services) < 0)
		err = err_set(ERR_CORRUPT, "what is sealed is not understood");
	else if (version != VERSION)
		err = err_set(ERR_CORRUPT, "it was made by a newer allod (version %d)", version);
	if (err == 0)
		*out = j;
	else
		json_decref(j);
	return err;
}

int prov_seal_read(json_t **out, struct prov *p, const char *dir, const struct id_code *code)
{
	struct str path = arena_fmt(&p->arena, "%s/" PROV_SEAL_FILE, dir), sealed;
	struct buf text;
	int err;

	if (!path.p)
		return err_set(ERR_LIMIT, "the folder's name is too long");
	err = prov_file_read(&sealed, &p->arena, path.p, 2 * ID_SEALED_MAX);
	if (err < 0)
		return err;
	buf_init(&text, NULL);
	err = id_recovery_open(&text, code, sealed);
	if (err == 0)
		err = understand(out, buf_str(&text));
	if (text.p)
		os_wipe(text.p, text.n);
	buf_free(&text);
	return err < 0 ? err_set(err, "%s: %s", path.p, err_text(err)) : 0;
}

struct str prov_seal_get(const json_t *sealed, const char *file)
{
	const json_t *text = json_object_get(json_object_get(sealed, "files"), file);

	return str_n(json_string_value(text), json_string_length(text));
}
