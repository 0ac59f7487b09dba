/* SPDX-License-Identifier: ISC */
/* Items in and out. */
#include "services/control/control_impl.h"

#define FRAME_MAX 4096 /* bytes of the line before an item */

static bool unable(struct control *c, struct http_x *x)
{
	if (c->cfg.items)
		return false;
	control_fail(
		x, err_set(ERR_UNSUPPORTED, "this service has no items to import or export"), NULL);
	return true;
}

/* ---- in ---- */
static int read_body(struct buf *out, struct http_x *x)
{
	struct str part;
	int err;

	while ((err = http_body(&part, x)) == 0 && part.n) {
		if (out->n + part.n > CONTROL_ITEMS_BYTES)
			return err_set(ERR_LIMIT, "over %u bytes at once", CONTROL_ITEMS_BYTES);
		buf_add(out, part);
	}
	return err < 0 ? err : out->err;
}

static int split(struct str *items, size_t *n, struct str s)
{
	for (*n = 0; s.n; (*n)++) {
		struct str line;
		json_int_t bytes = -1;
		json_t *j;
		bool whole = str_cut(&line, &s, s, '\n');
		j = whole && line.n <= FRAME_MAX ? json_loadb(line.p, line.n, 0, NULL) : NULL;
		if (j)
			bytes = json_is_integer(json_object_get(j, "bytes"))
				? json_integer_value(json_object_get(j, "bytes"))
				: -1;
		json_decref(j);
		if (bytes < 0 || (uint64_t)bytes > s.n)
			return err_set(
				ERR_BAD, "item %zu: no line {bytes}, or fewer than it says", *n);
		if (*n == CONTROL_ITEMS_MAX)
			return err_set(ERR_LIMIT, "over %d items at once", CONTROL_ITEMS_MAX);
		items[*n] = str_sub(s, 0, (size_t)bytes);
		s = str_sub(s, (size_t)bytes, s.n);
	}
	return 0;
}

struct sending {
	struct http_x *x;
	bool begun;
};

static int send_row(void *ctx, json_t *row)
{
	struct sending *s = ctx;

	if (!s->begun)
		control_lines(s->x);
	s->begun = true;
	return control_line(s->x, row);
}

static void finish(struct sending *s, int err)
{
	if (err < 0 && !s->begun) {
		control_fail(s->x, err, NULL);
		return;
	}
	if (!s->begun)
		control_lines(s->x);
	control_lines_end(s->x, err);
}

static json_t *result(const struct control_intake *in)
{
	char hex[STORE_HEX];
	json_t *j = json_pack("{s:b}", "ok", 1);

	if (j && in->committed)
		json_object_set_new(j, "commit", json_string(store_oid_hex(hex, &in->commit)));
	return j;
}

void control_items_in(struct control *c, struct http_x *x, struct str rest)
{
	struct sending s = { .x = x };
	struct control_intake in = {
		.ref = control_param(x, "ref"),
		.collection = control_param(x, "collection"),
		.source = control_param(x, "source"),
		.keep = control_param(x, "keep").n > 0,
		.dry_run = control_param(x, "dry_run").n > 0,
		.row = send_row,
		.ctx = &s,
	};
	struct str *items;
	struct buf body;
	int err;

	(void)rest;
	if (unable(c, x))
		return;
	buf_init(&body, NULL);
	items = calloc(CONTROL_ITEMS_MAX, sizeof(*items));
	err = items ? read_body(&body, x) : err_set(ERR_NOMEM, "out of memory");
	if (err == 0 && !in.ref.n)
		err = err_set(ERR_BAD, "a ref must be given");
	if (err == 0 && body.n)
		err = split(items, &in.n, buf_str(&body));
	in.items = items;
	if (err == 0)
		err = c->cfg.items->take(c->cfg.items->ctx, &in);
	if (err == 0)
		err = send_row(&s, result(&in));
	finish(&s, err);
	buf_free(&body);
	free(items);
}

/* ---- out ---- */
static int send_item(void *ctx, struct str name, struct str bytes)
{
	struct sending *s = ctx;
	int err = send_row(s,
		json_pack("{s:o,s:I}", "item", control_text(name), "bytes", (json_int_t)bytes.n));

	return err < 0 || !bytes.n ? err : http_send(s->x, bytes);
}

static int send_left_out(void *ctx, struct str name, const char *why)
{
	return send_row(ctx, json_pack("{s:o,s:s}", "left_out", control_text(name), "why", why));
}

void control_items_out(struct control *c, struct http_x *x, struct str rest)
{
	struct sending s = { .x = x };
	struct control_outgo out = {
		.ref = control_param(x, "ref"),
		.collection = control_param(x, "collection"),
		.head = send_row,
		.item = send_item,
		.left_out = send_left_out,
		.ctx = &s,
	};
	int err;

	(void)rest;
	if (unable(c, x))
		return;
	err = c->cfg.items->give(c->cfg.items->ctx, &out);
	if (err == 0)
		err = send_row(&s, json_pack("{s:b}", "ok", 1));
	finish(&s, err);
}
