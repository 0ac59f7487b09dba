/* SPDX-License-Identifier: ISC */
/*
 * sync-collection (RFC 6578). A token names two commits of the branch and a place between them:
 *	urn:allod:sync:<tree>:<since>:<until>:<told so far>:<mac>
 * In a token that tells all, both commits are the same. What changed since is what differs between the
 * collection's tree there and today's, and what came and went meanwhile (sync_past.c): nothing needs to be
 * remembered, and no token can lie, as the mac binds it to the collection. A state that history no longer
 * keeps makes the token invalid. The tree (of until) is there for If headers: the same tree is the same
 * state, whatever was committed elsewhere.
 */
#include "os/crypto.h"
#include "services/dav/dav_impl.h"
#include "services/dav/sync_impl.h"

#define PREFIX    "urn:allod:sync:"
#define MAC_BYTES 16
#define NONE_HEX  "0000000000000000000000000000000000000000"

struct token {
	struct dav_sync_span x;
	bool has_since; /* else from nothing */
	uint64_t told;
};

static void mac(char out[static 2 * MAC_BYTES + 1], struct dav_request *r, const struct dav_path *p,
	struct str what)
{
	uint8_t hash[OS_SHA256_BYTES];
	struct buf b;

	buf_init(&b, NULL);
	dav_href(&b, p, true);
	buf_addc(&b, '\n');
	buf_add(&b, what);
	os_hmac_sha256(hash, str_n(r->cfg->secret, sizeof(r->cfg->secret)),
		b.err < 0 ? STR("") : buf_str(&b));
	buf_free(&b);
	for (size_t i = 0; i < MAC_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

void dav_sync_state(struct buf *b, const struct store_oid *tree)
{
	char hex[STORE_HEX];
	buf_fmt(b, PREFIX "%s:", store_oid_hex(hex, tree));
}

static void token_write(
	struct buf *b, struct dav_request *r, const struct dav_path *p, const struct token *t)
{
	char since[STORE_HEX] = NONE_HEX, until[STORE_HEX], sum[2 * MAC_BYTES + 1];
	struct str what;

	if (t->has_since)
		store_oid_hex(since, &t->x.since);
	what = arena_fmt(&r->a, "%s:%s:%llu", since, store_oid_hex(until, &t->x.until),
		(unsigned long long)t->told);
	mac(sum, r, p, what);
	dav_sync_state(b, &t->x.to);
	buf_fmt(b, "%.*s:%s", STR_ARG(what), sum);
}

void dav_sync_token(struct buf *b, struct dav_request *r, const struct dav_res *collection)
{
	struct token t = { .x = { .since = r->head, .until = r->head, .to = collection->node.oid },
		.has_since = true };
	token_write(b, r, &collection->path, &t);
}

static int first(void *ctx, struct str name, const struct store_entry *e)
{
	(void)ctx;
	(void)name;
	(void)e;
	return ERR_CLOSED;
}

/* The home set, and folders that were pushed, have no .collection: so any entry will do. */
static bool is_kept(struct store *s, const struct store_oid *tree)
{
	int err = store_list(s, tree, STR_NONE, first, NULL);
	return err >= 0 || err == ERR_CLOSED;
}

/* The collection's tree in that commit. */
static int tree_at(struct store_oid *out, struct dav_request *r, const struct store_oid *commit)
{
	struct store_commit c;
	struct dav_node node;
	int err = store_commit_get(&c, &r->a, r->cfg->store, commit);

	if (err >= 0)
		err = dav_node_find(&node, r->cfg->store, &c.tree, r->path.segs, r->path.n);
	if (err < 0 || !node.collection || !is_kept(r->cfg->store, &node.oid))
		return ERR_NOENT;
	*out = node.oid;
	return 0;
}

static int token_read(struct token *t, struct dav_request *r, struct str s)
{
	char want[2 * MAC_BYTES + 1];
	struct str tree, since, until, told, sum, what;
	struct store_oid said;

	if (!str_starts(s, STR(PREFIX)))
		return ERR_BAD;
	s = str_sub(s, sizeof(PREFIX) - 1, s.n);
	if (!str_cut(&tree, &s, s, ':') || !str_cut(&since, &sum, s, ':') ||
		!str_cut(&until, &sum, sum, ':') || !str_cut(&told, &sum, sum, ':') ||
		sum.n != 2 * MAC_BYTES)
		return ERR_BAD;
	what = str_sub(s, 0, s.n - sum.n - 1);
	mac(want, r, &r->path, what);
	if (!os_same((const uint8_t *)want, (const uint8_t *)sum.p, sum.n) ||
		store_oid_parse(&t->x.until, until) < 0 ||
		store_oid_parse(&t->x.since, since) < 0 || str_u64(&t->told, told, UINT64_MAX) < 0)
		return ERR_BAD;
	t->has_since = !str_eq(since, STR(NONE_HEX));
	if (store_oid_parse(&said, tree) < 0 || tree_at(&t->x.to, r, &t->x.until) < 0 ||
		!store_oid_eq(&said, &t->x.to) ||
		(t->has_since && tree_at(&t->x.from, r, &t->x.since) < 0))
		return ERR_NOENT;
	return 0;
}

struct syncing {
	struct dav_request *r;
	struct dav_multi m;
	struct dav_asked asked;
	const struct store_oid *to;
	uint64_t seen, told, limit; /* of changes, in the order of store_diff; 0: no limit */
	struct str last;            /* folder of the collection below that was told last */
	bool more;
};

/* The name of the member that has changed, and what it is now; false: none of ours. */
static bool member(
	struct dav_node *now, struct str *file, struct syncing *y, const struct store_change *c)
{
	struct str head, rest;
	struct store_entry e;
	bool cut = str_cut(&head, &rest, c->path, '/');

	*now = (struct dav_node){ 0 };
	*file = rest;
	if (cut && dav_is_shard(head)) {
		if (c->after)
			now->oid = *c->after;
		return str_chr(rest, '/') < 0 && !str_starts(rest, STR("%="));
	}
	/* A collection in this one: once, however much of it has changed. */
	*file = head;
	now->collection = true;
	if (!cut || str_eq(head, y->last))
		return false;
	y->last = arena_dup(&y->r->a, head);
	if (store_find(&e, y->r->cfg->store, y->to, head) >= 0)
		now->oid = e.oid;
	return true;
}

static bool is_there(const struct dav_node *n)
{
	static const struct store_oid none;
	return !store_oid_eq(&n->oid, &none);
}

static int on_change(void *ctx, const struct store_change *c)
{
	struct syncing *y = ctx;
	struct dav_request *r = y->r;
	struct dav_res res = { .path = r->path };
	struct str file;
	struct buf name;

	if (!member(&res.node, &file, y, c))
		return 0;
	if (y->seen++ < y->told)
		return 0;
	if (y->limit && y->seen > y->told + y->limit) {
		y->seen--;
		y->more = true;
		return ERR_CLOSED;
	}
	buf_init(&name, &r->item);
	dav_name_unescape(&name, file);
	if (name.err < 0 || res.path.n == DAV_SEGS_MAX)
		return ERR_LIMIT;
	res.path.segs[res.path.n++] = buf_str(&name);
	if (is_there(&res.node)) {
		dav_multi_props(&y->m, &res, &y->asked);
	} else {
		dav_multi_status(&y->m, &res.path, res.node.collection, 404);
		arena_reset(&r->item);
	}
	dav_multi_flush(&y->m);
	return y->m.broken ? ERR_IO : 0;
}

/* Depth is 0 (RFC 6578, 3.2), but there are clients that say 1 as well; where there is no level it is the level
 * (appendix A). Below a calendar or an address book there are no collections, so there "infinite" is the same
 * as "1". */
static int level_check(struct dav_request *r, const struct xml *root, struct dav_res *here)
{
	const struct xml *said = xml_child(root, XML_DAV, "sync-level");
	int depth = dav_depth(r, 0);
	struct str level =
		said ? str_trim(xml_inner(&r->a, said)) : (depth < 0 ? STR("infinite") : STR("1"));
	bool infinite = str_eq(level, STR("infinite"));

	if (depth == -2)
		return ERR_BAD;
	if ((said && depth == -1) || (!infinite && !str_eq(level, STR("1")))) {
		dav_refuse(r, 400, STR_NONE, NULL, "a sync has Depth 0, and level 1 or infinite");
		return ERR_BAD;
	}
	if (infinite && dav_res_meta(here, r)->kind == DAV_PLAIN) {
		dav_refuse(r, 403, XML_DAV, "sync-traversal-supported",
			"collections are synced one by one");
		return ERR_UNSUPPORTED;
	}
	return 0;
}

/* What the request says; < 0: replied. */
static int read_request(
	struct token *t, struct syncing *y, const struct xml *root, const struct dav_res *here)
{
	struct dav_request *r = y->r;
	struct str given = str_trim(xml_inner(&r->a, xml_child(root, XML_DAV, "sync-token")));
	const struct xml *limit = xml_child(xml_child(root, XML_DAV, "limit"), XML_DAV, "nresults");

	*t = (struct token){ .x = { .until = r->head, .to = here->node.oid } };
	if (limit &&
		(str_u64(&y->limit, str_trim(xml_inner(&r->a, limit)), UINT32_MAX) < 0 ||
			y->limit == 0)) {
		dav_refuse(r, 400, STR_NONE, NULL, "nresults is a number above 0");
		return ERR_BAD;
	}
	if (given.n == 0)
		return 0;
	if (token_read(t, r, given) < 0) {
		dav_refuse(r, 403, XML_DAV, "valid-sync-token",
			"this sync token is not of this collection, or too old");
		return ERR_BAD;
	}
	if (t->has_since && store_oid_eq(&t->x.since, &t->x.until)) {
		t->x.until = r->head; /* all was told: go on to today */
		t->x.to = here->node.oid;
	}
	return 0;
}

void dav_sync(struct dav_request *r, const struct xml *root)
{
	struct syncing y = { .r = r };
	struct dav_res here;
	struct token t;
	int err = dav_res_find(&here, r, &r->path);

	if (err < 0) {
		dav_fail_err(r, err);
		return;
	}
	if (r->path.place != DAV_RESOURCE || !here.node.collection) {
		dav_refuse(r, 403, XML_DAV, "supported-report", "only collections are synced");
		return;
	}
	if (level_check(r, root, &here) < 0 || read_request(&t, &y, root, &here) < 0 ||
		dav_data_check(r, root) < 0)
		return;
	y.told = t.told;
	y.to = &t.x.to;
	dav_asked_read(&y.asked, r, root);
	dav_multi_begin(&y.m, r);
	err = store_diff(
		r->cfg->store, t.has_since ? &t.x.from : NULL, &t.x.to, STR(""), on_change, &y);
	if (err >= 0 && t.has_since)
		err = dav_sync_past(r, &t.x, on_change, &y);
	if (err < 0 && !y.more)
		y.m.broken = true;
	if (y.more) { /* RFC 6578, 3.6 */
		dav_multi_status(&y.m, &r->path, true, 507);
		t.told = y.seen;
	} else {
		t.x.since = t.x.until;
		t.told = 0;
		t.has_since = true;
	}
	xml_open(&y.m.b, XML_DAV, "sync-token");
	token_write(&y.m.b, r, &r->path, &t);
	xml_close(&y.m.b, XML_DAV, "sync-token");
	dav_multi_end(&y.m);
}
