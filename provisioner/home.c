/* SPDX-License-Identifier: ISC */
#include "provisioner/home.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

int prov_errno(const char *what, const char *path)
{
	static const struct {
		int no, err;
	} map[] = { { ENOENT, ERR_NOENT }, { EACCES, ERR_DENIED }, { EPERM, ERR_DENIED },
		{ ENOSPC, ERR_NOSPACE }, { EEXIST, ERR_EXIST } };
	int no = errno, err = ERR_IO;

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (map[i].no == no)
			err = map[i].err;
	return err_set(err, "%s %s: %s", what, path, strerror(no));
}

int prov_absolute(const char **out, struct arena *a, struct str path)
{
	char *cwd;

	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	if (path.n > 0 && path.p[0] == '/') {
		path = arena_dup(a, path);
	} else {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return prov_errno("cannot tell the current folder for", "a relative name");
		path = arena_fmt(a, "%s/%.*s", cwd, STR_ARG(path));
		free(cwd);
	}
	if (!path.p)
		return err_set(ERR_LIMIT, "the folder's name is too long");
	*out = path.p;
	return 0;
}

int prov_home(const char **out, struct arena *a, const char *opt)
{
	const char *home = opt, *base;
	struct str path;

	if (!home)
		home = getenv("ALLOD_HOME");
	if (home && *home)
		return prov_absolute(out, a, str_of(home));
	if ((base = getenv("XDG_DATA_HOME")) && base[0] == '/')
		path = arena_fmt(a, "%s/allod", base);
	else if ((base = getenv("HOME")) && base[0] == '/')
		path = arena_fmt(a, "%s/.local/share/allod", base);
	else
		return err_set(ERR_NOENT, "neither --home nor $ALLOD_HOME nor $HOME is set");
	if (!path.p)
		return err_set(ERR_LIMIT, "the home folder's name is too long");
	*out = path.p;
	return 0;
}

const char *prov_path(struct prov *p, const char *fmt, ...)
{
	char tail[512];
	va_list ap;
	struct str s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(tail, sizeof(tail), fmt, ap);
	va_end(ap);
	os_assert(n >= 0 && (size_t)n < sizeof(tail));
	s = arena_fmt(&p->arena, "%s/%s", p->home, tail);
	os_assert(s.p);
	return s.p;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

int prov_remove(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT)
		return 0;
	return prov_errno("cannot remove", path);
}

int prov_mkdirs(const char *path)
{
	char *part = strdup(path);
	int err = part ? 0 : err_set(ERR_NOMEM, "out of memory");

	for (size_t i = 1; err == 0 && path[i - 1]; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			err = prov_errno("cannot make folder", part);
		part[i] = path[i];
	}
	free(part);
	return err;
}

static int read_all(struct str *out, struct arena *a, int fd, const char *path, size_t size)
{
	char *room = arena_alloc(a, size + 1);
	size_t at = 0;

	if (!room)
		return err_set(ERR_LIMIT, "no room to read %s", path);
	while (at < size) {
		ssize_t n = read(fd, room + at, size - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return prov_errno("cannot read", path);
		if (n == 0)
			break;
		at += (size_t)n;
	}
	room[at] = '\0';
	*out = str_n(room, at);
	return 0;
}

int prov_file_read(struct str *out, struct arena *a, const char *path, size_t max)
{
	struct stat st;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return prov_errno("cannot open", path);
	if (fstat(fd, &st) < 0)
		err = prov_errno("cannot read", path);
	else if ((uint64_t)st.st_size > max)
		err = err_set(ERR_LIMIT, "%s is over %zu bytes", path, max);
	else
		err = read_all(out, a, fd, path, (size_t)st.st_size);
	close(fd);
	return err;
}

static int write_all(int fd, const char *path, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return prov_errno("cannot write", path);
		bytes = str_sub(bytes, (size_t)n, bytes.n);
	}
	if (fsync(fd) < 0)
		return prov_errno("cannot write", path);
	return 0;
}

static int sync_folder(struct prov *p, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct str dir = !slash ? STR(".")
		: slash == path ? STR("/")
				: arena_dup(&p->arena, str_n(path, (size_t)(slash - path)));
	int fd, err = 0;

	os_assert(dir.p);
	fd = open(dir.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		err = prov_errno("cannot sync folder", dir.p);
	if (fd >= 0)
		close(fd);
	return err;
}

int prov_file_write(struct prov *p, const char *path, struct str bytes, unsigned mode)
{
	struct str aside = arena_fmt(&p->arena, "%s.%d.new", path, (int)getpid());
	int fd, err;

	os_assert(aside.p);
	unlink(aside.p); /* of somebody who died, or was here first in a folder of everybody's */
	fd = open(aside.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return prov_errno("cannot make", aside.p);
	err = write_all(fd, aside.p, bytes);
	if (close(fd) < 0 && err == 0)
		err = prov_errno("cannot write", aside.p);
	if (err == 0 && rename(aside.p, path) < 0)
		err = prov_errno("cannot put in place", path);
	if (err < 0) {
		unlink(aside.p);
		return err;
	}
	return sync_folder(p, path);
}

bool prov_file_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}
