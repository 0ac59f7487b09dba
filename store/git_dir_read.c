/* SPDX-License-Identifier: ISC */
/* Reading a bare repository: what git_dir.c wrote, or git itself in its place. */
#include "store/git_dir_impl.h"
#include "store/store_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define TEXT_BYTES_MAX (16u << 20)

int git_dir_errno(const char *what, const char *path)
{
	return err_set(errno == ENOSPC ? ERR_NOSPACE : ERR_IO, "export: %s %s: %s", what, path,
		strerror(errno));
}

/* ---- refs ---- */
/* "<id> <name>" */
static int each_ref(const char *path, struct str text, store_ref_fn *fn, void *ctx)
{
	struct str line, hex, name;
	struct store_oid id;
	int err = 0;

	while (text.n > 0 && err >= 0) {
		str_cut(&line, &text, text, '\n');
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == '^')
			continue;
		if (!str_cut(&hex, &name, line, ' ') || store_oid_parse(&id, hex) < 0 ||
			ref_name_check(name) < 0)
			return err_set(ERR_CORRUPT, "%s/packed-refs is damaged", path);
		err = fn(ctx, name, &id);
	}
	return err;
}

static int read_text(struct buf *out, const char *path, const char *name)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, err = 0;
	char part[512];
	ssize_t n;

	if (dir < 0)
		return git_dir_errno("open", path);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	close(dir);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOENT : git_dir_errno("open a file in", path);
	while (err >= 0 && (n = read(fd, part, sizeof(part))) != 0) {
		if (n > 0)
			buf_add(out, str_n(part, (size_t)n));
		else if (errno != EINTR)
			err = git_dir_errno("read a file in", path);
		if (out->n > TEXT_BYTES_MAX)
			err = err_set(ERR_LIMIT, "%s/%s is too long", path, name);
	}
	close(fd);
	return err < 0 ? err : out->err;
}

int git_dir_refs(const char *path, store_ref_fn *fn, void *ctx)
{
	struct buf text;
	int err;

	buf_init(&text, NULL);
	err = read_text(&text, path, "packed-refs");
	if (err >= 0)
		err = each_ref(path, buf_str(&text), fn, ctx);
	buf_free(&text);
	return err;
}

int git_dir_shallows(const char *path, git_dir_shallow_fn *fn, void *ctx)
{
	struct str line, rest;
	struct store_oid id;
	struct buf text;
	int err;

	buf_init(&text, NULL);
	err = read_text(&text, path, "shallow");
	rest = buf_str(&text);
	while (err >= 0 && rest.n > 0) {
		str_cut(&line, &rest, rest, '\n');
		if (store_oid_parse(&id, line) < 0)
			err = err_set(ERR_CORRUPT, "%s/shallow is damaged", path);
		else
			err = fn(ctx, &id);
	}
	buf_free(&text);
	return err;
}

int git_dir_packs(const char *path, git_dir_pack_fn *fn, void *ctx)
{
	char *file;
	struct dirent *e;
	int err = 0;
	DIR *d;

	if (asprintf(&file, "%s/objects/pack", path) < 0)
		return err_set(ERR_NOMEM, "out of memory");
	d = opendir(file);
	if (!d)
		err = git_dir_errno("open", file);
	free(file);
	while (err >= 0 && (e = readdir(d))) {
		struct str name = str_of(e->d_name);

		if (!str_starts(name, STR("pack-")) || !str_ends(name, STR(".pack")))
			continue;
		if (asprintf(&file, "%s/objects/pack/%s", path, e->d_name) < 0) {
			err = err_set(ERR_NOMEM, "out of memory");
			break;
		}
		err = fn(ctx, file);
		free(file);
	}
	if (d)
		closedir(d);
	return err;
}
