/* SPDX-License-Identifier: ISC */
/*
 * Dates of mail: RFC 5322 3.3 with the obsolete forms of 4.3, and what else is seen: no day of the
 * week or a wrong one, "Nov 21 1997" and asctime order, dashes for spaces, ISO 8601.
 * The field is cut into words; each word tells by its form what it is.
 */
#include "services/mail/mime_impl.h"

struct date {
	int year, month, day, hour, minute, second, zone_min;
	bool has_time, has_offset;
};

static int days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar. */
static int64_t days_from_epoch(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
		day_of_year - 719468;
}

/* Month by its first three letters, 0 when it is none. */
static int month_of(struct str word)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
	for (int i = 0; i < 12 && word.n >= 3; i++)
		if (str_ieq(str_n(names + i * 3, 3), str_sub(word, 0, 3)))
			return i + 1;
	return 0;
}

static bool is_weekday(struct str word)
{
	static const char names[] = "sunmontuewedthufrisat";
	for (int i = 0; i < 7 && word.n >= 3; i++)
		if (str_ieq(str_n(names + i * 3, 3), str_sub(word, 0, 3)))
			return true;
	return false;
}

/* Decimal digits only, at most 9 of them; -1 otherwise. */
static int number(struct str s)
{
	uint64_t n;
	return s.n <= 9 && str_u64(&n, s, 999999999) == 0 ? (int)n : -1;
}

/* Two and three digits as RFC 5322 4.3 reads them. */
static int year_of(struct str s)
{
	int n = number(s);
	if (s.n == 2)
		return n < 0 ? n : n + (n < 50 ? 2000 : 1900);
	if (s.n == 3)
		return n < 0 ? n : n + 1900;
	return s.n == 4 ? n : -1;
}

static bool take_time(struct date *d, struct str word)
{
	struct str hour, minute, second, rest;
	if (!str_cut(&hour, &rest, word, ':'))
		return false;
	bool seconds = str_cut(&minute, &second, rest, ':');
	str_cut(&second, &rest, second, '.'); /* a fraction */
	d->hour = number(hour);
	d->minute = number(minute);
	d->second = seconds ? number(second) : 0;
	d->has_time = true;
	return true;
}

/* +hhmm, -hh:mm. Nonsense is read as UTC: the time of day matters more than an hour's error. */
static bool take_offset(struct date *d, struct str word)
{
	if (!word.n || (word.p[0] != '+' && word.p[0] != '-'))
		return false;
	int hour = number(str_sub(word, 1, 3)), minute = number(str_sub(word, word.n - 2, word.n));
	bool fits = word.n == 5 || (word.n == 6 && word.p[3] == ':');
	d->has_offset = true;
	if (fits && hour >= 0 && minute >= 0 && hour < 24 && minute < 60)
		d->zone_min = (hour * 60 + minute) * (word.p[0] == '-' ? -1 : 1);
	return true;
}

/* Names not listed, military letters too, are UTC by RFC 5322 4.3. */
static void take_zone_name(struct date *d, struct str word)
{
	static const struct {
		const char *name;
		int hours;
	} zones[] = { { "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 }, { "MST", -7 },
		{ "MDT", -6 }, { "PST", -8 }, { "PDT", -7 } };
	for (size_t i = 0; i < ARRAY_LEN(zones) && !d->has_offset; i++)
		if (str_ieq(word, str_of(zones[i].name)))
			d->zone_min = zones[i].hours * 60;
}

/* Day before year, told by which comes first or by four digits. */
static void take_number(struct date *d, struct str word)
{
	int n = number(word);
	if (word.n >= 3 || d->day > 0) {
		if (d->year < 0)
			d->year = year_of(word);
	} else {
		d->day = n;
	}
}

/* 1997-11-21 */
static bool take_iso(struct date *d, struct str w)
{
	if (w.n != 10 || w.p[4] != '-' || w.p[7] != '-')
		return false;
	d->year = number(str_sub(w, 0, 4));
	d->month = number(str_sub(w, 5, 7));
	d->day = number(str_sub(w, 8, 10));
	return true;
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * The next word: letters, or digits with the marks of a time. A sign begins an offset only after
 * the time, so that 21-Nov-97 and 1997-11-21 come apart.
 */
static struct str next_word(struct mime_lex *l, bool has_time)
{
	const char *p = l->p;
	if (l->end - p >= 10 && is_digit(*p) && p[4] == '-' && p[7] == '-') {
		l->p += 10;
		if (l->p < l->end && (*l->p == 'T' || *l->p == 't'))
			l->p++;
		return str_n(p, 10);
	}
	if (is_alpha(*p)) {
		while (l->p < l->end && is_alpha(*l->p))
			l->p++;
	} else if (is_digit(*p) || (has_time && (*p == '+' || *p == '-'))) {
		bool offset = !is_digit(*p);
		l->p++;
		while (l->p < l->end &&
			(is_digit(*l->p) || *l->p == ':' || (*l->p == '.' && !offset)))
			l->p++;
	} else {
		l->p++;
		return STR("");
	}
	return str_n(p, (size_t)(l->p - p));
}

static void take_word(struct date *d, struct str word)
{
	int month = month_of(word);
	if (!word.n || take_iso(d, word))
		return;
	if (is_alpha(*word.p)) {
		if (month && d->month < 0)
			d->month = month;
		else if (!is_weekday(word) && d->has_time)
			take_zone_name(d, word);
	} else if (!take_offset(d, word) && (d->has_time || !take_time(d, word))) {
		take_number(d, word);
	}
}

int mime_date(int64_t *unix_sec, int *zone_min, struct str value)
{
	struct date d = { .year = -1, .month = -1, .day = -1 };
	struct mime_lex l = mime_lex_of(value);
	for (mime_lex_space(&l, NULL); l.p < l.end; mime_lex_space(&l, NULL))
		take_word(&d, next_word(&l, d.has_time));
	if (d.year < 0 || d.month < 1 || d.month > 12 || d.day < 1 ||
		d.day > days_in(d.year, d.month) || d.hour < 0 || d.hour > 23 || d.minute < 0 ||
		d.minute > 59 || d.second < 0 || d.second > 60)
		return err_set(ERR_BAD, "mime: no date that can be read");
	int64_t days = days_from_epoch(d.year, d.month, d.day);
	*unix_sec = ((days * 24 + d.hour) * 60 + d.minute - d.zone_min) * 60 + d.second;
	*zone_min = d.zone_min;
	return 0;
}
