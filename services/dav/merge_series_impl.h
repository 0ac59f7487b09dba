/* SPDX-License-Identifier: ISC */
/* Inside the alignment of series: occurrences and their times (merge_series.c), moves (merge_move.c). */
#ifndef SERVICES_DAV_MERGE_SERIES_IMPL_H
#define SERVICES_DAV_MERGE_SERIES_IMPL_H

#include "services/dav/merge_impl.h"

struct moment {
	int64_t sec;   /* on the wall, or in UTC */
	size_t digits; /* 8: a day; 15: a time on the wall; 16: in UTC */
	struct str zone;
};
struct moments { /* sorted */
	struct moment *v;
	size_t n, cap;
};

struct series {
	struct content *cal, *master; /* NULL: none */
	bool has_start;
	struct moment start;
	struct moments over, gone, more; /* RECURRENCE-ID, EXDATE, RDATE */
	struct str time;                 /* what all of HOW_TIME mean */
};

/* false: no time. `value`: one of the line's. */
bool series_moment(struct moment *out, const struct content_line *l, struct str value);
struct str series_text(struct arena *a, const struct moment *m); /* as a value */
bool series_one_form(const struct moment *x, const struct moment *y);
int series_cmp(const void *a, const void *b); /* of struct moment */
bool series_has(const struct moments *m, const struct moment *one);
bool series_knows(const struct series *s, const struct moment *m); /* as an occurrence */
struct content_line *series_id(const struct content *c);           /* RECURRENCE-ID; NULL */
/* Did the side change this occurrence, or make it one of its own? */
MUST_CHECK int series_is_edit(bool *yes, struct arena *a, const struct series *base,
	const struct content *part, const struct moment *m);
/* Another value for the line; then, after the last one of a component: it is written anew. */
MUST_CHECK int series_set(
	struct content *c, struct content_line *l, struct arena *a, struct str value);
MUST_CHECK int series_written(struct content *c, struct arena *a);

/* ---- merge_move.c ---- */
/* What a side did not move goes along with what the other moved; see merge_align. */
MUST_CHECK int series_follow(struct merge_strays *strays, struct arena *a, struct series s[SIDES]);

#endif
