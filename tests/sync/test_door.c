/* SPDX-License-Identifier: ISC */
/* Who comes in by an app password, who by a device's token, and how far. */
#include "os/crypto.h"
#include "os/main.h"
#include "sync/git.h"
#include "tests/fake/disk.h"
#include "tests/fake/stream.h"

#include <criterion/criterion.h>

#define FETCH "/alice.git/info/refs?service=git-upload-pack"
#define OK(call) \
	do { \
		int ok_ = (call); \
		cr_assert_eq(ok_, 0, "%s: %s", #call, err_text(ok_)); \
	} while (0)

struct door {
	struct git_config cfg;
	struct arena a;
	struct str head, body; /* of the last reply */
};

static const struct store_why why = { { "t", 1 }, { "t@t", 3 }, { "test", 4 }, 1700000000 };

static struct str secret(
	struct door *d, enum id_kind kind, const char *user, const char *name, int64_t expires_sec)
{
	struct str s = STR_NONE;
	struct id_key k = { kind, str_of(user), str_of(name) };

	OK(id_secret_add(&s, &d->a, d->cfg.registry, &k, expires_sec));
	return s;
}

/* "Bearer x"; or by "alice" or another login name. */
static const char *shown(struct door *d, const char *login, struct str s)
{
	struct buf b;

	buf_init(&b, &d->a);
	if (strcmp(login, "Bearer") == 0) {
		buf_fmt(&b, "Bearer %.*s", STR_ARG(s));
	} else {
		buf_addz(&b, "Basic ");
		os_base64(&b, arena_fmt(&d->a, "%s:%.*s", login, STR_ARG(s)));
	}
	return b.p;
}

/* Status of the reply. */
static int ask(struct door *d, const char *auth, const char *target, struct str push)
{
	struct fake_stream f;
	struct buf in;
	ptrdiff_t end;

	buf_init(&in, &d->a);
	buf_fmt(&in,
		"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: %s\r\n"
		"Content-Type: application/x-git-receive-pack-request\r\nContent-Length: "
		"%zu\r\n\r\n",
		push.n ? "POST" : "GET", target, auth, push.n);
	buf_add(&in, push);
	fake_stream_init(&f, buf_str(&in), 4096);
	git_serve(&d->cfg, &f.s);
	end = str_find(buf_str(&f.out), STR("\r\n\r\n"));
	cr_assert(end > 0, "no reply");
	d->head = arena_dup(&d->a, str_sub(buf_str(&f.out), 0, (size_t)end + 2));
	d->body = arena_dup(&d->a, str_sub(buf_str(&f.out), (size_t)end + 4, f.out.n));
	fake_stream_free(&f);
	return atoi(d->head.p + 9);
}

/* The reply's body holds it. */
static bool says(const struct door *d, const char *text)
{
	return str_find(d->body, str_of(text)) >= 0;
}

static int may_push(void *ctx, const struct git_push *p)
{
	(void)ctx;
	(void)p;
	return 0;
}

static int with_door(void *arg)
{
	void (*body)(struct door *) = arg;
	struct fake_disk *f = fake_disk_new(64 << 20);
	struct door d = { .cfg.check_push = may_push };
	struct store_oid head;
	struct store_edit *e;

	OK(os_crypto_init());
	arena_init(&d.a, 8 << 20);
	OK(store_format(&f->d));
	OK(store_open(&d.cfg.store, &f->d, NULL));
	OK(id_found(d.cfg.store, STR("example.org")));
	OK(id_open(&d.cfg.registry, d.cfg.store));
	OK(id_guard_open(&d.cfg.guard));
	OK(id_user_add(d.cfg.registry, STR("alice"), STR("Alice")));
	OK(id_user_add(d.cfg.registry, STR("bob"), STR("Bob")));
	OK(store_edit_begin(&e, d.cfg.store, STR("refs/heads/alice"), OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("a"), STR("text\n")));
	OK(store_edit_commit(&head, e, &why));
	for (int i = 0; i < 2; i++) {
		struct store_ref_move m = { i ? STR("refs/devices/laptop/alice")
					      : STR("refs/devices/phone/alice"),
			NULL, &head };
		OK(store_ref_update(d.cfg.store, &m, 1, &why, OS_FOREVER));
	}
	body(&d);
	id_close(d.cfg.registry);
	store_close(d.cfg.store);
	free(d.cfg.guard);
	arena_free(&d.a);
	os_disk_close(&f->d);
	return 7;
}

static void doors(struct door *d)
{
	int64_t now = os_wall_sec();
	struct str password = secret(d, ID_PASSWORD, "alice", "laptop", 0),
		   token = secret(d, ID_TOKEN, "alice", "laptop", now + 86400),
		   old = secret(d, ID_TOKEN, "alice", "old", now),
		   bobs = secret(d, ID_TOKEN, "bob", "laptop", now + 86400);
	struct id_key laptop = { ID_TOKEN, STR("alice"), STR("laptop") };
	const struct {
		const char *login;
		struct str secret;
		const char *target;
		int status;
		const char *said;
	} rows[] = {
		{ "alice", password, FETCH, 200, "refs/heads/alice" },
		{ "alice", token, FETCH, 200, "refs/heads/alice" },
		{ "alice@example.org", token, FETCH, 200, "refs/heads/alice" },
		{ "Bearer", token, FETCH, 200, "refs/heads/alice" },
		{ "Bearer", password, FETCH, 401, "no token" },
		{ "Bearer", bobs, FETCH, 401, "no token" },
		{ "Bearer", STR(""), FETCH, 401, "app password" },
		{ "Bearer", token, "/", 401, "no token" },
		{ "Bearer", token, "/bob.git/info/refs?service=git-upload-pack", 401, "no token" },
		{ "alice", token, "/bob.git/info/refs?service=git-upload-pack", 404, "no such" },
		{ "bob", token, FETCH, 401, "app password" },
		{ "bob", bobs, FETCH, 404, "no such" },
		{ "alice", bobs, FETCH, 401, "app password" },
		/* git shows the text of a 403, and with a password that of a 401 as well */
		{ "alice", old, FETCH, 401, "device-token alice --device old` makes a new one" },
		{ "Bearer", old, FETCH, 403, "device-token alice --device old` makes a new one" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int status =
			ask(d, shown(d, rows[i].login, rows[i].secret), rows[i].target, STR(""));

		cr_expect_eq(status, rows[i].status, "row %zu: %d", i, status);
		cr_expect(says(d, rows[i].said), "row %zu: %.*s", i, STR_ARG(d->body));
		cr_expect_eq(
			str_find(d->head, STR("WWW-Authenticate: ")) >= 0, rows[i].status == 401);
	}
	OK(id_secret_revoke(d->cfg.registry, &laptop));
	cr_expect_eq(ask(d, shown(d, "Bearer", token), FETCH, STR("")), 401);
	cr_expect_eq(ask(d, shown(d, "alice", token), FETCH, STR("")), 401);
	cr_expect_eq(ask(d, shown(d, "alice", password), FETCH, STR("")), 200);
}
Test(door, passwords_and_tokens)
{
	cr_assert_eq(os_run(with_door, doors), 7);
}

/* Takes a ref away: a push without a pack. */
static void push(struct door *d, const char *auth, const char *ref)
{
	struct store_oid head;
	struct buf b;
	char hex[STORE_HEX];

	OK(store_ref_get(&head, d->cfg.store, STR("refs/heads/alice")));
	buf_init(&b, &d->a);
	buf_fmt(&b, "%04zx%s %040d %s%creport-status0000", 4 + 40 + 1 + 40 + 1 + strlen(ref) + 14,
		store_oid_hex(hex, &head), 0, ref, 0);
	cr_assert_eq(ask(d, auth, "/alice.git/git-receive-pack", buf_str(&b)), 200);
}

static void pushes(struct door *d)
{
	static const struct {
		const char *ref, *said;
	} rows[] = {
		{ "refs/devices/phone/alice",
			"ng refs/devices/phone/alice this token is the "
			"device's called laptop: push to "
			"refs/devices/laptop/alice" },
		{ "refs/heads/alice", "ng refs/heads/alice written by this server alone" },
		{ "refs/devices/laptop/bob", "ng refs/devices/laptop/bob not taken here" },
		{ "refs/heads/estate", "ng refs/heads/estate not taken here" },
		{ "refs/devices/laptop/alice", "ok refs/devices/laptop/alice" },
	};
	struct str token = secret(d, ID_TOKEN, "alice", "laptop", os_wall_sec() + 60),
		   password = secret(d, ID_PASSWORD, "alice", "laptop", 0);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		push(d, shown(d, "Bearer", token), rows[i].ref);
		cr_expect(says(d, rows[i].said), "row %zu: %.*s", i, STR_ARG(d->body));
		push(d, shown(d, "alice", token), rows[i].ref);
		cr_expect(i == 4 || says(d, rows[i].said), "row %zu: %.*s", i, STR_ARG(d->body));
	}
	push(d, shown(d, "alice", password), "refs/devices/phone/alice");
	cr_expect(says(d, "ok refs/devices/phone/alice"));
}
Test(door, a_token_pushes_for_its_device)
{
	cr_assert_eq(os_run(with_door, pushes), 7);
}
