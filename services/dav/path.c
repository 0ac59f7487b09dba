/* SPDX-License-Identifier: ISC */
#include "services/dav/path.h"
#include "os/crypto.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- URLs ---- */
static int decode(struct str *out, struct arena *a, struct str s)
{
	struct buf b;

	*out = s;
	if (str_chr(s, '%') >= 0) {
		buf_init(&b, a);
		for (size_t i = 0; i < s.n; i++) {
			int high = s.p[i] == '%' && i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
			if (s.p[i] == '%' && low < 0)
				return err_set(
					ERR_BAD, "dav: a %% without two hex digits in a URL");
			buf_addc(&b, low < 0 ? s.p[i] : (char)(high << 4 | low));
			i += low < 0 ? 0 : 2;
		}
		if (b.err < 0)
			return err_set(ERR_LIMIT, "dav: over the memory for one request");
		*out = buf_str(&b);
	}
	if (memchr(out->p, 0, out->n) || memchr(out->p, '/', out->n) || str_eq(*out, STR(".")) ||
		str_eq(*out, STR("..")))
		return err_set(ERR_BAD, "dav: a URL with a NUL, an encoded slash or a dot segment");
	if (out->n > DAV_NAME_MAX)
		return err_set(ERR_LIMIT, "dav: a name over %d bytes", DAV_NAME_MAX);
	return 0;
}

static int place(struct dav_path *p, const struct str *all, size_t n)
{
	p->place = DAV_ELSEWHERE;
	if (n == 0) {
		p->place = DAV_ROOT;
	} else if (str_eq(all[0], STR(".well-known"))) {
		if (n == 2)
			p->place = DAV_WELL_KNOWN;
		p->well_known = n == 2 ? all[1] : STR("");
	} else if (str_eq(all[0], STR("principals"))) {
		p->place = n == 1 ? DAV_PRINCIPALS : n == 2 ? DAV_PRINCIPAL : DAV_ELSEWHERE;
		p->user = n > 1 ? all[1] : STR("");
	} else {
		p->home = all[0];
		p->place = n == 1 ? DAV_HOMES : DAV_RESOURCE;
		p->user = n > 1 ? all[1] : STR("");
		p->n = n > 2 ? n - 2 : 0;
		for (size_t i = 0; i < p->n; i++)
			p->segs[i] = all[i + 2];
	}
	return 0;
}

int dav_path_parse(struct dav_path *out, struct arena *a, struct str s)
{
	struct str all[DAV_SEGS_MAX + 2], seg;
	size_t n = 0;
	ptrdiff_t at;
	bool more = true;

	*out = (struct dav_path){ 0 };
	s = str_trim(s);
	if (s.n > DAV_TARGET_MAX)
		return err_set(ERR_LIMIT, "dav: a URL over %d bytes", DAV_TARGET_MAX);
	if (str_istarts(s, STR("http://")) || str_istarts(s, STR("https://"))) {
		s = str_sub(s, (size_t)str_find(s, STR("//")) + 2, s.n);
		at = str_chr(s, '/');
		s = at < 0 ? STR("/") : str_sub(s, (size_t)at, s.n);
	}
	str_cut(&s, &seg, s, '?');
	if (str_chr(s, '#') >=
		0) /* a fragment has no business here, and deleting what it is part of none at all */
		return err_set(ERR_BAD, "dav: a URL with a fragment");
	if (!str_starts(s, STR("/")))
		return err_set(ERR_BAD, "dav: a URL without a path");
	for (s = str_sub(s, 1, s.n); more;) {
		more = str_cut(&seg, &s, s, '/');
		out->slash = seg.n == 0;
		if (seg.n == 0) /* also "a//b": as one slash */
			continue;
		if (n == ARRAY_LEN(all))
			return err_set(ERR_LIMIT, "dav: a URL over %zu levels", ARRAY_LEN(all));
		int err = decode(&all[n++], a, seg);
		if (err < 0)
			return err;
	}
	return place(out, all, n);
}

void dav_href_segment(struct buf *b, struct str seg)
{
	for (size_t i = 0; i < seg.n; i++) {
		unsigned char c = (unsigned char)seg.p[i];
		bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
			(c && strchr("-._~!$'()*+,=:@", c));
		if (plain)
			buf_addc(b, (char)c);
		else
			buf_fmt(b, "%%%02X", c);
	}
}

static void add(struct buf *b, struct str seg)
{
	buf_addc(b, '/');
	dav_href_segment(b, seg);
}

void dav_href(struct buf *b, const struct dav_path *p, bool collection)
{
	switch (p->place) {
	case DAV_WELL_KNOWN:
		add(b, STR(".well-known"));
		add(b, p->well_known);
		return;
	case DAV_PRINCIPALS:
	case DAV_PRINCIPAL: add(b, STR("principals")); break;
	case DAV_HOMES:
	case DAV_RESOURCE: add(b, p->home); break;
	default: break;
	}
	if (p->user.n)
		add(b, p->user);
	for (size_t i = 0; i < p->n; i++)
		add(b, p->segs[i]);
	if (collection || p->place == DAV_ROOT)
		buf_addc(b, '/');
}

/* ---- names in the branch ---- */
/*
 * %XX for what git or a checkout on another system would stumble over: control bytes, a dot with no
 * ASCII byte before it (no name looks like .git or .collection), \ : * ? " < > | % ~, and a dot or
 * space at the end.
 */
static bool must_escape(struct str s, size_t i, bool ascii_before)
{
	unsigned char c = (unsigned char)s.p[i];

	if (c < 0x20 || c == 0x7f || (c == '.' && !ascii_before))
		return true;
	if ((c == '.' || c == ' ') && i + 1 == s.n)
		return true;
	return c < 0x80 && strchr("\\:*?\"<>|%~", c);
}

static void escape(struct buf *b, struct str s)
{
	bool ascii_before = false;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (must_escape(s, i, ascii_before))
			buf_fmt(b, "%%%02X", c);
		else
			buf_addc(b, (char)c);
		ascii_before |= c < 0x80 && c != '.';
	}
}

bool dav_is_shard(struct str name)
{
	return name.n == 2 && hex_digit(name.p[0]) >= 0 && hex_digit(name.p[1]) >= 0 &&
		!(name.p[0] >= 'A' && name.p[0] <= 'F') && !(name.p[1] >= 'A' && name.p[1] <= 'F');
}

void dav_folder_name(struct buf *b, struct str seg)
{
	if (dav_is_shard(seg)) { /* a collection that would stand where items do */
		buf_fmt(b, "%%%02X%c", (unsigned char)seg.p[0], seg.p[1]);
		return;
	}
	escape(b, seg);
}

void dav_name_unescape(struct buf *b, struct str file)
{
	for (size_t i = 0; i < file.n; i++) {
		int high = file.p[i] == '%' && i + 2 < file.n ? hex_digit(file.p[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(file.p[i + 2]) : -1;
		buf_addc(b, low < 0 ? file.p[i] : (char)(high << 4 | low));
		i += low < 0 ? 0 : 2;
	}
}

void dav_collection_folder(struct buf *b, const struct str *segs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(b, '/');
		dav_folder_name(b, segs[i]);
	}
}

static void item_file(struct buf *b, const struct str *segs, size_t n, const char *prefix)
{
	uint8_t hash[OS_SHA256_BYTES];

	os_assert(n > 0);
	dav_collection_folder(b, segs, n - 1);
	os_sha256(hash, segs[n - 1]);
	buf_fmt(b, "%s%02x/%s", n > 1 ? "/" : "", hash[0], prefix);
	escape(b, segs[n - 1]);
}

void dav_item_file(struct buf *b, const struct str *segs, size_t n)
{
	item_file(b, segs, n, "");
}

void dav_props_file(struct buf *b, const struct str *segs, size_t n)
{
	item_file(b, segs, n, "%=");
}

bool dav_item_path(struct str *folder, struct str *file, struct str path)
{
	size_t cut = path.n;

	while (cut > 0 && path.p[cut - 1] != '/')
		cut--;
	*file = str_sub(path, cut, path.n);
	if (cut < 3 || !dav_is_shard(str_sub(path, cut - 3, cut - 1)) ||
		str_starts(*file, STR("%=")) || (cut > 3 && path.p[cut - 4] != '/'))
		return false;
	*folder = str_sub(path, 0, cut > 3 ? cut - 4 : 0);
	return true;
}
