/* SPDX-License-Identifier: ISC */
/*
 * Several sessions doing everything at once, and the power going off while they do. Each message
 * has a body of its own, so what was acknowledged can be looked for afterwards.
 */
#include "tests/mail/mailbox_rig.h"
#include "tests/fake/disk.h"

#define SESSIONS 6
#define APPENDS  2000

/* ---- everything at once ---- */
struct storm {
	struct rig *r;
	uint64_t seed;
	unsigned left, appended;
	bool stop;
	struct store_oid blob[APPENDS];
	bool sure[APPENDS]; /* acknowledged, and nothing it stood in was ever deleted */
};
static const char *const names[] = { "INBOX", "Archive", "A", "A/B", "a", "Z" };

static unsigned pick(struct storm *st, unsigned n)
{
	return (unsigned)(fake_random(&st->seed) % n);
}

static void expect_one_of(int err, int a, int b)
{
	cr_assert(err == 0 || err == a || err == b, "%s", err_text(err));
}

static void storm_append(struct storm *st, const char *box)
{
	char text[100];
	unsigned i = st->appended++;
	uint32_t uid, validity;
	cr_assert_lt(i, APPENDS);
	snprintf(text, sizeof(text), "Subject: storm\r\n\r\n%u\r\n", i);
	st->blob[i] = rig_blob(st->r, str_of(text));
	struct mail_item item = { .blob = st->blob[i] };
	int err = mail_append(
		&uid, &validity, st->r->a, str_of(box), &item, 1, (struct mail_why){ STR("test") });
	expect_one_of(err, ERR_NOENT, 0);
	st->sure[i] = err == 0 && strcmp(box, "INBOX") == 0;
}

/* What a session sees is always sorted and whole, whoever changes it. */
static void look(struct mail_box *b)
{
	struct mail_box_state s;
	mail_box_state(&s, b);
	if (mail_box_gone(b))
		return;
	cr_assert_eq(mail_box_count(b), s.count);
	for (size_t i = 0; i < mail_box_count(b); i++) {
		cr_assert(i == 0 || mail_box_at(b, i - 1)->uid < mail_box_at(b, i)->uid);
		cr_assert(mail_box_at(b, i)->uid < s.uidnext);
		cr_assert(mail_box_at(b, i)->modseq <= s.highest_modseq);
	}
}

static void storm_messages(struct storm *st, const char *box)
{
	struct mail_box *b;
	uint32_t uids[10], from[10], to[10], validity;
	size_t done;
	int err = mail_box_open(&b, st->r->a, str_of(box));
	expect_one_of(err, ERR_NOENT, 0);
	if (err < 0)
		return;
	look(b);
	for (int i = 0; i < 10; i++)
		uids[i] = mail_box_count(b) > 0
			? mail_box_at(b, pick(st, (unsigned)mail_box_count(b)))->uid
			: 1;
	struct mail_flag_change c = { .flags = 1u << pick(st, 3) };
	unsigned op = pick(st, 3);
	if (op == 0)
		err = mail_flags(b, uids, 10, (enum mail_flag_op)pick(st, 3), &c, 0, NULL, NULL);
	else /* never into what may be deleted */
		err = mail_copy(from, to, &done, &validity, b, uids, 10,
			str_of(op == 1 ? "INBOX" : "Archive"), true);
	expect_one_of(err, ERR_NOENT, 0);
	look(b);
	mail_box_close(b);
}

static void storm_mailboxes(struct storm *st, const char *box)
{
	switch (pick(st, 4)) {
	case 0:
		expect_one_of(mail_create(st->r->a, str_of(box), MAIL_USE_NONE), ERR_EXIST, 0);
		break;
	case 1:
		if (box != names[0] && box != names[1])
			expect_one_of(mail_delete(st->r->a, str_of(box)), ERR_NOENT, 0);
		break;
	case 2:
		if (box != names[0] && box != names[1])
			(void)!mail_rename(st->r->a, str_of(box), str_of(names[2 + pick(st, 4)]));
		break;
	default: expect_one_of(mail_subscribe(st->r->a, str_of(box), pick(st, 2)), ERR_NOENT, 0);
	}
}

static void storm_session(void *arg)
{
	struct storm *st = arg;
	for (unsigned i = 0; i < 150 && !st->stop; i++) {
		const char *box = names[pick(st, ARRAY_LEN(names))];
		unsigned op = pick(st, 10);
		if (op < 4)
			storm_append(st, box);
		else if (op < 8)
			storm_messages(st, box);
		else
			storm_mailboxes(st, box);
	}
	st->left--;
}

static unsigned count_blob(struct rig *r, const struct store_oid *blob)
{
	unsigned found = 0;
	struct mail_info *list;
	size_t n;
	cr_ok(mail_list(&list, &n, &r->arena, r->a));
	for (size_t i = 0; i < n; i++) {
		struct mail_box *b;
		if (!list[i].exists)
			continue;
		cr_ok(mail_box_open(&b, r->a, list[i].name));
		for (size_t k = 0; k < mail_box_count(b); k++)
			found += store_oid_eq(&mail_box_at(b, k)->blob, blob);
		mail_box_close(b);
	}
	return found;
}

MAIL_TEST(storm, .timeout = 120)
{
	static struct storm st;
	st = (struct storm){ .r = r, .seed = 11, .left = SESSIONS };
	for (int i = 0; i < SESSIONS; i++)
		cr_assert_eq(os_spawn("session", storm_session, &st), 0);
	while (st.left > 0)
		os_sleep(os_after(OS_MS));
	unsigned sure = 0;
	for (unsigned i = 0; i < st.appended; i++) {
		if (!st.sure[i])
			continue;
		sure++;
		cr_expect_eq(count_blob(r, &st.blob[i]), 1, "message %u", i);
		arena_reset(&r->arena);
	}
	cr_expect_gt(sure, 20);
	rig_verify(r);
	struct str before = rig_dump(r);
	rig_rebuild(r);
	cr_expect_str(rig_dump(r), before);
}

/* ---- the power goes off ---- */
struct told { /* what a client was told of one message */
	uint32_t uid, validity, flags;
	struct store_oid blob;
	bool gone, flags_known;
};
struct client {
	struct rig *r;
	struct fake_disk *disk;
	uint64_t seed;
	uint32_t uidnext; /* the highest UIDNEXT told */
	uint64_t modseq;  /* the highest MODSEQ told */
	size_t n;
	struct told told[400];
	unsigned cuts, faults;
	bool busy;
};

static bool holds(struct client *c, struct mail_box *b)
{
	struct mail_box_state s;
	mail_box_state(&s, b);
	bool ok = s.uidnext >= c->uidnext && s.highest_modseq >= c->modseq;
	for (size_t i = 0; i < c->n; i++) {
		const struct told *t = &c->told[i];
		const struct mail_msg *m = mail_box_find(b, t->uid);
		ok = ok && t->validity == s.uidvalidity;
		if (t->gone)
			ok = ok && m == NULL;
		else
			ok = ok && m != NULL && store_oid_eq(&m->blob, &t->blob) &&
				(!t->flags_known || m->flags == t->flags);
	}
	return ok;
}

/* Would all that was told still be true if the power failed now? */
static bool survives(struct client *c)
{
	struct fake_disk *after = fake_disk_cut(c->disk, &c->seed);
	if (c->disk->ignores_flush) {
		memcpy(after->live, c->disk->durable, after->d.size_bytes);
		memcpy(after->durable, c->disk->durable, after->d.size_bytes);
	}
	struct rig cut = { .disk = &after->d, .driver = c->r->driver };
	struct mail_box *b;
	bool ok = store_open(&cut.s, cut.disk, &cut.driver) == 0;
	if (ok) {
		cr_ok(mail_open(&cut.m, cut.s, STR("example.org")));
		ok = mail_account_open(&cut.a, cut.m, STR("alice")) == 0 &&
			mail_box_open(&b, cut.a, STR("INBOX")) == 0 && holds(c, b);
		if (ok) {
			/* New mail is above whatever anybody was told. */
			uint32_t uid = rig_append(&cut, "INBOX", STR("Subject: after\r\n\r\n"), 0);
			ok = uid >= c->uidnext && holds(c, b);
			mail_box_close(b);
		}
		mail_close(cut.m);
		store_close(cut.s);
	}
	os_disk_close(cut.disk);
	return ok;
}

static void learn(struct client *c, struct mail_box *b)
{
	struct mail_box_state s;
	mail_box_state(&s, b);
	c->uidnext = s.uidnext;
	c->modseq = s.highest_modseq;
}

static void client_step(struct client *c, struct mail_box *b)
{
	char text[100];
	unsigned op = (unsigned)(fake_random(&c->seed) % 4);
	struct told *t = c->n > 0 ? &c->told[fake_random(&c->seed) % c->n] : NULL;
	if (t == NULL || op < 2) {
		struct mail_item item;
		snprintf(text, sizeof(text), "Subject: %zu\r\n\r\n", c->n);
		item = (struct mail_item){ .blob = rig_blob(c->r, str_of(text)) };
		t = &c->told[c->n];
		*t = (struct told){ .blob = item.blob, .flags_known = true };
		cr_ok(mail_append(&t->uid, &t->validity, c->r->a, STR("INBOX"), &item, 1,
			(struct mail_why){ STR("test") }));
		c->n++; /* from here on it is promised */
	} else if (!t->gone) {
		struct mail_flag_change change = { .flags = op == 2 ? MAIL_SEEN : MAIL_DELETED };
		t->flags_known = false;
		cr_ok(mail_flags(b, &t->uid, 1, MAIL_FLAG_SET, &change, 0, NULL, NULL));
		t->flags = change.flags;
		t->flags_known = true;
		if (op == 3) {
			struct told was = *t;
			t->flags_known = false;
			/* Until it is acknowledged it may be there or not: ask nothing. */
			*t = c->told[--c->n];
			cr_ok(mail_expunge(b, &was.uid, 1));
			was.gone = true;
			c->told[c->n++] = was;
		}
	}
	learn(c, b);
}

static void run_client(struct rig *r, bool flushes, struct client *c)
{
	*c = (struct client){ .r = r, .seed = 5 };
	c->disk = (struct fake_disk *)r->disk;
	c->disk->ignores_flush = !flushes;
	struct mail_box *b = rig_box(r, "INBOX");
	for (int i = 0; i < 300; i++) {
		client_step(c, b);
		if (i % 5 == 0) {
			c->cuts++;
			c->faults += !survives(c);
		}
	}
	mail_box_close(b);
	c->disk->ignores_flush = false;
}

/* Catches: an acknowledgement that does not wait for the flush of its group. */
MAIL_TEST_ON(12, power_cut_after_acknowledgement, .timeout = 120)
{
	static struct client c;
	run_client(r, true, &c);
	cr_expect_eq(c.cuts, 60);
	cr_expect_eq(c.faults, 0);
}

/* Catches a check that cannot fail. The disk then keeps nothing written since, or LMDB would fall
 * over the pieces. */
MAIL_TEST_ON(12, power_cut_is_noticed_without_flushes, .timeout = 120)
{
	static struct client c;
	run_client(r, false, &c);
	cr_expect_gt(c.faults, 0);
}
