/* SPDX-License-Identifier: ISC */
#include "store/lines.h"
#include "store/reach_impl.h"

#define TEXT_BYTES (1024 * 1024)
#define PARENTS    ARRAY_LEN(((struct store_commit *)NULL)->parents)
#define SLOTS      (STORE_LINES_MAX + 1 + PARENTS)

struct line {
	struct store_oid id;
	int64_t time;
	uint8_t *state;
};
struct walk {
	struct store *s;
	const struct store_lines_ops *ops;
	void *ctx;
	struct line lines[STORE_LINES_MAX + 1]; /* newest first; of equal ones that met first */
	size_t n;
	uint8_t *states, *free[SLOTS]; /* of which these are free */
	size_t free_n;
	struct idset seen;
	struct arena a, b; /* a commit; its parent */
};

static uint8_t *take(struct walk *w)
{
	os_assert(w->free_n > 0);
	return w->free[--w->free_n];
}

static void give_back(struct walk *w, uint8_t *state)
{
	w->free[w->free_n++] = state;
}

/* Unless it was met already. Takes the state over. */
static int push(struct walk *w, const struct line *x)
{
	size_t at = w->n;
	bool fresh;
	int err = idset_add(&fresh, &w->seen, idset_of(&x->id));

	if (err < 0 || !fresh) {
		give_back(w, x->state);
		return err;
	}
	for (; at > 0 && w->lines[at - 1].time < x->time; at--)
		w->lines[at] = w->lines[at - 1];
	w->lines[at] = *x;
	w->n++;
	return 0;
}

static int begin(struct walk *w, const struct store_oid *id)
{
	struct line x = { .id = *id, .state = take(w) };
	struct store_commit c;
	int err;

	arena_reset(&w->a);
	err = store_commit_get(&c, &w->a, w->s, id);
	if (err >= 0)
		err = w->ops->look(w->ctx, x.state, &c.tree, NULL, NULL);
	if (err < 0) {
		give_back(w, x.state);
		return err;
	}
	x.time = c.time;
	return push(w, &x);
}

/* The lines behind `c`, up to the first one that has the same state; *same is which, or *n. */
static int look_back(struct line *out, size_t *n, size_t *same, struct walk *w,
	const struct store_commit *c, const uint8_t *state)
{
	struct store_commit p;
	int err = 0;

	*same = SIZE_MAX;
	for (*n = 0; *n < c->parent_count && *same == SIZE_MAX && err >= 0; ++*n) {
		struct line *x = &out[*n];

		*x = (struct line){ .id = c->parents[*n], .state = take(w) };
		arena_reset(&w->b);
		err = store_commit_get(&p, &w->b, w->s, &x->id);
		if (err >= 0)
			err = w->ops->look(w->ctx, x->state, &p.tree, state, &c->tree);
		x->time = err < 0 ? 0 : p.time;
		if (err >= 0 && w->ops->same(state, x->state))
			*same = *n;
	}
	return err;
}

/* The newest line moves on to the commits behind it. */
static int step(struct walk *w)
{
	struct line at = w->lines[0], back[PARENTS];
	struct store_commit c;
	size_t n = 0, same;
	int err;

	arena_reset(&w->a);
	err = store_commit_get(&c, &w->a, w->s, &at.id);
	if (err >= 0)
		err = look_back(back, &n, &same, w, &c, at.state);
	if (err >= 0 && same == SIZE_MAX)
		err = w->ops->told(w->ctx, &c, at.state, n ? back[0].state : NULL);
	if (err >= 0) {
		memmove(w->lines, w->lines + 1, --w->n * sizeof(w->lines[0]));
		give_back(w, at.state);
	}
	for (size_t i = 0; i < n; i++) {
		bool wanted = same == SIZE_MAX ? i == 0 || w->n < STORE_LINES_MAX : i == same;
		if (err >= 0 && wanted)
			err = push(w, &back[i]);
		else
			give_back(w, back[i].state);
	}
	return err;
}

int store_lines_walk(struct store_lines *l, struct store *s, const struct store_lines_ops *ops,
	void *ctx, uint64_t scan_max)
{
	size_t each = (ops->state_bytes + 15) / 16 * 16;
	struct walk *w = calloc(1, sizeof(*w));
	int err = 0;

	if (!w || !(w->states = calloc(SLOTS, each))) {
		free(w);
		return err_set(ERR_NOMEM, "store: out of memory");
	}
	w->s = s;
	w->ops = ops;
	w->ctx = ctx;
	for (size_t i = 0; i < SLOTS; i++)
		give_back(w, w->states + i * each);
	arena_init(&w->a, TEXT_BYTES);
	arena_init(&w->b, TEXT_BYTES);
	for (size_t i = 0; i < l->n && err >= 0; i++)
		err = begin(w, &l->open[i]);
	for (uint64_t turns = 1; w->n > 0 && turns <= scan_max && err >= 0; turns++) {
		err = step(w);
		if (turns % YIELD_EVERY == 0)
			os_yield();
	}
	l->n = w->n;
	for (size_t i = 0; i < w->n; i++)
		l->open[i] = w->lines[i].id;
	arena_free(&w->a);
	arena_free(&w->b);
	idset_free(&w->seen);
	free(w->states);
	free(w);
	return err == ERR_CLOSED ? 0 : err;
}
