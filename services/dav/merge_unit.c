/* SPDX-License-Identifier: ISC */
/* What a component's lines are to the merge. */
#include "services/dav/merge_impl.h"

static int too_large(void)
{
	return err_set(ERR_LIMIT, "over the memory for one merge");
}

static int by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* ---- units of one side ---- */
struct names { /* of single values that stand more than once on some side */
	struct str *v;
	size_t n;
};

struct reading {
	struct arena *a;
	struct merge_level *l;
	struct merge_units *u;
	const struct names *twice;
	size_t cap;
	uint32_t at;
};

static bool is_label(const struct content_line *l)
{
	return l->group.n &&
		(str_ieq(l->name, STR("X-ABLABEL")) || str_ieq(l->name, STR("X-ABADR")));
}

/* What comes of a line alone, when its name stands once; else it is one of a set. */
static enum merge_how how_of(const struct reading *r, const struct content_line *l, struct str name)
{
	enum merge_how how = merge_rule(r->l->kind, l);

	if ((how == HOW_SCALAR || how == HOW_QUIET || how == HOW_TEXT) && r->twice->n &&
		bsearch(&name, r->twice->v, r->twice->n, sizeof(name), by_bytes))
		return HOW_MEMBER;
	return how;
}

static struct str lower_address(struct arena *a, struct str value)
{
	value = merge_upper(a, str_trim(value));
	return value.p && str_starts(value, STR("MAILTO:")) ? str_sub(value, 7, value.n) : value;
}

static int unit_key(struct merge_unit *u, struct reading *r, struct str name, struct str value)
{
	struct buf b;

	buf_init(&b, NULL);
	if (u->how == HOW_MEMBER || u->how == HOW_ELEMENT || u->how == HOW_ATTENDEE) {
		if (u->how == HOW_ELEMENT && merge_add_params(&b, r->a, u->line) < 0) {
			buf_free(&b);
			return ERR_LIMIT;
		}
		buf_addc(&b, 1);
		buf_add(&b, u->how == HOW_ATTENDEE ? lower_address(r->a, value) : value);
	}
	if (merge_settle(&u->key, r->a, &b) < 0)
		return ERR_LIMIT;
	u->key = arena_fmt(r->a, "%.*s\1%.*s", STR_ARG(name), STR_ARG(u->key));
	return u->key.p ? 0 : too_large();
}

static int add_unit(
	struct reading *r, const struct merge_unit *unit, struct str name, struct str value)
{
	struct merge_units *u = r->u;
	int err;

	if (u->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 32;
		struct merge_unit *more = arena_alloc(r->a, cap * sizeof(*more));
		if (!more)
			return too_large();
		if (u->n)
			memcpy(more, u->v, u->n * sizeof(*more));
		u->v = more;
		r->cap = cap;
	}
	u->v[u->n] = *unit;
	u->v[u->n].at = r->at++;
	err = unit_key(&u->v[u->n], r, name, value);
	if (err >= 0 && unit->how == HOW_ELEMENT)
		u->v[u->n].meaning = u->v[u->n].key;
	else if (err >= 0)
		err = merge_line_meaning(
			&u->v[u->n].meaning, r->a, unit->n > 1 ? unit->more : &unit->line, unit->n);
	u->n++;
	return err;
}

static int add_elements(struct reading *r, struct merge_unit *u, struct str name)
{
	struct str rest = u->line->value;
	int err = 0;

	do {
		merge_element(&rest);
		u->elements++;
	} while (rest.n);
	rest = u->line->value;
	do {
		u->element = merge_element(&rest);
		err = add_unit(r, u, name, u->element);
	} while (rest.n && err >= 0);
	return err;
}

static int add_line(struct reading *r, const struct content_line *l,
	const struct content_line *const *group, size_t n)
{
	struct str name = merge_upper(r->a, l->name);
	struct merge_unit u = { .line = l, .more = group, .n = (uint32_t)n };

	if (!name.p)
		return too_large();
	u.how = how_of(r, l, name);
	if (n > 1 && (u.how == HOW_ELEMENT || u.how == HOW_ATTENDEE))
		u.how = HOW_MEMBER;
	if (n > 1 && u.how == HOW_TEXT)
		u.how = HOW_SCALAR;
	return u.how == HOW_ELEMENT ? add_elements(r, &u, name)
				    : add_unit(r, &u, name, str_trim(l->value));
}

/* ---- vCard's groups ---- */
static int by_group(const void *a, const void *b)
{
	const struct content_line *x = *(const struct content_line *const *)a;
	const struct content_line *y = *(const struct content_line *const *)b;
	int cmp = str_cmp(x->group, y->group);

	return cmp ? cmp : x->number < y->number ? -1 : 1;
}

/* Lines by group, then as they came. */
static int gather(
	const struct content_line ***out, size_t *n, struct arena *a, const struct content *c)
{
	const struct content_line **v;

	*n = 0;
	for (const struct content_line *l = c->lines; l; l = l->next)
		*n += l->group.n > 0;
	*out = v = arena_alloc(a, (*n + 1) * sizeof(const struct content_line *));
	if (!v)
		return too_large();
	for (const struct content_line *l = c->lines; l; l = l->next)
		if (l->group.n)
			*v++ = l;
	if (*n > 1)
		qsort(*out, *n, sizeof(const struct content_line *), by_group);
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct merge_unit *x = a, *y = b;
	return x->line->number < y->line->number    ? -1
		: x->line->number > y->line->number ? 1
		: x->at < y->at                     ? -1
						    : x->at > y->at;
}

static int add_groups(struct reading *r, const struct content *c)
{
	const struct content_line **v;
	size_t n;
	int err = gather(&v, &n, r->a, c);

	for (size_t i = 0, k; i < n && err >= 0; i += k) {
		const struct content_line *main = NULL;
		for (k = 0; i + k < n && str_eq(v[i]->group, v[i + k]->group); k++)
			if (!main && !is_label(v[i + k]))
				main = v[i + k];
		err = add_line(r, main ? main : v[i], v + i, k);
	}
	if (err >= 0 && n > 0) {
		qsort(r->u->v, r->u->n, sizeof(*r->u->v), by_place);
		for (size_t i = 0; i < r->u->n; i++)
			r->u->v[i].at = (uint32_t)i;
	}
	return err;
}

/* ---- all of a side ---- */
static int by_key(const void *a, const void *b)
{
	const struct merge_unit *x = a, *y = b;
	int cmp = str_cmp(x->key, y->key);

	return cmp ? cmp : x->at < y->at ? -1 : x->at > y->at;
}

/* The same property again gets a number, so that keys are unique. */
static int number(struct merge_units *u, struct arena *a)
{
	size_t again = 0;

	if (u->n > 1)
		qsort(u->v, u->n, sizeof(*u->v), by_key);
	for (size_t i = 1; i < u->n; i++) {
		struct merge_unit *first = &u->v[i - 1 - again];
		again = str_eq(first->key, u->v[i].key) ? again + 1 : 0;
		if (again == 0)
			continue;
		u->v[i].key = arena_fmt(a, "%.*s\1%06zu", STR_ARG(first->key), again);
		if (!u->v[i].key.p)
			return too_large();
		if (u->v[i].how == HOW_ELEMENT)
			u->v[i].meaning = u->v[i].key;
	}
	if (u->n > 1)
		qsort(u->v, u->n, sizeof(*u->v), by_key);
	return 0;
}

static int read_side(struct merge_level *l, struct arena *a, const struct names *twice, int side)
{
	struct reading r = { .a = a, .l = l, .u = &l->u[side], .twice = twice };
	const struct content *c = l->c[side];
	bool card = l->kind == KIND_CARD;
	int err = 0;

	for (const struct content_line *x = c->lines; x && err >= 0; x = x->next)
		if (!card || !x->group.n)
			err = add_line(&r, x, NULL, 1);
	if (err >= 0 && card)
		err = add_groups(&r, c);
	return err < 0 ? err : number(r.u, a);
}

/* Names that stand twice in one of them. */
static int find_twice(struct names *out, struct merge_level *l, struct arena *a)
{
	struct str *v;
	size_t n = 0, all = 0;

	for (int s = BASE; s < SIDES; s++)
		for (const struct content_line *x = l->c[s] ? l->c[s]->lines : NULL; x; x = x->next)
			all++;
	v = arena_alloc(a, (all + 1) * sizeof(*v));
	out->v = arena_alloc(a, (all + 1) * sizeof(*v));
	if (!v || !out->v)
		return too_large();
	for (int s = BASE; s < SIDES; s++) {
		n = 0;
		for (const struct content_line *x = l->c[s] ? l->c[s]->lines : NULL; x; x = x->next)
			if (!is_label(x) && !(v[n++] = merge_upper(a, x->name)).p)
				return too_large();
		if (n > 1)
			qsort(v, n, sizeof(*v), by_bytes);
		for (size_t i = 1; i < n; i++)
			if (str_eq(v[i], v[i - 1]))
				out->v[out->n++] = v[i];
	}
	if (out->n > 1)
		qsort(out->v, out->n, sizeof(*v), by_bytes);
	return 0;
}

int merge_units_read(struct merge_level *l, struct arena *a)
{
	struct names twice = { 0 };
	int err = find_twice(&twice, l, a);

	for (int s = BASE; s < SIDES && err >= 0; s++)
		if (l->c[s])
			err = read_side(l, a, &twice, s);
	return err;
}
