/* SPDX-License-Identifier: ISC */
/*
 * Items, such as events and contacts, taken in from elsewhere and given out, many at once. A service
 * gives these functions with its control_config, those it can't do being NULL. On the wire (POST and GET
 * /v1/items) each item is a line {bytes, ...} and that many bytes.
 */
#ifndef SERVICES_CONTROL_ITEMS_H
#define SERVICES_CONTROL_ITEMS_H

#include "services/control/words.h"

#define CONTROL_ITEMS_BYTES (3u << 20) /* of one request */
#define CONTROL_ITEMS_MAX   1000

/* One commit for all of them, or none if nothing changed. What can't be taken is refused alone. */
struct control_intake {
	struct str ref;
	struct str
		collection; /* by name or folder, made if it is not there; "": where each belongs */
	struct str source;  /* what they are from, for the commit's message */
	bool keep;          /* leave those that are there as they are */
	bool dry_run;
	const struct str *items;
	size_t n;
	/* {n, change, item, uid, why?}; change: added, replaced, unchanged, kept, refused. Of a collection that
	 * was made: {change: collection-made, collection}. */
	control_row_fn *row;
	void *ctx;
	bool committed; /* result */
	struct store_oid commit;
};
/* Items one after the other as they come, for a service whose items may be large. */
struct control_source {
	/* The next one's line, borrowed until the next call; *head NULL: there are no more. What is left of the
	 * one before is passed over. BLOCKS */
	int (*next)(struct control_source *s, const json_t **head, uint64_t *bytes);
	/* Its next bytes, borrowed until the next call; n == 0: that was all. BLOCKS */
	int (*read)(struct control_source *s, struct str *part);
};
struct control_outgo {
	struct str ref, collection; /* "": all */
	int (*head)(void *ctx,
		json_t *collection); /* {collection, kind, name, color, ...}; takes it over */
	int (*item)(void *ctx, struct str name, struct str bytes); /* of that collection */
	int (*left_out)(void *ctx, struct str name, const char *why);
	void *ctx;
};
struct control_items {
	int (*take)(void *ctx, struct control_intake *in); /* BLOCKS */
	/* The same of in->items NULL, and the rows are given after the last one was read. BLOCKS */
	int (*take_each)(void *ctx, struct control_intake *in, struct control_source *from);
	int (*give)(void *ctx, struct control_outgo *out); /* as all stood when it began. BLOCKS */
	void *ctx;
};

#endif
