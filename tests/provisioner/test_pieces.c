/* SPDX-License-Identifier: ISC */
/* Items found in files, and put together again. */
#include "provisioner/pieces.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

static void note(void *ctx, const char *file, uint32_t line, const char *why)
{
	(void)file;
	buf_fmt(ctx, "%u: %s; ", (unsigned)line, why);
}

/* All items, one after the other, as they would be sent; what was wrong is in *faults. */
static struct str read_in(
	struct arena *a, struct buf *faults, bool cards, struct str text, int want)
{
	char path[] = "/tmp/allod-pieces-XXXXXX";
	int fd = mkstemp(path);
	struct prov_pieces *p;
	struct prov_item item;
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	buf_init(faults, a);
	buf_add(faults, STR(""));
	cr_assert_eq(write(fd, text.p, text.n), (ssize_t)text.n);
	close(fd);
	cr_assert_eq(prov_pieces_open(&p, cards, note, faults), 0);
	cr_assert_eq(prov_pieces_add(p, path), want, "%s", err_text(want));
	for (size_t i = 0; i < prov_pieces_count(p); i++) {
		cr_assert_eq(prov_pieces_item(&item, a, p, i), 0);
		buf_fmt(&b, "<%u>%.*s", (unsigned)item.line, STR_ARG(item.bytes));
	}
	prov_pieces_close(p);
	unlink(path);
	return buf_str(&b);
}

#define CAL     "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:p\r\n"
#define END     "END:VCALENDAR\r\n"
#define ZONE(x) "BEGIN:VTIMEZONE\r\nTZID:Z\r\nCOMMENT:" x "\r\nEND:VTIMEZONE\r\n"

Test(pieces, calendars)
{
	static const struct {
		const char *text, *items, *faults;
	} rows[] = {
		/* Together by UID, however far apart; line ends as they should be. */
		{ "BEGIN:VCALENDAR\nPRODID:p\nBEGIN:VEVENT\nUID:a\nEND:VEVENT\nBEGIN:VEVENT\nUID:"
		  "b\n"
		  "END:VEVENT\nBEGIN:VEVENT\nRECURRENCE-ID:1\nUID:a\nEND:VEVENT\nEND:VCALENDAR\n",
			"<3>" CAL
			"BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nRECURRENCE-ID:1"
			"\r\nUID:a\r\nEND:VEVENT\r\n" END "<6>" CAL
			"BEGIN:VEVENT\r\nUID:b\r\nEND:VEVENT\r\n" END,
			"" },
		/* Each with the zones it needs, those of its own VCALENDAR. */
		{ CAL ZONE("one") "BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Z:1\r\nEND:VEVENT\r\n" END
				CAL ZONE("two") "BEGIN:VEVENT\r\nUID:b\r\nDTSTART;TZID=Z:1\r\nEND:"
						"VEVENT\r\n"
						"BEGIN:VEVENT\r\nUID:c\r\nEND:VEVENT\r\n" END,
			"<8>" CAL ZONE(
				"one") "BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Z:1\r\nEND:"
				       "VEVENT\r\n" END "<20>" CAL ZONE(
					       "two") "BEGIN:VEVENT\r\nUID:b\r\nDTSTART;TZID=Z:"
						      "1\r\n"
						      "END:VEVENT\r\n" END "<24>" CAL
						      "BEGIN:VEVENT\r\nUID:c\r\nEND:VEVENT\r\n" END,
			"" },
		/* Of two for the same the newer one stays, by SEQUENCE first. */
		{ CAL "BEGIN:VEVENT\r\nUID:a\r\nSEQUENCE:2\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:"
		      "a\r\n"
		      "SEQUENCE:1\r\nDTSTAMP:20300101T000000Z\r\nEND:VEVENT\r\n" END,
			"<4>" CAL "BEGIN:VEVENT\r\nUID:a\r\nSEQUENCE:2\r\nEND:VEVENT\r\n" END, "" },
		/* What is broken is told with its line and leaves the others alone. */
		{ CAL "BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:b\r\nEND:"
		      "VALARM\r\n"
		      "END:VEVENT\r\nBEGIN:VFREEBUSY\r\nEND:VFREEBUSY\r\n" END
		      "BEGIN:VCARD\r\nEND:VCARD\r\n",
			"<4>" CAL "BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\n" END,
			"9: END:VALARM where VEVENT is open; 11: a VFREEBUSY is not "
			"kept in "
			"calendars; 14: this is a contact: `allod import contacts` takes it; " },
	};
	struct buf faults;
	struct arena a;

	arena_init(&a, 256u << 20);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str is = read_in(&a, &faults, false, str_of(rows[i].text), 0);
		cr_expect_str_eq(is.p, rows[i].items, "row %zu: %s", i, is.p);
		cr_expect_str_eq(faults.p, rows[i].faults, "row %zu: %s", i, faults.p);
	}
	(void)read_in(&a, &faults, false, STR("Dear Sir\nor Madam\n"), ERR_BAD);
	(void)read_in(&a, &faults, false, STR(""), ERR_BAD);
	arena_free(&a);
}

/* One that is too large in all, though each of its components is not, is the fault of itself alone: without
 * the look at its size it runs into the arena, or the whole import ends. */
Test(pieces, one_item_too_large)
{
	char path[] = "/tmp/allod-pieces-XXXXXX";
	int fd = mkstemp(path);
	struct prov_pieces *p;
	struct prov_item item;
	struct buf text, faults;
	struct arena a;

	arena_init(&a, 64u << 20);
	buf_init(&text, NULL);
	buf_init(&faults, NULL);
	buf_addz(&text, CAL);
	for (int i = 0; i < 3; i++) {
		buf_fmt(&text, "BEGIN:VEVENT\r\nUID:a\r\nRECURRENCE-ID:%d\r\nDESCRIPTION:", i);
		for (int k = 0; k < 7000; k++)
			buf_addz(&text, "fifty bytes of a description, again and again, \r\n ");
		buf_addz(&text, "\r\nEND:VEVENT\r\n");
	}
	buf_addz(&text, "BEGIN:VEVENT\r\nUID:b\r\nEND:VEVENT\r\n" END);
	cr_assert_eq(text.err, 0);
	cr_assert_eq(write(fd, text.p, text.n), (ssize_t)text.n);
	close(fd);
	cr_assert_eq(prov_pieces_open(&p, false, note, &faults), 0);
	cr_assert_eq(prov_pieces_add(p, path), 0);
	cr_assert_eq(prov_pieces_count(p), 2);
	cr_expect_eq(prov_pieces_item(&item, &a, p, 0), ERR_LIMIT);
	cr_expect_eq(item.line, 4);
	cr_expect_eq(prov_pieces_item(&item, &a, p, 1), 0);
	cr_expect_eq(faults.n, 0);
	prov_pieces_close(p);
	unlink(path);
	buf_free(&text);
	buf_free(&faults);
	arena_free(&a);
}

/* In UTF-16, either way round; a star is an ö and a pair of surrogates. */
static struct str wide(struct arena *a, struct str ascii, bool big)
{
	static const uint16_t more[] = { 0xf6, 0xd83d, 0xde00 };
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, big ? STR("\xfe\xff") : STR("\xff\xfe"));
	for (size_t i = 0; i < ascii.n; i++)
		for (size_t k = 0; k < (ascii.p[i] == '*' ? ARRAY_LEN(more) : 1); k++) {
			uint16_t u = ascii.p[i] == '*' ? more[k] : (uint8_t)ascii.p[i];
			buf_addc(&b, (char)(big ? u >> 8 : u & 0xff));
			buf_addc(&b, (char)(big ? u & 0xff : u >> 8));
		}
	return buf_str(&b);
}

Test(pieces, cards_of_all_kinds)
{
	struct str first, again;
	struct buf faults;
	struct arena a;

	arena_init(&a, 256u << 20);
	/* A UID is made of what is said, and stands behind VERSION. */
	first = read_in(
		&a, &faults, true, STR("BEGIN:VCARD\nVERSION:4.0\nFN:A\nREV:1\nEND:VCARD\n"), 0);
	cr_expect_eq(
		str_find(first, STR("<1>BEGIN:VCARD\r\nVERSION:4.0\r\nUID:")), 0, "%s", first.p);
	again = read_in(&a, &faults, true,
		STR("BEGIN:VCARD\r\nVERSION:4.0\r\nREV:2\r\nFN:\r\n A\r\nEND:VCARD"), 0);
	cr_expect(str_eq(str_sub(first, 0, 71), str_sub(again, 0, 71)), "%s%s", first.p, again.p);
	again = read_in(&a, &faults, true, STR("BEGIN:VCARD\nVERSION:4.0\nFN:B\nEND:VCARD\n"), 0);
	cr_expect_not(str_eq(str_sub(first, 0, 71), str_sub(again, 0, 71)), "another person");
	for (int big = 0; big < 2; big++) {
		again = read_in(&a, &faults, true,
			wide(&a, STR("BEGIN:VCARD\nUID:u\nFN:*\nEND:VCARD\n"), big), 0);
		cr_expect_str_eq(again.p,
			"<1>BEGIN:VCARD\r\nUID:u\r\nFN:\xc3\xb6\xf0\x9f\x98\x80\r\nEND:VCARD\r\n");
	}
	/* Windows-1252; and UTF-8 that is folded in the middle of a character stays as it is. */
	again = read_in(&a, &faults, true, STR("BEGIN:VCARD\nUID:u\nFN:\x80\xe9\nEND:VCARD\n"), 0);
	cr_expect_str_eq(
		again.p, "<1>BEGIN:VCARD\r\nUID:u\r\nFN:\xe2\x82\xac\xc3\xa9\r\nEND:VCARD\r\n");
	again = read_in(
		&a, &faults, true, STR("BEGIN:VCARD\nUID:u\nFN:\xc3\r\n \xa9\nEND:VCARD\n"), 0);
	cr_expect_str_eq(again.p, "<1>BEGIN:VCARD\r\nUID:u\r\nFN:\xc3\r\n \xa9\r\nEND:VCARD\r\n");
	arena_free(&a);
}
