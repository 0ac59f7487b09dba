/* SPDX-License-Identifier: ISC */
/* Paths in a mail branch and the text of its small files; docs/mail-layout.md is the contract. */
#include "services/mail/mailbox_impl.h"

/* ---- paths ---- */
/*
 * A commit writes each folder on the way to its message anew, and new messages stand at the end of
 * a full one half of the time: small folders cost less than their greater number does. The first
 * part is not padded.
 */
#define OCTALS      5
#define FOLDERS     "%08x/%x/%o/%o/%o/%o/%o"
#define FOLDERS_MAX 32
#define FOLDERS_ARG(lane, seq) \
	(lane), (seq) >> MAIL_TOP_SHIFT, (seq) >> 16 & 7, (seq) >> 13 & 7, (seq) >> 10 & 7, \
		(seq) >> 7 & 7, (seq) >> 4 & 7

static void path_folders(struct buf *out, uint32_t lane, uint32_t seq)
{
	buf_fmt(out, FOLDERS, FOLDERS_ARG(lane, seq));
}

void mail_path_message(struct buf *out, uint32_t lane, uint32_t seq)
{
	path_folders(out, lane, seq);
	buf_fmt(out, "/%08x", seq);
}

void mail_path_leaf(struct buf *out, uint32_t lane, uint32_t seq)
{
	path_folders(out, lane, seq);
}

bool mail_hex32(uint32_t *out, struct str s, size_t least)
{
	if (s.n < least || s.n > 8)
		return false;
	uint32_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

/* Only the one spelling that path_folders() makes is ours. */
static bool same_path(struct str path, uint32_t lane, uint32_t seq, bool message)
{
	char text[FOLDERS_MAX + 9];
	int n = snprintf(text, sizeof(text), FOLDERS, FOLDERS_ARG(lane, seq));
	if (message)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "/%08x", seq);
	return str_eq(path, str_n(text, (size_t)n));
}

bool mail_path_parse_message(uint32_t *lane, uint32_t *seq, struct str path)
{
	if (path.n < 18 || !mail_hex32(lane, str_sub(path, 0, 8), 8) ||
		!mail_hex32(seq, str_sub(path, path.n - 8, path.n), 8))
		return false;
	return same_path(path, *lane, *seq, true);
}

bool mail_path_parse_leaf(uint32_t *lane, uint32_t *first_seq, struct str path)
{
	struct str lane_text, top, rest, part;
	uint32_t seq, digit;
	if (!str_cut(&lane_text, &rest, path, '/') || !mail_hex32(lane, lane_text, 8) ||
		!str_cut(&top, &rest, rest, '/') || !mail_hex32(&seq, top, 1) ||
		seq > UINT32_MAX >> MAIL_TOP_SHIFT)
		return false;
	for (int i = 0; i < OCTALS; i++) {
		str_cut(&part, &rest, rest, '/');
		if (part.n != 1 || !mail_hex32(&digit, part, 1) || digit > 7)
			return false;
		seq = seq << 3 | digit;
	}
	*first_seq = seq << 4;
	return same_path(path, *lane, *first_seq, false);
}

/* ---- leaves: "seq internaldate savedate flags [keyword ...]" ---- */
static const struct {
	char letter;
	uint32_t flag;
} flag_letters[] = {
	{ 'D', MAIL_DRAFT },
	{ 'F', MAIL_FLAGGED },
	{ 'R', MAIL_ANSWERED },
	{ 'S', MAIL_SEEN },
	{ 'T', MAIL_DELETED },
};

static bool parse_time(int64_t *out, struct str s)
{
	bool minus = s.n > 0 && s.p[0] == '-';
	uint64_t v;
	if (str_u64(&v, str_sub(s, minus, s.n), INT64_MAX) < 0)
		return false;
	*out = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

static bool parse_flags(uint32_t *out, struct str s)
{
	*out = 0;
	if (str_eq(s, STR("-")))
		return true;
	for (size_t i = 0; i < s.n; i++) {
		size_t k = 0;
		while (k < ARRAY_LEN(flag_letters) && flag_letters[k].letter != s.p[i])
			k++;
		if (k == ARRAY_LEN(flag_letters))
			return false;
		*out |= flag_letters[k].flag;
	}
	return s.n > 0;
}

static bool parse_line(struct mail_line *out, struct str line)
{
	struct str seq, internal, saved, flags;
	str_cut(&seq, &line, line, ' ');
	str_cut(&internal, &line, line, ' ');
	str_cut(&saved, &line, line, ' ');
	str_cut(&flags, &out->keywords, line, ' ');
	return mail_hex32(&out->seq, seq, 8) && parse_time(&out->internal_sec, internal) &&
		parse_time(&out->saved_sec, saved) && parse_flags(&out->flags, flags);
}

void mail_leaf_parse(struct mail_leaf *out, struct str text)
{
	out->n = 0;
	while (text.n > 0) {
		struct str head;
		struct mail_line line;
		str_cut(&head, &text, text, '\n');
		struct mail_line *to =
			parse_line(&line, head) ? mail_leaf_add(out, line.seq) : NULL;
		if (to != NULL)
			*to = line;
	}
}

void mail_leaf_format(struct buf *out, const struct mail_leaf *leaf)
{
	for (unsigned i = 0; i < leaf->n; i++) {
		const struct mail_line *l = &leaf->line[i];
		buf_fmt(out, "%08x %lld %lld ", l->seq, (long long)l->internal_sec,
			(long long)l->saved_sec);
		for (size_t k = 0; k < ARRAY_LEN(flag_letters); k++)
			if (l->flags & flag_letters[k].flag)
				buf_addc(out, flag_letters[k].letter);
		if (l->flags == 0)
			buf_addc(out, '-');
		if (l->keywords.n > 0) {
			buf_addc(out, ' ');
			buf_add(out, l->keywords);
		}
		buf_addc(out, '\n');
	}
}

static unsigned leaf_lower(const struct mail_leaf *leaf, uint32_t seq)
{
	unsigned i = 0;
	while (i < leaf->n && leaf->line[i].seq < seq)
		i++;
	return i;
}

struct mail_line *mail_leaf_find(struct mail_leaf *leaf, uint32_t seq)
{
	unsigned i = leaf_lower(leaf, seq);
	return i < leaf->n && leaf->line[i].seq == seq ? &leaf->line[i] : NULL;
}

struct mail_line *mail_leaf_add(struct mail_leaf *leaf, uint32_t seq)
{
	unsigned i = leaf_lower(leaf, seq);
	if (i < leaf->n && leaf->line[i].seq == seq)
		return &leaf->line[i];
	if (leaf->n == MAIL_LEAF_MAX)
		return NULL;
	memmove(&leaf->line[i + 1], &leaf->line[i], (leaf->n - i) * sizeof(leaf->line[0]));
	leaf->n++;
	leaf->line[i] = (struct mail_line){ .seq = seq };
	return &leaf->line[i];
}

void mail_leaf_remove(struct mail_leaf *leaf, uint32_t seq)
{
	unsigned i = leaf_lower(leaf, seq);
	if (i == leaf->n || leaf->line[i].seq != seq)
		return;
	leaf->n--;
	memmove(&leaf->line[i], &leaf->line[i + 1], (leaf->n - i) * sizeof(leaf->line[0]));
}

/* ---- .mailbox: "key value" lines ---- */
static const char *const use_names[] = {
	[MAIL_USE_NONE] = "none",
	[MAIL_USE_ARCHIVE] = "archive",
	[MAIL_USE_DRAFTS] = "drafts",
	[MAIL_USE_FLAGGED] = "flagged",
	[MAIL_USE_JUNK] = "junk",
	[MAIL_USE_SENT] = "sent",
	[MAIL_USE_TRASH] = "trash",
	[MAIL_USE_ALL] = "all",
};

bool mail_id_eq(const struct mail_id *a, const struct mail_id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static bool parse_id(struct mail_id *out, struct str hex)
{
	uint32_t high, low;
	if (hex.n != MAIL_ID_HEX || !mail_hex32(&high, str_sub(hex, 0, 8), 8) ||
		!mail_hex32(&low, str_sub(hex, 8, 16), 8))
		return false;
	for (int i = 0; i < 4; i++) {
		out->b[i] = (uint8_t)(high >> (24 - 8 * i));
		out->b[4 + i] = (uint8_t)(low >> (24 - 8 * i));
	}
	return true;
}

void mail_file_parse(struct mail_file *out, struct str text)
{
	*out = (struct mail_file){ 0 };
	while (text.n > 0) {
		struct str line, key, value;
		str_cut(&line, &text, text, '\n');
		str_cut(&key, &value, line, ' ');
		if (str_eq(key, STR("id")))
			out->exists = parse_id(&out->id, value);
		else if (str_eq(key, STR("name")))
			out->name = value;
		else if (str_eq(key, STR("subscribed")))
			out->subscribed = str_eq(value, STR("yes"));
		else if (str_eq(key, STR("created")))
			parse_time(&out->created_sec, value);
		else if (str_eq(key, STR("use")))
			for (size_t i = 0; i < ARRAY_LEN(use_names); i++)
				if (str_eq(value, str_of(use_names[i])))
					out->use = (enum mail_use)i;
	}
}

void mail_file_format(struct buf *out, const struct mail_file *f)
{
	if (f->exists) {
		buf_addz(out, "id ");
		for (int i = 0; i < MAIL_ID_BYTES; i++)
			buf_fmt(out, "%02x", f->id.b[i]);
		buf_addc(out, '\n');
	}
	buf_addz(out, "name ");
	buf_add(out, f->name);
	buf_fmt(out, "\nuse %s\nsubscribed %s\ncreated %lld\n", use_names[f->use],
		f->subscribed ? "yes" : "no", (long long)f->created_sec);
}

/* ---- .lanes ---- */
static bool parse_mark(uint32_t *lane, uint32_t *seq, struct str line)
{
	struct str head, rest;
	str_cut(&head, &rest, line, ' ');
	return mail_hex32(lane, head, 8) && mail_hex32(seq, rest, 8);
}

void mail_lanes_raise(struct buf *out, struct str text, uint32_t lane, uint32_t seq)
{
	bool done = false;
	while (text.n > 0) {
		struct str line;
		uint32_t l, s;
		str_cut(&line, &text, text, '\n');
		if (!parse_mark(&l, &s, line))
			continue;
		if (!done && l >= lane) {
			buf_fmt(out, "%08x %08x\n", lane, l == lane && s > seq ? s : seq);
			done = true;
		}
		if (l != lane)
			buf_fmt(out, "%08x %08x\n", l, s);
	}
	if (!done)
		buf_fmt(out, "%08x %08x\n", lane, seq);
}

bool mail_lanes_find(uint32_t *seq, struct str text, uint32_t lane)
{
	while (text.n > 0) {
		struct str line;
		uint32_t l;
		str_cut(&line, &text, text, '\n');
		if (parse_mark(&l, seq, line) && l == lane)
			return true;
	}
	return false;
}
