/* SPDX-License-Identifier: ISC */
/* What is read in: files, standard input, and the encodings other programs export. */
#include "provisioner/home.h"
#include "provisioner/pieces.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536

/* ---- UTF-16 ---- */
struct utf16 {
	bool big;
	bool has_byte, has_high; /* half a unit; half a pair */
	uint8_t byte;
	uint32_t high;
};

static void put_char(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(out, (char)c);
	} else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
}

static void put_unit(struct buf *out, struct utf16 *u, uint32_t unit)
{
	bool low = unit >= 0xdc00 && unit < 0xe000;

	if (u->has_high && low) {
		put_char(out, 0x10000 + ((u->high - 0xd800) << 10) + (unit - 0xdc00));
		u->has_high = false;
		return;
	}
	if (u->has_high)
		put_char(out, 0xfffd);
	u->has_high = unit >= 0xd800 && unit < 0xdc00;
	u->high = unit;
	if (!u->has_high)
		put_char(out, low ? 0xfffd : unit);
}

static void convert(struct buf *out, struct utf16 *u, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t b = (uint8_t)s.p[i];
		if (u->has_byte)
			put_unit(out, u,
				u->big ? (uint32_t)u->byte << 8 | b : (uint32_t)b << 8 | u->byte);
		u->has_byte = !u->has_byte;
		u->byte = b;
	}
}

/* ---- a copy that can be read twice ---- */
static int temporary(int *fd)
{
	const char *dir = getenv("TMPDIR");
	char path[512];

	snprintf(path, sizeof(path), "%s/allod-import-XXXXXX", dir && *dir ? dir : "/tmp");
	*fd = mkostemp(path, O_CLOEXEC);
	if (*fd < 0)
		return prov_errno("make", path);
	unlink(path);
	return 0;
}

static int write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return prov_errno("write", "a copy of what is read in");
		s = str_sub(s, (size_t)n, s.n);
	}
	return 0;
}

struct copying {
	int from, to;
	const char *file;
	bool wide;
	struct utf16 u;
	char room[CHUNK];
};

static bool is_wide(struct copying *c, struct str head)
{
	bool little = str_starts(head, STR("\xff\xfe")), big = str_starts(head, STR("\xfe\xff"));

	c->u.big = big;
	c->wide = little || big;
	return c->wide;
}

static int copy_part(struct copying *c, struct str part)
{
	struct buf b;
	int err;

	if (!c->wide)
		return write_all(c->to, part);
	buf_init(&b, NULL);
	convert(&b, &c->u, part);
	err = b.err < 0 ? b.err : b.n ? write_all(c->to, buf_str(&b)) : 0;
	buf_free(&b);
	return err;
}

static int copy(struct copying *c)
{
	bool first = true;
	int err = 0;

	while (err == 0) {
		ssize_t n = read(c->from, c->room, sizeof(c->room));
		struct str part = str_n(c->room, n > 0 ? (size_t)n : 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return prov_errno("read", c->file);
		if (n == 0)
			break;
		if (first && part.n > 1 && is_wide(c, part))
			part = str_sub(part, 2, part.n);
		first = false;
		err = copy_part(c, part);
	}
	return err;
}

static int open_it(struct copying *c, const char *file)
{
	struct stat st;
	ssize_t n;

	c->file = file;
	c->from = strcmp(file, "-") == 0 ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
	if (c->from < 0 || fstat(c->from, &st) < 0)
		return prov_errno("open", file);
	if (S_ISDIR(st.st_mode))
		return err_set(ERR_BAD, "%s is a folder", file);
	n = S_ISREG(st.st_mode) ? pread(c->from, c->room, 2, 0) : -1;
	/* A regular file in UTF-8 is read where it is. */
	return n >= 0 && lseek(c->from, 0, SEEK_CUR) == 0 && !is_wide(c, str_n(c->room, (size_t)n));
}

int prov_input(int *fd, bool *copied, const char *file)
{
	struct copying *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return err_set(ERR_NOMEM, "out of memory");
	c->to = -1;
	err = open_it(c, file);
	if (err == 0)
		err = temporary(&c->to);
	if (err == 0)
		err = copy(c);
	*copied = err != 1 || strcmp(file, "-") == 0;
	*fd = err == 1 ? c->from : c->to;
	if (c->from >= 0 && err != 1)
		close(c->from);
	if (c->to >= 0 && err < 0)
		close(c->to);
	free(c);
	return err < 0 ? err : 0;
}

/* ---- Windows-1252 ---- */
static bool is_utf8(struct str s)
{
	for (size_t i = 0; i < s.n;) {
		uint8_t c = (uint8_t)s.p[i];
		size_t more = c < 0x80 ? 0
			: c < 0xc2     ? 9
			: c < 0xe0     ? 1
			: c < 0xf0     ? 2
			: c < 0xf5     ? 3
				       : 9;
		for (i++; more > 0 && more < 9; more--, i++) {
			/* Some fold lines in the middle of a character. */
			while (i + 1 < s.n && (s.p[i] == '\r' || s.p[i] == '\n') &&
				strchr("\n \t", s.p[i + 1]))
				i += s.p[i] == '\r' ? 1 : 2;
			if (i >= s.n || ((uint8_t)s.p[i] & 0xc0) != 0x80)
				return false;
		}
		if (more == 9)
			return false;
	}
	return true;
}

struct str prov_utf8(struct arena *a, struct str s)
{
	static const uint16_t high[32] = { 0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020,
		0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018,
		0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153,
		0x9d, 0x17e, 0x178 };
	struct buf b;

	if (is_utf8(s))
		return s;
	buf_init(&b, a);
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = (uint8_t)s.p[i];
		put_char(&b, c >= 0x80 && c < 0xa0 ? high[c - 0x80] : c);
	}
	return b.err < 0 ? STR_NONE : buf_str(&b);
}
