/* SPDX-License-Identifier: ISC */
#include "services/mail/imap_items.h"

static struct imap_item *add(struct imap_items *out, struct imap_rd *rd, enum imap_item_kind kind)
{
	if (out->n == IMAP_ITEMS_MAX) {
		imap_rd_fail(rd, "too many items");
		out->n--; /* overwritten; the error stands */
	}
	struct imap_item *it = &out->v[out->n++];
	*it = (struct imap_item){ .kind = kind };
	out->flags = out->flags || kind == IMAP_FLAGS;
	out->modseq = out->modseq || kind == IMAP_MODSEQ;
	out->summary = out->summary || kind == IMAP_ENVELOPE || kind == IMAP_BODY ||
		kind == IMAP_BODYSTRUCTURE;
	return it;
}

/* ---- BODY[...] ---- */
static void section_path(struct imap_item *it, struct imap_rd *rd)
{
	it->path = arena_alloc(rd->a, IMAP_PATH_MAX * sizeof(*it->path));
	if (!it->path) {
		imap_rd_fail(rd, "the command needs too much memory");
		return;
	}
	while (imap_peek(rd) >= '0' && imap_peek(rd) <= '9') {
		if (it->path_count == IMAP_PATH_MAX) {
			imap_rd_fail(rd, "a section number is too deep");
			return;
		}
		it->path[it->path_count++] = imap_nz(rd);
		if (!imap_try(rd, '.'))
			return;
		if (imap_peek(rd) == ']')
			imap_rd_fail(rd, "a section ends in a point");
	}
}

static void section_fields(struct imap_item *it, struct imap_rd *rd)
{
	size_t cap = 1;
	imap_sp(rd);
	imap_expect(rd, '(');
	for (const char *p = rd->at; p < rd->end && cap < IMAP_FIELDS_MAX; p++)
		cap += *p == ' ';
	it->fields = arena_alloc(rd->a, cap * sizeof(*it->fields));
	if (!it->fields) {
		imap_rd_fail(rd, "the command needs too much memory");
		return;
	}
	do {
		if (it->field_count == cap)
			imap_rd_fail(rd, "too many header fields");
		struct str name = imap_astring(rd);
		if (!rd->why)
			it->fields[it->field_count++] = name;
	} while (imap_try(rd, ' '));
	imap_expect(rd, ')');
}

static const struct {
	const char *name;
	enum imap_section section;
} sections[] = {
	{ "HEADER", IMAP_SECTION_HEADER },
	{ "HEADER.FIELDS", IMAP_SECTION_FIELDS },
	{ "HEADER.FIELDS.NOT", IMAP_SECTION_FIELDS_NOT },
	{ "TEXT", IMAP_SECTION_TEXT },
	{ "MIME", IMAP_SECTION_MIME },
};

static void section_text(struct imap_item *it, struct imap_rd *rd)
{
	struct str name = imap_word(rd);
	for (size_t i = 0; !rd->why && i < ARRAY_LEN(sections); i++)
		if (str_ieq(name, str_of(sections[i].name)))
			it->section = sections[i].section;
	if (!it->section)
		imap_rd_fail(rd, "there is no such section");
	if (it->section == IMAP_SECTION_MIME && !it->path_count)
		imap_rd_fail(rd, "MIME needs a part number");
	if (it->section == IMAP_SECTION_FIELDS || it->section == IMAP_SECTION_FIELDS_NOT)
		section_fields(it, rd);
}

static void make_label(struct imap_item *it, struct imap_rd *rd)
{
	struct buf b;
	buf_init(&b, rd->a);
	buf_addz(&b, "BODY[");
	for (size_t i = 0; i < it->path_count; i++)
		buf_fmt(&b, i ? ".%u" : "%u", it->path[i]);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (sections[i].section == it->section)
			buf_fmt(&b, it->path_count ? ".%s" : "%s", sections[i].name);
	for (size_t i = 0; i < it->field_count; i++) {
		buf_addz(&b, i ? " " : " (");
		if (imap_is_atom(it->fields[i]))
			buf_add(&b, it->fields[i]);
		else
			imap_put_string(&b, it->fields[i]);
	}
	buf_addz(&b, it->field_count ? ")]" : "]");
	if (it->partial)
		buf_fmt(&b, "<%u>", it->offset);
	if (b.err < 0)
		imap_rd_fail(rd, "the command needs too much memory");
	it->label = buf_str(&b);
}

static void section(struct imap_items *out, struct imap_rd *rd)
{
	struct imap_item *it = add(out, rd, IMAP_SECTION);
	section_path(it, rd);
	if (imap_peek(rd) != ']')
		section_text(it, rd);
	imap_expect(rd, ']');
	if (imap_try(rd, '<')) {
		it->partial = true;
		it->offset = imap_number(rd);
		imap_expect(rd, '.');
		it->length = imap_nz(rd);
		imap_expect(rd, '>');
	}
	make_label(it, rd);
	if (it->path_count)
		out->tree = true;
	else if (it->section != IMAP_SECTION_ALL)
		out->summary = true;
}

/* ---- the list ---- */
static const struct {
	const char *name;
	enum imap_item_kind kind;
	enum imap_section section;
	bool seen;
} items[] = {
	{ "FLAGS", IMAP_FLAGS, 0, false },
	{ "UID", IMAP_UID, 0, false },
	{ "INTERNALDATE", IMAP_INTERNALDATE, 0, false },
	{ "RFC822.SIZE", IMAP_SIZE, 0, false },
	{ "MODSEQ", IMAP_MODSEQ, 0, false },
	{ "EMAILID", IMAP_EMAILID, 0, false },
	{ "THREADID", IMAP_THREADID, 0, false },
	{ "SAVEDATE", IMAP_SAVEDATE, 0, false },
	{ "ENVELOPE", IMAP_ENVELOPE, 0, false },
	{ "BODY", IMAP_BODY, 0, false },
	{ "BODYSTRUCTURE", IMAP_BODYSTRUCTURE, 0, false },
	{ "RFC822", IMAP_SECTION, IMAP_SECTION_ALL, true },
	{ "RFC822.HEADER", IMAP_SECTION, IMAP_SECTION_HEADER, false },
	{ "RFC822.TEXT", IMAP_SECTION, IMAP_SECTION_TEXT, true },
};

static void item(struct imap_items *out, struct imap_rd *rd)
{
	struct str name = imap_word(rd);
	bool peek = str_ieq(name, STR("BODY.PEEK"));
	if ((peek || str_ieq(name, STR("BODY"))) && imap_try(rd, '[')) {
		out->marks_seen = out->marks_seen || !peek;
		section(out, rd);
		return;
	}
	for (size_t i = 0; !rd->why && i < ARRAY_LEN(items); i++) {
		if (!str_ieq(name, str_of(items[i].name)))
			continue;
		struct imap_item *it = add(out, rd, items[i].kind);
		it->section = items[i].section;
		it->label = str_of(items[i].name);
		out->marks_seen = out->marks_seen || items[i].seen;
		out->summary = out->summary || it->section != IMAP_SECTION_ALL;
		return;
	}
	imap_rd_fail(rd, "there is no such item to fetch");
}

static bool macro(struct imap_items *out, struct imap_rd *rd)
{
	bool full = imap_try_word(rd, "FULL");
	bool all = full || imap_try_word(rd, "ALL");
	if (!all && !imap_try_word(rd, "FAST"))
		return false;
	add(out, rd, IMAP_FLAGS);
	add(out, rd, IMAP_INTERNALDATE);
	add(out, rd, IMAP_SIZE);
	if (all)
		add(out, rd, IMAP_ENVELOPE);
	if (full)
		add(out, rd, IMAP_BODY);
	return true;
}

void imap_items_modseq(struct imap_items *out, struct imap_rd *rd)
{
	if (!rd->why && !out->modseq)
		add(out, rd, IMAP_MODSEQ);
}

void imap_items_parse(struct imap_items *out, struct imap_rd *rd, bool uid)
{
	*out = (struct imap_items){ 0 };
	if (rd->why)
		return;
	out->v = arena_alloc(rd->a, IMAP_ITEMS_MAX * sizeof(*out->v));
	if (!out->v) {
		imap_rd_fail(rd, "the command needs too much memory");
		return;
	}
	if (uid)
		add(out, rd, IMAP_UID);
	if (macro(out, rd))
		return;
	bool list = imap_try(rd, '(');
	do
		item(out, rd);
	while (list && imap_try(rd, ' '));
	if (list)
		imap_expect(rd, ')');
	for (size_t i = 1; uid && i < out->n; i++)
		if (out->v[i].kind == IMAP_UID) { /* asked for as well */
			memmove(&out->v[i], &out->v[i + 1], (--out->n - i) * sizeof(*out->v));
			i--;
		}
}
