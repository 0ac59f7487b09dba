/* SPDX-License-Identifier: ISC */
/* Series of which one side moved all, or took out what the other changed: one by one, then in random pairs. */
#include "services/dav/content.h"
#include "services/dav/merge.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct arena arena;

#define UID      "UID:u\r\nDTSTAMP:20260101T000000Z\r\n"
#define Z        ";TZID=Europe/Berlin:"
#define ALL(s)   "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" s "END:VCALENDAR\r\n"
#define EVENT(s) "BEGIN:VEVENT\r\n" UID s "END:VEVENT\r\n"
#define AT(day, hour) \
	"DTSTART" Z "202601" day "T" hour "0000\r\nDTEND" Z "202601" day "T" hour "3000\r\n"
#define WEEKLY               "RRULE:FREQ=WEEKLY;BYDAY=MO\r\n"
#define OUT(day, hour)       "EXDATE" Z "202601" day "T" hour "0000\r\n"
#define ID(day, hour)        "RECURRENCE-ID" Z "202601" day "T" hour "0000\r\n"
#define ONE(day, hour, more) EVENT(ID(day, hour) AT(day, hour) more)

/* `copy`: each of its words is in the copy, "": there is none; NULL: there is one. The item is `want`; NULL: any. */
struct rule {
	const char *what, *base, *x, *y, *want, *copy;
};
static const struct rule rules[] = {
	{ "taken out here, changed there: it is there", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT(AT("05", "09") WEEKLY OUT("12", "09") OUT("19", "09"))),
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("12", "09", "SUMMARY:b\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY OUT("19", "09")) ONE("12", "09", "SUMMARY:b\r\n")),
		"" },
	{ "one of a list", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT(AT("05", "09") WEEKLY "EXDATE" Z "20260112T090000,20260119T090000\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("19", "09", "SUMMARY:b\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY "EXDATE" Z "20260112T090000\r\n")
				ONE("19", "09", "SUMMARY:b\r\n")),
		"" },
	{ "taken out here, there changed long ago",
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("12", "09", "SUMMARY:b\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY OUT("12", "09"))),
		ALL(EVENT(AT("05", "09") WEEKLY "CLASS:A\r\n") ONE("12", "09", "SUMMARY:b\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY "CLASS:A\r\n" OUT("12", "09"))), "" },
	{ "one side has it both ways: as it says", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT(AT("05", "09") WEEKLY OUT("12", "09")) ONE("12", "09", "SUMMARY:b\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY "CLASS:A\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY "CLASS:A\r\n" OUT("12", "09"))
				ONE("12", "09", "SUMMARY:b\r\n")),
		"" },
	{ "an hour later, with what the other changed and took out",
		ALL(EVENT(AT("05", "09") WEEKLY)), ALL(EVENT(AT("05", "10") WEEKLY)),
		ALL(EVENT(AT("05", "09") WEEKLY OUT("19", "09")) ONE("12", "09", "SUMMARY:b\r\n")),
		ALL(EVENT(AT("05", "10") WEEKLY OUT("19", "10")) ONE("12", "10", "SUMMARY:b\r\n")),
		"" },
	{ "what was put elsewhere stays there", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT(AT("05", "10") WEEKLY)),
		ALL(EVENT(AT("05", "09") WEEKLY) EVENT(ID("12", "09") AT("13", "15"))),
		ALL(EVENT(AT("05", "10") WEEKLY) EVENT(ID("12", "10") AT("13", "15"))), "" },
	{ "another day of the week", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT(AT("06", "09") "RRULE:FREQ=WEEKLY;BYDAY=TU\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("12", "09", "SUMMARY:b\r\n")),
		ALL(EVENT(AT("06", "09") "RRULE:FREQ=WEEKLY;BYDAY=TU\r\n")
				ONE("13", "09", "SUMMARY:b\r\n")),
		"" },
	{ "an occurrence that both changed",
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("12", "09", "SUMMARY:b\r\nCLASS:A\r\n")),
		ALL(EVENT(AT("05", "10") WEEKLY) ONE("12", "10", "SUMMARY:b\r\nCLASS:B\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("12", "09", "SUMMARY:c\r\nCLASS:A\r\n")),
		ALL(EVENT(AT("05", "10") WEEKLY) ONE("12", "10", "SUMMARY:c\r\nCLASS:B\r\n")), "" },
	{ "exceptions that moved along", ALL(EVENT(AT("05", "09") WEEKLY OUT("12", "09"))),
		ALL(EVENT(AT("05", "10") WEEKLY OUT("12", "10"))),
		ALL(EVENT(AT("05", "09") WEEKLY OUT("12", "09") "CLASS:A\r\n")),
		ALL(EVENT(AT("05", "10") WEEKLY OUT("12", "10") "CLASS:A\r\n")), "" },
	{ "exceptions that were left where they were",
		ALL(EVENT(AT("05", "09") WEEKLY OUT("12", "09"))),
		ALL(EVENT(AT("05", "10") WEEKLY OUT("12", "09"))),
		ALL(EVENT(AT("05", "09") WEEKLY OUT("12", "09") "CLASS:A\r\n")),
		ALL(EVENT(AT("05", "10") WEEKLY OUT("12", "09") "CLASS:A\r\n")), "" },
	{ "moved here, put an hour later and taken out there", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT(AT("05", "10") WEEKLY OUT("12", "10"))),
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("12", "09", "SUMMARY:b\r\n")),
		ALL(EVENT(AT("05", "10") WEEKLY) ONE("12", "10", "SUMMARY:b\r\n")), "" },
	{ "whole days", ALL(EVENT("DTSTART:20260105\r\nRRULE:FREQ=WEEKLY\r\n")),
		ALL(EVENT("DTSTART:20260107\r\nRRULE:FREQ=WEEKLY\r\n")),
		ALL(EVENT("DTSTART:20260105\r\nRRULE:FREQ=WEEKLY\r\nEXDATE:20260202\r\n")),
		ALL(EVENT("DTSTART:20260107\r\nRRULE:FREQ=WEEKLY\r\nEXDATE:20260204\r\n")), "" },
	{ "begins a week later: the others are where they were", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT(AT("12", "09") WEEKLY)),
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("19", "09", "SUMMARY:b\r\n")),
		ALL(EVENT(AT("12", "09") WEEKLY) ONE("19", "09", "SUMMARY:b\r\n")), "" },
	{ "begins on the second of its days",
		ALL(EVENT(AT("05", "09") "RRULE:FREQ=WEEKLY;BYDAY=MO,WE\r\n")),
		ALL(EVENT(AT("07", "09") "RRULE:FREQ=WEEKLY;BYDAY=MO,WE\r\n")),
		ALL(EVENT(AT("05", "09") "RRULE:FREQ=WEEKLY;BYDAY=MO,WE\r\n" OUT("12", "09"))),
		ALL(EVENT(AT("07", "09") "RRULE:FREQ=WEEKLY;BYDAY=MO,WE\r\n" OUT("12", "09"))),
		"" },
	{ "daily, and not on the day before", ALL(EVENT(AT("05", "09") "RRULE:FREQ=DAILY\r\n")),
		ALL(EVENT(AT("07", "22") "RRULE:FREQ=DAILY\r\n")),
		ALL(EVENT(AT("05", "09") "RRULE:FREQ=DAILY\r\n" OUT("19", "09"))),
		ALL(EVENT(AT("07", "22") "RRULE:FREQ=DAILY\r\n" OUT("19", "22"))), "" },
	{ "another rule: the one it concerned is a copy", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT(AT("06", "09") "RRULE:FREQ=MONTHLY\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("12", "09", "SUMMARY:b\r\n")),
		ALL(EVENT(AT("06", "09") "RRULE:FREQ=MONTHLY\r\n")), "SUMMARY:b T090000" },
	{ "another zone", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT("DTSTART;TZID=Asia/Tokyo:20260105T090000\r\n" WEEKLY)),
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("12", "09", "SUMMARY:b\r\n")),
		ALL(EVENT("DTSTART;TZID=Asia/Tokyo:20260105T090000\r\n" WEEKLY)), "SUMMARY:b" },
	{ "another rule, and two of the other", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT("SEQUENCE:1\r\n" AT("06", "09") "RRULE:FREQ=MONTHLY\r\n")),
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("12", "09", "SUMMARY:b\r\n")
				ONE("19", "09", "SUMMARY:c\r\n")),
		ALL(EVENT("SEQUENCE:1\r\n" AT("06", "09") "RRULE:FREQ=MONTHLY\r\n")),
		"RRULE:FREQ=WEEKLY SUMMARY:b SUMMARY:c" },
	{ "both moved it, each elsewhere", ALL(EVENT(AT("05", "09") WEEKLY)),
		ALL(EVENT("SEQUENCE:1\r\n" AT("05", "10") WEEKLY)),
		ALL(EVENT(AT("05", "11") WEEKLY) ONE("12", "11", "SUMMARY:b\r\n")),
		ALL(EVENT("SEQUENCE:1\r\n" AT("05", "10") WEEKLY)), "T110000 SUMMARY:b" },
	{ "both moved it alike",
		ALL(EVENT(AT("05", "09") WEEKLY) ONE("12", "09", "SUMMARY:b\r\nCLASS:A\r\n")),
		ALL(EVENT(AT("05", "10") WEEKLY) ONE("12", "10", "SUMMARY:b\r\nCLASS:B\r\n")),
		ALL(EVENT(AT("05", "10") WEEKLY) ONE("12", "10", "SUMMARY:c\r\nCLASS:A\r\n")),
		ALL(EVENT(AT("05", "10") WEEKLY) ONE("12", "10", "SUMMARY:c\r\nCLASS:B\r\n")), "" },
};

Test(merge_series, rules)
{
	arena_init(&arena, 64u << 20);
	for (size_t i = 0; i < 2 * ARRAY_LEN(rules); i++) {
		const struct rule *r = &rules[i / 2];
		struct str base = str_of(r->base), x = str_of(i % 2 ? r->y : r->x),
			   y = str_of(i % 2 ? r->x : r->y), word, rest;
		struct dav_merged m;

		cr_assert_eq(dav_item_merge(&m, &arena, &base, x, y, STR_NONE), 0);
		cr_expect(str_eq(m.bytes, str_of(r->want)), "%s:\n%.*s", r->what, STR_ARG(m.bytes));
		cr_expect_eq(
			m.copy.p != NULL, r->copy[0] != 0, "%s: %.*s", r->what, STR_ARG(m.copy));
		for (rest = str_of(r->copy); rest.n;) {
			str_cut(&word, &rest, rest, ' ');
			cr_expect(str_find(m.copy, word) >= 0, "%s: no %.*s in\n%.*s", r->what,
				STR_ARG(word), STR_ARG(m.copy));
		}
		cr_expect(!m.copy.p || str_find(m.copy, STR("UID:u\r\n")) < 0, "%s", r->what);
	}
	arena_free(&arena);
}

/* ---- random pairs ---- */
#define WEEKS 6
#define CASES 3000
struct week {
	enum { PLAIN, GONE, OWN } is;
	unsigned title;
	int hour; /* of an own one; 0: that of the series */
	int at;   /* the hour its RECURRENCE-ID has */
};
struct series {
	unsigned title, place, stamp;
	int hour, day; /* of DTSTART */
	bool monthly;
	struct week weeks[WEEKS];
};
struct world {
	uint64_t seed;
	unsigned token;
	bool neat; /* who moves a series takes its occurrences along, and stays in the week */
};

static unsigned roll(struct world *w, unsigned n)
{
	return (unsigned)(fake_random(&w->seed) >> 20) % n;
}

static void move(struct series *s, struct world *w)
{
	unsigned how = roll(w, w->neat ? 2 : 5);
	int old = s->hour;

	if (how == 3)
		s->monthly = !s->monthly;
	else if (how == 4)
		s->day = 5 + (int)roll(w, 9);
	s->hour = 8 + (int)roll(w, 8);
	for (int i = 0; i < WEEKS; i++) {
		struct week *k = &s->weeks[i];
		if (how == 2 && roll(w, 2))
			*k = (struct week){ 0 };
		else if (how != 1 || w->neat)
			k->at += s->hour - old;
	}
}

static void edit(struct series *s, struct world *w)
{
	struct week *k = &s->weeks[roll(w, WEEKS)];
	unsigned v = ++w->token;

	s->stamp++;
	switch (roll(w, 8)) {
	case 0: s->title = v; break;
	case 1: s->place = v; break;
	case 2: move(s, w); break;
	case 3: *k = (struct week){ GONE, 0, 0, s->hour }; break;
	case 4: *k = (struct week){ 0 }; break;
	default: *k = (struct week){ OWN, v, roll(w, 2) ? 0 : 8 + (int)roll(w, 8), s->hour }; break;
	}
}

static struct str series_text(const struct series *s)
{
	struct buf b;

	buf_init(&b, &arena);
	buf_fmt(&b,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:t\r\nBEGIN:VEVENT\r\nUID:u\r\n"
		"DTSTAMP:202601%02uT000000Z\r\nDTSTART" Z "202601%02dT%02d0000\r\nDURATION:PT1H\r\n"
		"RRULE:FREQ=%s\r\nSUMMARY:t%u.\r\n",
		1 + s->stamp, s->day, s->hour, s->monthly ? "MONTHLY" : "WEEKLY", s->title);
	if (s->place)
		buf_fmt(&b, "LOCATION:l%u.\r\n", s->place);
	for (int i = 0; i < WEEKS; i++)
		if (s->weeks[i].is == GONE)
			buf_fmt(&b, "EXDATE" Z "2026%02d%02dT%02d0000\r\n", 2, s->day + 3 * i,
				s->weeks[i].at);
	buf_addz(&b, "END:VEVENT\r\n");
	for (int i = 0; i < WEEKS; i++) {
		const struct week *k = &s->weeks[i];
		if (k->is != OWN)
			continue;
		buf_fmt(&b,
			"BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID" Z
			"2026%02d%02dT%02d0000\r\nDTSTART" Z
			"2026%02d%02dT%02d0000\r\nSUMMARY:o%u.\r\nEND:VEVENT\r\n",
			2, s->day + 3 * i, k->at, 2, s->day + 3 * i, k->hour ? k->hour : k->at,
			k->title);
	}
	buf_addz(&b, "END:VCALENDAR\r\n");
	cr_assert_eq(b.err, 0);
	return buf_str(&b);
}

static void law(const struct str *base, struct str x, struct str y, struct str want,
	const char *name, unsigned number, struct dav_merged *m)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct dav_merged back;
	struct content *root;

	cr_assert_eq(dav_item_merge(m, &arena, base, x, y, STR_NONE), 0);
	cr_assert_eq(dav_item_merge(&back, &arena, base, y, x, STR_NONE), 0);
	cr_assert(str_eq(m->bytes, back.bytes) && str_eq(m->copy, back.copy), "%u: %s: it commutes",
		number, name);
	cr_assert_eq(content_parse(&root, &arena, m->bytes, &limits), 0);
	cr_assert(!m->copy.p || content_parse(&root, &arena, m->copy, &limits) == 0);
	cr_assert(!want.p || str_eq(m->bytes, want), "%u: %s:\n%.*s\nwanted\n%.*s", number, name,
		STR_ARG(m->bytes), STR_ARG(want));
}

/* Titles and places a side gave and the base has not. */
static void nothing_lost(
	struct str base, struct str side, const struct dav_merged *m, unsigned number)
{
	struct str line, rest = side;

	while (rest.n) {
		str_cut(&line, &rest, rest, '\n');
		if (!str_starts(line, STR("SUMMARY")) && !str_starts(line, STR("LOCATION")))
			continue;
		line = str_sub(line, (size_t)str_chr(line, ':'), (size_t)str_chr(line, '.') + 1);
		cr_assert(str_find(base, line) >= 0 || str_find(m->bytes, line) >= 0 ||
				str_find(m->copy, line) >= 0,
			"%u: %.*s is lost\n%.*s", number, STR_ARG(line), STR_ARG(m->bytes));
	}
}

/* Nothing is both changed and taken out, or changed twice; what is `neat` is named by the hour of the series. */
static void of_one_mind(struct str bytes, bool neat, unsigned number)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root, *cal, *all, *c;
	struct content_line *start, *id, *gone = NULL, *other;

	cr_assert_eq(content_parse(&root, &arena, bytes, &limits), 0);
	cal = root->parts;
	all = cal->parts;
	start = content_get(all, STR("DTSTART"), NULL);
	for (c = all->next; c; c = c->next) {
		id = content_get(c, STR("RECURRENCE-ID"), NULL);
		while ((gone = content_get(all, STR("EXDATE"), gone)) != NULL)
			cr_assert(!str_eq(gone->value, id->value), "%u: both ways\n%.*s", number,
				STR_ARG(bytes));
		cr_assert(!neat || str_eq(str_sub(id->value, 8, 15), str_sub(start->value, 8, 15)),
			"%u: left behind\n%.*s", number, STR_ARG(bytes));
		for (struct content *d = c->next; d; d = d->next) {
			other = content_get(d, STR("RECURRENCE-ID"), NULL);
			cr_assert(!str_eq(other->value, id->value), "%u: twice\n%.*s", number,
				STR_ARG(bytes));
		}
	}
}

static void one_pair(unsigned number)
{
	struct world w = { .seed = number * 77773u + 3, .neat = number % 2 };
	struct series o = { .title = ++w.token, .hour = 9, .day = 5 }, a, b;
	struct str to, ta, tb;
	struct dav_merged m, n;

	for (unsigned k = roll(&w, 6); k > 0; k--)
		edit(&o, &w);
	a = b = o;
	for (unsigned k = roll(&w, 5); k > 0; k--)
		edit(&a, &w);
	for (unsigned k = roll(&w, 5); k > 0; k--)
		edit(&b, &w);
	to = series_text(&o);
	ta = series_text(&a);
	tb = series_text(&b);
	law(&to, ta, tb, STR_NONE, "merge", number, &m);
	nothing_lost(to, ta, &m, number);
	nothing_lost(to, tb, &m, number);
	of_one_mind(m.bytes, w.neat, number);
	law(&to, ta, to, ta, "merge(o, a, o) = a", number, &n);
	law(&tb, m.bytes, tb, m.bytes, "merge(b, m, b) = m", number, &n);
	law(&to, m.bytes, m.bytes, m.bytes, "merge(o, m, m) = m", number, &n);
	law(&to, m.bytes, tb, m.bytes, "merge(o, m, b) = m", number, &n);
	law(&to, m.bytes, ta, m.bytes, "merge(o, m, a) = m", number, &n);
	law(NULL, ta, tb, STR_NONE, "without a base", number, &m);
	nothing_lost(STR(""), ta, &m, number);
	nothing_lost(STR(""), tb, &m, number);
}

Test(merge_series, random_pairs)
{
	const char *more = getenv("MERGE_CASES");
	unsigned n = more ? (unsigned)atoi(more) : CASES;

	for (unsigned i = 0; i < n; i++) {
		arena_init(&arena, 64u << 20);
		one_pair(i);
		arena_free(&arena);
	}
}
