/* SPDX-License-Identifier: ISC */
/* App passwords: made here, kept as salted hashes, checked from memory. */
#include "identity/registry_impl.h"

#define SECRET_CHARS 30 /* 5 bits each */
#define GROUP_CHARS  5

int id_password_parse(struct id_password *p, struct str text)
{
	struct str line, kind, salt, mac;

	str_cut(&line, &text, text, '\n');
	if (!str_cut(&kind, &line, line, ':') || !str_eq(kind, STR("blake2b")) ||
		!str_cut(&salt, &mac, line, ':') || os_unhex(p->salt, ID_SALT_BYTES, salt) < 0 ||
		os_unhex(p->mac, OS_MAC_BYTES, mac) < 0)
		return err_set(ERR_BAD, "registry: password file is not \"blake2b:<salt>:<mac>\"");
	p->created_sec = id_file_time(text, STR("created"));
	return 0;
}

/* What is hashed: without the hyphens and spaces that make it readable, lower-cased. */
static struct str secret_normal(char out[static ID_PASSWORD_BYTES_MAX], struct str secret)
{
	size_t n = 0;

	if (secret.n > ID_PASSWORD_BYTES_MAX)
		return STR_NONE;
	for (size_t i = 0; i < secret.n; i++) {
		char c = secret.p[i];

		if (c == '-' || c == ' ')
			continue;
		out[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return str_n(out, n);
}

static void secret_make(char out[static SECRET_CHARS + SECRET_CHARS / GROUP_CHARS])
{
	static const char letters[] =
		"abcdefghijkmnpqrstuvwxyz23456789"; /* 32, none that look alike */
	uint8_t raw[SECRET_CHARS];
	size_t n = 0;

	os_random(raw, sizeof(raw));
	for (size_t i = 0; i < SECRET_CHARS; i++) {
		if (i > 0 && i % GROUP_CHARS == 0)
			out[n++] = '-';
		out[n++] = letters[raw[i] % 32];
	}
	out[n] = 0;
	os_wipe(raw, sizeof(raw));
}

static int password_path(struct buf *path, struct str user, struct str client)
{
	if (!id_name_ok(client, ID_CLIENT_BYTES_MAX, true, ".-_@+ "))
		return err_set(ERR_BAD,
			"registry: \"%.*s\" is not a client name (1 to %d letters, digits, "
			"spaces, '.', '-', '_', '@', '+')",
			STR_ARG(client), ID_CLIENT_BYTES_MAX);
	buf_fmt(path, "users/%.*s/passwords/%.*s", STR_ARG(user), STR_ARG(client));
	return path->err;
}

static bool has_client(const struct id_user *u, struct str client)
{
	for (const struct id_password *p = u->passwords; p; p = p->next)
		if (str_eq(p->client, client))
			return true;
	return false;
}

static int password_keep(struct arena *a, struct id_registry *r, struct str user, struct str client,
	struct str secret)
{
	char plain[ID_PASSWORD_BYTES_MAX];
	uint8_t salt[ID_SALT_BYTES], mac[OS_MAC_BYTES];
	struct buf path, text;
	struct str why;
	struct id_user *u;
	int err = id_refresh(r);

	if (err < 0)
		return err;
	buf_init(&path, a);
	buf_init(&text, a);
	if ((err = password_path(&path, user, client)) < 0)
		return err;
	if (!(u = id_user_find(r, user)))
		return err_set(ERR_NOENT, "registry: there is no user %.*s", STR_ARG(user));
	if (u->password_count >= ID_PASSWORDS_MAX && !has_client(u, client))
		return err_set(ERR_LIMIT, "registry: %.*s has %d passwords, revoke one first",
			STR_ARG(user), ID_PASSWORDS_MAX);
	os_random(salt, sizeof(salt));
	os_mac(mac, str_n(salt, sizeof(salt)), secret_normal(plain, secret));
	os_wipe(plain, sizeof(plain));
	buf_addz(&text, "blake2b:");
	os_hex(&text, str_n(salt, sizeof(salt)));
	buf_addc(&text, ':');
	os_hex(&text, str_n(mac, sizeof(mac)));
	buf_fmt(&text, "\ncreated = %lld\n", (long long)os_wall_sec());
	why = arena_fmt(
		a, "user: app password for %.*s, client %.*s", STR_ARG(user), STR_ARG(client));
	if (text.err < 0 || path.err < 0)
		return ERR_LIMIT;
	err = id_change(r->s, buf_str(&path), buf_str(&text), why);
	return err < 0 ? err : id_refresh(r);
}

int id_password_add(
	struct str *out, struct arena *a, struct id_registry *r, struct str user, struct str client)
{
	char secret[SECRET_CHARS + SECRET_CHARS / GROUP_CHARS];

	secret_make(secret);
	*out = arena_dup(a, str_of(secret));
	os_wipe(secret, sizeof(secret));
	return out->p ? password_keep(a, r, user, client, *out) : ERR_LIMIT;
}

int id_password_put(struct arena *a, struct id_registry *r, struct str user, struct str client,
	struct str secret)
{
	char plain[ID_PASSWORD_BYTES_MAX];
	size_t n = secret.n < sizeof(plain) ? secret_normal(plain, secret).n : 0;

	os_wipe(plain, sizeof(plain));
	if (n != SECRET_CHARS) /* its strength is what makes a quick check safe */
		return err_set(ERR_BAD, "registry: that is no app password made here");
	return password_keep(a, r, user, client, secret);
}

int id_password_revoke(struct id_registry *r, struct str user, struct str client)
{
	struct arena a;
	struct buf path;
	int err;

	arena_init(&a, 4096);
	buf_init(&path, &a);
	if ((err = password_path(&path, user, client)) == 0) {
		err = id_change(
			r->s, buf_str(&path), STR_NONE, STR("user: revoke an app password"));
		if (err == ERR_NOENT)
			err_set(err, "registry: %.*s has no password for a client %.*s",
				STR_ARG(user), STR_ARG(client));
	}
	arena_free(&a);
	return err < 0 ? err : id_refresh(r);
}

int id_password_list(struct id_registry *r, struct str user, id_password_fn *fn, void *ctx)
{
	struct id_user *u;
	int err = id_refresh(r);

	if (err < 0)
		return err;
	if (!(u = id_user_find(r, user)))
		return err_set(ERR_NOENT, "registry: there is no user %.*s", STR_ARG(user));
	for (struct id_password *p = u->passwords; p && err >= 0; p = p->next)
		err = fn(ctx, p->client, p->created_sec);
	return err < 0 ? err : 0;
}

int id_login(struct id_login *out, struct id_registry *r, struct str login, struct str password)
{
	static const struct id_password
		nobody; /* so that an unknown name costs as much as a known one */
	char plain[ID_PASSWORD_BYTES_MAX];
	const struct id_password *good = NULL;
	struct str secret = secret_normal(plain, password);
	struct id_user *u = NULL;
	uint8_t mac[OS_MAC_BYTES];

	if (id_user_of(out->user, r, login) == 0)
		u = id_user_find(r, str_of(out->user));
	for (const struct id_password *p = u && u->passwords ? u->passwords : &nobody; p;
		p = p->next) {
		os_mac(mac, str_n(p->salt, ID_SALT_BYTES), secret);
		if (os_same(mac, p->mac, OS_MAC_BYTES) && p != &nobody && secret.n > 0)
			good = p;
	}
	os_wipe(plain, sizeof(plain));
	if (!good)
		return err_set(ERR_DENIED, "wrong user name or password");
	memcpy(out->client, good->client.p, good->client.n);
	out->client[good->client.n] = 0;
	return 0;
}
