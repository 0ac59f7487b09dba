/* SPDX-License-Identifier: ISC */
/* When alarms first or again go off (RFC 4791, 9.9; RFC 5545, 3.8.6). */
#include "services/calendar/ical_impl.h"

struct ringing {
	struct ical *o;
	const struct content *part, *alarm;
	const struct ical_window *w;
	int64_t before; /* of the trigger, from start or end */
	bool from_end, found;
	int64_t repeat, gap;
};

static int rings(void *ctx, const struct ical_occurrence *x)
{
	struct ringing *g = ctx;
	int64_t at = (g->from_end ? x->end : x->start) + g->before;

	if (x->part != g->part)
		return 0;
	for (int64_t i = 0; i <= g->repeat; i++, at += g->gap)
		if (at >= g->w->from && at < g->w->to) {
			g->found = true;
			return ERR_CLOSED;
		}
	return 0;
}

int ical_alarm_overlaps(struct ical *o, const struct content *part, const struct content *alarm,
	const struct ical_window *w)
{
	struct ringing g = { .o = o, .part = part, .alarm = alarm, .w = w };
	struct content_line *trigger = content_get(alarm, STR("TRIGGER"), NULL),
			    *again = content_get(alarm, STR("DURATION"), NULL),
			    *repeat = content_get(alarm, STR("REPEAT"), NULL);
	struct ical_window wide;
	struct ical_time t;
	uint64_t n = 0;
	int64_t far;
	int err;

	if (!trigger)
		return 0;
	if (repeat && again && ical_duration(&g.gap, again->value) == 0 && g.gap > 0 &&
		str_u64(&n, str_trim(repeat->value), 1000) == 0)
		g.repeat = (int64_t)n;
	if (ical_duration(&g.before, trigger->value) < 0) { /* an absolute time */
		if (ical_time_of(&t, o, trigger) < 0)
			return 0;
		g.before = 0;
		struct ical_occurrence x = { .part = part, .start = ical_utc(o, &t) };
		return rings(&g, &x) == ERR_CLOSED;
	}
	if (!content_get(part, STR("DTSTART"), NULL) && !content_get(part, STR("DUE"), NULL))
		return 0; /* related to nothing */
	g.from_end = str_ieq(content_param(trigger, STR("RELATED")), STR("END"));
	far = (g.before < 0 ? -g.before : g.before) + g.repeat * g.gap + 1;
	wide.from = w->from > INT64_MIN / 2 ? w->from - far : w->from;
	wide.to = w->to < INT64_MAX / 2 ? w->to + far : w->to;
	err = ical_occurrences(o, part->name, &wide, rings, &g);
	return g.found ? 1 : err == ERR_CLOSED ? 0 : err;
}
