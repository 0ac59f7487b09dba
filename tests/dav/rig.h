/* SPDX-License-Identifier: ISC */
/*
 * A DAV service on a fake disk, asked over memory: each `ask` is a request as a client would send it.
 *
 *	rig_run(&contacts_service, body);
 *	static void body(struct rig *r)
 *	{
 *		want(r, 201, ask(r, "PUT", "/contacts/alice/contacts/a.vcf", NULL, card));
 *		... r->reply, header(r, "ETag") ...
 *	}
 */
#ifndef TESTS_DAV_RIG_H
#define TESTS_DAV_RIG_H

#include "services/dav/dav.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>

struct rig {
	struct dav_config cfg;
	struct store_driver driver;
	struct os_disk *disk;
	struct arena a;
	struct str password; /* alice's */
	struct str reply;    /* the last one's body */
	struct str head;     /* its head */
};
void rig_run(const struct dav_service *service, void (*body)(struct rig *));
void rig_reopen(struct rig *r);  /* as after a restart */
void rig_rebuild(struct rig *r); /* with all rows made again */
/* Status of the reply. `headers`: lines ended by CRLF, or NULL; `body` NULL: none. */
int ask(struct rig *r, const char *method, const char *target, const char *headers,
	const char *body);
struct str header(struct rig *r, const char *name); /* of the last reply; STR_NONE */
bool says(struct rig *r, const char *text);         /* the last reply's body holds it */
int times(struct rig *r, const char *text);         /* how often */
/* What stands between two texts in the last reply; "" */
const char *between(struct rig *r, const char *before, const char *after);
#define want(r, status, got) \
	do { \
		int is = (got); \
		cr_assert_eq(is, (status), "line %d: status %d\n%.*s", __LINE__, is, \
			STR_ARG((r)->reply)); \
	} while (0)

#endif
