/* SPDX-License-Identifier: ISC */
#include "tests/mail/merge_rig.h"
#include "tests/mail/merge_model.h"

#include "os/log.h"
#include "os/main.h"
#include "services/mail/mailbox.h"
#include "tests/fake/disk.h"

uint8_t mm_blobs[6][20];
static const struct store_why why = { STR("t"), STR("t@example.org"), STR("t"), 1 };

struct store_oid rig_message(struct env *v, const char *text)
{
	struct store_spool *w;
	struct store_oid id;
	uint64_t n;
	OK(store_spool_begin(&w, v->s));
	OK(store_spool_write(w, str_of(text)));
	OK(store_spool_finish(&id, &n, w));
	return id;
}

/* Blobs that stay: a branch holds them. */
static void make_blobs(struct env *v)
{
	struct store_edit *e;
	char text[100], path[20];
	OK(store_edit_begin(&e, v->s, STR("refs/heads/blobs"), OS_FOREVER));
	for (int i = 0; i < 6; i++) {
		snprintf(text, sizeof(text), "Subject: %d\r\n\r\nbody %d\r\n", i, i);
		struct store_oid id = rig_message(v, text);
		memcpy(mm_blobs[i], id.b, 20);
		snprintf(path, sizeof(path), "%d", i);
		OK(store_edit_put(e, str_of(path), &id, STORE_BLOB));
	}
	OK(store_edit_commit(NULL, e, &why));
}

static int env_main(void *arg)
{
	struct env *v = arg;
	struct fake_disk *f = fake_disk_new((uint64_t)v->disk_mb << 20);
	f->eager = true;
	v->disk = &f->d;
	os_log_level(OS_ERROR);
	arena_init(&v->a, 64u << 20);
	buf_init(&v->notes, NULL);
	OK(store_format(v->disk));
	OK(store_open(&v->s, v->disk, NULL));
	make_blobs(v);
	v->body(v);
	store_close(v->s);
	os_disk_close(v->disk);
	buf_free(&v->notes);
	arena_free(&v->a);
	return 7;
}

void merge_run(void (*body)(struct env *), unsigned disk_mb)
{
	struct env v = { .body = body, .disk_mb = disk_mb };
	cr_assert_eq(os_run(env_main, &v), 7);
}

struct store_oid merge(struct env *v, const struct store_oid *base, const struct store_oid *ours,
	const struct store_oid *theirs)
{
	struct store_edit *e;
	struct store_entry root;
	v->notes.n = 0;
	OK(store_edit_begin(&e, v->s, STR("refs/heads/scratch"), OS_FOREVER));
	OK(store_edit_put(e, STR(""), ours, STORE_TREE));
	OK(mail_driver()->merge(NULL, e, STR("refs/heads/scratch"), base, theirs, &v->notes));
	OK(store_edit_find(&root, e, STR("")));
	OK(store_edit_commit(NULL, e, &why));
	return root.oid;
}

struct store_oid rig_tree(struct env *v, const char *const files[static 16])
{
	struct store_edit *e;
	struct store_entry root;
	char path[500];
	OK(store_edit_begin(&e, v->s, STR("refs/heads/files"), OS_FOREVER));
	for (size_t i = 0; i < 16 && files[i]; i += 2) {
		snprintf(path, sizeof(path), ".fresh/%s", files[i]);
		int err = store_edit_put_bytes(e, str_of(path), str_of(files[i + 1]));
		cr_assert(err == 0 || err == ERR_EXIST, "%s: %s", path, err_text(err));
	}
	OK(store_edit_find(&root, e, STR(".fresh")));
	OK(store_edit_put(e, STR(""), &root.oid, STORE_TREE));
	OK(store_edit_commit(NULL, e, &why));
	return root.oid;
}

struct str rig_text(struct env *v, const struct store_oid *tree, const char *path)
{
	struct store_entry e;
	struct str text = STR_NONE;
	if (store_find(&e, v->s, tree, str_of(path)) == 0 && e.kind == STORE_BLOB)
		OK(store_blob_all(&text, &v->a, v->s, &e.oid, 1 << 20));
	return text;
}
