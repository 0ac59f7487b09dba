/* SPDX-License-Identifier: ISC */
/*
 * The syntax of allod.conf: a strict part of git-config's, so that `git config -f allod.conf`
 * reads and writes it.
 *
 *	[listen "mail"]
 *		imaps = 127.0.0.1:10993   ; comment
 *
 *	struct conf_reader r;
 *	struct conf_line l;
 *	conf_begin(&r, &arena, text);
 *	while ((err = conf_next(&l, &r)) == 0)
 *		... l.section "listen", l.sub "mail", l.key "imaps", l.value, l.line ...
 *	err == ERR_CLOSED: the end; ERR_BAD: a sentence about line r.line
 *
 * Read: comments (# ;), [section], [section "sub"], key = value, "quoted" parts, the escapes
 * \" \\ \n \t. Section and key are case-folded. Refused, not guessed: a line continued with a
 * backslash, a key without a value, [section.sub], control bytes.
 */
#ifndef PROVISIONER_CONF_H
#define PROVISIONER_CONF_H

#include "os/base.h"

#define CONF_BYTES_MAX (256 * 1024)

struct conf_line {
	struct str section, sub, key, value; /* borrowed from the arena; sub STR_NONE when absent */
	unsigned line;
};
struct conf_reader {
	struct arena *a;
	struct str left, section, sub;
	unsigned line;
};
void conf_begin(struct conf_reader *r, struct arena *a, struct str text);
MUST_CHECK int conf_next(struct conf_line *out, struct conf_reader *r);

/* "\tkey = value\n", quoted where it has to be. */
void conf_write(struct buf *out, const char *key, struct str value);

#endif
