/* SPDX-License-Identifier: ISC */
/* A store without rows on a disk in memory, and the mail merge on detached trees in it. */
#ifndef TESTS_MAIL_MERGE_RIG_H
#define TESTS_MAIL_MERGE_RIG_H

#include "tests/mail/mail_tree.h"

#include <criterion/criterion.h>

#define OK(call) \
	do { \
		int ok_err = (call); \
		cr_assert(ok_err == 0, "%s: %s", #call, err_text(ok_err)); \
	} while (0)

struct env {
	struct store *s;
	struct os_disk *disk;
	struct arena a;
	struct buf notes; /* of the last merge */
	void (*body)(struct env *);
	unsigned disk_mb;
};
void merge_run(void (*body)(struct env *), unsigned disk_mb);
#define MERGE_TEST(mb, name) \
	static void name##_body(struct env *v); \
	Test(merge, name) \
	{ \
		merge_run(name##_body, mb); \
	} \
	static void name##_body(struct env *v)

struct store_oid rig_message(struct env *v, const char *text); /* a blob, held by nothing yet */
/* `base` NULL: none is known. */
struct store_oid merge(struct env *v, const struct store_oid *base, const struct store_oid *ours,
	const struct store_oid *theirs);
/* Of at most eight files: path, text, ..., NULL; one in the way of another is left out. */
struct store_oid rig_tree(struct env *v, const char *const files[static 16]);
struct str rig_text(struct env *v, const struct store_oid *tree, const char *path);

#endif
