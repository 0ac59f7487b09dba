/* SPDX-License-Identifier: ISC */
/* What a received object must look like: what git fsck --strict asks, and our own rules. */
#include "store/receive_impl.h"

#define AHEAD_SEC    (24 * 3600) /* a clock may be wrong by so much */
#define PARENTS_MAX  8           /* of struct store_commit */
#define PREFIXES_MAX (STORE_NAME_MAX + 1)

static const char *said(const char *text)
{
	return strncmp(text, "store: ", 7) == 0 ? text + 7 : text;
}

/* ---- trees ---- */
static int bad_mode(const struct tent *t)
{
	const char *what = "";

	switch (t->mode) {
	case 0120000: what = ", a symbolic link"; break;
	case 0160000: what = ", a submodule"; break;
	case 0100755: what = ", an executable"; break;
	default: break;
	}
	return err_set(ERR_BAD,
		"\"%.60s\" has mode %o%s; here are only plain files (100644) and folders",
		t->name.p, t->mode, what);
}

/* Files whose names the present entry's begins with: a folder called as one of them is a second
 * entry of that name, though others may stand between. */
struct prefixes {
	struct str p[PREFIXES_MAX];
	size_t n;
};

static int check_twice(struct prefixes *x, const struct tent *t)
{
	while (x->n > 0 && !str_starts(t->name, x->p[x->n - 1]))
		x->n--;
	if (x->n > 0 && str_eq(t->name, x->p[x->n - 1]))
		return err_set(ERR_BAD, "\"%.60s\" is there twice", t->name.p);
	if (!mode_folder(t->mode) && x->n < PREFIXES_MAX)
		x->p[x->n++] = t->name;
	return 0;
}

static int check_entry(struct prefixes *x, struct str raw, const struct tent *t)
{
	struct str text = str_sub(raw, t->at, t->at + t->n);
	int err;

	if (!str_starts(text, STR("100644 ")) && !str_starts(text, STR("40000 ")))
		return bad_mode(t);
	err = name_check(t->name);
	return err < 0 ? err : check_twice(x, t);
}

static int tree_sound(struct str raw)
{
	struct prefixes *x = malloc(sizeof(*x));
	struct tcur c = { (const uint8_t *)raw.p, raw.n, 0 };
	struct tent t, last = { 0 };
	int err = x ? 0 : err_set(ERR_NOMEM, "out of memory");

	if (x)
		x->n = 0;
	while (err >= 0 && (err = tree_next(&t, &c)) >= 0) {
		err = check_entry(x, raw, &t);
		if (err >= 0 && last.id &&
			tree_cmp(last.name, mode_folder(last.mode), t.name, mode_folder(t.mode)) >=
				0)
			err = err_set(ERR_BAD, "\"%.60s\" is out of order", t.name.p);
		last = t;
	}
	free(x);
	return err == ERR_NOENT ? 0 : err;
}

/* ---- commits ---- */
/* "Name <address> 1700000000 +0100" */
static int check_person(struct str line)
{
	struct str name, address, date, zone;
	uint64_t t;

	if (!str_cut(&name, &address, line, '<') || !str_cut(&address, &date, address, '>') ||
		(name.n > 0 && !str_ends(name, STR(" "))) || str_chr(name, '>') >= 0 ||
		str_chr(address, '<') >= 0 || !str_starts(date, STR(" ")))
		return err_set(
			ERR_BAD, "its author or committer is not \"Name <address> time zone\"");
	str_cut(&date, &zone, str_sub(date, 1, date.n), ' ');
	if (str_u64(&t, date, INT64_MAX) < 0)
		return err_set(ERR_BAD, "its date is none");
	if (zone.n != 5 || (zone.p[0] != '+' && zone.p[0] != '-'))
		return err_set(ERR_BAD, "its time zone is none");
	for (size_t i = 1; i < 5; i++)
		if (zone.p[i] < '0' || zone.p[i] > '9')
			return err_set(ERR_BAD, "its time zone is none");
	if ((int64_t)t > os_wall_sec() + AHEAD_SEC)
		return err_set(ERR_BAD,
			"it is dated in the future: is the clock right where it "
			"was made?");
	return 0;
}

static int commit_sound(struct str text)
{
	struct store_oid id;
	struct str value;
	unsigned parents = 0;
	int err;

	if (memchr(text.p, 0, text.n))
		return err_set(ERR_BAD, "there is a NUL in it");
	if (!text_field(&value, &text, "tree") || store_oid_parse(&id, value) < 0)
		return err_set(ERR_BAD, "it names no tree");
	while (text_field(&value, &text, "parent")) {
		if (store_oid_parse(&id, value) < 0)
			return err_set(ERR_BAD, "a parent is no object id");
		if (++parents > PARENTS_MAX)
			return err_set(ERR_BAD, "it has over %d parents", PARENTS_MAX);
	}
	if (!text_field(&value, &text, "author"))
		return err_set(ERR_BAD, "it has no author");
	err = check_person(value);
	if (err < 0)
		return err;
	if (!text_field(&value, &text, "committer"))
		return err_set(ERR_BAD, "it has no committer");
	return check_person(value);
}

int object_sound(int type, struct str bytes, const struct store_oid *id)
{
	char hex[STORE_HEX], why[200];
	int err = 0;

	if (type == OBJ_BLOB)
		return 0;
	if (type == OBJ_TREE)
		err = tree_sound(bytes);
	else if (type == OBJ_COMMIT)
		err = commit_sound(bytes);
	if (err >= 0 && bytes.n > 0) /* the empty tree has no bytes to look at */
		err = object_readable(type, bytes) ? 0
						   : err_set(ERR_BAD, "git does not understand it");
	else if (err >= 0 && type != OBJ_TREE)
		err = err_set(ERR_BAD, "it is empty");
	if (err >= 0 || err == ERR_NOMEM)
		return err;
	snprintf(why, sizeof(why), "%s", said(err_text(err)));
	return err_set(ERR_BAD, "%s %.10s: %s", obj_type_name(type), store_oid_hex(hex, id), why);
}
