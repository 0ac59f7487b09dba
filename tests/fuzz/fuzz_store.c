/* SPDX-License-Identifier: ISC */
/* What the store parses from disk or from others: trees, object records, superblocks, names. */
#include "store/store_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Each entry of a tree is found again by its name, and the order of names is one. */
static void fuzz_tree(struct str in)
{
	struct tcur c = { (const uint8_t *)in.p, in.n, 0 };
	struct tent t, found;
	size_t at = 0;

	while (tree_next(&t, &c) >= 0) {
		os_assert(t.at == at && t.n > 22 && c.at == at + t.n && c.at <= in.n);
		os_assert(tree_get(&found, in, t.name) >= 0 && str_eq(found.name, t.name));
		os_assert(tree_cmp(t.name, true, t.name, true) == 0);
		os_assert(tree_cmp(t.name, false, found.name, true) < 0);
		at = c.at;
	}
}

static void fuzz_object(struct str in)
{
	static z_stream inflate_state;
	struct head h;
	uint8_t *out;

	if (head_parse(&h, in) < 0)
		return;
	if (h.form != FORM_ZLIB || h.size > (1 << 20))
		return;
	if (!inflate_state.state)
		os_assert(inflateInit2(&inflate_state, -MAX_WBITS) == Z_OK);
	out = malloc(h.size + 1);
	os_assert(out);
	(void)!inflate_whole(
		&inflate_state, out, h.size, str_sub(h.payload, 2, h.payload.n - 4), true);
	free(out);
}

static void fuzz_names(struct str in)
{
	struct store_oid id, again;
	char hex[STORE_HEX];
	struct str seg, rest = in;

	if (path_check(in) >= 0 && in.n > 0)
		while (path_next(&seg, &rest) >= 0)
			os_assert(seg.n > 0 && seg.n <= STORE_NAME_MAX && name_check(seg) >= 0);
	if (ref_name_check(in) >= 0)
		os_assert(in.n <= REF_MAX && str_starts(in, STR("refs/")));
	if (store_oid_parse(&id, in) >= 0)
		os_assert(store_oid_parse(&again, str_of(store_oid_hex(hex, &id))) >= 0 &&
			store_oid_eq(&id, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str in = str_n(p, n);
	struct super u;

	if (n == SUPER_BYTES && super_parse(&u, p) >= 0) {
		uint8_t again[SUPER_BYTES];
		os_assert(u.kv_bytes <= UINT64_MAX / 2 && u.kv_offset <= UINT64_MAX / 2);
		super_pack(again, &u);
		os_assert(memcmp(p, again, 72) == 0);
	}
	fuzz_tree(in);
	fuzz_object(in);
	fuzz_names(in);
	return 0;
}
