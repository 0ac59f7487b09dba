/* SPDX-License-Identifier: ISC */
/* Packs made by hand, and giving them to a store. */
#ifndef TESTS_STORE_PACKER_H
#define TESTS_STORE_PACKER_H

#include "store/receive_impl.h"
#include "tests/store/help.h"

#define ME   STR("refs/heads/b")
#define ELSE STR("refs/heads/other")

extern const struct store_receive_limits limits_test;

struct packer {
	struct buf b;
	size_t last[4]; /* where the last entries began */
};
void pack_begin(struct packer *p, uint32_t count);
void pack_end(struct packer *p);
void put_head(struct packer *p, int type, uint64_t size); /* of an entry */
void put_zlib(struct packer *p, struct str bytes);
struct store_oid put_object(struct packer *p, int type, struct str bytes);
void put_ref_delta(struct packer *p, const struct store_oid *base, struct str delta);
/* Against the entry `back` before this one. */
void put_ofs_delta(struct packer *p, unsigned back, struct str delta);
/* The tree in `tree`, and a commit of it. */
struct store_oid put_commit(
	struct packer *p, const struct buf *tree, const struct store_oid *parent);

void add_number(struct buf *b, uint64_t v);
void add_copy(struct buf *b, uint32_t at, uint32_t n);
/* From a base of `base_n` bytes: its first `copy` bytes, then `more`. */
struct str delta_of(struct buf *b, uint64_t base_n, uint32_t copy, struct str more);
void add_entry(struct buf *b, const char *mode, const char *name, const struct store_oid *id);
struct str commit_of(struct buf *b, const struct store_oid *tree, const struct store_oid *parent);

struct given {
	int err;
	char text[256];
};
int give_pieces(struct store_receive *r, struct str bytes, size_t piece);
/* Whole and byte by byte, with the same result, as the owner of ME; the pack is freed. `tip` NULL: not
 * checked. */
struct given give(struct store *s, struct packer *p, const struct store_oid *tip);
void expect(struct given g, int err, const char *part, const char *what);

/* A test in a fiber, with an empty store. */
#define STORE_TEST(suite, name) \
	static void in_##name(struct store *s); \
	Test(suite, name) \
	{ \
		with_store(in_##name); \
	} \
	static void in_##name(struct store *s)
void with_store(void (*fn)(struct store *s));

#endif
