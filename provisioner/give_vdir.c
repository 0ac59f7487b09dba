/* SPDX-License-Identifier: ISC */
/* A vdir (https://vdirsyncer.pimutils.org/en/stable/vdir.html): a folder a collection, a file an item. */
#include "provisioner/give.h"
#include "provisioner/home.h"
#include "provisioner/say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define COLOR    7   /* #RRGGBB */
#define NAME_LEN 240 /* bytes of a file's name */

struct writing {
	struct prov_written *out;
	struct prov_progress bar;
	const char *dir, *suffix;
	int top, folder; /* open folders */
};

static int write_new(int folder, const char *name, struct str s)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		return errno == EEXIST ? ERR_EXIST : prov_errno("make", name);
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = prov_errno("write", name);
			close(fd);
			return err;
		}
		s = str_sub(s, (size_t)n, s.n);
	}
	return close(fd) < 0 ? prov_errno("write", name) : 0;
}

/* What may stand as one name in a folder, and is not hidden. */
static void plain_name(char out[static NAME_LEN + 1], struct str s)
{
	size_t n = 0;

	if (s.n == 0 || s.p[0] == '.')
		out[n++] = '_';
	for (size_t i = 0; i < s.n && n < NAME_LEN; i++)
		out[n++] = s.p[i] == '/' || s.p[i] == '\0' ? '-' : s.p[i];
	while (n > 0 && n == NAME_LEN && ((unsigned char)out[n - 1] & 0xc0) == 0x80)
		n--; /* not in the middle of a character */
	out[n] = '\0';
}

static int head(void *ctx, const json_t *collection)
{
	static const struct {
		const char *key, *file;
		size_t max;
	} metas[] = { { "name", "displayname", SIZE_MAX }, { "color", "color", COLOR },
		{ "description", "description", SIZE_MAX }, { "order", "order", SIZE_MAX } };
	const char *path = json_string_value(json_object_get(collection, "collection"));
	struct writing *w = ctx;
	char name[NAME_LEN + 1];
	int err = 0;

	plain_name(name, str_of(path ? path : ""));
	if (w->folder >= 0)
		close(w->folder);
	w->folder = -1;
	if (mkdirat(w->top, name, 0777) < 0)
		return prov_errno("make", name);
	w->folder = openat(w->top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->folder < 0)
		return prov_errno("open", name);
	for (size_t i = 0; i < ARRAY_LEN(metas) && err == 0; i++) {
		const char *value = json_string_value(json_object_get(collection, metas[i].key));
		if (value)
			err = write_new(
				w->folder, metas[i].file, str_sub(str_of(value), 0, metas[i].max));
	}
	w->out->collections++;
	return err;
}

static int item(void *ctx, struct str name, struct str bytes)
{
	struct writing *w = ctx;
	struct str stem = str_ends(name, str_of(w->suffix))
		? str_sub(name, 0, name.n - strlen(w->suffix))
		: name;
	char plain[NAME_LEN + 1], file[NAME_LEN + 32];
	int err = ERR_EXIST;

	plain_name(plain, str_sub(stem, 0, NAME_LEN - 40));
	for (int i = 1; i < 1000 && err == ERR_EXIST; i++) {
		if (i == 1)
			snprintf(file, sizeof(file), "%s%s", plain, w->suffix);
		else
			snprintf(file, sizeof(file), "%s-%d%s", plain, i, w->suffix);
		err = write_new(w->folder, file, bytes);
	}
	w->out->items += err == 0;
	prov_progress(&w->bar, "export: %llu items", (unsigned long long)w->out->items);
	return err;
}

/* New, or empty. */
static int open_top(struct writing *w)
{
	struct dirent *e;
	bool empty = true;
	DIR *d;

	if (mkdir(w->dir, 0777) < 0 && errno != EEXIST)
		return prov_errno("make", w->dir);
	d = opendir(w->dir);
	if (!d)
		return prov_errno("open", w->dir);
	while ((e = readdir(d)))
		empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
	closedir(d);
	if (!empty)
		return err_set(ERR_EXIST, "%s is not empty", w->dir);
	w->top = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return w->top < 0 ? prov_errno("open", w->dir) : 0;
}

int prov_write_vdir(
	struct prov_written *out, struct prov_client *c, const char *target, const char *dir)
{
	struct writing w = { .out = out, .dir = dir, .top = -1, .folder = -1 };
	struct prov_give g = { head, item, &w, out };
	int err;

	*out = (struct prov_written){ 0 };
	w.suffix = str_eq(c->s->name, STR("contacts")) ? ".vcf" : ".ics";
	err = open_top(&w);
	if (err == 0)
		err = prov_give(c, target, &g);
	prov_progress_end(&w.bar);
	if (w.folder >= 0)
		close(w.folder);
	if (w.top >= 0)
		close(w.top);
	return err;
}
