/* SPDX-License-Identifier: ISC */
/*
 * Restore against a model: random histories through the mailbox layer, snapshots of what a person
 * sees on the way, and what must hold after a restore to one of them.
 */
#include "services/mail/restore.h"
#include "tests/fake/disk.h"
#include "tests/mail/mailbox_rig.h"

#define SEEN_MAX 65536

static const char *const words[] = { "Alpha", "beta", "gamma" };

/* ---- what a person sees ---- */
/* Mailboxes with their messages by identity; no UIDs: a text to compare. */
static int by_identity(const void *a, const void *b)
{
	const struct mail_msg *x = a, *y = b;
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void look_box(struct buf *out, struct rig *r, struct str name)
{
	static struct mail_msg msgs[4096];
	struct mail_box *b;
	cr_ok(mail_box_open(&b, r->a, name));
	size_t n = mail_box_count(b);
	cr_assert_lt(n, ARRAY_LEN(msgs));
	for (size_t i = 0; i < n; i++)
		msgs[i] = *mail_box_at(b, i);
	qsort(msgs, n, sizeof(msgs[0]), by_identity);
	buf_fmt(out, "%.*s\n", STR_ARG(name));
	for (size_t i = 0; i < n; i++) {
		char hex[STORE_HEX];
		const struct mail_msg *m = &msgs[i];
		buf_fmt(out, " %08x.%08x %x %lld %s", m->lane, m->seq, m->flags,
			(long long)m->internal_sec, store_oid_hex(hex, &m->blob));
		for (size_t j = 0; j < ARRAY_LEN(words); j++)
			for (unsigned k = 0; k < mail_box_keyword_count(b); k++)
				if ((m->keywords >> k & 1) &&
					str_eq(mail_box_keyword(b, k), str_of(words[j])))
					buf_fmt(out, " %s", words[j]);
		buf_addc(out, '\n');
	}
	mail_box_close(b);
}

static struct str look(struct rig *r, const char *one)
{
	struct mail_info *list;
	struct buf out;
	size_t n;
	buf_init(&out, &r->arena);
	cr_ok(mail_list(&list, &n, &r->arena, r->a));
	for (size_t i = 0; i < n; i++)
		if (list[i].exists && (one == NULL || str_eq(list[i].name, str_of(one))))
			look_box(&out, r, list[i].name);
	cr_assert_eq(out.err, 0);
	return out.p != NULL ? buf_str(&out) : STR("");
}

static struct store_oid head(struct rig *r)
{
	struct store_oid id;
	cr_ok(store_ref_get(&id, r->s, STR("refs/heads/alice")));
	return id;
}

/* ---- what a client was told ---- */
struct told_uid {
	uint32_t validity, uid, lane, seq;
	char id[17];
};
struct told_box {
	uint32_t validity, uidnext;
	uint64_t modseq;
	char id[17];
};
struct client {
	struct told_uid uids[SEEN_MAX];
	size_t n;
	struct told_box boxes[64];
	size_t box_count;
};
static struct client client;

static void check_uid(const struct told_uid *now)
{
	for (size_t i = 0; i < client.n; i++) {
		const struct told_uid *t = &client.uids[i];
		if (t->validity != now->validity || t->uid != now->uid || strcmp(t->id, now->id))
			continue;
		cr_assert(t->lane == now->lane && t->seq == now->seq,
			"UID %u of %s now names another message", now->uid, now->id);
		return;
	}
	cr_assert_lt(client.n, SEEN_MAX);
	client.uids[client.n++] = *now;
}

static void check_numbers(struct told_box *now)
{
	for (size_t i = 0; i < client.box_count; i++) {
		struct told_box *t = &client.boxes[i];
		if (strcmp(t->id, now->id) != 0)
			continue;
		cr_assert_geq(now->validity, t->validity);
		cr_assert_geq(now->modseq, t->modseq);
		if (now->validity == t->validity)
			cr_assert_geq(now->uidnext, t->uidnext);
		*t = *now;
		return;
	}
	cr_assert_lt(client.box_count, ARRAY_LEN(client.boxes));
	client.boxes[client.box_count++] = *now;
}

/* No UID names another message, no number went back. */
static void client_looks(struct rig *r)
{
	struct mail_info *list;
	size_t n;
	cr_ok(mail_list(&list, &n, &r->arena, r->a));
	for (size_t i = 0; i < n; i++) {
		struct mail_box_state st;
		struct mail_box *b;
		struct told_box box = { 0 };
		if (!list[i].exists)
			continue;
		cr_ok(mail_box_open(&b, r->a, list[i].name));
		mail_box_state(&st, b);
		box.validity = st.uidvalidity;
		box.uidnext = st.uidnext;
		box.modseq = st.highest_modseq;
		memcpy(box.id, st.id.p, 16);
		check_numbers(&box);
		for (size_t k = 0; k < mail_box_count(b); k++) {
			const struct mail_msg *m = mail_box_at(b, k);
			struct told_uid t = { st.uidvalidity, m->uid, m->lane, m->seq, "" };
			memcpy(t.id, box.id, 17);
			cr_assert_lt(m->uid, st.uidnext);
			check_uid(&t);
		}
		mail_box_close(b);
	}
}

/* ---- restoring ---- */
static int note(void *ctx, const struct mail_compare *c, const struct mail_restore_told *what)
{
	struct buf *out = ctx;
	(void)c;
	if (what->message != NULL)
		buf_fmt(out, "%d %08x.%08x\n", what->message->kind, what->message->lane,
			what->message->seq);
	else
		buf_fmt(out, "box %d %s\n", what->done,
			what->box->side[0].at.present ? "old" : "new");
	return out->err;
}

/* Tries it first, and demands that it then does just that. */
static struct mail_restore restore(
	struct rig *r, const char *path, const struct store_oid *to, bool exact)
{
	struct buf plan, deed;
	buf_init(&plan, &r->arena);
	buf_init(&deed, &r->arena);
	struct store_oid before = head(r);
	struct mail_restore t = { .path = str_of(path),
		.to = *to,
		.exact = exact,
		.dry_run = true,
		.told = note,
		.ctx = &plan };
	cr_ok(mail_restore(&t, r->a));
	struct store_oid after = head(r);
	cr_assert(store_oid_eq(&before, &after), "a dry run changed the branch");
	struct mail_restore d = {
		.path = str_of(path), .to = *to, .exact = exact, .told = note, .ctx = &deed
	};
	cr_ok(mail_restore(&d, r->a));
	cr_expect_str(buf_str(&deed), buf_str(&plan));
	cr_expect(t.back == d.back && t.moved == d.moved && t.flags == d.flags &&
		t.removed == d.removed && t.boxes == d.boxes);
	cr_expect(store_oid_eq(&d.before, &before));
	return d;
}

static void undo(struct rig *r, const struct mail_restore *of)
{
	struct mail_restore u = {
		.path = STR(""), .to = of->before, .from = of->last, .undo = true
	};
	if (of->commits > 0)
		cr_ok(mail_restore(&u, r->a));
}

static void move(struct rig *r, const char *from, uint32_t uid, const char *to)
{
	struct mail_box *b = rig_box(r, from);
	uint32_t f, t, validity;
	size_t done;
	cr_ok(mail_copy(&f, &t, &done, &validity, b, &uid, 1, str_of(to), true));
	cr_assert_eq(done, 1);
	mail_box_close(b);
}

static void expunge(struct rig *r, const char *box, uint32_t uid)
{
	rig_flag(r, box, uid, MAIL_FLAG_ADD, MAIL_DELETED);
	struct mail_box *b = rig_box(r, box);
	cr_ok(mail_expunge(b, &uid, 1));
	mail_box_close(b);
}

static size_t count(struct rig *r, const char *name)
{
	struct mail_box *b = rig_box(r, name);
	size_t n = mail_box_count(b);
	mail_box_close(b);
	return n;
}

MAIL_TEST(restore_one_message)
{
	uint32_t a = rig_append(r, "INBOX", STR("Subject: a\r\n\r\n"), MAIL_SEEN);
	uint32_t b = rig_append(r, "INBOX", STR("Subject: b\r\n\r\n"), 0);
	struct str then = look(r, NULL);
	struct store_oid to = head(r);
	struct mail_box *box = rig_box(r, "INBOX");
	struct str path = arena_fmt(
		&r->arena, "INBOX/%08x.%x", mail_box_at(box, 0)->lane, mail_box_at(box, 0)->seq);
	expunge(r, "INBOX", a);
	rig_append(r, "INBOX", STR("Subject: later\r\n\r\n"), 0);
	rig_flag(r, "INBOX", b, MAIL_FLAG_ADD, MAIL_FLAGGED);
	struct str before = look(r, NULL);
	struct mail_restore d = restore(r, path.p, &to, false);
	cr_expect(d.back == 1 && d.flags == 0 && d.commits == 1);
	cr_expect_eq(mail_box_count(box), 3);
	cr_expect_eq(mail_box_at(box, 2)->uid, 4);
	cr_expect_eq(mail_box_at(box, 2)->flags, MAIL_SEEN);
	undo(r, &d);
	cr_expect_str(look(r, NULL), before);
	/* The whole folder, exactly: only what was there. */
	d = restore(r, "inbox", &to, true);
	cr_expect(d.back == 1 && d.flags == 1 && d.removed == 1);
	cr_expect_str(look(r, NULL), then);
	/* By UID. */
	rig_flag(r, "INBOX", b, MAIL_FLAG_ADD, MAIL_FLAGGED);
	d = restore(r, "INBOX/2", &to, false);
	cr_expect(d.back == 0 && d.flags == 1);
	d = restore(r, "INBOX/2", &to, false);
	cr_expect(d.commits == 0 && d.flags == 0);
	mail_box_close(box);
	rig_verify(r);
}

MAIL_TEST(restore_takes_back_what_moved)
{
	uint32_t a = rig_append(r, "INBOX", STR("Subject: a\r\n\r\n"), 0);
	uint32_t b = rig_append(r, "INBOX", STR("Subject: b\r\n\r\n"), 0);
	struct store_oid to = head(r);
	struct str then = look(r, NULL);
	move(r, "INBOX", a, "Trash");
	cr_ok(mail_create(r->a, STR("New"), MAIL_USE_NONE));
	move(r, "INBOX", b, "New");
	struct mail_restore d = restore(r, "INBOX", &to, false);
	cr_expect(d.moved == 2 && d.back == 0);
	cr_expect(str_find(then, look(r, "INBOX")) >= 0);
	cr_expect_eq(count(r, "Trash"), 0);
	undo(r, &d);
	cr_expect_eq(count(r, "New"), 1);
	/* Out of a mailbox that goes. */
	d = restore(r, "", &to, true);
	cr_expect_str(look(r, NULL), then);
	undo(r, &d);
	cr_expect_eq(count(r, "New"), 1);
	cr_expect_eq(count(r, "Trash"), 1);
	rig_verify(r);
}

/* More than one edit may hold: several commits, each with what it did told once. */
MAIL_TEST(restore_of_many_is_several_commits, .timeout = 120)
{
	enum { MANY = 9000, EACH = 100 };
	static struct mail_item items[EACH];
	uint32_t uids[EACH], validity;
	struct store_oid to, blob = rig_blob(r, STR("Subject: same\r\n\r\n"));
	for (unsigned i = 0; i < EACH; i++)
		items[i] = (struct mail_item){ .blob = blob, .flags = i % 8 };
	for (unsigned n = 0; n < MANY; n += EACH)
		cr_ok(mail_append(uids, &validity, r->a, STR("INBOX"), items, EACH,
			(struct mail_why){ STR("test") }));
	to = head(r);
	struct mail_box *b = rig_box(r, "INBOX");
	struct mail_box_state before, after;
	uint32_t *all = malloc(MANY * sizeof(*all));
	for (unsigned i = 0; i < MANY; i++)
		all[i] = mail_box_at(b, i)->uid;
	struct mail_flag_change deleted = { .flags = MAIL_DELETED };
	cr_ok(mail_flags(b, all, MANY, MAIL_FLAG_ADD, &deleted, 0, NULL, NULL));
	cr_ok(mail_expunge(b, NULL, 0));
	free(all);
	mail_box_state(&before, b);
	cr_assert_eq(before.count, 0);
	struct mail_restore d = restore(r, "INBOX", &to, false);
	mail_box_state(&after, b);
	cr_expect(d.back == MANY && d.commits == 2 && after.count == MANY);
	cr_expect(after.uidnext == before.uidnext + MANY);
	cr_expect_gt(after.highest_modseq, before.highest_modseq);
	for (unsigned i = 0; i < MANY; i++) /* in their order: they were saved so */
		cr_assert_eq(mail_box_at(b, i)->flags, i % EACH % 8);
	undo(r, &d);
	mail_box_state(&after, b);
	cr_expect_eq(after.count, 0);
	mail_box_close(b);
	rig_verify(r);
}

/* ---- random histories ---- */
#define SNAPS 12
static const char *const names[] = { "INBOX", "Archive", "work", "Work", "a/b", "a",
	"Z\xc3\xbcrich/.x", "INBOX/lists" };

static unsigned pick(uint64_t *seed, unsigned n)
{
	return (unsigned)(fake_random(seed) % n);
}

/* Some mailbox that is there. */
static struct mail_box *some_box(struct rig *r, uint64_t *seed)
{
	for (;;) {
		struct mail_box *b;
		if (mail_box_open(&b, r->a, str_of(names[pick(seed, ARRAY_LEN(names))])) == 0)
			return b;
	}
}

static void some_mail(struct rig *r, uint64_t *seed)
{
	static const struct str keywords[] = { STR("Alpha"), STR("beta") };
	static unsigned n;
	struct mail_box *b = some_box(r, seed);
	char text[64];
	snprintf(text, sizeof(text), "Subject: %u\r\n\r\n", n++);
	struct mail_item item = { .blob = rig_blob(r, str_of(text)),
		.flags = pick(seed, 32),
		.keywords = keywords,
		.keyword_count = pick(seed, 3) };
	uint32_t uid, validity;
	cr_ok(mail_append(&uid, &validity, r->a, mail_box_name(b), &item, 1,
		(struct mail_why){ STR("test") }));
	mail_box_close(b);
}

static void some_change(struct rig *r, uint64_t *seed)
{
	static const struct str keywords[] = { STR("Alpha"), STR("gamma") };
	struct mail_box *b = some_box(r, seed), *to = some_box(r, seed);
	size_t n = mail_box_count(b), done;
	struct mail_flag_change c = { pick(seed, 32), keywords, pick(seed, 3) };
	if (n > 0) {
		uint32_t uid = mail_box_at(b, pick(seed, (unsigned)n))->uid, f, t, validity;
		unsigned op = pick(seed, 10);
		if (op < 4)
			cr_ok(mail_flags(
				b, &uid, 1, (enum mail_flag_op)pick(seed, 3), &c, 0, NULL, NULL));
		else if (op < 6)
			cr_ok(mail_expunge(b, NULL, 0));
		else
			cr_ok(mail_copy(
				&f, &t, &done, &validity, b, &uid, 1, mail_box_name(to), op < 9));
	}
	mail_box_close(b);
	mail_box_close(to);
}

static void some_mailbox(struct rig *r, uint64_t *seed)
{
	struct str a = str_of(names[pick(seed, ARRAY_LEN(names))]);
	struct str b = str_of(names[pick(seed, ARRAY_LEN(names))]);
	int err;
	switch (pick(seed, 4)) {
	case 0: err = mail_delete(r->a, a); break;
	case 1: err = mail_rename(r->a, a, b); break;
	case 2: err = mail_subscribe(r->a, a, pick(seed, 2)); break;
	default: err = mail_create(r->a, a, MAIL_USE_NONE); break;
	}
	cr_assert(err == 0 || err == ERR_NOENT || err == ERR_EXIST || err == ERR_DENIED ||
			err == ERR_BAD,
		"%s", err_text(err));
}

static void some_step(struct rig *r, uint64_t *seed)
{
	unsigned op = pick(seed, 20);
	if (op < 7)
		some_mail(r, seed);
	else if (op < 17)
		some_change(r, seed);
	else
		some_mailbox(r, seed);
}

struct snap {
	struct store_oid at;
	struct str text;
};

static bool is_message(struct str line)
{
	return line.n >= 18 && line.p[0] == ' ';
}

/* Every message of `text`, wherever it stood, is in `all`. */
static void all_there(struct str text, struct str all, const char *what)
{
	struct str line;
	while (text.n > 0) {
		str_cut(&line, &text, text, '\n');
		if (is_message(line))
			cr_assert(str_find(all, str_sub(line, 0, 18)) >= 0, "%s: %.*s is lost",
				what, STR_ARG(line));
	}
}

static void none_twice(struct str text)
{
	struct str rest = text, line;
	while (rest.n > 0) {
		str_cut(&line, &rest, rest, '\n');
		if (is_message(line))
			cr_assert(str_find(rest, str_sub(line, 0, 18)) < 0, "%.*s stands twice",
				STR_ARG(line));
	}
}

static void missing_lines(struct str in, struct str of, const char *what)
{
	struct str line, box = STR("");
	while (of.n > 0) {
		str_cut(&line, &of, of, '\n');
		if (!is_message(line))
			box = line;
		if (str_find(in, line) < 0)
			cr_log_error("%s: %.*s: %.*s", what, STR_ARG(box), STR_ARG(line));
	}
}

static void expect_same(struct str got, struct str want, const char *what)
{
	if (str_eq(got, want))
		return;
	missing_lines(got, want, "not there");
	missing_lines(want, got, "too much");
	cr_assert(false, "%s: not the same", what);
}

static void check_restore(struct rig *r, const struct snap *snap, uint64_t *seed)
{
	const char *name = names[pick(seed, ARRAY_LEN(names))];
	struct str before = look(r, NULL);
	struct mail_restore d, t = { .path = str_of(name), .to = snap->at, .dry_run = true };
	int err;
	client_looks(r);
	switch (pick(seed, 3)) {
	case 0: /* all, exactly */
		d = restore(r, "", &snap->at, true);
		expect_same(look(r, NULL), snap->text, "exactly");
		break;
	case 1: /* all: nothing of then is missing, nothing of now is lost */
		d = restore(r, "", &snap->at, false);
		all_there(snap->text, look(r, NULL), "then");
		all_there(before, look(r, NULL), "now");
		break;
	default: /* one folder and those below */
		err = mail_restore(&t, r->a);
		if (err == ERR_NOENT)
			return;
		cr_ok(err);
		d = restore(r, name, &snap->at, false);
		all_there(before, look(r, NULL), "now");
	}
	none_twice(look(r, NULL));
	client_looks(r);
	if (pick(seed, 2)) {
		undo(r, &d);
		expect_same(look(r, NULL), before, "undone");
		client_looks(r);
	}
}

static void restore_histories(struct rig *r, uint64_t seed, unsigned rounds)
{
	struct snap snaps[SNAPS];
	struct arena kept;
	arena_init(&kept, 64u << 20);
	client.n = client.box_count = 0;
	for (unsigned n = 0; n < rounds; n++) {
		for (unsigned k = pick(&seed, 12) + 1; k > 0; k--)
			some_step(r, &seed);
		if (n >= SNAPS)
			check_restore(r, &snaps[pick(&seed, SNAPS)], &seed);
		snaps[n < SNAPS ? n : pick(&seed, SNAPS)] =
			(struct snap){ head(r), arena_dup(&kept, look(r, NULL)) };
		if (n % 40 == 0) {
			struct str was = look(r, NULL);
			client_looks(r);
			rig_rebuild(r);
			client_looks(r);
			expect_same(look(r, NULL), was, "rebuilt");
		}
		arena_reset(&r->arena);
	}
	rig_verify(r);
	arena_free(&kept);
}

#define RESTORES(seed) \
	MAIL_TEST(restore_history_##seed, .timeout = 120) \
	{ \
		restore_histories(r, seed, 150); \
	}
RESTORES(1)
RESTORES(2)
RESTORES(3)

/* A delivery and a restore may share a commit; a commit of a delivery may be undone by mistake. */
MAIL_TEST(undo_keeps_what_first_arrived)
{
	uint32_t a = rig_append(r, "INBOX", STR("Subject: a\r\n\r\n"), 0);
	expunge(r, "INBOX", a);
	struct store_oid to = head(r);
	rig_append(r, "INBOX", STR("Subject: new\r\n\r\n"), 0);
	cr_ok(mail_create(r->a, STR("Box"), MAIL_USE_NONE));
	rig_append(r, "Box", STR("Subject: newer\r\n\r\n"), 0);
	struct str before = look(r, NULL);
	struct mail_restore u = { .path = STR(""), .to = to, .from = head(r), .undo = true };
	cr_ok(mail_restore(&u, r->a));
	cr_expect(u.removed == 0 && u.commits == 0);
	cr_expect_str(look(r, NULL), before);
}

/* What the branch never had is not brought in from elsewhere in the store. */
MAIL_TEST(restore_wants_its_own_history)
{
	struct mail_account *bob;
	struct store_oid other;
	rig_append(r, "INBOX", STR("Subject: a\r\n\r\n"), 0);
	cr_ok(mail_account_open(&bob, r->m, STR("bob")));
	cr_ok(store_ref_get(&other, r->s, STR("refs/heads/bob")));
	struct mail_restore d = { .path = STR(""), .to = other };
	cr_expect_eq(mail_restore(&d, r->a), ERR_BAD);
	struct mail_restore u = { .path = STR(""), .to = head(r), .from = other, .undo = true };
	cr_expect_eq(mail_restore(&u, r->a), ERR_BAD);
}
