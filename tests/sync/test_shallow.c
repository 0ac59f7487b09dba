/* SPDX-License-Identifier: ISC */
/* Stock git clones and follows a history that was cut. */
#include "os/http.h"
#include "os/log.h"
#include "os/main.h"
#include "store/keep.h"
#include "sync/git.h"
#include "tests/fake/clock.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define OK(call) \
	do { \
		int ok_ = (call); \
		cr_assert_eq(ok_, 0, "%s: %d %s", #call, ok_, err_text(ok_)); \
	} while (0)
#define BRANCH STR("refs/heads/main")

struct server {
	struct store *store;
	struct os_listener *l;
};

static void serve(struct http_x *x, void *ctx)
{
	struct server *v = ctx;

	cr_assert(str_starts(x->path, STR("/here/")));
	git_answer(x, v->store, str_sub(x->path, 6, x->path.n), 0);
}

struct peer {
	struct server *v;
	struct os_stream *s;
};

static void one(void *arg)
{
	struct peer p = *(struct peer *)arg;

	free(arg);
	http_serve(p.s, serve, p.v);
}

static void accept_all(void *arg)
{
	struct server *v = arg;
	struct os_stream *s;

	while (os_accept(&s, v->l, OS_FOREVER) >= 0) {
		struct peer *p = malloc(sizeof(*p));
		*p = (struct peer){ v, s };
		OK(os_spawn("peer", one, p));
	}
}

/* Runs a shell line while fibers go on; its exit status. */
static int shell(const char *line)
{
	pid_t pid = fork();
	int status;

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		execl("/bin/sh", "sh", "-ec", line, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		os_sleep(os_after(10 * OS_MS));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void commit(struct store *s, unsigned k)
{
	const struct store_why why = { STR("t"), STR("t@example.org"), STR("test: edit"),
		1700000000 + k };
	struct store_edit *e;
	char text[32];

	snprintf(text, sizeof(text), "text %u", k);
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("a/file"), str_of(text)));
	OK(store_edit_commit(NULL, e, &why));
}

static int clones(void *arg)
{
	struct fake_disk *f = fake_disk_new(8 << 20);
	struct server v = { 0 };
	struct store_oid cut;
	struct store_sweep w = { 0 };
	struct store_commit c;
	struct arena a;
	static char line[2048];
	char dir[] = "/tmp/allod-shallow-XXXXXX";

	(void)arg;
	OK(store_format(&f->d));
	OK(store_open(&v.store, &f->d, NULL));
	for (unsigned k = 0; k < 20; k++) {
		commit(v.store, k);
		if (k == 9)
			OK(store_ref_get(&cut, v.store, BRANCH));
	}
	OK(store_horizon_set(v.store, BRANCH, &(struct store_horizon){ .keep_days = 1 }));
	OK(store_pin(v.store, STR("keep"), &cut));
	fake_clock_ahead(v.store, 3 * 86400);
	OK(store_sweep(v.store, &w));
	cr_assert(store_shallow_has(v.store, &cut));
	arena_init(&a, 4096);
	OK(store_commit_get(&c, &a, v.store, &cut));
	arena_free(&a);
	OK(os_listen(&v.l, 0));
	OK(os_spawn("accept", accept_all, &v));
	cr_assert_not_null(mkdtemp(dir));
	for (int version = 0; version <= 2; version += 2) {
		snprintf(line, sizeof(line),
			"cd %s; export HOME=%s GIT_CONFIG_NOSYSTEM=1 no_proxy='*'; exec >log 2>&1\n"
			"git -c protocol.version=%d clone -q -b main http://127.0.0.1:%u/here v%d\n"
			"cd v%d; test $(git log --oneline | wc -l) = %d; git fsck --strict\n"
			"test -f .git/shallow; test \"$(cat a/file)\" = 'text %d'\n",
			dir, dir, version, os_listener_port(v.l), version, version,
			11 + version / 2, 19 + version / 2);
		cr_expect_eq(shell(line), 0, "version %d: see %s/log", version, dir);
		commit(v.store, 20 + (unsigned)version / 2);
		snprintf(line, sizeof(line),
			"cd %s/v%d; export HOME=%s GIT_CONFIG_NOSYSTEM=1 no_proxy='*'; exec >log "
			"2>&1\n"
			"git -c protocol.version=%d pull -q --ff-only; git fsck --strict\n"
			"test $(git log --oneline | wc -l) = %d\n",
			dir, version, dir, version, 12 + version / 2);
		cr_expect_eq(
			shell(line), 0, "version %d, pull: see %s/v%d/log", version, dir, version);
	}
	os_listener_close(v.l);
	os_yield();
	store_close(v.store);
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	(void)shell(line);
	os_disk_close(&f->d);
	return 7;
}

/* Breakage it catches: a clone of a cut history that does not know it, and fails its own checks. */
Test(shallow, stock_git_clones_and_follows_a_cut_history, .timeout = 120)
{
	os_log_level(OS_ERROR);
	cr_assert_eq(os_run(clones, NULL), 7);
}
