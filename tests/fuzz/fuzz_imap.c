/* SPDX-License-Identifier: ISC */
/* Commands with literals: any split gives the same end; then every argument parser over the words. */
#include "services/mail/imap_items.h"
#include "services/mail/imap_query.h"
#include "services/mail/imap_seq.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Bytes of the first command, its literals inside; n when it does not end. */
static size_t command_end(struct str in, size_t step)
{
	struct imap_scan s;
	size_t at = 0;
	imap_scan_begin(&s);
	while (at < in.n) {
		struct str piece = str_sub(in, at, at + step);
		ptrdiff_t lf = str_chr(piece, '\n');
		if (lf >= 0)
			piece.n = (size_t)lf + 1;
		at += piece.n;
		switch (imap_scan(&s, piece)) {
		case IMAP_MORE: os_assert(lf < 0); break;
		case IMAP_LINE: return at;
		case IMAP_LITERAL:
			if (s.literal >= in.n - at)
				return in.n;
			at += s.literal;
			break;
		}
	}
	return in.n;
}

static void inside(struct str word, struct imap_rd *rd, struct str text)
{
	if (!rd->why && word.p >= text.p && word.p < text.p + text.n)
		os_assert(word.n <= text.n);
	for (size_t i = 0; i < word.n; i++) /* every byte is readable */
		((volatile const char *)word.p)[i];
}

static void parse_arguments(struct imap_rd rd)
{
	static struct imap_query q;
	struct imap_items items;
	struct imap_set set;
	struct imap_rd again = rd;
	imap_query_parse(&q, &again);
	os_assert(again.why || q.bad_charset || q.root);
	again = rd;
	imap_sp(&again);
	imap_set_parse(&set, &again);
	imap_set_resolve(&set, 17);
	for (size_t i = 1; i < set.n; i++)
		os_assert(set.r[i].from > set.r[i - 1].to);
	imap_sp(&again);
	imap_items_parse(&items, &again, true);
	os_assert(again.why || items.n > 0);
	again = rd;
	imap_sp(&again);
	imap_date_time(&again);
	again = rd;
	imap_sp(&again);
	imap_date(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str in = str_n(p, n);
	size_t end = command_end(in, n ? n : 1);
	struct imap_rd rd;
	struct arena a;
	os_assert(end == command_end(in, 1) && end == command_end(in, 3));
	struct str text = str_sub(in, 0, end);
	arena_init(&a, 4 << 20);
	imap_rd_init(&rd, text, &a);
	inside(imap_tag(&rd), &rd, text);
	imap_sp(&rd);
	inside(imap_atom(&rd), &rd, text);
	parse_arguments(rd);
	while (imap_peek(&rd) >= 0) {
		imap_sp(&rd);
		struct imap_rd flag = rd;
		inside(imap_flag_text(&flag), &flag, text);
		inside(imap_astring(&rd), &rd, text);
	}
	arena_free(&a);
	return 0;
}
