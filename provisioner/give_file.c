/* SPDX-License-Identifier: ISC */
/* All items in one file. */
#include "os/crypto.h"
#include "provisioner/give.h"
#include "provisioner/home.h"
#include "provisioner/say.h"
#include "services/dav/content.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define ZONES_MAX  5000
#define ITEM_ROOM  (64u << 20)
#define ZONES_ROOM (8u << 20)

struct zone { /* written already */
	struct str tzid;
	uint8_t hash[OS_SHA256_BYTES];
};
struct writing {
	struct prov_written *out;
	FILE *f;
	const char *part;
	struct prov_progress bar;
	struct arena item, kept;
	struct zone *zones;
	size_t zone_count;
	bool cards, begun;
};

static int put(struct writing *w, struct str s)
{
	return fwrite(s.p, 1, s.n, w->f) == s.n ? 0 : prov_errno("write", w->part);
}

/* Lines as they came, each ended by CRLF. */
static int put_lines(struct writing *w, struct str s)
{
	struct str line;
	int err = 0;

	while (s.n && err == 0) {
		str_cut(&line, &s, s, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		err = put(w, line);
		if (err == 0)
			err = put(w, STR("\r\n"));
	}
	return err;
}

/* Is it to be written? Each name once, as far as they are remembered; to say one again does no harm. */
static bool new_zone(struct writing *w, const struct content *c)
{
	const struct content_line *l = content_get(c, STR("TZID"), NULL);
	struct zone z = { .tzid = l ? str_trim(l->value) : STR("") };

	os_sha256(z.hash, c->raw);
	for (size_t i = 0; i < w->zone_count; i++)
		if (str_eq(w->zones[i].tzid, z.tzid)) {
			w->out->zones += memcmp(w->zones[i].hash, z.hash, sizeof(z.hash)) != 0;
			return false;
		}
	z.tzid = arena_dup(&w->kept, z.tzid);
	if (!z.tzid.p || w->zone_count == ZONES_MAX)
		return true;
	w->zones[w->zone_count++] = z;
	return true;
}

static int put_calendar(struct writing *w, const struct content *cal)
{
	int err = 0;

	for (const struct content *c = cal->parts; c && err == 0; c = c->next)
		if (!str_ieq(c->name, STR("VTIMEZONE")) || new_zone(w, c))
			err = put_lines(w, c->raw);
	return err;
}

static int item(void *ctx, struct str name, struct str bytes)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct writing *w = ctx;
	struct str part = w->cards ? STR("VCARD") : STR("VCALENDAR");
	struct content *root;
	int err;

	arena_reset(&w->item);
	err = content_parse(&root, &w->item, bytes, &limits);
	if (err == 0 && !content_child(root, part, NULL))
		err = err_set(ERR_BAD, "there is no %.*s in it", STR_ARG(part));
	if (err < 0) {
		prov_left_out(w->out, name, err_text(err));
		return 0;
	}
	w->out->items++;
	prov_progress(&w->bar, "export: %llu items", (unsigned long long)w->out->items);
	return w->cards ? put_lines(w, content_child(root, part, NULL)->raw)
			: put_calendar(w, content_child(root, part, NULL));
}

/* Not before it is known that there is something to say. */
static int begin(struct writing *w)
{
	if (w->begun || w->cards)
		return 0;
	w->begun = true;
	return put(w, STR("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Allod//EN\r\n"));
}

static int head(void *ctx, const json_t *collection)
{
	struct writing *w = ctx;

	(void)collection;
	w->out->collections++;
	return begin(w);
}

static int write_all(struct writing *w, struct prov_client *c, const char *target)
{
	struct prov_give g = { head, item, w, w->out };
	int err = prov_give(c, target, &g);

	if (err == 0)
		err = begin(w);
	if (err == 0 && !w->cards)
		err = put(w, STR("END:VCALENDAR\r\n"));
	if (err == 0 && fflush(w->f) != 0)
		err = prov_errno("write", w->part);
	return err;
}

/* Beside the file, until all is there. */
static int write_aside(
	struct writing *w, struct prov_client *c, const char *target, const char *file)
{
	struct str part = arena_fmt(&c->p->arena, "%s.part", file);
	int err;

	w->part = part.p;
	w->f = part.p ? fopen(part.p, "w") : NULL;
	if (!w->f)
		return prov_errno("write", file);
	err = write_all(w, c, target);
	if (err == 0 && fsync(fileno(w->f)) < 0)
		err = prov_errno("write", file);
	if (fclose(w->f) != 0 && err == 0)
		err = prov_errno("write", file);
	if (err == 0 && rename(part.p, file) < 0)
		err = prov_errno("write", file);
	if (err < 0)
		unlink(part.p);
	return err;
}

static int write_file(struct prov_written *out, struct prov_client *c, const char *target,
	const char *file, bool cards)
{
	struct writing w = { .out = out, .f = stdout, .part = "standard output", .cards = cards };
	int err;

	*out = (struct prov_written){ 0 };
	arena_init(&w.item, ITEM_ROOM);
	arena_init(&w.kept, ZONES_ROOM);
	w.zones = calloc(ZONES_MAX, sizeof(*w.zones));
	if (!w.zones)
		err = err_set(ERR_NOMEM, "out of memory");
	else if (strcmp(file, "-") == 0)
		err = write_all(&w, c, target);
	else
		err = write_aside(&w, c, target, file);
	prov_progress_end(&w.bar);
	free(w.zones);
	arena_free(&w.item);
	arena_free(&w.kept);
	return err;
}

int prov_write_ics(
	struct prov_written *out, struct prov_client *c, const char *target, const char *file)
{
	return write_file(out, c, target, file, false);
}

int prov_write_vcf(
	struct prov_written *out, struct prov_client *c, const char *target, const char *file)
{
	return write_file(out, c, target, file, true);
}
