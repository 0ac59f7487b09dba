/* SPDX-License-Identifier: ISC */
/* App passwords and device tokens: made here, kept as salted hashes, checked from memory. */
#include "identity/registry_impl.h"

#define SECRET_CHARS 30 /* 5 bits each */
#define GROUP_CHARS  5

static const struct {
	struct str folder;
	const char *what, *whose;
} kinds[ID_KINDS] = {
	[ID_PASSWORD] = { STR("passwords"), "app password", "client" },
	[ID_TOKEN] = { STR("tokens"), "device token", "device" },
};

struct str id_kind_folder(enum id_kind kind)
{
	return kinds[kind].folder;
}

int id_secret_parse(struct id_secret *p, struct str text)
{
	struct str line, kind, salt, mac;

	str_cut(&line, &text, text, '\n');
	if (!str_cut(&kind, &line, line, ':') || !str_eq(kind, STR("blake2b")) ||
		!str_cut(&salt, &mac, line, ':') || os_unhex(p->salt, ID_SALT_BYTES, salt) < 0 ||
		os_unhex(p->mac, OS_MAC_BYTES, mac) < 0)
		return err_set(ERR_BAD, "registry: password file is not \"blake2b:<salt>:<mac>\"");
	p->created_sec = id_file_time(text, STR("created"));
	p->expires_sec = id_file_time(text, STR("expires"));
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

/* ---- the files ---- */

bool id_device_ok(struct str s)
{
	if (s.n == 0 || s.n > ID_DEVICE_BYTES_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
			    s.p[i] == '-'))
			return false;
	return true;
}

static int secret_path(struct buf *path, const struct id_key *k)
{
	if (k->kind == ID_TOKEN && !id_device_ok(k->name))
		return err_set(ERR_BAD,
			"registry: \"%.*s\" is not a device's name (1 to %d lower-case letters, "
			"digits and '-')",
			STR_ARG(k->name), ID_DEVICE_BYTES_MAX);
	if (k->kind == ID_PASSWORD && !id_name_ok(k->name, ID_CLIENT_BYTES_MAX, true, ".-_@+ "))
		return err_set(ERR_BAD,
			"registry: \"%.*s\" is not a client name (1 to %d letters, digits, "
			"spaces, '.', '-', '_', '@', '+')",
			STR_ARG(k->name), ID_CLIENT_BYTES_MAX);
	buf_fmt(path, "users/%.*s/%.*s/%.*s", STR_ARG(k->user), STR_ARG(kinds[k->kind].folder),
		STR_ARG(k->name));
	return path->err;
}

static bool has(const struct id_secrets *all, struct str name)
{
	for (const struct id_secret *p = all->first; p; p = p->next)
		if (str_eq(p->name, name))
			return true;
	return false;
}

static int user_get(struct id_user **out, struct id_registry *r, struct str user)
{
	int err = id_refresh(r);

	if (err < 0)
		return err;
	*out = id_user_find(r, user);
	return *out ? 0 : err_set(ERR_NOENT, "registry: there is no user %.*s", STR_ARG(user));
}

static int secret_text(struct buf *text, struct str secret, int64_t expires_sec)
{
	char plain[ID_PASSWORD_BYTES_MAX];
	uint8_t salt[ID_SALT_BYTES], mac[OS_MAC_BYTES];
	struct str normal = secret_normal(plain, secret);

	os_random(salt, sizeof(salt));
	os_mac(mac, str_n(salt, sizeof(salt)), normal);
	os_wipe(plain, sizeof(plain));
	if (normal.n != SECRET_CHARS) /* its strength is what makes a quick check safe */
		return err_set(ERR_BAD, "registry: that was not made here");
	buf_addz(text, "blake2b:");
	os_hex(text, str_n(salt, sizeof(salt)));
	buf_addc(text, ':');
	os_hex(text, str_n(mac, sizeof(mac)));
	buf_fmt(text, "\ncreated = %lld\n", (long long)os_wall_sec());
	if (expires_sec)
		buf_fmt(text, "expires = %lld\n", (long long)expires_sec);
	return text->err;
}

static int secret_keep(struct arena *a, struct id_registry *r, const struct id_key *k,
	struct str secret, int64_t expires_sec)
{
	struct buf path, text;
	struct id_user *u;
	int err;

	buf_init(&path, a);
	buf_init(&text, a);
	if ((err = secret_path(&path, k)) < 0 || (err = user_get(&u, r, k->user)) < 0 ||
		(err = secret_text(&text, secret, expires_sec)) < 0)
		return err;
	if (u->secrets[k->kind].count >= ID_PASSWORDS_MAX && !has(&u->secrets[k->kind], k->name))
		return err_set(ERR_LIMIT, "registry: %.*s has %d %.*s, revoke one first",
			STR_ARG(k->user), ID_PASSWORDS_MAX, STR_ARG(kinds[k->kind].folder));
	err = id_change(r->s, buf_str(&path), buf_str(&text),
		arena_fmt(a, "user: %s for %.*s, %s %.*s", kinds[k->kind].what, STR_ARG(k->user),
			kinds[k->kind].whose, STR_ARG(k->name)));
	return err < 0 ? err : id_refresh(r);
}

int id_secret_add(struct str *secret, struct arena *a, struct id_registry *r,
	const struct id_key *k, int64_t expires_sec)
{
	char made[SECRET_CHARS + SECRET_CHARS / GROUP_CHARS];

	if (!secret->p) {
		secret_make(made);
		*secret = arena_dup(a, str_of(made));
		os_wipe(made, sizeof(made));
	}
	return secret->p ? secret_keep(a, r, k, *secret, expires_sec) : ERR_LIMIT;
}

int id_secret_revoke(struct id_registry *r, const struct id_key *k)
{
	struct arena a;
	struct buf path;
	int err;

	arena_init(&a, 4096);
	buf_init(&path, &a);
	if ((err = secret_path(&path, k)) == 0) {
		err = id_change(r->s, buf_str(&path), STR_NONE,
			arena_fmt(&a, "user: revoke: %s", kinds[k->kind].what));
		if (err == ERR_NOENT)
			err_set(err, "registry: %.*s has no %s for a %s %.*s", STR_ARG(k->user),
				kinds[k->kind].what, kinds[k->kind].whose, STR_ARG(k->name));
	}
	arena_free(&a);
	return err < 0 ? err : id_refresh(r);
}

int id_secret_list(
	struct id_registry *r, struct str user, enum id_kind kind, id_secret_fn *fn, void *ctx)
{
	struct id_user *u;
	int err = user_get(&u, r, user);

	if (err < 0)
		return err;
	for (struct id_secret *p = u->secrets[kind].first; p && err >= 0; p = p->next)
		err = fn(ctx, p->name, p->created_sec, p->expires_sec);
	return err < 0 ? err : 0;
}

/* ---- who comes ---- */

/* The one this is; NULL. A user who has none, or who does not exist, costs as much as one with one. */
static const struct id_secret *find(const struct id_user *u, enum id_kind kind, struct str given)
{
	static const struct id_secret nobody;
	const struct id_secret *p = u ? u->secrets[kind].first : NULL, *good = NULL;
	char plain[ID_PASSWORD_BYTES_MAX];
	struct str secret = secret_normal(plain, given);
	uint8_t mac[OS_MAC_BYTES];

	for (p = p ? p : &nobody; p; p = p->next) {
		os_mac(mac, str_n(p->salt, ID_SALT_BYTES), secret);
		if (os_same(mac, p->mac, OS_MAC_BYTES) && p != &nobody && secret.n > 0)
			good = p;
	}
	os_wipe(plain, sizeof(plain));
	return good;
}

static const struct id_user *user_of(struct id_login *out, struct id_registry *r, struct str login)
{
	out->client[0] = out->device[0] = 0;
	return id_user_of(out->user, r, login) == 0 ? id_user_find(r, str_of(out->user)) : NULL;
}

static int wrong(void)
{
	return err_set(ERR_DENIED, "wrong user name or password");
}

static int as_client(struct id_login *out, const struct id_secret *good)
{
	memcpy(out->client, good->name.p, good->name.n);
	out->client[good->name.n] = 0;
	return 0;
}

static int as_device(struct id_login *out, const struct id_secret *good)
{
	if (good->expires_sec <= os_wall_sec())
		return err_set(ERR_TIMEOUT,
			"This device's token has expired: `allod user device-token %s --device "
			"%.*s` makes a new one.",
			out->user, STR_ARG(good->name));
	memcpy(out->device, good->name.p, good->name.n);
	out->device[good->name.n] = 0;
	return 0;
}

int id_login(struct id_login *out, struct id_registry *r, struct str login, struct str password)
{
	const struct id_secret *good = find(user_of(out, r, login), ID_PASSWORD, password);

	return good ? as_client(out, good) : wrong();
}

int id_login_device(struct id_login *out, struct id_registry *r, struct str login, struct str token)
{
	const struct id_secret *good = find(user_of(out, r, login), ID_TOKEN, token);

	return good ? as_device(out, good) : wrong();
}

int id_login_either(
	struct id_login *out, struct id_registry *r, struct str login, struct str secret)
{
	const struct id_user *u = user_of(out, r, login);
	const struct id_secret *client = find(u, ID_PASSWORD, secret),
			       *device = find(u, ID_TOKEN, secret);

	if (client)
		return as_client(out, client);
	return device ? as_device(out, device) : wrong();
}
