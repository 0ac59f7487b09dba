/* SPDX-License-Identifier: ISC */
/*
 * Where each folder stands afterwards. Its parent and its name are merged apart, so a mailbox
 * renamed on one side and moved with its parent on the other gets both. Then names are given out
 * from the root down, mailboxes by their ids: who comes late to a taken one gets a suffix.
 */
#include "services/mail/merge_impl.h"
#include "services/mail/mime.h"

enum merge_side mail_merge_choose(
	bool *clash, const struct str *base, struct str ours, struct str theirs)
{
	*clash = false;
	if (str_eq(ours, theirs))
		return OURS;
	if (base != NULL && str_eq(*base, ours))
		return THEIRS;
	if (base != NULL && str_eq(*base, theirs))
		return OURS;
	*clash = true;
	return str_cmp(ours, theirs) < 0 ? OURS : THEIRS;
}

static struct str parent_key(const struct merge *m, const struct merge_node *n, enum merge_side s)
{
	size_t up = m->spots[n->spot[s]].parent;
	return up == NOWHERE ? STR("") : m->spots[up].at[s].key;
}

/* ---- what there is afterwards ---- */
static bool is_box(const struct merge *m, const struct merge_node *n, enum merge_side s)
{
	const struct merge_rec *r = merge_rec_of(m, n, s);
	return r != NULL && r->file.exists;
}

static int on_news(void *ctx, const struct store_change *c)
{
	bool *news = ctx;
	*news = *news || c->after != NULL;
	return *news ? ERR_CLOSED : 0;
}

/* Renamed, put to another use, or with messages that the base has not. */
static int edited(bool *out, struct merge *m, const struct merge_node *n, enum merge_side s)
{
	const struct merge_spot *p = &m->spots[n->spot[s]], *was = &m->spots[n->spot[BASE]];
	struct merge_trio x = mail_merge_below(m, n, true);
	*out = !str_eq(p->folder, was->folder) ||
		!str_eq(parent_key(m, n, s), parent_key(m, n, BASE)) ||
		p->at[s].file.use != was->at[BASE].file.use;
	if (*out || !x.there[s])
		return 0;
	int err = store_diff(
		m->s, x.there[BASE] ? &x.at[BASE].oid : NULL, &x.at[s].oid, STR_NONE, on_news, out);
	return err == ERR_CLOSED ? 0 : err;
}

static int decide(struct merge *m, struct merge_node *n)
{
	bool was = is_box(m, n, BASE), ours = is_box(m, n, OURS), theirs = is_box(m, n, THEIRS);
	int err = 0;
	n->exists = ours || theirs;
	if (ours != theirs && was && !str_eq(n->key, STR("INBOX"))) {
		err = edited(&n->exists, m, n, ours ? OURS : THEIRS);
		if (err == 0 && n->exists)
			mail_merge_note(m,
				"%.*s: deleted on one side and changed on the other: kept",
				STR_ARG(m->spots[n->spot[ours ? OURS : THEIRS]].path));
	}
	n->vanishes = (ours || theirs) && !n->exists;
	return err;
}

static void locate(struct merge *m, struct merge_node *n)
{
	bool clash, moved = false;
	enum merge_side place = OURS, name = OURS;
	if (n->spot[OURS] == NOWHERE && n->spot[THEIRS] == NOWHERE)
		return;
	if (n->spot[OURS] == NOWHERE || n->spot[THEIRS] == NOWHERE) {
		place = name = n->spot[OURS] == NOWHERE ? THEIRS : OURS;
	} else {
		struct str base_key = STR_NONE, base_name = STR_NONE;
		bool has = n->spot[BASE] != NOWHERE;
		const struct merge_spot *o = &m->spots[n->spot[OURS]],
					*t = &m->spots[n->spot[THEIRS]];
		if (has) {
			base_key = parent_key(m, n, BASE);
			base_name = m->spots[n->spot[BASE]].folder;
		}
		place = mail_merge_choose(&moved, has ? &base_key : NULL, parent_key(m, n, OURS),
			parent_key(m, n, THEIRS));
		name = mail_merge_choose(&clash, has ? &base_name : NULL, o->folder, t->folder);
		if (clash || moved) {
			bool swap = str_cmp(o->path, t->path) > 0;
			mail_merge_note(m, "%.*s: renamed to %.*s on the other side",
				STR_ARG(swap ? t->path : o->path),
				STR_ARG(swap ? o->path : t->path));
		}
	}
	struct str up = parent_key(m, n, place);
	n->parent = up.n == 0 ? NOWHERE : mail_merge_node(m, up);
	n->folder = m->spots[n->spot[name]].folder;
}

/* Two mailboxes, each moved into the other: the first by key goes to the root. */
static void break_cycles(struct merge *m)
{
	for (size_t i = 0; i < m->node_count; i++) {
		size_t at = m->nodes[i].parent, lowest = i, steps = 0;
		while (at != NOWHERE && at != i && steps++ <= m->node_count) {
			lowest = at < lowest ? at : lowest;
			at = m->nodes[at].parent;
		}
		if (at == i)
			m->nodes[lowest].parent = NOWHERE;
	}
	for (size_t i = 0; i < m->node_count; i++) {
		unsigned depth = 0;
		for (size_t at = m->nodes[i].parent; at != NOWHERE; at = m->nodes[at].parent)
			depth++;
		if (depth >= MAIL_DEPTH_MAX)
			m->nodes[i].parent = NOWHERE;
	}
	for (size_t i = 0; i < m->node_count; i++) {
		m->nodes[i].depth = 0;
		for (size_t at = m->nodes[i].parent; at != NOWHERE; at = m->nodes[at].parent)
			m->nodes[i].depth++;
	}
}

/* ---- names ---- */
struct taken {
	struct str key; /* 'L', path of the parent, level; or 'F', ..., folder with case folded */
	struct str folder;
	bool real;
};
struct names {
	struct merge *m;
	struct taken *v;
	size_t cap; /* a power of two, twice what can come */
};

static struct taken *find_taken(struct names *t, struct str key)
{
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < key.n; i++)
		hash = (hash ^ (uint8_t)key.p[i]) * 16777619u;
	size_t at = hash & (t->cap - 1);
	while (t->v[at].key.p != NULL && !str_eq(t->v[at].key, key))
		at = (at + 1) & (t->cap - 1);
	return &t->v[at];
}

struct spelled { /* one folder, and how others would clash with it */
	struct str folder, level_key, fold_key;
};

static int spell(struct spelled *out, struct merge *m, struct str parent, struct str folder)
{
	struct buf level, fold;
	buf_init(&level, NULL);
	buf_init(&fold, NULL);
	mail_name_unescape(&level, folder);
	mime_fold(&fold, folder);
	out->folder = folder;
	out->level_key =
		arena_fmt(&m->arena, "L%.*s/%.*s", STR_ARG(parent), STR_ARG(buf_str(&level)));
	out->fold_key =
		arena_fmt(&m->arena, "F%.*s/%.*s", STR_ARG(parent), STR_ARG(buf_str(&fold)));
	bool ok = level.err == 0 && fold.err == 0 && out->level_key.p != NULL &&
		out->fold_key.p != NULL;
	buf_free(&level);
	buf_free(&fold);
	return ok ? 0 : err_set(ERR_LIMIT, "mail: too many mailboxes to merge");
}

static void take(struct names *t, const struct spelled *s, bool real)
{
	struct taken *level = find_taken(t, s->level_key);
	*level = (struct taken){ s->level_key, s->folder, real || level->real };
	struct taken *fold = find_taken(t, s->fold_key);
	*fold = (struct taken){ s->fold_key, s->folder, real || fold->real };
}

/* "level (ab12)": `digits` of the key's hash or id; the level is cut until it fits. */
static int suffixed(
	struct str *out, struct merge *m, struct str folder, struct str key, size_t digits)
{
	struct buf level, text;
	char mark[MAIL_ID_HEX + 1];
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < key.n; i++)
		hash = (hash ^ (uint8_t)key.p[i]) * 16777619u;
	if (key.p[0] == 'i' && key.n > MAIL_ID_HEX)
		snprintf(mark, sizeof(mark), "%.*s", STR_ARG(str_sub(key, 1, 1 + digits)));
	else
		snprintf(mark, sizeof(mark), "%08x", hash);
	buf_init(&level, NULL);
	buf_init(&text, &m->arena);
	mail_name_unescape(&level, folder);
	size_t n = level.n;
	do {
		struct buf whole;
		buf_init(&whole, NULL);
		buf_add(&whole, str_n(level.p, n));
		buf_fmt(&whole, " (%s)", mark);
		text.n = 0;
		mail_name_escape(&text, buf_str(&whole));
		buf_free(&whole);
		do
			n -= n > 0;
		while (n > 0 && ((uint8_t)level.p[n] & 0xc0) == 0x80);
	} while (text.n > STORE_NAME_MAX && n > 0);
	*out = buf_str(&text);
	buf_free(&level);
	return text.err;
}

/* Something of it stands in its folder that another cannot stand beside. */
static bool is_real(const struct merge *m, const struct merge_node *n)
{
	for (enum merge_side s = OURS; s < SIDES; s++) {
		const struct merge_rec *r = merge_rec_of(m, n, s);
		if (!n->vanishes && r != NULL && (r->m.there || r->f.there))
			return true;
	}
	return n->exists;
}

/* A free spelling of n->folder below `parent`. */
static int free_name(struct names *t, struct merge_node *n, struct str parent, bool real)
{
	static const size_t digits[] = { 4, MAIL_ID_HEX };
	struct merge *m = t->m;
	struct spelled s;
	int err = spell(&s, m, parent, n->folder);
	for (size_t i = 0; err == 0 && i <= ARRAY_LEN(digits); i++) {
		struct taken *other = find_taken(t, s.level_key);
		if (other->key.p != NULL && !(real && other->real)) { /* one only leads on */
			n->folder = other->folder;
			err = spell(&s, m, parent, n->folder);
			break;
		}
		if (other->key.p == NULL) {
			if (find_taken(t, s.fold_key)->key.p == NULL)
				break;
			struct buf level, text;
			buf_init(&level, NULL);
			buf_init(&text, &m->arena);
			mail_name_unescape(&level, s.folder);
			mail_name_escape_clash(&text, buf_str(&level));
			buf_free(&level);
			err = text.err < 0 ? text.err : spell(&s, m, parent, buf_str(&text));
			if (err < 0 ||
				(text.n <= STORE_NAME_MAX &&
					find_taken(t, s.fold_key)->key.p == NULL))
				break;
		}
		if (i == ARRAY_LEN(digits))
			break;
		struct str other_name;
		err = suffixed(&other_name, m, n->folder, n->key, digits[i]);
		if (err == 0)
			err = spell(&s, m, parent, other_name);
	}
	if (err < 0)
		return err;
	struct buf was, is;
	buf_init(&was, NULL);
	buf_init(&is, NULL);
	mail_name_unescape(&was, n->folder);
	mail_name_unescape(&is, s.folder);
	if (!str_eq(buf_str(&was), buf_str(&is)))
		mail_merge_note(m, "%.*s: the name of two mailboxes: one is now %.*s",
			STR_ARG(n->folder), STR_ARG(s.folder));
	buf_free(&was);
	buf_free(&is);
	n->folder = s.folder;
	take(t, &s, real);
	return 0;
}

static int place(struct names *t, struct merge_node *n)
{
	struct merge *m = t->m;
	struct str parent = n->parent == NOWHERE ? STR("") : m->nodes[n->parent].path;
	if (parent.n + n->folder.n + 64 > STORE_PATH_MAX - 300)
		parent = STR("");
	int err = free_name(t, n, parent, is_real(m, n));
	if (err < 0)
		return err;
	n->path = parent.n == 0
		? n->folder
		: arena_fmt(&m->arena, "%.*s/%.*s", STR_ARG(parent), STR_ARG(n->folder));
	return n->path.p != NULL ? 0 : err_set(ERR_LIMIT, "mail: too many mailboxes to merge");
}

static int order_cmp(const void *a, const void *b, void *nodes)
{
	const size_t *x = a, *y = b;
	const struct merge_node *v = nodes, *p = &v[*x], *q = &v[*y];
	bool p_inbox = str_eq(p->key, STR("INBOX")), q_inbox = str_eq(q->key, STR("INBOX"));
	if (p->depth != q->depth)
		return p->depth < q->depth ? -1 : 1;
	if (p_inbox != q_inbox)
		return p_inbox ? -1 : 1;
	return str_cmp(p->key, q->key);
}

static int name_all(struct names *t, size_t *order)
{
	struct merge *m = t->m;
	struct spelled s;
	int err = 0;
	for (size_t i = 0; err == 0 && i < m->spot_count; i++) {
		const struct merge_spot *p = &m->spots[i];
		if (!p->pruned)
			continue;
		err = spell(&s, m, p->parent == NOWHERE ? STR("") : m->spots[p->parent].path,
			p->folder);
		if (err == 0)
			take(t, &s, true);
	}
	for (size_t i = 0; i < m->node_count; i++)
		order[i] = i;
	if (m->node_count > 1)
		qsort_r(order, m->node_count, sizeof(*order), order_cmp, m->nodes);
	for (size_t i = 0; err == 0 && i < m->node_count; i++)
		if (m->nodes[order[i]].folder.p != NULL)
			err = place(t, &m->nodes[order[i]]);
	return err;
}

int mail_merge_places(struct merge *m)
{
	struct names t = { .m = m, .cap = 64 };
	int err = 0;
	for (size_t i = 0; err == 0 && i < m->node_count; i++)
		err = decide(m, &m->nodes[i]);
	if (err < 0)
		return err;
	for (size_t i = 0; i < m->node_count; i++)
		locate(m, &m->nodes[i]);
	break_cycles(m);
	while (t.cap < 8 * (m->spot_count + m->node_count + 1))
		t.cap *= 2;
	t.v = calloc(t.cap, sizeof(*t.v));
	size_t *order = malloc((m->node_count + 1) * sizeof(*order));
	err = t.v != NULL && order != NULL ? name_all(&t, order)
					   : err_set(ERR_NOMEM, "mail: no memory to merge");
	free(order);
	free(t.v);
	return err;
}
