/* SPDX-License-Identifier: ISC */
/*
 *	pieces.c        one pass over each file: what stands where
 *	pieces_item.c   items put together from it
 */
#ifndef PROVISIONER_PIECES_IMPL_H
#define PROVISIONER_PIECES_IMPL_H

#include "provisioner/pieces.h"
#include "services/dav/content.h"

#define FILES_MAX 200000
#define KEY       16
#define NONE      UINT32_MAX

struct piece { /* a component */
	uint64_t from;
	uint32_t size, line, file, zones /* of its VCALENDAR: the first use */, prodid, next;
	uint64_t of;   /* of RECURRENCE-ID; 0: the master */
	uint64_t rank; /* of two for the same, the higher one counts */
	uint8_t key[KEY];
};
struct zone {
	struct str tzid, bytes;
	uint8_t key[KEY];
};
struct zone_use { /* in which VCALENDAR it stood */
	uint32_t file, calendar, zone;
};
struct input {
	const char *name; /* for people, and to open it again */
	int fd;           /* of a copy; -1: it is opened again */
};
struct list {
	void *p;
	size_t n, cap;
};
struct prov_pieces {
	bool cards;
	prov_fault_fn *fault;
	void *ctx;
	struct list files; /* struct input */
	uint32_t open;     /* the one fd is of; NONE: none */
	int fd;
	struct list pieces, items /* uint32_t: the first piece */, uses, prodids /* struct str */;
	struct list table; /* uint32_t: item + 1, by key; open addressing, cap a power of two */
	struct zone *zones;
	size_t zone_count, doubles, found;
	struct arena kept, turn;
};

static inline struct piece *piece_at(const struct prov_pieces *p, uint32_t i)
{
	return (struct piece *)p->pieces.p + i;
}

static inline uint32_t *item_at(const struct prov_pieces *p, size_t i)
{
	return (uint32_t *)p->items.p + i;
}
static inline struct input *file_at(const struct prov_pieces *p, uint32_t i)
{
	return (struct input *)p->files.p + i;
}
/* The component's UID, or the one that follows from what it says; n 0: over the arena. */
struct str prov_piece_uid(struct arena *a, const struct content *c, struct str bytes);

#endif
