/* SPDX-License-Identifier: ISC */
/*
 * .collection: lines "key value", each ended by LF. In values \n and \\ stand for a line end and a
 * backslash. Unknown keys are passed over.
 *	kind plain|calendar|addressbook
 *	components VEVENT VTODO VJOURNAL VFREEBUSY
 *	name, description, color, order, timezone, timezone-id
 *	prop <namespace> <name> <element>      spaces of the first two as \s
 */
#include "services/dav/tree.h"

static const char *const kinds[] = { "plain", "calendar", "addressbook" };
static const char *const components[] = { "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY" };
static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	{ "name", offsetof(struct dav_meta, name) },
	{ "description", offsetof(struct dav_meta, description) },
	{ "color", offsetof(struct dav_meta, color) },
	{ "order", offsetof(struct dav_meta, order) },
	{ "timezone", offsetof(struct dav_meta, timezone) },
	{ "timezone-id", offsetof(struct dav_meta, timezone_id) },
};

static struct str unescape(struct arena *a, struct str s)
{
	struct buf b;

	if (str_chr(s, '\\') < 0)
		return s;
	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < s.n; i++) {
		bool slash = s.p[i] == '\\' && i + 1 < s.n;
		char next = slash ? s.p[++i] : s.p[i];
		buf_addc(&b, slash && next == 'n' ? '\n' : slash && next == 's' ? ' ' : next);
	}
	return b.err < 0 ? STR_NONE : buf_str(&b);
}

static void escape(struct buf *b, struct str s, bool word)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n')
			buf_add(b, STR("\\n"));
		else if (s.p[i] == '\\')
			buf_add(b, STR("\\\\"));
		else if (s.p[i] == ' ' && word)
			buf_add(b, STR("\\s"));
		else
			buf_addc(b, s.p[i]);
	}
}

int dav_prop_set(
	struct dav_meta *m, struct arena *a, struct str ns, struct str name, struct str xml)
{
	struct dav_prop *more;
	size_t i = 0;

	while (i < m->prop_count && !(str_eq(m->props[i].ns, ns) && str_eq(m->props[i].name, name)))
		i++;
	if (xml.n == 0) {
		if (i < m->prop_count)
			m->props[i] = m->props[--m->prop_count];
		return 0;
	}
	if (i == DAV_PROPS_MAX)
		return err_set(ERR_LIMIT, "dav: over %d properties of one resource", DAV_PROPS_MAX);
	if (i == m->prop_count) {
		more = arena_alloc(a, (i + 1) * sizeof(*more));
		if (!more)
			return err_set(ERR_LIMIT, "dav: over the memory for one request");
		if (i)
			memcpy(more, m->props, i * sizeof(*more));
		m->props = more;
		m->prop_count++;
	}
	m->props[i] = (struct dav_prop){ ns, name, xml };
	return 0;
}

static int take_prop(struct dav_meta *m, struct arena *a, struct str value)
{
	struct str ns, name;

	str_cut(&ns, &value, value, ' ');
	str_cut(&name, &value, value, ' ');
	if (m->prop_count == DAV_PROPS_MAX || name.n == 0 || value.n == 0)
		return 0;
	return dav_prop_set(m, a, unescape(a, ns), unescape(a, name), unescape(a, value));
}

static int take(struct dav_meta *m, struct arena *a, struct str key, struct str value)
{
	struct str word;

	if (str_eq(key, STR("prop")))
		return take_prop(m, a, value);
	if (str_eq(key, STR("kind")))
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
			if (str_eq(value, str_of(kinds[i])))
				m->kind = (enum dav_kind)i;
	if (str_eq(key, STR("components")))
		while (value.n) {
			str_cut(&word, &value, value, ' ');
			for (unsigned i = 0; i < ARRAY_LEN(components); i++)
				if (str_eq(word, str_of(components[i])))
					m->components |= 1u << i;
		}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (str_eq(key, str_of(texts[i].key)))
			*(struct str *)(void *)((char *)m + texts[i].offset) = unescape(a, value);
	return 0;
}

int dav_meta_parse(struct dav_meta *out, struct arena *a, struct str text)
{
	struct str line, key, value;
	int err = 0;

	*out = (struct dav_meta){ 0 };
	while (text.n > 0 && err >= 0) {
		str_cut(&line, &text, text, '\n');
		str_cut(&key, &value, line, ' ');
		err = take(out, a, key, value);
	}
	return err;
}

int dav_meta_read(
	struct dav_meta *out, struct arena *a, struct store *s, const struct store_oid *collection)
{
	struct store_entry e;
	struct str text;
	int err = store_find(&e, s, collection, STR(".collection"));

	*out = (struct dav_meta){ 0 };
	if (err < 0 || e.kind != STORE_BLOB)
		return err == ERR_NOENT ? 0 : err;
	err = store_blob_all(&text, a, s, &e.oid, DAV_META_MAX);
	return err < 0 ? err : dav_meta_parse(out, a, text);
}

void dav_meta_format(struct buf *b, const struct dav_meta *m)
{
	buf_fmt(b, "kind %s\n", kinds[m->kind]);
	if (m->components) {
		buf_add(b, STR("components"));
		for (unsigned i = 0; i < ARRAY_LEN(components); i++)
			if (m->components & 1u << i)
				buf_fmt(b, " %s", components[i]);
		buf_addc(b, '\n');
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct str *s = (const void *)((const char *)m + texts[i].offset);
		if (!s->p)
			continue;
		buf_fmt(b, "%s ", texts[i].key);
		escape(b, *s, false);
		buf_addc(b, '\n');
	}
	for (size_t i = 0; i < m->prop_count; i++) {
		buf_add(b, STR("prop "));
		escape(b, m->props[i].ns, true);
		buf_addc(b, ' ');
		escape(b, m->props[i].name, true);
		buf_addc(b, ' ');
		escape(b, m->props[i].xml, false);
		buf_addc(b, '\n');
	}
}
