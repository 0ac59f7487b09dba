/* SPDX-License-Identifier: ISC */
/*
 * The conflict copy: what a side wrote and the merge could not keep, as an item of its own that a person
 * sees and that concerns nobody else: no attendees, no organizer, no alarm.
 */
#include "os/crypto.h"
#include "services/dav/merge_impl.h"

struct copy {
	struct buf b;
	struct arena *a;
	struct str uid, title;           /* the new UID; what follows the title */
	const struct content_line *like; /* for line ends */
	bool alone;                      /* one occurrence of a series */
};

int merge_part_key(struct str *out, struct arena *a, const struct content *c)
{
	static const struct {
		const char *part, *line, *other;
	} rows[] = { { "VTIMEZONE", "TZID", NULL }, { "VALARM", "UID", NULL },
		{ "VALARM", "X-WR-ALARMUID", NULL }, { "VALARM", "ACTION", "TRIGGER" } };
	struct content_line *l, *other;
	struct str meaning, name = merge_upper(a, c->name);
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!str_ieq(c->name, str_of(rows[i].part)))
			continue;
		l = content_get(c, str_of(rows[i].line), NULL);
		other = rows[i].other ? content_get(c, str_of(rows[i].other), NULL) : NULL;
		if (!l || (rows[i].other && !other))
			continue;
		*out = arena_fmt(a, "%.*s\1%.*s\1%.*s\1%.*s", STR_ARG(name),
			STR_ARG(str_trim(l->value)),
			STR_ARG(other ? str_trim(other->value) : STR("")),
			STR_ARG(other ? content_param(other, STR("RELATED")) : STR("")));
		return out->p ? 0 : err_set(ERR_LIMIT, "over the memory for one merge");
	}
	l = content_get(c, STR("RECURRENCE-ID"), NULL);
	if (!l && !content_get(c, STR("DTSTAMP"), NULL) && !str_ieq(name, STR("VEVENT")) &&
		!str_ieq(name, STR("VTODO")) && !str_ieq(name, STR("VJOURNAL"))) {
		l = content_get(c, STR("UID"), NULL);
		err = l ? 0 : merge_meaning(&meaning, a, c, false);
		*out = err < 0 ? STR_NONE
			       : arena_fmt(a, "%.*s\1%.*s", STR_ARG(name),
					 STR_ARG(l ? str_trim(l->value) : meaning));
	} else {
		*out = arena_fmt(a, "%.*s\1%.*s\1%.*s", STR_ARG(name),
			STR_ARG(l ? str_trim(l->value) : STR("")),
			STR_ARG(l ? content_param(l, STR("TZID")) : STR("")));
	}
	return out->p ? 0 : err_set(ERR_LIMIT, "over the memory for one merge");
}

/* ---- what it is called ---- */
/* A UUID (version 8) of the loser's bytes, so that everybody makes the same copy. */
static struct str make_uid(struct arena *a, struct str bytes, struct str part)
{
	uint8_t h[2][OS_SHA256_BYTES];

	os_sha256(h[0], bytes);
	os_sha256(h[1], part);
	for (size_t i = 0; i < 16; i++)
		h[0][i] ^= h[1][i];
	h[0][6] = (uint8_t)((h[0][6] & 15) | 0x80);
	h[0][8] = (uint8_t)((h[0][8] & 63) | 0x80);
	return arena_fmt(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		h[0][0], h[0][1], h[0][2], h[0][3], h[0][4], h[0][5], h[0][6], h[0][7], h[0][8],
		h[0][9], h[0][10], h[0][11], h[0][12], h[0][13], h[0][14], h[0][15]);
}

/* "21 Nov" of the first that says when it was written; "" */
static struct str make_date(struct arena *a, const struct content *c)
{
	static const char *const names[] = { "LAST-MODIFIED", "DTSTAMP", "REV" };
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct content_line *l = content_get(c, str_of(names[i]), NULL);
		unsigned digits[8], n = 0, month, day;
		for (size_t k = 0; l && n < 8 && k < l->value.n; k++) {
			if (l->value.p[k] >= '0' && l->value.p[k] <= '9')
				digits[n++] = (unsigned)(l->value.p[k] - '0');
			else if (l->value.p[k] != '-')
				break;
		}
		if (n < 8)
			continue;
		month = digits[4] * 10 + digits[5];
		day = digits[6] * 10 + digits[7];
		if (month >= 1 && month <= 12 && day >= 1 && day <= 31)
			return arena_fmt(a, "%u %.3s", day, months + 3 * (month - 1));
	}
	return STR("");
}

static void make_title(struct copy *k, const struct content *c, struct str who)
{
	struct str date = make_date(k->a, c);

	if (who.n || date.n)
		k->title = arena_fmt(k->a, "(conflict, %.*s%s%.*s)", STR_ARG(who),
			who.n && date.n ? " " : "", STR_ARG(date));
	else
		k->title = STR("(conflict)");
}

/* ---- what it is made of ---- */
static void add_line(struct copy *k, struct str head, struct str value)
{
	struct buf line;

	buf_init(&line, k->a);
	buf_add(&line, head);
	buf_add(&line, value);
	if (line.err < 0)
		k->b.err = line.err;
	merge_fold(&k->b, k->a, buf_str(&line), k->like);
}

/* The title with what marks it behind it; one that vCard 2.1 encodes stays as it is. */
static void add_title(struct copy *k, const struct content_line *l)
{
	struct buf value;

	if (merge_is_encoded(l)) {
		merge_add_raw(&k->b, l->raw);
		return;
	}
	buf_init(&value, k->a);
	buf_fmt(&value, "%.*s ", STR_ARG(l->value));
	content_text_add(&value, k->title);
	add_line(k, merge_head(k->a, l), buf_str(&value));
	if (value.err < 0)
		k->b.err = value.err;
}

static bool drops(const struct copy *k, const struct content_line *l)
{
	static const char *const always[] = { "UID", "ATTENDEE", "ORGANIZER", "REQUEST-STATUS",
		"X-MOZ-LASTACK", "X-MOZ-GENERATION", "METHOD", "ACKNOWLEDGED" };
	static const char *const series[] = { "RECURRENCE-ID", "RRULE", "RDATE", "EXDATE",
		"EXRULE" };

	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (str_ieq(l->name, str_of(always[i])))
			return true;
	for (size_t i = 0; k->alone && i < ARRAY_LEN(series); i++)
		if (str_ieq(l->name, str_of(series[i])))
			return true;
	return str_istarts(l->name, STR("X-MOZ-SNOOZE-TIME"));
}

static void add_relation(struct copy *k, const struct content *c, bool card)
{
	struct content_line *uid = content_get(c, STR("UID"), NULL);
	struct content_line *version = content_get(c, STR("VERSION"), NULL);
	bool four = version && str_eq(str_trim(version->value), STR("4.0"));

	add_line(k, STR("UID:"), k->uid);
	if (uid)
		add_line(k,
			!card          ? STR("RELATED-TO;RELTYPE=SIBLING:")
				: four ? STR("RELATED;VALUE=text:")
				       : STR("X-RELATED-TO:"),
			str_trim(uid->value));
}

static void add_part(struct copy *k, const struct content *c, bool card)
{
	const char *title = card ? "FN" : "SUMMARY";
	bool titled = false;

	merge_add_raw(&k->b, c->begin->raw);
	for (const struct content_line *l = c->lines; l; l = l->next) {
		if (drops(k, l))
			continue;
		if (!titled && str_ieq(l->name, str_of(title))) {
			titled = true;
			add_title(k, l);
		} else {
			merge_add_raw(&k->b, l->raw);
		}
	}
	add_relation(k, c, card);
	if (!titled) {
		struct buf value;
		buf_init(&value, k->a);
		content_text_add(&value, k->title);
		add_line(k, card ? STR("FN:") : STR("SUMMARY:"), buf_str(&value));
	}
	for (const struct content *p = c->parts; p; p = p->next)
		if (!str_ieq(p->name, STR("VALARM")))
			merge_add_raw(&k->b, p->raw);
	merge_add_raw(&k->b, c->end->raw);
}

static int add_calendar(struct copy *k, const struct content *cal, struct str part)
{
	struct str key;
	int err = 0;

	merge_add_raw(&k->b, cal->begin->raw);
	for (const struct content_line *l = cal->lines; l; l = l->next)
		if (!str_ieq(l->name, STR("METHOD")))
			merge_add_raw(&k->b, l->raw);
	for (const struct content *c = cal->parts; c && err >= 0; c = c->next) {
		err = merge_part_key(&key, k->a, c);
		if (err < 0)
			break;
		if (str_ieq(c->name, STR("VTIMEZONE")))
			merge_add_raw(&k->b, c->raw);
		else if (!k->alone || str_eq(key, part))
			add_part(k, c, false);
	}
	merge_add_raw(&k->b, cal->end->raw);
	return err;
}

bool merge_is_override(struct str part)
{
	struct str name, rest;

	return part.p && str_cut(&name, &rest, part, 1) && rest.n > 1 && rest.p[0] != 1;
}

/* The copy as it is to be, in k->a; `bytes` itself where there is nothing to say of them. */
static int make_copy(struct copy *k, struct str *out, const struct content *loser, struct str bytes,
	struct str part, struct str who)
{
	bool card = loser && merge_kind_of(loser) == KIND_CARD;
	const struct content *c = loser;
	struct content_limits limits = CONTENT_LIMITS;
	struct content *again;
	int err = 0;

	*out = bytes;
	k->alone = loser && !card && merge_is_override(part);
	k->like = loser ? loser->begin : NULL;
	k->uid = make_uid(k->a, bytes, !loser ? STR("as it came") : k->alone ? part : STR(""));
	if (!loser)
		return 0;
	if (!card && loser->parts)
		for (c = loser->parts; c->next && str_ieq(c->name, STR("VTIMEZONE")); c = c->next)
			;
	make_title(k, c, who);
	buf_init(&k->b, NULL);
	if (card)
		add_part(k, loser, true);
	else
		err = add_calendar(k, loser, part);
	if (err >= 0)
		err = k->b.err;
	if (err >= 0 && content_parse(&again, k->a, buf_str(&k->b), &limits) >= 0)
		*out = buf_str(&k->b);
	return err; /* too large now: as it came */
}

int merge_copy(struct dav_merged *out, struct arena *a, const struct content *loser,
	struct str bytes, struct str part, struct str who)
{
	struct arena work;
	struct copy k = { .a = &work };
	struct str made;
	int err;

	arena_init(&work, MERGE_BYTES);
	err = make_copy(&k, &made, loser, bytes, part, who);
	out->copy_uid = arena_dup(a, k.uid);
	out->copy = err < 0 ? STR_NONE : arena_dup(a, made);
	buf_free(&k.b);
	arena_free(&work);
	return err < 0 ? err
		: out->copy.p && out->copy_uid.p
		? 0
		: err_set(ERR_LIMIT, "over the memory for one merge");
}
