/* SPDX-License-Identifier: ISC */
/* What is read out of commits, and what counts as readable; tests/fuzz/fuzz_object.c compares with libgit2. */
#include "store/store_impl.h"

#include <criterion/criterion.h>

#define ID   "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
#define HEAD "tree " ID "\n"
#define BY   "author A <a@b> 5 +0000\ncommitter C <c@d> 6 +0100\n"
#define TAG  "object " ID "\ntype commit\ntag v1\n"

/* Breakage: a person's line may miss its '<', or have it after the '>'. */
Test(object_text, readable)
{
	static const struct {
		int type;
		bool readable;
		const char *text;
	} rows[] = {
		{ OBJ_COMMIT, true, HEAD BY "\nm\n" },
		{ OBJ_COMMIT, true, HEAD "parent " ID "\n" BY },
		{ OBJ_COMMIT, true, HEAD "author A <a>\nauthor B <b>\ncommitter <> 7\n\n" },
		{ OBJ_COMMIT, false, "" },
		{ OBJ_COMMIT, false, BY "\nm\n" },
		{ OBJ_COMMIT, false, "tree 4b825dc6\n" BY },
		{ OBJ_COMMIT, false, HEAD "parent x\n" BY },
		{ OBJ_COMMIT, false, HEAD "committer C <c@d> 6 +0100\n\nm\n" },
		{ OBJ_COMMIT, false, HEAD "author A <a@b> 5 +0000\n\nm\n" },
		{ OBJ_COMMIT, false, HEAD "author A a@b> 5\ncommitter C <c@d> 6\n" },
		{ OBJ_COMMIT, false, HEAD "author A >a@b< 5\ncommitter C <c@d> 6\n" },
		{ OBJ_COMMIT, false, HEAD "author A <a@b> soon\ncommitter C <c@d> 6\n" },
		{ OBJ_COMMIT, false, HEAD "author A <a>\nauthor B b\ncommitter <> 7\n\n" },
		{ OBJ_COMMIT, false, HEAD "author A <a@b> 5\ncommitter C <c@d> 6" },
		{ OBJ_TAG, true, TAG "tagger A <a@b> 5 +0000\n\nfirst\n" },
		{ OBJ_TAG, true, TAG },
		{ OBJ_TAG, true, TAG "\nfirst" },
		{ OBJ_TAG, true, TAG "tagger A <a>\nmore\n\n" },
		{ OBJ_TAG, false, TAG "tagger A <a>\nmore\n" },
		{ OBJ_TAG, false, TAG "more\n\n" },
		{ OBJ_TAG, false, "object " ID "\ntype ?\ntag v1\n" },
		{ OBJ_TAG, false, "type commit\ntag v1\n" },
		{ OBJ_TREE, true, "" },
		{ OBJ_TREE, false, "100644 a" },
		{ OBJ_BLOB, true, "anything" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(object_readable(rows[i].type, str_of(rows[i].text)), rows[i].readable,
			"row %zu: %s", i, rows[i].text);
}

Test(object_text, tree_modes)
{
	char tree[] = "100644 a\0 01234567890123456789";
	struct str raw = str_n(tree, 9 + 20);

	cr_expect(object_readable(OBJ_TREE, raw));
	memcpy(tree, "777777", 6); /* more than 16 bits */
	cr_expect_not(object_readable(OBJ_TREE, raw));
}

/* Breakage: the message begins at the first line that is none of the four; the author's time is
 * taken for the committer's. */
Test(object_text, fields)
{
	struct commit_fields c;

	cr_assert_eq(commit_parse(&c, STR(HEAD "parent " ID "\nparent 00" ID "\n")), ERR_CORRUPT);
	cr_assert_eq(commit_parse(&c,
			     STR(HEAD "parent " ID "\nauthor \"Ann, \" < a@b> 5 +0000\n"
				      "committer C <c@d> 6 +0100\nencoding x\ngpgsig y\n z\n"
				      "\nsubject\n\nbody\n")),
		0);
	cr_expect_eq(c.parent_count, 1);
	cr_expect_arr_eq(c.parents[0].b, c.tree.b, sizeof(c.tree.b));
	cr_expect(str_eq(c.author_name, STR("Ann")));
	cr_expect(str_eq(c.author_email, STR("a@b")));
	cr_expect_eq(c.time, 6);
	cr_expect(str_eq(c.message, STR("subject\n\nbody\n")));
}

Test(object_text, many_parents)
{
	struct commit_fields c;
	struct buf b;

	buf_init(&b, NULL);
	buf_addz(&b, HEAD);
	for (int i = 0; i < COMMIT_PARENTS; i++)
		buf_addz(&b, "parent " ID "\n");
	buf_addz(&b, BY);
	cr_expect_eq(commit_parse(&c, buf_str(&b)), 0);
	cr_expect_eq(c.parent_count, COMMIT_PARENTS);
	b.n -= strlen(BY);
	buf_addz(&b, "parent " ID "\n" BY);
	cr_expect_eq(commit_parse(&c, buf_str(&b)), ERR_LIMIT);
	buf_free(&b);
}
