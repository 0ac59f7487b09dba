/* SPDX-License-Identifier: ISC */
/*
 * Rows of items, made from the branch alone:
 *	"u" + hash(ref, folder, UID)     -> name of the item
 *	"i" + hash(ref, folder) + name   -> id of its blob, component, from, to (8 bytes each)
 * A hash is 16 bytes of a SHA-256.
 */
#include "os/crypto.h"
#include "services/dav/dav_impl.h"
#include "services/dav/merge.h"

#define KEY_BYTES  17
#define ITEM_KEY   (KEY_BYTES + DAV_NAME_MAX)
#define ITEM_VALUE (20 + 1 + 8 + 8)
#define PARSE_ROOM (16u << 20)
#define TURN_NS    (10 * OS_MS)

static struct str row_key(
	char out[static KEY_BYTES], struct str ref, struct str folder, struct str uid)
{
	uint8_t hash[OS_SHA256_BYTES];
	struct buf b;

	buf_init(&b, NULL);
	buf_fmt(&b, "%.*s\n%.*s\n", STR_ARG(ref), STR_ARG(folder));
	buf_add(&b, uid);
	out[0] = 'u';
	if (b.err >= 0)
		os_sha256(hash, buf_str(&b));
	memcpy(out + 1, hash, KEY_BYTES - 1);
	buf_free(&b);
	return b.err < 0 ? STR_NONE : str_n(out, KEY_BYTES);
}

int dav_uid_find(struct str *name, struct arena *a, struct store *s, struct store_edit *e,
	struct str ref, struct str folder, struct str uid)
{
	char room[KEY_BYTES];
	struct str key = row_key(room, ref, folder, uid);

	int err = key.p ? 0 : err_set(ERR_NOMEM, "dav: out of memory");

	if (err < 0 || !e)
		return err < 0 ? err : store_row_get(name, a, s, key);
	err = store_edit_row_get(name, e, key);
	if (err >= 0)
		*name = arena_dup(a, *name);
	return err >= 0 && !name->p ? ERR_LIMIT : err;
}

int dav_uid_name(struct str *name, struct dav_request *r, struct store_edit *e, struct str folder,
	struct str uid)
{
	return dav_uid_find(name, &r->a, r->cfg->store, e, r->ref, folder, uid);
}

/* ---- items by collection ---- */
static void put64(char *p, int64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (char)((uint64_t)v >> (56 - 8 * i));
}

static int64_t get64(const char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | (uint8_t)p[i];
	return (int64_t)v;
}

static struct str item_key(
	char out[static ITEM_KEY], struct str ref, struct str folder, struct str name)
{
	struct str prefix = row_key(out, ref, folder, STR(""));

	if (!prefix.p || name.n > DAV_NAME_MAX)
		return STR_NONE;
	out[0] = 'i';
	memcpy(out + KEY_BYTES, name.p, name.n);
	return str_n(out, KEY_BYTES + name.n);
}

int dav_item_find(struct dav_res *out, struct dav_request *r, const struct dav_path *p)
{
	char room[ITEM_KEY];
	struct str key = STR_NONE, value;
	struct buf folder;
	int err;

	if (p->n == 0)
		return ERR_NOENT;
	buf_init(&folder, &r->item);
	buf_add(&folder, STR(""));
	dav_collection_folder(&folder, p->segs, p->n - 1);
	if (folder.err >= 0)
		key = item_key(room, r->ref, buf_str(&folder), p->segs[p->n - 1]);
	err = key.p ? store_row_get(&value, &r->item, r->cfg->store, key) : ERR_NOENT;
	if (err < 0 || value.n != ITEM_VALUE)
		return err < 0 ? err : ERR_NOENT;
	*out = (struct dav_res){ .path = *p };
	memcpy(out->node.oid.b, value.p, sizeof(out->node.oid.b));
	return 0;
}

struct scan {
	struct dav_request *r;
	const struct dav_res *of;
	unsigned components;
	int64_t from, to;
	dav_item_fn *fn;
	void *ctx;
	os_time since; /* it has not let others run */
};

static int on_item(void *ctx, struct str key, struct str value)
{
	struct scan *s = ctx;
	struct dav_res res = { .path = s->of->path };
	char name[DAV_NAME_MAX]; /* the row's own bytes are gone once something waits */
	int64_t from, to;
	int err;

	if (value.n != ITEM_VALUE || res.path.n == DAV_SEGS_MAX || key.n > ITEM_KEY)
		return 0;
	from = get64(value.p + 21);
	to = get64(value.p + 29);
	if ((s->components && value.p[20] && !(s->components & (uint8_t)value.p[20])) ||
		((from || to) && (from >= s->to || to < s->from)))
		return 0;
	memcpy(name, key.p + KEY_BYTES, key.n - KEY_BYTES);
	res.path.segs[res.path.n++] = str_n(name, key.n - KEY_BYTES);
	memcpy(res.node.oid.b, value.p, sizeof(res.node.oid.b));
	err = s->fn(s->ctx, &res);
	if (os_now() - s->since >
		TURN_NS) { /* items that are long to look through, one after another */
		os_yield();
		s->since = os_now();
	}
	return err;
}

int dav_items(struct dav_request *r, const struct dav_res *collection, unsigned components,
	int64_t from, int64_t to, dav_item_fn *fn, void *ctx)
{
	struct scan s = { r, collection, components, from, to, fn, ctx, os_now() };
	char room[ITEM_KEY];
	struct buf folder;
	struct str prefix;

	buf_init(&folder, &r->a);
	buf_add(&folder, STR(""));
	dav_collection_folder(&folder, collection->path.segs, collection->path.n);
	if (folder.err < 0)
		return folder.err;
	prefix = item_key(room, r->ref, buf_str(&folder), STR(""));
	return prefix.p ? store_row_scan(r->cfg->store, prefix, STR_NONE, on_item, &s)
			: err_set(ERR_NOMEM, "dav: out of memory");
}

/* ---- deriving ---- */
struct deriving {
	const struct dav_service *service;
	struct store_derive *d;
	struct str ref;
	struct arena a;
};

static int facts_of(struct dav_facts *out, struct deriving *v, const struct store_oid *id)
{
	struct dav_refusal why;
	struct str bytes;
	int err = store_blob_all(&bytes, &v->a, store_derive_store(v->d), id, DAV_ITEM_MAX);

	*out = (struct dav_facts){ 0 };
	if (err == ERR_LIMIT) /* of a plain collection, or pushed: no item of ours */
		return 0;
	if (err >= 0 && v->service->check(out, &why, &v->a, NULL, bytes) < 0)
		*out = (struct dav_facts){ 0 };
	return err;
}

static int drop(struct deriving *v, struct str folder, struct str name, const struct store_oid *id)
{
	char room[KEY_BYTES];
	struct dav_facts facts;
	char item[ITEM_KEY];
	struct str key = item_key(item, v->ref, folder, name), there;
	int err = key.p ? store_derive_row_del(v->d, key) : 0;

	if (err >= 0)
		err = facts_of(&facts, v, id);
	if (err < 0 || facts.uid.n == 0)
		return err;
	key = row_key(room, v->ref, folder, facts.uid);
	if (!key.p)
		return ERR_NOMEM;
	err = store_derive_row_get(&there, v->d, key);
	if (err == ERR_NOENT || (err >= 0 && !str_eq(there, name))) /* it moved */
		return 0;
	return err < 0 ? err : store_derive_row_del(v->d, key);
}

static int keep(struct deriving *v, struct str folder, struct str name, const struct store_oid *id)
{
	char room[KEY_BYTES];
	char item[ITEM_KEY], value[ITEM_VALUE];
	struct dav_facts facts;
	struct str key = item_key(item, v->ref, folder, name);
	int err = facts_of(&facts, v, id);

	memcpy(value, id->b, sizeof(id->b));
	value[20] = (char)facts.component;
	put64(value + 21, facts.from);
	put64(value + 29, facts.to);
	if (err >= 0 && key.p)
		err = store_derive_row_put(v->d, key, str_n(value, sizeof(value)));
	if (err < 0 || facts.uid.n == 0)
		return err;
	key = row_key(room, v->ref, folder, facts.uid);
	return key.p ? store_derive_row_put(v->d, key, name) : ERR_NOMEM;
}

static int on_change(void *ctx, const struct store_change *c)
{
	struct deriving *v = ctx;
	struct str folder, file;
	struct buf name;
	int err = 0;

	if (!dav_item_path(&folder, &file, c->path))
		return 0;
	buf_init(&name, &v->a);
	dav_name_unescape(&name, file);
	err = name.err;
	if (err >= 0 && c->before)
		err = drop(v, folder, buf_str(&name), c->before);
	if (err >= 0 && c->after)
		err = keep(v, folder, buf_str(&name), c->after);
	arena_reset(&v->a);
	return err;
}

static int derive(void *ctx, struct store_derive *d, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	struct deriving v = { .service = ctx, .d = d, .ref = ref };
	int err;

	if (!str_starts(ref, STR("refs/heads/")) || str_eq(ref, STR("refs/heads/estate")))
		return 0;
	arena_init(&v.a, PARSE_ROOM);
	err = store_diff(store_derive_store(d), old_tree, new_tree, STR(""), on_change, &v);
	arena_free(&v.a);
	return err;
}

void dav_driver(struct store_driver *out, const struct dav_service *service)
{
	*out = (struct store_driver){ .name = service->name,
		.version = 2, /* 1: a series had no bounds */
		.derive = derive,
		.ctx = (void *)service,
		.merge = dav_merge,
		.merge_version = DAV_MERGE_VERSION };
}
