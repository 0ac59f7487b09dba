/* SPDX-License-Identifier: ISC */
/*
 * Components of three sides, and the order of what comes out: what the base has stands where it stood
 * there (without a base, where X has it); what is new behind what it follows on its own side.
 */
#include "services/dav/merge_impl.h"

struct placed {
	size_t slot;
	bool added, follows; /* follows: it stands in another one's line */
	struct str key;
	const struct merge_unit *unit;
	struct str text;     /* instead of a unit: whole lines */
	struct str group;    /* vCard: another name than the unit's lines have */
	struct str list;     /* HOW_ELEMENT: those with the same one stand in one line */
	struct placed *next; /* of that line */
};
struct output {
	struct placed *v;
	size_t n;
};

static int too_large(void)
{
	return err_set(ERR_LIMIT, "over the memory for one merge");
}

static int by_slot(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	if (x->added != y->added)
		return x->added - y->added;
	return str_cmp(x->key, y->key);
}

/* ---- three sides by key ---- */
struct join {
	const struct merge_level *l;
	size_t at[SIDES];
};

static bool join_next(struct merge_unit *u[SIDES], struct join *j)
{
	struct str key = STR_NONE;

	for (int s = BASE; s < SIDES; s++) {
		const struct merge_units *v = &j->l->u[s];
		if (j->at[s] < v->n && (!key.p || str_cmp(v->v[j->at[s]].key, key) < 0))
			key = v->v[j->at[s]].key;
	}
	for (int s = BASE; s < SIDES; s++) {
		const struct merge_units *v = &j->l->u[s];
		bool has = key.p && j->at[s] < v->n && str_eq(v->v[j->at[s]].key, key);
		u[s] = has ? &v->v[j->at[s]++] : NULL;
	}
	return key.p != NULL;
}

/* Slots of what the skeleton has, then of what follows it. */
static int find_slots(struct merge_level *l, struct arena *a)
{
	int skeleton = l->c[BASE] ? BASE : X;
	struct join j = { .l = l };
	struct merge_unit *u[SIDES];

	while (join_next(u, &j))
		for (int s = BASE; s < SIDES; s++)
			if (u[s] && u[skeleton]) {
				u[s]->rooted = true;
				u[s]->slot = u[skeleton]->at + 1;
			}
	for (int s = X; s < SIDES; s++) {
		struct merge_units *v = &l->u[s];
		struct merge_unit **order =
			arena_alloc(a, (v->n + 1) * sizeof(struct merge_unit *));
		size_t last = 0;
		if (!order)
			return too_large();
		for (size_t i = 0; i < v->n; i++)
			order[v->v[i].at] = &v->v[i];
		for (size_t i = 0; i < v->n; i++) {
			if (order[i]->rooted)
				last = order[i]->slot;
			else
				order[i]->slot = last;
		}
	}
	return 0;
}

/* ---- lists ---- */
static int by_line(const void *a, const void *b)
{
	const struct placed *x = *(struct placed *const *)a, *y = *(struct placed *const *)b;
	const void *p = x->unit->line, *q = y->unit->line;

	return p != q ? (p < q ? -1 : 1) : x < y ? -1 : x > y;
}

static int by_list(const void *a, const void *b)
{
	const struct placed *x = *(struct placed *const *)a, *y = *(struct placed *const *)b;
	int cmp = str_cmp(x->list, y->list);

	return cmp ? cmp : x < y ? -1 : x > y;
}

/* Values that may come from several lines, those of dates each in its own. */
static int name_list(struct placed *p, const struct placed *before, struct arena *a)
{
	const struct content_line *const *line = &p->unit->line;

	if (before && before->unit->line == *line)
		p->list = before->list;
	else if (str_ieq((*line)->name, STR("EXDATE")) || str_ieq((*line)->name, STR("RDATE")))
		p->list = str_n(line, sizeof(*line));
	else
		p->list = merge_upper(a, merge_head(a, *line));
	return p->list.p ? 0 : too_large();
}

static int join_lists(struct output *o, struct arena *a)
{
	struct placed **v = arena_alloc(a, (o->n + 1) * sizeof(struct placed *));
	size_t n = 0;
	int err = 0;

	if (!v)
		return too_large();
	for (size_t i = 0; i < o->n; i++)
		if (o->v[i].unit && o->v[i].unit->how == HOW_ELEMENT)
			v[n++] = &o->v[i];
	if (n > 1)
		qsort(v, n, sizeof(struct placed *), by_line);
	for (size_t i = 0; i < n && err >= 0; i++)
		err = name_list(v[i], i ? v[i - 1] : NULL, a);
	if (err < 0)
		return err;
	if (n > 1)
		qsort(v, n, sizeof(struct placed *), by_list);
	for (size_t i = 1; i < n; i++)
		if (str_eq(v[i - 1]->list, v[i]->list)) {
			v[i - 1]->next = v[i];
			v[i]->follows = true;
		}
	return 0;
}

/* ---- all of them ---- */
static size_t slot_of(struct merge_unit *const u[SIDES])
{
	size_t slot = SIZE_MAX;

	for (int s = X; s < SIDES; s++)
		if (u[s] && u[s]->slot < slot)
			slot = u[s]->slot;
	return slot;
}

static int choose_all(struct output *o, struct merge *m, struct merge_level *l)
{
	size_t n = l->u[X].n + l->u[Y].n;
	struct join j = { .l = l };
	struct merge_unit *u[SIDES];
	int err = 0;

	o->v = arena_alloc(m->a, (n + 1) * sizeof(*o->v));
	o->n = 0;
	if (!o->v)
		return too_large();
	while (err >= 0 && join_next(u, &j)) {
		const struct merge_unit *sides[SIDES] = { u[BASE], u[X], u[Y] };
		struct merge_unit *any = u[X] ? u[X] : u[Y];
		struct merge_pick pick;
		struct buf b;

		err = merge_choose(&pick, m, l, sides);
		if (err < 0 || (!pick.unit && !pick.line.p))
			continue;
		o->v[o->n] = (struct placed){ .slot = slot_of(u),
			.added = !any->rooted,
			.key = any->key,
			.unit = pick.unit };
		if (!pick.unit) {
			buf_init(&b, m->a);
			merge_fold(&b, m->a, pick.line, l->c[X]->begin);
			o->v[o->n].text = buf_str(&b);
			err = b.err;
		}
		o->n++;
	}
	if (o->n > 1)
		qsort(o->v, o->n, sizeof(*o->v), by_slot);
	return err < 0 ? err : join_lists(o, m->a);
}

/* ---- writing ---- */
static int add_list(struct buf *b, struct merge *m, const struct placed *first)
{
	const struct merge_unit *u = first->unit;
	bool whole = true;
	size_t n = 0;
	struct buf line;

	buf_init(&line, m->a);
	buf_add(&line, merge_head(m->a, u->line));
	for (const struct placed *p = first; p; p = p->next) {
		whole = whole && p->unit->line == u->line;
		buf_fmt(&line, "%s%.*s", n++ ? "," : "", STR_ARG(p->unit->element));
	}
	if (whole && n == u->elements)
		merge_add_raw(b, u->line->raw);
	else
		merge_fold(b, m->a, buf_str(&line), u->line);
	return line.err;
}

static void add_unit(struct buf *b, const struct placed *p)
{
	for (uint32_t i = 0; i < p->unit->n; i++) {
		const struct content_line *l = p->unit->n > 1 ? p->unit->more[i] : p->unit->line;
		if (p->group.p && str_starts(l->raw, l->group)) {
			buf_add(b, p->group);
			merge_add_raw(b, str_sub(l->raw, l->group.n, l->raw.n));
		} else {
			merge_add_raw(b, l->raw);
		}
	}
}

static int add_lines(struct buf *b, struct merge *m, struct output *o)
{
	int err = 0;

	for (size_t i = 0; i < o->n && err >= 0; i++) {
		struct placed *p = &o->v[i];
		if (p->follows)
			continue;
		if (!p->unit)
			buf_add(b, p->text);
		else if (p->unit->how == HOW_ELEMENT)
			err = add_list(b, m, p);
		else
			add_unit(b, p);
	}
	return err < 0 ? err : b->err;
}

/* ---- groups of a vCard ---- */
static int by_group(const void *a, const void *b)
{
	const struct placed *const *x = a, *const *y = b;
	int cmp = str_cmp((*x)->unit->line->group, (*y)->unit->line->group);

	return cmp ? cmp : *x < *y ? -1 : *x > *y;
}

/* Two that both sides added under one name: the second one gets another. */
static int part_groups(struct merge *m, struct output *o)
{
	struct placed **v = arena_alloc(m->a, (o->n + 1) * sizeof(struct placed *));
	uint64_t free = 1, number;
	size_t n = 0;

	if (!v)
		return too_large();
	for (size_t i = 0; i < o->n; i++)
		if (o->v[i].unit && o->v[i].unit->line->group.n && o->v[i].unit->how != HOW_ELEMENT)
			v[n++] = &o->v[i];
	if (n > 1)
		qsort(v, n, sizeof(struct placed *), by_group);
	for (size_t i = 0; i < n; i++) {
		struct str group = v[i]->unit->line->group;
		if (str_istarts(group, STR("item")) &&
			str_u64(&number, str_sub(group, 4, group.n), UINT32_MAX) >= 0 &&
			number >= free)
			free = number + 1;
	}
	for (size_t i = 1; i < n; i++) {
		if (!str_eq(v[i - 1]->unit->line->group, v[i]->unit->line->group))
			continue;
		v[i]->group = arena_fmt(m->a, "item%llu", (unsigned long long)free++);
		if (!v[i]->group.p)
			return too_large();
	}
	return 0;
}

/* ---- parts ---- */
struct part {
	struct str key, meaning;
	const struct content *c;
	size_t at, slot;
	bool rooted;
};
struct parts {
	struct part *v;
	size_t n;
};

static int by_key(const void *a, const void *b)
{
	const struct part *x = a, *y = b;
	int cmp = str_cmp(x->key, y->key);

	return cmp ? cmp : x->at < y->at ? -1 : x->at > y->at;
}

static bool is_zone(const struct part *p)
{
	return str_ieq(p->c->name, STR("VTIMEZONE"));
}

/* Two of one key: alarms get a number; of events there is nothing to tell them apart by. */
static int number(struct parts *p, struct arena *a)
{
	size_t again = 0;

	for (size_t i = 1; i < p->n; i++) {
		struct part *first = &p->v[i - 1 - again];
		again = str_eq(first->key, p->v[i].key) ? again + 1 : 0;
		if (again == 0)
			continue;
		if (content_get(p->v[i].c, STR("DTSTAMP"), NULL))
			return err_set(ERR_BAD, "two components are one and the same occurrence");
		p->v[i].key = arena_fmt(a, "%.*s\1%06zu", STR_ARG(first->key), again);
		if (!p->v[i].key.p)
			return too_large();
	}
	if (p->n > 1)
		qsort(p->v, p->n, sizeof(*p->v), by_key);
	return 0;
}

static int read_parts(struct parts *out, struct arena *a, const struct content *c)
{
	size_t n = 0;
	int err = 0;

	*out = (struct parts){ 0 };
	for (const struct content *p = c ? c->parts : NULL; p; p = p->next)
		n++;
	out->v = arena_alloc(a, (n + 1) * sizeof(*out->v));
	if (!out->v)
		return too_large();
	for (const struct content *p = c ? c->parts : NULL; p && err >= 0; p = p->next) {
		struct part *one = &out->v[out->n];
		*one = (struct part){ .c = p, .at = out->n++ };
		err = merge_part_key(&one->key, a, p);
		if (err >= 0)
			err = merge_meaning(&one->meaning, a, p, false);
	}
	if (err >= 0 && out->n > 1)
		qsort(out->v, out->n, sizeof(*out->v), by_key);
	return err < 0 ? err : number(out, a);
}

static struct str lower_raw(const struct part *x, const struct part *y)
{
	return str_cmp(x->c->raw, y->c->raw) <= 0 ? x->c->raw : y->c->raw;
}

/* Does it stand in the copy? */
static bool is_out(const struct merge *m, const struct part *p, int side)
{
	return m->depth == 1 && m->out_of == side && merge_is_override(p->key) &&
		(!m->out_key.p || str_eq(m->out_key, p->key));
}

/* .p NULL: it is gone. */
static int choose_part(struct str *out, struct merge *m, const struct part *const p[SIDES])
{
	const struct part *b = p[BASE], *x = p[X], *y = p[Y], *one = x ? x : y;
	const struct content *c[SIDES] = { b ? b->c : NULL, x ? x->c : NULL, y ? y->c : NULL };
	struct str part_key = m->part_key;
	struct buf text;
	int err;

	*out = STR_NONE;
	if (!one)
		return 0;
	if (!x || !y) {
		if (is_out(m, one, x ? X : Y))
			return 0;
		if (is_zone(one) || !b || !str_eq(b->meaning, one->meaning))
			*out = one->c->raw;
		return 0;
	}
	if (str_eq(x->meaning, y->meaning)) {
		*out = lower_raw(x, y);
		return 0;
	}
	if (b && !(m->stuck && m->depth == 1) &&
		(str_eq(b->meaning, x->meaning) || str_eq(b->meaning, y->meaning))) {
		*out = str_eq(b->meaning, x->meaning) ? y->c->raw : x->c->raw;
		return 0;
	}
	if (is_zone(x)) {
		*out = str_cmp(x->meaning, y->meaning) > 0 ? x->c->raw : y->c->raw;
		return 0;
	}
	if (m->depth == 1)
		m->part_key = x->key;
	buf_init(&text, m->a);
	err = merge_part(&text, m, c);
	m->part_key = part_key;
	*out = buf_str(&text);
	return err;
}

static bool next_part(struct part *p[SIDES], struct parts v[SIDES], size_t at[SIDES])
{
	struct str key = STR_NONE;

	for (int s = BASE; s < SIDES; s++)
		if (at[s] < v[s].n && (!key.p || str_cmp(v[s].v[at[s]].key, key) < 0))
			key = v[s].v[at[s]].key;
	for (int s = BASE; s < SIDES; s++) {
		bool has = key.p && at[s] < v[s].n && str_eq(v[s].v[at[s]].key, key);
		p[s] = has ? &v[s].v[at[s]++] : NULL;
	}
	return key.p != NULL;
}

/* Parts have few places: those of the base, then new ones by key. */
static int merge_parts(struct output *o, struct merge *m, const struct content *const c[SIDES])
{
	int skeleton = c[BASE] ? BASE : X, err = 0;
	struct parts v[SIDES];
	size_t at[SIDES] = { 0 };
	struct part *p[SIDES];

	for (int s = BASE; s < SIDES && err >= 0; s++)
		err = read_parts(&v[s], m->a, c[s]);
	if (err < 0)
		return err;
	o->n = 0;
	o->v = arena_alloc(m->a, (v[X].n + v[Y].n + 1) * sizeof(*o->v));
	if (!o->v)
		return too_large();
	while (err >= 0 && next_part(p, v, at)) {
		const struct part *sides[SIDES] = { p[BASE], p[X], p[Y] };
		struct str text;
		err = choose_part(&text, m, sides);
		if (err < 0 || !text.p)
			continue;
		const struct part *any = p[X] ? p[X] : p[Y];
		bool zone = !p[skeleton] && is_zone(any); /* before what speaks of it */
		o->v[o->n++] = (struct placed){ .slot = p[skeleton] ? p[skeleton]->at + 1
				: zone                              ? 0
								    : SIZE_MAX,
			.key = any->key,
			.text = text };
	}
	if (o->n > 1)
		qsort(o->v, o->n, sizeof(*o->v), by_slot);
	return err;
}

/* ---- a component ---- */
static void read_revision(struct merge_level *l)
{
	static const char *const names[] = { "DTSTAMP", "LAST-MODIFIED", "REV" };
	struct str written[SIDES] = { { "", 0 }, { "", 0 }, { "", 0 } };

	for (int s = X; s < SIDES; s++) {
		struct content_line *n = content_get(l->c[s], STR("SEQUENCE"), NULL);
		l->stamp[s] = STR("");
		if (n && str_u64(&l->sequence[s], str_trim(n->value), UINT32_MAX) < 0)
			l->sequence[s] = 0;
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			struct content_line *t = content_get(l->c[s], str_of(names[i]), NULL);
			struct str value = t ? str_trim(t->value) : STR("");
			if (i == 0)
				l->stamp[s] = value;
			if (str_cmp(value, written[s]) > 0)
				written[s] = value;
		}
	}
	l->rank = str_cmp(written[X], written[Y]);
	if (l->sequence[X] != l->sequence[Y])
		l->rank = l->sequence[X] > l->sequence[Y] ? 1 : -1;
}

static void add_end(struct buf *b, const struct content_line *x, const struct content_line *y)
{
	merge_add_raw(b, str_cmp(x->raw, y->raw) <= 0 ? x->raw : y->raw);
}

int merge_part(struct buf *out, struct merge *m, const struct content *const c[SIDES])
{
	struct merge_level l = { .c = { c[BASE], c[X], c[Y] }, .kind = merge_kind_of(c[X]) };
	struct output lines, parts;
	int err = merge_units_read(&l, m->a);

	m->depth++;
	read_revision(&l);
	if (err >= 0)
		err = merge_bundles(m, &l);
	if (err >= 0)
		err = find_slots(&l, m->a);
	if (err >= 0)
		err = choose_all(&lines, m, &l);
	if (err >= 0 && l.kind == KIND_CARD)
		err = part_groups(m, &lines);
	if (err >= 0)
		err = merge_parts(&parts, m, c);
	if (err >= 0) {
		add_end(out, c[X]->begin, c[Y]->begin);
		err = add_lines(out, m, &lines);
		for (size_t i = 0; i < parts.n; i++)
			merge_add_raw(out, parts.v[i].text);
		add_end(out, c[X]->end, c[Y]->end);
	}
	m->depth--;
	return err < 0 ? err : out->err;
}
