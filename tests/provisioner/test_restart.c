/* SPDX-License-Identifier: ISC */
#include "os/platform.h"
#include "provisioner/diff.h"
#include "provisioner/launch.h"
#include "provisioner/restart.h"

#include <criterion/criterion.h>
#include <signal.h>

#define EXITED(code) ((code) << 8)

Test(restart, what_an_end_means)
{
	static const struct {
		enum prov_target target;
		int status;
		bool reset;
		enum prov_end end;
	} rows[] = {
		{ PROV_UNIX, EXITED(0), false, PROV_END_CLEAN },
		{ PROV_UNIX, EXITED(PLAT_EXIT_CONFIG), false, PROV_END_CONFIG },
		{ PROV_UNIX, EXITED(63), false, PROV_END_CONFIG },
		{ PROV_UNIX, EXITED(PLAT_EXIT_CRASH), false, PROV_END_CRASH },
		{ PROV_UNIX, EXITED(127), false, PROV_END_CRASH },
		{ PROV_UNIX, SIGKILL, false, PROV_END_CRASH },
		{ PROV_UNIX, SIGSEGV, false, PROV_END_CRASH },
		{ PROV_VIRT, EXITED(0), false, PROV_END_CLEAN },
		{ PROV_VIRT, EXITED(1), false, PROV_END_REFUSED },
		{ PROV_VIRT, EXITED(PLAT_EXIT_CONFIG * 2 + 1), false, PROV_END_CONFIG },
		{ PROV_VIRT, EXITED(PLAT_EXIT_CRASH * 2 + 1), false, PROV_END_CRASH },
		{ PROV_VIRT, EXITED(2), false, PROV_END_CRASH },
		{ PROV_VIRT, SIGKILL, false, PROV_END_CRASH },
		{ PROV_VIRT, EXITED(0), true, PROV_END_CRASH },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *words = NULL;

		cr_expect_eq(prov_end_of(rows[i].target, rows[i].status, rows[i].reset, &words),
			rows[i].end, "row %zu: %s", i, words);
		cr_expect(words && *words, "row %zu", i);
	}
}

Test(restart, backs_off_and_starts_over_after_health)
{
	struct prov_backoff b = { 0 };
	os_time wait = 0, last = 0;

	cr_expect_eq(prov_backoff_after(&b, 0, false), PROV_BACKOFF_LEAST_NS);
	for (int i = 0; i < 20; i++) {
		wait = prov_backoff_after(&b, OS_SEC, false);
		cr_expect_geq(wait, last);
		cr_expect_leq(wait, PROV_BACKOFF_MOST_NS);
		last = wait;
	}
	cr_expect_eq(wait, PROV_BACKOFF_MOST_NS);
	cr_expect_eq(prov_backoff_after(&b, PROV_HEALTHY_NS, false), PROV_BACKOFF_LEAST_NS);
}

/* Somebody is waiting for a service that had been there. */
Test(restart, what_had_served_is_back_within_two_seconds)
{
	struct prov_backoff b = { 0 };

	for (int i = 0; i < 20; i++)
		cr_expect_leq(prov_backoff_after(&b, OS_SEC, true), PROV_BACKOFF_SERVED_NS);
}

static bool has(const struct prov_argv *v, const char *word)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->v[i], word) == 0)
			return true;
	return false;
}

Test(launch, exactly_the_devices_of_the_manifest)
{
	static struct prov_service s = { .name = STR("mail"),
		.disk = "/x/a,b.img",
		.listen_count = 2,
		.listen = { { .name = STR("smtp"), .guest = 25 },
			{ .name = STR("imap"), .guest = 143 } } };
	static struct prov_image i = { .path = "/x/mail.img",
		.manifest = { .nics = 1, .disks = 1, .memory_mb = 48 } };
	static struct prov_argv v;
	struct arena a;

	arena_init(&a, 1 << 20);
	cr_assert_eq(os_addr_parse(&s.listen[0].host, STR("127.0.0.1:10025"), 0), 0);
	cr_assert_eq(os_addr_parse(&s.listen[1].host, STR("[::1]:10143"), 0), 0);
	cr_assert_eq(prov_launch_virt(&v, &a, &i, &s, "tcg", 3), 0);
	cr_expect(has(&v,
		"user,id=n0,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:10025-:25,"
		"hostfwd=tcp:[::1]:10143-:143"));
	cr_expect(has(&v, "if=none,id=d0,format=raw,file=/x/a,,b.img"));
	cr_expect(has(&v, "48"));
	i.manifest.nics = i.manifest.disks = 0;
	cr_assert_eq(prov_launch_virt(&v, &a, &i, &s, "tcg", 3), 0);
	cr_expect(!has(&v, "virtio-blk-device,drive=d0") && !has(&v, "-netdev"));
	i.manifest.disks = 1;
	cr_assert_eq(prov_launch_unix(&v, &a, &i, &s), 0);
	cr_expect(has(&v, "disk0=/x/a,b.img") && has(&v, "listen.143=[::1]:10143"));
	arena_free(&a);
}

static void collect(void *ctx, char sign, struct str line)
{
	buf_fmt(ctx, "%c%.*s|", sign, STR_ARG(line));
}

Test(diff, rows)
{
	static const struct {
		const char *before, *after, *shows;
	} rows[] = {
		{ "", "", "" },
		{ "a\n", "a\n", "" },
		{ "", "a\nb\n", "+a|+b|" },
		{ "a\r\nb\r\n", "", "-a|-b|" },
		{ "a\nb\nc\n", "a\nx\nc\n", "-b|+x|" },
		{ "a\nb\n", "b\nc\n", "-a|+c|" },
		{ "1\n2\n3\n4\n", "2\n4\n5\n", "-1|-3|+5|" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b;

		buf_init(&b, NULL);
		buf_add(&b, STR(""));
		prov_diff(str_of(rows[i].before), str_of(rows[i].after), collect, &b);
		cr_expect(str_eq(buf_str(&b), str_of(rows[i].shows)), "row %zu: %.*s", i,
			STR_ARG(buf_str(&b)));
		buf_free(&b);
	}
}
