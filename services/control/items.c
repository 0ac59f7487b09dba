/* SPDX-License-Identifier: ISC */
/* Items in and out. */
#include "services/control/control_impl.h"

#define FRAME_MAX 4096 /* bytes of the line before an item */

static bool unable(struct control *c, struct http_x *x, bool in)
{
	const struct control_items *i = c->cfg.items;

	if (i && (in ? i->take || i->take_each : i->give != NULL))
		return false;
	control_fail(
		x, err_set(ERR_UNSUPPORTED, "this service has no items to import or export"), NULL);
	return true;
}

/* The line before an item; *bytes: how many follow. NULL: it is none. */
static json_t *frame(uint64_t *bytes, struct str line)
{
	json_t *j = json_loadb(line.p, line.n, 0, NULL);
	const json_t *n = json_object_get(j, "bytes");

	if (!json_is_integer(n) || json_integer_value(n) < 0) {
		json_decref(j);
		return NULL;
	}
	*bytes = (uint64_t)json_integer_value(n);
	return j;
}

/* ---- in, one by one ---- */
struct source {
	struct control_source s;
	struct http_x *x;
	struct str part; /* of the body, not yet given */
	uint64_t left;   /* of the item */
	json_t *head;
	struct buf line;
};

static int next_part(struct source *s)
{
	return s->part.n ? 0 : http_body(&s->part, s->x);
}

static int source_read(struct control_source *c, struct str *part)
{
	struct source *s = (struct source *)c;
	int err = s->left ? next_part(s) : 0;

	*part = str_sub(s->part, 0, s->left < s->part.n ? (size_t)s->left : s->part.n);
	if (err == 0 && s->left && part->n == 0)
		err = err_set(ERR_BAD, "the body ends within an item");
	s->left -= part->n;
	s->part = str_sub(s->part, part->n, s->part.n);
	return err;
}

static int no_line(void)
{
	return err_set(ERR_BAD, "no line {bytes} before an item");
}

/* A whole line in s->line; none at the end of the body. */
static int read_line(struct source *s)
{
	struct str head, rest;
	int err;

	s->line.n = 0;
	while ((err = next_part(s)) == 0 && s->part.n) {
		bool whole = str_cut(&head, &rest, s->part, '\n');
		buf_add(&s->line, head);
		s->part = rest;
		if (s->line.n > FRAME_MAX || (whole && !s->line.n))
			return no_line();
		if (whole || s->line.err < 0)
			return s->line.err;
	}
	return err < 0 || !s->line.n ? err : no_line();
}

static int source_next(struct control_source *c, const json_t **head, uint64_t *bytes)
{
	struct source *s = (struct source *)c;
	struct str part;
	int err = 0;

	*head = NULL;
	while (s->left && err == 0)
		err = source_read(c, &part);
	json_decref(s->head);
	s->head = NULL;
	if (err == 0)
		err = read_line(s);
	if (err < 0 || !s->line.n)
		return err;
	*head = s->head = frame(&s->left, buf_str(&s->line));
	*bytes = s->left;
	return s->head ? 0 : no_line();
}

static int take_each(struct control *c, struct control_intake *in, struct http_x *x)
{
	struct source s = { .s = { source_next, source_read }, .x = x };
	int err;

	buf_init(&s.line, NULL);
	err = c->cfg.items->take_each(c->cfg.items->ctx, in, &s.s);
	json_decref(s.head);
	buf_free(&s.line);
	return err;
}

/* ---- in, all at once ---- */
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
		uint64_t bytes = 0;
		bool whole = str_cut(&line, &s, s, '\n');
		json_t *j = whole && line.n <= FRAME_MAX ? frame(&bytes, line) : NULL;
		json_decref(j);
		if (!j || bytes > s.n)
			return err_set(
				ERR_BAD, "item %zu: no line {bytes}, or fewer than it says", *n);
		if (*n == CONTROL_ITEMS_MAX)
			return err_set(ERR_LIMIT, "over %d items at once", CONTROL_ITEMS_MAX);
		items[*n] = str_sub(s, 0, (size_t)bytes);
		s = str_sub(s, (size_t)bytes, s.n);
	}
	return 0;
}

static int take_all(struct control *c, struct control_intake *in, struct http_x *x)
{
	struct str *items = calloc(CONTROL_ITEMS_MAX, sizeof(*items));
	struct buf body;
	int err;

	buf_init(&body, NULL);
	err = items ? read_body(&body, x) : err_set(ERR_NOMEM, "out of memory");
	if (err == 0 && body.n)
		err = split(items, &in->n, buf_str(&body));
	in->items = items;
	if (err == 0)
		err = c->cfg.items->take(c->cfg.items->ctx, in);
	buf_free(&body);
	free(items);
	return err;
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
	int err;

	(void)rest;
	if (unable(c, x, true))
		return;
	err = in.ref.n ? 0 : err_set(ERR_BAD, "a ref must be given");
	if (err == 0)
		err = c->cfg.items->take ? take_all(c, &in, x) : take_each(c, &in, x);
	if (err == 0)
		err = send_row(&s, result(&in));
	finish(&s, err);
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
	if (unable(c, x, false))
		return;
	err = c->cfg.items->give(c->cfg.items->ctx, &out);
	if (err == 0)
		err = send_row(&s, json_pack("{s:b}", "ok", 1));
	finish(&s, err);
}
