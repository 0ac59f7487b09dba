/* SPDX-License-Identifier: ISC */
#include "tests/mail/mailbox_rig.h"

#include "tests/fake/disk.h"
#include "store/keep.h"

struct run {
	void (*body)(struct rig *);
	unsigned disk_mb;
};

static void rig_open(struct rig *r)
{
	cr_ok(store_open(&r->s, r->disk, &r->driver));
	cr_ok(mail_open(&r->m, r->s, STR("example.org")));
	cr_ok(mail_account_open(&r->a, r->m, STR("alice")));
}

static void rig_close(struct rig *r)
{
	mail_account_close(r->a);
	mail_close(r->m);
	store_close(r->s);
}

static int rig_main(void *arg)
{
	struct run *run = arg;
	struct rig r = { 0 };
	struct fake_disk *f = fake_disk_new((uint64_t)run->disk_mb << 20);
	cr_assert(f != NULL);
	r.disk = &f->d;
	r.driver = *mail_driver();
	arena_init(&r.arena, 256u << 20);
	cr_ok(store_format(r.disk));
	rig_open(&r);
	run->body(&r);
	rig_close(&r);
	arena_free(&r.arena);
	os_disk_close(r.disk);
	return 7;
}

void rig_run(void (*body)(struct rig *), unsigned disk_mb)
{
	struct run run = { body, disk_mb };
	cr_assert_eq(os_run(rig_main, &run), 7);
}

void rig_reopen(struct rig *r)
{
	rig_close(r);
	rig_open(r);
}

void rig_rebuild(struct rig *r)
{
	rig_close(r);
	r->driver.version++;
	rig_open(r);
}

static void mismatch(void *ctx, struct str what)
{
	(void)ctx;
	cr_expect(false, "verify: %.*s", STR_ARG(what));
}

void rig_verify(struct rig *r)
{
	struct store_verify v = { .mismatch = mismatch };
	cr_ok(store_verify(r->s, &v));
	cr_expect_eq(v.mismatches, 0);
	cr_expect_gt(v.objects, 0);
}

struct store_oid rig_blob(struct rig *r, struct str text)
{
	struct store_spool *w;
	struct store_oid id;
	uint64_t n;
	cr_ok(store_spool_begin(&w, r->s));
	cr_ok(store_spool_write(w, text));
	cr_ok(store_spool_finish(&id, &n, w));
	cr_assert_eq(n, text.n);
	return id;
}

uint32_t rig_append(struct rig *r, const char *box, struct str text, uint32_t flags)
{
	uint32_t uid, validity;
	struct mail_item item = { .blob = rig_blob(r, text), .size_bytes = text.n, .flags = flags };
	cr_ok(mail_append(&uid, &validity, r->a, str_of(box), &item, 1,
		(struct mail_why){ STR("test: append") }));
	return uid;
}

struct mail_box *rig_box(struct rig *r, const char *name)
{
	struct mail_box *b;
	cr_ok(mail_box_open(&b, r->a, str_of(name)));
	return b;
}

void rig_flag(struct rig *r, const char *box, uint32_t uid, enum mail_flag_op op, uint32_t flags)
{
	struct mail_box *b = rig_box(r, box);
	struct mail_flag_change c = { .flags = flags };
	cr_ok(mail_flags(b, &uid, 1, op, &c, 0, NULL, NULL));
	mail_box_close(b);
}

static void dump_message(struct buf *out, struct mail_box *b, const struct mail_msg *m)
{
	char hex[STORE_HEX];
	struct mail_summary sum;
	struct arena a;
	arena_init(&a, 16u << 20);
	buf_fmt(out, "  %u %08x.%08x modseq %llu flags %x internal %lld saved %lld size %u %s",
		m->uid, m->lane, m->seq, (unsigned long long)m->modseq, m->flags,
		(long long)m->internal_sec, (long long)m->saved_sec, m->size_bytes,
		store_oid_hex(hex, &m->blob));
	for (unsigned k = 0; k < mail_box_keyword_count(b); k++)
		if (m->keywords >> k & 1)
			buf_fmt(out, " %.*s", STR_ARG(mail_box_keyword(b, k)));
	cr_ok(mail_summary(&sum, &a, b, m));
	buf_fmt(out, "\n    %u %.*s %.*s\n", sum.header_bytes, STR_ARG(sum.envelope),
		STR_ARG(sum.bodystructure));
	arena_free(&a);
}

struct str rig_dump(struct rig *r)
{
	struct mail_info *list;
	struct buf out;
	size_t n;
	buf_init(&out, &r->arena);
	cr_ok(mail_list(&list, &n, &r->arena, r->a));
	for (size_t i = 0; i < n; i++) {
		struct mail_box_state st, status;
		buf_fmt(&out, "%.*s use %d sub %d kids %d\n", STR_ARG(list[i].name), list[i].use,
			list[i].subscribed, list[i].has_children);
		if (!list[i].exists)
			continue;
		struct mail_box *b;
		cr_ok(mail_box_open(&b, r->a, list[i].name));
		mail_box_state(&st, b);
		cr_ok(mail_status(&status, &r->arena, r->a, list[i].name));
		cr_expect(st.uidnext == status.uidnext && st.count == status.count &&
			st.unseen == status.unseen && st.size_bytes == status.size_bytes &&
			st.highest_modseq == status.highest_modseq);
		cr_expect_eq(st.count, mail_box_count(b));
		buf_fmt(&out,
			" %.*s validity %u next %u modseq %llu unseen %u deleted %u size %llu\n",
			STR_ARG(st.id), st.uidvalidity, st.uidnext,
			(unsigned long long)st.highest_modseq, st.unseen, st.deleted,
			(unsigned long long)st.size_bytes);
		for (size_t k = 0; k < mail_box_count(b); k++)
			dump_message(&out, b, mail_box_at(b, k));
		mail_box_close(b);
	}
	cr_assert_eq(out.err, 0);
	return buf_str(&out);
}

struct str rig_file(struct rig *r, const char *path)
{
	struct store_oid head;
	struct store_commit c;
	struct store_entry e;
	struct str text;
	cr_ok(store_ref_get(&head, r->s, STR("refs/heads/alice")));
	cr_ok(store_commit_get(&c, &r->arena, r->s, &head));
	if (store_find(&e, r->s, &c.tree, str_of(path)) < 0 || e.kind != STORE_BLOB)
		return STR_NONE;
	cr_ok(store_blob_all(&text, &r->arena, r->s, &e.oid, 1 << 20));
	return text;
}

const struct mail_info *rig_info(struct rig *r, const char *name)
{
	struct mail_info *list;
	size_t n;
	cr_ok(mail_list(&list, &n, &r->arena, r->a));
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i].name, str_of(name)))
			return &list[i];
	return NULL;
}
