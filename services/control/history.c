/* SPDX-License-Identifier: ISC */
/* What happened: refs, log, show. Rows are gathered first and sent then: reads of the store may not
 * wait for a peer. */
#include "services/control/control_impl.h"

#define LOG_LIMIT   50
#define LOG_MOST    500
#define REFS_MAX    4096
#define CHANGES_MAX 500
#define TEXT_MAX    4096        /* bytes of a blob shown as text */
#define TEXTS_MAX   (96 * 1024) /* of all of them together */
#define MESSAGE_MAX 2048

struct rows {
	struct http_x *x;
	struct control *c;
	json_t *list;
	size_t most;
	uint64_t texts; /* bytes of blobs taken so far */
	bool more;      /* there would have been more */
};

static int add(struct rows *r, json_t *row)
{
	if (json_array_append_new(r->list, row) < 0)
		return err_set(ERR_NOMEM, "out of memory");
	return 0;
}

/* Sends and drops the rows; `err` is what gathering them ended with. */
static void send_rows(struct rows *r, int err)
{
	json_t *row;
	size_t i;

	if (err < 0) {
		control_fail(r->x, err, NULL);
	} else {
		control_lines(r->x);
		json_array_foreach(r->list, i, row)
		{
			err = control_line(r->x, json_incref(row));
			if (err < 0)
				break;
		}
		if (err == 0 && r->more)
			err = control_line(r->x, json_pack("{s:b}", "more", 1));
		control_lines_end(r->x, err);
	}
	json_decref(r->list);
}

/* ---- refs ---- */

static int ref_row(void *ctx, struct str ref, const struct store_oid *commit)
{
	struct rows *r = ctx;
	char hex[STORE_HEX];

	if (json_array_size(r->list) >= REFS_MAX)
		return err_set(ERR_LIMIT, "more than %d refs", REFS_MAX);
	return add(r,
		json_pack("{s:o,s:s}", "ref", control_text(ref), "commit",
			store_oid_hex(hex, commit)));
}

void control_refs(struct control *c, struct http_x *x, struct str rest)
{
	struct rows r = { .x = x, .c = c, .list = json_array() };

	(void)rest;
	send_rows(&r, store_ref_list(c->cfg.store, STR("refs/"), ref_row, &r));
}

/* ---- log ---- */

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

static int log_row(void *ctx, const struct store_commit *commit)
{
	struct rows *r = ctx;

	if (json_array_size(r->list) >= r->most) {
		r->more = true;
		return ERR_CLOSED;
	}
	return add(r, commit_json(commit));
}

void control_log(struct control *c, struct http_x *x, struct str rest)
{
	struct rows r = { .x = x, .c = c, .list = json_array(), .most = LOG_LIMIT };
	struct str from = control_param(x, "from"), limit = control_param(x, "limit");
	struct store_oid at;
	uint64_t most;
	int err = 0;

	(void)rest;
	if (limit.p) {
		err = str_u64(&most, limit, LOG_MOST);
		if (err < 0 || most == 0)
			err = err_set(ERR_BAD, "limit is a number from 1 to %d", LOG_MOST);
		else
			r.most = (size_t)most;
	}
	if (err == 0 && !from.p)
		from = control_param(x, "ref");
	if (err == 0 && !from.p)
		err = err_set(ERR_BAD, "ref or from must be given");
	if (err == 0)
		err = store_resolve(&at, c->cfg.store, from);
	if (err == 0)
		err = store_log(c->cfg.store, &at, control_param(x, "path"), log_row, &r);
	send_rows(&r, err);
}

/* ---- show ---- */

static bool is_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && !strchr("\t\r\n", s.p[i]))
			return false;
	return memchr(s.p, '\0', s.n) == NULL;
}

/* The blob as a JSON string when it is small text, else null; its size in any case. */
static json_t *side(struct rows *r, const struct store_oid *id)
{
	struct store *s = r->c->cfg.store;
	char hex[STORE_HEX];
	json_t *text = NULL;
	struct str bytes;
	uint64_t size;

	if (!id)
		return json_null();
	if (store_blob_size(&size, s, id) < 0)
		return json_pack("{s:s,s:n,s:n}", "oid", store_oid_hex(hex, id), "size", "text");
	if (size <= TEXT_MAX && r->texts + size <= TEXTS_MAX &&
		store_blob_all(&bytes, &r->x->arena, s, id, TEXT_MAX) == 0) {
		r->texts += size;
		if (bytes.n == 0 || is_text(bytes))
			text = control_text(bytes);
	}
	return json_pack("{s:s,s:I,s:o}", "oid", store_oid_hex(hex, id), "size", (json_int_t)size,
		"text", text ? text : json_null());
}

static int change_row(void *ctx, const struct store_change *ch)
{
	struct rows *r = ctx;

	if (json_array_size(r->list) >= r->most) {
		r->more = true;
		return ERR_CLOSED;
	}
	return add(r,
		json_pack("{s:o,s:o,s:o}", "path", control_text(ch->path), "before",
			side(r, ch->before), "after", side(r, ch->after)));
}

void control_show(struct control *c, struct http_x *x, struct str rest)
{
	struct rows r = { .x = x, .c = c, .list = json_array(), .most = CHANGES_MAX + 1 };
	struct store *s = c->cfg.store;
	struct store_commit commit, parent;
	struct str name = control_param(x, "commit");
	struct store_oid id;
	int err;

	(void)rest;
	err = name.p ? store_resolve(&id, s, name) : err_set(ERR_BAD, "commit must be given");
	if (err == 0)
		err = store_commit_get(&commit, &x->arena, s, &id);
	if (err == 0)
		err = add(&r, commit_json(&commit));
	if (err == 0 && commit.parent_count)
		err = store_commit_get(&parent, &x->arena, s, &commit.parents[0]);
	if (err == 0)
		err = store_diff(s, commit.parent_count ? &parent.tree : NULL, &commit.tree,
			control_param(x, "path"), change_row, &r);
	if (err == ERR_CLOSED && r.more)
		err = 0;
	send_rows(&r, err);
}
