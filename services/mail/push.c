/* SPDX-License-Identifier: ISC */
#include "services/mail/push_impl.h"

#define ARENA_BYTES   (4 * 1024 * 1024)
#define SCRATCH_BYTES (2 * 1024 * 1024)
#define STEPS_MAX     (1024 * 1024)
#define REST_TURNS    64

/* ---- where the device began ---- */
static int tree_of(struct store_oid *tree, struct push *u, const struct store_oid *commit)
{
	struct store_commit c;
	int err;

	arena_free(&u->scratch);
	err = store_commit_get(&c, &u->scratch, u->s, commit);
	if (err >= 0)
		*tree = c.tree;
	return err;
}

static int find_bases(struct push *u)
{
	struct store_oid head, common[PUSH_BASES];
	int err = store_ref_get(&head, u->s, u->ref);

	if (err == ERR_NOENT)
		return 0;
	if (err >= 0)
		err = store_merge_base(common, &u->base_n, PUSH_BASES, u->s, &head, u->p->tip);
	if (err < 0)
		return err;
	if (u->base_n == 0)
		return err_set(ERR_BAD, "it shares no history with %.*s: begin from a clone",
			STR_ARG(u->ref));
	for (size_t i = 0; i < u->base_n && err >= 0; i++)
		err = tree_of(&u->base[i], u, &common[i]);
	return err;
}

/* ---- what differs ---- */
static int add_step(
	struct push *u, const struct push_place *w, bool came, const struct store_oid *blob)
{
	int err;

	if (u->step_n == STEPS_MAX)
		return err_set(ERR_LIMIT, "over %d messages at once: push less", STEPS_MAX);
	err = mail_grow(&u->steps, &u->step_cap, u->step_n, sizeof(*u->steps));
	if (err >= 0)
		u->steps[u->step_n++] = (struct push_step){ w->lane, w->seq, came, *blob };
	return err;
}

/* Does it stand there in another of the commits the device began from? */
static bool known_elsewhere(struct push *u, const struct store_change *c)
{
	for (size_t i = 1; i < u->base_n; i++) {
		struct store_entry e;
		if (store_find(&e, u->s, &u->base[i], c->path) >= 0 &&
			store_oid_eq(&e.oid, c->after))
			return true;
	}
	return false;
}

static int take_message(struct push *u, const struct push_place *w, const struct store_change *c)
{
	int err;

	if (c->before && c->after)
		return err_set(ERR_BAD, "message %08x.%08x was changed: messages never are",
			w->lane, w->seq);
	if (c->after && known_elsewhere(u, c))
		return push_leaf_check(u, w->box, w->lane, w->seq);
	err = add_step(u, w, c->after != NULL, c->after ? c->after : c->before);
	if (err >= 0 && c->after)
		err = push_box_known(u, w->box);
	return err < 0 ? err : push_leaf_check(u, w->box, w->lane, w->seq);
}

static int take_leaf(struct push *u, const struct push_place *w, const struct store_change *c)
{
	int err = 0;

	if (c->before && c->after)
		err = push_dates_check(u, c->before, c->after);
	return err < 0 ? err : push_leaf_check(u, w->box, w->lane, w->seq);
}

static int take_change(void *ctx, const struct store_change *c)
{
	struct push *u = ctx;
	struct push_place w = push_place_of(c->path);

	if (++u->turns % REST_TURNS == 0)
		os_yield(); /* trees that were opened are the walk's own */
	switch (w.kind) {
	case PUSH_LANES: return 0;
	case PUSH_ATTRIBUTES: return push_attributes_check(u, c->after);
	case PUSH_BOX: return push_box_check(u, w.box, c->after);
	case PUSH_MESSAGE: return take_message(u, &w, c);
	case PUSH_LEAF: return take_leaf(u, &w, c);
	default: break;
	}
	if (!c->after)
		return 0; /* gone, as it should be */
	return err_set(ERR_BAD, "\"%.*s\" is no part of a mailbox (docs/mail-layout.md)",
		(int)(c->path.n < 120 ? c->path.n : 120), c->path.p);
}

/* ---- what came: new in a lane of the device's, or moved ---- */
static int step_cmp(const void *a, const void *b)
{
	const struct push_step *x = a, *y = b;
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->came - y->came;
}

/* All that happened to one message: it went from somewhere first. */
static int judge_message(struct push *u, const struct push_step *s, size_t n)
{
	struct push_lane *l = push_lane_of(u, s->lane);
	size_t went = 0;

	while (went < n && !s[went].came)
		went++;
	if (went == n)
		return 0;
	if (n - went > (went ? went : 1))
		return err_set(ERR_BAD,
			"message %08x.%08x stands in two mailboxes: a copy needs a number of its "
			"own",
			s->lane, s->seq);
	for (size_t i = went; i < n && went > 0; i++)
		if (!store_oid_eq(&s[i].blob, &s[0].blob))
			return err_set(ERR_BAD, "message %08x.%08x was changed: messages never are",
				s->lane, s->seq);
	if (went > 0)
		return 0;
	if (!l || s->seq > l->now)
		return err_set(ERR_BAD, "message %08x.%08x is above the mark of its lane in .lanes",
			s->lane, s->seq);
	if (s->seq == 0 || s->seq <= l->old)
		return err_set(ERR_BAD,
			"message %08x.%08x has a number that was used before, or stands elsewhere "
			"too",
			s->lane, s->seq);
	return l->own
		? 0
		: err_set(ERR_DENIED, "message %08x.%08x is of a lane that is not this device's",
			  s->lane, s->seq);
}

static int judge_steps(struct push *u)
{
	int err = 0;

	if (u->step_n > 1)
		qsort(u->steps, u->step_n, sizeof(*u->steps), step_cmp);
	for (size_t i = 0, n; i < u->step_n && err >= 0; i += n) {
		const struct push_step *s = &u->steps[i];
		for (n = 1; i + n < u->step_n && s[n].lane == s->lane && s[n].seq == s->seq; n++)
			;
		err = judge_message(u, s, n);
	}
	return err;
}

/* ---- the contract ---- */
static int check(struct push *u)
{
	int err = tree_of(&u->tree, u, u->p->tip);

	if (err >= 0)
		err = find_bases(u);
	if (err >= 0)
		err = push_lanes_read(u);
	if (err >= 0)
		err = push_boxes_read(u);
	if (err >= 0)
		err = store_diff(
			u->s, u->base_n ? &u->base[0] : NULL, &u->tree, STR(""), take_change, u);
	if (err >= 0)
		err = judge_steps(u);
	return err < 0 ? err : push_lanes_bind(u);
}

int mail_push_check(void *mail, const struct git_push *p)
{
	struct push *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return err_set(ERR_NOMEM, "out of memory");
	u->m = mail;
	u->s = u->m->s;
	u->p = p;
	arena_init(&u->arena, ARENA_BYTES);
	arena_init(&u->scratch, SCRATCH_BYTES);
	buf_init(&u->path, NULL);
	buf_init(&u->text, NULL);
	buf_init(&u->leaf_done, NULL);
	u->ref = arena_fmt(&u->arena, "refs/heads/%.*s", STR_ARG(p->user));
	err = u->ref.p && u->ref.n <= MAIL_REF_MAX
		? check(u)
		: err_set(ERR_LIMIT, "the user's name is too long");
	buf_free(&u->path);
	buf_free(&u->text);
	buf_free(&u->leaf_done);
	arena_free(&u->arena);
	arena_free(&u->scratch);
	free(u->lanes);
	free(u->steps);
	free(u);
	return err;
}
