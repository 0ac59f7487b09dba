/* SPDX-License-Identifier: ISC */
/* The door of the git server: TLS, passwords, paths. */
#include "identity/basic.h"
#include "os/log.h"
#include "sync/git_impl.h"

#define HANDSHAKE_NS (10 * OS_SEC)

/* ---- paths ---- */
static void info_refs(struct git_repo *r)
{
	if (str_eq(r->x->query, STR("service=git-upload-pack")))
		git_advertise(r);
	else if (str_eq(r->x->query, STR("service=git-receive-pack")))
		git_advertise_push(r);
	else
		http_reply_text(r->x, 403,
			"This repository is served by git's smart protocol only: "
			"any git since 1.6.6 speaks it.\n");
}

static bool of_type(struct git_repo *r, const char *type)
{
	if (str_eq(http_get(r->x, "Content-Type"), str_of(type)))
		return true;
	http_reply_text(r->x, 415, "not a request of git's\n");
	return false;
}

static void upload(struct git_repo *r)
{
	if (of_type(r, "application/x-git-upload-pack-request"))
		git_upload(r);
}

static void receive(struct git_repo *r)
{
	if (of_type(r, "application/x-git-receive-pack-request"))
		git_receive(r);
}

static const struct {
	const char *method, *path;
	void (*handle)(struct git_repo *r);
} routes[] = { { "GET", "info/refs", info_refs }, { "POST", "git-upload-pack", upload },
	{ "POST", "git-receive-pack", receive } };

/* "/alice.git/info/refs": alice and info/refs. */
static bool cut_path(struct str *user, struct str *rest, struct str path)
{
	struct str repo;

	if (path.n < 2 || !str_cut(&repo, rest, str_sub(path, 1, path.n), '/') ||
		!str_ends(repo, STR(".git")))
		return false;
	*user = str_sub(repo, 0, repo.n - 4);
	return true;
}

static void route(struct git_repo *r, struct str rest)
{
	struct http_x *x = r->x;
	bool known = false;

	http_header(x, "Cache-Control", STR("no-cache, max-age=0, must-revalidate"));
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (!rest.p || !str_eq(rest, str_of(routes[i].path)))
			continue;
		known = true;
		if (!str_eq(x->method, str_of(routes[i].method)))
			continue;
		routes[i].handle(r);
		return;
	}
	http_reply_text(x, known ? 405 : 404,
		known ? "not with this method\n" : "you have no such repository here\n");
}

bool git_is_path(struct str path)
{
	struct str user, rest;

	return cut_path(&user, &rest, path);
}

void git_handle(struct http_x *x, void *ctx)
{
	const struct git_config *cfg = ctx;
	struct id_login who;
	struct git_repo r = { .cfg = cfg, .store = cfg->store, .x = x };
	struct str owner = STR(""), rest = STR_NONE;

	if (!cut_path(&owner, &rest, x->path))
		rest = STR_NONE;
	if (id_basic_or_token(&who, cfg->registry, cfg->guard, x, "git", owner) < 0)
		return;
	r.user = str_of(who.user);
	r.device = str_of(who.device);
	route(&r, str_eq(owner, r.user) ? rest : STR_NONE);
}

void git_answer(struct http_x *x, struct store *s, struct str rest, uint64_t objects_max)
{
	struct git_repo r = { .store = s, .x = x, .objects_max = objects_max };

	route(&r, rest);
}

void git_serve(const struct git_config *cfg, struct os_stream *s)
{
	http_serve(s, git_handle, (void *)cfg);
}

void git_session(const struct git_config *cfg, struct os_stream *raw)
{
	struct os_stream *s;
	int err = os_tls_accept(&s, cfg->tls, raw, os_after(HANDSHAKE_NS));

	if (err < 0)
		os_log(OS_INFO, "svc=git event=tls why=\"%s\"", err_text(err));
	else
		git_serve(cfg, s);
}
