/* SPDX-License-Identifier: ISC */
/* The store's objects as libgit2's object database, its only one. */
#include "store/store_impl.h"

#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>

#define CACHE_BYTES (256 * 1024) /* of libgit2, over all stores */

struct backend {
	git_odb_backend base;
	struct store *s;
};

int git_fail(int err, const char *what)
{
	const git_error *e = git_error_last();
	return err_set(err, "store: %s: %s", what, e && e->message ? e->message : "libgit2 failed");
}

static struct store *store_of(git_odb_backend *b)
{
	return ((struct backend *)b)->s;
}

static struct store_oid id_of(const git_oid *id)
{
	struct store_oid out;
	memcpy(out.b, id->id, sizeof(out.b));
	return out;
}

static int git_code(int err)
{
	if (err >= 0)
		return GIT_OK;
	return err == ERR_NOENT ? GIT_ENOTFOUND : err == ERR_CONFLICT ? GIT_EAMBIGUOUS : GIT_ERROR;
}

static int odb_read(
	void **out, size_t *n, git_object_t *type, git_odb_backend *b, const git_oid *gid)
{
	struct store_oid id = id_of(gid);
	struct view v;
	int err = view_open(&v, store_of(b), &id, 0, OBJECT_BYTES);

	if (err < 0)
		return git_code(err);
	*out = git_odb_backend_data_alloc(b, v.n + 1);
	if (*out) {
		memcpy(*out, v.p, v.n);
		((char *)*out)[v.n] = 0;
		*n = v.n;
		*type = (git_object_t)v.type;
	}
	view_end(&v);
	return *out ? GIT_OK : GIT_ERROR;
}

static int odb_header(size_t *n, git_object_t *type, git_odb_backend *b, const git_oid *gid)
{
	struct store_oid id = id_of(gid);
	struct head h;
	int err = head_get(&h, store_of(b), &id);

	if (err < 0)
		return git_code(err);
	*n = h.size;
	*type = (git_object_t)h.type;
	return GIT_OK;
}

static int odb_exists(git_odb_backend *b, const git_oid *gid)
{
	struct store_oid id = id_of(gid);
	struct head h;
	return head_get(&h, store_of(b), &id) >= 0;
}

static void odb_free(git_odb_backend *b)
{
	free(b);
}

int git_start(void)
{
	static bool started;
	int rc;

	if (started)
		return 0;
	rc = git_libgit2_init();
	if (rc >= 0) /* verify re-hashes; hot reads do not */
		rc = git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	if (rc >= 0)
		rc = git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)CACHE_BYTES);
	if (rc < 0)
		return git_fail(ERR_NOMEM, "libgit2");
	started = true;
	return 0;
}

int git_open(struct store *s)
{
	struct backend *b;
	int err;

	if (s->repo)
		return 0;
	err = git_start();
	if (err < 0)
		return err;
	b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(ERR_NOMEM, "store: out of memory");
	git_odb_init_backend(&b->base, GIT_ODB_BACKEND_VERSION);
	b->base.read = odb_read;
	b->base.read_header = odb_header;
	b->base.exists = odb_exists;
	b->base.free = odb_free;
	b->s = s;
	if (git_odb_new(&s->odb) < 0) {
		free(b);
		return git_fail(ERR_NOMEM, "odb");
	}
	if (git_odb_add_backend(s->odb, &b->base, 1) < 0) {
		free(b);
		err = git_fail(ERR_NOMEM, "odb");
	} else if (git_repository_wrap_odb(&s->repo, s->odb) < 0) {
		err = git_fail(ERR_NOMEM, "odb");
	}
	if (err < 0)
		git_close(s);
	return err;
}

void git_close(struct store *s)
{
	git_repository_free(s->repo);
	git_odb_free(s->odb);
	s->repo = NULL;
	s->odb = NULL;
}
