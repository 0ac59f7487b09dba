/* SPDX-License-Identifier: ISC */
/* Flags and keywords on the wire (RFC 3501 2.3.2). */
#include "services/mail/imap_impl.h"

static const struct {
	struct str name;
	uint32_t bit;
} system_flags[] = {
	{ { "\\Answered", 9 }, MAIL_ANSWERED },
	{ { "\\Flagged", 8 }, MAIL_FLAGGED },
	{ { "\\Deleted", 8 }, MAIL_DELETED },
	{ { "\\Seen", 5 }, MAIL_SEEN },
	{ { "\\Draft", 6 }, MAIL_DRAFT },
};

uint32_t imap_flag_bit(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++)
		if (str_ieq(name, system_flags[i].name))
			return system_flags[i].bit;
	return 0;
}

/* As many as the line has: how many a mailbox may have is said by mail_flags and mail_append. */
static void add_keyword(struct imap_flags *out, struct imap_rd *rd, struct str text)
{
	if ((out->keyword_count & (out->keyword_count - 1)) == 0) {
		size_t cap = out->keyword_count ? 2 * out->keyword_count : 1;
		struct str *more = arena_alloc(rd->a, cap * sizeof(*more));
		if (!more) {
			imap_rd_fail(rd, "the command needs too much memory");
			return;
		}
		if (out->keyword_count)
			memcpy(more, out->keywords, out->keyword_count * sizeof(*more));
		out->keywords = more;
	}
	out->keywords[out->keyword_count++] = text;
}

static void add_flag(struct imap_flags *out, struct imap_rd *rd, struct str text)
{
	uint32_t bit = imap_flag_bit(text);
	out->flags |= bit;
	if (rd->why || bit)
		return;
	if (text.p[0] == '\\')
		imap_rd_fail(rd, "there is no such system flag to set");
	else if (text.n > MAIL_KEYWORD_BYTES)
		imap_rd_fail(rd, "a keyword is too long");
	else
		add_keyword(out, rd, text);
}

void imap_flags_parse(struct imap_flags *out, struct imap_rd *rd, bool bare)
{
	*out = (struct imap_flags){ 0 };
	bool list = !bare || imap_peek(rd) == '(';
	if (list)
		imap_expect(rd, '(');
	if (list && imap_try(rd, ')'))
		return;
	do
		add_flag(out, rd, imap_flag_text(rd));
	while (imap_try(rd, ' '));
	if (list)
		imap_expect(rd, ')');
}

/* The next of the names in a list. */
static void put_name(struct imap *c, bool *first, struct str name)
{
	if (!*first)
		imap_put(c, STR(" "));
	*first = false;
	imap_put(c, name);
}

static void put_names(struct imap *c, uint32_t flags, uint64_t keywords, bool recent)
{
	bool first = true;
	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++)
		if (flags & system_flags[i].bit)
			put_name(c, &first, system_flags[i].name);
	if (recent)
		put_name(c, &first, STR("\\Recent"));
	unsigned known = mail_box_keyword_count(c->view.box);
	for (unsigned i = 0; i < known && keywords; i++, keywords >>= 1)
		if (keywords & 1)
			put_name(c, &first, mail_box_keyword(c->view.box, i));
}

void imap_put_flags(struct imap *c, uint32_t flags, uint64_t keywords, bool recent)
{
	imap_put(c, STR("FLAGS ("));
	put_names(c, flags, keywords, recent);
	imap_put(c, STR(")"));
}

void imap_put_flag_list(struct imap *c)
{
	uint32_t all = MAIL_SEEN | MAIL_ANSWERED | MAIL_FLAGGED | MAIL_DELETED | MAIL_DRAFT;
	c->view.keywords_told = mail_box_keyword_count(c->view.box);
	imap_put(c, STR("* FLAGS ("));
	put_names(c, all, UINT64_MAX, false);
	imap_put(c, STR(")\r\n* OK [PERMANENTFLAGS ("));
	if (!c->view.readonly) {
		put_names(c, all, UINT64_MAX, false);
		if (c->view.keywords_told < MAIL_KEYWORDS_MAX)
			imap_put(c, STR(" \\*"));
	}
	imap_put(c, c->view.readonly ? STR(")] read only\r\n") : STR(")] kept for good\r\n"));
}

uint64_t imap_keyword_bits(const struct mail_box *b, const struct str *names, size_t n)
{
	uint64_t bits = 0;
	unsigned known = mail_box_keyword_count(b);
	for (unsigned i = 0; i < known; i++)
		for (size_t k = 0; k < n; k++)
			if (str_ieq(names[k], mail_box_keyword(b, i)))
				bits |= (uint64_t)1 << i;
	return bits;
}
