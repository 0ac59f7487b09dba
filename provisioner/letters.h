/* SPDX-License-Identifier: ISC */
/*
 * Messages in an mbox file, a Maildir folder, or a file that is one message; one after the other, one in memory
 * at a time.
 *
 *	err = prov_letters_open(&letters, "old.mbox", max, on_fault, ctx);       "-": standard input
 *	while ((err = prov_letters_next(&l, letters)) == 0 && l.bytes.p)
 *		...
 *	prov_letters_close(letters);
 *
 * mbox: a From line stands at the beginning or after an empty line and has a date; a Content-Length that ends at one
 * (or at the end of the file) counts; else one '>' of ">From " is taken off. Status, X-Status, X-Keywords, X-UID and
 * Content-Length, which are the file's, not the message's, are left out.
 * Maildir: cur and new, by name; dot folders in it are others, and not read.
 * Lines end with CRLF afterwards, as they do on their way through the network. What can't be read, is too large
 * or empty is told and left out.
 */
#ifndef PROVISIONER_LETTERS_H
#define PROVISIONER_LETTERS_H

#include "provisioner/pieces.h"

struct prov_letter {
	struct str bytes;    /* borrowed until the next call; .p NULL: there are no more */
	const char *file;    /* borrowed until it closes */
	uint32_t line;       /* of its From line; 0: it is the file */
	char flags[8];       /* letters of docs/mail-layout.md, Leaf */
	struct str keywords; /* words, a space between them */
	int64_t date_sec;    /* when it came; 0: not known */
	uint64_t done, all;  /* bytes, or files, behind it and in all */
};
struct prov_letters;
/* ERR_BAD: it is nothing of the kind. */
MUST_CHECK int prov_letters_open(struct prov_letters **out, const char *path, size_t bytes_max,
	prov_fault_fn *fault, void *ctx);
MUST_CHECK int prov_letters_next(struct prov_letter *out, struct prov_letters *l);
void prov_letters_close(struct prov_letters *l);

/* Is it a From line, and when does it say? Pure. */
bool prov_from_line(int64_t *date_sec, struct str line);

#endif
