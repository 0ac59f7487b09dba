/* SPDX-License-Identifier: ISC */
#ifndef SERVICES_CONTACTS_CARD_IMPL_H
#define SERVICES_CONTACTS_CARD_IMPL_H

#include "services/contacts/card.h"

#define CARD_PARAMS_MORE 8 /* added to a line while it is converted, at most */

/* A line on its way. */
struct card_line {
	const struct content_line *was;
	struct str group, name, head, value; /* its value is head and value */
	struct content_param *params;
	size_t n, cap;
	bool drop;
};
#define CARD_PREFS 20 /* properties of which one may be preferred */
struct card_run {
	struct arena *a;
	struct buf *out;
	const struct content *card;
	enum card_version from, to;
	card_pick_fn *pick;
	const void *ctx;
	/* Of the whole card, looked up once. */
	const struct content_line *sort; /* SORT-STRING */
	bool has_kind, labels;           /* labels: few enough to find the address of each */
	uint64_t best[CARD_PREFS];       /* PREF */
};

/* A copy of `was` with what vCard 2.1 encodes undone; ERR_LIMIT. */
MUST_CHECK int card_line_begin(
	struct card_line *l, struct card_run *v, const struct content_line *was);
struct str card_param(const struct card_line *l, const char *name); /* STR_NONE */
void card_param_add(struct card_line *l, const char *name, struct str value);
void card_param_del(struct card_line *l, const char *name); /* all of that name */
bool card_type_take(
	struct card_line *l, const char *type); /* TYPE=type was there, and is no more */
void card_line_write(struct card_run *v, const struct card_line *l);
void card_simple_write(struct card_run *v, struct str group, const char *name, struct str value);

/* ---- card_value.c ---- */
struct str card_date(struct arena *a, struct str value, bool basic); /* 19960415, or 1996-04-15 */
/* Undoes ENCODING and CHARSET of vCard 2.1 (some put them into 3.0), and escapes as the others do. */
void card_decode(struct card_run *v, struct card_line *l);

/* ---- card_rows.c ---- */
void card_row_apply(struct card_run *v, struct card_line *l); /* what is special about its name */

#endif
