/* SPDX-License-Identifier: ISC */
#include "provisioner/logfile.h"
#include "provisioner/home.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_append(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

int prov_log_open(struct prov_log *l, const char *path, uint64_t limit_bytes)
{
	struct stat st;

	*l = (struct prov_log){ .path = path, .limit_bytes = limit_bytes };
	l->fd = open_append(path);
	if (l->fd < 0)
		return prov_errno("cannot open log", path);
	if (fstat(l->fd, &st) == 0)
		l->size_bytes = (uint64_t)st.st_size;
	return 0;
}

static void turn_over(struct prov_log *l)
{
	size_t n = strlen(l->path) + 8;
	char *from = malloc(n), *to = malloc(n);
	int fd;

	for (int i = PROV_LOG_OLD; from && to && i > 0; i--) {
		snprintf(to, n, "%s.%d", l->path, i);
		if (i > 1)
			snprintf(from, n, "%s.%d", l->path, i - 1);
		else
			snprintf(from, n, "%s", l->path);
		rename(from, to);
	}
	free(from);
	free(to);
	fd = open_append(l->path);
	if (fd < 0)
		return;
	close(l->fd);
	l->fd = fd;
	l->size_bytes = 0;
}

void prov_log_write(struct prov_log *l, struct str bytes)
{
	ptrdiff_t end;

	if (l->fd < 0)
		return;
	while (l->size_bytes + bytes.n > l->limit_bytes && (end = str_chr(bytes, '\n')) >= 0) {
		struct str line = str_sub(bytes, 0, (size_t)end + 1);

		if (write(l->fd, line.p, line.n) < 0)
			return;
		bytes = str_sub(bytes, line.n, bytes.n);
		turn_over(l);
	}
	if (bytes.n && write(l->fd, bytes.p, bytes.n) == (ssize_t)bytes.n)
		l->size_bytes += bytes.n;
}

void prov_log_close(struct prov_log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
