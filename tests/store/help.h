/* SPDX-License-Identifier: ISC */
/* What the store's tests share. */
#ifndef TESTS_STORE_HELP_H
#define TESTS_STORE_HELP_H

#include "os/main.h"
#include "store/exchange.h"
#include "store/keep.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>

#define OK(call) \
	do { \
		int ok_ = (call); \
		cr_assert_eq(ok_, 0, "%s: %d %s", #call, ok_, err_text(ok_)); \
	} while (0)

#define BRANCH STR("refs/heads/b")
#define MIB    ((uint64_t)1 << 20)

extern const struct store_why why_test;

/* Runs fn on a fresh formatted fake disk of `bytes`, in a fiber. */
void on_disk(int (*fn)(void *fake_disk), uint64_t bytes);
/* What stands at `path` of `ref` now, in the arena; .p NULL when nothing does. */
struct str text_at(struct arena *a, struct store *s, struct str ref, struct str path);
/* The same without assertions, for a process of its own. */
int read_text(struct str *out, struct arena *a, struct store *s, struct str ref, struct str path);
/* One edit: `path` of `ref` holds `text`. */
int put_text(struct store *s, struct str ref, struct str path, struct str text);
struct store_oid tree_of(struct store *s, struct str ref);
struct str num(struct arena *a, const char *fmt, unsigned n);
/* Deterministic bytes that do not compress away. */
void noise(char *p, size_t n, uint64_t seed);
/* Another one each time, printed; STORE_SEED repeats one. */
uint64_t any_seed(const char *what);
/* Mismatches found by store_verify; their sentences, if wanted. */
uint64_t verify_count(struct store *s, struct buf *what);

/* Runs n fibers of fn(arg i) and waits for their end. */
void fibers(unsigned n, void (*fn)(void *), void *args, size_t arg_size);

#endif
