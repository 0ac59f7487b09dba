/* SPDX-License-Identifier: ISC */
/* Commits and tags are text: reading them, and whether git can (verify, receive). */
#include "store/store_impl.h"

struct str person_trim(struct str s)
{
	static const char marks[] = ",:;<>\"\\'";

	while (s.n > 0 && ((uint8_t)s.p[0] <= ' ' || memchr(marks, s.p[0], sizeof(marks) - 1)))
		s = str_sub(s, 1, s.n);
	while (s.n > 0 &&
		((uint8_t)s.p[s.n - 1] <= ' ' || memchr(marks, s.p[s.n - 1], sizeof(marks) - 1)))
		s.n--;
	return s;
}

bool text_field(struct str *value, struct str *rest, const char *name)
{
	struct str line, key, after;

	if (!str_cut(&line, &after, *rest, '\n') || !str_cut(&key, value, line, ' ') ||
		!str_eq(key, str_of(name)))
		return false;
	*rest = after;
	return true;
}

struct person {
	struct str name, email;
	int64_t time;
};

/* "Name <address> 1700000000 +0100"; git allows what follows the address to be missing. */
static bool read_person(struct person *out, struct str line)
{
	size_t open = line.n, close = line.n;
	struct str date, zone;
	uint64_t t = 0;

	while (open > 0 && line.p[open - 1] != '<')
		open--;
	while (close > open && line.p[close - 1] != '>')
		close--;
	if (open == 0 || close <= open)
		return false;
	out->name = person_trim(str_sub(line, 0, open - 1));
	out->email = person_trim(str_sub(line, open, close - 1));
	str_cut(&date, &zone, str_trim(str_sub(line, close + 1, line.n)), ' ');
	if (close + 1 < line.n && str_u64(&t, date, INT64_MAX) < 0)
		return false;
	out->time = (int64_t)t;
	return true;
}

static int damaged(void)
{
	return err_set(ERR_CORRUPT, "store: a commit is damaged");
}

int commit_parse(struct commit_fields *out, struct str text)
{
	struct person author, committer;
	struct str value, line;

	out->parent_count = 0;
	if (!text_field(&value, &text, "tree") || store_oid_parse(&out->tree, value) < 0)
		return damaged();
	while (text_field(&value, &text, "parent")) {
		if (out->parent_count == COMMIT_PARENTS)
			return err_set(
				ERR_LIMIT, "store: a commit with over %d parents", COMMIT_PARENTS);
		if (store_oid_parse(&out->parents[out->parent_count++], value) < 0)
			return damaged();
	}
	if (!text_field(&value, &text, "author") || !read_person(&author, value))
		return damaged();
	while (text_field(&value, &text, "author")) /* some tools write several */
		if (!read_person(&committer, value))
			return damaged();
	if (!text_field(&value, &text, "committer") || !read_person(&committer, value))
		return damaged();
	out->author_name = author.name;
	out->author_email = author.email;
	out->time = committer.time;
	while (str_cut(&line, &text, text, '\n') && line.n > 0) /* encoding, signature */
		;
	out->message = text;
	return 0;
}

static bool tag_sound(struct str text)
{
	struct person tagger;
	struct store_oid id;
	struct str value, line;
	int type = OBJ_COMMIT;

	if (!text_field(&value, &text, "object") || store_oid_parse(&id, value) < 0 ||
		!text_field(&value, &text, "type"))
		return false;
	while (type <= OBJ_TAG && !str_eq(value, str_of(obj_type_name(type))))
		type++;
	if (type > OBJ_TAG || !text_field(&value, &text, "tag"))
		return false;
	if (text.n > 0 && text.p[0] != '\n' &&
		(!text_field(&value, &text, "tagger") || !read_person(&tagger, value)))
		return false;
	if (text.n == 0)
		return true; /* no message */
	while (str_cut(&line, &text, text, '\n'))
		if (line.n == 0)
			return true;
	return false;
}

static bool tree_sound(struct str bytes)
{
	struct tcur c = { (const uint8_t *)bytes.p, bytes.n, 0 };
	struct tent t;
	int err;

	while ((err = tree_next(&t, &c)) >= 0)
		if (t.mode > MODE_MAX)
			return false;
	return err == ERR_NOENT;
}

bool object_readable(int type, struct str bytes)
{
	struct commit_fields c;

	switch (type) {
	case OBJ_COMMIT: return commit_parse(&c, bytes) >= 0;
	case OBJ_TREE: return tree_sound(bytes);
	case OBJ_TAG: return tag_sound(bytes);
	default: return true;
	}
}
