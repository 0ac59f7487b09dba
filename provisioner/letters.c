/* SPDX-License-Identifier: ISC */
#include "provisioner/letters_impl.h"
#include "provisioner/home.h"
#include "services/mail/mime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 2000000

/* ---- bytes ---- */
void letters_add(struct prov_letters *l, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		const char *end = memchr(bytes.p + i, '\n', bytes.n - i);
		size_t n = end ? (size_t)(end - bytes.p) - i : bytes.n - i;
		if (l->bytes.n + n + 2 > l->bytes_max) {
			l->too_large = true;
			return;
		}
		buf_add(&l->bytes, str_n(bytes.p + i, n));
		i += n;
		if (end)
			buf_addz(&l->bytes,
				l->bytes.n && l->bytes.p[l->bytes.n - 1] == '\r' ? "\n" : "\r\n");
	}
}

int64_t letters_date(struct str message)
{
	struct str line, rest = message;
	int64_t sec;
	int zone;

	while (rest.n) {
		str_cut(&line, &rest, rest, '\n');
		line = str_trim(line);
		if (!line.n)
			return 0;
		if (str_istarts(line, STR("Date:")))
			return mime_date(&sec, &zone, str_sub(line, 5, line.n)) < 0 ? 0 : sec;
	}
	return 0;
}

static void begin(struct prov_letters *l)
{
	if (l->bytes.n > LETTER_ROOM * 16)
		buf_free(&l->bytes); /* of a large one */
	l->bytes.n = l->keywords.n = 0;
	l->too_large = false;
}

/* All of it from an open file; ERR_IO. */
static int read_rest(struct prov_letters *l, int fd, const char *name)
{
	ssize_t n;

	while ((n = read(fd, l->room, sizeof(l->room))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return prov_errno("read", name);
		letters_add(l, str_n(l->room, (size_t)n));
	}
	return l->bytes.err;
}

/* ---- Maildir ---- */
static int by_name(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	/* "cur" and "new" apart, by the time that names begin with */
	return strcmp(strchr(x, '/'), strchr(y, '/'));
}

static int add_name(struct prov_letters *l, const char *folder, const char *name)
{
	if (l->n == FILES_MAX)
		return err_set(ERR_LIMIT, "over %d files in one folder", FILES_MAX);
	if ((l->n & (l->n - 1)) == 0) {
		char **more = realloc(l->names, (l->n ? 2 * l->n : 1) * sizeof(char *));
		if (!more)
			return err_set(ERR_NOMEM, "out of memory");
		l->names = more;
	}
	if (asprintf(&l->names[l->n], "%s/%s", folder, name) < 0)
		return err_set(ERR_NOMEM, "out of memory");
	l->n++;
	return 0;
}

/* ERR_NOENT: it is not there. */
static int list(struct prov_letters *l, const char *folder)
{
	int fd = openat(l->folder, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return prov_errno("open", folder);
	while (err >= 0 && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			err = add_name(l, folder, e->d_name);
	closedir(d);
	return err;
}

static int open_maildir(struct prov_letters *l)
{
	int cur, new;

	l->folder = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->folder < 0)
		return prov_errno("open", l->path);
	cur = list(l, "cur");
	new = cur < 0 && cur != ERR_NOENT ? cur : list(l, "new");
	if (cur == ERR_NOENT && new == ERR_NOENT)
		return err_set(ERR_BAD, "%s is no Maildir: it has no folder cur or new", l->path);
	if (new < 0 && new != ERR_NOENT)
		return new;
	if (l->n > 1)
		qsort(l->names, l->n, sizeof(char *), by_name);
	return 0;
}

/* Letters of the suffix ":2,FRS"; where names can't have a colon it is another sign. */
static void maildir_flags(struct prov_letter *out, struct prov_letters *l, const char *name)
{
	static const char letters[] = "DFRST";
	const char *info = strstr(name, "2,");
	size_t n = 0;

	while (info && (info == name || !strchr(":;!-", info[-1])))
		info = strstr(info + 1, "2,");
	for (size_t i = 0; info && letters[i]; i++)
		if (strchr(info + 2, letters[i]))
			out->flags[n++] = letters[i];
	if (info && strchr(info + 2, 'P')) /* passed on */
		buf_addz(&l->keywords, "$Forwarded");
}

static int read_file(struct prov_letter *out, struct prov_letters *l, const char *path)
{
	int fd = openat(l->folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;
	struct stat st;

	if (fd < 0)
		return prov_errno("open", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		err = err_set(ERR_IO, "it is no file");
	else
		err = read_rest(l, fd, path);
	close(fd);
	if (err < 0)
		return err;
	out->date_sec = st.st_mtime ? st.st_mtime : letters_date(buf_str(&l->bytes));
	return 0;
}

static int maildir_next(struct prov_letter *out, struct prov_letters *l)
{
	while (l->at < l->n) {
		const char *name = l->names[l->at++];
		int err;

		begin(l);
		*out = (struct prov_letter){ .file = name, .done = l->at, .all = l->n };
		err = read_file(out, l, name);
		if (err == ERR_NOMEM)
			return err;
		if (err < 0 || l->too_large || !l->bytes.n) { /* one of many */
			l->fault(l->ctx, name, 0,
				err < 0                ? err_text(err)
					: l->too_large ? "it is too large"
						       : "it is empty");
			continue;
		}
		maildir_flags(out, l, name);
		out->bytes = buf_str(&l->bytes);
		out->keywords = buf_str(&l->keywords);
		return 0;
	}
	*out = (struct prov_letter){ 0 };
	return 0;
}

/* ---- a file ---- */
/* Does it begin as a message does, with a field? */
static bool is_message(const struct prov_letters *l)
{
	struct str line, rest;

	str_cut(&line, &rest, str_sub(str_n(l->room, l->to), 0, 1000), '\n');
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		if (c == ':')
			return i > 0;
		if (c <= 32 || c >= 127)
			return false;
	}
	return false;
}

static int message_next(struct prov_letter *out, struct prov_letters *l)
{
	struct stat st;
	int err = 0;

	*out = (struct prov_letter){ 0 };
	if (l->at++)
		return 0;
	begin(l);
	if (lseek(l->fd, 0, SEEK_SET) < 0)
		err = prov_errno("read", l->path);
	if (err == 0)
		err = read_rest(l, l->fd, l->path);
	if (err < 0)
		return err;
	if (l->too_large) {
		l->fault(l->ctx, l->path, 0, "it is too large");
		return 0;
	}
	*out = (struct prov_letter){
		.file = l->path, .bytes = buf_str(&l->bytes), .done = 1, .all = 1
	};
	out->keywords = STR("");
	out->date_sec = letters_date(out->bytes);
	if (!out->date_sec && fstat(l->fd, &st) == 0)
		out->date_sec = st.st_mtime;
	return 0;
}

static int open_file(struct prov_letters *l, bool *mbox)
{
	bool copied;
	off_t size;
	int err = prov_input(&l->fd, &copied, l->path);

	if (err < 0)
		return err;
	size = lseek(l->fd, 0, SEEK_END);
	if (size < 0)
		return prov_errno("read", l->path);
	l->size = (uint64_t)size;
	err = mbox_is(mbox, l);
	if (err >= 0 && !*mbox && l->size && !is_message(l))
		err = err_set(ERR_BAD, "%s is neither an mbox file nor a message", l->path);
	return err;
}

/* ---- the contract ---- */
int prov_letters_open(struct prov_letters **out, const char *path, size_t bytes_max,
	prov_fault_fn *fault, void *ctx)
{
	struct prov_letters *l = calloc(1, sizeof(*l));
	struct stat st;
	bool mbox = true;
	int err;

	if (!l)
		return err_set(ERR_NOMEM, "out of memory");
	*l = (struct prov_letters){
		.path = path, .bytes_max = bytes_max, .fault = fault, .ctx = ctx
	};
	l->fd = l->folder = -1;
	buf_init(&l->bytes, NULL);
	buf_init(&l->keywords, NULL);
	if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		err = open_maildir(l);
	else
		err = open_file(l, &mbox);
	l->one = !mbox;
	if (err < 0)
		prov_letters_close(l);
	else
		*out = l;
	return err;
}

int prov_letters_next(struct prov_letter *out, struct prov_letters *l)
{
	if (l->folder >= 0)
		return maildir_next(out, l);
	if (l->one)
		return message_next(out, l);
	begin(l);
	return mbox_next(out, l);
}

void prov_letters_close(struct prov_letters *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->names[i]);
	free(l->names);
	buf_free(&l->bytes);
	buf_free(&l->keywords);
	if (l->fd >= 0)
		close(l->fd);
	if (l->folder >= 0)
		close(l->folder);
	free(l);
}
