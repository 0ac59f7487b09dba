/* SPDX-License-Identifier: ISC */
/* What was pushed is merged, if not at once then later. */
#include "os/log.h"
#include "os/main.h"
#include "sync/git_impl.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>

#define HEAD   STR("refs/heads/alice")
#define DEVICE STR("refs/devices/laptop/alice")
#define OK(call) \
	do { \
		int ok_ = (call); \
		cr_assert_eq(ok_, 0, "%s: %s", #call, err_text(ok_)); \
	} while (0)

static const struct store_why why = { { "t", 1 }, { "t@t", 3 }, { "test", 4 }, 1700000000 };

static struct store_oid put(struct store *s, struct str ref, const char *path)
{
	struct store_edit *e;
	struct store_oid id;

	OK(store_edit_begin(&e, s, ref, OS_FOREVER));
	OK(store_edit_put_bytes(e, str_of(path), STR("text\n")));
	OK(store_edit_commit(&id, e, &why));
	return id;
}

static int notes(struct store *s)
{
	struct arena a;
	struct str value;
	int err;

	arena_init(&a, 4096);
	err = store_local_get(&value, &a, s, STR("git/merge/refs/devices/laptop/alice"));
	cr_assert(err < 0 || str_eq(value, STR("alice")));
	arena_free(&a);
	return err;
}

static int resumes(void *arg)
{
	struct fake_disk *f = arg;
	struct git_config cfg = { 0 };
	struct store_oid tip, head;
	struct store *s;

	OK(store_open(&s, &f->d, NULL));
	head = put(s, HEAD, "a");
	OK(store_ref_update(
		s, &(struct store_ref_move){ DEVICE, NULL, &head }, 1, &why, OS_FOREVER));
	tip = put(s, DEVICE, "b");
	OK(sync_merge_note(s, STR("alice"), DEVICE, false));
	store_close(s); /* as after a power cut between the push and its merge */
	OK(store_open(&s, &f->d, NULL));
	cr_expect_eq(notes(s), 0);
	cfg.store = s;
	git_resume(&cfg);
	OK(store_ref_get(&head, s, HEAD));
	cr_expect(store_oid_eq(&head, &tip));
	cr_expect_eq(notes(s), ERR_NOENT);
	/* of a ref that is gone nothing is left to do */
	OK(sync_merge_note(s, STR("alice"), DEVICE, false));
	OK(store_ref_update(
		s, &(struct store_ref_move){ DEVICE, &tip, NULL }, 1, &why, OS_FOREVER));
	git_resume(&cfg);
	cr_expect_eq(notes(s), ERR_NOENT);
	store_close(s);
	return 0;
}

Test(push, merges_that_were_interrupted)
{
	struct fake_disk *f = fake_disk_new(64 << 20);

	os_log_level(OS_ERROR);
	OK(store_format(&f->d));
	OK(os_run(resumes, f));
	os_disk_close(&f->d);
}
