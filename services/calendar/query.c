/* SPDX-License-Identifier: ISC */
/* calendar-query (RFC 4791, 7.8) and free-busy-query (7.10). */
#include "services/calendar/query.h"

#define BUSY_MAX 20000

static void fail(struct dav_request *r, const struct dav_refusal *why, int err)
{
	dav_refuse(r, why->status, why->ns, why->condition, err_text(err));
}

/* The collection a report is about; the items right in it alone. < 0: replied. */
static int here(struct dav_res *res, struct dav_request *r)
{
	int err = dav_res_find(res, r, &r->path);

	if (err >= 0 && r->path.place == DAV_RESOURCE && res->node.collection)
		return 0;
	if (err >= 0)
		err = ERR_NOENT;
	dav_refuse(r, 404, STR_NONE, NULL, "there is no calendar here");
	return err;
}

/* The zone in which floating times are meant: of the query, else of the calendar. */
static const struct ical_zone *home_zone(
	struct dav_request *r, const struct xml *root, struct dav_res *calendar)
{
	const struct xml *given = xml_child(root, XML_CALDAV, "timezone"),
			 *named = xml_child(root, XML_CALDAV, "timezone-id");
	struct ical *none = ARENA_NEW(&r->a, struct ical);

	if (none)
		none->a = &r->a;
	if (named && none)
		return ical_zone_of(none, str_trim(xml_inner(&r->a, named)));
	return ical_zone_read(&r->a,
		given ? xml_inner(&r->a, given)
		      : arena_dup(&r->a, dav_res_meta(calendar, r)->timezone));
}

/* ---- calendar-query ---- */
struct query {
	struct dav_request *r;
	struct dav_multi m;
	struct dav_asked asked;
	const struct xml *filter;
	const struct ical_zone *zone;
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

/* What the index can rule out: components, and times (a day or two is left for zones). */
static void narrow(unsigned *components, struct ical_window *w, const struct xml *filter)
{
	static const char *const names[] = { "VEVENT", "VTODO", "VJOURNAL" };
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
	struct ical_window w;
	struct dav_res res;
	unsigned components;
	int err;

	if (here(&res, r) < 0)
		return;
	err = q.filter ? cal_filter_check(&why, q.filter)
		       : err_set(ERR_BAD, "a calendar-query has a filter");
	if (!q.filter)
		why = (struct dav_refusal){ 400, XML_CALDAV, "valid-filter" };
	if (err < 0) {
		fail(r, &why, err);
		return;
	}
	q.zone = home_zone(r, root, &res);
	dav_asked_read(&q.asked, r, root);
	narrow(&components, &w, q.filter);
	dav_multi_begin(&q.m, r);
	err = dav_items(r, &res, components, w.from, w.to, one, &q);
	if (err < 0)
		q.m.broken = true;
	dav_multi_end(&q.m);
}

/* ---- free-busy-query ---- */
struct busy {
	int64_t from, to;
	bool tentative;
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

static int on_busy(void *ctx, const struct ical_occurrence *x)
{
	struct free_busy *f = ctx;

	if (says(x->part, "TRANSP", "TRANSPARENT") || says(x->part, "STATUS", "CANCELLED") ||
		x->end <= x->start)
		return 0;
	if (f->n == BUSY_MAX)
		return err_set(ERR_LIMIT, "calendar: over %d busy times", BUSY_MAX);
	f->list[f->n++] = (struct busy){
		.from = x->start < f->w.from ? f->w.from : x->start,
		.to = x->end > f->w.to ? f->w.to : x->end,
		.tentative = says(x->part, "STATUS", "TENTATIVE"),
	};
	return 0;
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
		if (err == ERR_LIMIT && f->n < BUSY_MAX) /* of one item: the rest still counts */
			err = 0;
	}
	dav_res_done(res, f->r);
	return err;
}

static int busy_cmp(const void *a, const void *b)
{
	const struct busy *x = a, *y = b;

	if (x->tentative != y->tentative)
		return x->tentative - y->tentative;
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
		while (i + 1 < f->n && f->list[i + 1].tentative == x->tentative &&
			f->list[i + 1].from <= x->to) { /* they touch: one time */
			i++;
			if (f->list[i].to > x->to)
				x->to = f->list[i].to;
		}
		buf_fmt(&b, "FREEBUSY%s:", x->tentative ? ";FBTYPE=BUSY-TENTATIVE" : "");
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
	struct dav_res res;
	int err;

	if (here(&res, r) < 0)
		return;
	err = cal_window(&f.w, xml_child(root, XML_CALDAV, "time-range"));
	if (err >= 0 && (f.w.from == INT64_MIN || f.w.to == ICAL_FOREVER))
		err = err_set(ERR_BAD, "a free-busy-query has a start and an end");
	if (err < 0) {
		dav_refuse(r, 400, STR_NONE, NULL, err_text(err));
		return;
	}
	f.zone = home_zone(r, root, &res);
	f.list = arena_alloc(&r->a, BUSY_MAX * sizeof(*f.list));
	err = f.list ? dav_items(r, &res, DAV_VEVENT, f.w.from, f.w.to, busy_item, &f)
		     : err_set(ERR_LIMIT, "calendar: over the memory for one request");
	if (err < 0)
		dav_refuse(r, 507, STR_NONE, NULL, err_text(err));
	else
		free_busy_reply(&f);
}
