/* SPDX-License-Identifier: ISC */
/*
 * The items in files of calendar data or vCards, however many, in bounded memory: one pass over each
 * file finds its components and notes where they stand; items are put together from the files again,
 * those components that share a UID in one, with the time zones they need.
 *
 *	err = prov_pieces_open(&p, false, on_fault, ctx);
 *	err = prov_pieces_add(p, "holidays.ics");             "-": standard input
 *	for (i = 0; i < prov_pieces_count(p); i++)
 *		err = prov_pieces_item(&item, &arena, p, i);
 *	prov_pieces_close(p);
 *
 * What is broken is told with its line and left out. UTF-16 with a byte order mark is read as well, and
 * what is no UTF-8 as Windows-1252. An item without a UID gets one that follows from what it says.
 */
#ifndef PROVISIONER_PIECES_H
#define PROVISIONER_PIECES_H

#include "os/base.h"

#define PROV_PIECES_MAX 1000000
#define PROV_ITEM_ROOM  (64u << 20) /* an arena this large takes any item */

struct prov_pieces;
typedef void prov_fault_fn(void *ctx, const char *file, uint32_t line, const char *why);
MUST_CHECK int prov_pieces_open(
	struct prov_pieces **out, bool cards, prov_fault_fn *fault, void *ctx);
void prov_pieces_close(struct prov_pieces *p);
/* A folder stands for its files ending in .ics, or .vcf. ERR_BAD: there is nothing of the kind in it. */
MUST_CHECK int prov_pieces_add(struct prov_pieces *p, const char *file);
size_t prov_pieces_count(const struct prov_pieces *p);
size_t prov_pieces_doubles(const struct prov_pieces *p); /* left out: a later one was there */

struct prov_item {
	struct str bytes;
	const char *file;
	uint32_t line; /* of its first component */
};
/* In the order of the files. ERR_LIMIT: this one is too large, others may follow. ERR_BAD: the file has
 * changed meanwhile. */
MUST_CHECK int prov_pieces_item(
	struct prov_item *out, struct arena *a, struct prov_pieces *p, size_t i);

/* ---- provisioner/input.c ---- */
/* The file, or standard input, as something that can be read twice; UTF-16 becomes UTF-8. *copied: it
 * can't be opened by its name again. */
MUST_CHECK int prov_input(int *fd, bool *copied, const char *file);
/* The text itself if it is UTF-8, else taken for Windows-1252; STR_NONE: over the arena. */
struct str prov_utf8(struct arena *a, struct str text);

#endif
