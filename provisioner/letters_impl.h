/* SPDX-License-Identifier: ISC */
/* What is read: letters.c (files and Maildirs), letters_mbox.c. */
#ifndef PROVISIONER_LETTERS_IMPL_H
#define PROVISIONER_LETTERS_IMPL_H

#include "provisioner/letters.h"

#define LETTER_ROOM (1u << 16) /* of a file at hand */

struct prov_letters {
	const char *path;
	size_t bytes_max;
	prov_fault_fn *fault;
	void *ctx;
	struct buf bytes, keywords; /* of the message at hand */
	bool too_large;
	bool one; /* the file is one message */
	/* a Maildir's files */
	int folder;
	char **names;
	size_t n, at;
	/* an mbox */
	int fd;
	uint64_t offset, size; /* of room[from]; of the file */
	size_t from, to;
	bool eof;
	uint32_t line;
	char room[LETTER_ROOM];
};

/* Bytes of a message, "\n" becoming "\r\n"; past the maximum only letters->too_large. */
void letters_add(struct prov_letters *l, struct str bytes);
/* Seconds of its Date field; 0. */
int64_t letters_date(struct str message);

/* ---- letters_mbox.c ---- */
MUST_CHECK int mbox_next(struct prov_letter *out, struct prov_letters *l);
/* Does the file begin with a From line? */
MUST_CHECK int mbox_is(bool *is, struct prov_letters *l);

#endif
