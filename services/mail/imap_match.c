/* SPDX-License-Identifier: ISC */
#include "services/mail/imap_match.h"

#define PIECE      4096
#define YIELD_WORK (256 * 1024) /* bytes read, or a thousand messages looked at, between yields */
#define PART_MAX   (2 * 1024 * 1024)
#define ROW_WORK   256

void imap_match_begin(struct imap_match *x, struct imap *c, const struct imap_query *q)
{
	const struct imap_view *v = &c->view;
	*x = (struct imap_match){ .c = c, .q = q, .now_sec = os_wall_sec() };
	buf_init(&x->window, NULL);
	buf_init(&x->decoded, NULL);
	arena_init(&x->part, PART_MAX);
	for (size_t i = 0; i < q->set_count; i++) {
		struct imap_key *k = q->sets[i];
		if (k->op == IMAP_KEY_KEYWORD)
			k->bits = imap_keyword_bits(v->box, &k->text, 1);
		else if (k->op == IMAP_KEY_UID)
			imap_set_resolve(&k->set, v->n ? v->rows[v->n - 1].uid : 0);
		else
			imap_set_resolve(&k->set, (uint32_t)v->n);
	}
}

void imap_match_end(struct imap_match *x)
{
	buf_free(&x->window);
	buf_free(&x->decoded);
	arena_free(&x->part);
}

/* ---- the header ---- */
static void fail(struct imap_match *x, int err)
{
	if (x->err == 0)
		x->err = err;
}

static void count_fields(struct imap_match *x, struct str block)
{
	struct mime_header h;
	struct str name, value, whole;
	size_t n = 0;
	mime_header_begin(&h, block);
	while (mime_header_next(&name, &value, &whole, &h))
		n++;
	x->fields = arena_zalloc(&x->c->scratch, (n ? n : 1) * sizeof(*x->fields));
	if (!x->fields) {
		fail(x, err_set(ERR_LIMIT, "a header is too large to search"));
		return;
	}
	mime_header_begin(&h, block);
	while (x->field_count < n && mime_header_next(&name, &value, &whole, &h))
		x->fields[x->field_count++] = (struct imap_field){ name, value, STR_NONE };
}

static void load_summary(struct imap_match *x)
{
	struct imap_rd rd;
	if (x->have_summary)
		return;
	x->have_summary = true;
	x->summary = (struct mail_summary){ 0 };
	x->envelope = (struct imap_envelope){ 0 };
	int err = mail_summary(&x->summary, &x->c->scratch, x->c->view.box, &x->m);
	if (err < 0) {
		fail(x, err);
		return;
	}
	imap_rd_init(&rd, x->summary.envelope, &x->c->scratch);
	imap_envelope_read(&x->envelope, &rd);
	if (rd.why)
		fail(x, err_set(ERR_LIMIT, "an envelope is too large to search"));
}

static void load_header(struct imap_match *x)
{
	struct str block = STR_NONE;
	if (x->have_header)
		return;
	x->have_header = true;
	load_summary(x);
	int err = imap_load(&block, x->c, &x->m, 0, x->summary.header_bytes);
	if (err < 0)
		fail(x, err);
	else
		count_fields(x, block);
	x->work_bytes += block.n;
}

/* A header value as people read it: unfolded, decoded, case-folded; at the end of `out`. */
static void add_value(struct buf *out, struct arena *a, struct str value)
{
	struct buf flat;
	buf_init(&flat, a);
	value = str_trim(value);
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\r' && value.p[i] != '\n')
			buf_addc(&flat, value.p[i]);
	mime_fold(out, mime_decode_words(a, flat.p ? buf_str(&flat) : STR("")));
	if (flat.err < 0)
		out->err = flat.err;
}

static struct str field_text(struct imap_match *x, struct imap_field *f)
{
	struct buf b;
	if (f->text.p)
		return f->text;
	buf_init(&b, &x->c->scratch);
	mime_fold(&b, f->name);
	buf_addz(&b, ": ");
	size_t at = b.n;
	add_value(&b, &x->c->scratch, f->value);
	if (b.err < 0) {
		fail(x, err_set(ERR_LIMIT, "a header is too large to search"));
		return STR("");
	}
	f->text = buf_str(&b);
	f->value = str_sub(f->text, at, f->text.n); /* the raw one is done with */
	return f->text;
}

static bool match_header(struct imap_match *x, const struct imap_key *k)
{
	load_header(x);
	for (size_t i = 0; i < x->field_count; i++) {
		struct imap_field *f = &x->fields[i];
		if (!str_ieq(f->name, k->name))
			continue;
		field_text(x, f);
		if (!k->text.n || (f->text.p && str_find(f->value, k->text) >= 0))
			return true;
	}
	return false;
}

static bool match_envelope(struct imap_match *x, const struct imap_key *k)
{
	enum imap_envelope_field f = (enum imap_envelope_field)k->num;
	struct buf b;
	load_summary(x);
	if (!x->envelope.field[f].p || !k->text.n)
		return x->envelope.field[f].p != NULL;
	arena_reset(&x->part);
	buf_init(&b, &x->part);
	imap_envelope_text(&b, &x->part, &x->envelope, f);
	if (b.err < 0)
		fail(x, err_set(ERR_LIMIT, "a header is too large to search"));
	return b.err == 0 && b.p && str_find(buf_str(&b), k->text) >= 0;
}

static bool match_sent(struct imap_match *x, const struct imap_key *k)
{
	int64_t sec, day;
	int zone;
	load_summary(x);
	struct str date = x->envelope.field[IMAP_ENVELOPE_DATE];
	if (!date.p || mime_date(&sec, &zone, date) < 0)
		return false;
	sec += (int64_t)zone * 60;
	day = sec >= 0 ? sec / 86400 : -((-sec + 86399) / 86400);
	return k->op == IMAP_KEY_SENTBEFORE ? day < k->num
		: k->op == IMAP_KEY_SENTON  ? day == k->num
					    : day >= k->num;
}

static void search_head(struct imap_match *x, size_t needle)
{
	load_header(x);
	for (size_t i = 0; i < x->field_count && !x->in_head[needle]; i++)
		x->in_head[needle] =
			str_find(field_text(x, &x->fields[i]), x->q->needles[needle]) >= 0;
}

/* ---- the body: all needles in one pass ---- */
static bool all_found(const struct imap_match *x)
{
	return x->in_body_count == x->q->needle_count;
}

/* Looks at the window, and keeps of it what may be the beginning of a needle. */
static void look(struct imap_match *x, bool last)
{
	struct str text = buf_str(&x->window);
	for (size_t i = 0; i < x->q->needle_count; i++)
		if (!x->in_body[i] && text.p && str_find(text, x->q->needles[i]) >= 0) {
			x->in_body[i] = true;
			x->in_body_count++;
		}
	size_t keep = x->q->needle_bytes ? x->q->needle_bytes - 1 : 0;
	keep = last ? 0 : keep < x->window.n ? keep : x->window.n;
	if (keep && text.p)
		memmove(x->window.p, x->window.p + x->window.n - keep, keep);
	x->window.n = keep;
}

/* What was decoded, whole characters by contract, goes folded into the window. */
static void fold_decoded(struct imap_match *x, bool last)
{
	mime_fold(&x->window, buf_str(&x->decoded));
	x->decoded.n = 0;
	look(x, last);
}

static int search_part(struct imap_match *x, const struct mime_part *p, char *piece)
{
	struct mime_text t;
	uint64_t at = p->body_at;
	int err =
		mime_text_begin(&t, &x->c->scratch, p->encoding, mime_param(p->params, "charset"));
	if (err < 0)
		return err;
	x->window.n = x->decoded.n = 0;
	while (err == 0 && at < p->end_at && !all_found(x)) {
		size_t n = p->end_at - at < PIECE ? p->end_at - at : PIECE;
		err = store_blob_read(&n, x->c->conf->store, &x->m.blob, at, piece, n);
		if (err < 0 || !n)
			break;
		at += n;
		mime_text_push(&t, str_n(piece, n), at == p->end_at, &x->decoded);
		fold_decoded(x, at == p->end_at);
		err = x->window.err < 0 ? x->window.err : x->decoded.err;
		x->work_bytes += n;
		if (x->work_bytes > YIELD_WORK) {
			x->work_bytes = 0;
			os_yield();
		}
	}
	mime_text_end(&t);
	return err;
}

/* The header of a message within the message. */
static int search_inner_header(struct imap_match *x, const struct mime_part *p)
{
	struct mime_header h;
	struct str name, value, whole;
	mime_header_begin(&h, p->header);
	while (mime_header_next(&name, &value, &whole, &h)) {
		mime_fold(&x->window, name);
		buf_addz(&x->window, ": ");
		arena_reset(&x->part);
		add_value(&x->window, &x->part, value);
		if (x->window.err < 0)
			return x->window.err;
		look(x, true);
	}
	return 0;
}

static const struct mime_part *next_part(const struct mime_part *p)
{
	if (p->child)
		return p->child;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

static void load_body(struct imap_match *x)
{
	if (x->have_body)
		return;
	x->have_body = true;
	char *piece = arena_alloc(&x->c->scratch, PIECE);
	int err = piece ? imap_tree_load(x->c, &x->m) : ERR_LIMIT;
	if (err < 0) {
		fail(x, err);
		return;
	}
	for (const struct mime_part *p = x->c->tree.root; err == 0 && p && !all_found(x);
		p = next_part(p)) {
		if (p->header.p && p->parent)
			err = search_inner_header(x, p);
		if (err == 0 && !p->child && str_ieq(p->type, STR("text")))
			err = search_part(x, p, piece);
	}
	if (err < 0)
		fail(x, err);
}

static bool match_needle(struct imap_match *x, const struct imap_key *k)
{
	size_t i = (size_t)k->num;
	if (!x->q->needles[i].n)
		return true;
	if (k->op == IMAP_KEY_TEXT) {
		search_head(x, i);
		if (x->in_head[i])
			return true;
	}
	load_body(x);
	return x->in_body[i];
}

/* ---- the tree of keys ---- */
static int64_t day_of(int64_t sec)
{
	return sec >= 0 ? sec / 86400 : -((-sec + 86399) / 86400);
}

static bool match_emailid(const struct imap_match *x, const struct imap_key *k)
{
	char hex[STORE_HEX];
	return str_eq(k->text, str_of(store_oid_hex(hex, &x->m.blob)));
}

static bool match_key(struct imap_match *x, const struct imap_key *k)
{
	const struct imap_key *c;
	switch (k->op) {
	case IMAP_KEY_AND:
		for (c = k->child; c; c = c->next)
			if (!match_key(x, c))
				return false;
		return true;
	case IMAP_KEY_OR: return match_key(x, k->child) || match_key(x, k->child->next);
	case IMAP_KEY_NOT: return !match_key(x, k->child);
	case IMAP_KEY_SEQ: return imap_set_has(&k->set, (uint32_t)x->row + 1);
	case IMAP_KEY_UID: return imap_set_has(&k->set, x->m.uid);
	case IMAP_KEY_FLAG: return (x->m.flags & k->num) == k->num;
	case IMAP_KEY_KEYWORD: return x->m.keywords & k->bits;
	case IMAP_KEY_RECENT: return x->c->view.rows[x->row].told & IMAP_TOLD_RECENT;
	case IMAP_KEY_BEFORE: return day_of(x->m.internal_sec) < k->num;
	case IMAP_KEY_ON: return day_of(x->m.internal_sec) == k->num;
	case IMAP_KEY_SINCE: return day_of(x->m.internal_sec) >= k->num;
	case IMAP_KEY_SAVEDBEFORE: return day_of(x->m.saved_sec) < k->num;
	case IMAP_KEY_SAVEDON: return day_of(x->m.saved_sec) == k->num;
	case IMAP_KEY_SAVEDSINCE: return day_of(x->m.saved_sec) >= k->num;
	case IMAP_KEY_MODSEQ: return x->m.modseq >= (uint64_t)k->num;
	case IMAP_KEY_EMAILID: return match_emailid(x, k);
	case IMAP_KEY_NONE: return false;
	case IMAP_KEY_LARGER: return x->m.size_bytes > k->num;
	case IMAP_KEY_SMALLER: return x->m.size_bytes < k->num;
	case IMAP_KEY_YOUNGER: return x->m.internal_sec >= x->now_sec - k->num;
	case IMAP_KEY_OLDER: return x->m.internal_sec <= x->now_sec - k->num;
	case IMAP_KEY_ENVELOPE: return match_envelope(x, k);
	case IMAP_KEY_HEADER: return match_header(x, k);
	case IMAP_KEY_SENTBEFORE:
	case IMAP_KEY_SENTON:
	case IMAP_KEY_SENTSINCE: return match_sent(x, k);
	case IMAP_KEY_BODY:
	case IMAP_KEY_TEXT: return match_needle(x, k);
	}
	return false;
}

int imap_match(bool *yes, struct imap_match *x, size_t row)
{
	*yes = false;
	x->row = row;
	x->work_bytes += ROW_WORK;
	if (x->work_bytes > YIELD_WORK) {
		x->work_bytes = 0;
		os_yield();
	}
	if (!imap_live(&x->m, x->c, row))
		return 0;
	if (x->have_summary || x->have_body)
		arena_reset(&x->c->scratch);
	x->have_summary = x->have_header = x->have_body = false;
	x->field_count = x->in_body_count = 0;
	memset(x->in_head, 0, sizeof(x->in_head));
	memset(x->in_body, 0, sizeof(x->in_body));
	x->err = 0;
	*yes = match_key(x, x->q->root);
	return x->err;
}
