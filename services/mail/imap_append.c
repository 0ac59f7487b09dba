/* SPDX-License-Identifier: ISC */
/* APPEND (RFC 3501 6.3.11), several messages at once (RFC 3502), APPENDUID (RFC 4315). */
#include "services/mail/imap_impl.h"

struct append {
	struct str mailbox;
	struct mail_item items[MAIL_APPEND_ITEMS_MAX];
	uint32_t uids[MAIL_APPEND_ITEMS_MAX];
	size_t n;
	int err; /* first that went wrong while the bytes kept coming */
};

/* " [flags] [date] {n}": the line ends there, c->scan has the literal. */
static void parse_item(struct mail_item *it, struct imap_rd *rd)
{
	*it = (struct mail_item){ 0 };
	imap_sp(rd);
	if (imap_peek(rd) == '(') {
		struct imap_flags f;
		imap_flags_parse(&f, rd, false);
		it->flags = f.flags;
		it->keywords = f.keywords;
		it->keyword_count = f.keyword_count;
		imap_sp(rd);
	}
	if (imap_peek(rd) == '"') {
		it->internal_sec = imap_date_time(rd);
		imap_sp(rd);
	}
	imap_literal_head(rd);
}

static int spool_piece(struct store_spool *w, struct str bytes)
{
	if (memchr(bytes.p, 0, bytes.n))
		return err_set(ERR_BAD, "a message with NUL bytes cannot be kept");
	return store_spool_write(w, bytes);
}

/* The announced bytes are read in any case; what went wrong with them is in a->err. */
static int take_message(struct imap *c, struct append *a, struct mail_item *it)
{
	struct store_spool *w = NULL;
	int err = a->err < 0 ? a->err : store_spool_begin(&w, c->conf->store);
	for (uint64_t left = c->scan.literal; left;) {
		struct str s;
		int lost = os_read_some(&s, &c->r, left < IMAP_ROOM ? left : IMAP_ROOM,
			os_after(IMAP_LITERAL_SEC * OS_SEC));
		if (lost < 0) {
			if (w)
				store_spool_abort(w);
			return lost;
		}
		left -= s.n;
		if (err == 0)
			err = spool_piece(w, s);
	}
	if (err == 0)
		err = store_spool_finish(&it->blob, &it->size_bytes, w);
	else if (w)
		store_spool_abort(w);
	a->err = a->err < 0 ? a->err : err;
	return 0;
}

/* One message announced on c->line; false: answered, or the stream is gone. */
static bool append_item(struct imap *c, struct append *a, struct imap_rd *rd)
{
	struct mail_item *it = &a->items[a->n];
	if (a->n == MAIL_APPEND_ITEMS_MAX) {
		imap_no(c, "[LIMIT] at most %d messages at once", MAIL_APPEND_ITEMS_MAX);
		return false;
	}
	parse_item(it, rd);
	if (!rd->why && !c->literal)
		imap_rd_fail(rd, "expected the message as a literal");
	if (rd->why) {
		imap_bad_args(c, rd);
		return false;
	}
	if (c->scan.literal > c->conf->append_max_bytes) {
		imap_no(c, "[TOOBIG] a message may have %llu bytes",
			(unsigned long long)c->conf->append_max_bytes);
		return false;
	}
	if (!c->scan.literal) {
		imap_no(c, "[CANNOT] an empty message is taken as a change of mind");
		return false;
	}
	c->literal = false;
	if (c->scan.sync)
		imap_put(c, STR("+ send it\r\n"));
	int err = c->scan.sync ? os_flush(&c->w) : 0;
	err = err < 0 ? err : take_message(c, a, it);
	err = err < 0 ? err : imap_read_on(c);
	if (err < 0) {
		c->w.err = c->w.err ? c->w.err : ERR_CLOSED;
		c->state = IMAP_LOGOUT;
		return false;
	}
	a->n++;
	return true;
}

static void answer(struct imap *c, struct append *a)
{
	static const struct mail_why why = { { "imap: append", 12 } };
	uint32_t uidvalidity;
	int err = a->err;
	if (err == 0)
		err = mail_append(a->uids, &uidvalidity, c->acct, a->mailbox, a->items, a->n, why);
	if (err == ERR_NOENT) {
		imap_no(c, "[TRYCREATE] there is no such mailbox");
	} else if (err < 0) {
		imap_fail(c, err);
	} else {
		imap_done(c);
		imap_putf(c, "[APPENDUID %u %u", uidvalidity, a->uids[0]);
		if (a->n > 1)
			imap_putf(c, ":%u", a->uids[a->n - 1]); /* given in order, in one go */
		imap_put(c, STR("] appended\r\n"));
	}
}

void imap_run_append(struct imap *c, struct imap_rd *rd)
{
	struct mail_box_state st;
	struct append *a = ARENA_NEW(&c->arena, struct append);
	if (!a) {
		imap_fail(c, ERR_LIMIT);
		return;
	}
	imap_sp(rd);
	a->mailbox = imap_mailbox(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	if (mail_status(&st, &c->scratch, c->acct, a->mailbox) == ERR_NOENT) {
		imap_no(c, "[TRYCREATE] there is no such mailbox");
		return;
	}
	do {
		if (!append_item(c, a, rd))
			return;
		imap_rd_init(rd, buf_str(&c->line), &c->arena);
	} while (c->literal);
	imap_end(rd);
	if (rd->why || c->over)
		imap_bad(c, "APPEND: something follows the message");
	else
		answer(c, a);
}
