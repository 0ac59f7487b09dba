/* SPDX-License-Identifier: ISC */
/*
 * How `allod` talks to a person, on stderr:
 *
 *	return prov_fail("`allod init USER@DOMAIN` makes one", "no estate in %s", home);
 * prints
 *	allod: no estate in /home/alice/.local/share/allod
 *	hint: `allod init USER@DOMAIN` makes one
 */
#ifndef PROVISIONER_SAY_H
#define PROVISIONER_SAY_H

#include "provisioner/verb.h"

/* "what happened: why". The hint may be NULL. Both return PROV_FAILED / PROV_USAGE. */
int prov_fail(const char *hint, const char *fmt, ...) PRINTF(2, 3);
int prov_usage(const char *hint, const char *fmt, ...) PRINTF(2, 3);
void prov_hint(const char *fmt, ...) PRINTF(1, 2);
void prov_note(const char *fmt, ...) PRINTF(1, 2); /* a plain line on stderr */

/* A line that is rewritten in place on a terminal, at most ten times a second; silent elsewhere. */
struct prov_progress {
	int64_t last_ns;
	bool shown;
};
void prov_progress(struct prov_progress *g, const char *fmt, ...) PRINTF(2, 3);
void prov_progress_end(struct prov_progress *g); /* leaves an empty line start */

/* Bold, only when stdout is a terminal and NO_COLOR is not set: put around words. */
const char *prov_bold(void);
const char *prov_plain(void);

/* To stdout: text from elsewhere, with control characters shown as '?'. */
void prov_print_clean(struct str s);
/* One JSON value as a line on stdout: PROV_OK or PROV_FAILED. */
struct json_t;
int prov_print_json_line(const struct json_t *j);
/* Write to stdout; a closed pipe is an error said once: PROV_OK or PROV_FAILED. */
int prov_print(struct str s);
/* A word as the shell reads it back, quoted where needed; in the arena. */
const char *prov_quoted(struct prov *p, struct str word);
/* "12.3 MB" in the arena-free way: `out` holds 16 bytes. */
const char *prov_size(char out[static 16], uint64_t bytes);

#endif
