/* SPDX-License-Identifier: ISC */
/* The small files of a mail branch, which may come from elsewhere, and mailbox names. */
#include "services/mail/mailbox_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What was read and written is read and written the same again. */
static void leaf(struct str in)
{
	static struct mail_leaf leaf;
	struct buf once, twice;
	buf_init(&once, NULL);
	buf_init(&twice, NULL);
	mail_leaf_parse(&leaf, in);
	for (unsigned i = 1; i < leaf.n; i++)
		os_assert(leaf.line[i - 1].seq < leaf.line[i].seq);
	mail_leaf_format(&once, &leaf);
	mail_leaf_parse(&leaf, buf_str(&once));
	mail_leaf_format(&twice, &leaf);
	os_assert(str_eq(buf_str(&once), buf_str(&twice)));
	buf_free(&once);
	buf_free(&twice);
}

static void small_files(struct str in)
{
	struct mail_file file;
	struct buf out, again;
	uint32_t seq;
	buf_init(&out, NULL);
	buf_init(&again, NULL);
	mail_file_parse(&file, in);
	mail_file_format(&out, &file);
	mail_file_parse(&file, buf_str(&out));
	mail_file_format(&again, &file);
	os_assert(str_eq(buf_str(&out), buf_str(&again)));
	out.n = 0;
	mail_lanes_raise(&out, in, 0x1234, 77);
	os_assert(mail_lanes_find(&seq, buf_str(&out), 0x1234) && seq >= 77);
	buf_free(&out);
	buf_free(&again);
}

static void name(struct str in)
{
	struct arena a;
	struct str normal, again, level, rest;
	struct buf folder, back;
	arena_init(&a, 1 << 20);
	buf_init(&folder, &a);
	buf_init(&back, &a);
	mail_name_unescape(&back, in);
	if (mail_name_normal(&normal, &a, in) == 0) {
		os_assert(mail_name_normal(&again, &a, normal) == 0 && str_eq(normal, again));
		bool more = true;
		for (rest = normal; more;) {
			more = str_cut(&level, &rest, rest, '/');
			folder.n = back.n = 0;
			mail_name_escape(&folder, level);
			os_assert(folder.n > 0 && folder.p[0] != '.' &&
				str_chr(buf_str(&folder), '\\') < 0);
			mail_name_unescape(&back, buf_str(&folder));
			os_assert(str_eq(buf_str(&back), level));
		}
	}
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str in = str_n(p, n);
	uint32_t lane, seq;
	leaf(in);
	small_files(in);
	name(in);
	(void)mail_path_parse_leaf(&lane, &seq, in);
	(void)mail_path_parse_message(&lane, &seq, in);
	return 0;
}
