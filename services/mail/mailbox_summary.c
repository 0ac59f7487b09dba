/* SPDX-License-Identifier: ISC */
/* What FETCH says of a message without reading it again: made once, kept as a row. */
#include "services/mail/mailbox_impl.h"
#include "services/mail/mime.h"

#define CHUNK (64 * 1024)
#define TEXT_MAX \
	(2 * 1024 * 1024) /* of ENVELOPE, BODY and BODYSTRUCTURE: whoever fetches has room */

static int push_blob(struct mime_parser *p, struct store *s, const struct store_oid *blob)
{
	char *chunk = malloc(CHUNK);
	if (chunk == NULL)
		return ERR_NOMEM;
	uint64_t at = 0;
	size_t n;
	int err;
	do {
		err = store_blob_read(&n, s, blob, at, chunk, CHUNK);
		if (err == 0)
			mime_push(p, str_n(chunk, n));
		at += n;
	} while (err == 0 && n == CHUNK);
	free(chunk);
	return err;
}

/* A message with a structure past every limit is opaque text. */
static int make_opaque(
	struct mail_summary *out, struct arena *a, struct store *s, const struct store_oid *blob)
{
	uint64_t size_bytes;
	int err = store_blob_size(&size_bytes, s, blob);
	if (err < 0)
		return err;
	struct str text = arena_fmt(a, "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" %llu 0)",
		(unsigned long long)size_bytes);
	*out = (struct mail_summary){
		.envelope = STR("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
		.body = text,
		.bodystructure = text,
	};
	return text.p != NULL ? 0 : err_set(ERR_LIMIT, "mail: no room for a summary");
}

static int describe(struct mail_summary *out, struct arena *a, struct arena *scratch,
	const struct mime_part *root)
{
	struct arena room;
	struct buf b;
	struct str text;
	size_t envelope_end, body_end;
	arena_init(&room, TEXT_MAX);
	buf_init(&b, &room);
	mime_envelope(&b, scratch, root->header);
	envelope_end = b.n;
	mime_bodystructure(&b, root, scratch, false);
	body_end = b.n;
	mime_bodystructure(&b, root, scratch, true);
	text = b.err < 0 ? STR_NONE : arena_dup(a, buf_str(&b));
	arena_free(&room);
	if (text.p == NULL)
		return err_set(ERR_LIMIT, "mail: no room for a summary");
	out->envelope = str_sub(text, 0, envelope_end);
	out->body = str_sub(text, envelope_end, body_end);
	out->bodystructure = str_sub(text, body_end, text.n);
	out->header_bytes = (uint32_t)root->body_at;
	return 0;
}

int mail_summary_make(
	struct mail_summary *out, struct arena *a, struct store *s, const struct store_oid *blob)
{
	struct arena scratch;
	struct mime_parser p;
	arena_init(&scratch, MAIL_SUMMARY_ARENA);
	mime_begin(&p, &scratch);
	int err = push_blob(&p, s, blob);
	const struct mime_part *root = mime_end(&p);
	uint32_t header_bytes = root != NULL ? (uint32_t)root->body_at : 0;
	bool opaque = err == 0 && (root == NULL || describe(out, a, &scratch, root) < 0);
	arena_free(&scratch);
	if (opaque) {
		err = make_opaque(out, a, s, blob);
		out->header_bytes = header_bytes;
	}
	return err;
}

void mail_summary_encode(struct buf *out, const struct mail_summary *m)
{
	char head[12];
	size_t n = sizeof(head) + m->envelope.n + m->body.n + m->bodystructure.n;
	mail_put32(head, m->header_bytes);
	mail_put32(head + 4, (uint32_t)m->envelope.n);
	mail_put32(head + 8, (uint32_t)m->body.n);
	if (n > STORE_VALUE_MAX) {
		buf_add(out, str_n(head, 4));
		return;
	}
	buf_add(out, str_n(head, sizeof(head)));
	buf_add(out, m->envelope);
	buf_add(out, m->body);
	buf_add(out, m->bodystructure);
}

int mail_summary_decode(struct mail_summary *out, struct str value)
{
	if (value.n < 4)
		return err_set(ERR_CORRUPT, "mail: summary row of %zu bytes", value.n);
	out->header_bytes = mail_get32(value.p);
	if (value.n < 12)
		return ERR_NOENT;
	size_t envelope = mail_get32(value.p + 4), body = mail_get32(value.p + 8);
	struct str rest = str_sub(value, 12, value.n);
	if (envelope > rest.n || body > rest.n - envelope)
		return err_set(ERR_CORRUPT, "mail: summary row is cut short");
	out->envelope = str_sub(rest, 0, envelope);
	out->body = str_sub(rest, envelope, envelope + body);
	out->bodystructure = str_sub(rest, envelope + body, rest.n);
	return 0;
}

int mail_summary(
	struct mail_summary *out, struct arena *a, struct mail_box *b, const struct mail_msg *msg)
{
	struct mail_key key;
	struct str value;
	struct store *s = b->acct->m->s;
	mail_key_summary(&key, b->key.account, msg->lane, msg->seq);
	int err = store_row_get(&value, a, s, mail_key_str(&key));
	if (err == 0)
		err = mail_summary_decode(out, value);
	if (err == ERR_NOENT) /* too long for a row, or expunged by now */
		err = mail_summary_make(out, a, s, &msg->blob);
	return err;
}
