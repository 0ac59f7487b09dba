/* SPDX-License-Identifier: ISC */
#include "services/hello/site.h"

#define CHUNK_BYTES ((size_t)16 * 1024)

static struct str content_type(struct str path)
{
	static const struct {
		const char *suffix, *type;
	} rows[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
		{ ".pdf", "application/pdf" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_ends(path, str_of(rows[i].suffix)))
			return str_of(rows[i].type);
	return STR("application/octet-stream");
}

/* "/a/" is "a/index.html" in the tree; ERR_NOENT for what is nobody's business. */
static int tree_path(struct str *out, struct http_x *x)
{
	struct str path = str_sub(x->path, 1, x->path.n);

	if (str_starts(path, STR(".")) || str_find(path, STR("/.")) >= 0 ||
		str_find(x->path, STR("//")) >= 0)
		return ERR_NOENT;
	if (path.n == 0 || str_ends(path, STR("/")))
		path = arena_fmt(&x->arena, "%.*sindex.html", STR_ARG(path));
	*out = path;
	return path.p ? 0 : ERR_LIMIT;
}

static int find(struct store_entry *out, struct site *site, struct str path, struct arena *a)
{
	struct store_commit commit;
	struct store_oid tip;
	int err = store_ref_get(&tip, site->store, site->branch);

	if (err == 0)
		err = store_commit_get(&commit, a, site->store, &tip);
	return err < 0 ? err : store_find(out, site->store, &commit.tree, path);
}

/* The blob named by an id never changes, so the branch may move on while it is sent. */
static void send_blob(struct http_x *x, struct store *s, const struct store_oid *id)
{
	char *room = arena_alloc(&x->arena, CHUNK_BYTES);
	uint64_t size, at = 0;
	size_t n;

	if (!room || store_blob_size(&size, s, id) < 0) {
		http_reply_text(x, 500, "cannot be read\n");
		return;
	}
	http_begin(x, 200, size);
	while (at < size) {
		if (store_blob_read(&n, s, id, at, room, CHUNK_BYTES) < 0 || n == 0 ||
			http_send(x, str_n(room, n)) < 0)
			return; /* cut short: http_serve ends the connection */
		at += n;
	}
	if (http_end(x) < 0)
		return;
}

void site_serve(struct http_x *x, void *ctx)
{
	struct site *site = ctx;
	struct store_entry entry;
	char hex[STORE_HEX];
	struct str path, query, etag;
	int err;

	if (!str_eq(x->method, STR("GET")) && !str_eq(x->method, STR("HEAD"))) {
		http_header(x, "Allow", STR("GET, HEAD"));
		http_reply_text(x, 405, "only GET and HEAD here\n");
		return;
	}
	err = tree_path(&path, x);
	if (err == 0)
		err = find(&entry, site, path, &x->arena);
	if (err == 0 && entry.kind == STORE_TREE && str_starts(x->target, STR("/"))) {
		str_cut(&path, &query, x->target, '?');
		http_header(x, "Location", arena_fmt(&x->arena, "%.*s/", STR_ARG(path)));
		http_reply_text(x, 308, "a folder\n");
		return;
	}
	if (err == 0 && entry.kind != STORE_BLOB)
		err = ERR_NOENT;
	if (err < 0) {
		http_reply_text(x, err == ERR_NOENT ? 404 : 500, "nothing here\n");
		return;
	}
	etag = arena_fmt(&x->arena, "\"%s\"", store_oid_hex(hex, &entry.oid));
	http_header(x, "ETag", etag);
	if (str_find(http_get(x, "If-None-Match"), etag) >= 0) {
		http_reply(x, 304, STR(""));
		return;
	}
	http_header(x, "Content-Type", content_type(path));
	send_blob(x, site->store, &entry.oid);
}
