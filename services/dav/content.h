/* SPDX-License-Identifier: ISC */
/*
 * Content lines: what iCalendar (RFC 5545, 3.1) and vCard (RFC 6350, 3.2 and 3.3; also 2.1 and 3.0
 * as met in the field) are made of, and the tree of components they form. Pure: bytes in, a tree
 * whose lines point into those bytes out, so that what nobody touched is written back unchanged.
 *
 *	struct content_limits limits = CONTENT_LIMITS;
 *	struct content *root;
 *	err = content_parse(&root, &arena, bytes, &limits);     root has no name; its parts are VCALENDARs
 *	struct content *cal = content_child(root, STR("VCALENDAR"), NULL);
 *	struct content_line *l = content_get(event, STR("SUMMARY"), NULL);
 *	... l->value, content_param(l, STR("TZID")) ...
 *	content_write(&buf, root);                              byte for byte what came, where untouched
 *
 * Tolerant of what parses: bare LF, empty lines, a missing last line end, folded lines anywhere
 * (between the bytes of a character as well), lower case, unknown names, parameters without a value. A
 * line in a component that is none (no colon, a quote without end) is kept, without a name.
 */
#ifndef SERVICES_DAV_CONTENT_H
#define SERVICES_DAV_CONTENT_H

#include "os/base.h"

#define CONTENT_FOLD 75 /* octets of a line we write, its line end not counted */

struct content_limits {
	size_t bytes_max;
	uint32_t lines_max, params_max /* of a line */, depth_max;
	uint32_t first; /* the number of the first line, if not 1 */
};
#define CONTENT_LIMITS \
	((struct content_limits){ \
		.bytes_max = 1 << 20, .lines_max = 40000, .params_max = 200, .depth_max = 4 })

struct content_param {
	struct str name, value; /* RFC 6868 undone; TYPE=home,work is two of them */
};
struct content_line {
	struct content_line *next;
	struct str raw;                /* as it came, folds and line end included */
	struct str group, name, value; /* unfolded; group: vCard's "item1." */
	struct content_param *params;
	uint32_t param_count, number; /* the first line has number 1, or limits.first */
};
struct content {
	struct str name; /* as spelled after BEGIN: */
	struct content_line *lines;
	struct content *parts, *next; /* parts stand after the lines when written */
	struct content_line *begin, *end;
	struct content_line **lines_end;
	struct content **parts_end;
	struct str raw; /* from BEGIN to END as it came */
	bool changed;   /* somebody edited it, or a part of it: write line by line */
};

/* ERR_BAD names the line and what is wrong with it; ERR_LIMIT which limit. All in the arena. */
MUST_CHECK int content_parse(struct content **out, struct arena *a, struct str bytes,
	const struct content_limits *limits);
/* The next one of that name, case folded, after `after` (NULL: the first); NULL when there is none. */
struct content_line *content_get(
	const struct content *c, struct str name, const struct content_line *after);
struct content *content_child(
	const struct content *c, struct str name, const struct content *after);
/* First value of a parameter; STR_NONE. */
struct str content_param(const struct content_line *l, struct str name);

/* TEXT (RFC 5545 3.3.11): backslash escapes undone; the value itself when there are none. */
struct str content_text(struct arena *a, struct str value);
void content_text_add(struct buf *b, struct str text); /* escaped */
/* Appends one logical line (without line end), folded at CONTENT_FOLD and never inside a character. */
void content_fold(struct buf *b, struct str line);
/* The same bit by bit: *room begins as CONTENT_FOLD, and the line end is the caller's. */
void content_fold_part(struct buf *b, size_t *room, struct str part);
void content_write(struct buf *b, const struct content *c);

#endif
