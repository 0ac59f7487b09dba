/* SPDX-License-Identifier: ISC */
/* What the store parses from disk or from others: trees, object records, superblocks, names. */
#include "store/log_part_impl.h"
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
	static uint8_t out[FRAME_BYTES];
	char room[OBJECT_VALUE_MAX];
	struct head h;

	if (head_parse(&h, in) >= 0)
		os_assert(object_value(room, &h).n <= OBJECT_VALUE_MAX);
	if (!inflate_state.state)
		os_assert(inflateInit2(&inflate_state, -MAX_WBITS) == Z_OK);
	if (in.n > 2)
		(void)!inflate_whole(&inflate_state, out, (uint8_t)in.p[0] << 8 | (uint8_t)in.p[1],
			str_sub(in, 2, in.n), in.n & 1);
}

/* Records of the log, one behind the other: what is told of each lies in it. */
static void fuzz_records(struct str in)
{
	struct log_record r;
	size_t n;

	while (in.n > 0 && record_parse(&r, &n, in) >= 0) {
		const struct str parts[] = { r.key, r.value, r.bytes };
		for (size_t i = 0; i < ARRAY_LEN(parts); i++)
			os_assert(parts[i].n == 0 ||
				(parts[i].p >= in.p && parts[i].p + parts[i].n <= in.p + n));
		os_assert(n > 0 && n <= in.n);
		in = str_sub(in, n, in.n);
	}
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
		super_pack(again, &u);
		os_assert(memcmp(p, again, 12) == 0 && memcmp(p + 16, again + 16, 36) == 0);
	}
	fuzz_tree(in);
	fuzz_object(in);
	fuzz_records(in);
	fuzz_names(in);
	return 0;
}
