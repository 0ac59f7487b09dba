/* SPDX-License-Identifier: ISC */
#include <criterion/criterion.h>
#include "identity/guard.h"
#include "identity/registry.h"
#include "os/crypto.h"
#include "os/main.h"
#include "tests/fake/disk.h"

/* Criterion ends the process at a failed assertion, also inside a fiber. */
#define OK(expr) \
	do { \
		int code_ = (expr); \
		cr_assert_eq(code_, 0, "%s: %d %s", #expr, code_, err_text(code_)); \
	} while (0)

struct rig {
	void (*body)(struct rig *);
	struct os_disk *disk;
	struct store *s;
	struct id_registry *r;
	struct arena a;
};

static int add(struct str *out, struct rig *g, struct str user, struct str client)
{
	*out = STR_NONE;
	return id_secret_add(out, &g->a, g->r, &(struct id_key){ ID_PASSWORD, user, client }, 0);
}

static int revoke(struct id_registry *r, struct str user, struct str client)
{
	return id_secret_revoke(r, &(struct id_key){ ID_PASSWORD, user, client });
}

static int rig_main(void *arg)
{
	struct rig *g = arg;
	struct fake_disk *f = fake_disk_new(16 << 20);

	OK(os_crypto_init());
	g->disk = &f->d;
	arena_init(&g->a, 1 << 20);
	OK(store_format(g->disk));
	OK(store_open(&g->s, g->disk, NULL));
	cr_assert_eq(id_open(&g->r, g->s), ERR_NOENT);
	OK(id_found(g->s, STR("example.org")));
	OK(id_open(&g->r, g->s));
	g->body(g);
	id_close(g->r);
	store_close(g->s);
	os_disk_close(g->disk);
	arena_free(&g->a);
	return 7;
}

static void with_registry(void (*body)(struct rig *))
{
	struct rig g = { .body = body };

	cr_assert_eq(os_run(rig_main, &g), 7);
}

static void reopen(struct rig *g)
{
	id_close(g->r);
	store_close(g->s);
	OK(store_open(&g->s, g->disk, NULL));
	OK(id_open(&g->r, g->s));
}

/* The worked sequence of registry.h, and what must still hold after a restart. */
static void passwords(struct rig *g)
{
	struct id_login who;
	struct str one, two, loose;
	struct buf plain;

	OK(id_user_add(g->r, STR("alice"), STR("Alice")));
	OK(add(&one, g, STR("alice"), STR("thunderbird")));
	OK(add(&two, g, STR("alice"), STR("My Phone")));
	cr_assert_geq(one.n, 26); /* 130 bits in base 32 */
	cr_assert(!str_eq(one, two));
	reopen(g);
	OK(id_login(&who, g->r, STR("alice@example.org"), one));
	cr_assert_str_eq(who.user, "alice");
	cr_assert_str_eq(who.client, "thunderbird");
	OK(id_login(&who, g->r, STR("Alice"), two));
	cr_assert_str_eq(who.client, "My Phone");

	buf_init(&plain, &g->a); /* as a person may type it */
	for (size_t i = 0; i < one.n; i++)
		if (one.p[i] != '-')
			buf_addc(&plain, one.p[i]);
	loose = buf_str(&plain);
	OK(id_login(&who, g->r, STR("alice"), loose));
	loose.n--;
	cr_assert_eq(id_login(&who, g->r, STR("alice"), loose), ERR_DENIED);

	OK(revoke(g->r, STR("alice"), STR("thunderbird")));
	cr_assert_eq(id_login(&who, g->r, STR("alice"), one), ERR_DENIED);
	OK(id_login(&who, g->r, STR("alice"), two));
	cr_assert_eq(revoke(g->r, STR("alice"), STR("thunderbird")), ERR_NOENT);
	cr_assert_eq(add(&two, g, STR("bob"), STR("x")), ERR_NOENT);
}

Test(registry, passwords)
{
	with_registry(passwords);
}

static int add_token(
	struct str *out, struct rig *g, struct str user, struct str device, int64_t left)
{
	struct id_key k = { ID_TOKEN, user, device };

	*out = STR_NONE;
	return id_secret_add(out, &g->a, g->r, &k, os_wall_sec() + left);
}

static int login_as(struct rig *g, const char *kind, struct str login, struct str secret)
{
	struct id_login who;
	int err = strcmp(kind, "password") == 0 ? id_login(&who, g->r, login, secret)
		: strcmp(kind, "token") == 0    ? id_login_device(&who, g->r, login, secret)
						: id_login_either(&who, g->r, login, secret);

	if (err == 0)
		cr_expect_eq(who.client[0] == 0, who.device[0] != 0);
	return err;
}

/* A device's token opens what takes tokens, and nothing else; until it expires, is replaced or revoked. */
static void tokens(struct rig *g)
{
	struct id_key laptop = { ID_TOKEN, STR("alice"), STR("laptop") };
	struct str password, token, other, old, again, alice = STR("alice");
	struct id_login who;

	OK(id_user_add(g->r, STR("alice"), STR("Alice")));
	OK(id_user_add(g->r, STR("bob"), STR("Bob")));
	OK(add(&password, g, alice, STR("laptop")));
	OK(add_token(&token, g, alice, STR("laptop"), 60));
	OK(add_token(&old, g, alice, STR("old"), 0));
	OK(add_token(&other, g, STR("bob"), STR("laptop"), 60));
	reopen(g);
	OK(id_login_device(&who, g->r, STR("Alice@example.org"), token));
	cr_expect_str_eq(who.user, "alice");
	cr_expect_str_eq(who.device, "laptop");
	OK(id_login(&who, g->r, alice, password));
	cr_expect_str_eq(who.device, "");
	cr_expect_str_eq(who.client, "laptop");
	OK(login_as(g, "either", alice, token));
	OK(login_as(g, "either", alice, password));
	cr_expect_eq(login_as(g, "password", alice, token), ERR_DENIED);
	cr_expect_eq(login_as(g, "password", alice, old), ERR_DENIED);
	cr_expect_eq(login_as(g, "token", alice, password), ERR_DENIED);
	cr_expect_eq(login_as(g, "token", alice, other), ERR_DENIED);
	cr_expect_eq(login_as(g, "token", STR("carol"), token), ERR_DENIED);
	cr_expect_eq(login_as(g, "token", alice, STR("")), ERR_DENIED);
	cr_expect_eq(login_as(g, "token", alice, old), ERR_TIMEOUT);
	cr_expect(strstr(err_text(ERR_TIMEOUT), "--device old"));
	cr_expect_eq(login_as(g, "either", alice, old), ERR_TIMEOUT);

	again = token; /* the same for another service, longer */
	OK(id_secret_add(&again, &g->a, g->r, &laptop, os_wall_sec() + 120));
	OK(login_as(g, "token", alice, token));
	again = str_sub(token, 0, token.n - 1);
	cr_expect_eq(id_secret_add(&again, &g->a, g->r, &laptop, os_wall_sec() + 120), ERR_BAD);
	OK(add_token(&again, g, alice, STR("laptop"), 60));
	cr_expect_eq(login_as(g, "token", alice, token), ERR_DENIED);
	OK(login_as(g, "token", alice, again));
	OK(id_secret_revoke(g->r, &laptop));
	cr_expect_eq(login_as(g, "either", alice, again), ERR_DENIED);
	cr_expect_eq(login_as(g, "token", alice, again), ERR_DENIED);
	OK(login_as(g, "password", alice, password)); /* of the same name */
	cr_expect_eq(id_secret_revoke(g->r, &laptop), ERR_NOENT);
}

Test(registry, tokens_of_devices)
{
	with_registry(tokens);
}

static int count_rows(void *ctx, struct str name, int64_t created_sec, int64_t expires_sec)
{
	cr_expect(str_eq(name, STR("my-2")) && expires_sec - created_sec >= 60);
	++*(int *)ctx;
	return 0;
}

static void device_names(struct rig *g)
{
	static const struct str bad[] = { STR(""), STR("Laptop"), STR("my laptop"), STR("a/b"),
		STR(".."), STR("a.b"), STR("a_b"), STR("a\0b"),
		STR("0123456789012345678901234567890123456789012345678901234567890123") };
	struct store_why why = { STR("a"), STR("a@b"), STR("test"), 0 };
	struct store_edit *e;
	struct str token, text;
	int rows = 0;

	OK(id_user_add(g->r, STR("alice"), STR("Alice")));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect_eq(add_token(&token, g, STR("alice"), bad[i], 60), ERR_BAD, "row %zu", i);
	OK(add_token(&token, g, STR("alice"), STR("my-2"), 60));
	OK(id_secret_list(g->r, STR("alice"), ID_TOKEN, count_rows, &rows));
	OK(id_secret_list(g->r, STR("alice"), ID_PASSWORD, count_rows, &rows));
	cr_expect_eq(rows, 1);
	/* as somebody else might write the branch */
	text = STR("blake2b:00112233445566778899aabbccddeeff:"
		   "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
	OK(store_edit_begin(&e, g->s, STR("refs/heads/estate"), OS_FOREVER));
	OK(store_edit_put_bytes(e,
		STR("users/alice/tokens/"
		    "0123456789012345678901234567890123456789012345678901234567890123"),
		text));
	OK(store_edit_commit(NULL, e, &why));
	rows = 0;
	OK(id_secret_list(g->r, STR("alice"), ID_TOKEN, count_rows, &rows));
	cr_expect_eq(rows, 1);
}

Test(registry, names_of_devices)
{
	with_registry(device_names);
}

static void denied(struct rig *g)
{
	static const struct str logins[] = { STR("bob"), STR("alice@elsewhere.example"), STR(""),
		STR("@example.org"), STR("estate"), STR("alice/../alice") };
	struct id_login who;
	struct str secret;

	OK(id_user_add(g->r, STR("alice"), STR("Alice")));
	cr_assert_eq(id_login(&who, g->r, STR("alice"), STR("")), ERR_DENIED); /* no password yet */
	OK(add(&secret, g, STR("alice"), STR("c")));
	for (size_t i = 0; i < ARRAY_LEN(logins); i++)
		cr_assert_eq(id_login(&who, g->r, logins[i], secret), ERR_DENIED, "row %zu", i);
	cr_assert_eq(id_login(&who, g->r, STR("alice"), STR("")), ERR_DENIED);
	cr_assert_eq(id_login(&who, g->r, STR("alice"), STR("---")), ERR_DENIED);
}

Test(registry, wrong_logins)
{
	with_registry(denied);
}

/* As a merge of the branch might bring it. */
static void put_user(struct rig *g, struct str path)
{
	struct store_why why = { STR("a"), STR("a@b"), STR("test"), 0 };
	struct store_edit *e;

	OK(store_edit_begin(&e, g->s, STR("refs/heads/estate"), os_after(OS_SEC)));
	OK(store_edit_put_bytes(e, path, STR("name = X\n")));
	OK(store_edit_commit(NULL, e, &why));
}

static void names(struct rig *g)
{
	char user[ID_USER_BYTES_MAX + 1];
	static const struct {
		struct str name;
		int err;
	} rows[] = {
		{ STR("bob"), 0 },
		{ STR("bob"), ERR_EXIST },
		{ STR("b.o-b_2"), 0 },
		{ STR("Bob"), ERR_BAD },
		{ STR(""), ERR_BAD },
		{ STR("."), ERR_BAD },
		{ STR("-bob"), ERR_BAD },
		{ STR("bob."), ERR_BAD },
		{ STR("bob.lock"), ERR_BAD },
		{ STR("bob..eve"), ERR_BAD }, /* no ref may be called so */
		{ STR("b/b"), ERR_BAD },
		{ STR("b\0b"), ERR_BAD },
		{ STR("estate"), ERR_BAD },
		{ STR("postmaster"), ERR_BAD },
		{ STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
			ERR_BAD },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err = id_user_add(g->r, rows[i].name, STR("x"));

		cr_assert_eq(err, rows[i].err, "row %zu: %d", i, err);
	}
	put_user(g, STR("users/estate/user")); /* nor is it one when the branch says so */
	cr_assert_eq(id_user_of(user, g->r, STR("estate")), ERR_NOENT);
	put_user(g, STR("users/carol/user"));
	OK(id_user_of(user, g->r, STR("carol")));
	cr_assert_eq(id_user_add(g->r, STR("eve"), STR("two\nlines")), ERR_BAD);
	cr_assert_eq(id_found(g->s, STR("example.org")), ERR_EXIST);
}

Test(registry, names)
{
	with_registry(names);
}

static void addresses(struct rig *g)
{
	static const struct {
		struct str address;
		const char *user;
		int err;
	} rows[] = {
		{ STR("alice"), "alice", 0 },
		{ STR("ALICE@Example.ORG"), "alice", 0 },
		{ STR("alice+shop@example.org"), "alice", 0 },
		{ STR("postmaster"), "alice", 0 },
		{ STR("Postmaster@example.org"), "alice", 0 },
		{ STR("carol@example.org"), NULL, ERR_NOENT },
		{ STR("+@example.org"), NULL, ERR_NOENT },
		{ STR("alice@example.org.evil.example"), NULL, ERR_UNSUPPORTED },
		{ STR("alice@example.org@evil.example"), NULL, ERR_UNSUPPORTED },
		{ STR("alice@"), NULL, ERR_UNSUPPORTED },
	};
	char user[ID_USER_BYTES_MAX + 1];

	OK(id_user_add(g->r, STR("alice"), STR("Alice")));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err = id_user_of(user, g->r, rows[i].address);

		cr_assert_eq(err, rows[i].err, "row %zu: %d", i, err);
		if (err == 0)
			cr_assert_str_eq(user, rows[i].user, "row %zu", i);
	}
}

Test(registry, addresses)
{
	with_registry(addresses);
}

/* A change of the branch by somebody else (a sync, another registry) is seen at the next question. */
static void followed(struct rig *g)
{
	struct id_registry *other;
	struct id_login who;
	struct str secret;

	OK(id_open(&other, g->s));
	OK(id_user_add(g->r, STR("alice"), STR("Alice")));
	OK(add(&secret, g, STR("alice"), STR("c")));
	OK(id_login(&who, other, STR("alice"), secret));
	OK(revoke(other, STR("alice"), STR("c")));
	cr_assert_eq(id_login(&who, g->r, STR("alice"), secret), ERR_DENIED);
	id_close(other);
}

/* What somebody else wrote badly lets nobody in and keeps nobody else out. */
static void damaged(struct rig *g)
{
	static const struct store_why why = { STR("x"), STR("x"), STR("x"), 0 };
	struct store_edit *e;
	struct id_login who;
	struct str secret;

	OK(id_user_add(g->r, STR("alice"), STR("Alice")));
	OK(add(&secret, g, STR("alice"), STR("c")));
	OK(store_edit_begin(&e, g->s, STR("refs/heads/estate"), OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("users/alice/passwords/bad"), STR("blake2b:zz\n")));
	OK(store_edit_commit(NULL, e, &why));
	OK(id_login(&who, g->r, STR("alice"), secret));
	cr_assert_eq(id_login(&who, g->r, STR("alice"), STR("zz")), ERR_DENIED);
}

/* At the limit a password may still be replaced. */
static void many(struct rig *g)
{
	struct id_login who;
	struct str secret, client;

	OK(id_user_add(g->r, STR("alice"), STR("Alice")));
	for (int i = 0; i < ID_PASSWORDS_MAX; i++) {
		client = arena_fmt(&g->a, "c%d", i);
		OK(add(&secret, g, STR("alice"), client));
	}
	cr_assert_eq(add(&secret, g, STR("alice"), STR("more")), ERR_LIMIT);
	OK(add(&secret, g, STR("alice"), STR("c7")));
	OK(id_login(&who, g->r, STR("alice"), secret));
	cr_assert_str_eq(who.client, "c7");
}

Test(registry, as_many_passwords_as_there_may_be)
{
	with_registry(many);
}

Test(registry, an_unreadable_password)
{
	with_registry(damaged);
}

Test(registry, follows_its_branch)
{
	with_registry(followed);
}

static int domains_main(void *arg)
{
	static const struct str bad[] = { STR("Example.org"), STR(".example.org"),
		STR("example.org."), STR("exa mple.org"), STR("") };
	struct fake_disk *f = fake_disk_new(16 << 20);
	struct store *s;

	(void)arg;
	OK(store_format(&f->d));
	OK(store_open(&s, &f->d, NULL));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_assert_eq(id_found(s, bad[i]), ERR_BAD, "row %zu", i);
	store_close(s);
	os_disk_close(&f->d);
	return 7;
}

Test(registry, domain_names)
{
	cr_assert_eq(os_run(domains_main, NULL), 7);
}

/* ---- guard ---- */

static struct os_addr host(uint8_t last)
{
	struct os_addr a = {
		.ip = { [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = last }
	};

	return a;
}

static os_time wait_of(struct id_guard *g, const char *login, uint8_t last, int expected)
{
	struct os_addr from = host(last);
	os_time wait = 0;

	cr_assert_eq(id_guard_delay(&wait, g, str_of(login), &from), expected);
	return wait;
}

static void result(struct id_guard *g, const char *login, uint8_t last, bool good)
{
	struct os_addr from = host(last);

	id_guard_result(g, str_of(login), &from, good);
}

static int guard_main(void *arg)
{
	struct id_guard *g;

	(void)arg;
	OK(os_crypto_init());
	OK(id_guard_open(&g));
	for (int i = 0; i < 200; i++) { /* a burst of good logins from the one address there is */
		cr_assert_eq(wait_of(g, "alice", 1, 0), 0);
		result(g, "alice", 1, true);
	}
	for (int i = 0; i < 20;
		i++) /* a mistyped password now and then costs a known address nothing */
		result(g, "alice", 1, false);
	cr_assert_eq(wait_of(g, "alice", 1, 0), 0);

	for (int i = 0; i < 3; i++)
		result(g, "alice", 2, false);
	cr_assert_eq(wait_of(g, "alice", 2, 0), 0);
	result(g, "alice", 2, false);
	cr_assert_gt(wait_of(g, "bob", 2, 0), 0); /* the address waits, whoever it tries to be */
	for (int i = 0; i < 120; i++)
		result(g, "alice", 2, false);
	wait_of(g, "alice", 2, ERR_DENIED);
	cr_assert_eq(wait_of(g, "alice", 1, 0), 0); /* her own address is not locked out */
	cr_assert_eq(wait_of(g, "ALICE@example.org", 3, 0),
		5 * OS_SEC); /* a third one waits for the account */
	cr_assert_eq(wait_of(g, "bob", 3, 0), 0);
	for (int i = 0; i < 60; i++) { /* a tag is no way around that */
		char login[32];

		snprintf(login, sizeof(login), "carol+%d@example.org", i);
		result(g, login, (uint8_t)(10 + i), false);
	}
	cr_assert_eq(wait_of(g, "carol", 4, 0), 5 * OS_SEC);
	free(g);
	return 7;
}

Test(guard, slows_guessing_and_nobody_else)
{
	cr_assert_eq(os_run(guard_main, NULL), 7);
}
