/* SPDX-License-Identifier: ISC */
/* Messages taken in: what becomes of each, in whatever pieces it comes. */
#include "services/mail/intake.h"
#include "services/control/control.h"
#include "tests/fake/stream.h"
#include "tests/mail/mailbox_rig.h"

struct letter {
	const char *head;
	struct str bytes;
};
struct feed { /* of `n` letters, three bytes at a time */
	struct control_source s;
	const struct letter *v;
	size_t n, at;
	struct str left;
	json_t *head;
	struct buf said; /* "added unchanged ..." */
};

static int next(struct control_source *s, const json_t **head, uint64_t *bytes)
{
	struct feed *f = (struct feed *)s;
	json_decref(f->head);
	f->head = f->at < f->n ? json_loads(f->v[f->at].head, 0, NULL) : NULL;
	f->left = f->head ? f->v[f->at++].bytes : STR("");
	*head = f->head;
	*bytes = f->left.n;
	return 0;
}

static int piece(struct control_source *s, struct str *part)
{
	struct feed *f = (struct feed *)s;
	*part = str_sub(f->left, 0, 3);
	f->left = str_sub(f->left, 3, f->left.n);
	return 0;
}

static int row(void *ctx, json_t *r)
{
	struct feed *f = ctx;
	buf_fmt(&f->said, "%s%s", f->said.n ? " " : "",
		json_string_value(json_object_get(r, "change")));
	json_decref(r);
	return 0;
}

static int take(
	struct rig *r, struct feed *f, const struct letter *v, size_t n, const char *box, bool dry)
{
	struct control_intake in = { .ref = STR("refs/heads/alice"),
		.collection = str_of(box),
		.source = STR("old.mbox"),
		.dry_run = dry,
		.row = row,
		.ctx = f };
	struct control_items items;
	*f = (struct feed){ .s = { next, piece }, .v = v, .n = n };
	buf_init(&f->said, &r->arena);
	mail_transfer(&items, r->m);
	int err = items.take_each(items.ctx, &in, &f->s);
	json_decref(f->head);
	cr_expect(in.committed ==
		(err == 0 && !dry && str_find(buf_str(&f->said), STR("added")) >= 0));
	return err;
}

static const struct letter letters[] = {
	{ "{\"flags\":\"FS\",\"keywords\":[\"work\",\"a b\",\"Work\",7],\"date\":1000}",
		{ "Subject: a\r\n\r\none", sizeof("Subject: a\r\n\r\none") - 1 } },
	{ "{\"date\":-9223372036854775808}",
		{ "Subject: b\r\n\r\ntwo", sizeof("Subject: b\r\n\r\ntwo") - 1 } },
	{ "{\"flags\":\"T\"}", { "Subject: a\r\n\r\none", sizeof("Subject: a\r\n\r\none") - 1 } },
	{ "{}", { "nul\0nul", sizeof("nul\0nul") - 1 } },
	{ "{}", { "", sizeof("") - 1 } },
};

/* Twins, NULs and nothing are left out; again, nothing is added; a dry run does nothing, and knows. */
MAIL_TEST(taken_in)
{
	struct feed f;
	cr_ok(take(r, &f, letters, ARRAY_LEN(letters), "Old/Mail", true));
	cr_expect_str(
		buf_str(&f.said), STR("collection-made added added unchanged refused refused"));
	cr_expect(!rig_info(r, "Old/Mail"));
	cr_ok(take(r, &f, letters, ARRAY_LEN(letters), "Old/Mail", false));
	cr_expect_str(
		buf_str(&f.said), STR("collection-made added added unchanged refused refused"));
	cr_assert(rig_info(r, "Old/Mail") && rig_info(r, "Old/Mail")->subscribed);
	struct mail_box *b = rig_box(r, "Old/Mail");
	cr_assert_eq(mail_box_count(b), 2);
	const struct mail_msg *m = mail_box_at(b, 0);
	cr_expect(m->flags == (MAIL_SEEN | MAIL_FLAGGED) && m->internal_sec == 1000 &&
		m->keywords == 1 && m->size_bytes == letters[0].bytes.n);
	cr_expect_str(mail_box_keyword(b, 0), STR("work"));
	cr_expect(mail_box_at(b, 1)->internal_sec > 1000);
	mail_box_close(b);
	rig_flag(r, "Old/Mail", 1, MAIL_FLAG_SET, 0); /* what it has here by now is no matter */
	for (int dry = 0; dry < 2; dry++) {
		cr_ok(take(r, &f, letters, ARRAY_LEN(letters), "Old/Mail", dry));
		cr_expect_str(
			buf_str(&f.said), STR("unchanged unchanged unchanged refused refused"));
	}
	/* in another mailbox it is another one; INBOX is where there is no word of any */
	cr_ok(take(r, &f, letters, 2, "", false));
	cr_expect_str(buf_str(&f.said), STR("added added"));
	rig_verify(r);
}

MAIL_TEST(taken_in_within_limits)
{
	struct letter many[MAIL_APPEND_ITEMS_MAX + 1];
	struct feed f;
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct letter){ "{}", arena_fmt(&r->arena, "%zu", i) };
	cr_expect_eq(take(r, &f, many, ARRAY_LEN(many), "INBOX", false), ERR_LIMIT);
	cr_ok(take(r, &f, many, MAIL_APPEND_ITEMS_MAX, "INBOX", false));
	cr_expect_eq(take(r, &f, letters, 1, "a//b", false), ERR_BAD);
}

#define TOKEN "0123456789abcdef0123456789abcdef"

/* Over the wire: what is between items is refused, whether it comes in one piece or many, and is not taken for the end,
 * which would say ok to the half of it. */
MAIL_TEST(taken_in_by_lines)
{
	struct str keyword = arena_fmt(&r->arena, "%05000d", 0);
	const char *bodies[] = { "{\"bytes\":3}\nabc{\"bytes\":3}\ndef",
		"{\"bytes\":3}\nabc\n{\"bytes\":3}\ndef", "\n{\"bytes\":3}\nabc",
		arena_fmt(&r->arena, "{\"bytes\":3,\"keywords\":[\"%.*s\"]}\nabc", STR_ARG(keyword))
			.p };
	struct control_items items;
	struct control_config cfg = { .store = r->s,
		.token = STR(TOKEN),
		.name = STR("mail"),
		.version = STR("0"),
		.items = &items };
	struct control *c;
	mail_transfer(&items, r->m);
	cr_ok(control_open(&c, &cfg));
	for (size_t i = 0; i < 2 * ARRAY_LEN(bodies); i++) {
		const char *body = bodies[i / 2];
		struct fake_stream f;
		fake_stream_init(&f,
			arena_fmt(&r->arena,
				"POST /v1/items?ref=refs/heads/alice HTTP/1.1\r\nHost: x\r\n"
				"Connection: close\r\nAuthorization: Bearer " TOKEN "\r\n"
				"Content-Length: %zu\r\n\r\n%s",
				strlen(body), body),
			i % 2 ? 7 : 1 << 20);
		control_serve(c, &f.s);
		cr_expect_eq(str_find(buf_str(&f.out), STR("\"commit\"")) >= 0, i == 0, "%zu", i);
		cr_expect_eq(str_find(buf_str(&f.out), STR("no line {bytes}")) >= 0, i >= 2,
			"%zu: %.*s", i, STR_ARG(buf_str(&f.out)));
		fake_stream_free(&f);
	}
	control_close(c);
}
