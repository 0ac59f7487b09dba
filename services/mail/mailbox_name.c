/* SPDX-License-Identifier: ISC */
/*
 * Mailbox names and the folders they stand in. A level is escaped as %XX where git, or a checkout
 * on another system, would stumble: control bytes, a dot with no ASCII character before it (so no
 * name can look like .git, nor clash with .m, .f and .mailbox), \ : * ? " < > | % ~, and a dot or
 * space at the end. The escape is one to one. A level that would differ from its sibling's folder
 * only by case gets the suffix %~ and four digits of a hash of its name.
 */
#include "services/mail/mailbox_impl.h"
#include "services/mail/mime.h"

#include "store/store.h"

/* Length of the UTF-8 character at the start of `s`; 0 when it is none. */
static size_t utf8_length(struct str s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t c = (uint8_t)s.p[0];
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	if (n == 0 || n > s.n)
		return 0;
	uint32_t v = n == 1 ? c : c & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (((uint8_t)s.p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | ((uint8_t)s.p[i] & 0x3f);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return 0;
	return n;
}

static bool utf8_valid(struct str s)
{
	while (s.n > 0) {
		size_t n = s.p[0] != 0 ? utf8_length(s) : 0;
		if (n == 0)
			return false;
		s = str_sub(s, n, s.n);
	}
	return true;
}

static int check_level(struct str level)
{
	struct buf folder;
	if (level.n == 0)
		return err_set(ERR_BAD, "mail: a mailbox name has an empty level");
	buf_init(&folder, NULL);
	mail_name_escape(&folder, level);
	int err = folder.err;
	if (err == 0 && (level.n > STORE_NAME_MAX || folder.n > STORE_NAME_MAX))
		err = err_set(ERR_LIMIT, "mail: a level of a mailbox name is over %d bytes",
			STORE_NAME_MAX);
	buf_free(&folder);
	return err;
}

int mail_name_normal(struct str *out, struct arena *a, struct str name)
{
	struct str level, rest;
	unsigned levels = 0;
	if (str_ends(name, STR("/")))
		name.n--;
	if (name.n > MAIL_NAME_BYTES_MAX)
		return err_set(
			ERR_LIMIT, "mail: a mailbox name is over %d bytes", MAIL_NAME_BYTES_MAX);
	if (!utf8_valid(name))
		return err_set(ERR_BAD, "mail: a mailbox name is no UTF-8");
	struct buf composed;
	buf_init(&composed, a);
	mail_name_compose(&composed, name);
	if (composed.err < 0)
		return composed.err;
	name = buf_str(&composed);
	bool more = true;
	for (rest = name; more; levels++) {
		more = str_cut(&level, &rest, rest, '/');
		int err = check_level(level);
		if (err < 0)
			return err;
	}
	if (levels > MAIL_DEPTH_MAX)
		return err_set(
			ERR_LIMIT, "mail: a mailbox name has over %d levels", MAIL_DEPTH_MAX);
	if (name.n >= 5 && str_istarts(name, STR("inbox")) && (name.n == 5 || name.p[5] == '/'))
		memcpy(composed.p, "INBOX", 5);
	*out = name;
	return 0;
}

bool mail_name_below(struct str name, struct str parent)
{
	return name.n > parent.n && name.p[parent.n] == '/' && str_starts(name, parent);
}

static bool in_inbox(struct str name)
{
	return str_eq(name, STR("INBOX")) || mail_name_below(name, STR("INBOX"));
}

int mail_name_cmp(struct str a, struct str b)
{
	bool a_first = in_inbox(a), b_first = in_inbox(b);
	if (a_first != b_first)
		return a_first ? -1 : 1;
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		/* '/' before any other byte: children follow their parent at once. */
		int x = a.p[i] == '/' ? -1 : (uint8_t)a.p[i],
		    y = b.p[i] == '/' ? -1 : (uint8_t)b.p[i];
		if (x != y)
			return x < y ? -1 : 1;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

static bool must_escape(struct str level, size_t i, bool ascii_before)
{
	uint8_t c = (uint8_t)level.p[i];
	if (c < 0x20 || c == 0x7f)
		return true;
	if (c == '.' && !ascii_before)
		return true;
	if ((c == '.' || c == ' ') && i + 1 == level.n)
		return true;
	return c < 0x80 && memchr("\\:*?\"<>|%~", c, 10) != NULL;
}

void mail_name_escape(struct buf *out, struct str level)
{
	bool ascii_before = false;
	for (size_t i = 0; i < level.n; i++) {
		uint8_t c = (uint8_t)level.p[i];
		if (must_escape(level, i, ascii_before))
			buf_fmt(out, "%%%02X", c);
		else
			buf_addc(out, level.p[i]);
		ascii_before = ascii_before || (c < 0x80 && c != '.');
	}
}

void mail_name_escape_clash(struct buf *out, struct str level)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	for (size_t i = 0; i < level.n; i++)
		hash = (hash ^ (uint8_t)level.p[i]) * 16777619u;
	mail_name_escape(out, level);
	buf_fmt(out, "%%~%04x", (hash ^ hash >> 16) & 0xffff);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void mail_name_unescape(struct buf *out, struct str folder)
{
	for (size_t i = 0; i < folder.n; i++) {
		char c = folder.p[i];
		if (c == '%' && i + 1 < folder.n && folder.p[i + 1] == '~')
			return;
		int high = c == '%' && i + 2 < folder.n ? hex_digit(folder.p[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(folder.p[i + 2]) : -1;
		if (low >= 0) {
			c = (char)(high << 4 | low);
			i += 2;
		}
		buf_addc(out, c);
	}
}

void mail_path_name(struct buf *out, struct str path)
{
	struct str folder;
	bool more = true;
	for (size_t n = out->n; more;) {
		more = str_cut(&folder, &path, path, '/');
		if (out->n > n)
			buf_addc(out, '/');
		mail_name_unescape(out, folder);
	}
}
