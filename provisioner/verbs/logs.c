/* SPDX-License-Identifier: ISC */
#include "provisioner/estate.h"
#include "provisioner/home.h"
#include "provisioner/say.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OPT_FOLLOW, OPT_LINES };
static const struct prov_opt opts[] = {
	[OPT_FOLLOW] = { "follow", 'f', NULL, "stay and print what comes" },
	[OPT_LINES] = { "lines", 'n', "N", "how many of the last lines (50)" },
	{ 0 },
};

#define TAIL_BYTES (256 * 1024)

/* The place where the last `lines` lines begin. */
static off_t tail_start(int fd, uint64_t lines, struct arena *a)
{
	struct stat st;
	char *room = arena_alloc(a, TAIL_BYTES);
	off_t from;
	ssize_t n;

	if (!room || fstat(fd, &st) < 0)
		return 0;
	from = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
	n = pread(fd, room, TAIL_BYTES, from);
	for (ssize_t i = n - 1; i > 0; i--)
		if (room[i - 1] == '\n' && --lines == 0)
			return from + i;
	return from;
}

static int copy_out(int fd)
{
	char room[512];
	ssize_t n;

	while ((n = read(fd, room, sizeof(room))) > 0)
		if (fwrite(room, 1, (size_t)n, stdout) != (size_t)n)
			return -1;
	return fflush(stdout);
}

/* Follows the name: a log that was turned over goes on in the new file. */
static int follow(const char *path, int fd)
{
	const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };
	struct stat mine, named;

	while (copy_out(fd) == 0) {
		nanosleep(&pause, NULL);
		if (fstat(fd, &mine) < 0 || stat(path, &named) < 0 || mine.st_ino == named.st_ino)
			continue;
		if (copy_out(fd) < 0)
			break;
		close(fd);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return prov_fail(NULL, "cannot open %s: %s", path, strerror(errno));
	}
	close(fd);
	return PROV_OK; /* whoever read us has gone */
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct prov_estate *e = ARENA_NEW(&p->arena, struct prov_estate);
	const char *path, *name = a->n ? a->pos[0] : "mail";
	uint64_t lines = 50;
	int fd, code;

	os_assert(e);
	if (a->opt[OPT_LINES] &&
		(str_u64(&lines, str_of(a->opt[OPT_LINES]), 1000000) < 0 || !lines))
		return prov_usage(NULL, "--lines takes a number, not \"%s\"", a->opt[OPT_LINES]);
	code = prov_estate_need(e, p);
	if (code != PROV_OK)
		return code;
	if (!prov_service_find(e, str_of(name)) && strcmp(name, "supervisor") != 0)
		return prov_fail(
			"`allod status` lists the services", "there is no service \"%s\"", name);
	path = prov_path(p, "logs/%s.log", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return prov_fail(errno == ENOENT ? "it is made at the first `allod up`" : NULL,
			"cannot open %s: %s", path, strerror(errno));
	lseek(fd, tail_start(fd, lines, &p->arena), SEEK_SET);
	if (a->opt[OPT_FOLLOW])
		return follow(path, fd);
	code = copy_out(fd) == 0 ? PROV_OK : PROV_FAILED;
	close(fd);
	return code;
}

const struct prov_verb verb_logs = { "logs", "[SERVICE]", "what a service said",
	"SERVICE is mail when left out; `supervisor` is the log of starts, ends and restarts.",
	opts, 0, 1, run };
