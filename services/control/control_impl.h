/* SPDX-License-Identifier: ISC */
/* What the handlers of the control endpoint share. */
#ifndef SERVICES_CONTROL_CONTROL_IMPL_H
#define SERVICES_CONTROL_CONTROL_IMPL_H

#include "services/control/control.h"
#include "services/control/items.h"
#include "services/control/words.h"

#include <jansson.h>

struct control {
	struct control_config cfg;
	uint8_t token_hash[32];
	os_time started;
	unsigned connections;
	bool working; /* a verify or a sweep */
};

/* One request. `rest` is what follows the route's prefix. All BLOCK in sending. */
struct control_route {
	const char *method, *path;
	bool prefix; /* path is only how the request's path starts */
	void (*handle)(struct control *c, struct http_x *x, struct str rest);
};
void control_status(struct control *c, struct http_x *x, struct str rest);
void control_metrics(struct control *c, struct http_x *x, struct str rest);
void control_refs(struct control *c, struct http_x *x, struct str rest);
void control_log(struct control *c, struct http_x *x, struct str rest);
void control_diff(struct control *c, struct http_x *x, struct str rest);
void control_restore(struct control *c, struct http_x *x, struct str rest);
void control_show(struct control *c, struct http_x *x, struct str rest);
void control_items_in(struct control *c, struct http_x *x, struct str rest);
void control_items_out(struct control *c, struct http_x *x, struct str rest);
void control_milestones(struct control *c, struct http_x *x, struct str rest);
void control_verify(struct control *c, struct http_x *x, struct str rest);
void control_sweep(struct control *c, struct http_x *x, struct str rest);
void control_keeping(struct control *c, struct http_x *x, struct str rest);
void control_snapshot(struct control *c, struct http_x *x, struct str rest);
void control_users(struct control *c, struct http_x *x, struct str rest);
void control_user(struct control *c, struct http_x *x, struct str rest);
void control_powerdown(struct control *c, struct http_x *x, struct str rest);

/* History in files: `last` and `restore` are NULL. */
void control_files(struct control_words *out, struct store *s);

/* Value of a query parameter, percent-decoded, in the request's arena; STR_NONE when absent. */
struct str control_param(struct http_x *x, const char *name);
/* The request's body as a JSON object, a new reference; NULL: an error was replied. */
json_t *control_body(struct http_x *x);

/* Replies with `j` and drops it; NULL (out of memory) is a 500. */
void control_reply(struct http_x *x, int status, json_t *j);
/* {error, hint} with the status that fits `err`, the sentence of err_text; hint may be NULL. */
void control_fail(struct http_x *x, int err, const char *hint);
/* One line of a JSON-lines reply; drops `j`. */
MUST_CHECK int control_line(struct http_x *x, json_t *j);
/* Begins such a reply. */
void control_lines(struct http_x *x);
/* Ends it; an err < 0 becomes its last line. */
void control_lines_end(struct http_x *x, int err);

#endif
