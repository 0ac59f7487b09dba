/* SPDX-License-Identifier: ISC */
/*
 * For tests/e2e/test_mime_oracle.py: what our reader says of messages.
 * In: "<bytes>\n" and the message, repeated. Out: the same frame around one IMAP-style list
 *	(ENVELOPE BODYSTRUCTURE BODY subject date-seconds zone ((header body end text (params))...))
 * with the parts in order of appearance; text: the decoded body of a leaf, else NIL.
 */
#include "services/mail/mime.h"

#define CAP       ((size_t)256 << 20)
#define PUSH_STEP 4093

static void put_literal(struct buf *out, struct str s)
{
	if (!s.p) {
		buf_addz(out, "NIL");
		return;
	}
	buf_fmt(out, "{%zu}\r\n", s.n);
	buf_add(out, s);
}

static void put_params(struct buf *out, const struct mime_param *p)
{
	buf_addc(out, '(');
	for (const char *before = ""; p; p = p->next, before = " ") {
		buf_addz(out, before);
		put_literal(out, p->name);
		buf_addc(out, ' ');
		put_literal(out, p->value);
	}
	buf_addc(out, ')');
}

static void put_part(struct buf *out, struct arena *a, const struct mime_part *p, struct str in)
{
	struct str text = STR_NONE;
	if (!p->child) {
		struct mime_text t;
		struct buf b;
		buf_init(&b, a);
		buf_addz(&b, "");
		if (mime_text_begin(&t, a, p->encoding, mime_param(p->params, "charset")) == 0)
			mime_text_push(&t, str_sub(in, p->body_at, p->end_at), true, &b);
		text = buf_str(&b);
	}
	buf_fmt(out, "(%llu %llu %llu ", (unsigned long long)p->header_at,
		(unsigned long long)p->body_at, (unsigned long long)p->end_at);
	put_literal(out, text);
	buf_addc(out, ' ');
	put_params(out, p->params);
	buf_addc(out, ')');
}

static void dump(struct buf *out, struct arena *a, struct str in)
{
	struct mime_parser parser;
	int64_t sec = 0;
	int zone = 0;
	mime_begin(&parser, a);
	for (size_t at = 0; at < in.n; at += PUSH_STEP)
		mime_push(&parser, str_sub(in, at, at + PUSH_STEP));
	const struct mime_part *root = mime_end(&parser);
	if (!root)
		return;
	buf_addc(out, '(');
	mime_envelope(out, a, root->header);
	buf_addc(out, ' ');
	mime_bodystructure(out, root, a, true);
	buf_addc(out, ' ');
	mime_bodystructure(out, root, a, false);
	buf_addc(out, ' ');
	put_literal(out, mime_decode_words(a, mime_header_get(a, root->header, "subject")));
	if (mime_date(&sec, &zone, mime_header_get(a, root->header, "date")) == 0)
		buf_fmt(out, " %lld %d (", (long long)sec, zone);
	else
		buf_addz(out, " NIL NIL (");
	for (const struct mime_part *p = root; p;) {
		put_part(out, a, p, in);
		if (p->child) {
			p = p->child;
			continue;
		}
		while (p && !p->next)
			p = p->parent;
		p = p ? p->next : NULL;
	}
	buf_addz(out, "))");
}

int main(void)
{
	size_t n;
	while (scanf("%zu", &n) == 1 && getchar() == '\n') {
		struct arena a;
		struct buf out;
		char *in = malloc(n + 1);
		if (!in || fread(in, 1, n, stdin) != n)
			return 1;
		arena_init(&a, CAP);
		buf_init(&out, &a);
		dump(&out, &a, str_n(in, n));
		if (out.err < 0)
			return 1;
		printf("%zu\n", out.n);
		fwrite(out.p, 1, out.n, stdout);
		fflush(stdout);
		arena_free(&a);
		free(in);
	}
	return 0;
}
