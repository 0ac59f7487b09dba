/* SPDX-License-Identifier: ISC */
/* Refs: names to commits (with the commit's tree, which every edit begins from). */
#include "store/store_impl.h"

struct str sys_key(char *room, char letter, struct str rest)
{
	room[0] = letter;
	if (rest.n)
		memcpy(room + 1, rest.p, rest.n);
	return str_n(room, 1 + rest.n);
}

/* As git check-ref-format, and below refs/. */
int ref_name_check(struct str name)
{
	struct str part, rest = name;

	if (name.n > REF_MAX || !str_starts(name, STR("refs/")) || str_ends(name, STR("/")) ||
		str_ends(name, STR(".")))
		goto bad;
	for (size_t i = 0; i < name.n; i++)
		if ((uint8_t)name.p[i] <= ' ' || memchr("~^:?*[\\\x7f", name.p[i], 8))
			goto bad;
	if (str_find(name, STR("..")) >= 0 || str_find(name, STR("@{")) >= 0)
		goto bad;
	while (rest.n > 0) {
		str_cut(&part, &rest, rest, '/');
		if (part.n == 0 || part.p[0] == '.' || str_ends(part, STR(".lock")))
			goto bad;
	}
	return 0;
bad:
	return err_set(ERR_BAD, "store: not a ref name: %.*s", STR_ARG(name));
}

int ref_read(struct ref_value *out, struct store *s, struct str name)
{
	char room[1 + REF_MAX];
	struct str v;
	int err;

	if (name.n > REF_MAX)
		return ERR_NOENT;
	err = kv_get(&v, s->kv, KV_SYS, sys_key(room, 'r', name));
	if (err < 0)
		return err;
	if (v.n != sizeof(*out))
		return err_set(ERR_CORRUPT, "store: ref %.*s is damaged", STR_ARG(name));
	memcpy(out, v.p, sizeof(*out));
	return 0;
}

int store_ref_get(struct store_oid *out, struct store *s, struct str ref)
{
	struct ref_value v;
	int err = ref_read(&v, s, ref);

	if (err >= 0)
		*out = v.commit;
	return err == ERR_NOENT ? err_set(ERR_NOENT, "store: no ref %.*s", STR_ARG(ref)) : err;
}

struct list {
	store_ref_fn *fn;
	void *ctx;
};

static int list_one(void *ctx, struct str key, struct str value)
{
	struct list *l = ctx;
	struct ref_value v;

	if (value.n != sizeof(v))
		return err_set(ERR_CORRUPT, "store: a ref is damaged");
	memcpy(&v, value.p, sizeof(v));
	return l->fn(l->ctx, str_sub(key, 1, key.n), &v.commit);
}

int store_ref_list(struct store *s, struct str prefix, store_ref_fn *fn, void *ctx)
{
	struct list l = { fn, ctx };
	char room[1 + REF_MAX];

	if (prefix.n > REF_MAX)
		return 0;
	return kv_scan(s->kv, KV_SYS, sys_key(room, 'r', prefix), STR_NONE, list_one, &l);
}
