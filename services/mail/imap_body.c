/* SPDX-License-Identifier: ISC */
/* Which bytes of a message a section is, and its structure, read in bounded memory. */
#include "services/mail/imap_body.h"

#define TREE_MAX (8 * 1024 * 1024)
#define YIELD    (1024 * 1024)

void imap_tree_drop(struct imap *c)
{
	arena_free(&c->tree.arena);
	c->tree.root = NULL;
}

int imap_tree_load(struct imap *c, const struct mail_msg *msg)
{
	struct imap_tree *t = &c->tree;
	struct mime_parser p;
	uint64_t at = 0;
	if (t->root && store_oid_eq(&t->blob, &msg->blob))
		return 0;
	imap_tree_drop(c);
	arena_init(&t->arena, TREE_MAX);
	char *piece = arena_alloc(&c->scratch, IMAP_COPY_BYTES);
	if (!piece)
		return err_set(ERR_LIMIT, "one command asks for too much of a message");
	mime_begin(&p, &t->arena);
	while (at < msg->size_bytes) {
		size_t n;
		int err =
			store_blob_read(&n, c->conf->store, &msg->blob, at, piece, IMAP_COPY_BYTES);
		if (err < 0)
			return err;
		if (!n)
			break;
		mime_push(&p, str_n(piece, n));
		if (at / YIELD != (at + n) / YIELD)
			os_yield();
		at += n;
	}
	t->root = mime_end(&p);
	t->blob = msg->blob;
	return t->root ? 0 : err_set(ERR_LIMIT, "the message has too many parts to look into");
}

int imap_load(
	struct str *out, struct imap *c, const struct mail_msg *msg, uint64_t from, uint64_t to)
{
	uint64_t n = to - from > MIME_HEADER_MAX ? MIME_HEADER_MAX : to - from;
	size_t got = 0;
	char *p = arena_alloc(&c->scratch, n ? n : 1);
	if (!p)
		return err_set(ERR_LIMIT, "one command asks for too much of a message");
	int err = n ? store_blob_read(&got, c->conf->store, &msg->blob, from, p, n) : 0;
	*out = str_n(p, got);
	return err;
}

/* HEADER.FIELDS and .NOT: the fields as they stand, and the empty line (RFC 3501 6.4.5). */
static int pick_fields(
	struct str *out, struct imap *c, const struct imap_item *it, struct str header)
{
	struct mime_header h;
	struct str name, value, whole;
	struct buf b;
	bool wanted = it->section == IMAP_SECTION_FIELDS;
	buf_init(&b, &c->scratch);
	mime_header_begin(&h, header);
	while (mime_header_next(&name, &value, &whole, &h)) {
		bool named = false;
		for (size_t i = 0; !named && i < it->field_count; i++)
			named = str_ieq(name, it->fields[i]);
		if (named == wanted && str_trim(whole).n)
			buf_add(&b, whole);
	}
	if (b.n && b.p[b.n - 1] != '\n')
		buf_addz(&b, "\r\n");
	buf_addz(&b, "\r\n");
	*out = buf_str(&b);
	return b.err < 0 ? err_set(ERR_LIMIT, "one command asks for too much of a message") : 0;
}

/* The header and the end of the message or embedded message whose HEADER or TEXT is asked for. */
struct bounds {
	uint64_t header_at, body_at, end_at;
};

static bool bounds_of(struct bounds *out, struct imap *c, const struct imap_item *it,
	const struct mail_msg *msg, const struct mail_summary *sum)
{
	if (!it->path_count) {
		*out = (struct bounds){ 0, sum->header_bytes, msg->size_bytes };
		return true;
	}
	const struct mime_part *p = mime_find(c->tree.root, it->path, it->path_count);
	bool inner = it->section != IMAP_SECTION_ALL && it->section != IMAP_SECTION_MIME;
	if (p && inner)
		p = str_ieq(p->type, STR("message")) ? p->child : NULL;
	if (!p)
		return false;
	*out = (struct bounds){ p->header_at, p->body_at, p->end_at };
	return true;
}

int imap_span_of(struct imap_span *out, struct imap *c, const struct imap_item *it,
	const struct mail_msg *msg, const struct mail_summary *sum)
{
	struct bounds b = { 0 };
	struct str header;
	*out = (struct imap_span){ 0 };
	if (it->section == IMAP_SECTION_ALL && !it->path_count) {
		out->to = msg->size_bytes;
		return 0;
	}
	out->nil = !bounds_of(&b, c, it, msg, sum);
	if (out->nil)
		return 0;
	switch (it->section) {
	case IMAP_SECTION_ALL:
	case IMAP_SECTION_TEXT:
		out->from = b.body_at;
		out->to = b.end_at;
		return 0;
	case IMAP_SECTION_HEADER:
	case IMAP_SECTION_MIME:
		out->from = b.header_at;
		out->to = b.body_at;
		return 0;
	case IMAP_SECTION_FIELDS:
	case IMAP_SECTION_FIELDS_NOT: break;
	}
	int err = imap_load(&header, c, msg, b.header_at, b.body_at);
	return err < 0 ? err : pick_fields(&out->text, c, it, header);
}

static void stream(struct imap *c, const struct mail_msg *msg, uint64_t from, uint64_t to)
{
	char few[512], *piece = arena_alloc(&c->scratch, IMAP_COPY_BYTES);
	size_t cap = piece ? IMAP_COPY_BYTES : sizeof(few); /* it is announced: never no room */
	int err = 0;
	piece = piece ? piece : few;
	while (err == 0 && from < to && c->w.err == 0) {
		size_t n = to - from < cap ? to - from : cap;
		err = store_blob_read(&n, c->conf->store, &msg->blob, from, piece, n);
		if (err == 0 && !n)
			err = err_set(ERR_CORRUPT, "a message is shorter than its size");
		if (err == 0)
			os_write(&c->w, str_n(piece, n));
		from += n;
	}
	if (err < 0) { /* the literal is announced: nothing else can be said on this connection */
		os_log(OS_ERROR, "svc=imap event=read-failed uid=%u why=\"%s\"", msg->uid,
			err_text(err));
		c->w.err = c->w.err ? c->w.err : err;
		c->state = IMAP_LOGOUT;
	}
}

void imap_put_span(struct imap *c, const struct imap_item *it, const struct mail_msg *msg,
	const struct imap_span *s)
{
	imap_put(c, it->label);
	if (s->nil) {
		imap_put(c, STR(" NIL"));
		return;
	}
	uint64_t from = s->text.p ? 0 : s->from, to = s->text.p ? s->text.n : s->to;
	if (it->partial) {
		from = it->offset < to - from ? from + it->offset : to;
		to = it->length < to - from ? from + it->length : to;
	}
	imap_putf(c, " {%llu}\r\n", (unsigned long long)(to - from));
	if (s->text.p)
		imap_put(c, str_sub(s->text, from, to));
	else
		stream(c, msg, from, to);
}
