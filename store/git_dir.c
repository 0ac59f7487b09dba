/* SPDX-License-Identifier: ISC */
/* Not part of an appliance: it wants a file system. libgit2 indexes the pack. */
#include "store/git_dir_impl.h"
#include "store/store_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM 1024
#define HEAD_ROOM 12 /* of a pack: magic, version, number of objects */
#define MARK      "[allod]\n\texport = true\n"
#define REFS_HEAD "# pack-refs with: sorted \n"
#define PACKS_MAX 50 /* then they are made one again */

struct line {
	struct line *next;
	struct store_oid id;
	struct str name;
	char room[];
};

struct git_dir {
	char path[PATH_ROOM - 64];
	char room[PATH_ROOM], temp[PATH_ROOM + 8]; /* paths being made */
	git_indexer *indexer;
	git_indexer_progress progress;
	char head[HEAD_ROOM];
	size_t head_n;
	int err;
	int lock;          /* the open config */
	bool empty;        /* a pack without objects: none is written */
	bool whole;        /* what was there goes */
	struct line *refs; /* by name */
	struct line *shallow;
	bool was_shallow;
};

static int git_fail(int err, const char *what)
{
	const git_error *e = git_error_last();
	return err_set(err, "store: %s: %s", what, e && e->message ? e->message : "libgit2 failed");
}

/* In g->room, until the next call. */
static const char *in_dir(struct git_dir *g, const char *name)
{
	snprintf(g->room, sizeof(g->room), "%s/%s", g->path, name);
	return g->room;
}

static int write_file(struct git_dir *g, const char *name, struct str text)
{
	const char *path = in_dir(g, name);
	int fd, err = 0;

	snprintf(g->temp, sizeof(g->temp), "%s.new", path);
	fd = open(g->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return git_dir_errno("make", g->temp);
	while (text.n > 0 && err >= 0) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno != EINTR)
			err = git_dir_errno("write", g->temp);
		else if (n > 0)
			text = str_sub(text, (size_t)n, text.n);
	}
	if (err >= 0 && fsync(fd) < 0)
		err = git_dir_errno("write", g->temp);
	close(fd);
	if (err >= 0 && rename(g->temp, path) < 0)
		err = git_dir_errno("rename", g->temp);
	fd = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (err >= 0 && (fd < 0 || fsync(fd) < 0))
		err = git_dir_errno("sync", g->path);
	if (fd >= 0)
		close(fd);
	return err;
}

/* Absent or empty: 0. An export of ours: 0. Else ERR_EXIST. */
static int may_use(struct git_dir *g)
{
	char text[512];
	struct dirent *e;
	bool empty = true;
	size_t n = 0;
	FILE *f;
	DIR *d = opendir(g->path);

	if (!d)
		return errno == ENOENT ? 0 : git_dir_errno("open", g->path);
	while ((e = readdir(d)))
		empty &= strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	closedir(d);
	if (empty)
		return 0;
	f = fopen(in_dir(g, "config"), "re");
	if (f) {
		n = fread(text, 1, sizeof(text), f);
		fclose(f);
	}
	if (str_find(str_n(text, n), STR(MARK)) >= 0)
		return 0;
	return err_set(ERR_EXIST, "export: %s holds something else", g->path);
}

static int make_dirs(struct git_dir *g)
{
	static const char *const names[] = { "", "objects", "objects/pack", "objects/info", "refs",
		"refs/heads", "refs/tags" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (mkdir(in_dir(g, names[i]), 0777) < 0 && errno != EEXIST)
			return git_dir_errno("make", g->room);
	return 0;
}

/* Marked first, so that an export cut short may be repeated; and by one at a time. */
static int lock(struct git_dir *g)
{
	const char *path = in_dir(g, "config");
	int err = 0;

	if (access(path, F_OK) < 0)
		err = write_file(g, "config",
			STR("[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = "
			    "true\n" MARK));
	if (err < 0)
		return err;
	g->lock = open(in_dir(g, "config"), O_RDONLY | O_CLOEXEC);
	if (g->lock < 0)
		return git_dir_errno("open", g->room);
	if (flock(g->lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(ERR_BUSY, "export: another process is writing %s", g->path);
	return 0;
}

/* What a killed one left, as libgit2 names it. */
static int tidy_packs(struct git_dir *g, unsigned *packs)
{
	struct dirent *e;
	DIR *d = opendir(in_dir(g, "objects/pack"));

	*packs = 0;
	if (!d)
		return git_dir_errno("open", g->room);
	while ((e = readdir(d))) {
		struct str name = str_of(e->d_name);

		*packs += str_ends(name, STR(".pack"));
		if (str_starts(name, STR("pack_git2_")) || str_ends(name, STR(".lock")))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	return 0;
}

static int had_shallow(void *ctx, const struct store_oid *id)
{
	struct git_dir *g = ctx;

	g->was_shallow = true;
	return g->whole ? 0 : git_dir_shallow(g, id);
}

static int prepare(struct git_dir *g)
{
	unsigned packs;
	int err = may_use(g);

	if (err >= 0)
		err = make_dirs(g);
	if (err >= 0)
		err = lock(g);
	if (err >= 0)
		err = tidy_packs(g, &packs);
	if (err >= 0 && packs >= PACKS_MAX)
		g->whole = true;
	if (err >= 0)
		err = git_dir_shallows(g->path, had_shallow, g);
	return err == ERR_NOENT ? 0 : err;
}

/* libgit2 itself, once. */
static int git_start(void)
{
	static bool started;

	if (started)
		return 0;
	if (git_libgit2_init() < 0 || git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1) < 0)
		return git_fail(ERR_NOMEM, "libgit2");
	started = true;
	return 0;
}

int git_dir_begin(struct git_dir **out, const char *path, bool whole)
{
	struct git_dir *g;
	int err, n;

	err = git_start();
	if (err < 0)
		return err;
	g = calloc(1, sizeof(*g));
	if (!g)
		return err_set(ERR_NOMEM, "export: out of memory");
	g->lock = -1;
	n = snprintf(g->path, sizeof(g->path), "%s", path);
	if (n <= 0 || n >= (int)sizeof(g->path))
		err = err_set(ERR_BAD, "export: name of the folder is too long");
	g->whole = whole;
	if (err >= 0)
		err = prepare(g);
	if (err < 0)
		git_dir_abort(g);
	else
		*out = g;
	return err;
}

static void lines_free(struct line *l)
{
	for (struct line *next; l; l = next) {
		next = l->next;
		free(l);
	}
}

void git_dir_abort(struct git_dir *g)
{
	git_indexer_free(g->indexer);
	if (g->lock >= 0)
		close(g->lock);
	lines_free(g->refs);
	lines_free(g->shallow);
	free(g);
}

static int start_pack(struct git_dir *g)
{
	static const char none[4];

	if (memcmp(g->head, "PACK", 4) != 0)
		return err_set(ERR_BAD, "export: not a pack");
	g->empty = memcmp(g->head + 8, none, 4) == 0;
	if (g->empty)
		return 0;
	if (git_indexer_new(&g->indexer, in_dir(g, "objects/pack"), 0, NULL, NULL) < 0 ||
		git_indexer_append(g->indexer, g->head, HEAD_ROOM, &g->progress) < 0)
		return git_fail(ERR_IO, "export");
	return 0;
}

int git_dir_pack(struct git_dir *g, struct str bytes)
{
	if (g->head_n < HEAD_ROOM) {
		size_t take = HEAD_ROOM - g->head_n;
		if (take > bytes.n)
			take = bytes.n;
		memcpy(g->head + g->head_n, bytes.p, take);
		g->head_n += take;
		bytes = str_sub(bytes, take, bytes.n);
		if (g->head_n == HEAD_ROOM) {
			int err = start_pack(g);
			if (err < 0)
				return err;
		}
	}
	if (bytes.n == 0 || g->empty)
		return 0;
	if (git_indexer_append(g->indexer, bytes.p, bytes.n, &g->progress) < 0)
		return git_fail(ERR_CORRUPT, "export");
	return 0;
}

void git_dir_progress(const struct git_dir *g, uint64_t *done, uint64_t *total)
{
	*done = g->progress.received_objects;
	*total = g->progress.total_objects;
}

/* ---- refs ---- */
int git_dir_had(struct git_dir *g, store_ref_fn *fn, void *ctx)
{
	int err = g->whole ? 0 : git_dir_refs(g->path, fn, ctx);

	return err == ERR_NOENT ? 0 : err;
}

int git_dir_ref(struct git_dir *g, struct str name, const struct store_oid *id)
{
	struct line *l, **at = &g->refs;
	int err = ref_name_check(name);

	if (err < 0)
		return err;
	l = malloc(sizeof(*l) + name.n);
	if (!l)
		return err_set(ERR_NOMEM, "export: out of memory");
	memcpy(l->room, name.p, name.n);
	l->name = str_n(l->room, name.n);
	l->id = *id;
	while (*at && str_cmp((*at)->name, name) < 0)
		at = &(*at)->next;
	l->next = *at;
	*at = l;
	return 0;
}

int git_dir_shallow(struct git_dir *g, const struct store_oid *id)
{
	struct line *l = malloc(sizeof(*l));

	if (!l)
		return err_set(ERR_NOMEM, "export: out of memory");
	*l = (struct line){ .next = g->shallow, .id = *id };
	g->shallow = l;
	return 0;
}

static int write_refs(struct git_dir *g, struct str head)
{
	char hex[STORE_HEX];
	struct buf b;
	int err;

	buf_init(&b, NULL);
	buf_add(&b, STR(REFS_HEAD));
	for (struct line *l = g->refs; l; l = l->next)
		buf_fmt(&b, "%s %.*s\n", store_oid_hex(hex, &l->id), STR_ARG(l->name));
	err = b.err < 0 ? b.err : write_file(g, "packed-refs", buf_str(&b));
	b.n = 0;
	buf_fmt(&b, "ref: %.*s\n", STR_ARG(head));
	if (err >= 0)
		err = b.err < 0 ? b.err : write_file(g, "HEAD", buf_str(&b));
	buf_free(&b);
	return err;
}

/* Packs of earlier times: everything the refs name is in the new one. */
static void drop_old_packs(struct git_dir *g, const char *keep)
{
	struct dirent *e;
	DIR *d = opendir(in_dir(g, "objects/pack"));

	while (d && (e = readdir(d)))
		if (str_starts(str_of(e->d_name), STR("pack-")) && !strstr(e->d_name, keep))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

/* Is a parent of this commit missing? One that came whole earlier is no boundary here. */
static void is_cut(bool *cut, git_odb *odb, const struct store_oid *id)
{
	struct str text, line;
	git_odb_object *o;
	git_oid oid;

	memcpy(oid.id, id->b, sizeof(oid.id));
	*cut = false;
	if (git_odb_read(&o, odb, &oid) < 0)
		return; /* nor is it here */
	text = str_n(git_odb_object_data(o), git_odb_object_size(o));
	while (str_cut(&line, &text, text, '\n') && line.n > 0)
		if (str_starts(line, STR("parent ")) && line.n == 47 &&
			git_oid_fromstrn(&oid, line.p + 7, 40) == 0 && !git_odb_exists(odb, &oid))
			*cut = true;
	git_odb_object_free(o);
}

/* "shallow" as git keeps it; before the refs, which are whole with it only. */
static int write_shallow(struct git_dir *g)
{
	char hex[STORE_HEX];
	struct buf b;
	git_odb *odb;
	int err;

	if (!g->shallow && !g->was_shallow)
		return 0;
	if (git_odb_open(&odb, in_dir(g, "objects")) < 0)
		return git_fail(ERR_IO, "export");
	buf_init(&b, NULL);
	for (const struct line *l = g->shallow; l; l = l->next) {
		bool cut, again = false;

		for (const struct line *k = g->shallow; k != l && !again; k = k->next)
			again = store_oid_eq(&k->id, &l->id);
		is_cut(&cut, odb, &l->id);
		cut |= g->whole; /* what was there goes */
		if (cut && !again)
			buf_fmt(&b, "%s\n", store_oid_hex(hex, &l->id));
	}
	git_odb_free(odb);
	err = b.err < 0 ? b.err : write_file(g, "shallow", buf_str(&b));
	if (err >= 0 && b.n == 0)
		unlink(in_dir(g, "shallow"));
	buf_free(&b);
	return err;
}

static void *commit_pack(void *arg)
{
	struct git_dir *g = arg;

	g->err = g->indexer && git_indexer_commit(g->indexer, &g->progress) < 0
		? git_fail(ERR_CORRUPT, "export")
		: write_shallow(g);
	return NULL;
}

/* libgit2 puts 64 KiB on the stack here, more than a fiber has: a thread, waited for at once. */
static int index_pack(struct git_dir *g)
{
	pthread_t t;
	if (pthread_create(&t, NULL, commit_pack, g) != 0)
		return err_set(ERR_NOMEM, "export: no thread");
	pthread_join(t, NULL);
	return g->err;
}

int git_dir_end(struct git_dir *g, struct str head)
{
	char keep[64] = "nothing";
	int err = 0;

	if (g->head_n > 0 && g->head_n < HEAD_ROOM)
		err = err_set(ERR_CORRUPT, "export: the pack ends too early");
	if (err >= 0)
		err = index_pack(g);
	if (err >= 0 && g->indexer)
		snprintf(keep, sizeof(keep), "%s", git_indexer_name(g->indexer));
	if (err >= 0)
		err = write_refs(g, head);
	if (err >= 0 && g->whole && g->head_n > 0)
		drop_old_packs(g, keep);
	git_dir_abort(g);
	return err;
}
