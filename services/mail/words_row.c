/* SPDX-License-Identifier: ISC */
/* One change as JSON for programs, and in it a line for people. */
#include "services/mail/mime.h"
#include "services/mail/words_impl.h"

#define HEADER_READ  (32 * 1024)
#define HEADER_ARENA (256 * 1024)
#define SUBJECT_MAX  80 /* bytes in the line; the field has all of it */

/* ---- the message itself ---- */
struct headline {
	struct arena arena;
	struct str subject, sender;
	uint64_t size_bytes;
};

static struct str header_of(struct str bytes)
{
	static const char *const ends[] = { "\r\n\r\n", "\n\n" };
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		ptrdiff_t at = str_find(bytes, str_of(ends[i]));
		if (at >= 0)
			bytes.n = (size_t)at + 2;
	}
	return bytes;
}

static struct str sender_of(struct arena *a, struct str header)
{
	struct mime_addr *from = mime_addrs(a, mime_header_get(a, header, "from"));
	while (from != NULL && (from->host.p == NULL || from->mailbox.p == NULL))
		from = from->next;
	if (from == NULL)
		return STR_NONE;
	if (from->name.n > 0)
		return mime_decode_words(a, from->name);
	return arena_fmt(a, "%.*s@%.*s", STR_ARG(from->mailbox), STR_ARG(from->host));
}

/* What can't be read is left out: a history must be told in any case. */
static void headline_read(struct headline *h, struct store *s, const struct store_oid *blob)
{
	size_t n = 0;
	*h = (struct headline){ 0 };
	arena_init(&h->arena, HEADER_ARENA);
	char *room = arena_alloc(&h->arena, HEADER_READ);
	if (room == NULL || store_blob_size(&h->size_bytes, s, blob) < 0 ||
		store_blob_read(&n, s, blob, 0, room, HEADER_READ) < 0)
		return;
	struct str header = header_of(str_n(room, n));
	struct str subject = mime_header_get(&h->arena, header, "subject");
	h->subject = mime_decode_words(&h->arena, subject);
	h->sender = sender_of(&h->arena, header);
}

/* Cut between characters. */
static struct str shortened(struct str s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max > 0 && ((uint8_t)s.p[max] & 0xc0) == 0x80)
		max--;
	return str_sub(s, 0, max);
}

static void add_headline(struct buf *out, const struct headline *h)
{
	struct str subject = shortened(h->subject, SUBJECT_MAX);
	buf_addc(out, '"');
	buf_add(out, subject);
	buf_addz(out, subject.n < h->subject.n ? "…\"" : "\"");
	if (h->sender.n > 0) {
		buf_addz(out, " from ");
		buf_add(out, shortened(h->sender, SUBJECT_MAX));
	}
}

/* ---- flags ---- */
static const struct {
	uint32_t flag;
	const char *name;
} flag_names[] = {
	{ MAIL_SEEN, "\\Seen" },
	{ MAIL_ANSWERED, "\\Answered" },
	{ MAIL_FLAGGED, "\\Flagged" },
	{ MAIL_DELETED, "\\Deleted" },
	{ MAIL_DRAFT, "\\Draft" },
};

static bool has_keyword(struct str set, struct str word)
{
	struct str one;
	while (mail_keyword_next(&one, &set))
		if (str_ieq(one, word))
			return true;
	return false;
}

/* What `l` has and `without` has not. */
static json_t *flags_json(const struct mail_line *l, const struct mail_line *without)
{
	json_t *list = json_array();
	struct str rest = l->keywords, word;
	for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
		if (l->flags & ~without->flags & flag_names[i].flag)
			json_array_append_new(list, json_string(flag_names[i].name));
	while (mail_keyword_next(&word, &rest))
		if (!has_keyword(without->keywords, word))
			json_array_append_new(list, control_text(word));
	return list;
}

static void add_flags(struct buf *out, char sign, const json_t *list)
{
	const json_t *one;
	size_t i;
	json_array_foreach(list, i, one)
	{
		const char *name = json_string_value(one);
		buf_fmt(out, "%c%s ", sign, name[0] == '\\' ? name + 1 : name);
	}
}

/* ---- rows ---- */
static void set_text(json_t *row, const char *key, struct str s)
{
	json_object_set_new(row, key, control_text(s));
}

static struct str name_at(const struct mail_compare *c, uint32_t pair, int side)
{
	const struct mail_half *h = &c->pairs[pair].side[side];
	return h->at.present ? h->name : c->pairs[pair].side[!side].name;
}

struct message_words {
	const char *change, *before; /* what stands before the headline */
};

static struct message_words words_of(enum mail_change_kind kind, bool restored)
{
	static const struct message_words words[][2] = {
		[MAIL_CAME] = { { "new", "new " }, { "back", "back " } },
		[MAIL_WENT] = { { "removed", "removed " }, { "removed", "removed " } },
		[MAIL_MOVED] = { { "moved", "" }, { "moved", "back " } },
		[MAIL_LINE] = { { "flags", "" }, { "flags", "" } },
	};
	return words[kind][restored];
}

static void add_line_change(json_t *row, struct buf *text, const struct mail_change *ch)
{
	const struct mail_line *old = &ch->line[MAIL_OLD], *new = &ch->line[MAIL_NEW];
	json_t *added = flags_json(new, old), *removed = flags_json(old, new);
	size_t n = text->n;
	add_flags(text, '+', added);
	add_flags(text, '-', removed);
	if (text->n == n && ch->kind == MAIL_LINE)
		buf_addz(text, "date changed ");
	json_object_set_new(row, "added", added);
	json_object_set_new(row, "removed", removed);
}

json_t *mail_message_row(const struct mail_compare *c, const struct mail_change *ch, bool restored)
{
	static const struct mail_line none;
	struct message_words words = words_of(ch->kind, restored);
	/* where it is called by what the one who asks knows: the new name, or the old of what went */
	struct str to = name_at(c, ch->to, MAIL_NEW), from = name_at(c, ch->from, MAIL_OLD);
	const struct mail_line *line = &ch->line[ch->kind == MAIL_WENT ? MAIL_OLD : MAIL_NEW];
	struct headline h;
	struct buf text;
	char id[24];
	json_t *row = json_object();
	headline_read(&h, c->s, &ch->blob);
	buf_init(&text, NULL);
	if (ch->kind == MAIL_WENT)
		to = from;
	if (ch->kind == MAIL_MOVED)
		buf_fmt(&text, "%.*s -> ", STR_ARG(from));
	buf_fmt(&text, "%.*s: %s", STR_ARG(to), words.before);
	json_object_set_new(row, "change", json_string(words.change));
	set_text(row, "mailbox", to);
	if (ch->kind == MAIL_MOVED)
		set_text(row, "was", from);
	if (ch->kind == MAIL_LINE || ch->kind == MAIL_MOVED)
		add_line_change(row, &text, ch);
	add_headline(&text, &h);
	snprintf(id, sizeof(id), "%08x.%x", ch->lane, ch->seq);
	json_object_set_new(row, "message", json_string(id));
	set_text(row, "subject", h.subject);
	set_text(row, "sender", h.sender);
	json_object_set_new(row, "date", json_integer(line->internal_sec));
	json_object_set_new(row, "size", json_integer((json_int_t)h.size_bytes));
	json_object_set_new(row, "flags", flags_json(line, &none));
	set_text(row, "text", buf_str(&text));
	arena_free(&h.arena);
	buf_free(&text);
	return row;
}

json_t *mail_box_row(enum mail_done done, const struct mail_pair *box, bool restored)
{
	static const struct {
		const char *change, *said, *restored;
	} words[] = {
		[MAIL_BOX_MADE] = { "mailbox-made", "made", "made again" },
		[MAIL_BOX_REMOVED] = { "mailbox-removed", "removed", "removed" },
		[MAIL_BOX_RENAMED] = { "mailbox-renamed", "renamed from",
			"has its name back, was" },
		[MAIL_BOX_CHANGED] = { "mailbox-changed", "subscription or use changed",
			"subscription or use as it was" },
		[MAIL_BOX_KEPT] = { "mailbox-kept", "", "keeps its name; taken is" },
	};
	const struct mail_half *old = &box->side[MAIL_OLD], *new = &box->side[MAIL_NEW];
	struct str name = new->at.present ? new->name : old->name, was = old->name;
	struct buf text;
	json_t *row = json_object();
	if (done == MAIL_BOX_KEPT) {
		was = name;
		name = old->name;
	}
	buf_init(&text, NULL);
	buf_fmt(&text, "mailbox %.*s %s", STR_ARG(name),
		restored ? words[done].restored : words[done].said);
	json_object_set_new(row, "change", json_string(words[done].change));
	set_text(row, "mailbox", name);
	if (done == MAIL_BOX_RENAMED || done == MAIL_BOX_KEPT) {
		buf_fmt(&text, " %.*s", STR_ARG(was));
		set_text(row, done == MAIL_BOX_KEPT ? "taken" : "was", was);
	}
	set_text(row, "text", buf_str(&text));
	buf_free(&text);
	return row;
}
