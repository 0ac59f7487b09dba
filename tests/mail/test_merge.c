/* SPDX-License-Identifier: ISC */
/* The merge of mail branches: random histories against a model, and the rules one by one. */
#include "tests/mail/merge_model.h"

#include "os/log.h"
#include "os/main.h"
#include "services/mail/mailbox.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>

#define OK(call) \
	do { \
		int ok_err = (call); \
		cr_assert(ok_err == 0, "%s: %s", #call, err_text(ok_err)); \
	} while (0)

uint8_t mm_blobs[6][20];

struct env {
	struct store *s;
	struct os_disk *disk;
	struct arena a;
	struct buf notes;
	void (*body)(struct env *);
	unsigned disk_mb;
};

static struct store_oid blob(struct env *v, const char *text)
{
	struct store_spool *w;
	struct store_oid id;
	uint64_t n;
	OK(store_spool_begin(&w, v->s));
	OK(store_spool_write(w, str_of(text)));
	OK(store_spool_finish(&id, &n, w));
	return id;
}

/* Blobs that stay: an edit holds them. */
static void make_blobs(struct env *v)
{
	struct store_edit *e;
	char text[100], path[20];
	OK(store_edit_begin(&e, v->s, STR("refs/heads/blobs"), OS_FOREVER));
	for (int i = 0; i < 6; i++) {
		snprintf(text, sizeof(text), "Subject: %d\r\n\r\nbody %d\r\n", i, i);
		struct store_oid id = blob(v, text);
		memcpy(mm_blobs[i], id.b, 20);
		snprintf(path, sizeof(path), "%d", i);
		OK(store_edit_put(e, str_of(path), &id, STORE_BLOB));
	}
	OK(store_edit_commit(
		NULL, e, &(struct store_why){ STR("t"), STR("t@example.org"), STR("t"), 1 }));
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

#define MERGE_TEST(mb, name) \
	static void name##_body(struct env *v); \
	Test(merge, name) \
	{ \
		struct env v = { .body = name##_body, .disk_mb = mb }; \
		cr_assert_eq(os_run(env_main, &v), 7); \
	} \
	static void name##_body(struct env *v)

/* `base` NULL: none is known. */
static struct store_oid merge(struct env *v, const struct store_oid *base,
	const struct store_oid *ours, const struct store_oid *theirs)
{
	struct store_edit *e;
	struct store_entry root;
	v->notes.n = 0;
	OK(store_edit_begin(&e, v->s, STR("refs/heads/scratch"), OS_FOREVER));
	OK(store_edit_put(e, STR(""), ours, STORE_TREE));
	OK(mail_driver()->merge(NULL, e, STR("refs/heads/scratch"), base, theirs, &v->notes));
	OK(store_edit_find(&root, e, STR("")));
	OK(store_edit_commit(
		NULL, e, &(struct store_why){ STR("t"), STR("t@example.org"), STR("t"), 1 }));
	return root.oid;
}

static void same(const struct store_oid *a, const struct store_oid *b, struct env *v,
	const char *law, uint64_t seed)
{
	static struct mt x, y;
	if (store_oid_eq(a, b))
		return;
	const char *ex = mt_read(&x, v->s, a), *ey = mt_read(&y, v->s, b), *d = mt_differ(&x, &y);
	cr_assert(false, "seed %llu: %s: %s %s %s", (unsigned long long)seed, law, ex ? ex : "",
		ey ? ey : "", d ? d : "");
}

static void steps(struct mm *m, unsigned max)
{
	for (unsigned n = (unsigned)(fake_random(m->seed) >> 20) % (max + 1); n > 0; n--)
		mm_step(m);
}

static unsigned cases(unsigned normal)
{
	const char *more = getenv("MERGE_CASES");
	return more ? (unsigned)atoi(more) : normal;
}

static void one_pair(struct env *v, uint64_t number)
{
	static struct mm b, o, t;
	static struct mt want, got;
	struct store_oid tb, to, tt;
	uint64_t seed = number * 77773 + 1;
	mm_init(&b, &seed);
	steps(&b, 14);
	mm_fork(&o, &b, 0x20, 5000);
	mm_fork(&t, &b, 0x30, 7000);
	steps(&o, 8);
	steps(&t, 8);
	mt_write(&tb, v->s, &b.t);
	mt_write(&to, v->s, &o.t);
	mt_write(&tt, v->s, &t.t);
	struct store_oid m = merge(v, &tb, &to, &tt), back = merge(v, &tb, &tt, &to);
	same(&m, &back, v, "it commutes", number);
	const char *wrong = mt_read(&got, v->s, &m);
	cr_assert_null(wrong, "seed %llu: %s", (unsigned long long)number, wrong);
	mm_merge(&want, &b.t, &o.t, &t.t);
	mm_strip(&got);
	const char *d = mt_differ(&want, &got);
	cr_assert_null(d, "seed %llu: wanted/got %s", (unsigned long long)number, d);
	struct store_oid x;
	x = merge(v, &tb, &tb, &tt);
	same(&x, &tt, v, "merge(o, o, b) = b", number);
	x = merge(v, &tb, &to, &tb);
	same(&x, &to, v, "merge(o, a, o) = a", number);
	x = merge(v, &to, &to, &tt);
	same(&x, &tt, v, "merge(a, a, b) = b", number);
	x = merge(v, &tt, &m, &tt);
	same(&x, &m, v, "merge(b, merged, b) = merged", number);
	x = merge(v, &tb, &m, &tt);
	same(&x, &m, v, "merged again", number);
	x = merge(v, &tb, &to, &m);
	same(&x, &m, v, "merged again", number);
	x = merge(v, &tb, &m, &m);
	same(&x, &m, v, "with itself", number);
}

MERGE_TEST(512, random_histories)
{
	unsigned n = cases(1500);
	for (uint64_t i = 0; i < n; i++)
		one_pair(v, i);
}
