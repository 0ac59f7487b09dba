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

/* "/alice.git/info/refs": what follows alice's own "/alice.git/"; else STR_NONE. */
static struct str own_path(struct str path, struct str user)
{
	struct str repo, rest;

	if (!str_cut(&repo, &rest, str_sub(path, 1, path.n), '/') || !str_ends(repo, STR(".git")))
		return STR_NONE;
	return str_eq(str_sub(repo, 0, repo.n - 4), user) ? rest : STR_NONE;
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
	struct str repo, rest;

	return path.n > 1 && str_cut(&repo, &rest, str_sub(path, 1, path.n), '/') &&
		str_ends(repo, STR(".git"));
}

void git_handle(struct http_x *x, void *ctx)
{
	const struct git_config *cfg = ctx;
	struct id_login who;
	struct git_repo r = { .cfg = cfg, .store = cfg->store, .x = x };

	if (id_basic(&who, cfg->registry, cfg->guard, x, "git") < 0)
		return;
	r.user = str_of(who.user);
	route(&r, own_path(x->path, r.user));
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
