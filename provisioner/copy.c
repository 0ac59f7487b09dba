/* SPDX-License-Identifier: ISC */
/*
 * A copy is made in one round: what refs there are, what of them is lacking, and the refs moved. A
 * small machine cannot send a long history at once (sync/upload.c plans in memory): then several
 * rounds go along it from its beginning, each leaving the copy whole, as it was at an earlier time.
 */
#include "provisioner/copy.h"
#include "provisioner/say.h"
#include "store/git_dir.h"

#define EVERY 64 /* commits between two milestones */

struct goal { /* a ref and where it is to stand */
	struct str name;
	struct store_oid id;
};
struct goals {
	struct arena *a;
	struct goal *p;
	size_t n, cap;
};
struct oids {
	struct store_oid *p;
	size_t n, cap;
};
struct copying {
	struct prov_copy *k;
	struct prov_client *client;
	struct sync_remote remote;
	struct git_dir *g;
	struct prov_progress bar;
	struct oids had, lacking, cut;
};

/* ---- lists ---- */
static int grow(void *array, size_t *cap, size_t n, size_t each_bytes)
{
	size_t more = *cap ? *cap * 2 : 16;
	void *old, *p;

	if (n < *cap)
		return 0;
	memcpy(&old, array, sizeof(old));
	p = realloc(old, more * each_bytes);
	if (!p)
		return err_set(ERR_NOMEM, "out of memory");
	memcpy(array, &p, sizeof(p));
	*cap = more;
	/* cppcheck-suppress memleak ; the array has it */
	return 0;
}

static int push(struct oids *v, const struct store_oid *id)
{
	int err = grow(&v->p, &v->cap, v->n, sizeof(*v->p));

	if (err == 0)
		v->p[v->n++] = *id;
	return err;
}

static bool has(const struct oids *v, const struct store_oid *id)
{
	for (size_t i = 0; i < v->n; i++)
		if (store_oid_eq(&v->p[i], id))
			return true;
	return false;
}

static int add_goal(void *ctx, struct str name, const struct store_oid *id)
{
	struct goals *v = ctx;
	int err = grow(&v->p, &v->cap, v->n, sizeof(*v->p));

	if (err < 0)
		return err;
	v->p[v->n] = (struct goal){ arena_dup(v->a, name), *id };
	return v->p[v->n++].name.p ? 0 : err_set(ERR_LIMIT, "too many branches");
}

static int set_goal(struct goals *v, struct str name, const struct store_oid *id)
{
	for (size_t i = 0; i < v->n; i++) {
		if (!str_eq(v->p[i].name, name))
			continue;
		v->p[i].id = *id;
		return 0;
	}
	return add_goal(v, name, id);
}

/* ---- one round ---- */
static int on_had(void *ctx, struct str ref, const struct store_oid *id)
{
	struct copying *c = ctx;

	(void)ref;
	return push(&c->had, id);
}

static int on_pack(void *ctx, struct str bytes)
{
	struct copying *c = ctx;
	uint64_t done, total;
	char size[16];
	int err = git_dir_pack(c->g, bytes);

	c->k->bytes += bytes.n;
	git_dir_progress(c->g, &done, &total);
	prov_progress(&c->bar, "%s: %llu of %llu objects, %s", c->k->verb, (unsigned long long)done,
		(unsigned long long)total, prov_size(size, c->k->bytes));
	return err;
}

static int on_cut(void *ctx, const struct store_oid *id)
{
	struct copying *c = ctx;

	return push(&c->cut, id);
}

static int on_shallow(void *ctx, const struct store_oid *id)
{
	struct copying *c = ctx;

	return git_dir_shallow(c->g, id);
}

static int fetch(struct copying *c)
{
	struct sync_lack lack = { .wants = c->lacking.p,
		.want_count = c->lacking.n,
		.haves = c->had.p,
		.have_count = c->had.n,
		.shallows = c->cut.p,
		.shallow_count = c->cut.n,
		.pack = on_pack,
		.shallow = on_shallow,
		.ctx = c };
	uint64_t objects, total;
	int err = sync_fetch(&c->remote, &lack);

	git_dir_progress(c->g, &objects, &total);
	c->k->objects += objects;
	return err;
}

static int transfer(struct copying *c, const struct goals *to)
{
	int err = git_dir_had(c->g, on_had, c);

	if (err == 0 && c->had.n)
		err = git_dir_shallows(c->k->dir, on_cut, c);
	if (err == ERR_NOENT)
		err = 0;
	for (size_t i = 0; i < to->n && err == 0; i++) {
		err = git_dir_ref(c->g, to->p[i].name, &to->p[i].id);
		if (err == 0 && !has(&c->had, &to->p[i].id) && !has(&c->lacking, &to->p[i].id))
			err = push(&c->lacking, &to->p[i].id);
	}
	return err < 0 ? err : fetch(c);
}

static int round_to(struct copying *c, const struct goals *to, bool whole)
{
	int err = git_dir_begin(&c->g, c->k->dir, whole);

	if (err < 0)
		return err;
	c->had.n = c->lacking.n = c->cut.n = 0;
	err = transfer(c, to);
	if (err == 0)
		return git_dir_end(c->g, c->k->head);
	git_dir_abort(c->g);
	return err;
}

/* ---- many rounds ---- */
static int on_milestone(void *ctx, const json_t *line)
{
	struct oids *v = ctx;
	const char *hex = json_string_value(json_object_get(line, "commit"));
	struct store_oid id;

	if (!hex || store_oid_parse(&id, str_of(hex)) < 0)
		return err_set(ERR_BAD, "the service sent what is no commit");
	return push(v, &id);
}

/* Newest first, the tip among them, of what came after where `now` has the branch. */
static int milestones(struct oids *out, struct copying *c, const struct goals *now, struct str ref)
{
	char hex[STORE_HEX];
	struct buf target;
	int err;

	buf_init(&target, &c->client->p->arena);
	buf_fmt(&target, "/v1/milestones?every=%d&ref=", EVERY);
	prov_encode(&target, ref);
	for (size_t i = 0; i < now->n; i++)
		if (str_eq(now->p[i].name, ref))
			buf_fmt(&target, "&until=%s", store_oid_hex(hex, &now->p[i].id));
	err = target.err;
	return err < 0 ? err : prov_lines(c->client, "GET", target.p, on_milestone, out);
}

/* Along one branch; `now` is what the copy has. As much at once as the other side will send. */
static int along(struct copying *c, struct goals *now, struct str ref, const struct oids *marks)
{
	size_t left = marks->n, step = marks->n;
	int err = 0;

	while (left > 0 && err == 0) {
		size_t take = step < left ? step : left;

		err = set_goal(now, ref, &marks->p[left - take]);
		if (err == 0)
			err = round_to(c, now, false);
		if (err == 0)
			left -= take;
		if (err == ERR_LIMIT && take > 1) {
			step = take / 2;
			err = 0;
		}
	}
	return err;
}

static int by_steps(struct copying *c, const struct goals *to)
{
	struct goals now = { .a = &c->client->p->arena };
	int err = git_dir_refs(c->k->dir, add_goal, &now);

	if (err == ERR_NOENT)
		err = 0;
	for (size_t i = 0; i < to->n && err == 0; i++) {
		struct oids marks = { 0 };

		if (!str_starts(to->p[i].name, STR("refs/heads/")))
			continue;
		err = milestones(&marks, c, &now, to->p[i].name);
		if (err == 0)
			err = along(c, &now, to->p[i].name, &marks);
		free(marks.p);
	}
	free(now.p);
	return err < 0 ? err : round_to(c, to, false);
}

/* ---- all ---- */
static int count(struct prov_copy *k, const struct goals *was, const struct goals *to)
{
	for (size_t i = 0; i < to->n; i++) {
		bool same = false;

		for (size_t j = 0; j < was->n && !same; j++)
			same = str_eq(was->p[j].name, to->p[i].name) &&
				store_oid_eq(&was->p[j].id, &to->p[i].id);
		k->moved += !same;
		if (k->names &&
			json_array_append_new(
				k->names, json_stringn(to->p[i].name.p, to->p[i].name.n)) < 0)
			return err_set(ERR_BAD, "a branch's name is no text");
	}
	k->refs = to->n;
	return 0;
}

static int copy(struct copying *c, struct goals *was, struct goals *to)
{
	int err = git_dir_refs(c->k->dir, add_goal, was);

	if (err < 0 && err != ERR_NOENT && err != ERR_IO) /* the folder may not be there yet */
		return err;
	/* The refs come first: whatever happens meanwhile, the pack then holds what they name. */
	err = sync_refs(&c->remote, c->k->prefix, add_goal, to);
	if (err == 0)
		err = count(c->k, was, to);
	if (err == 0)
		err = round_to(c, to, c->k->whole);
	return err == ERR_LIMIT ? by_steps(c, to) : err;
}

int prov_copy(struct prov_copy *k, struct prov_client *client)
{
	struct copying c = { .k = k, .client = client };
	struct goals was = { .a = &client->p->arena }, to = { .a = &client->p->arena };
	int err;

	prov_client_remote(&c.remote, client);
	err = copy(&c, &was, &to);
	prov_progress_end(&c.bar);
	free(was.p);
	free(to.p);
	free(c.had.p);
	free(c.lacking.p);
	free(c.cut.p);
	return err;
}
