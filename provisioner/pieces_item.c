/* SPDX-License-Identifier: ISC */
#include "provisioner/home.h"
#include "provisioner/pieces_impl.h"
#include "services/dav/dav.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* By name, of the same VCALENDAR if it stands there, else of any. */
static const struct zone *find_zone(
	const struct prov_pieces *p, const struct piece *one, struct str tzid)
{
	const struct zone_use *uses = p->uses.p;
	size_t low = 0, high = p->uses.n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct zone_use *u = &uses[mid];
		if (u->file < one->file || (u->file == one->file && u->calendar < one->zones))
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < p->uses.n && uses[low].file == one->file && uses[low].calendar == one->zones;
		low++)
		if (str_eq(p->zones[uses[low].zone].tzid, tzid))
			return &p->zones[uses[low].zone];
	for (size_t i = 0; i < p->zone_count; i++)
		if (str_eq(p->zones[i].tzid, tzid))
			return &p->zones[i];
	return NULL;
}

/* ---- putting items together ---- */
/* Lines as RFC 5545 and 6350 want them ended. */
static void add_lines(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool bare = s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r');
		if (bare)
			buf_addc(b, '\r');
		buf_addc(b, s.p[i]);
	}
	if (s.n && s.p[s.n - 1] != '\n')
		buf_add(b, STR("\r\n"));
}

/* Behind BEGIN, and a VERSION that stands there as RFC 6350 wants. */
static void add_with_uid(struct buf *b, const struct content *c, struct str bytes, struct str uid)
{
	const struct content_line *v = c->lines;
	struct str head = c->begin->raw;

	if (v && str_ieq(v->name, STR("VERSION")))
		head.n = (size_t)(v->raw.p + v->raw.n - head.p);
	add_lines(b, head);
	buf_fmt(b, "UID:%.*s\r\n", STR_ARG(uid));
	add_lines(b, str_sub(bytes, (size_t)(head.p + head.n - bytes.p), bytes.n));
}

struct needed { /* time zones of one item */
	const struct zone *p[64];
	size_t n;
};

static void need_zone(struct needed *z, const struct zone *one)
{
	for (size_t i = 0; i < z->n; i++)
		if (!one || str_eq(z->p[i]->tzid, one->tzid))
			return;
	if (one && z->n < ARRAY_LEN(z->p))
		z->p[z->n++] = one;
}

static void need_zones(struct needed *z, const struct prov_pieces *p, const struct piece *one,
	const struct content *c)
{
	for (const struct content_line *l = c->lines; l; l = l->next) {
		struct str tzid = content_param(l, STR("TZID"));
		if (tzid.n)
			need_zone(z, find_zone(p, one, tzid));
	}
}

/* One file is open at a time. */
static int open_file(int *fd, struct prov_pieces *p, uint32_t i)
{
	struct input *in = file_at(p, i);

	*fd = in->fd >= 0 ? in->fd : p->fd;
	if (in->fd >= 0 || p->open == i)
		return 0;
	if (p->open != NONE)
		close(p->fd);
	p->fd = open(in->name, O_RDONLY | O_CLOEXEC);
	p->open = p->fd >= 0 ? i : NONE;
	*fd = p->fd;
	return p->fd >= 0 ? 0 : prov_errno("open", in->name);
}

static int read_piece(
	struct str *out, struct arena *a, struct prov_pieces *p, const struct piece *one)
{
	char *room = arena_alloc(a, one->size + 1);
	const char *name = file_at(p, one->file)->name;
	size_t have = 0;
	int fd = -1,
	    err = room ? open_file(&fd, p, one->file) : err_set(ERR_NOMEM, "out of memory");

	if (err < 0)
		return err;
	while (have < one->size) {
		ssize_t n = pread(fd, room + have, one->size - have, (off_t)(one->from + have));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? prov_errno("read", name)
				     : err_set(ERR_BAD, "%s has changed meanwhile", name);
		have += (size_t)n;
	}
	*out = prov_utf8(a, str_n(room, one->size));
	return out->p ? 0 : err_set(ERR_NOMEM, "out of memory");
}

static int add_component(struct buf *b, struct needed *z, struct arena *a, struct prov_pieces *p,
	const struct piece *one)
{
	struct content_limits limits = CONTENT_LIMITS;
	const struct content_line *l;
	struct content *root;
	struct str bytes, uid;
	int err = read_piece(&bytes, a, p, one);

	if (err >= 0)
		err = content_parse(&root, a, bytes, &limits);
	if (err < 0)
		return err;
	if (!root->parts)
		return err_set(ERR_BAD, "%s has changed meanwhile", file_at(p, one->file)->name);
	need_zones(z, p, one, root->parts);
	for (const struct content *c = root->parts->parts; c; c = c->next)
		need_zones(z, p, one, c);
	l = content_get(root->parts, STR("UID"), NULL);
	uid = prov_piece_uid(a, root->parts, bytes);
	if (!uid.n)
		return err_set(ERR_NOMEM, "out of memory");
	if (l && str_trim(l->value).n)
		add_lines(b, bytes);
	else
		add_with_uid(b, root->parts, bytes, uid);
	return b->err;
}

/* Before any of it is read: what nobody takes needs no room. */
static int check_size(const struct prov_pieces *p, uint32_t first)
{
	uint64_t bytes = 0;

	for (uint32_t k = first; k != NONE; k = piece_at(p, k)->next)
		bytes += piece_at(p, k)->size;
	return bytes <= DAV_ITEM_MAX ? 0 : err_set(ERR_LIMIT, "it is over 1 MiB");
}

int prov_pieces_item(struct prov_item *out, struct arena *a, struct prov_pieces *p, size_t i)
{
	const struct piece *first = piece_at(p, *item_at(p, i));
	const struct str *prodids = p->prodids.p;
	struct needed zones = { .n = 0 };
	struct buf b, whole;
	int err = check_size(p, *item_at(p, i));

	*out = (struct prov_item){ STR(""), file_at(p, first->file)->name, first->line };
	buf_init(&b, a);
	for (uint32_t k = *item_at(p, i); k != NONE && err >= 0; k = piece_at(p, k)->next)
		err = add_component(&b, &zones, a, p, piece_at(p, k));
	if (err < 0)
		return err;
	if (p->cards) {
		out->bytes = buf_str(&b);
		return 0;
	}
	buf_init(&whole, a);
	buf_add(&whole, STR("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"));
	content_fold(&whole,
		first->prodid == NONE
			? STR("PRODID:-//Allod//import//EN")
			: arena_fmt(a, "PRODID:%.*s", STR_ARG(prodids[first->prodid])));
	for (size_t k = 0; k < zones.n; k++)
		add_lines(&whole, zones.p[k]->bytes);
	buf_add(&whole, buf_str(&b));
	buf_add(&whole, STR("END:VCALENDAR\r\n"));
	out->bytes = buf_str(&whole);
	return whole.err;
}
