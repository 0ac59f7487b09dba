/* SPDX-License-Identifier: ISC */
#include "provisioner/give.h"
#include "provisioner/say.h"

#define LINE_MAX_BYTES 65536

struct giving {
	const struct prov_give *g;
	struct buf part; /* of a line, or of an item */
	struct buf name; /* of the item under way */
	uint64_t left;   /* bytes of it to come */
	bool in_item, done;
};

void prov_left_out(struct prov_written *out, struct str name, const char *why)
{
	out->skipped++;
	prov_note("%.*s: left out: %s", STR_ARG(name), why);
}

static int take_line(struct giving *v, struct str line)
{
	json_t *j = json_loadb(line.p, line.n, 0, NULL);
	const char *error = json_string_value(json_object_get(j, "error"));
	const char *item = json_string_value(json_object_get(j, "item"));
	const char *left = json_string_value(json_object_get(j, "left_out"));
	const char *why = json_string_value(json_object_get(j, "why"));
	json_int_t bytes = json_integer_value(json_object_get(j, "bytes"));
	int err = 0;

	if (error)
		err = err_set(ERR_IO, "%s", error);
	else if (item && bytes >= 0 && bytes <= (json_int_t)CONTROL_ITEMS_BYTES) {
		v->in_item = true;
		v->left = (uint64_t)bytes;
		v->name.n = 0;
		buf_addz(&v->name, item);
	} else if (left && why)
		prov_left_out(v->g->out, str_of(left), why);
	else if (json_object_get(j, "collection"))
		err = v->g->head(v->g->ctx, j);
	else if (json_is_true(json_object_get(j, "ok")))
		v->done = true;
	else
		err = err_set(ERR_BAD, "the service's reply is not understood");
	json_decref(j);
	return err;
}

static int end_item(struct giving *v)
{
	int err = v->part.err < 0 ? v->part.err : v->name.err;

	if (err == 0)
		err = v->g->item(
			v->g->ctx, buf_str(&v->name), v->part.n ? buf_str(&v->part) : STR(""));
	v->in_item = false;
	v->part.n = 0;
	return err;
}

/* Takes what belongs to the item, or to the line, off `s`. */
static int step(struct giving *v, struct str *s)
{
	ptrdiff_t nl = v->in_item ? -1 : str_chr(*s, '\n');
	size_t n = v->in_item ? (v->left < s->n ? (size_t)v->left : s->n)
		: nl < 0      ? s->n
			      : (size_t)nl;
	int err = 0;

	buf_add(&v->part, str_sub(*s, 0, n));
	*s = str_sub(*s, n + (nl >= 0), s->n);
	if (v->in_item) {
		v->left -= n;
	} else if (nl >= 0) {
		err = v->part.err < 0 ? v->part.err : take_line(v, buf_str(&v->part));
		v->part.n = 0;
	} else if (v->part.n > LINE_MAX_BYTES) {
		err = err_set(ERR_LIMIT, "a line of the service's reply is too long");
	}
	return err == 0 && v->in_item && v->left == 0 ? end_item(v) : err;
}

static int take(void *ctx, struct str bytes)
{
	int err = 0;

	while (bytes.n && err == 0)
		err = step(ctx, &bytes);
	return err;
}

int prov_give(struct prov_client *c, const char *target, const struct prov_give *g)
{
	struct giving v = { .g = g };
	int err;

	buf_init(&v.part, NULL);
	buf_init(&v.name, NULL);
	err = prov_bytes(c, target, take, &v);
	if (err == 0 && !v.done)
		err = err_set(ERR_CLOSED, "the reply ended in the middle");
	buf_free(&v.part);
	buf_free(&v.name);
	return err;
}
