/* SPDX-License-Identifier: ISC */
#include "provisioner/copy.h"
#include "provisioner/say.h"
#include "store/git_dir.h"

struct oids {
	struct store_oid *p;
	size_t n, cap;
};
struct copying {
	struct prov_copy *k;
	struct git_dir *g;
	struct prov_progress bar;
	struct oids had, lacking, cut;
};

static int push(struct oids *v, const struct store_oid *id)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? v->cap * 2 : 16;
		struct store_oid *p = realloc(v->p, cap * sizeof(*p));

		if (!p)
			return err_set(ERR_NOMEM, "out of memory");
		v->p = p;
		v->cap = cap;
	}
	v->p[v->n++] = *id;
	return 0;
}

static bool has(const struct oids *v, const struct store_oid *id)
{
	for (size_t i = 0; i < v->n; i++)
		if (store_oid_eq(&v->p[i], id))
			return true;
	return false;
}

static int on_had(void *ctx, struct str ref, const struct store_oid *id)
{
	struct copying *c = ctx;

	(void)ref;
	return push(&c->had, id);
}

static int on_ref(void *ctx, struct str ref, const struct store_oid *id)
{
	struct copying *c = ctx;
	int err = git_dir_ref(c->g, ref, id);

	c->k->refs++;
	if (c->k->names && json_array_append_new(c->k->names, json_stringn(ref.p, ref.n)) < 0)
		return err_set(ERR_BAD, "a branch's name is no text");
	if (err < 0 || has(&c->had, id) || has(&c->lacking, id))
		return err;
	c->k->moved++;
	return push(&c->lacking, id);
}

static int on_pack(void *ctx, struct str bytes)
{
	struct copying *c = ctx;
	uint64_t total;
	char size[16];
	int err = git_dir_pack(c->g, bytes);

	c->k->bytes += bytes.n;
	git_dir_progress(c->g, &c->k->objects, &total);
	prov_progress(&c->bar, "%s: %llu of %llu objects, %s", c->k->verb,
		(unsigned long long)c->k->objects, (unsigned long long)total,
		prov_size(size, c->k->bytes));
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

/* The refs come first: whatever happens meanwhile, the pack then holds what they name. */
static int transfer(struct copying *c, const struct sync_remote *r)
{
	struct sync_lack lack = { .pack = on_pack, .shallow = on_shallow, .ctx = c };
	int err = git_dir_had(c->g, on_had, c);

	if (err == 0 && c->had.n)
		err = git_dir_shallows(c->k->dir, on_cut, c);
	if (err == ERR_NOENT)
		err = 0;

	if (err == 0)
		err = sync_refs(r, c->k->prefix, on_ref, c);
	lack.wants = c->lacking.p;
	lack.want_count = c->lacking.n;
	lack.haves = c->had.p;
	lack.have_count = c->had.n;
	lack.shallows = c->cut.p;
	lack.shallow_count = c->cut.n;
	return err < 0 ? err : sync_fetch(r, &lack);
}

int prov_copy(struct prov_copy *k, struct prov_client *client)
{
	struct copying c = { .k = k };
	struct sync_remote r;
	int err = git_dir_begin(&c.g, k->dir, k->whole);

	if (err < 0)
		return err;
	prov_client_remote(&r, client);
	err = transfer(&c, &r);
	if (err == 0)
		err = git_dir_end(c.g, k->head);
	else
		git_dir_abort(c.g);
	prov_progress_end(&c.bar);
	free(c.had.p);
	free(c.lacking.p);
	free(c.cut.p);
	return err;
}
