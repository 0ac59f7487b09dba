/* SPDX-License-Identifier: ISC */
/* What a push asks for: lines "<old id> <new id> <ref>", capabilities behind the first one. */
#include "identity/registry.h"
#include "sync/git_wire.h"

#define ARENA_BYTES (48 * 1024)

void git_moves_init(struct git_moves *q)
{
	*q = (struct git_moves){ 0 };
	arena_init(&q->arena, ARENA_BYTES);
}

void git_moves_free(struct git_moves *q)
{
	arena_free(&q->arena);
}

/* *some false: forty zeros. */
static int take_id(struct store_oid *out, bool *some, struct str *rest)
{
	static const struct store_oid none;
	struct str hex;

	str_cut(&hex, rest, *rest, ' ');
	if (store_oid_parse(out, hex) < 0)
		return err_set(ERR_BAD, "git: an object id has 40 digits");
	*some = !store_oid_eq(out, &none);
	return 0;
}

static int take_words(struct git_moves *q, struct str words)
{
	static const struct {
		const char *name;
		size_t flag;
	} rows[] = { { "report-status", offsetof(struct git_moves, report) },
		{ "report-status-v2", offsetof(struct git_moves, report) },
		{ "side-band-64k", offsetof(struct git_moves, side_band_64k) },
		{ "atomic", offsetof(struct git_moves, atomic) },
		{ "quiet", offsetof(struct git_moves, quiet) } };
	struct str one;

	while (words.n > 0) {
		str_cut(&one, &words, words, ' ');
		if (str_starts(one, STR("object-format=")) &&
			!str_eq(one, STR("object-format=sha1")))
			return err_set(ERR_UNSUPPORTED, "object-format sha1 only");
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			if (str_eq(one, str_of(rows[i].name)))
				*((bool *)((char *)q + rows[i].flag)) = true;
	}
	return 0;
}

static int take_move(struct git_moves *q, struct str line)
{
	struct git_move m, *to;
	int err = take_id(&m.from, &m.has_from, &line);

	if (err >= 0)
		err = take_id(&m.to, &m.has_to, &line);
	if (err < 0)
		return err;
	if (line.n == 0 || line.n > GIT_REF_BYTES)
		return err_set(ERR_BAD, "git: not a move of a ref");
	if (q->n == GIT_MOVES_MAX)
		return err_set(ERR_LIMIT, "git: more than %d refs in one push", GIT_MOVES_MAX);
	if (!q->p)
		q->p = arena_alloc(&q->arena, GIT_MOVES_MAX * sizeof(*q->p));
	m.ref = arena_dup(&q->arena, line);
	if (!q->p || !m.ref.p)
		return err_set(ERR_LIMIT, "git: no room for the request");
	to = &q->p[q->n++];
	*to = m;
	for (struct git_move *other = q->p; other < to; other++)
		if (str_eq(other->ref, m.ref))
			return err_set(ERR_BAD, "git: one ref is moved twice");
	return 0;
}

int git_moves_take(struct git_moves *q, const struct pkt *p)
{
	struct str line, words;
	int err = 0;

	if (p->kind == PKT_FLUSH) {
		q->ended = true;
		return 0;
	}
	if (p->kind != PKT_DATA)
		return err_set(ERR_BAD, "git: a packet out of place");
	/* A shallow sender tells where; that all is there is found out in any case. */
	if (str_starts(p->data, STR("shallow ")))
		return 0;
	if (str_starts(p->data, STR("push-cert")))
		return err_set(ERR_UNSUPPORTED, "signed pushes are not taken here");
	str_cut(&line, &words, p->data, 0);
	if (!q->began)
		err = take_words(q, words);
	q->began = true;
	return err < 0 ? err : take_move(q, line);
}

/* ---- which refs ---- */
int git_push_ref(struct str *device, struct str user, struct str only, struct str ref)
{
	static const char taken[] = "refs/devices/<device>/";
	struct str rest, whose;

	if (!git_ref_visible(user, ref) || str_starts(ref, STR("refs/endpoints/")))
		return err_set(ERR_DENIED, "not taken here: push to %s%.*s", taken, STR_ARG(user));
	if (!str_starts(ref, STR("refs/devices/")))
		return err_set(ERR_DENIED,
			"written by this server alone: push to %s%.*s, it is merged", taken,
			STR_ARG(user));
	str_cut(&rest, &whose, str_sub(ref, 13, ref.n), '/');
	if (!id_device_ok(rest))
		return err_set(ERR_DENIED,
			"a device's name has 1 to %d lower-case letters, digits and '-'",
			ID_DEVICE_BYTES_MAX);
	if (only.n && !str_eq(rest, only))
		return err_set(ERR_DENIED,
			"this token is the device's called %.*s: push to refs/devices/%.*s/%.*s",
			STR_ARG(only), STR_ARG(only), STR_ARG(user));
	*device = rest;
	return 0;
}
