/* SPDX-License-Identifier: ISC */
#include "tests/mail/merge_model.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>

static const char *const levels[] = { "Work", "Home", "Lists", "x", "y" };

static unsigned pick(struct mm *m, unsigned n)
{
	return (unsigned)(fake_random(m->seed) >> 20) % n;
}

/* ---- small things ---- */
static unsigned bits_of(const char *flags)
{
	unsigned bits = 0;
	for (unsigned i = 0; i < 5; i++)
		if (strchr(flags, "DFRST"[i]))
			bits |= 1u << i;
	return bits;
}

static void set_bits(struct mt_msg *m, unsigned bits)
{
	size_t n = 0;
	memset(m->flags, 0, sizeof(m->flags));
	for (unsigned i = 0; i < 5; i++)
		if (bits >> i & 1)
			m->flags[n++] = "DFRST"[i];
	if (n == 0)
		m->flags[0] = '-';
}

static struct mt_box *by_id(struct mt *t, const char *id)
{
	for (size_t i = 0; i < t->box_n; i++)
		if (id[0] && !strcmp(t->box[i].id, id))
			return &t->box[i];
	return NULL;
}

static struct mt_box *by_path(struct mt *t, const char *path)
{
	for (size_t i = 0; i < t->box_n; i++)
		if (!strcmp(t->box[i].path, path))
			return &t->box[i];
	return NULL;
}

static bool is_below(const char *path, const char *parent)
{
	size_t n = strlen(parent);
	return !strncmp(path, parent, n) && path[n] == '/';
}

static void drop_box(struct mt *t, struct mt_box *b)
{
	*b = t->box[--t->box_n];
	memset(&t->box[t->box_n], 0, sizeof(*b));
}

static void drop_msg(struct mt *t, size_t i)
{
	t->msg[i] = t->msg[--t->msg_n];
	memset(&t->msg[t->msg_n], 0, sizeof(t->msg[0]));
}

static struct mt_box *real_box(struct mm *m) /* any that exists */
{
	struct mt_box *b;
	do
		b = &m->t.box[pick(m, (unsigned)m->t.box_n)];
	while (!b->id[0]);
	return b;
}

static struct mt_msg *same_msg(struct mt *t, const char *box, uint32_t lane, uint32_t seq)
{
	for (size_t i = 0; i < t->msg_n; i++)
		if (t->msg[i].lane == lane && t->msg[i].seq == seq &&
			(!box || !strcmp(t->msg[i].box, box)))
			return &t->msg[i];
	return NULL;
}

/* ---- operations ---- */
static struct mt_box *new_box(struct mm *m, const char *path, const char *use)
{
	cr_assert_lt(m->t.box_n, MT_BOXES);
	struct mt_box *b = &m->t.box[m->t.box_n++];
	*b = (struct mt_box){ .created = m->clock++ };
	snprintf(b->path, sizeof(b->path), "%s", path);
	snprintf(b->use, sizeof(b->use), "%s", use);
	snprintf(b->id, sizeof(b->id), "%016llx", (unsigned long long)fake_random(m->seed));
	return b;
}

static void mark(struct mm *m)
{
	for (size_t i = 0; i < m->t.lane_n; i++)
		if (m->t.lane[i].lane == m->lane) {
			m->t.lane[i].seq = m->next - 1;
			return;
		}
	cr_assert_lt(m->t.lane_n, MT_LANES);
	m->t.lane[m->t.lane_n++] = (struct mt_lane){ m->lane, m->next - 1 };
}

static struct mt_msg *new_msg(struct mm *m, const struct mt_box *b)
{
	if (m->t.msg_n == MT_MSGS / 3)
		return NULL;
	struct mt_msg *x = &m->t.msg[m->t.msg_n++];
	*x = (struct mt_msg){ .lane = m->lane, .seq = m->next++ };
	memcpy(x->box, b->id, sizeof(x->box));
	if (pick(m, 6) == 0) /* another leaf, or far away */
		m->next += 1u << (pick(m, 5) * 4);
	mark(m);
	return x;
}

static void op_deliver(struct mm *m)
{

	struct mt_msg *x = new_msg(m, real_box(m));
	if (!x)
		return;
	memcpy(x->blob, mm_blobs[pick(m, 6)], 20);
	x->internal = m->clock - 5;
	x->saved = m->clock++;
	x->kw = pick(m, 3) ? 0 : pick(m, 16);
	set_bits(x, pick(m, 2) ? 0 : pick(m, 32));
}

static void op_copy(struct mm *m)
{
	if (!m->t.msg_n)
		return;
	struct mt_msg from = m->t.msg[pick(m, (unsigned)m->t.msg_n)];
	struct mt_msg *x = new_msg(m, real_box(m));
	if (!x)
		return;
	memcpy(x->blob, from.blob, 20);
	memcpy(x->flags, from.flags, sizeof(x->flags));
	x->kw = from.kw;
	x->internal = from.internal;
	x->saved = m->clock++;
}

static void op_move(struct mm *m)
{
	if (!m->t.msg_n)
		return;
	struct mt_msg *x = &m->t.msg[pick(m, (unsigned)m->t.msg_n)];
	struct mt_box *to = real_box(m);
	if (!strcmp(to->id, x->box) || same_msg(&m->t, to->id, x->lane, x->seq))
		return;
	memcpy(x->box, to->id, sizeof(x->box));
	x->saved = m->clock++;
}

static void op_flag(struct mm *m)
{
	if (!m->t.msg_n)
		return;
	struct mt_msg *x = &m->t.msg[pick(m, (unsigned)m->t.msg_n)];
	if (pick(m, 3))
		set_bits(x, bits_of(x->flags) ^ 1u << pick(m, 5));
	else
		x->kw ^= 1u << pick(m, MT_KW);
}

static void op_expunge(struct mm *m)
{
	if (m->t.msg_n)
		drop_msg(&m->t, pick(m, (unsigned)m->t.msg_n));
}

/* A path that no mailbox has; false when there is none at hand. */
static bool free_path(struct mm *m, char *out, size_t cap)
{
	const char *level = levels[pick(m, ARRAY_LEN(levels))];
	if (pick(m, 2))
		snprintf(out, cap, "%s", level);
	else
		snprintf(out, cap, "%s/%s", real_box(m)->path, level);
	struct mt_box *b = by_path(&m->t, out);
	return !(b && b->id[0]) && strlen(out) < 60;
}

static void op_create(struct mm *m)
{
	char path[400];
	if (m->t.box_n > 10 || !free_path(m, path, sizeof(path)))
		return;
	struct mt_box *left = by_path(&m->t, path);
	bool subscribed = left && left->subscribed;
	if (left)
		drop_box(&m->t, left);
	new_box(m, path, "none")->subscribed = subscribed;
}

static void op_delete(struct mm *m)
{
	struct mt_box *b = real_box(m);
	if (!strcmp(b->path, "INBOX"))
		return;
	for (size_t i = 0; i < m->t.box_n; i++)
		if (is_below(m->t.box[i].path, b->path))
			return;
	for (size_t i = m->t.msg_n; i > 0; i--)
		if (!strcmp(m->t.msg[i - 1].box, b->id))
			drop_msg(&m->t, i - 1);
	memset(b->id, 0, sizeof(b->id));
	if (!b->subscribed)
		drop_box(&m->t, b);
}

static void op_rename(struct mm *m)
{
	char path[400], was[400];
	struct mt_box *b = real_box(m);
	if (!free_path(m, path, sizeof(path)))
		return;
	snprintf(was, sizeof(was), "%s", b->path);
	if (!strcmp(was, "INBOX")) { /* it stays, and its messages go */
		struct mt_box *left = by_path(&m->t, path);
		if (left)
			drop_box(&m->t, left);
		struct mt_box inbox = *by_path(&m->t, "INBOX"), *to = new_box(m, path, "none");
		for (size_t i = 0; i < m->t.msg_n; i++)
			if (!strcmp(m->t.msg[i].box, inbox.id))
				memcpy(m->t.msg[i].box, to->id, sizeof(to->id));
		return;
	}
	if (is_below(path, was))
		return;
	struct mt_box *left = by_path(&m->t, path);
	if (left)
		drop_box(&m->t, left);
	for (size_t i = 0; i < m->t.box_n; i++) {
		struct mt_box *k = &m->t.box[i];
		char tail[400];
		if (strcmp(k->path, was) && !is_below(k->path, was))
			continue;
		snprintf(tail, sizeof(tail), "%s", k->path + strlen(was));
		memset(k->path, 0, sizeof(k->path));
		snprintf(k->path, sizeof(k->path), "%.200s%.190s", path, tail);
	}
}

static void op_subscribe(struct mm *m)
{
	struct mt_box *b = &m->t.box[pick(m, (unsigned)m->t.box_n)];
	b->subscribed = !b->subscribed;
	if (!b->id[0])
		drop_box(&m->t, b);
}

void mm_step(struct mm *m)
{
	static void (*const gentle[])(struct mm *) = { op_deliver, op_deliver, op_copy, op_move,
		op_move, op_flag, op_flag, op_flag, op_create, op_subscribe };
	static void (*const rough[])(
		struct mm *) = { op_expunge, op_expunge, op_delete, op_rename, op_rename };
	unsigned k = pick(m, ARRAY_LEN(gentle) + (m->gentle ? 0 : ARRAY_LEN(rough)));
	if (k < ARRAY_LEN(gentle))
		gentle[k](m);
	else
		rough[k - ARRAY_LEN(gentle)](m);
}

void mm_init(struct mm *m, uint64_t *seed)
{
	*m = (struct mm){ .seed = seed, .lane = 0x10, .next = 1, .clock = 1000 };
	new_box(m, "INBOX", "none")->subscribed = true;
	new_box(m, "Archive", "archive")->subscribed = true;
}

void mm_fork(struct mm *out, const struct mm *m, uint32_t lane, long clock)
{
	*out = *m;
	out->lane = lane;
	out->next = 1;
	out->clock = clock;
}

void mm_strip(struct mt *t)
{
	for (size_t i = t->box_n; i > 0; i--)
		if (!t->box[i - 1].id[0])
			drop_box(t, &t->box[i - 1]);
	mt_sort(t);
}

/* ---- the merge: messages ---- */
static long time3(const long *b, long o, long t, bool late)
{
	if (b && *b == o)
		return t;
	if (b && *b == t)
		return o;
	return (o < t) == late ? t : o;
}

static struct mt_msg both(const struct mt_msg *b, const struct mt_msg *o, const struct mt_msg *t)
{
	struct mt_msg m = *o;
	unsigned flags = 0, kw = 0;
	for (unsigned i = 0; i < 8; i++) {
		bool was = b && bits_of(b->flags) >> i & 1, had = b && b->kw >> i & 1;
		bool x = bits_of(o->flags) >> i & 1, y = bits_of(t->flags) >> i & 1;
		flags |= (unsigned)(x == y ? x : !was) << i;
		x = o->kw >> i & 1;
		y = t->kw >> i & 1;
		kw |= (unsigned)(x == y ? x : !had) << i;
	}
	set_bits(&m, flags);
	m.kw = kw;
	m.internal = time3(b ? &b->internal : NULL, o->internal, t->internal, false);
	m.saved = time3(b ? &b->saved : NULL, o->saved, t->saved, true);
	return m;
}

static void add_msg(struct mt *out, struct mt_msg m, const struct mt_msg *place, bool own_time)
{
	memcpy(m.box, place->box, sizeof(m.box));
	if (own_time)
		m.saved = place->saved;
	cr_assert_lt(out->msg_n, MT_MSGS);
	out->msg[out->msg_n++] = m;
}

/* On each side a message stands in one place at most. */
static void merge_msg(
	struct mt *out, const struct mt_msg *b, const struct mt_msg *o, const struct mt_msg *t)
{
	if (!b || (o && t)) {
		if (!o || !t) {
			out->msg[out->msg_n++] = o ? *o : *t;
			return;
		}
		struct mt_msg m = both(b, o, t);
		bool o_moved = !b || strcmp(o->box, b->box), t_moved = !b || strcmp(t->box, b->box);
		if (!strcmp(o->box, t->box))
			add_msg(out, m, o, false);
		else {
			if (o_moved)
				add_msg(out, m, o, true);
			if (t_moved)
				add_msg(out, m, t, true);
		}
		return;
	}
	const struct mt_msg *one = o ? o : t;
	if (one && strcmp(one->box, b->box)) /* a move beats an expunge */
		out->msg[out->msg_n++] = *one;
}

/* ---- the merge: mailboxes ---- */
static const char *level_of(const struct mt_box *b)
{
	const char *slash = strrchr(b->path, '/');
	return slash ? slash + 1 : b->path;
}

/* "" for the root, INBOX, i and the id of the mailbox it stands in, or p and the path of a folder:
 * where two moved one mailbox apart, the first of these wins. */
static void parent_of(char *out, size_t cap, const struct mt *t, const struct mt_box *b)
{
	char path[400];
	const char *slash = strrchr(b->path, '/');
	snprintf(path, sizeof(path), "%.*s", slash ? (int)(slash - b->path) : 0, b->path);
	struct mt_box *up = path[0] ? by_path((struct mt *)(uintptr_t)t, path) : NULL;
	if (!path[0] || !strcmp(path, "INBOX"))
		snprintf(out, cap, "%s", path);
	else if (up && up->id[0])
		snprintf(out, cap, "i%s", up->id);
	else
		snprintf(out, cap, "p%.390s", path);
}

struct box3 {
	const struct mt_box *at[3];
	char id[17], parent[400], level[120], path[400];
	bool alive, inbox;
	int depth;
};

static const char *choose(const char *b, const char *o, const char *t)
{
	if (!strcmp(o, t) || (b && !strcmp(b, t)))
		return o;
	if (b && !strcmp(b, o))
		return t;
	return strcmp(o, t) < 0 ? o : t;
}

static void merge_place(struct box3 *x, const struct mt *side[3])
{
	char up[3][400];
	for (int s = 0; s < 3; s++)
		if (x->at[s])
			parent_of(up[s], sizeof(up[s]), side[s], x->at[s]);
	if (x->at[1] && x->at[2]) {
		snprintf(x->parent, sizeof(x->parent), "%s",
			choose(x->at[0] ? up[0] : NULL, up[1], up[2]));
		snprintf(x->level, sizeof(x->level), "%.100s",
			choose(x->at[0] ? level_of(x->at[0]) : NULL, level_of(x->at[1]),
				level_of(x->at[2])));
		x->alive = true;
		return;
	}
	int s = x->at[1] ? 1 : 2;
	snprintf(x->parent, sizeof(x->parent), "%s", up[s]);
	snprintf(x->level, sizeof(x->level), "%.100s", level_of(x->at[s]));
	x->alive = x->alive || !x->at[0] || strcmp(up[0], up[s]) ||
		strcmp(level_of(x->at[0]), level_of(x->at[s]));
}

static int parent_index(const struct box3 *v, int n, const struct box3 *x)
{
	for (int i = 0; i < n; i++)
		if (v[i].inbox ? !strcmp(x->parent, "INBOX")
			       : x->parent[0] == 'i' && !strcmp(v[i].id, x->parent + 1))
			return i;
	return -1;
}

static void give_paths(struct box3 *v, int n)
{
	for (int i = 0; i < n; i++) { /* v is sorted by id, INBOX first */
		int at = parent_index(v, n, &v[i]), lowest = i;
		for (int k = 0; at >= 0 && at != i && k <= n; k++) {
			lowest = at < lowest ? at : lowest;
			at = parent_index(v, n, &v[at]);
		}
		if (at == i)
			v[lowest].parent[0] = 0;
	}
	for (int i = 0; i < n; i++)
		for (int at = parent_index(v, n, &v[i]); at >= 0; at = parent_index(v, n, &v[at]))
			v[i].depth++;
	for (int depth = 0; depth < n; depth++)
		for (int i = 0; i < n; i++) {
			struct box3 *x = &v[i];
			if (x->depth != depth)
				continue;
			int up = parent_index(v, n, x);
			const char *parent = up >= 0  ? v[up].path
				: x->parent[0] == 'p' ? x->parent + 1
						      : "";
			snprintf(x->path, sizeof(x->path), "%.200s%s%.150s", parent,
				parent[0] ? "/" : "", x->level);
			bool clash = false;
			for (int k = 0; k < i && x->alive; k++)
				clash = clash ||
					(v[k].alive && v[k].depth == depth &&
						!strcmp(v[k].path, x->path));
			if (clash)
				snprintf(x->path + strlen(x->path), 10, " (%.4s)", x->id);
		}
}

static bool bool3(const bool *b, bool o, bool t)
{
	return o == t ? o : !b || !*b;
}

static void merge_boxes(struct mt *out, const struct mt *side[3])
{
	static struct box3 v[3 * MT_BOXES];
	int n = 0;
	memset(v, 0, sizeof(v));
	for (int s = 1; s < 3; s++)
		for (size_t i = 0; i < side[s]->box_n; i++) {
			const struct mt_box *b = &side[s]->box[i];
			int k = 0;
			while (k < n && strcmp(v[k].id, b->id))
				k++;
			if (k < n || !b->id[0])
				continue;
			memcpy(v[n].id, b->id, sizeof(b->id));
			for (int z = 0; z < 3; z++)
				v[n].at[z] = by_id((struct mt *)(uintptr_t)side[z], b->id);
			for (size_t z = 0; z < out->msg_n; z++)
				v[n].alive = v[n].alive || !strcmp(out->msg[z].box, b->id);
			v[n].inbox = !strcmp(b->path, "INBOX");
			merge_place(&v[n], side);
			n++;
		}
	for (int i = 0; i < n; i++)
		for (int k = i + 1; k < n; k++)
			if (v[k].inbox || (!v[i].inbox && strcmp(v[k].id, v[i].id) < 0)) {
				struct box3 swap = v[i];
				v[i] = v[k];
				v[k] = swap;
			}
	give_paths(v, n);
	for (int i = 0; i < n; i++) {
		const struct mt_box *o = v[i].at[1], *t = v[i].at[2], *b = v[i].at[0];
		if (!v[i].alive)
			continue;
		struct mt_box *to = &out->box[out->box_n++];
		*to = o ? *o : *t;
		if (o && t)
			to->subscribed =
				bool3(b ? &b->subscribed : NULL, o->subscribed, t->subscribed);
		memset(to->path, 0, sizeof(to->path));
		snprintf(to->path, sizeof(to->path), "%s", v[i].path);
	}
}

void mm_merge(struct mt *out, const struct mt *base, const struct mt *ours, const struct mt *theirs)
{
	const struct mt *side[3] = { base, ours, theirs };
	memset(out, 0, sizeof(*out));
	for (int s = 1; s < 3; s++)
		for (size_t i = 0; i < side[s]->msg_n; i++) {
			const struct mt_msg *m = &side[s]->msg[i], *at[3];
			for (int z = 0; z < 3; z++)
				at[z] = same_msg(
					(struct mt *)(uintptr_t)side[z], NULL, m->lane, m->seq);
			if (s == 1 || !at[1])
				merge_msg(out, at[0], at[1], at[2]);
		}
	merge_boxes(out, side);
	for (int s = 0; s < 3; s++)
		for (size_t i = 0; i < side[s]->lane_n; i++) {
			const struct mt_lane *l = &side[s]->lane[i];
			size_t k = 0;
			while (k < out->lane_n && out->lane[k].lane != l->lane)
				k++;
			if (k == out->lane_n)
				out->lane[out->lane_n++] = *l;
			else if (out->lane[k].seq < l->seq)
				out->lane[k].seq = l->seq;
		}
	mt_sort(out);
}
