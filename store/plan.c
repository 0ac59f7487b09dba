/* SPDX-License-Identifier: ISC */
#include "store/plan_impl.h"

static int make(struct plan *p)
{
	int err = plan_boundary(p);

	if (err >= 0)
		err = plan_commits(p);
	return err < 0 ? err : plan_trees(p);
}

int store_plan_make(struct store_plan **out, struct store *s, const struct store_fetch *f)
{
	struct plan *p;
	int err;

	if (s->closing)
		return err_set(ERR_CLOSED, "store: closing");
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(ERR_NOMEM, "store: out of memory");
	store_user_add(s);
	p->walk = history_begin(s);
	p->s = s;
	p->f = f;
	err = make(p);
	p->f = NULL;
	free(p->commits.p);
	free(p->extra.p);
	idset_free(&p->cut);
	idset_free(&p->old);
	idset_free(&p->have);
	idset_free(&p->held);
	idset_free(&p->done);
	p->commits = p->extra = (struct oids){ 0 };
	p->pub = (struct store_plan){ p->chosen.n, p->shallow.p, p->unshallow.p, p->shallow.n,
		p->unshallow.n };
	if (err < 0)
		store_plan_free(&p->pub);
	else
		*out = &p->pub;
	return err;
}

int store_plan_send(struct store_plan *pub, store_sink_fn *sink, void *ctx)
{
	struct plan *p = (struct plan *)pub;
	return pack_chosen(p->s, &p->chosen, sink, ctx);
}

void store_plan_free(struct store_plan *pub)
{
	struct plan *p = (struct plan *)pub;

	if (!p)
		return;
	history_end(p->s, p->walk);
	store_user_del(p->s);
	free(p->chosen.list);
	idset_free(&p->chosen.set);
	free(p->shallow.p);
	free(p->unshallow.p);
	free(p);
}
