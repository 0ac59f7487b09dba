/* SPDX-License-Identifier: ISC */
/* STATUS (RFC 3501 6.3.10), with SIZE (RFC 8438), APPENDLIMIT (RFC 7889), HIGHESTMODSEQ (RFC 7162)
 * and MAILBOXID (RFC 8474). */
#include "services/mail/imap_impl.h"

enum {
	MESSAGES = 1,
	RECENT = 2,
	UIDNEXT = 4,
	UIDVALIDITY = 8,
	UNSEEN = 16,
	SIZE = 32,
	APPENDLIMIT = 64,
	HIGHESTMODSEQ = 128,
	MAILBOXID = 256
};
static const struct {
	const char *name;
	unsigned bit;
} items[] = {
	{ "MESSAGES", MESSAGES },
	{ "RECENT", RECENT },
	{ "UIDNEXT", UIDNEXT },
	{ "UIDVALIDITY", UIDVALIDITY },
	{ "UNSEEN", UNSEEN },
	{ "SIZE", SIZE },
	{ "APPENDLIMIT", APPENDLIMIT },
	{ "HIGHESTMODSEQ", HIGHESTMODSEQ },
	{ "MAILBOXID", MAILBOXID },
};

unsigned imap_status_items(struct imap_rd *rd)
{
	unsigned bits = 0;
	imap_expect(rd, '(');
	do {
		unsigned bit = 0;
		struct str name = imap_atom(rd);
		for (size_t i = 0; i < ARRAY_LEN(items); i++)
			if (str_ieq(name, str_of(items[i].name)))
				bit = items[i].bit;
		if (!bit)
			imap_rd_fail(rd, "there is no such status item");
		bits |= bit;
	} while (imap_try(rd, ' '));
	imap_expect(rd, ')');
	return bits;
}

/* What a session selecting it now would be told. */
static int count_recent(uint64_t *recent, struct imap *c, struct str name)
{
	struct mail_box *box;
	int err = mail_box_open(&box, c->acct, name);
	if (err < 0)
		return err;
	uint32_t from = mail_box_recent(box, false);
	size_t i = mail_box_count(box);
	while (i && mail_box_at(box, i - 1)->uid >= from)
		i--;
	*recent = mail_box_count(box) - i;
	mail_box_close(box);
	return 0;
}

static uint64_t value_of(
	const struct imap *c, const struct mail_box_state *st, uint64_t recent, unsigned bit)
{
	switch (bit) {
	case MESSAGES: return st->count;
	case RECENT: return recent;
	case UIDNEXT: return st->uidnext;
	case UIDVALIDITY: return st->uidvalidity;
	case UNSEEN: return st->unseen;
	case SIZE: return st->size_bytes;
	case HIGHESTMODSEQ: return st->highest_modseq;
	default: return c->conf->append_max_bytes;
	}
}

int imap_put_status(struct imap *c, struct str name, unsigned bits)
{
	struct mail_box_state st;
	uint64_t recent = 0;
	const char *sep = "";
	arena_reset(&c->scratch);
	int err = mail_status(&st, &c->scratch, c->acct, name);
	if (err == 0 && bits & RECENT)
		err = count_recent(&recent, c, name);
	if (err < 0)
		return err;
	if (bits & HIGHESTMODSEQ)
		imap_condstore(c);
	imap_put(c, STR("* STATUS "));
	imap_put_name(c, imap_mailbox_wire(&c->scratch, name));
	imap_put(c, STR(" ("));
	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		if (!(bits & items[i].bit))
			continue;
		imap_putf(c, "%s%s ", sep, items[i].name);
		if (items[i].bit == MAILBOXID)
			imap_putf(c, "(%.*s)", STR_ARG(st.id));
		else
			imap_put_number(c, value_of(c, &st, recent, items[i].bit));
		sep = " ";
	}
	imap_put(c, STR(")\r\n"));
	return 0;
}

void imap_run_status(struct imap *c, struct imap_rd *rd)
{
	imap_sp(rd);
	struct str name = imap_mailbox(rd);
	imap_sp(rd);
	unsigned bits = imap_status_items(rd);
	imap_end(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	int err = imap_put_status(c, name, bits);
	if (err < 0)
		imap_fail(c, err);
	else
		imap_ok(c, "done");
}
