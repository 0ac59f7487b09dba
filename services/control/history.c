/* SPDX-License-Identifier: ISC */
/*
 * What happened: refs, log, show, diff, and going back. Told in the service's words, or in files; a
 * reply begins with its first line, so that what is wrong before has a status of its own.
 */
#include "services/control/control_impl.h"

#define LOG_LIMIT      50
#define LOG_MOST       500
#define LOG_SCAN       20000 /* commits looked at for one request */
#define LOG_CHANGES    4     /* told of one commit */
#define REFS_MAX       4096
#define MILESTONES_MAX 10000
#define MESSAGE_MAX    2048
#define SEND_BYTES     8192

struct lines {
	struct http_x *x;
	json_t *first;   /* to go before all others; NULL: none */
	struct buf text; /* not sent yet: a row alone is too little for a TLS record */
	bool begun;
};

static int flush(struct lines *l)
{
	int err = l->text.n ? http_send(l->x, buf_str(&l->text)) : 0;

	l->text.n = 0;
	return err < 0 ? err : l->text.err;
}

static int add(struct lines *l, json_t *row)
{
	char *text = row ? json_dumps(row, JSON_COMPACT) : NULL;

	json_decref(row);
	if (!text)
		return err_set(ERR_NOMEM, "out of memory");
	buf_addz(&l->text, text);
	buf_addc(&l->text, '\n');
	free(text);
	return l->text.n >= SEND_BYTES ? flush(l) : l->text.err;
}

static int begin(struct lines *l)
{
	json_t *first = l->first;

	if (l->begun)
		return 0;
	l->begun = true;
	l->first = NULL;
	control_lines(l->x);
	return first ? add(l, first) : 0;
}

static int send(void *ctx, json_t *row)
{
	struct lines *l = ctx;
	int err = begin(l);

	if (err == 0)
		return add(l, row);
	json_decref(row);
	return err;
}

static void end(struct lines *l, int err)
{
	if (err < 0 && !l->begun) {
		json_decref(l->first);
		control_fail(l->x, err, NULL);
	} else if (begin(l) == 0 && flush(l) == 0) {
		control_lines_end(l->x, err);
	}
	buf_free(&l->text);
}

/* ---- refs ---- */

static int ref_row(void *ctx, struct str ref, const struct store_oid *commit)
{
	json_t *list = ctx;
	char hex[STORE_HEX];

	if (json_array_size(list) >= REFS_MAX)
		return err_set(ERR_LIMIT, "more than %d refs", REFS_MAX);
	return json_array_append_new(list,
		       json_pack("{s:o,s:s}", "ref", control_text(ref), "commit",
			       store_oid_hex(hex, commit))) < 0
		? ERR_NOMEM
		: 0;
}

/* Gathered first: reads of the store may not wait for a peer. */
void control_refs(struct control *c, struct http_x *x, struct str rest)
{
	struct lines l = { .x = x };
	json_t *list = json_array(), *row;
	size_t i;
	int err;

	(void)rest;
	err = store_ref_list(c->cfg.store, STR("refs/"), ref_row, list);
	json_array_foreach(list, i, row)
	{
		if (err == 0)
			err = send(&l, json_incref(row));
	}
	json_decref(list);
	end(&l, err);
}

/* ---- milestones ---- */

struct milestones {
	json_t *list;
	uint64_t every, seen;
	struct store_oid until; /* where to stop */
	bool has_until;
};

static int milestone(void *ctx, const struct store_commit *c)
{
	struct milestones *m = ctx;
	char hex[STORE_HEX];

	if (m->has_until && store_oid_eq(&c->id, &m->until))
		return ERR_CLOSED;
	if (m->seen++ % m->every)
		return 0;
	if (json_array_size(m->list) == MILESTONES_MAX)
		return err_set(ERR_LIMIT, "more than %d milestones", MILESTONES_MAX);
	return json_array_append_new(m->list, json_string(store_oid_hex(hex, &c->id))) < 0
		? ERR_NOMEM
		: 0;
}

void control_milestones(struct control *c, struct http_x *x, struct str rest)
{
	struct milestones m = { .list = json_array() };
	struct lines l = { .x = x };
	struct str until = control_param(x, "until");
	struct store_oid tip;
	json_t *one;
	size_t i;
	int err;

	(void)rest;
	err = str_u64(&m.every, control_param(x, "every"), UINT32_MAX);
	if (err < 0 || m.every == 0)
		err = err_set(ERR_BAD, "every is a number of commits");
	m.has_until = until.n > 0;
	if (err == 0 && until.n)
		err = store_oid_parse(&m.until, until);
	if (err == 0)
		err = store_ref_get(&tip, c->cfg.store, control_param(x, "ref"));
	if (err == 0)
		err = store_log(c->cfg.store, &tip, STR_NONE, milestone, &m);
	json_array_foreach(m.list, i, one)
	{
		if (err == 0)
			err = send(&l, json_pack("{s:O}", "commit", one));
	}
	json_decref(m.list);
	end(&l, err);
}

/* ---- what is asked for ---- */

struct query {
	struct control *c;
	struct http_x *x;
	struct str ref, path;
	struct control_words words;
};

static void query(struct query *q, struct control *c, struct http_x *x)
{
	*q = (struct query){ c, x, control_param(x, "ref"), control_param(x, "path"), { 0 } };
	if (!q->path.p)
		q->path = STR("");
}

/* Whose words fit this tree. */
static void choose_words(struct query *q, const struct store_oid *tree)
{
	const struct control_words *w = q->c->cfg.words;

	if (!w || control_param(q->x, "raw").n || !w->speaks(w->ctx, tree))
		control_files(&q->words, q->c->cfg.store);
	else
		q->words = *w;
}

/*
 * "@<Unix seconds>" (where the ref stood then, by this endpoint's records), an id or a ref, with ~N.
 * STR_NONE: the tip.
 */
static int resolve(struct store_commit *out, const struct query *q, struct str text)
{
	struct store *s = q->c->cfg.store;
	struct store_oid id;
	uint64_t time;
	int err;

	if (!text.p && !q->ref.p)
		return err_set(ERR_BAD, "a ref or a commit must be given");
	if (!text.p) {
		err = store_ref_get(&id, s, q->ref);
		if (err == ERR_NOENT)
			err = err_set(err, "there is no %.*s", STR_ARG(q->ref));
	} else if (str_starts(text, STR("@"))) {
		err = str_u64(&time, str_sub(text, 1, text.n), INT64_MAX);
		if (err < 0)
			return err_set(ERR_BAD, "a moment is @ and Unix seconds");
		err = store_ref_at(&id, s, q->ref, (int64_t)time);
	} else {
		err = store_resolve(&id, s, text);
	}
	return err < 0 ? err : store_commit_get(out, &q->x->arena, s, &id);
}

static json_t *commit_json(const struct store_commit *c)
{
	char hex[STORE_HEX];
	json_t *parents = json_array();

	for (unsigned i = 0; parents && i < c->parent_count; i++)
		json_array_append_new(parents, json_string(store_oid_hex(hex, &c->parents[i])));
	return json_pack("{s:s,s:o,s:o,s:o,s:I,s:o}", "commit", store_oid_hex(hex, &c->id),
		"parents", parents, "author", control_text(c->author_name), "email",
		control_text(c->author_email), "time", (json_int_t)c->time, "message",
		control_text(str_sub(c->message, 0, MESSAGE_MAX)));
}

/* {commit, time}, and `at`, the moment asked for, if it was one. */
static json_t *moment(const struct store_commit *c, struct str text)
{
	char hex[STORE_HEX];
	uint64_t at;
	json_t *j = json_pack(
		"{s:s,s:I}", "commit", store_oid_hex(hex, &c->id), "time", (json_int_t)c->time);

	if (str_starts(text, STR("@")) && str_u64(&at, str_sub(text, 1, text.n), INT64_MAX) == 0)
		json_object_set_new(j, "at", json_integer((json_int_t)at));
	return j;
}

/* ---- log ---- */

struct log {
	struct query *q;
	struct lines l;
	struct control_walk w;
	uint64_t left;
};

struct some {
	json_t *list;
	bool more;
};

static int take_some(void *ctx, json_t *row)
{
	struct some *s = ctx;

	if (json_array_size(s->list) < LOG_CHANGES)
		return json_array_append_new(s->list, row) < 0 ? ERR_NOMEM : 0;
	json_decref(row);
	s->more = true;
	return ERR_CLOSED;
}

/* The parent's tree; NULL: there is no parent, or it is not kept. */
static const struct store_oid *tree_before(
	struct store_commit *room, struct arena *a, struct store *s, const struct store_commit *c)
{
	if (c->parent_count == 0 || store_commit_get(room, a, s, &c->parents[0]) < 0)
		return NULL;
	return &room->tree;
}

static int log_changes(json_t *row, struct log *g, const struct store_commit *c, struct str path)
{
	struct query *q = g->q;
	struct some some = { .list = json_array() };
	struct store_commit parent;
	struct arena a;
	int err;

	arena_init(&a, 1 << 20);
	err = q->words.diff(q->words.ctx, q->ref, tree_before(&parent, &a, q->c->cfg.store, c),
		&c->tree, path, take_some, &some);
	arena_free(&a);
	json_object_set_new(row, "changes", some.list);
	if (some.more)
		json_object_set_new(row, "more_changes", json_true());
	return err == ERR_CLOSED && some.more ? 0 : err;
}

static int log_row(void *ctx, const struct store_commit *c, struct str path)
{
	struct log *g = ctx;
	json_t *row;
	int err;

	if (g->left-- == 0) {
		g->w.more = true;
		g->w.next_path = arena_dup(&g->q->x->arena, path);
		return ERR_CLOSED;
	}
	row = commit_json(c);
	/* What a merge brought together is told of the commits it joins. */
	err = g->q->words.restore && c->parent_count < 2 ? log_changes(row, g, c, path) : 0;
	if (err == 0)
		return send(&g->l, row);
	json_decref(row);
	return err;
}

static int log_limit(struct log *g)
{
	struct str limit = control_param(g->q->x, "limit");
	int err;

	g->left = LOG_LIMIT;
	if (!limit.p)
		return 0;
	err = str_u64(&g->left, limit, LOG_MOST);
	return err < 0 || g->left == 0
		? err_set(ERR_BAD, "limit is a number from 1 to %d", LOG_MOST)
		: 0;
}

/* Ids with commas between, as log_next tells them, or one commit in any other way. */
static int log_from(struct store_lines *out, struct store_commit *first, const struct query *q)
{
	struct str rest = control_param(q->x, "from"), one;
	struct store_commit c;
	bool more = rest.p != NULL;
	int err = 0;

	out->n = 0;
	do {
		if (more)
			more = str_cut(&one, &rest, rest, ',');
		else
			one = STR_NONE;
		if (out->n == STORE_LINES_MAX)
			return err_set(ERR_BAD, "from names over %d commits", STORE_LINES_MAX);
		err = resolve(out->n ? &c : first, q, one);
		if (err == 0)
			out->open[out->n] = out->n ? c.id : first->id;
		out->n++;
	} while (more && err == 0);
	return err;
}

static json_t *log_next(const struct control_walk *w, struct arena *a)
{
	char hex[STORE_HEX];
	struct buf ids;

	buf_init(&ids, a);
	for (size_t i = 0; i < w->next.n; i++)
		buf_fmt(&ids, "%s%s", i ? "," : "", store_oid_hex(hex, &w->next.open[i]));
	return json_pack("{s:b,s:s%,s:o}", "more", 1, "from", ids.p, ids.n, "path",
		control_text(w->next_path));
}

void control_log(struct control *c, struct http_x *x, struct str rest)
{
	struct log *g = ARENA_NEW(&x->arena, struct log);
	struct store_commit first;
	struct query q;
	int err;

	(void)rest;
	if (!g) {
		control_fail(x, err_set(ERR_NOMEM, "out of memory"), NULL);
		return;
	}
	query(&q, c, x);
	*g = (struct log){ .q = &q, .l = { .x = x } };
	err = log_limit(g);
	if (err == 0)
		err = log_from(&g->w.from, &first, &q);
	if (err == 0) {
		choose_words(&q, &first.tree);
		g->w.ref = q.ref;
		g->w.path = q.path;
		g->w.scan_max = LOG_SCAN;
		g->w.goes_on = control_param(x, "on").n > 0;
		g->w.fn = log_row;
		g->w.ctx = g;
		err = q.words.log(q.words.ctx, &x->arena, &g->w);
	}
	if (err == 0 && g->w.more)
		err = send(&g->l, log_next(&g->w, &x->arena));
	end(&g->l, err);
}

/* ---- show and diff ---- */

void control_show(struct control *c, struct http_x *x, struct str rest)
{
	struct lines l = { .x = x };
	struct store_commit commit, parent;
	struct query q;
	int err;

	(void)rest;
	query(&q, c, x);
	err = resolve(&commit, &q, control_param(x, "commit"));
	if (err == 0) {
		choose_words(&q, &commit.tree);
		l.first = commit_json(&commit);
		err = q.words.diff(q.words.ctx, q.ref,
			tree_before(&parent, &x->arena, c->cfg.store, &commit), &commit.tree,
			q.path, send, &l);
	}
	end(&l, err);
}

void control_diff(struct control *c, struct http_x *x, struct str rest)
{
	struct str from = control_param(x, "from"), to = control_param(x, "to");
	struct lines l = { .x = x };
	struct store_commit a, b;
	struct query q;
	int err;

	(void)rest;
	query(&q, c, x);
	err = from.p ? resolve(&a, &q, from) : err_set(ERR_BAD, "from must be given");
	if (err == 0)
		err = resolve(&b, &q, to);
	if (err == 0) {
		choose_words(&q, &b.tree);
		l.first = json_pack("{s:o,s:o}", "from", moment(&a, from), "to", moment(&b, to));
		err = q.words.diff(q.words.ctx, q.ref, &a.tree, &b.tree, q.path, send, &l);
	}
	end(&l, err);
}

/* ---- restore ---- */

/* Where to go back to: as asked, or where what is gone was last. */
static int target(struct control_restore *r, struct lines *l, struct query *q)
{
	struct str to = control_param(q->x, "to"), undo = control_param(q->x, "undo");
	struct store_commit c;
	int err = 0;

	r->undo = undo.n > 0;
	if (!to.p && q->path.n && !r->undo) {
		err = q->words.last(&r->to, q->words.ctx, q->ref, q->path);
		if (err == 0)
			err = store_commit_get(&c, &q->x->arena, q->c->cfg.store, &r->to);
	} else {
		err = to.p ? resolve(&c, q, to) : err_set(ERR_BAD, "to must be given");
	}
	if (err < 0)
		return err;
	r->to = c.id;
	l->first = json_pack("{s:o}", "as_of", moment(&c, to));
	if (r->undo)
		err = resolve(&c, q, undo);
	r->from = c.id;
	return err;
}

static json_t *result(const struct control_restore *r)
{
	char hex[3][STORE_HEX];
	json_t *j = json_pack("{s:b,s:b,s:i,s:s,s:O}", "ok", 1, "dry_run", r->dry_run, "commits",
		(int)r->commits, "before", store_oid_hex(hex[0], &r->before), "counts", r->counts);

	if (j && r->commits) {
		json_object_set_new(j, "first", json_string(store_oid_hex(hex[1], &r->first)));
		json_object_set_new(j, "last", json_string(store_oid_hex(hex[2], &r->last)));
	}
	return j;
}

void control_restore(struct control *c, struct http_x *x, struct str rest)
{
	struct lines l = { .x = x };
	struct control_restore r = { .row = send, .ctx = &l };
	struct store_commit tip;
	struct query q;
	int err;

	(void)rest;
	query(&q, c, x);
	err = resolve(&tip, &q, STR_NONE);
	if (err == 0)
		choose_words(&q, &tip.tree);
	if (err == 0 && !q.words.restore)
		err = err_set(ERR_UNSUPPORTED, "%.*s cannot be restored", STR_ARG(q.ref));
	if (err == 0)
		err = target(&r, &l, &q);
	if (err == 0) {
		r.ref = q.ref;
		r.path = q.path;
		r.exact = control_param(x, "exact").n > 0;
		r.dry_run = control_param(x, "dry_run").n > 0;
		err = q.words.restore(q.words.ctx, &r);
		if (err == 0)
			err = send(&l, result(&r));
	}
	json_decref(r.counts);
	end(&l, err);
}
