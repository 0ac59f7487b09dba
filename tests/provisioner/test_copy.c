/* SPDX-License-Identifier: ISC */
/* A copy of a store that sends little at once, read by stock git. */
#include "os/crypto.h"
#include "os/main.h"
#include "provisioner/copy.h"
#include "store/keep.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>
#include <unistd.h>

#define OK(call) \
	do { \
		int ok_ = (call); \
		cr_assert_eq(ok_, 0, "%s: %d %s", #call, ok_, err_text(ok_)); \
	} while (0)

static char dir[64];

/* What a shell command in the copy says. */
static const char *sh(const char *command)
{
	static char line[512], got[256];
	FILE *f;

	snprintf(line, sizeof(line), "cd %s/copy.git && { %s; } 2>&1", dir, command);
	f = popen(line, "r");
	cr_assert_not_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	cr_expect_eq(pclose(f), 0, "%s: %s", command, got);
	got[strcspn(got, "\n")] = '\0';
	return got;
}

static void commits(struct store *s, const char *ref, unsigned from, unsigned to)
{
	struct store_why why = { STR("t"), STR("t@t"), STR("test"), 0 };
	struct store_edit *e;
	char path[32];

	for (unsigned i = from; i < to; i++) {
		snprintf(path, sizeof(path), "%u/%u", i % 7, i);
		OK(store_edit_begin(&e, s, str_of(ref), OS_FOREVER));
		OK(store_edit_put_bytes(e, str_of(path), str_of(path)));
		OK(store_edit_commit(NULL, e, &why));
	}
}

struct rig {
	struct prov p;
	struct prov_client c;
	struct prov_copy k;
};

static int copy(struct rig *r)
{
	r->k.bytes = r->k.objects = 0;
	r->k.refs = r->k.moved = 0;
	return prov_copy(&r->k, &r->c);
}

static int by_little(void *arg)
{
	static struct rig r;
	struct fake_disk *f = fake_disk_new(64 << 20);
	struct control_config cfg = { .token = STR("0123456789abcdef0123456789abcdef"),
		.name = STR("test"),
		.version = STR("0"),
		.git_objects_max = 500 };
	char path[100];

	(void)arg;
	OK(os_crypto_init());
	OK(store_format(&f->d));
	OK(store_open(&cfg.store, &f->d, NULL));
	commits(cfg.store, "refs/heads/alice", 0, 700);
	commits(cfg.store, "refs/heads/bob", 0, 3);
	arena_init(&r.p.arena, 16 << 20);
	r.c = (struct prov_client){ .p = &r.p, .token = cfg.token.p };
	OK(control_open(&r.c.control, &cfg));
	snprintf(path, sizeof(path), "%s/copy.git", dir);
	r.k = (struct prov_copy){
		.dir = path, .verb = "test", .prefix = STR("refs/"), .head = STR("refs/heads/alice")
	};
	OK(copy(&r));
	cr_expect_eq(r.k.refs, 2);
	cr_expect_eq(r.k.moved, 2);
	cr_expect_str_eq(sh("git fsck --strict --full"), "");
	cr_expect_str_eq(sh("git rev-list --count alice"), "700");
	cr_expect_str_eq(sh("git rev-list --count bob"), "3");
	cr_expect_geq(atoi(sh("ls objects/pack/*.pack | wc -l")), 5); /* 700 * 3 objects */
	/* What came since is again too much at once; the copy never goes back. */
	commits(cfg.store, "refs/heads/alice", 700, 1000);
	OK(copy(&r));
	cr_expect_eq(r.k.moved, 1);
	cr_expect_str_eq(sh("git fsck --strict --full"), "");
	cr_expect_str_eq(sh("git rev-list --count alice"), "1000");
	OK(copy(&r));
	cr_expect_eq(r.k.moved + r.k.bytes, 0);
	control_close(r.c.control);
	/* A single commit that is too much is said to be. */
	cfg.git_objects_max = 1;
	OK(control_open(&r.c.control, &cfg));
	commits(cfg.store, "refs/heads/carol", 0, 1);
	cr_expect_eq(copy(&r), ERR_LIMIT);
	cr_expect_str_eq(sh("git rev-list --count alice"), "1000");
	control_close(r.c.control);
	/* History that ends somewhere ends there in a copy made then; an older copy keeps its own. */
	struct store_oid cut;
	cfg.git_objects_max = 0;
	OK(control_open(&r.c.control, &cfg));
	OK(store_resolve(&cut, cfg.store, STR("bob~1")));
	OK(store_shallow_add(cfg.store, &cut, 1));
	commits(cfg.store, "refs/heads/bob", 3, 5);
	OK(copy(&r));
	cr_expect_str_eq(sh("git fsck --strict --full"), "");
	cr_expect_str_eq(sh("git rev-list --count bob"), "5");
	cr_expect_str_eq(sh("ls shallow 2>/dev/null || echo none"), "none");
	r.k.whole = true;
	OK(copy(&r));
	cr_expect_str_eq(sh("git fsck --strict --full"), "");
	cr_expect_str_eq(sh("git rev-list --count bob"), "4");
	cr_expect_str_eq(sh("ls objects/pack/*.pack | wc -l"), "1");
	control_close(r.c.control);
	store_close(cfg.store);
	os_disk_close(&f->d);
	arena_free(&r.p.arena);
	return 7;
}

Test(copy, a_long_history_by_little)
{
	char command[128];

	snprintf(dir, sizeof(dir), "/tmp/allod-copy-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(os_run(by_little, NULL), 7);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect_eq(system(command), 0);
}
