/* SPDX-License-Identifier: ISC */
/*
 * Options as rows of one table: name, type, range, default and one line of meaning.
 * Parser, --help and manual page come from the same rows.
 *
 *	struct conf { uint64_t max_bytes; struct str domain; bool trace; } c;
 *	static const struct os_opt opts[] = {
 *		OS_OPT_U64(struct conf, max_bytes, "message.max", 1, 1 << 30, 52428800, "largest
 *message, bytes"), OS_OPT_STR(struct conf, domain, "domain", "", "mail domain served"),
 *		OS_OPT_BOOL(struct conf, trace, "trace", false, "log every protocol line"),
 *		{ 0 }
 *	};
 *	os_conf_defaults(&c, opts);
 *	err = os_conf_set(&c, opts, &arena, STR("message.max"), STR("1000"));   ERR_BAD names the
 *row and its range
 */
#ifndef OS_CONF_H
#define OS_CONF_H

#include "os/base.h"

enum os_opt_type { OS_OPT_END, OS_OPT_TYPE_U64, OS_OPT_TYPE_STR, OS_OPT_TYPE_BOOL };
struct os_opt {
	enum os_opt_type type;
	const char *name, *meaning;
	size_t offset;
	uint64_t min, max, num;
	const char *text; /* default of a string */
};
#define OS_OPT_U64(s, m, name, min, max, def, meaning) \
	{ OS_OPT_TYPE_U64, name, meaning, offsetof(s, m), min, max, def, NULL }
#define OS_OPT_STR(s, m, name, def, meaning) \
	{ OS_OPT_TYPE_STR, name, meaning, offsetof(s, m), 0, 0, 0, def }
#define OS_OPT_BOOL(s, m, name, def, meaning) \
	{ OS_OPT_TYPE_BOOL, name, meaning, offsetof(s, m), 0, 1, def, NULL }

void os_conf_defaults(void *conf, const struct os_opt *opts);
/* ERR_NOENT: no such option; ERR_BAD: not of its type or range. Strings are copied into `a`. */
MUST_CHECK int os_conf_set(
	void *conf, const struct os_opt *opts, struct arena *a, struct str name, struct str value);
/* "key=value key2=value2"; names not in `opts` are passed over (they are somebody else's rows). */
MUST_CHECK int os_conf_args(
	void *conf, const struct os_opt *opts, struct arena *a, struct str args);
/* One boot argument: its value, or STR_NONE. Borrowed for ever. */
struct str os_arg(const char *name);

#endif
