/* SPDX-License-Identifier: ISC */
#include "os/main.h"
#include "store/store.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text(-1))

static int list_names(void *ctx, struct str name, const struct store_entry *e)
{
	buf_fmt(ctx, "%s%.*s%s", ((struct buf *)ctx)->n ? " " : "", STR_ARG(name),
		e->kind == STORE_TREE ? "/" : "");
	return 0;
}

/* The call sequence at the top of store.h. */
static int worked_sequence(void *arg)
{
	struct os_disk *disk = arg;
	struct store *s;
	struct store_edit *e;
	struct store_oid commit, again;
	struct store_commit c;
	struct store_entry entry;
	struct arena a;
	struct str bytes;
	struct store_why why = { STR("alice"), STR("alice@example.org"), STR("imap: create INBOX"),
		1700000000 };

	arena_init(&a, 256 * 1024);
	OK(store_format(disk));
	OK(store_open(&s, disk, NULL));
	OK(store_edit_begin(&e, s, STR("refs/heads/alice"), OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("INBOX/.mailbox"), STR("id 1\n")));
	OK(store_edit_local_put(e, STR("uidnext"), STR("1")));
	OK(store_edit_commit(&commit, e, &why));
	store_close(s);

	OK(store_open(&s, disk, NULL));
	OK(store_ref_get(&again, s, STR("refs/heads/alice")));
	cr_expect(store_oid_eq(&commit, &again));
	OK(store_commit_get(&c, &a, s, &commit));
	cr_expect(str_eq(c.author_name, STR("alice")));
	cr_expect(str_eq(c.author_email, STR("alice@example.org")));
	cr_expect(str_eq(c.message, STR("imap: create INBOX\n")));
	cr_expect_eq(c.time, 1700000000);
	cr_expect_eq(c.parent_count, 0);
	OK(store_find(&entry, s, &c.tree, STR("INBOX/.mailbox")));
	OK(store_blob_all(&bytes, &a, s, &entry.oid, 65536));
	cr_expect(str_eq(bytes, STR("id 1\n")));
	OK(store_local_get(&bytes, &a, s, STR("uidnext")));
	cr_expect(str_eq(bytes, STR("1")));
	store_close(s);
	arena_free(&a);
	return 0;
}

Test(edit, worked_sequence)
{
	struct fake_disk *f = fake_disk_new(4 << 20);
	cr_assert_eq(os_run(worked_sequence, &f->d), 0);
	os_disk_close(&f->d);
}

static int edits(void *arg)
{
	struct store *s;
	struct store_edit *e;
	struct store_oid c1, c2;
	struct store_entry at, moved;
	struct store_commit c;
	struct store_why why = { STR("bob"), STR("bob@example.org"), STR("x"), 0 };
	struct buf names;
	struct arena a;

	arena_init(&a, 1 << 20);
	OK(store_format(arg));
	OK(store_open(&s, arg, NULL));
	OK(store_edit_begin(&e, s, STR("refs/heads/b"), OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("a/b/c"), STR("1")));
	OK(store_edit_put_bytes(e, STR("a/b.x"), STR("2")));
	OK(store_edit_put_bytes(e, STR("a/b0"), STR("3")));
	OK(store_edit_put_bytes(e, STR("z"), STR("")));
	buf_init(&names, &a);
	OK(store_edit_list(e, STR("a"), list_names, &names));
	cr_expect(str_eq(buf_str(&names), STR("b.x b/ b0")), "git's order: %s", names.p);
	/* A folder is moved by its id, though its bytes are not written yet. */
	OK(store_edit_find(&moved, e, STR("a/b")));
	OK(store_edit_put(e, STR("n/m"), &moved.oid, STORE_TREE));
	OK(store_edit_del(e, STR("a")));
	cr_expect_eq(store_edit_find(&at, e, STR("a")), ERR_NOENT);
	cr_expect_eq(store_edit_find(&at, e, STR("a/b/c")), ERR_NOENT);
	cr_expect_eq(store_edit_del(e, STR("a/b/c")), ERR_NOENT);
	OK(store_edit_find(&at, e, STR("n/m/c")));
	OK(store_edit_commit(&c1, e, &why));

	OK(store_commit_get(&c, &a, s, &c1));
	buf_init(&names, &a);
	OK(store_list(s, &c.tree, STR_NONE, list_names, &names));
	cr_expect(str_eq(buf_str(&names), STR("n/ z")), "%s", names.p);

	/* Taken back: nothing of it remains. */
	OK(store_edit_begin(&e, s, STR("refs/heads/b"), OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("n/m/c"), STR("other")));
	OK(store_edit_local_put(e, STR("k"), STR("v")));
	store_edit_abort(e);
	OK(store_edit_begin(&e, s, STR("refs/heads/b"), OS_FOREVER));
	cr_expect_eq(store_edit_local_get(&(struct str){ 0 }, e, STR("k")), ERR_NOENT);
	/* The last file of a folder takes the folder with it; put back, nothing has changed. */
	OK(store_edit_del(e, STR("n/m/c")));
	cr_expect_eq(store_edit_find(&at, e, STR("n")), ERR_NOENT);
	OK(store_edit_put_bytes(e, STR("n/m/c"), STR("1")));
	OK(store_edit_commit(&c2, e, &why));
	cr_expect(store_oid_eq(&c1, &c2), "no change, no commit");
	store_close(s);
	arena_free(&a);
	return 0;
}

Test(edit, folders_come_move_and_go)
{
	struct fake_disk *f = fake_disk_new(4 << 20);
	cr_assert_eq(os_run(edits, &f->d), 0);
	os_disk_close(&f->d);
}

static int name_of_a_folder(void *arg)
{
	struct store *s;
	struct store_edit *e;
	struct store_entry at;
	struct store_why why = { STR("bob"), STR("bob@example.org"), STR("x"), 0 };

	OK(store_format(arg));
	OK(store_open(&s, arg, NULL));
	OK(store_edit_begin(&e, s, STR("refs/heads/b"), OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("a/x"), STR("1")));
	OK(store_edit_put_bytes(e, STR("z"), STR("1")));
	OK(store_edit_commit(NULL, e, &why));
	OK(store_edit_begin(&e, s, STR("refs/heads/b"), OS_FOREVER));
	OK(store_edit_del(e, STR("a/x"))); /* and so "a" */
	OK(store_edit_commit(NULL, e, &why));
	OK(store_edit_begin(&e, s, STR("refs/heads/b"), OS_FOREVER));
	OK(store_edit_put_bytes(e, STR("a"), STR("a file")));
	OK(store_edit_commit(NULL, e, &why));
	OK(store_edit_begin(&e, s, STR("refs/heads/b"), OS_FOREVER));
	cr_expect_eq(store_edit_put_bytes(e, STR("a/x"), STR("2")), ERR_EXIST);
	OK(store_edit_commit(NULL, e, &why));
	OK(store_edit_begin(&e, s, STR("refs/heads/b"), OS_FOREVER));
	OK(store_edit_find(&at, e, STR("a")));
	cr_expect_eq(at.kind, STORE_BLOB, "a file was put in the place of a folder, and lost");
	store_edit_abort(e);
	store_close(s);
	return 0;
}

/* Breaks when node_set() keeps the emptied folder of that name. */
Test(edit, a_file_with_the_name_of_a_folder_that_went)
{
	struct fake_disk *f = fake_disk_new(4 << 20);
	cr_assert_eq(os_run(name_of_a_folder, &f->d), 0);
	os_disk_close(&f->d);
}
