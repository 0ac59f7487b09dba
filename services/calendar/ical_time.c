/* SPDX-License-Identifier: ISC */
/* Times, durations, and the zones they are in. */
#include "services/calendar/ical_impl.h"

#define DURATION_MAX   ((int64_t)40000000000) /* seconds: over a thousand years */
#define ZONE_RULES_MAX 30                     /* of an object */

static bool digits(int *out, struct str s, size_t at, size_t n)
{
	int v = 0;

	if (at + n > s.n)
		return false;
	for (size_t i = at; i < at + n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*out = v;
	return true;
}

int ical_time_parse(struct ical_time *out, struct ical *o, struct str s, struct str tzid)
{
	int y, mo, d, h = 0, mi = 0, sec = 0;

	s = str_trim(s);
	if (!digits(&y, s, 0, 4) || !digits(&mo, s, 4, 2) || !digits(&d, s, 6, 2) || mo < 1 ||
		mo > 12 || d < 1 || d > 31)
		return err_set(ERR_BAD, "\"%.*s\" is no date", STR_ARG(s));
	*out = (struct ical_time){ .kind = ICAL_DATE };
	if (s.n > 8) {
		if (s.p[8] != 'T' || !digits(&h, s, 9, 2) || !digits(&mi, s, 11, 2) ||
			!digits(&sec, s, 13, 2) || h > 23 || mi > 59 || sec > 60)
			return err_set(ERR_BAD, "\"%.*s\" is no date and time", STR_ARG(s));
		out->kind =
			s.n > 15 && (s.p[15] == 'Z' || s.p[15] == 'z') ? ICAL_UTC : ICAL_FLOATING;
	}
	out->wall = zone_seconds(y, mo, d, h, mi, sec > 59 ? 59 : sec);
	if (out->kind == ICAL_FLOATING && tzid.n) {
		out->zone = ical_zone_of(o, tzid);
		if (out->zone)
			out->kind = ICAL_ZONED;
	}
	return 0;
}

int ical_time_of(struct ical_time *out, struct ical *o, const struct content_line *l)
{
	struct str first, rest;

	str_cut(&first, &rest, l->value, ',');
	return ical_time_parse(out, o, first, content_param(l, STR("TZID")));
}

int ical_duration(int64_t *sec, struct str s)
{
	int64_t total = 0, n = 0;
	bool minus = false, time = false, any = false, number = false;

	s = str_trim(s);
	if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
		minus = s.p[0] == '-';
		s = str_sub(s, 1, s.n);
	}
	if (s.n == 0 || (s.p[0] | 32) != 'p')
		return err_set(ERR_BAD, "\"%.*s\" is no duration", STR_ARG(s));
	for (size_t i = 1; i < s.n; i++) {
		char c = s.p[i];
		int64_t unit = 0;
		if (c >= '0' && c <= '9') {
			n = n * 10 + (c - '0');
			number = true;
			if (n > 100000000)
				return err_set(ERR_BAD, "\"%.*s\" is too long", STR_ARG(s));
			continue;
		}
		if ((c | 32) == 't') {
			time = true;
			continue;
		}
		switch (c | 32) {
		case 'w': unit = 7 * 86400; break;
		case 'd': unit = 86400; break;
		case 'h': unit = 3600; break;
		case 'm': unit = time ? 60 : 0; break;
		case 's': unit = 1; break;
		default: break;
		}
		if (!unit || !number)
			return err_set(ERR_BAD, "\"%.*s\" is no duration", STR_ARG(s));
		total += n * unit;
		if (total > DURATION_MAX) /* before sums of times, or of sums, can overflow */
			return err_set(ERR_BAD, "\"%.*s\" is too long", STR_ARG(s));
		n = 0;
		number = false;
		any = true;
	}
	*sec = minus ? -total : total;
	return any && !number ? 0 : err_set(ERR_BAD, "\"%.*s\" is no duration", STR_ARG(s));
}

void ical_utc_write(struct buf *b, int64_t utc, bool date)
{
	struct os_date d;

	os_date_of(&d, utc);
	buf_fmt(b, "%04d%02d%02d", d.year, d.month, d.day);
	if (!date)
		buf_fmt(b, "T%02d%02d%02dZ", d.hour, d.min, d.sec);
}

/* ---- zones ---- */
struct onset {
	int64_t wall; /* on the wall before it */
	int32_t before, after;
};
struct ical_zone {
	struct ical_zone *next;
	struct str tzid;
	bool iana, none; /* none: nobody knows it */
	struct zone z;
	struct onset *onsets; /* by time; of a VTIMEZONE */
	uint32_t n;
};

static int32_t offset_of(struct str s)
{
	int h, m, sec = 0;
	bool minus;

	s = str_trim(s);
	minus = s.n && s.p[0] == '-';
	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_sub(s, 1, s.n);
	if (!digits(&h, s, 0, 2) || !digits(&m, s, 2, 2))
		return 0;
	if (!digits(&sec, s, 4, 2))
		sec = 0;
	h = (h * 60 + m) * 60 + sec;
	return minus ? -h : h;
}

struct gather {
	struct ical_zone *z;
	struct onset at;
};

static int add_onset(void *ctx, int64_t wall)
{
	struct gather *g = ctx;

	if (g->z->n == ICAL_ONSETS_MAX)
		return ERR_CLOSED; /* far enough */
	g->at.wall = wall;
	g->z->onsets[g->z->n++] = g->at;
	return 0;
}

static int onset_cmp(const void *a, const void *b)
{
	const struct onset *x = a, *y = b;
	return (x->wall > y->wall) - (x->wall < y->wall);
}

static void observance(struct ical_zone *z, struct ical *o, const struct content *c)
{
	struct content_line *start = content_get(c, STR("DTSTART"), NULL),
			    *from = content_get(c, STR("TZOFFSETFROM"), NULL),
			    *to = content_get(c, STR("TZOFFSETTO"), NULL), *l;
	struct gather g = { .z = z };
	struct ical_time t;
	uint32_t steps = ICAL_STEPS_MAX / 10;

	if (!start || !from || !to || ical_time_parse(&t, o, start->value, STR_NONE) < 0)
		return;
	g.at.before = offset_of(from->value);
	g.at.after = offset_of(to->value);
	(void)add_onset(&g, t.wall);
	for (l = content_get(c, STR("RRULE"), NULL); l && o->zone_rules++ < ZONE_RULES_MAX;
		l = content_get(c, STR("RRULE"), l)) {
		struct ical_rule rule = { .text = l->value,
			.start = t,
			.to = 4102444800, /* 2100 */
			.steps = &steps,
			.until_offset = g.at.before };
		if (ical_rule_run(&rule, add_onset, &g) < 0)
			break;
	}
	for (l = content_get(c, STR("RDATE"), NULL); l; l = content_get(c, STR("RDATE"), l))
		if (ical_time_of(&t, o, l) == 0)
			(void)add_onset(&g, t.wall);
}

static bool read_vtimezone(struct ical_zone *z, struct ical *o, const struct content *tz)
{
	z->onsets = arena_alloc(o->a, ICAL_ONSETS_MAX * sizeof(*z->onsets));
	if (!z->onsets)
		return false;
	for (const struct content *c = tz->parts; c; c = c->next)
		if (str_ieq(c->name, STR("STANDARD")) || str_ieq(c->name, STR("DAYLIGHT")))
			observance(z, o, c);
	if (z->n)
		qsort(z->onsets, z->n, sizeof(*z->onsets), onset_cmp);
	return z->n > 0;
}

const struct ical_zone *ical_zone_of(struct ical *o, struct str tzid)
{
	struct ical_zone *z = o->zones;

	while (z && !str_eq(z->tzid, tzid))
		z = z->next;
	if (z)
		return z->none ? NULL : z;
	z = ARENA_NEW(o->a, struct ical_zone);
	if (!z)
		return NULL;
	z->tzid = tzid;
	z->next = o->zones;
	o->zones = z;
	z->iana = zone_find(&z->z, tzid) == 0;
	z->none = !z->iana;
	for (struct content *c = o->cal ? content_child(o->cal, STR("VTIMEZONE"), NULL) : NULL;
		c && z->none; c = content_child(o->cal, STR("VTIMEZONE"), c)) {
		struct content_line *id = content_get(c, STR("TZID"), NULL);
		if (id && str_eq(str_trim(id->value), tzid))
			z->none = !read_vtimezone(z, o, c);
	}
	if (z->none && zone_find(&z->z, zone_windows(tzid)) == 0) {
		z->iana = true;
		z->none = false;
	}
	return z->none ? NULL : z;
}

const struct ical_zone *ical_zone_read(struct arena *a, struct str vcalendar)
{
	struct content_line *id;
	struct content *tz;
	struct ical *o;

	if (vcalendar.n == 0 || ical_parse(&o, a, vcalendar) < 0)
		return NULL;
	tz = content_child(o->cal, STR("VTIMEZONE"), NULL);
	id = tz ? content_get(tz, STR("TZID"), NULL) : NULL;
	return id ? ical_zone_of(o, str_trim(id->value)) : NULL;
}

/* The offset in force on the wall at `wall`: of the last onset before it. */
static int64_t wall_to_utc(const struct ical_zone *z, int64_t wall)
{
	uint32_t low = 0, high = z->n;

	if (z->iana)
		return zone_to_utc(&z->z, wall);
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		/* In the gap the offset before it holds, as in zone.h. */
		int64_t from = z->onsets[mid].wall;
		int32_t jump = z->onsets[mid].after - z->onsets[mid].before;
		if (from + (jump > 0 ? jump : 0) <= wall)
			low = mid + 1;
		else
			high = mid;
	}
	return wall - (low ? z->onsets[low - 1].after : z->onsets[0].before);
}

int32_t ical_zone_offset(const struct ical_zone *z, int64_t utc)
{
	uint32_t i = z->n;

	if (z->iana)
		return zone_offset(&z->z, utc);
	while (i > 0 && z->onsets[i - 1].wall - z->onsets[i - 1].before > utc)
		i--;
	return i ? z->onsets[i - 1].after : z->onsets[0].before;
}

int64_t ical_utc(const struct ical *o, const struct ical_time *t)
{
	const struct ical_zone *z = t->kind == ICAL_ZONED ? t->zone : o->home;

	if (t->kind == ICAL_UTC || !z)
		return t->wall;
	return wall_to_utc(z, t->wall);
}

int64_t ical_home_wall(const struct ical *o, int64_t utc)
{
	return o->home ? utc + ical_zone_offset(o->home, utc) : utc;
}
