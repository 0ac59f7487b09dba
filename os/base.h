/* SPDX-License-Identifier: ISC */
/*
 * Values everybody uses: error codes, byte strings, growing buffers, arenas.
 *
 *	struct arena a;
 *	arena_init(&a, 64 * 1024);                       hard cap, bytes
 *	struct str name = arena_fmt(&a, "user-%u", id);  borrowed from the arena
 *	if (str_eq(name, STR("user-7"))) ...
 *	struct buf b;
 *	buf_init(&b, &a);
 *	buf_add(&b, name); buf_fmt(&b, " %d", 3);        sticky: check once
 *	if (b.err < 0) return b.err;                     ERR_LIMIT past the cap
 *	arena_free(&a);                                  everything goes at once
 *
 * Functions that can fail return 0 or a negative enum err. The code is for the
 * program; the sentence for people is set once, where the fault is found, by
 * err_set(), and read by whoever logs it with err_text().
 */
#ifndef OS_BASE_H
#define OS_BASE_H

#include "os/banned.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK   __attribute__((warn_unused_result))
#define NORETURN     __attribute__((noreturn))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* name, value, words for people */
#define ERR_TABLE(X) \
	X(ERR_BAD, -1, "malformed input") \
	X(ERR_LIMIT, -2, "over a limit") \
	X(ERR_NOENT, -3, "not found") \
	X(ERR_EXIST, -4, "already there") \
	X(ERR_CONFLICT, -5, "changed by somebody else meanwhile") \
	X(ERR_TIMEOUT, -6, "timed out") \
	X(ERR_CLOSED, -7, "closed") \
	X(ERR_IO, -8, "input/output error") \
	X(ERR_NOMEM, -9, "out of memory") \
	X(ERR_NOSPACE, -10, "no space left") \
	X(ERR_CORRUPT, -11, "damaged data") \
	X(ERR_DENIED, -12, "not allowed") \
	X(ERR_UNSUPPORTED, -13, "not supported") \
	X(ERR_BUSY, -14, "busy, try again") \
	X(ERR_AGAIN, -15, "more input needed")

enum err {
#define X(name, value, words) name = value,
	ERR_TABLE(X)
#undef X
};

/* The general words for a code; "ok" for 0, "unknown error" otherwise. */
const char *err_name(int err);

/*
 * Record the sentence for people (at most 255 bytes, kept in the running fiber;
 * a later call replaces it) and return `err`, so that
 *	return err_set(ERR_BAD, "smtp: line over %d bytes", max);
 */
int err_set(int err, const char *fmt, ...) PRINTF(2, 3);
#ifdef __clang_analyzer__ /* lint sees one file at a time: let it see that `err` comes back */
#define err_set(err, ...) (err_set((err), __VA_ARGS__), (err))
#endif

/* The last sentence set in this fiber if it was set for `err`, else err_name(err). Borrowed until
 * the next err_set. */
const char *err_text(int err);

/* A broken invariant: prints where and why with a backtrace, ends the program with a crash code. */
#define os_panic(...) os_panic_at(__FILE__, __LINE__, __VA_ARGS__)
NORETURN void os_panic_at(const char *file, int line, const char *fmt, ...) PRINTF(3, 4);
#define os_assert(cond) \
	do { \
		if (!(cond)) \
			os_panic("assertion failed: %s", #cond); \
	} while (0)

/* ---- borrowed bytes; never NUL-terminated by promise ---- */
struct str {
	const char *p;
	size_t n;
};
#define STR(lit)   ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_NONE   ((struct str){ NULL, 0 })
#define STR_ARG(s) (int)(s).n, (s).p /* for "%.*s" */

static inline struct str str_of(const char *z)
{
	return (struct str){ z, z ? strlen(z) : 0 };
}
static inline struct str str_n(const void *p, size_t n)
{
	return (struct str){ p, n };
}
bool str_eq(struct str a, struct str b);
bool str_ieq(struct str a, struct str b); /* ASCII case folded */
int str_cmp(struct str a, struct str b);  /* bytewise, shorter first */
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Index of the first `c` or `needle`, -1 when absent. */
ptrdiff_t str_chr(struct str s, char c);
ptrdiff_t str_find(struct str s, struct str needle);
/* s[from, to), clamped to the string. */
struct str str_sub(struct str s, size_t from, size_t to);
struct str str_trim(struct str s); /* SP, HTAB, CR, LF at both ends */
/*
 * Cut at the first `c`: *head is what stands before it, *rest what follows.
 * Without `c` the head is all of `s`, rest is empty, and the result is false.
 */
bool str_cut(struct str *head, struct str *rest, struct str s, char c);
/* Decimal digits only, all of `s`, at most `max`; else ERR_BAD / ERR_LIMIT. */
MUST_CHECK int str_u64(uint64_t *out, struct str s, uint64_t max);

/* ---- arena: allocate many, free once ---- */
struct arena_block;
struct arena {
	struct arena_block *blocks;
	char *at, *end;
	size_t used_bytes, cap_bytes;
};
void arena_init(struct arena *a, size_t cap_bytes);
void arena_free(struct arena *a);  /* back to the empty state, reusable with the same cap */
void arena_reset(struct arena *a); /* like arena_free, but keeps one block for reuse */
/*
 * 16-byte aligned, not zeroed. NULL past the cap or when memory is out; the
 * caller turns that into ERR_LIMIT. arena_zalloc zeroes.
 */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
/* Copies; a NUL follows the bytes. `.p` is NULL past the cap. */
struct str arena_dup(struct arena *a, struct str s);
struct str arena_fmt(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

/* ---- growing buffer; memory from an arena, or from malloc when `a` is NULL ---- */
struct buf {
	char *p; /* p[n] is always 0 once something was added */
	size_t n, cap;
	struct arena *a;
	int err; /* sticky: 0, ERR_LIMIT or ERR_NOMEM; later adds do nothing */
};
void buf_init(struct buf *b, struct arena *a);
void buf_free(struct buf *b); /* malloc'ed buffers only; harmless on arena ones */
void buf_add(struct buf *b, struct str s);
void buf_addz(struct buf *b, const char *z);
void buf_addc(struct buf *b, char c);
void buf_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
static inline struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

#endif
