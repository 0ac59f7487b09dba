/* SPDX-License-Identifier: ISC */
#include "services/dav/path.h"

#include <criterion/criterion.h>

static struct arena a;
static void setup(void)
{
	arena_init(&a, 1 << 20);
}
static void teardown(void)
{
	arena_free(&a);
}
TestSuite(path, .init = setup, .fini = teardown);

static const struct {
	const char *target;
	enum dav_place place;
	const char *href; /* as a collection where it ended in a slash */
} targets[] = {
	{ "/", DAV_ROOT, "/" },
	{ "http://h:80", DAV_ROOT, "/" },
	{ "https://h/principals/alice/", DAV_PRINCIPAL, "/principals/alice/" },
	{ "/principals", DAV_PRINCIPALS, "/principals" },
	{ "/.well-known/caldav", DAV_WELL_KNOWN, "/.well-known/caldav" },
	{ "/calendars/", DAV_HOMES, "/calendars/" },
	{ "/calendars/alice", DAV_RESOURCE, "/calendars/alice" },
	{ "//calendars//alice/x%20y/%e9%2b.ics?a=b", DAV_RESOURCE,
		"/calendars/alice/x%20y/%E9+.ics" },
	{ "/calendars/alice/a&b/", DAV_RESOURCE, "/calendars/alice/a%26b/" },
};
static const struct {
	const char *target;
	int err;
} refused[] = {
	{ "", ERR_BAD },
	{ "alice", ERR_BAD },
	{ "/calendars/alice/x#y", ERR_BAD },
	{ "/calendars/%2e%2e/x", ERR_BAD },
	{ "/calendars/a%2fb", ERR_BAD },
	{ "/calendars/a%00b", ERR_BAD },
	{ "/calendars/a%4", ERR_BAD },
	{ "/calendars/a%zzb", ERR_BAD },
	{ "/1/2/3/4/5/6/7/8/9/10/11", ERR_LIMIT },
};

Test(path, targets)
{
	struct dav_path p;
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		cr_assert_eq(dav_path_parse(&p, &a, str_of(targets[i].target)), 0, "%s",
			targets[i].target);
		cr_expect_eq(p.place, targets[i].place, "%s", targets[i].target);
		buf_init(&b, &a);
		dav_href(&b, &p, p.slash);
		cr_expect_str_eq(b.p, targets[i].href, "%s: %s", targets[i].target, b.p);
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		cr_expect_eq(dav_path_parse(&p, &a, str_of(refused[i].target)), refused[i].err,
			"%s", refused[i].target);
	struct str lng = arena_fmt(&a, "/calendars/alice/%0*d", DAV_NAME_MAX + 1, 0);
	cr_expect_eq(dav_path_parse(&p, &a, lng), ERR_LIMIT);
}

/* Whatever the name: one place in the branch, and back. */
Test(path, names)
{
	static const char *const names[] = { "lunch.ics", ".git", "a:b*?.ics", "..ics", "ab", "f0",
		"F0", "%41", "\xc3\xa9.", " x ", ".collection", "\xe2\x80\x8c.git", "CON" };
	struct buf b, back;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str segs[2] = { STR("home"), str_of(names[i]) };
		buf_init(&b, &a);
		dav_item_file(&b, segs, 2);
		cr_assert(dav_is_shard(str_sub(buf_str(&b), 5, 7)) && b.p[7] == '/', "%s", b.p);
		buf_init(&back, &a);
		dav_name_unescape(&back, str_sub(buf_str(&b), 8, b.n));
		cr_expect_str_eq(back.p, names[i]);
		buf_init(&b, &a);
		dav_folder_name(&b, segs[1]);
		cr_expect(!dav_is_shard(buf_str(&b)) && b.p[0] != '.', "%s", b.p);
		buf_init(&back, &a);
		dav_name_unescape(&back, buf_str(&b));
		cr_expect_str_eq(back.p, names[i]);
	}
}
