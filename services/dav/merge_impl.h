/* SPDX-License-Identifier: ISC */
/*
 * Inside the merge of one item:
 *	merge_item.c    the whole of it; who wins; what is chosen as a whole
 *	merge_series.c  occurrences that one side names otherwise than the other
 *	merge_move.c    series that a side moved
 *	merge_part.c    components, and the order of what comes out
 *	merge_rule.c    which rule is whose; what lines and components mean
 *	merge_unit.c    a component's lines as properties with keys
 *	merge_choose.c  one property of three sides
 *	merge_line.c    text by its lines, a line by its parameters
 *	merge_copy.c    the conflict copy
 * The two sides are put in the order of their bytes first, so that nothing below depends on who is who.
 */
#ifndef SERVICES_DAV_MERGE_IMPL_H
#define SERVICES_DAV_MERGE_IMPL_H

#include "services/dav/content.h"
#include "services/dav/merge.h"
#include "services/dav/merge_align.h"

#define MERGE_BYTES \
	(16u << 20) /* of memory; the same everywhere, so that all come to the same end */

enum { BASE, X, Y, SIDES };

enum merge_how {
	HOW_SCALAR,   /* one value; two new ones clash */
	HOW_QUIET,    /* one value that no person chose: no clash */
	HOW_LATEST,   /* a time, bytewise */
	HOW_EARLIEST, /* likewise */
	HOW_COUNT,    /* a number; the highest */
	HOW_TEXT,     /* merged by lines */
	HOW_MEMBER,   /* of a set, by its value */
	HOW_ELEMENT,  /* of a set, one of a line's values */
	HOW_ATTENDEE, /* of a set, by address */
	HOW_TIME,     /* all of these are one value */
	HOW_STATUS,   /* likewise */
};

/* A property, as far as the merge is concerned: mostly a line; vCard's "item1.X" lines together. */
struct merge_unit {
	struct str key;     /* sorts; the same property on another side has the same */
	struct str meaning; /* the same: nothing that matters differs */
	enum merge_how how;
	const struct content_line *line, *const *more; /* the first line; all of them where n > 1 */
	uint32_t n, at;                                /* at: its place among the side's units */
	struct str element;                            /* HOW_ELEMENT: this value */
	uint32_t elements;                             /* how many the line has */
	size_t slot;                                   /* of the skeleton it stands at or after */
	bool rooted;                                   /* the skeleton has it */
};
struct merge_units {
	struct merge_unit *v; /* by key */
	size_t n;
};

enum merge_kind { KIND_OTHER, KIND_EVENT, KIND_TODO, KIND_ALARM, KIND_CARD };

struct merge { /* of one item */
	struct arena *a;
	int winner; /* X or Y: whose value stands where two clash */
	unsigned clash_count;
	struct buf clashes;    /* names */
	struct str clash_key;  /* of the first one in order, */
	int clash_cmp;         /* and how the sides' values compare there */
	struct str part_key;   /* of the component at hand */
	struct str clash_part; /* of the one component with clashes, when there is one alone */
	bool clash_parts;      /* there are several */
	unsigned depth;
	bool stuck; /* the series was moved, and nobody can say where to: a clash of times */
	/* This side's occurrences that the other one lacks stand in the copy; BASE: nobody's are left out. */
	int out_of;
	struct str out_key; /* that one alone; .p NULL: all */
};

struct merge_level {                    /* one component of the three sides */
	const struct content *c[SIDES]; /* base may be NULL */
	struct merge_units u[SIDES];
	enum merge_kind kind;
	int time, status; /* X, Y: that side's; BASE: equal on both; SIDES: they clash */
	uint64_t sequence[SIDES];
	struct str stamp[SIDES];
	int rank; /* > 0: X is the later revision; by SEQUENCE, then by when it was written */
};

/* What came of one property. */
struct merge_pick {
	const struct merge_unit *unit; /* NULL and line.p NULL: nothing */
	struct str line;               /* written anew, instead */
};

/* ---- merge_rule.c ---- */
enum merge_how merge_rule(enum merge_kind kind, const struct content_line *l);
enum merge_kind merge_kind_of(const struct content *c);
/* In words of vCard 2.1, with or without "ENCODING=": its escapes and line breaks are not ours, so it is
 * never written anew. */
bool merge_is_encoded(const struct content_line *l);
/* Sorted and joined meanings of its lines and parts. `quick`: without what changes at each writing. */
MUST_CHECK int merge_meaning(struct str *out, struct arena *a, const struct content *c, bool quick);
MUST_CHECK int merge_line_meaning(
	struct str *out, struct arena *a, const struct content_line *const *lines, size_t n);
MUST_CHECK int merge_add_params(struct buf *b, struct arena *a, const struct content_line *l);
/* What stands in `b`, or its hash when that is long; frees `b`. */
MUST_CHECK int merge_settle(struct str *out, struct arena *a, struct buf *b);
/* The next value of a list: up to a comma without a backslash before it. */
struct str merge_element(struct str *rest);
struct str merge_upper(struct arena *a, struct str s);
static inline bool merge_same(const struct merge_unit *a, const struct merge_unit *b)
{
	return str_eq(a->meaning, b->meaning);
}

/* ---- merge_unit.c ---- */
MUST_CHECK int merge_units_read(struct merge_level *l, struct arena *a);

/* ---- merge_choose.c ---- */
/* What bundles (the time, the status) come to. */
MUST_CHECK int merge_bundles(struct merge *m, struct merge_level *l);
MUST_CHECK int merge_choose(struct merge_pick *out, struct merge *m, const struct merge_level *l,
	const struct merge_unit *const u[SIDES]);
/* `cmp`: of the values, where neither is the later revision. */
MUST_CHECK int merge_clash(
	struct merge *m, const struct merge_level *l, struct str key, const char *name, int cmp);

/* ---- merge_line.c ---- */
/* A logical line without folds and line end; .p NULL: no memory. */
struct str merge_unfold(struct arena *a, struct str raw);
/* What stands before the value, with the colon. */
struct str merge_head(struct arena *a, const struct content_line *l);
/* Appends lines as they came, ended where the last one was not. */
void merge_add_raw(struct buf *b, struct str raw);
/* Appends a line folded, its ends like those of `like`. */
void merge_fold(struct buf *b, struct arena *a, struct str line, const struct content_line *like);
/* Texts (RFC 5545 3.3.11) by lines; false: they clash. */
bool merge_by_lines(struct str *out, struct arena *a, struct str base, struct str x, struct str y);
/*
 * The line with the parameters of both: TYPE is a set, others are values, and of two new ones the greater
 * stands. *same: the side that says exactly this; SIDES: neither, *out is to be written.
 * `partstat`: the side whose PARTSTAT counts; BASE: as others, but of two new ones that of X when
 * `stamps` > 0, of Y when it is < 0.
 */
MUST_CHECK int merge_params(struct str *out, int *same, struct arena *a,
	const struct content_line *const l[SIDES], int partstat, int stamps);

/* ---- merge_part.c ---- */
/* Appends what the three come to; base may be NULL. */
MUST_CHECK int merge_part(struct buf *out, struct merge *m, const struct content *const c[SIDES]);

/* ---- merge_copy.c ---- */
/* `loser` as an item of its own; `part`: that component alone (merge_part_key), .p NULL: all. */
MUST_CHECK int merge_copy(struct dav_merged *out, struct arena *a, const struct content *loser,
	struct str bytes, struct str part, struct str who);
/* VEVENT and its RECURRENCE-ID; VTIMEZONE and TZID; VALARM and UID or action and trigger. */
MUST_CHECK int merge_part_key(struct str *out, struct arena *a, const struct content *c);
bool merge_is_override(struct str key); /* of one occurrence */

#endif
