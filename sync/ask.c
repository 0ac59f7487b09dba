/* SPDX-License-Identifier: ISC */
/* What a client asks for, line by line. */
#include "sync/git_wire.h"

#include <stdlib.h>

#define ASK_ARENA  (32 * 1024)
#define PREFIX_MAX 255

void git_ask_init(struct git_ask *q, int version)
{
	*q = (struct git_ask){ .version = version };
	arena_init(&q->arena, ASK_ARENA);
}

void git_ask_free(struct git_ask *q)
{
	free(q->wants.p);
	free(q->haves.p);
	free(q->shallows.p);
	arena_free(&q->arena);
}

static int oid_add(struct git_oids *v, struct str hex)
{
	struct store_oid id;
	int err = store_oid_parse(&id, hex);

	if (err < 0)
		return err_set(ERR_BAD, "git: an object id has 40 digits");
	if (v->n == v->cap) {
		size_t cap = v->cap ? v->cap * 2 : 16;
		struct store_oid *p = realloc(v->p, cap * sizeof(*p));
		if (!p)
			return err_set(ERR_NOMEM, "git: out of memory");
		v->p = p;
		v->cap = cap;
	}
	v->p[v->n++] = id;
	return 0;
}

static int want(struct git_ask *q, struct str hex)
{
	if (q->wants.n == GIT_WANTS_MAX)
		return err_set(ERR_LIMIT, "git: more than %d wants", GIT_WANTS_MAX);
	return oid_add(&q->wants, hex);
}

static int have(struct git_ask *q, struct str hex)
{
	return q->haves.n < GIT_HAVES_MAX ? oid_add(&q->haves, hex) : 0;
}

static int shallow(struct git_ask *q, struct str hex)
{
	if (q->shallows.n == GIT_SHALLOWS_MAX)
		return err_set(ERR_LIMIT, "git: more than %d shallow commits", GIT_SHALLOWS_MAX);
	return oid_add(&q->shallows, hex);
}

static int deepen(struct git_ask *q, struct str number)
{
	uint64_t n;

	if (str_u64(&n, number, INT32_MAX) < 0 || n == 0)
		return err_set(ERR_BAD, "git: deepen takes a number of commits");
	q->depth = (uint32_t)n;
	return 0;
}

static int deepen_otherwise(struct git_ask *q, struct str rest)
{
	(void)q, (void)rest;
	return err_set(ERR_UNSUPPORTED, "history is cut by --depth or --deepen only");
}

static int filter(struct git_ask *q, struct str rest)
{
	(void)q, (void)rest;
	return err_set(ERR_UNSUPPORTED, "--filter is not served here");
}

static int prefix(struct git_ask *q, struct str p)
{
	if (q->prefix_count < GIT_PREFIXES_MAX) {
		struct str copy = p.n <= PREFIX_MAX ? arena_dup(&q->arena, p) : STR_NONE;
		if (!copy.p)
			return err_set(ERR_LIMIT, "git: a ref-prefix over %d bytes", PREFIX_MAX);
		q->prefixes[q->prefix_count] = copy;
	}
	if (q->prefix_count <= GIT_PREFIXES_MAX)
		q->prefix_count++;
	return 0;
}

/* ---- words ---- */
struct word {
	const char *name;
	size_t flag; /* where its bool stands in git_ask; 0: none */
	int (*take)(struct git_ask *q, struct str rest);
};
#define FLAG(name, field) { name, offsetof(struct git_ask, field), NULL }
#define NO_MATTER(name)   { name, 0, NULL }

/* true: the word is one of rows */
static int match(bool *known, struct git_ask *q, const struct word *w, struct str text)
{
	struct str name, rest;

	str_cut(&name, &rest, text, ' ');
	*known = true;
	for (; w->name; w++) {
		if (!str_eq(name, str_of(w->name)))
			continue;
		if (w->take)
			return w->take(q, rest);
		if (w->flag)
			*((bool *)((char *)q + w->flag)) = true;
		return 0;
	}
	*known = false;
	return 0;
}

static const struct word fetch_words[] = { { "want", 0, want }, { "have", 0, have },
	{ "shallow", 0, shallow }, { "deepen", 0, deepen }, FLAG("done", done),
	FLAG("deepen-relative", relative), FLAG("no-progress", no_progress), NO_MATTER("thin-pack"),
	NO_MATTER("ofs-delta"), NO_MATTER("include-tag"), { "filter", 0, filter },
	{ "deepen-since", 0, deepen_otherwise }, { "deepen-not", 0, deepen_otherwise },
	{ NULL, 0, NULL } };
static const struct word list_words[] = { FLAG("symrefs", symrefs), FLAG("unborn", unborn),
	NO_MATTER("peel"), { "ref-prefix", 0, prefix }, { NULL, 0, NULL } };
static const struct word old_words[] = { { "have", 0, have }, FLAG("done", done),
	{ NULL, 0, NULL } };
static const struct word old_wants[] = { { "want", 0, want }, { "shallow", 0, shallow },
	{ "deepen", 0, deepen }, { "filter", 0, filter }, { "deepen-since", 0, deepen_otherwise },
	{ "deepen-not", 0, deepen_otherwise }, { NULL, 0, NULL } };
static const struct word capabilities[] = { FLAG("multi_ack", multi_ack),
	FLAG("multi_ack_detailed", detailed), FLAG("no-done", no_done),
	FLAG("side-band", side_band), FLAG("side-band-64k", side_band_64k),
	FLAG("no-progress", no_progress), FLAG("deepen-relative", relative), { NULL, 0, NULL } };

static int take_line(struct git_ask *q, const struct word *words, struct str text)
{
	bool known;
	int err = match(&known, q, words, text);

	if (err >= 0 && !known)
		return err_set(ERR_BAD, "git: did not expect \"%.*s\"",
			text.n < 60 ? (int)text.n : 60, text.p);
	return err;
}

/* ---- v2: command=..., capabilities, delimiter, arguments, flush ---- */
static int take_command(struct git_ask *q, struct str text)
{
	struct str key, value;

	str_cut(&key, &value, text, '=');
	if (str_eq(key, STR("object-format")) && !str_eq(value, STR("sha1")))
		return err_set(ERR_UNSUPPORTED, "object-format sha1 only");
	if (!str_eq(key, STR("command")))
		return 0; /* agent and the like */
	if (q->named)
		return err_set(ERR_BAD, "git: two commands at once");
	q->named = true;
	if (str_eq(value, STR("ls-refs")))
		q->command = GIT_LS_REFS;
	else if (!str_eq(value, STR("fetch")))
		return err_set(ERR_UNSUPPORTED, "git: no such command here");
	return 0;
}

static int take_v2(struct git_ask *q, const struct pkt *p)
{
	switch (p->kind) {
	case PKT_FLUSH: q->ended = true; return q->named ? 0 : err_set(ERR_BAD, "git: no command");
	case PKT_DELIM:
		if (q->args || !q->named)
			return err_set(ERR_BAD, "git: a delimiter out of place");
		q->args = true;
		return 0;
	case PKT_DATA:
		if (!q->args)
			return take_command(q, p->data);
		return take_line(q, q->command == GIT_FETCH ? fetch_words : list_words, p->data);
	default: return err_set(ERR_BAD, "git: a packet out of place");
	}
}

/* ---- v0: wants (the first with capabilities), shallows, deepen, flush, haves, flush or done ---- */
static int take_first(struct git_ask *q, struct str text)
{
	struct str verb, id, words, one;
	bool known;
	int err;

	q->began = true;
	str_cut(&verb, &id, text, ' ');
	str_cut(&id, &words, id, ' ');
	if (!str_eq(verb, STR("want")))
		return take_line(q, old_wants, text);
	err = want(q, id);
	while (words.n > 0 && err >= 0) {
		str_cut(&one, &words, words, ' ');
		err = match(&known, q, capabilities, one);
	}
	return err;
}

static int take_v0(struct git_ask *q, const struct pkt *p)
{
	int err;

	if (p->kind == PKT_FLUSH) {
		q->flushed = q->args;
		q->ended = q->args || !q->began;
		q->args = true;
		return 0;
	}
	if (p->kind != PKT_DATA)
		return err_set(ERR_BAD, "git: a packet out of place");
	if (q->args) {
		err = take_line(q, old_words, p->data);
		q->ended = q->done;
		return err;
	}
	return q->began ? take_line(q, old_wants, p->data) : take_first(q, p->data);
}

int git_ask_take(struct git_ask *q, const struct pkt *p)
{
	return q->version == 2 ? take_v2(q, p) : take_v0(q, p);
}

bool git_ask_prefix(const struct git_ask *q, struct str ref)
{
	if (q->prefix_count == 0 || q->prefix_count > GIT_PREFIXES_MAX)
		return true;
	for (size_t i = 0; i < q->prefix_count; i++)
		if (str_starts(ref, q->prefixes[i]))
			return true;
	return false;
}

/* ---- others ---- */
int git_version(struct str header)
{
	struct str one;

	while (header.n > 0) {
		str_cut(&one, &header, header, ':');
		if (str_eq(str_trim(one), STR("version=2")))
			return 2;
	}
	return 0;
}

bool git_ref_visible(struct str user, struct str ref)
{
	static const char *const shared[] = { "refs/devices/", "refs/endpoints/" };
	struct str place, rest;

	if (user.n == 0 || str_eq(user, STR("estate"))) /* the registry is no person's */
		return false;
	if (str_starts(ref, STR("refs/heads/")))
		return str_eq(str_sub(ref, 11, ref.n), user);
	for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
		struct str p = str_of(shared[i]);
		if (!str_starts(ref, p))
			continue;
		if (str_cut(&place, &rest, str_sub(ref, p.n, ref.n), '/') && place.n > 0)
			return str_eq(rest, user);
	}
	return false;
}
