/* SPDX-License-Identifier: ISC */
#include "provisioner/when.h"

#include <stdio.h>
#include <time.h>

#define DAY_SEC   86400
#define WORDS_MAX 8
#define YEAR_MIN  1970
#define YEAR_MAX  9999
#define COUNT_MAX 1000000

static int32_t east_here(const struct prov_zone *z, int64_t unix_sec)
{
	time_t t = (time_t)unix_sec;
	struct tm tm;

	(void)z;
	return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

const struct prov_zone prov_zone_here = { east_here };

/* ---- local time ---- */

/* `local` counts seconds as if the wall clock showed UTC. */
static int64_t to_unix(int64_t local, const struct prov_zone *z)
{
	int32_t before = z->east(z, local - DAY_SEC), after = z->east(z, local + DAY_SEC);

	if (z->east(z, local - before) == before)
		return local - before;
	if (z->east(z, local - after) == after)
		return local - after;
	return local - before; /* left out: as much later */
}

static void date_of(struct os_date *out, int64_t unix_sec, const struct prov_zone *z)
{
	os_date_of(out, unix_sec + z->east(z, unix_sec));
}

static int64_t from_date(const struct os_date *d, const struct prov_zone *z)
{
	return to_unix(os_date_unix(d), z);
}

static const char *const months[] = { "january", "february", "march", "april", "may", "june",
	"july", "august", "september", "october", "november", "december" };
static const char *const weekdays[] = { "sunday", "monday", "tuesday", "wednesday", "thursday",
	"friday", "saturday" };

const char *prov_when_text(
	char out[static PROV_WHEN_TEXT], int64_t unix_sec, const struct prov_zone *z)
{
	int32_t east = z->east(z, unix_sec), min = (east < 0 ? -east : east) / 60;
	struct os_date d;

	os_date_of(&d, unix_sec + east);
	snprintf(out, PROV_WHEN_TEXT, "%c%.2s %d %c%.2s %d %02d:%02d:%02d %c%02d%02d",
		weekdays[d.wday][0] - 32, weekdays[d.wday] + 1, d.day, months[d.month - 1][0] - 32,
		months[d.month - 1] + 1, d.year, d.hour, d.min, d.sec, east < 0 ? '-' : '+',
		min / 60, min % 60);
	return out;
}

const char *prov_when_short(
	char out[static PROV_WHEN_TEXT], int64_t unix_sec, int64_t now, const struct prov_zone *z)
{
	struct os_date d, today;
	int n;

	date_of(&d, unix_sec, z);
	date_of(&today, now, z);
	n = snprintf(out, PROV_WHEN_TEXT, "%d %c%.2s ", d.day, months[d.month - 1][0] - 32,
		months[d.month - 1] + 1);
	if (d.year == today.year)
		snprintf(out + n, PROV_WHEN_TEXT - (size_t)n, "%02d:%02d", d.hour, d.min);
	else
		snprintf(out + n, PROV_WHEN_TEXT - (size_t)n, "%d", d.year);
	return out;
}

/* ---- words ---- */

struct parse {
	struct str words[WORDS_MAX];
	size_t n, at;
	int64_t now;
	const struct prov_zone *z;
	struct os_date today; /* and the time now */
	/* what was found */
	bool has_day, has_year, has_time, has_zone;
	bool repeats; /* the day comes again: one ahead means the one before */
	int step;     /* days between two of it; 0: a year */
	struct os_date d;
	int32_t zone;
};

static bool is(struct str word, const char *z)
{
	return str_ieq(word, str_of(z));
}

/* A name in full or its first three letters or more ("tues", "sept"). */
static int find_name(struct str word, const char *const *names, size_t n)
{
	if (str_ends(word, STR(".")))
		word.n--;
	for (size_t i = 0; i < n; i++)
		if (word.n >= 3 && str_istarts(str_of(names[i]), word))
			return (int)i;
	return -1;
}

/* Decimal digits at the start of *s, at least one, at most `most`; they are cut off. */
static bool digits(int *out, struct str *s, size_t most)
{
	size_t n = 0;

	*out = 0;
	while (n < s->n && n < most && s->p[n] >= '0' && s->p[n] <= '9')
		*out = *out * 10 + (s->p[n++] - '0');
	*s = str_sub(*s, n, s->n);
	return n > 0;
}

static bool cut_char(struct str *s, char c)
{
	if (s->n == 0 || (s->p[0] | 32) != (c | 32))
		return false;
	*s = str_sub(*s, 1, s->n);
	return true;
}

static int days_in(int year, int month)
{
	struct os_date d = { .year = year, .month = month + 1, .day = 0 };

	os_date_of(&d, os_date_unix(&d));
	return d.day;
}

static bool day_exists(int year, int month, int day)
{
	return year >= YEAR_MIN && year <= YEAR_MAX && month >= 1 && month <= 12 && day >= 1 &&
		day <= days_in(year, month);
}

static bool set_day(struct parse *p, int year, int month, int day)
{
	if (p->has_day)
		return false;
	p->has_day = true;
	p->d.year = year;
	p->d.month = month;
	p->d.day = day;
	return true;
}

static bool set_time(struct parse *p, int hour, int min, int sec)
{
	if (p->has_time || hour > 24 || min > 59 || sec > 60 || (hour == 24 && min + sec > 0))
		return false;
	p->has_time = true;
	p->d.hour = hour;
	p->d.min = min;
	p->d.sec = sec;
	return true;
}

/* "Z", "+01:00", "-0530", "+1" */
static bool take_zone(struct parse *p, struct str s)
{
	bool minus = s.n > 0 && s.p[0] == '-';
	int hours, min = 0;

	if (p->has_zone)
		return false;
	p->has_zone = true;
	if (is(s, "z") || is(s, "utc") || is(s, "gmt"))
		return true;
	if (!cut_char(&s, '+') && !(minus && (s = str_sub(s, 1, s.n)).n > 0))
		return false;
	if (!digits(&hours, &s, 2))
		return false;
	cut_char(&s, ':');
	if (s.n > 0 && !digits(&min, &s, 2))
		return false;
	p->zone = (hours * 3600 + min * 60) * (minus ? -1 : 1);
	return s.n == 0 && hours <= 14 && min <= 59;
}

/* "14:00", "14:00:05.5", "2pm", "2:30pm"; a zone may follow at once */
static bool take_time(struct parse *p, struct str s)
{
	int hour, min = 0, sec = 0, fraction;
	bool colon;

	if (!digits(&hour, &s, 2))
		return false;
	colon = cut_char(&s, ':');
	if (colon && !digits(&min, &s, 2))
		return false;
	if (colon && cut_char(&s, ':') && !digits(&sec, &s, 2))
		return false;
	if (colon && cut_char(&s, '.') && !digits(&fraction, &s, 9))
		return false;
	if (is(s, "am") || is(s, "pm")) {
		if (hour < 1 || hour > 12)
			return false;
		return set_time(p, hour % 12 + (is(s, "pm") ? 12 : 0), min, sec);
	}
	return colon && set_time(p, hour, min, sec) && (s.n == 0 || take_zone(p, s));
}

/* "2026-11-20", "2026-11-20T14:00Z" */
static bool take_iso(struct parse *p, struct str s)
{
	int year, month, day;

	if (s.n < 8 || !digits(&year, &s, 4) || !cut_char(&s, '-') || !digits(&month, &s, 2) ||
		!cut_char(&s, '-') || !digits(&day, &s, 2))
		return false;
	p->has_year = true;
	if (!set_day(p, year, month, day))
		return false;
	return s.n == 0 || (cut_char(&s, 'T') && take_time(p, s));
}

/* "20.11.", "20.11.2026" */
static bool take_dotted(struct parse *p, struct str s)
{
	int day, month, year = p->today.year;

	if (!digits(&day, &s, 2) || !cut_char(&s, '.') || !digits(&month, &s, 2) ||
		!cut_char(&s, '.'))
		return false;
	p->has_year = s.n > 0;
	if (p->has_year && (s.n != 4 || !digits(&year, &s, 4)))
		return false;
	p->repeats = !p->has_year;
	return s.n == 0 && set_day(p, year, month, day);
}

static struct str word_at(const struct parse *p, size_t i)
{
	return i < p->n ? p->words[i] : STR("");
}

/* "20", "20.", "20th" */
static bool day_number(int *day, struct str s)
{
	if (!digits(day, &s, 2))
		return false;
	return s.n == 0 || is(s, ".") || is(s, "st") || is(s, "nd") || is(s, "rd") || is(s, "th");
}

/* "20 Nov", "Nov 20", each with a year; -1: no; else words taken */
static int take_month(struct parse *p)
{
	struct str a = word_at(p, p->at), b = word_at(p, p->at + 1), c = word_at(p, p->at + 2);
	int month = find_name(a, months, 12), day, year;

	if (month >= 0 ? !day_number(&day, b) : !day_number(&day, a))
		return -1;
	if (month < 0)
		month = find_name(b, months, 12);
	if (month < 0)
		return -1;
	p->has_year = c.n == 4 && digits(&year, &c, 4) && c.n == 0;
	p->repeats = !p->has_year;
	return set_day(p, p->has_year ? year : p->today.year, month + 1, day) ? 2 + p->has_year
									      : -1;
}

static bool day_before(struct parse *p, int days)
{
	struct os_date d = p->today;

	d.day -= days;
	os_date_of(&d, os_date_unix(&d));
	p->has_year = true;
	return set_day(p, d.year, d.month, d.day);
}

/* "monday", "last monday" */
static int take_weekday(struct parse *p)
{
	bool last = is(word_at(p, p->at), "last");
	int day = find_name(word_at(p, p->at + last), weekdays, 7), back;

	if (day < 0)
		return -1;
	back = (p->today.wday - day + 7) % 7;
	if (last && back == 0)
		back = 7;
	p->repeats = !last;
	p->step = 7;
	return day_before(p, back) ? 1 + last : -1;
}

static bool take_word(struct parse *p, struct str w)
{
	if (is(w, "today"))
		return day_before(p, 0);
	if (is(w, "yesterday"))
		return day_before(p, 1);
	if (is(w, "noon"))
		return set_time(p, 12, 0, 0);
	if (is(w, "midnight"))
		return set_time(p, 0, 0, 0);
	return is(w, "on") || is(w, "at");
}

static int bad(struct str text)
{
	return err_set(ERR_BAD, "cannot understand \"%.*s\"; say it " PROV_WHEN_EXAMPLES,
		(int)(text.n < 60 ? text.n : 60), text.p);
}

/* ---- all of it ---- */

/* Words of days and times, in any order. */
static bool take_all(struct parse *p)
{
	while (p->at < p->n) {
		struct str w = p->words[p->at];
		struct parse before = *p;
		int taken = take_weekday(p);

		if (taken < 0) {
			*p = before;
			taken = take_month(p);
		}
		if (taken > 0) {
			p->at += (size_t)taken;
			continue;
		}
		bool (*const one[])(struct parse *, struct str) = { take_word, take_iso,
			take_dotted, take_time, take_zone };
		size_t i = 0;

		for (; i < ARRAY_LEN(one); i++) {
			*p = before;
			if (one[i](p, w))
				break;
		}
		if (i == ARRAY_LEN(one) || (i == ARRAY_LEN(one) - 1 && !p->has_time))
			return false;
		p->at++;
	}
	return p->has_day || p->has_time;
}

static int64_t moment(const struct parse *p)
{
	return p->has_zone ? os_date_unix(&p->d) - p->zone : from_date(&p->d, p->z);
}

/* The same day before: a step back, or the year before that has it. */
static void go_back(struct parse *p)
{
	if (p->step == 0)
		do
			p->d.year--;
		while (p->d.year >= YEAR_MIN && !day_exists(p->d.year, p->d.month, p->d.day));
	p->d.day -= p->step;
}

static int conclude(struct prov_when *out, struct parse *p, struct str text)
{
	struct os_date end;

	if (!p->has_day) {
		day_before(p, 0);
		p->repeats = true;
		p->step = 1;
	}
	if (!p->has_time)
		p->d.hour = p->d.min = p->d.sec = 0;
	if (p->d.month == 2 && p->d.day == 29 && p->repeats) /* not every year has it */
		while (p->d.year > YEAR_MIN && !day_exists(p->d.year, 2, 29))
			p->d.year--;
	if (!day_exists(p->d.year, p->d.month, p->d.day))
		return err_set(ERR_BAD, "there is no such day as \"%.*s\"",
			(int)(text.n < 60 ? text.n : 60), text.p);
	while (p->repeats && p->d.year >= YEAR_MIN && moment(p) > p->now)
		go_back(p);
	out->first = out->last = moment(p);
	if (!p->has_time) {
		end = p->d;
		end.day++;
		out->last = from_date(&end, p->z) - 1;
	}
	return 0;
}

/* "2 hours ago", "an hour ago", "90 min ago", "2h ago"; years and months keep the day if they can */
static int take_ago(struct prov_when *out, const struct parse *p, struct str text)
{
	static const struct {
		const char *name;
		int sec, days, months;
	} units[] = {
		{ "s", 1, 0, 0 },
		{ "sec", 1, 0, 0 },
		{ "second", 1, 0, 0 },
		{ "m", 60, 0, 0 },
		{ "min", 60, 0, 0 },
		{ "minute", 60, 0, 0 },
		{ "h", 3600, 0, 0 },
		{ "hour", 3600, 0, 0 },
		{ "d", 0, 1, 0 },
		{ "day", 0, 1, 0 },
		{ "w", 0, 7, 0 },
		{ "week", 0, 7, 0 },
		{ "month", 0, 0, 1 },
		{ "year", 0, 0, 12 },
	};
	struct str unit = word_at(p, 1), number = word_at(p, 0);
	struct os_date d = p->today;
	int count = 1;

	if (!is(number, "a") && !is(number, "an") && !digits(&count, &number, 6))
		return bad(text);
	if (p->n == 2 && number.n > 0)
		unit = number; /* "2h ago" */
	else if (p->n != 3 || (number.n > 0 && count != 1))
		return bad(text);
	if (unit.n > 1 && (unit.p[unit.n - 1] | 32) == 's')
		unit.n--;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!is(unit, units[i].name))
			continue;
		int64_t all = (int64_t)d.year * 12 + d.month - 1 - (int64_t)units[i].months * count;

		d.year = (int)(all / 12);
		d.month = (int)(all % 12) + 1;
		if (all < 0 || d.year < YEAR_MIN || (units[i].days && count > COUNT_MAX / 7))
			return bad(text);
		if (units[i].months && d.day > days_in(d.year, d.month))
			d.day = days_in(d.year, d.month);
		d.day -= units[i].days * count;
		out->first = p->now - (int64_t)units[i].sec * count;
		if (!units[i].sec)
			out->first = from_date(&d, p->z);
		out->last = out->first;
		return 0;
	}
	return bad(text);
}

/* "last week": all of it, from Monday on */
static bool take_last(struct prov_when *out, const struct parse *p)
{
	struct os_date from = { .year = p->today.year,
		.month = p->today.month,
		.day = p->today.day },
		       to;
	struct str unit = word_at(p, 1);

	if (p->n != 2 || !is(word_at(p, 0), "last"))
		return false;
	if (is(unit, "week"))
		from.day -= (p->today.wday + 6) % 7;
	else if (is(unit, "month"))
		from.day = 1;
	else if (is(unit, "year"))
		from.day = from.month = 1;
	else
		return false;
	to = from;
	from.day -= is(unit, "week") ? 7 : 0;
	from.month -= is(unit, "month");
	from.year -= is(unit, "year");
	out->first = from_date(&from, p->z);
	out->last = from_date(&to, p->z) - 1;
	return true;
}

static bool split(struct parse *p, struct str text)
{
	struct str word, rest = str_trim(text);

	while (rest.n > 0) {
		str_cut(&word, &rest, rest, ' ');
		if (str_ends(word, STR(",")))
			word.n--;
		if (word.n == 0)
			continue;
		if (p->n == WORDS_MAX)
			return false;
		p->words[p->n++] = word;
	}
	return p->n > 0;
}

int prov_when(struct prov_when *out, struct str text, int64_t now, const struct prov_zone *z)
{
	struct parse p = { .now = now, .z = z };
	uint64_t sec;
	int err = 0;

	date_of(&p.today, now, z);
	p.d = p.today;
	if (!split(&p, text))
		return bad(text);
	if (p.n == 1 && is(p.words[0], "now")) {
		out->first = out->last = now;
	} else if (p.n == 1 && p.words[0].p[0] == '@') {
		if (str_u64(&sec, str_sub(p.words[0], 1, p.words[0].n), (uint64_t)1 << 40) < 0)
			return bad(text);
		out->first = out->last = (int64_t)sec;
	} else if (is(p.words[p.n - 1], "ago")) {
		err = take_ago(out, &p, text);
	} else if (!take_last(out, &p)) {
		err = take_all(&p) ? conclude(out, &p, text) : bad(text);
	}
	if (err < 0)
		return err;
	if (out->first > now)
		return err_set(ERR_BAD, "\"%.*s\" is still to come",
			(int)(text.n < 60 ? text.n : 60), text.p);
	if (out->last > now)
		out->last = now;
	return 0;
}
