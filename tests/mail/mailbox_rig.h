/* SPDX-License-Identifier: ISC */
/* A mail store on a disk in memory, for the mailbox tests. */
#ifndef TESTS_MAIL_MAILBOX_RIG_H
#define TESTS_MAIL_MAILBOX_RIG_H

#include "os/main.h"
#include "services/mail/mailbox.h"

#include <criterion/criterion.h>

/* Each body runs as the first fiber with a rig of its own, opened for "alice". */
#define MAIL_TEST(name, ...) MAIL_TEST_ON(256, name, ##__VA_ARGS__)
#define MAIL_TEST_ON(disk_mb, name, ...) \
	static void name##_body(struct rig *r); \
	Test(mailbox, name, ##__VA_ARGS__) \
	{ \
		rig_run(name##_body, disk_mb); \
	} \
	static void name##_body(struct rig *r)

struct rig {
	struct os_disk *disk;
	struct store_driver driver;
	struct store *s;
	struct mail *m;
	struct mail_account *a;
	struct arena arena;
};
void rig_run(void (*body)(struct rig *), unsigned disk_mb);
void rig_reopen(struct rig *r);
void rig_rebuild(struct rig *r); /* reopens with every derived row dropped */
void rig_verify(struct rig *r);  /* the store finds no fault */

struct store_oid rig_blob(struct rig *r, struct str text);
/* One message; its UID. */
uint32_t rig_append(struct rig *r, const char *box, struct str text, uint32_t flags);
struct mail_box *rig_box(struct rig *r, const char *name);
void rig_flag(struct rig *r, const char *box, uint32_t uid, enum mail_flag_op op, uint32_t flags);
/* Every mailbox with everything an IMAP client can see of it, as text; in the arena. */
struct str rig_dump(struct rig *r);
/* The bytes of a file at the tip; .p NULL when absent. */
struct str rig_file(struct rig *r, const char *path);
const struct mail_info *rig_info(struct rig *r, const char *name); /* NULL when not listed */
#define cr_expect_str(got, want) \
	do { \
		struct str got_ = (got), want_ = (want); \
		cr_expect(str_eq(got_, want_), "got \"%.*s\", want \"%.*s\"", STR_ARG(got_), \
			STR_ARG(want_)); \
	} while (0)
#define cr_ok(call) \
	do { \
		int err_ = (call); \
		cr_assert_eq(err_, 0, "%s: %s", #call, err_text(err_)); \
	} while (0)

#endif
