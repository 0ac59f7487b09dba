/* SPDX-License-Identifier: ISC */
#include "services/calendar/zone.h"
#include "os/time.h"

#include <tzdata.h>

#define DAY_SEC     86400
#define HEADER      44
#define RULE_MAX    64
#define INFO_BYTES  6
#define OFFSET_MAX  (26 * 3600) /* RFC 8536, 3.2: what a reader should take */
#define VENDOR_CUTS 3

static uint32_t le32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

int64_t zone_seconds(int64_t year, int month, int day, int hour, int minute, int second)
{
	struct os_date d = { (int)year, month, day, hour, minute, second, 0 };
	return os_date_unix(&d);
}

/* ---- POSIX TZ: what goes on for ever (RFC 8536, 3.3.1) ---- */
static bool number(int *out, struct str *s, int max)
{
	size_t i = 0;
	int n = 0;

	while (i < s->n && s->p[i] >= '0' && s->p[i] <= '9' && n <= max)
		n = n * 10 + (s->p[i++] - '0');
	*out = n;
	*s = str_sub(*s, i, s->n);
	return i > 0 && n <= max;
}

static bool taken(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_sub(*s, 1, s->n);
	return true;
}

/* [+-]hh[:mm[:ss]] */
static bool clock_time(int32_t *out, struct str *s)
{
	bool minus = taken(s, '-');
	int h, m = 0, sec = 0;

	if (!minus)
		(void)taken(s, '+');
	if (!number(&h, s, 167) ||
		(taken(s, ':') && (!number(&m, s, 59) || (taken(s, ':') && !number(&sec, s, 59)))))
		return false;
	*out = (h * 60 + m) * 60 + sec;
	if (minus)
		*out = -*out;
	return true;
}

/* The abbreviation: <anything> or letters. */
static bool skip_name(struct str *s)
{
	size_t i = 0;

	if (taken(s, '<')) {
		ptrdiff_t end = str_chr(*s, '>');
		*s = str_sub(*s, (size_t)(end + 1), s->n);
		return end >= 0;
	}
	while (i < s->n && ((s->p[i] | 32) >= 'a' && (s->p[i] | 32) <= 'z'))
		i++;
	*s = str_sub(*s, i, s->n);
	return i >= 3;
}

static bool change_read(struct zone_change *c, struct str *s)
{
	*c = (struct zone_change){ .kind = '0', .at = 7200 };
	if (!taken(s, ','))
		return false;
	if (taken(s, 'M')) {
		c->kind = 'M';
		if (!number(&c->month, s, 12) || !taken(s, '.') || !number(&c->week, s, 5) ||
			!taken(s, '.') || !number(&c->day, s, 6) || !c->month || !c->week)
			return false;
	} else {
		if (taken(s, 'J'))
			c->kind = 'J';
		if (!number(&c->day, s, 365))
			return false;
	}
	return !taken(s, '/') || clock_time(&c->at, s);
}

static bool rule_read(struct zone_rule *r, struct str s)
{
	*r = (struct zone_rule){ 0 };
	if (!skip_name(&s) || !clock_time(&r->standard, &s))
		return false;
	r->standard = -r->standard; /* POSIX counts west */
	if (s.n == 0)
		return true;
	r->has_daylight = true;
	r->daylight = r->standard + 3600;
	if (!skip_name(&s))
		return false;
	if (s.n > 0 && s.p[0] != ',') {
		if (!clock_time(&r->daylight, &s))
			return false;
		r->daylight = -r->daylight;
	}
	return change_read(&r->start, &s) && change_read(&r->end, &s) && s.n == 0;
}

static bool leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* The change in that year, on the wall before it. */
static int64_t change_local(const struct zone_change *c, int64_t year)
{
	int64_t first, day;

	if (c->kind == '0')
		return zone_seconds(year, 1, 1 + c->day, 0, 0, 0) + c->at;
	if (c->kind == 'J') /* February 29 is never counted */
		return zone_seconds(year, 1, c->day + (leap(year) && c->day >= 60), 0, 0, 0) +
			c->at;
	first = zone_seconds(year, c->month, 1, 0, 0, 0) / DAY_SEC;
	day = c->day - ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
	day = (day + 7) % 7 + 7 * (c->week - 1);
	while (first + day >= zone_seconds(year, c->month + 1, 1, 0, 0, 0) / DAY_SEC)
		day -= 7;
	return (first + day) * DAY_SEC + c->at;
}

static int32_t rule_offset(const struct zone_rule *r, int64_t utc)
{
	struct os_date d;
	int64_t start, end;

	if (!r->has_daylight)
		return r->standard;
	os_date_of(&d, utc + r->standard);
	start = change_local(&r->start, d.year) - r->standard;
	end = change_local(&r->end, d.year) - r->daylight;
	if (start < end)
		return utc >= start && utc < end ? r->daylight : r->standard;
	return utc >= start || utc < end ? r->daylight : r->standard;
}

/* ---- TZif ---- */
struct header {
	uint32_t isut, isstd, leap, times, types, chars;
};

static int header(struct header *h, struct str *s, size_t time_bytes, size_t *body)
{
	const unsigned char *p = (const unsigned char *)s->p;

	if (s->n < HEADER || memcmp(p, "TZif", 4) != 0)
		return ERR_CORRUPT;
	*h = (struct header){ be32(p + 20), be32(p + 24), be32(p + 28), be32(p + 32), be32(p + 36),
		be32(p + 40) };
	if (h->times > 100000 || h->types == 0 || h->types > 255 || h->leap > 10000 ||
		h->chars > 10000 || h->isut > 255 || h->isstd > 255)
		return ERR_CORRUPT;
	*body = h->times * (time_bytes + 1) + h->types * INFO_BYTES + h->chars +
		h->leap * (time_bytes + 4) + h->isstd + h->isut;
	*s = str_sub(*s, HEADER, s->n);
	return s->n < *body ? ERR_CORRUPT : 0;
}

static bool sane(const struct zone *z)
{
	for (uint32_t i = 0; i < z->info_count; i++) {
		int32_t off = (int32_t)be32(z->infos + (size_t)i * INFO_BYTES);
		if (off > OFFSET_MAX || off < -OFFSET_MAX)
			return false;
	}
	for (uint32_t i = 0; i < z->time_count; i++) {
		const unsigned char *t = z->times + (size_t)i * 8;
		if (z->types[i] >= z->info_count || (i > 0 && be64(t - 8) >= be64(t)))
			return false;
	}
	return true;
}

int zone_parse(struct zone *out, struct str name, struct str s)
{
	struct header h;
	size_t body;
	int err;

	*out = (struct zone){ .name = name };
	if (s.n < HEADER || s.p[4] < '2')
		goto damaged;
	err = header(&h, &s, 4, &body);
	if (err < 0)
		goto damaged;
	s = str_sub(s, body, s.n);
	err = header(&h, &s, 8, &body);
	if (err < 0)
		goto damaged;
	out->times = (const unsigned char *)s.p;
	out->types = out->times + (size_t)h.times * 8;
	out->infos = out->types + h.times;
	out->time_count = h.times;
	out->info_count = h.types;
	s = str_sub(s, body, s.n);
	if (s.n >= 2 && s.p[0] == '\n' && s.p[s.n - 1] == '\n')
		out->rule = str_sub(s, 1, s.n - 1);
	out->has_rule = out->rule.n > 0 && rule_read(&out->then, out->rule);
	if (out->rule.n <= RULE_MAX && sane(out))
		return 0;
damaged:
	return err_set(ERR_CORRUPT, "time zone %.*s: its data is damaged", STR_ARG(name));
}

static struct str entry_name(uint32_t i)
{
	return str_of((const char *)tzdata + le32(tzdata + 4 + (size_t)i * 12));
}

static int found(struct zone *out, uint32_t i)
{
	const unsigned char *e = tzdata + 4 + (size_t)i * 12;
	return zone_parse(out, entry_name(i), str_n(tzdata + le32(e + 4), le32(e + 8)));
}

/* The names are sorted; some write them in another case. */
static int find(struct zone *out, struct str name)
{
	uint32_t n = le32(tzdata), low = 0, high = n;

	while (low < high) {
		uint32_t mid = (low + high) / 2;
		int order = str_cmp(entry_name(mid), name);
		if (order == 0)
			return found(out, mid);
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (uint32_t i = 0; i < n; i++)
		if (str_ieq(entry_name(i), name))
			return found(out, i);
	return ERR_NOENT;
}

int zone_find(struct zone *out, struct str name)
{
	struct str rest = name, head;
	int err = find(out, name);

	if (!str_starts(name, STR("/")))
		return err < 0 ? err_set(err, "no time zone \"%.*s\"", STR_ARG(name)) : 0;
	for (int i = 0; i < VENDOR_CUTS && err == ERR_NOENT && rest.n > 0; i++) {
		str_cut(&head, &rest, rest, '/');
		err = find(out, rest);
	}
	return err < 0 ? err_set(err, "no time zone \"%.*s\"", STR_ARG(name)) : 0;
}

/* ---- offsets ---- */
static int32_t info_offset(const struct zone *z, uint32_t i)
{
	return (int32_t)be32(z->infos + (size_t)i * INFO_BYTES);
}

/* How many of the times are at or before `utc`. */
static uint32_t times_before(const struct zone *z, int64_t utc)
{
	uint32_t low = 0, high = z->time_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;
		if (be64(z->times + (size_t)mid * 8) <= utc)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int32_t zone_offset(const struct zone *z, int64_t utc)
{
	uint32_t n = times_before(z, utc);

	if (n == z->time_count && z->has_rule)
		return rule_offset(&z->then, utc);
	return info_offset(z, n == 0 ? 0 : z->types[n - 1]);
}

int64_t zone_to_utc(const struct zone *z, int64_t local)
{
	/* Every offset lies within a day or so: what held before and after decides. */
	int32_t before = zone_offset(z, local - OFFSET_MAX),
		after = zone_offset(z, local + OFFSET_MAX);
	int64_t early = local - before, late = local - after;

	if (before == after && zone_offset(z, early) == before)
		return early;
	if (zone_offset(z, early) == before) /* the first of two, or the only one */
		return early;
	if (zone_offset(z, late) == after)
		return late;
	return early; /* in the gap */
}
