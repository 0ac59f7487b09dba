/* SPDX-License-Identifier: ISC */
/*
 * RRULE by libical, behind guards of ours: it passes rules by value (some kilobytes, hence the frames
 * here), and walks rules finer than a day step by step, which a filter by month can stretch to years.
 */
#include "services/calendar/ical_impl.h"

#include <libical/ical.h>

#pragma GCC diagnostic ignored "-Wframe-larger-than="

#define RULE_BYTES_MAX 4000

static struct icaltimetype wall_time(int64_t wall, bool date)
{
	struct icaltimetype t = { 0 };
	struct os_date d;

	os_date_of(&d, wall);
	t.year = d.year;
	t.month = d.month;
	t.day = d.day;
	if (!date) {
		t.hour = d.hour;
		t.minute = d.min;
		t.second = d.sec;
	}
	t.is_date = date;
	return t;
}

static int64_t wall_of(const struct icaltimetype *t)
{
	return zone_seconds(t->year, t->month, t->day, t->hour, t->minute, t->second);
}

/* Rules of seconds and minutes whose filters may let nothing through for long. */
static bool endless(const struct icalrecurrencetype *r)
{
#define GIVEN(list) \
	((r->list)[0] != \
		(sizeof((r->list)[0]) == 1 ? ICAL_RECURRENCE_ARRAY_MAX_BYTE \
					   : ICAL_RECURRENCE_ARRAY_MAX))
	bool days = GIVEN(by_month) || GIVEN(by_month_day) || GIVEN(by_year_day) ||
		GIVEN(by_week_no) || GIVEN(by_day);

	if (r->freq == ICAL_SECONDLY_RECURRENCE)
		return days || GIVEN(by_hour) || GIVEN(by_minute) || GIVEN(by_second);
	if (r->freq == ICAL_MINUTELY_RECURRENCE)
		return days || GIVEN(by_hour) || GIVEN(by_minute);
	return r->freq == ICAL_HOURLY_RECURRENCE && days;
#undef GIVEN
}

/* UNTIL on the wall of the start, so that both are compared alike. */
static void fix_until(struct icalrecurrencetype *rule, const struct ical_rule *r)
{
	bool date = r->start.kind == ICAL_DATE;
	int64_t t;

	if (icaltime_is_null_time(rule->until))
		return;
	t = wall_of(&rule->until);
	if (rule->until.is_date && !date)
		t += 86399; /* the whole day */
	else if (!rule->until.is_date && icaltime_is_utc(rule->until) && r->start.kind != ICAL_UTC)
		t += r->until_zone ? ical_zone_offset(r->until_zone, t) : r->until_offset;
	rule->until = wall_time(t, date);
}

static int iterate(
	struct icalrecur_iterator_impl *it, const struct ical_rule *r, ical_wall_fn *fn, void *ctx)
{
	int err = 0;

	while (err >= 0) {
		struct icaltimetype t = icalrecur_iterator_next(it);
		int64_t wall;

		if (icaltime_is_null_time(t))
			return 0;
		wall = wall_of(&t);
		if (wall >= r->to)
			return 0;
		if ((*r->steps)-- == 0) {
			*r->steps = 0;
			return err_set(ERR_LIMIT, "calendar: a rule with too many occurrences");
		}
		if (wall >= r->from)
			err = fn(ctx, wall);
	}
	return err;
}

int ical_rule_run(const struct ical_rule *r, ical_wall_fn *fn, void *ctx)
{
	struct icaltimetype start = wall_time(r->start.wall, r->start.kind == ICAL_DATE);
	struct icalrecurrencetype rule;
	struct icalrecur_iterator_impl *it;
	char text[RULE_BYTES_MAX + 1];
	int err;

	if (r->text.n > RULE_BYTES_MAX)
		return err_set(ERR_LIMIT, "calendar: a rule over %d bytes", RULE_BYTES_MAX);
	memcpy(text, r->text.p, r->text.n);
	text[r->text.n] = 0;
	rule = icalrecurrencetype_from_string(text);
	if (rule.freq == ICAL_NO_RECURRENCE)
		return err_set(ERR_BAD, "calendar: \"%.60s\" is no recurrence rule", text);
	if (endless(&rule)) {
		icalrecurrencetype_clear(&rule);
		return err_set(ERR_LIMIT, "calendar: a rule finer than days with filters");
	}
	fix_until(&rule, r);
	it = icalrecur_iterator_new(rule, start);
	if (!it)
		return err_set(ERR_BAD, "calendar: \"%.60s\" can't be followed", text);
	/* With a COUNT, those before the window count as well; and libical 3.0.20 loses the step of
	 * rules finer than a day when it begins later. */
	if (rule.count == 0 && rule.freq >= ICAL_DAILY_RECURRENCE &&
		r->from > r->start.wall + 86400)
		(void)icalrecur_iterator_set_start(it, wall_time(r->from - 86400, start.is_date));
	err = iterate(it, r, fn, ctx);
	icalrecur_iterator_free(it);
	return err;
}
