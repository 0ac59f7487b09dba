/* SPDX-License-Identifier: ISC */
/* The merge of one item: the rules one by one, then its laws over random edits. */
#include "services/dav/content.h"
#include "services/dav/merge.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct arena arena;

static struct dav_merged merged(const char *base, const char *x, const char *y)
{
	struct dav_merged m, back;
	struct str b = str_of(base), p = str_of(x), q = str_of(y);

	cr_assert_eq(dav_item_merge(&m, &arena, base ? &b : NULL, p, q, STR("laptop")), 0);
	cr_assert_eq(dav_item_merge(&back, &arena, base ? &b : NULL, q, p, STR("laptop")), 0);
	cr_assert(str_eq(m.bytes, back.bytes) && str_eq(m.copy, back.copy),
		"it commutes:\n%.*s\n%.*s", STR_ARG(m.bytes), STR_ARG(back.bytes));
	return m;
}

static const char *item(const char *kind, const char *lines)
{
	bool card = !strcmp(kind, "VCARD");
	return arena_fmt(&arena,
		card ? "BEGIN:VCARD\r\nVERSION:3.0\r\n%s%s%sEND:VCARD\r\n"
		     : "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:%s\r\n%sEND:%s\r\n"
		       "END:VCALENDAR\r\n",
		card ? "" : kind, lines, card ? "" : kind)
		.p;
}

static bool has(struct str s, const char *text)
{
	return str_find(s, str_of(text)) >= 0;
}

#define HEAD "UID:u\r\nDTSTAMP:20261101T000000Z\r\n"
/* `clash` NULL: clean, and `want` is the whole; else each of its words is in the copy or the item. */
struct rule {
	const char *what, *kind, *base, *x, *y, *want, *clash;
};
static const struct rule rules[] = {
	{ "two properties", "VEVENT", HEAD "SUMMARY:a\r\nLOCATION:b\r\n",
		HEAD "SUMMARY:a2\r\nLOCATION:b\r\n",
		HEAD "SUMMARY:a\r\nLOCATION:b2\r\nURL:http://n\r\n",
		HEAD "SUMMARY:a2\r\nLOCATION:b2\r\nURL:http://n\r\n", NULL },
	{ "an edit beats a deletion", "VEVENT", HEAD "LOCATION:b\r\nCLASS:P\r\n",
		HEAD "CLASS:P\r\n", HEAD "LOCATION:b2\r\nCLASS:Q\r\n",
		HEAD "LOCATION:b2\r\nCLASS:Q\r\n", NULL },
	{ "a deletion of what stayed", "VEVENT", HEAD "LOCATION:b\r\nCLASS:P\r\n",
		HEAD "CLASS:P\r\n", HEAD "LOCATION:b\r\nCLASS:Q\r\n", HEAD "CLASS:Q\r\n", NULL },
	{ "one side moved, the other renamed", "VEVENT",
		HEAD "DTSTART:20261101T100000Z\r\nDTEND:20261101T110000Z\r\nSUMMARY:a\r\n",
		HEAD "DTSTART:20261102T100000Z\r\nDURATION:PT1H\r\nSUMMARY:a\r\n",
		HEAD "DTSTART:20261101T100000Z\r\nDTEND:20261101T110000Z\r\nSUMMARY:b\r\n",
		HEAD "DTSTART:20261102T100000Z\r\nDURATION:PT1H\r\nSUMMARY:b\r\n", NULL },
	{ "the time is one value", "VEVENT",
		HEAD "DTSTART:20261101T100000Z\r\nDTEND:20261101T110000Z\r\n",
		HEAD "DTSTART:20261101T090000Z\r\nDTEND:20261101T110000Z\r\n",
		HEAD "DTSTART:20261101T100000Z\r\nDTEND:20261101T120000Z\r\n", NULL,
		"20261101T090000Z 20261101T120000Z" },
	{ "one scalar", "VEVENT", HEAD "SUMMARY:a\r\n", HEAD "SUMMARY:b\r\n", HEAD "SUMMARY:c\r\n",
		NULL, "b c" },
	{ "values of a list", "VEVENT", HEAD "CATEGORIES:a,b\r\n", HEAD "CATEGORIES:a,b,c\r\n",
		HEAD "CATEGORIES:b,d\r\n", HEAD "CATEGORIES:b,c,d\r\n", NULL },
	{ "exceptions", "VEVENT", HEAD "EXDATE:1\r\n", HEAD "EXDATE:1\r\nEXDATE:2\r\n",
		HEAD "EXDATE:1\r\nEXDATE:3\r\n", HEAD "EXDATE:1\r\nEXDATE:2\r\nEXDATE:3\r\n",
		NULL },
	{ "an answer and a new guest", "VEVENT",
		HEAD "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:a@x\r\n",
		HEAD "ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x\r\n",
		HEAD
		"ATTENDEE;PARTSTAT=NEEDS-ACTION;ROLE=CHAIR:mailto:a@x\r\nATTENDEE:mailto:b@x\r\n",
		HEAD "ATTENDEE;PARTSTAT=ACCEPTED;ROLE=CHAIR:mailto:a@x\r\nATTENDEE:mailto:b@x\r\n",
		NULL },
	{ "the later answer", "VEVENT", HEAD "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:a@x\r\n",
		"UID:u\r\nDTSTAMP:20261102T000000Z\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x\r\n",
		"UID:u\r\nDTSTAMP:20261103T000000Z\r\nATTENDEE;PARTSTAT=DECLINED:mailto:a@x\r\n",
		"UID:u\r\nDTSTAMP:20261103T000000Z\r\nATTENDEE;PARTSTAT=DECLINED:mailto:a@x\r\n",
		NULL },
	{ "an answer to what has moved", "VEVENT",
		HEAD "DTSTART:20261101T100000Z\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:a@x\r\n",
		HEAD "DTSTART:20261101T100000Z\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x\r\n",
		HEAD "SEQUENCE:1\r\nDTSTART:20261102T100000Z\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:"
		     "mailto:a@x\r\n",
		HEAD "SEQUENCE:1\r\nDTSTART:20261102T100000Z\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:"
		     "mailto:a@x\r\n",
		NULL },
	{ "the highest revision", "VEVENT", HEAD "SEQUENCE:1\r\n", HEAD "SEQUENCE:3\r\nCLASS:A\r\n",
		HEAD "SEQUENCE:10\r\nURL:u\r\n", HEAD "SEQUENCE:10\r\nCLASS:A\r\nURL:u\r\n", NULL },
	{ "lines of a text", "VEVENT", HEAD "DESCRIPTION:a\\nb\\nc\r\n",
		HEAD "DESCRIPTION:a\\nb\\nc\\, d\r\n", HEAD "DESCRIPTION:0\\na\\nb\\nc\r\n",
		HEAD "DESCRIPTION:0\\na\\nb\\nc\\, d\r\n", NULL },
	{ "one line of a text", "VEVENT", HEAD "DESCRIPTION:a\\nb\\nc\r\n",
		HEAD "DESCRIPTION:a\\nB1\\nc\r\n", HEAD "DESCRIPTION:a\\nB2\\nc\r\n", NULL,
		"B1 B2" },
	/* its line breaks are not ours: merge_is_encoded */
	{ "lines of an encoded text", "VCARD",
		"UID:u\r\nFN:f\r\nNOTE;QUOTED-PRINTABLE:a=0D=0A=\r\nm=0D=0A=\r\nb\r\n",
		"UID:u\r\nFN:f\r\nNOTE;QUOTED-PRINTABLE:A1=0D=0A=\r\nm=0D=0A=\r\nb\r\n",
		"UID:u\r\nFN:f\r\nNOTE;QUOTED-PRINTABLE:a=0D=0A=\r\nm=0D=0A=\r\nB2\r\n", NULL,
		"NOTE;QUOTED-PRINTABLE:A1=0D=0A=\r\nm=0D=0A=\r\nb "
		"NOTE;QUOTED-PRINTABLE:a=0D=0A=\r\nm=0D=0A=\r\nB2" },
	{ "types of an encoded value", "VCARD",
		"UID:u\r\nFN:f\r\nLABEL;ENCODING=QUOTED-PRINTABLE:a=0D=0A=\r\nb\r\n",
		"UID:u\r\nFN:f\r\nLABEL;WORK;ENCODING=QUOTED-PRINTABLE:a=0D=0A=\r\nb\r\n",
		"UID:u\r\nFN:f\r\nLABEL;HOME;ENCODING=QUOTED-PRINTABLE:a=0D=0A=\r\nb\r\n", NULL,
		"LABEL;WORK;ENCODING=QUOTED-PRINTABLE:a=0D=0A=\r\nb LABEL;HOME" },
	{ "alarms of both", "VEVENT", HEAD,
		HEAD "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n",
		HEAD "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT9M\r\nEND:VALARM\r\n",
		HEAD "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n"
		     "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT9M\r\nEND:VALARM\r\n",
		NULL },
	{ "an alarm was heard twice", "VEVENT", HEAD "X-MOZ-LASTACK:20261101T000000Z\r\n",
		HEAD "X-MOZ-LASTACK:20261102T000000Z\r\nBEGIN:VALARM\r\nUID:q\r\nACKNOWLEDGED:"
		     "2\r\nEND:VALARM\r\n",
		HEAD "X-MOZ-LASTACK:20261103T000000Z\r\nBEGIN:VALARM\r\nUID:q\r\nACKNOWLEDGED:"
		     "3\r\nEND:VALARM\r\n",
		HEAD "X-MOZ-LASTACK:20261103T000000Z\r\nBEGIN:VALARM\r\nUID:q\r\nACKNOWLEDGED:"
		     "3\r\nEND:VALARM\r\n",
		NULL },
	{ "done is done", "VTODO", HEAD "STATUS:NEEDS-ACTION\r\n",
		HEAD "STATUS:IN-PROCESS\r\nPERCENT-COMPLETE:20\r\n",
		HEAD "STATUS:COMPLETED\r\nCOMPLETED:20261101T000000Z\r\n",
		HEAD "STATUS:COMPLETED\r\nCOMPLETED:20261101T000000Z\r\n", NULL },
	{ "unknown ones of both", "VEVENT", HEAD "X-A:1\r\nX-B:1\r\n",
		HEAD "X-A:2\r\nX-B:1\r\nX-C:1\r\n", HEAD "X-A:1\r\nX-B:2\r\n",
		HEAD "X-A:2\r\nX-B:2\r\nX-C:1\r\n", NULL },
	{ "comments", "VEVENT", HEAD "COMMENT:a\r\nCOMMENT:b\r\n",
		HEAD "COMMENT:a\r\nCOMMENT:b\r\nCOMMENT:c\r\n", HEAD "COMMENT:b\r\nCOMMENT:d\r\n",
		HEAD "COMMENT:b\r\nCOMMENT:c\r\nCOMMENT:d\r\n", NULL },
	{ "numbers of a person", "VCARD", "UID:u\r\nFN:a\r\nTEL;TYPE=HOME:1\r\n",
		"UID:u\r\nFN:a\r\nTEL;TYPE=HOME:1\r\nTEL:2\r\n",
		"UID:u\r\nFN:b\r\nTEL;TYPE=HOME,PREF:1\r\nTEL:3\r\n",
		"UID:u\r\nFN:b\r\nTEL;TYPE=HOME,PREF:1\r\nTEL:2\r\nTEL:3\r\n", NULL },
	{ "types of one number", "VCARD", "UID:u\r\nTEL;TYPE=HOME:1\r\n",
		"UID:u\r\nTEL;TYPE=HOME,PREF:1\r\n", "UID:u\r\nTEL;TYPE=HOME;TYPE=CELL:1\r\n",
		"UID:u\r\nTEL;TYPE=HOME;TYPE=PREF;TYPE=CELL:1\r\n", NULL },
	{ "labels in groups", "VCARD", "UID:u\r\nFN:a\r\n",
		"UID:u\r\nFN:a\r\nitem1.URL:x\r\nitem1.X-ABLabel:X\r\n",
		"UID:u\r\nFN:a\r\nitem1.URL:y\r\nitem1.X-ABLabel:Y\r\n",
		"UID:u\r\nFN:a\r\nitem1.URL:x\r\nitem1.X-ABLabel:X\r\nitem2.URL:y\r\nitem2.X-"
		"ABLabel:Y\r\n",
		NULL },
	{ "only written anew", "VEVENT", HEAD "SUMMARY:a\\, b\r\nDTSTART:1\r\nX-A:1\r\n",
		HEAD "SUMMARY:c\r\nDTSTART:1\r\nX-A:1\r\n",
		HEAD "SUMMARY:a, b\r\nDTSTART;VALUE=DATE-TIME:1\r\nX-A:2\r\n",
		HEAD "SUMMARY:c\r\nDTSTART:1\r\nX-A:2\r\n", NULL },
	{ "two names", "VCARD", "UID:u\r\nFN:a\r\n", "UID:u\r\nFN:b\r\n", "UID:u\r\nFN:c\r\n", NULL,
		"FN:b FN:c" },
};

Test(merge_item, rules)
{
	arena_init(&arena, 64u << 20);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const struct rule *r = &rules[i];
		struct dav_merged m =
			merged(item(r->kind, r->base), item(r->kind, r->x), item(r->kind, r->y));
		cr_expect((m.copy.p != NULL) == (r->clash != NULL) &&
				(m.clashes.n > 0) == (r->clash != NULL),
			"%s: copy %d (%.*s)\n%.*s", r->what, m.copy.p != NULL, STR_ARG(m.clashes),
			STR_ARG(m.bytes));
		if (r->want)
			cr_expect(str_eq(m.bytes, str_of(item(r->kind, r->want))), "%s:\n%.*s",
				r->what, STR_ARG(m.bytes));
		struct str word, rest = str_of(r->clash);
		while (rest.n) {
			str_cut(&word, &rest, rest, ' ');
			cr_expect(str_find(m.bytes, word) >= 0 || str_find(m.copy, word) >= 0,
				"%s: %.*s is lost", r->what, STR_ARG(word));
		}
	}
	arena_free(&arena);
}

#define GUESTS "ORGANIZER:mailto:o@x\r\nATTENDEE:mailto:a@x\r\n"
#define BELL   "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n"
Test(merge_item, copy_is_seen_and_concerns_nobody_else)
{
	struct dav_merged m;

	arena_init(&arena, 64u << 20);
	m = merged(item("VEVENT", "UID:u\r\nSUMMARY:Lunch\r\n" GUESTS BELL),
		item("VEVENT",
			"UID:u\r\nDTSTAMP:20261121T000000Z\r\nSUMMARY:Lunch\\, late\r\n" GUESTS
				BELL),
		item("VEVENT",
			"UID:u\r\nDTSTAMP:20261122T000000Z\r\nSUMMARY:Dinner\r\n" GUESTS BELL));
	cr_expect(has(m.bytes, "SUMMARY:Dinner\r\n") && has(m.bytes, "ATTENDEE") &&
		has(m.bytes, "VALARM"));
	cr_expect(has(m.copy, "SUMMARY:Lunch\\, late (conflict\\, laptop 21 Nov)\r\n"), "%.*s",
		STR_ARG(m.copy));
	cr_expect(has(m.copy, "RELATED-TO;RELTYPE=SIBLING:u\r\n"));
	cr_expect(has(m.copy, arena_fmt(&arena, "\r\nUID:%.*s\r\n", STR_ARG(m.copy_uid)).p));
	cr_expect(!has(m.copy, "ATTENDEE") && !has(m.copy, "ORGANIZER") && !has(m.copy, "VALARM") &&
		!has(m.copy, "UID:u\r\n"));
	cr_expect(str_eq(m.clashes, STR("SUMMARY")));
	arena_free(&arena);
}

/* What two did to one occurrence of a series does not make the series stand there twice. */
Test(merge_item, one_occurrence)
{
#define SERIES(title) \
	"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" HEAD \
	"DTSTART:20261101T100000Z\r\nRRULE:FREQ=DAILY\r\n" \
	"SUMMARY:all\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\n" HEAD \
	"RECURRENCE-ID:20261103T100000Z\r\nDTSTART:20261103T120000Z\r\nSUMMARY:" title \
	"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	struct dav_merged m;

	arena_init(&arena, 64u << 20);
	m = merged(SERIES("a"), SERIES("b"), SERIES("c"));
	cr_assert(m.copy.p);
	cr_expect(has(m.bytes, "RRULE") && !has(m.copy, "RRULE") && !has(m.copy, "RECURRENCE-ID"));
	cr_expect(has(m.copy, "DTSTART:20261103T120000Z"));
	arena_free(&arena);
}

/* What is no item of ours, or two different ones: one stands, the other is kept. */
Test(merge_item, as_wholes)
{
	static const char *const pairs[][2] = { { "x", "y" },
		{ "", "BEGIN:VCARD\r\nEND:VCARD\r\n" },
		{ "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
			"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:2\r\nEND:VEVENT\r\nEND:"
			"VCALENDAR\r\n" },
		{ "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:a\r\nEND:VCARD\r\n",
			"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:1\r\nFN:b\r\nEND:VCARD\r\n" } };

	arena_init(&arena, 64u << 20);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct dav_merged m = merged(NULL, pairs[i][0], pairs[i][1]);
		int which = !str_eq(m.bytes, str_of(pairs[i][0]));
		cr_assert(str_eq(m.bytes, str_of(pairs[i][which])), "%zu", i);
		cr_assert(m.copy.p && m.copy_uid.n == 36, "%zu", i);
		if (i < 3)
			cr_expect(str_eq(m.copy, str_of(pairs[i][!which])), "%zu", i);
	}
	arena_free(&arena);
}

/* Too many lines to merge one by one: the copy is an item of its own all the same. */
Test(merge_item, too_many_lines)
{
	struct dav_merged m;
	struct buf b[2];

	arena_init(&arena, 64u << 20);
	for (int i = 0; i < 2; i++) {
		buf_init(&b[i], &arena);
		buf_fmt(&b[i],
			"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:2026110%dT000000Z\r\n"
			"SUMMARY:%d\r\n",
			i + 1, i);
		for (int k = 0; k < 39000; k++)
			buf_fmt(&b[i], "COMMENT:%d\r\n", k);
		buf_addz(&b[i], "END:VEVENT\r\nEND:VCALENDAR\r\n");
	}
	m = merged(NULL, b[0].p, b[1].p);
	cr_expect(str_eq(m.bytes, buf_str(&b[1])));
	cr_assert(m.copy.p);
	cr_expect(!has(m.copy, "\r\nUID:u\r\n") && has(m.copy, "SUMMARY:0 (conflict"));
	cr_expect(has(m.copy, arena_fmt(&arena, "\r\nUID:%.*s\r\n", STR_ARG(m.copy_uid)).p));
	arena_free(&arena);
}

/* Lists of many lines, each with parameters of its own. */
Test(merge_item, many_lists)
{
	struct dav_merged m;
	struct buf b[3];

	arena_init(&arena, 64u << 20);
	for (int i = 0; i < 3; i++) {
		buf_init(&b[i], &arena);
		for (int k = 0; k < 3000; k++)
			buf_fmt(&b[i], "CATEGORIES;X-N=%d:a%s\r\n", k,
				i && k % 2 == i % 2 ? ",b" : "");
	}
	m = merged(item("VEVENT", b[0].p), item("VEVENT", b[1].p), item("VEVENT", b[2].p));
	cr_expect(!m.copy.p && has(m.bytes, "X-N=0:a,b\r\n") && has(m.bytes, "X-N=2999:a,b\r\n"),
		"%.*s", STR_ARG(m.clashes));
	arena_free(&arena);
}

Test(merge_item, same)
{
	arena_init(&arena, 64u << 20);
	struct str a = str_of(item("VEVENT", HEAD "SUMMARY:a\r\nLOCATION:b\r\n"));
	struct str b = str_of(item(
		"VEVENT", "LOCATION:\r\n b\r\nUID:u\r\nDTSTAMP:2\r\nSEQUENCE:2\r\nsummary:a\r\n"));
	struct str c = str_of(item("VEVENT", HEAD "SUMMARY:a\r\nLOCATION:c\r\n"));
	cr_expect(dav_item_same(a, b) && !dav_item_same(a, c) && dav_item_same(STR("x"), STR("x")));
	cr_expect(!dav_item_same(STR("x"), STR("y")));
	arena_free(&arena);
}

/* ---- laws, over random edits ---- */
#define SETS  4
#define OVERS 3
#define WORDS 6
struct event {
	unsigned title, place, note[WORDS], start, set[SETS], extra[WORDS]; /* 0: none */
	bool over[OVERS];
	unsigned over_title[OVERS];
	unsigned stamp;
};
struct world {
	uint64_t seed;
	unsigned token; /* each value is new */
};

static unsigned roll(struct world *w, unsigned n)
{
	return (unsigned)(fake_random(&w->seed) >> 20) % n;
}

static void edit(struct event *e, struct world *w, bool gentle, unsigned side)
{
	unsigned v = ++w->token, at = roll(w, WORDS), k = roll(w, gentle ? 3 : 9);

	e->stamp++;
	if (gentle) { /* nobody touches what somebody else does */
		e->extra[side * 2 + at % 2] = v;
		e->set[roll(w, SETS)] |= 1u << (side * 5 + at % 5);
		return;
	}
	switch (k) {
	case 0: e->title = v; break;
	case 1: e->place = roll(w, 3) ? v : 0; break;
	case 2: e->note[at] = roll(w, 3) ? v : 0; break;
	case 3: e->start = v; break;
	case 4: e->set[roll(w, SETS)] ^= 1u << roll(w, 16); break;
	case 5: e->extra[at] = roll(w, 3) ? v : 0; break;
	case 6: e->over[at % OVERS] = !e->over[at % OVERS]; break;
	default:
		e->over[at % OVERS] = true;
		e->over_title[at % OVERS] = v;
		break;
	}
}

static void write_set(struct buf *b, const char *name, const char *value, unsigned set, bool lines)
{
	bool any = false;

	for (unsigned i = 0; i < 16; i++) {
		if (!(set & 1u << i))
			continue;
		if (lines || !any)
			buf_fmt(b, "%s%s", any ? "\r\n" : "", name);
		buf_fmt(b, "%s", any && !lines ? "," : "");
		buf_fmt(b, "%s%u.", value, i);
		any = true;
	}
	if (any)
		buf_add(b, STR("\r\n"));
}

static struct str event_text(const struct event *e)
{
	struct buf b;
	bool any = false;

	buf_init(&b, &arena);
	buf_fmt(&b,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//"
		"%u\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:2026%04uT0Z\r\n",
		e->stamp % 3, e->stamp);
	buf_fmt(&b, "DTSTART:s%u.\r\nDTEND:e%u.\r\nSUMMARY:t%u.\r\n", e->start, e->start, e->title);
	if (e->place)
		buf_fmt(&b, "LOCATION:l%u.\r\n", e->place);
	for (unsigned i = 0; i < WORDS; i++)
		if (e->note[i]) {
			buf_fmt(&b, "%sn%u.\\n-----%u", any ? "\\n" : "DESCRIPTION:", e->note[i],
				i);
			any = true;
		}
	buf_addz(&b, any ? "\r\n" : "");
	write_set(&b, "CATEGORIES:", "c", e->set[0], false);
	write_set(&b, "EXDATE:", "x", e->set[1], true);
	write_set(&b, "ATTENDEE;CN=a:", "mailto:a", e->set[2], true);
	write_set(&b, "RESOURCES:", "r", e->set[3], true);
	for (unsigned i = 0; i < WORDS; i++)
		if (e->extra[i])
			buf_fmt(&b, "X-E%u:v%u.\r\n", i, e->extra[i]);
	buf_add(&b, STR("END:VEVENT\r\n"));
	for (unsigned i = 0; i < OVERS; i++)
		if (e->over[i])
			buf_fmt(&b,
				"BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T0Z\r\nRECURRENCE-ID:r%"
				"u\r\nSUMMARY:o%u.\r\nEND:VEVENT\r\n",
				i, e->over_title[i]);
	buf_add(&b, STR("END:VCALENDAR\r\n"));
	cr_assert_eq(b.err, 0);
	return buf_str(&b);
}

static struct dav_merged law(const struct str *base, struct str x, struct str y, struct str want,
	const char *name, unsigned number)
{
	struct dav_merged m, back;

	cr_assert_eq(dav_item_merge(&m, &arena, base, x, y, STR_NONE), 0);
	cr_assert_eq(dav_item_merge(&back, &arena, base, y, x, STR_NONE), 0);
	cr_assert(str_eq(m.bytes, back.bytes) && str_eq(m.copy, back.copy), "%u: %s: it commutes",
		number, name);
	if (want.p)
		cr_assert(str_eq(m.bytes, want), "%u: %s:\n%.*s\nwanted\n%.*s", number, name,
			STR_ARG(m.bytes), STR_ARG(want));
	return m;
}

/* Every value that a side has and the base has not is in the item or in the copy. */
static void nothing_lost(
	struct str base, struct str side, const struct dav_merged *m, unsigned number)
{
	struct str line, rest = side, word;

	while (rest.n) {
		str_cut(&line, &rest, rest, '\n');
		if (str_starts(line, STR("DTSTAMP")) || str_starts(line, STR("PRODID")))
			continue;
		str_cut(&word, &line, line, ':');
		while (line.n) {
			ptrdiff_t dot = str_chr(line, '.');
			if (dot < 0)
				break;
			size_t from = (size_t)dot;
			while (from > 0 && line.p[from - 1] != ',' && line.p[from - 1] != '\\' &&
				line.p[from - 1] != ':' &&
				!(line.p[from - 1] == 'n' && from > 1 && line.p[from - 2] == '\\'))
				from--;
			word = str_sub(line, from, (size_t)dot + 1);
			line = str_sub(line, (size_t)dot + 1, line.n);
			if (str_find(base, word) < 0)
				cr_assert(str_find(m->bytes, word) >= 0 ||
						str_find(m->copy, word) >= 0,
					"%u: %.*s is lost\n%.*s", number, STR_ARG(word),
					STR_ARG(m->bytes));
		}
	}
}

static void parses(struct str bytes, unsigned number)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root;

	cr_assert_eq(content_parse(&root, &arena, bytes, &limits), 0, "%u: %s", number,
		err_text(ERR_BAD));
}

static void one_pair(unsigned number)
{
	struct world w = { .seed = number * 77773u + 1 };
	struct event o = { .title = ++w.token, .start = ++w.token }, a, b;
	struct str to, ta, tb;
	struct dav_merged m;

	for (unsigned n = roll(&w, 12); n > 0; n--)
		edit(&o, &w, false, 0);
	a = b = o;
	for (unsigned n = roll(&w, 6); n > 0; n--)
		edit(&a, &w, false, 0);
	for (unsigned n = roll(&w, 6); n > 0; n--)
		edit(&b, &w, false, 0);
	to = event_text(&o);
	ta = event_text(&a);
	tb = event_text(&b);
	m = law(&to, ta, tb, STR_NONE, "merge", number);
	parses(m.bytes, number);
	if (m.copy.p)
		parses(m.copy, number);
	nothing_lost(to, ta, &m, number);
	nothing_lost(to, tb, &m, number);
	(void)law(&to, ta, to, ta, "merge(o, a, o) = a", number);
	(void)law(&ta, ta, tb, tb, "merge(a, a, b) = b", number);
	(void)law(&tb, m.bytes, tb, m.bytes, "merge(b, m, b) = m", number);
	(void)law(&to, m.bytes, m.bytes, m.bytes, "merge(o, m, m) = m", number);
	(void)law(&to, m.bytes, tb, m.bytes, "merge(o, m, b) = m", number);
	(void)law(&to, m.bytes, ta, m.bytes, "merge(o, m, a) = m", number);
	m = law(NULL, ta, tb, STR_NONE, "without a base", number);
	parses(m.bytes, number);
	nothing_lost(STR(""), ta, &m, number);
	nothing_lost(STR(""), tb, &m, number);
}

static unsigned cases(unsigned normal)
{
	const char *more = getenv("MERGE_CASES");
	return more ? (unsigned)atoi(more) : normal;
}

Test(merge_item, random_edits)
{
	for (unsigned i = 0, n = cases(4000); i < n; i++) {
		arena_init(&arena, 64u << 20);
		one_pair(i);
		arena_free(&arena);
	}
}

/* Edits that do not touch each other: the same bytes in whatever order three replicas meet. */
static void three(unsigned number)
{
	struct world w = { .seed = number * 99991u + 7 };
	struct event o = { .title = ++w.token, .start = ++w.token }, e;
	struct str to, t[3], first = STR_NONE;

	for (unsigned n = roll(&w, 12); n > 0; n--)
		edit(&o, &w, false, 0);
	to = event_text(&o);
	for (unsigned i = 0; i < 3; i++) {
		e = o;
		for (unsigned n = 1 + roll(&w, 5); n > 0; n--)
			edit(&e, &w, true, i);
		t[i] = event_text(&e);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct dav_merged two =
			law(&to, t[(i + 1) % 3], t[(i + 2) % 3], STR_NONE, "two", number);
		struct dav_merged all = law(&to, two.bytes, t[i], STR_NONE, "three", number);
		cr_assert(!two.copy.p && !all.copy.p, "%u: %.*s", number, STR_ARG(all.clashes));
		if (!first.p)
			first = all.bytes;
		cr_assert(str_eq(first, all.bytes), "%u: in another order\n%.*s\n%.*s", number,
			STR_ARG(first), STR_ARG(all.bytes));
	}
}

Test(merge_item, three_replicas_in_every_order)
{
	for (unsigned i = 0, n = cases(2000); i < n; i++) {
		arena_init(&arena, 64u << 20);
		three(i);
		arena_free(&arena);
	}
}
