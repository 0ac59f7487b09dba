/* SPDX-License-Identifier: ISC */
#include "services/mail/imap_envelope.h"
#include "services/mail/mime.h"

static struct str nstring(struct imap_rd *rd)
{
	return imap_try_word(rd, "NIL") ? STR_NONE : imap_string(rd);
}

static bool is_list(enum imap_envelope_field f)
{
	return f >= IMAP_ENVELOPE_FROM && f <= IMAP_ENVELOPE_BCC;
}

struct address {
	struct str name, route, mailbox, host;
};

static void read_address(struct address *out, struct imap_rd *rd)
{
	imap_expect(rd, '(');
	out->name = nstring(rd);
	imap_sp(rd);
	out->route = nstring(rd);
	imap_sp(rd);
	out->mailbox = nstring(rd);
	imap_sp(rd);
	out->host = nstring(rd);
	imap_expect(rd, ')');
}

/* From its '(' to its ')', passed over. */
static struct str read_list(struct imap_rd *rd)
{
	const char *from = rd->at;
	struct address unused;
	if (imap_try_word(rd, "NIL"))
		return STR_NONE;
	imap_expect(rd, '(');
	while (imap_peek(rd) == '(')
		read_address(&unused, rd);
	imap_expect(rd, ')');
	return str_n(from, (size_t)(rd->at - from));
}

void imap_envelope_read(struct imap_envelope *out, struct imap_rd *rd)
{
	*out = (struct imap_envelope){ 0 };
	for (int f = 0; f < IMAP_ENVELOPE_FIELDS && !rd->why; f++) {
		imap_expect(rd, f ? ' ' : '(');
		out->field[f] = is_list((enum imap_envelope_field)f) ? read_list(rd) : nstring(rd);
	}
	imap_expect(rd, ')');
	imap_end(rd);
}

static void add_folded(struct buf *out, struct arena *a, struct str s)
{
	mime_fold(out, mime_decode_words(a, s.p ? s : STR("")));
}

static void add_address(struct buf *out, struct arena *a, const struct address *x, bool first)
{
	if (!first)
		buf_addz(out, ", ");
	if (x->name.p)
		add_folded(out, a, x->name);
	if (!x->mailbox.p)
		return;
	buf_addz(out, x->name.p ? " <" : "<");
	mime_fold(out, x->mailbox);
	if (x->host.p) {
		buf_addc(out, '@');
		mime_fold(out, x->host);
	}
	buf_addc(out, '>');
}

void imap_envelope_text(
	struct buf *out, struct arena *a, const struct imap_envelope *e, enum imap_envelope_field f)
{
	struct imap_rd rd;
	struct address x;
	if (!is_list(f)) {
		add_folded(out, a, e->field[f]);
		return;
	}
	imap_rd_init(&rd, e->field[f], a);
	imap_expect(&rd, '(');
	for (bool first = true; imap_peek(&rd) == '('; first = false) {
		read_address(&x, &rd);
		add_address(out, a, &x, first);
	}
}
