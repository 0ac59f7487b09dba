/* SPDX-License-Identifier: ISC */
#include "services/mail/push_impl.h"

#define LANES_BYTES (256 * 1024)
#define LANES_MAX   8192
#define BIND_KEY    "mp:" /* then the branch, a slash and the lane; its value: the device */

struct push_lane *push_lane_of(struct push *u, uint32_t lane)
{
	size_t from = 0, to = u->lane_n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		if (u->lanes[mid].lane == lane)
			return &u->lanes[mid];
		if (u->lanes[mid].lane < lane)
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

static int read_text(struct str *out, struct push *u, const struct store_oid *tree)
{
	struct store_entry e;
	int err = store_find(&e, u->s, tree, STR(".lanes"));

	*out = STR("");
	arena_free(&u->scratch);
	if (err >= 0 && e.kind == STORE_BLOB)
		err = store_blob_all(out, &u->scratch, u->s, &e.oid, LANES_BYTES);
	return err == ERR_NOENT ? 0 : err;
}

/* Of the tip: every line as the layout has it. */
static int read_now(struct push *u)
{
	struct str text, line, lane, seq;
	int err = read_text(&text, u, &u->tree);

	while (err >= 0 && text.n > 0) {
		struct push_lane l = { 0 };
		bool ended = str_cut(&line, &text, text, '\n');
		str_cut(&lane, &seq, line, ' ');
		if (!ended || !mail_hex32(&l.lane, lane, 8) || !mail_hex32(&l.now, seq, 8) ||
			(u->lane_n && u->lanes[u->lane_n - 1].lane >= l.lane))
			return err_set(ERR_BAD,
				".lanes: \"%.*s\" is no line of it, or out of order",
				(int)(line.n < 40 ? line.n : 40), line.p);
		if (u->lane_n == LANES_MAX)
			return err_set(ERR_LIMIT, ".lanes: over %d lanes", LANES_MAX);
		err = mail_grow(&u->lanes, &u->lane_cap, u->lane_n, sizeof(*u->lanes));
		if (err >= 0)
			u->lanes[u->lane_n++] = l;
	}
	return err;
}

/* No mark of a tree that the device began from may be missing or higher. */
static int compare_old(struct push *u, const struct store_oid *tree)
{
	struct str text, line, lane, seq;
	int err = read_text(&text, u, tree);

	while (err >= 0 && text.n > 0) {
		uint32_t number, mark;
		struct push_lane *l;
		str_cut(&line, &text, text, '\n');
		str_cut(&lane, &seq, line, ' ');
		if (!mail_hex32(&number, lane, 8) || !mail_hex32(&mark, seq, 8))
			continue;
		l = push_lane_of(u, number);
		if (l == NULL || l->now < mark)
			return err_set(ERR_BAD, ".lanes: the mark of %08x went down", number);
		if (l->old < mark)
			l->old = mark;
	}
	return err;
}

/* ---- whose ---- */
static struct str bind_key(char *room, size_t cap, const struct push *u, uint32_t lane)
{
	int n = snprintf(room, cap, BIND_KEY "%.*s/%08x", STR_ARG(u->ref), lane);
	return str_n(room, (size_t)n);
}

static bool is_ours(struct push *u, uint32_t lane)
{
	struct mail_lane_rec rec;
	struct mail_key key;
	struct str value;

	mail_key_lane(&key, u->ref);
	return store_local_get(&value, &u->scratch, u->s, mail_key_str(&key)) >= 0 &&
		mail_lane_decode(&rec, value) >= 0 && rec.lane == lane;
}

static int judge(struct push *u, struct push_lane *l, struct str head)
{
	char room[MAIL_REF_MAX + 32];
	uint32_t mark = 0;
	bool there = mail_lanes_find(&mark, head, l->lane);
	struct str device, key = bind_key(room, sizeof(room), u, l->lane);
	int err = store_local_get(&device, &u->scratch, u->s, key);

	if (err < 0 && err != ERR_NOENT)
		return err;
	l->own = err >= 0 && str_eq(device, u->p->device);
	if (l->own || l->now <= l->old || (there && l->now <= mark))
		return 0;
	if (err >= 0)
		return err_set(ERR_DENIED, "lane %08x grew, which belongs to device %.*s", l->lane,
			STR_ARG(device));
	if (there || l->old || is_ours(u, l->lane))
		return err_set(ERR_DENIED,
			"lane %08x grew, which is not this device's: let it use one of its own",
			l->lane);
	l->own = l->fresh = true;
	return 0;
}

static int read_head(struct str *out, struct push *u)
{
	struct store_commit c;
	struct store_oid head;
	int err = store_ref_get(&head, u->s, u->ref);

	*out = STR("");
	if (err >= 0)
		err = store_commit_get(&c, &u->arena, u->s, &head);
	if (err >= 0)
		err = read_text(out, u, &c.tree);
	return err == ERR_NOENT ? 0 : err;
}

int push_lanes_read(struct push *u)
{
	struct str head;
	int err = read_now(u);

	for (size_t i = 0; i < u->base_n && err >= 0; i++)
		err = compare_old(u, &u->base[i]);
	if (err >= 0)
		err = read_head(&head, u);
	for (size_t i = 0; i < u->lane_n && err >= 0; i++)
		err = judge(u, &u->lanes[i], head);
	return err;
}

/* Somebody else's push may have taken it meanwhile. */
static int bind(struct push *u, struct store_edit *e, const struct push_lane *l)
{
	char room[MAIL_REF_MAX + 32];
	struct str device, key = bind_key(room, sizeof(room), u, l->lane);
	int err = store_edit_local_get(&device, e, key);

	if (err >= 0 && !str_eq(device, u->p->device))
		return err_set(
			ERR_DENIED, "lane %08x belongs to device %.*s", l->lane, STR_ARG(device));
	if (err < 0 && err != ERR_NOENT)
		return err;
	return store_edit_local_put(e, key, u->p->device);
}

int push_lanes_bind(struct push *u)
{
	struct store_why why = { u->p->user, u->p->user, STR("git: a lane of a device"), 0 };
	struct store_edit *e;
	bool any = false;
	int err;

	for (size_t i = 0; i < u->lane_n; i++)
		any |= u->lanes[i].fresh;
	if (!any)
		return 0;
	err = store_edit_begin(&e, u->s, u->ref, os_after(60 * OS_SEC));
	if (err < 0)
		return err;
	for (size_t i = 0; i < u->lane_n && err >= 0; i++)
		if (u->lanes[i].fresh)
			err = bind(u, e, &u->lanes[i]);
	if (err >= 0)
		return store_edit_commit(NULL, e, &why);
	store_edit_abort(e);
	return err;
}
