/* SPDX-License-Identifier: ISC */
/* calendar-query (RFC 4791, 7.8) and free-busy-query (7.10). */
#include "services/calendar/query.h"

#define BUSY_MAX 20000

/* The zone in which the query says floating times are meant; < 0: replied. */
static int given_zone(const struct ical_zone **out, struct dav_request *r, const struct xml *root)
{
	const struct xml *given = xml_child(root, XML_CALDAV, "timezone"),
			 *named = xml_child(root, XML_CALDAV, "timezone-id");
	struct ical *none = ARENA_NEW(&r->a, struct ical);

	*out = NULL;
	if (!none) {
		dav_fail_err(r, ERR_LIMIT);
		return ERR_LIMIT;
	}
	none->a = &r->a;
	if (named && !(*out = ical_zone_of(none, str_trim(xml_inner(&r->a, named))))) {
		dav_refuse(r, 403, XML_CALDAV, "valid-timezone", "no such time zone is known");
		return ERR_NOENT;
	}
	if (given && !named && !(*out = ical_zone_read(&r->a, xml_inner(&r->a, given)))) {
		dav_refuse(r, 403, XML_CALDAV, "valid-calendar-data",
			"a timezone is a VCALENDAR with one VTIMEZONE");
		return ERR_BAD;
	}
	return 0;
}

/* That, else the calendar's. */
static const struct ical_zone *home_zone(
	struct dav_request *r, const struct ical_zone *given, struct dav_res *calendar)
{
	const struct dav_meta *m = dav_res_meta(calendar, r);
	struct ical *none = ARENA_NEW(&r->a, struct ical);

	if (none)
		none->a = &r->a;
	if (!given && none && m->timezone_id.n)
		given = ical_zone_of(none, arena_dup(&r->a, m->timezone_id));
	return given ? given : ical_zone_read(&r->a, arena_dup(&r->a, m->timezone));
}

/* ---- calendar-query ---- */
struct query {
	struct dav_request *r;
	struct dav_multi m;
	struct dav_asked asked;
	const struct xml *filter;
	unsigned components; /* what the index can rule out */
	struct ical_window w;
	const struct ical_zone *given, *zone;
};

static int one(void *ctx, struct dav_res *res)
{
	struct query *q = ctx;
	struct ical *o;
	struct str bytes;
	int err = dav_res_bytes(&bytes, res, q->r);

	if (err < 0)
		return err;
	if (ical_parse(&o, &q->r->item, bytes) < 0) {
		dav_res_done(res, q->r);
		return 0;
	}
	o->home = q->zone;
	if (cal_filter_match(o, q->filter))
		dav_multi_props(&q->m, res, &q->asked);
	else
		dav_res_done(res, q->r);
	dav_multi_flush(&q->m);
	return q->m.broken ? ERR_CLOSED : 0;
}

static int in_calendar(void *ctx, struct dav_res *calendar)
{
	struct query *q = ctx;

	q->r->zone = q->zone = home_zone(q->r, q->given, calendar);
	return dav_items(q->r, calendar, q->components, q->w.from, q->w.to, one, q);
}

/* An item alone: it is read in the zone of its calendar. */
static int in_item(struct query *q, struct dav_res *item)
{
	struct dav_res up = { .path = item->path };

	up.path.n--;
	if (dav_res_find(&up, q->r, &up.path) >= 0)
		q->r->zone = q->zone = home_zone(q->r, q->given, &up);
	return one(q, item);
}

/* What the index can rule out: components, and times (a day or two is left for zones). */
static void narrow(unsigned *components, struct ical_window *w, const struct xml *filter)
{
	static const char *const names[] = { "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY" };
	const struct xml *comp = xml_child(xml_first(filter), XML_CALDAV, "comp-filter"),
			 *range = xml_child(comp, XML_CALDAV, "time-range");

	*components = 0;
	*w = (struct ical_window){ INT64_MIN, ICAL_FOREVER };
	if (!comp || xml_again(comp) || xml_child(comp, XML_CALDAV, "is-not-defined"))
		return;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(xml_attr(comp, "name"), str_of(names[i])))
			*components = 1u << i;
	if (range && *components && cal_window(w, range) < 0)
		*w = (struct ical_window){ INT64_MIN, ICAL_FOREVER };
}

void cal_query(struct dav_request *r, const struct xml *root)
{
	struct query q = { .r = r, .filter = xml_child(root, XML_CALDAV, "filter") };
	struct dav_refusal why;
	struct dav_res res;
	int err, depth = dav_depth(r, 0);

	if (depth == -2 || dav_query_target(&res, r) < 0)
		return;
	err = cal_filter_check(&why, q.filter);
	if (err < 0) {
		dav_refuse_as(r, &why, err);
		return;
	}
	if (given_zone(&q.given, r, root) < 0 || dav_data_check(r, root) < 0)
		return;
	dav_asked_read(&q.asked, r, root);
	narrow(&q.components, &q.w, q.filter);
	dav_multi_begin(&q.m, r);
	if (!res.node.collection)
		err = in_item(&q, &res);
	else
		err = dav_query_collections(r, &res, depth, in_calendar, &q);
	if (err < 0)
		q.m.broken = true;
	dav_multi_end(&q.m);
}

/* ---- free-busy-query (RFC 4791, 7.10) ---- */
enum busy_kind { BUSY, BUSY_UNAVAILABLE, BUSY_TENTATIVE };
static const char *const busy_names[] = { "BUSY", "BUSY-UNAVAILABLE", "BUSY-TENTATIVE" };
struct busy {
	int64_t from, to;
	enum busy_kind kind;
};
struct free_busy {
	struct dav_request *r;
	struct ical_window w;
	const struct ical_zone *zone;
	struct busy *list;
	size_t n;
};

static bool says(const struct content *c, const char *name, const char *value)
{
	struct content_line *l = content_get(c, str_of(name), NULL);
	return l && str_ieq(str_trim(l->value), str_of(value));
}

static int busy_add(struct free_busy *f, int64_t from, int64_t to, enum busy_kind kind)
{
	if (from < f->w.from)
		from = f->w.from;
	if (to > f->w.to)
		to = f->w.to;
	if (from >= to)
		return 0;
	if (f->n == BUSY_MAX)
		return err_set(ERR_LIMIT, "calendar: over %d busy times", BUSY_MAX);
	f->list[f->n++] = (struct busy){ from, to, kind };
	return 0;
}

static int on_busy(void *ctx, const struct ical_occurrence *x)
{
	if (says(x->part, "TRANSP", "TRANSPARENT") || says(x->part, "STATUS", "CANCELLED"))
		return 0;
	return busy_add(ctx, x->start, x->end,
		says(x->part, "STATUS", "TENTATIVE") ? BUSY_TENTATIVE : BUSY);
}

/* What is not known is BUSY (RFC 5545, 3.2.9); false: it is free. */
static bool busy_type(enum busy_kind *out, const struct content_line *l)
{
	struct str type = content_param(l, STR("FBTYPE"));

	*out = BUSY;
	for (size_t i = 0; type.p && i < ARRAY_LEN(busy_names); i++)
		if (str_ieq(type, str_of(busy_names[i])))
			*out = (enum busy_kind)i;
	return !str_ieq(type, STR("FREE"));
}

/* The FREEBUSY lines of VFREEBUSY components. */
static int busy_lines(struct free_busy *f, struct ical *o)
{
	struct content *c = content_child(o->cal, STR("VFREEBUSY"), NULL);
	int err = 0;

	for (; c; c = content_child(o->cal, STR("VFREEBUSY"), c)) {
		struct content_line *l = content_get(c, STR("FREEBUSY"), NULL);
		for (; l; l = content_get(c, STR("FREEBUSY"), l)) {
			enum busy_kind kind;
			struct str one, rest = l->value;
			if (!busy_type(&kind, l))
				continue;
			while (rest.n && err >= 0) {
				struct ical_time start;
				int64_t from, to;
				str_cut(&one, &rest, rest, ',');
				if (ical_period(&from, &to, &start, o, one, STR_NONE) == 0)
					err = busy_add(f, from, to, kind);
			}
		}
	}
	return err;
}

static int busy_item(void *ctx, struct dav_res *res)
{
	struct free_busy *f = ctx;
	struct ical *o;
	struct str bytes;
	int err = dav_res_bytes(&bytes, res, f->r);

	if (err >= 0 && ical_parse(&o, &f->r->item, bytes) == 0) {
		o->home = f->zone;
		err = ical_occurrences(o, STR("VEVENT"), &f->w, on_busy, f);
		if (err >= 0)
			err = busy_lines(f, o);
		if (err == ERR_LIMIT && f->n < BUSY_MAX) /* of one item: the rest still counts */
			err = 0;
	}
	dav_res_done(res, f->r);
	return err;
}

static int busy_calendar(void *ctx, struct dav_res *calendar)
{
	struct free_busy *f = ctx;

	f->zone = home_zone(f->r, NULL, calendar);
	return dav_items(
		f->r, calendar, DAV_VEVENT | DAV_VFREEBUSY, f->w.from, f->w.to, busy_item, f);
}

static int busy_cmp(const void *a, const void *b)
{
	const struct busy *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->from > y->from) - (x->from < y->from);
}

static void free_busy_reply(struct free_busy *f)
{
	struct buf b;

	buf_init(&b, &f->r->a);
	buf_add(&b,
		STR("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Allod//EN\r\n"
		    "BEGIN:VFREEBUSY\r\nDTSTAMP:"));
	ical_utc_write(&b, os_wall_sec(), false);
	buf_add(&b, STR("\r\nDTSTART:"));
	ical_utc_write(&b, f->w.from, false);
	buf_add(&b, STR("\r\nDTEND:"));
	ical_utc_write(&b, f->w.to, false);
	buf_add(&b, STR("\r\n"));
	if (f->n)
		qsort(f->list, f->n, sizeof(*f->list), busy_cmp);
	for (size_t i = 0; i < f->n; i++) {
		struct busy *x = &f->list[i];
		while (i + 1 < f->n && f->list[i + 1].kind == x->kind &&
			f->list[i + 1].from <= x->to) { /* they touch: one time */
			i++;
			if (f->list[i].to > x->to)
				x->to = f->list[i].to;
		}
		buf_fmt(&b, "FREEBUSY%s%s:", x->kind == BUSY ? "" : ";FBTYPE=",
			x->kind == BUSY ? "" : busy_names[x->kind]);
		ical_utc_write(&b, x->from, false);
		buf_addc(&b, '/');
		ical_utc_write(&b, x->to, false);
		buf_add(&b, STR("\r\n"));
	}
	buf_add(&b, STR("END:VFREEBUSY\r\nEND:VCALENDAR\r\n"));
	if (b.err < 0) {
		dav_refuse(f->r, 507, STR_NONE, NULL, "too many busy times");
		return;
	}
	http_header(f->r->x, "Content-Type", STR("text/calendar; charset=utf-8"));
	http_reply(f->r->x, 200, buf_str(&b));
}

void cal_free_busy(struct dav_request *r, const struct xml *root)
{
	struct free_busy f = { .r = r };
	struct dav_refusal why = { .status = 400 };
	struct dav_res res;
	int err, depth = dav_depth(r, 0);

	if (depth == -2 || dav_query_target(&res, r) < 0)
		return;
	if (!res.node.collection) {
		dav_refuse(r, 403, XML_DAV, "supported-report", "collections have busy times");
		return;
	}
	err = cal_window(&f.w, xml_child(root, XML_CALDAV, "time-range"));
	if (err >= 0 && (f.w.from == INT64_MIN || f.w.to == ICAL_FOREVER))
		err = err_set(ERR_BAD, "a free-busy-query has a start and an end");
	if (err >= 0)
		err = cal_window_check(&why, &f.w);
	if (err < 0) {
		dav_refuse_as(r, &why, err);
		return;
	}
	f.list = arena_alloc(&r->a, BUSY_MAX * sizeof(*f.list));
	err = f.list ? dav_query_collections(r, &res, depth, busy_calendar, &f)
		     : err_set(ERR_LIMIT, "calendar: over the memory for one request");
	if (err < 0)
		dav_refuse(r, 507, XML_DAV, "number-of-matches-within-limits", err_text(err));
	else
		free_busy_reply(&f);
}
