/* SPDX-License-Identifier: ISC */
#include "provisioner/pieces_impl.h"
#include "os/crypto.h"
#include "provisioner/home.h"
#include "services/dav/about.h"
#include "services/dav/parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONES_MAX  5000 /* that differ */
#define ZONES_ROOM (16u << 20)

/* ---- lists ---- */
static void *grow(struct list *v, size_t each_bytes)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? 2 * v->cap : 256;
		void *p = realloc(v->p, cap * each_bytes);
		if (!p)
			return NULL;
		v->p = p;
		v->cap = cap;
	}
	return (char *)v->p + v->n++ * each_bytes;
}

/* ---- items by UID ---- */
static uint32_t *slot(const struct prov_pieces *p, const uint8_t key[static KEY])
{
	uint32_t *t = p->table.p;
	uint64_t h;

	memcpy(&h, key, sizeof(h));
	for (size_t i = h & (p->table.cap - 1);; i = (i + 1) & (p->table.cap - 1))
		if (!t[i] || memcmp(piece_at(p, *item_at(p, t[i] - 1))->key, key, KEY) == 0)
			return &t[i];
}

static int more_slots(struct prov_pieces *p)
{
	struct list old = p->table;

	if (p->items.n * 2 < old.cap)
		return 0;
	p->table.cap = old.cap ? 2 * old.cap : 1024;
	p->table.p = calloc(p->table.cap, sizeof(uint32_t));
	if (!p->table.p) {
		p->table = old;
		return err_set(ERR_NOMEM, "out of memory");
	}
	for (size_t i = 0; i < p->items.n; i++)
		*slot(p, piece_at(p, *item_at(p, i))->key) = (uint32_t)i + 1;
	free(old.p);
	return 0;
}

/* The one for the same occurrence is there already: the newer of the two stays. */
static bool is_double(struct prov_pieces *p, uint32_t first, const struct piece *one)
{
	for (uint32_t i = first; i != NONE; i = piece_at(p, i)->next) {
		struct piece *other = piece_at(p, i);
		uint32_t next = other->next;
		if (other->of != one->of)
			continue;
		p->doubles++;
		if (one->rank >= other->rank) {
			*other = *one;
			other->next = next;
		}
		return true;
	}
	return false;
}

static int add_piece(struct prov_pieces *p, const struct piece *one)
{
	uint32_t *at, *item, i = (uint32_t)p->pieces.n;
	struct piece *room;

	if (p->pieces.n == PROV_PIECES_MAX)
		return err_set(ERR_LIMIT, "over %d components at once: import fewer files",
			PROV_PIECES_MAX);
	if (more_slots(p) < 0)
		return ERR_NOMEM;
	at = slot(p, one->key);
	if (*at && is_double(p, *item_at(p, *at - 1), one))
		return 0;
	room = grow(&p->pieces, sizeof(*room));
	if (!room)
		return err_set(ERR_NOMEM, "out of memory");
	*room = *one;
	room->next = NONE;
	if (*at) { /* behind the last */
		uint32_t last = *item_at(p, *at - 1);
		while (piece_at(p, last)->next != NONE)
			last = piece_at(p, last)->next;
		piece_at(p, last)->next = i;
		return 0;
	}
	item = grow(&p->items, sizeof(*item));
	if (!item)
		return err_set(ERR_NOMEM, "out of memory");
	*item = i;
	*at = (uint32_t)p->items.n;
	return 0;
}

/* ---- what a component says ---- */
static void digest(void *out, size_t n, struct str s)
{
	uint8_t hash[OS_SHA256_BYTES];

	os_sha256(hash, s);
	memcpy(out, hash, n);
}

/* A UID of what it says: read in again, it has the same (RFC 9562, version 8). */
static struct str made_uid(struct arena *a, struct str bytes)
{
	uint8_t m[DAV_MEANING];

	if (dav_meaning(m, a, bytes) < 0)
		return STR_NONE;
	m[6] = (uint8_t)((m[6] & 0x0f) | 0x80);
	m[8] = (uint8_t)((m[8] & 0x3f) | 0x80);
	return arena_fmt(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9], m[10], m[11], m[12],
		m[13], m[14], m[15]);
}

struct str prov_piece_uid(struct arena *a, const struct content *c, struct str bytes)
{
	const struct content_line *l = content_get(c, STR("UID"), NULL);
	struct str uid = l ? str_trim(l->value) : STR("");

	return uid.n ? uid : made_uid(a, bytes);
}

/* SEQUENCE, then when it was changed, to the minute. */
static uint64_t rank_of(const struct content *c)
{
	static const char *const stamps[] = { "LAST-MODIFIED", "REV", "DTSTAMP" };
	const struct content_line *l = content_get(c, STR("SEQUENCE"), NULL);
	uint64_t sequence = 0, when = 0;
	int digits = 0;

	if (l && str_u64(&sequence, str_trim(l->value), (1u << 23) - 1) < 0)
		sequence = 0;
	l = NULL;
	for (size_t i = 0; i < ARRAY_LEN(stamps) && !l; i++)
		l = content_get(c, str_of(stamps[i]), NULL);
	for (size_t i = 0; l && i < l->value.n && digits < 12; i++)
		if (l->value.p[i] >= '0' && l->value.p[i] <= '9') {
			when = when * 10 + (uint64_t)(l->value.p[i] - '0');
			digits++;
		}
	return sequence << 40 | when;
}

/* ---- time zones ---- */
static int zone_of(uint32_t *out, struct prov_pieces *p, struct str tzid, struct str bytes)
{
	uint8_t key[KEY];

	digest(key, KEY, bytes);
	for (size_t i = p->zone_count; i > 0; i--)
		if (memcmp(p->zones[i - 1].key, key, KEY) == 0) {
			*out = (uint32_t)i - 1;
			return 0;
		}
	if (p->zone_count == ZONES_MAX)
		return ERR_LIMIT;
	struct zone *z = &p->zones[p->zone_count];
	*z = (struct zone){ arena_dup(&p->kept, tzid), arena_dup(&p->kept, bytes), { 0 } };
	memcpy(z->key, key, KEY);
	if (!z->tzid.p || !z->bytes.p)
		return ERR_LIMIT;
	*out = (uint32_t)p->zone_count++;
	return 0;
}

/* One too many is left out: most are known by name anyway. */
static int add_zone(
	struct prov_pieces *p, const struct part *part, const struct content *c, struct str bytes)
{
	const struct content_line *l = content_get(c, STR("TZID"), NULL);
	struct zone_use *use;
	uint32_t zone;

	if (!l || zone_of(&zone, p, str_trim(l->value), bytes) < 0)
		return 0;
	use = grow(&p->uses, sizeof(*use));
	if (!use)
		return err_set(ERR_NOMEM, "out of memory");
	*use = (struct zone_use){ (uint32_t)p->files.n - 1, part->calendar, zone };
	return 0;
}

/* ---- one pass over a file ---- */
static int prodid_of(uint32_t *out, struct prov_pieces *p, struct str prodid)
{
	struct str *have = p->prodids.p, *room;

	*out = p->prodids.n ? (uint32_t)p->prodids.n - 1 : NONE;
	if (!prodid.n || (p->prodids.n && str_eq(have[p->prodids.n - 1], prodid))) {
		*out = prodid.n ? *out : NONE;
		return 0;
	}
	struct str kept = arena_dup(&p->kept, prodid);
	if (!kept.p) /* so many that it does not matter */
		return 0;
	room = grow(&p->prodids, sizeof(*room));
	if (!room)
		return err_set(ERR_NOMEM, "out of memory");
	*room = kept;
	*out = (uint32_t)p->prodids.n - 1;
	return 0;
}

static void blame(struct prov_pieces *p, uint32_t line, const char *why)
{
	p->fault(p->ctx, file_at(p, (uint32_t)p->files.n - 1)->name, line, why);
}

/* Is it of the kind that is read in? Else why not. */
static const char *unwanted(struct prov_pieces *p, const struct part *part)
{
	static const char *const kept[] = { "VEVENT", "VTODO", "VJOURNAL" };
	bool card = str_ieq(part->name, STR("VCARD"));
	struct str why;

	if (p->cards)
		return card ? NULL : "this is no contact: `allod import calendar` takes it";
	if (card)
		return "this is a contact: `allod import contacts` takes it";
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (str_ieq(part->name, str_of(kept[i])))
			return NULL;
	why = arena_fmt(&p->turn, "a %.*s is not kept in calendars", STR_ARG(part->name));
	return why.p ? why.p : "it is not kept in calendars";
}

/* The component in a part; NULL: it was blamed. */
static struct content *parse(struct prov_pieces *p, struct str bytes, uint32_t line)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root;
	char line_at[24];
	const char *why;
	unsigned at;

	limits.first = line;
	limits.depth_max--; /* it will stand in a VCALENDAR */
	if (content_parse(&root, &p->turn, bytes, &limits) >= 0 && root->parts)
		return root->parts;
	why = err_text(ERR_BAD);
	/* The line it names is the one to tell. */
	if (sscanf(why, "line %u:", &at) == 1) {
		int n = snprintf(line_at, sizeof(line_at), "line %u: ", at);
		why += n;
		line = at;
	}
	blame(p, line, why);
	return NULL;
}

static int on_part(void *ctx, const struct part *part)
{
	struct prov_pieces *p = ctx;
	bool is_zone = !p->cards && str_ieq(part->name, STR("VTIMEZONE"));
	const char *why = part->fault ? part->fault : is_zone ? NULL : unwanted(p, part);
	const struct content_line *l;
	struct content *c;
	struct str bytes, uid;
	struct piece one = { .from = part->from,
		.size = (uint32_t)part->bytes.n,
		.line = part->line,
		.file = (uint32_t)p->files.n - 1,
		.zones = part->calendar };
	int err;

	p->found++;
	arena_reset(&p->turn);
	if (why) {
		blame(p, part->line, why);
		return 0;
	}
	bytes = prov_utf8(&p->turn, part->bytes);
	c = bytes.p ? parse(p, bytes, part->line) : NULL;
	if (!c)
		return 0;
	if (is_zone)
		return add_zone(p, part, c, bytes);
	uid = prov_piece_uid(&p->turn, c, bytes);
	if (!uid.n) {
		blame(p, part->line, "it is too large");
		return 0;
	}
	digest(one.key, KEY, uid);
	l = p->cards ? NULL : content_get(c, STR("RECURRENCE-ID"), NULL);
	if (l)
		digest(&one.of, sizeof(one.of), str_trim(l->value));
	one.rank = rank_of(c);
	err = prodid_of(&one.prodid, p, part->prodid);
	return err < 0 ? err : add_piece(p, &one);
}

static int read_through(struct parts *parts, int fd, const char *file)
{
	static char room[1 << 16];
	uint64_t at = 0;
	int err = 0;

	while (err >= 0) {
		ssize_t n = pread(fd, room, sizeof(room), (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return prov_errno("read", file);
		if (n == 0)
			break;
		err = parts_push(parts, str_n(room, (size_t)n));
		at += (uint64_t)n;
	}
	return err;
}

static int add_file(struct prov_pieces *p, const char *file)
{
	struct input *in;
	struct parts *parts;
	size_t before = p->found;
	bool copied;
	int fd, err, last;

	if (p->files.n == FILES_MAX)
		return err_set(ERR_LIMIT, "over %d files", FILES_MAX);
	err = prov_input(&fd, &copied, file);
	if (err < 0)
		return err;
	in = grow(&p->files, sizeof(*in));
	if (!in) {
		close(fd);
		return err_set(ERR_NOMEM, "out of memory");
	}
	*in = (struct input){ strcmp(file, "-") == 0 ? "standard input" : file, copied ? fd : -1 };
	err = parts_open(&parts, on_part, p);
	if (err >= 0) {
		err = read_through(parts, fd, file);
		last = parts_close(parts);
		err = err < 0 ? err : last;
	}
	if (!copied)
		close(fd);
	if (err >= 0 && p->found == before)
		err = err_set(ERR_BAD, "there is no %s in %s",
			p->cards ? "contact" : "event or task", in->name);
	return err;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of what is to be read in of a folder, sorted. */
static int list_folder(struct list *names, struct prov_pieces *p, const char *folder)
{
	const char *suffix = p->cards ? ".vcf" : ".ics";
	struct dirent *e;
	DIR *d = opendir(folder);
	int err = d ? 0 : prov_errno("open", folder);

	while (err >= 0 && (e = readdir(d))) {
		struct str path;
		const char **room;
		if (!str_ends(str_of(e->d_name), str_of(suffix)) || e->d_name[0] == '.')
			continue;
		path = arena_fmt(&p->kept, "%s/%s", folder, e->d_name);
		room = path.p ? grow(names, sizeof(*room)) : NULL;
		if (room)
			*room = path.p;
		else
			err = err_set(ERR_LIMIT, "too many files in %s", folder);
	}
	if (d)
		closedir(d);
	if (err >= 0 && names->n == 0)
		err = err_set(ERR_BAD, "there are no *%s in %s", suffix, folder);
	if (err >= 0)
		qsort(names->p, names->n, sizeof(char *), by_name);
	return err;
}

int prov_pieces_add(struct prov_pieces *p, const char *file)
{
	struct list names = { 0 };
	struct stat st;
	int err;

	if (strcmp(file, "-") == 0 || stat(file, &st) < 0 || !S_ISDIR(st.st_mode))
		return add_file(p, file);
	err = list_folder(&names, p, file);
	for (size_t i = 0; i < names.n && err >= 0; i++) {
		err = add_file(p, ((const char **)names.p)[i]);
		if (err == ERR_BAD) { /* one of many */
			blame(p, 1, err_text(err));
			err = 0;
		}
	}
	free(names.p);
	return err;
}

int prov_pieces_open(struct prov_pieces **out, bool cards, prov_fault_fn *fault, void *ctx)
{
	struct prov_pieces *p = calloc(1, sizeof(*p));

	if (!p || !(p->zones = calloc(ZONES_MAX, sizeof(*p->zones)))) {
		free(p);
		return err_set(ERR_NOMEM, "out of memory");
	}
	p->cards = cards;
	p->open = NONE;
	p->fault = fault;
	p->ctx = ctx;
	arena_init(&p->kept, ZONES_ROOM);
	arena_init(&p->turn, PROV_ITEM_ROOM);
	*out = p;
	return 0;
}

void prov_pieces_close(struct prov_pieces *p)
{
	for (uint32_t i = 0; i < p->files.n; i++)
		if (file_at(p, i)->fd >= 0)
			close(file_at(p, i)->fd);
	if (p->open != NONE)
		close(p->fd);
	free(p->files.p);
	free(p->pieces.p);
	free(p->items.p);
	free(p->uses.p);
	free(p->prodids.p);
	free(p->table.p);
	free(p->zones);
	arena_free(&p->kept);
	arena_free(&p->turn);
	free(p);
}

size_t prov_pieces_count(const struct prov_pieces *p)
{
	return p->items.n;
}

size_t prov_pieces_doubles(const struct prov_pieces *p)
{
	return p->doubles;
}
