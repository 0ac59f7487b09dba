/* SPDX-License-Identifier: ISC */
/* From a connection to a method: passwords, paths, the table of methods. */
#include "identity/basic.h"
#include "os/log.h"
#include "services/dav/front.h"
#include "services/dav/dav_impl.h"
#include "services/dav/push.h"

#define HANDSHAKE_NS \
	(60 * OS_SEC) /* as long as mail waits: a crowd at a slow machine takes turns */

static const struct {
	const char *name;
	void (*run)(struct dav_request *r);
} methods[] = {
	{ "OPTIONS", dav_options },
	{ "GET", dav_get },
	{ "HEAD", dav_get },
	{ "PUT", dav_put },
	{ "DELETE", dav_delete },
	{ "COPY", dav_copy },
	{ "MOVE", dav_move },
	{ "MKCOL", dav_mkcol },
	{ "MKCALENDAR", dav_mkcalendar },
	{ "PROPPATCH", dav_proppatch },
	{ "PROPFIND", dav_propfind },
	{ "REPORT", dav_reports },
};

static void allow(struct dav_request *r)
{
	struct buf b;

	buf_init(&b, &r->a);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(methods[i].name, "MKCALENDAR") != 0 ||
			r->cfg->service->kind == DAV_CALENDAR)
			buf_fmt(&b, "%s%s", i ? ", " : "", methods[i].name);
	http_header(r->x, "Allow", buf_str(&b));
}

void dav_options(struct dav_request *r)
{
	bool own = r->path.place == DAV_HOMES || r->path.place == DAV_RESOURCE;
	const struct dav_behind *b = own ? NULL : dav_behind(r->cfg);
	struct str classes = arena_fmt(&r->a, "1, 3, extended-mkcol, %s%s%s",
		r->cfg->service->classes, b ? ", " : "", b ? b->classes : "");

	http_header(r->x, "DAV", classes);
	allow(r);
	http_reply(r->x, 200, STR(""));
}

static void dispatch(struct dav_request *r)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_eq(r->x->method, str_of(methods[i].name))) {
			if (dav_if(r) == 0)
				methods[i].run(r);
			return;
		}
	allow(r);
	dav_refuse(r, 405, STR_NONE, NULL, "not a method of this server");
}

bool dav_path_mine(const struct dav_request *r, const struct dav_path *p)
{
	switch (p->place) {
	case DAV_ROOT:
	case DAV_PRINCIPALS: return true;
	case DAV_PRINCIPAL: return str_eq(p->user, r->user);
	case DAV_HOMES: return str_eq(p->home, r->cfg->service->home);
	case DAV_RESOURCE:
		return str_eq(p->home, r->cfg->service->home) && str_eq(p->user, r->user);
	default: return false;
	}
}

/* 0, or the request was answered. */
static int admit(struct dav_request *r)
{
	struct store_commit c;
	struct store_oid head;
	int err;

	if ((r->path.place == DAV_PRINCIPAL || r->path.place == DAV_RESOURCE) &&
		!str_eq(r->path.user, r->user)) {
		dav_refuse(r, 403, XML_DAV, "need-privileges", "this belongs to somebody else");
		return ERR_DENIED;
	}
	if (!dav_path_mine(r, &r->path)) {
		dav_refuse(r, 404, STR_NONE, NULL, "there is nothing here");
		return ERR_NOENT;
	}
	err = store_ref_get(&head, r->cfg->store, r->ref);
	if (err == ERR_NOENT) {
		err = dav_found(r);
		if (err >= 0)
			err = store_ref_get(&head, r->cfg->store, r->ref);
	}
	if (err >= 0)
		err = store_commit_get(&c, &r->a, r->cfg->store, &head);
	if (err < 0) {
		dav_fail_err(r, err);
		return err;
	}
	r->has_root = true;
	r->head = head;
	r->root = c.tree;
	return 0;
}

/* RFC 6764, 5: to where the service begins, whoever asks. */
static bool well_known(struct dav_request *r)
{
	const struct dav_behind *b = dav_behind(r->cfg);
	struct str name = r->path.well_known;

	if (r->path.place != DAV_WELL_KNOWN ||
		(!str_eq(name, str_of(r->cfg->service->well_known)) &&
			!(b && str_eq(name, str_of(b->well_known)))))
		return false;
	http_header(r->x, "Location", STR("/"));
	http_reply_text(r->x, 301, "The service begins at /\n");
	return true;
}

/* Is it for the service behind? */
static bool is_behind(const struct dav_request *r)
{
	const struct dav_behind *b = dav_behind(r->cfg);

	return b && (r->path.place == DAV_HOMES || r->path.place == DAV_RESOURCE) &&
		str_eq(r->path.home, b->home);
}

struct git_config dav_git(const struct dav_config *cfg)
{
	return (struct git_config){ .store = cfg->store,
		.registry = cfg->registry,
		.guard = cfg->guard,
		.tls = cfg->tls,
		.object_bytes_max = DAV_ITEM_MAX,
		.check_push = dav_push_check,
		.ctx = (void *)cfg };
}

static void handle(struct http_x *x, void *ctx)
{
	struct dav_request r = { .x = x, .cfg = ctx };
	struct id_login who;
	int err;

	if (git_is_path(x->path)) {
		struct git_config git = dav_git(r.cfg);
		git_handle(x, &git);
		return;
	}
	arena_init(&r.a, REQUEST_BYTES);
	arena_init(&r.item, ITEM_BYTES);
	/* OPTIONS * is about the server as a whole. */
	err = dav_path_parse(&r.path, &r.a, str_eq(x->target, STR("*")) ? STR("/") : x->target);
	if (err < 0) {
		http_reply_text(x, err == ERR_LIMIT ? 414 : 400, err_text(err));
	} else if (!well_known(&r) && !dav_welcome(&r) &&
		id_basic(&who, r.cfg->registry, r.cfg->guard, x, r.cfg->service->name) == 0) {
		r.user = str_of(who.user);
		r.client = str_of(who.client);
		r.ref = arena_fmt(&r.a, "refs/heads/%s", who.user);
		if (is_behind(&r))
			r.cfg->service->behind->forward(x, r.cfg->upstream);
		else if (admit(&r) == 0)
			dispatch(&r);
	}
	arena_free(&r.item);
	arena_free(&r.a);
}

void dav_serve(const struct dav_config *cfg, struct os_stream *s)
{
	http_serve(s, handle, (void *)cfg);
}

void dav_session(const struct dav_config *cfg, struct os_stream *raw)
{
	struct os_stream *secure;
	int err = os_tls_accept(&secure, cfg->tls, raw, os_after(HANDSHAKE_NS));

	if (err < 0)
		os_log(OS_INFO, "svc=%s event=tls why=\"%s\"", cfg->service->name, err_text(err));
	else
		dav_serve(cfg, secure);
}

/* ---- what requests say ---- */
int dav_depth(struct dav_request *r, int absent)
{
	struct str depth = http_get(r->x, "Depth");

	if (!depth.p)
		return absent;
	if (str_eq(depth, STR("0")) || str_eq(depth, STR("1")))
		return depth.p[0] - '0';
	if (str_ieq(depth, STR("infinity")))
		return -1;
	dav_refuse(r, 400, STR_NONE, NULL, "Depth is 0, 1 or infinity");
	return -2;
}

/* Is the entity tag in the list of a header? Weak ones never match (RFC 9110, 8.8.3.2). */
static bool listed(struct str list, const struct store_oid *etag)
{
	char hex[STORE_HEX];
	struct str one;

	while (list.n) {
		str_cut(&one, &list, list, ',');
		one = str_trim(one);
		if (str_eq(one, STR("*")))
			return etag != NULL;
		if (etag && one.n == STORE_HEX + 1 && one.p[0] == '"' &&
			str_eq(str_sub(one, 1, one.n - 1), str_of(store_oid_hex(hex, etag))))
			return true;
	}
	return false;
}

bool dav_conditions(struct dav_request *r, const struct store_oid *etag)
{
	struct str match = http_get(r->x, "If-Match"), none = http_get(r->x, "If-None-Match");

	return (!match.p || listed(match, etag)) && (!none.p || !listed(none, etag)) &&
		dav_if_holds(r);
}

int dav_body_xml(struct xml **root, struct dav_request *r)
{
	struct xml_reader *reader;
	struct str part;
	bool any = false;
	int err = xml_reader_new(&reader, &r->a), got;

	*root = NULL;
	if (err < 0) {
		dav_fail_err(r, err);
		return err;
	}
	while ((got = http_body(&part, r->x)) == 0 && part.n && err >= 0) {
		any = true;
		err = xml_reader_push(reader, part);
	}
	if (got < 0 || !any || err < 0) {
		xml_reader_drop(reader);
		err = got < 0 ? got : err;
	} else {
		err = xml_reader_end(root, reader);
	}
	if (err < 0)
		dav_refuse(r, err == ERR_LIMIT ? 413 : 400, STR_NONE, NULL, err_text(err));
	return err;
}
