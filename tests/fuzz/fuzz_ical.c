/* SPDX-License-Identifier: ISC */
/* Whatever is in an object, looking through it ends soon, tells nothing outside the window, and what is spelled out
 * reads again, without rules. */
#include "services/calendar/query.h"

#define MONTH (30 * 86400)

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int inside(void *ctx, const struct ical_occurrence *x)
{
	const struct ical_window *w = ctx;

	if (x->start || x->end) /* it has a time */
		os_assert(x->end >= x->start && x->start <= w->to && x->end >= w->from);
	return 0;
}

static void look(struct ical *o, const struct ical_window *w)
{
	for (struct content *c = o->cal->parts; c; c = c->next) {
		if (ical_occurrences(o, c->name, w, inside, (void *)w) == ERR_LIMIT)
			return; /* each part of that name would take as long */
		for (struct content *a = c->parts; a; a = a->next)
			if (ical_alarm_overlaps(o, c, a, w) < 0)
				return;
	}
}

static void expand(struct arena *a, struct str bytes)
{
	struct xml_attr attrs[] = { { STR(""), STR("start"), STR("20260101T000000Z") },
		{ STR(""), STR("end"), STR("20260201T000000Z") } };
	struct xml spread = { XML_CALDAV, STR("expand"), .attrs = attrs, .attr_count = 2 },
		   asked = { XML_CALDAV, STR("calendar-data"), .children = &spread };
	struct content_limits limits = {
		.bytes_max = 64 << 20, .lines_max = 4000000, .params_max = 1000, .depth_max = 10
	};
	struct content *root;
	struct buf b;

	buf_init(&b, a);
	if (cal_data(&b, a, bytes, &asked, NULL) == 0)
		os_assert(content_parse(&root, a, buf_str(&b), &limits) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct ical_window windows[] = { { 1767225600, 1767225600 + MONTH },
		{ 2082758400, 2082758400 + MONTH },
		{ -1000 * (int64_t)MONTH, -999 * (int64_t)MONTH } };
	struct arena a;
	struct ical *o;

	arena_init(&a, 64 << 20);
	if (n <= 4096 && ical_parse(&o, &a, str_n(p, n)) == 0) {
		for (size_t i = 0; i < ARRAY_LEN(windows); i++)
			look(o, &windows[i]);
		expand(&a, str_n(p, n));
	}
	arena_free(&a);
	return 0;
}
