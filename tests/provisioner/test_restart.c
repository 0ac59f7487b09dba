/* SPDX-License-Identifier: ISC */
#include "os/platform.h"
#include "provisioner/diff.h"
#include "provisioner/home.h"
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
	static const struct prov_behind alone = { 0 };
	static struct prov_argv v;
	struct arena a;

	arena_init(&a, 1 << 20);
	cr_assert_eq(os_addr_parse(&s.listen[0].host, STR("127.0.0.1:10025"), 0), 0);
	cr_assert_eq(os_addr_parse(&s.listen[1].host, STR("[::1]:10143"), 0), 0);
	cr_assert_eq(prov_launch_virt(&v, &a, &i, &s, &alone, "tcg", 3), 0);
	cr_expect(has(&v,
		"user,id=n0,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:10025-:25,"
		"hostfwd=tcp:[::1]:10143-:143"));
	cr_expect(has(&v, "if=none,id=d0,format=raw,file=/x/a,,b.img"));
	cr_expect(has(&v, "48"));
	i.manifest.nics = i.manifest.disks = 0;
	cr_assert_eq(prov_launch_virt(&v, &a, &i, &s, &alone, "tcg", 3), 0);
	cr_expect(!has(&v, "virtio-blk-device,drive=d0") && !has(&v, "-netdev"));
	i.manifest.disks = 1;
	cr_assert_eq(prov_launch_unix(&v, &a, &i, &s, &alone), 0);
	cr_expect(has(&v, "disk0=/x/a,b.img") && has(&v, "listen.143=[::1]:10143"));
	arena_free(&a);
}

/* Where contacts are, as calendar reaches them; only who has somebody behind may open connections. */
Test(launch, who_stands_in_front_is_told_of_whom)
{
	static const struct {
		const char *host, *guest, *process; /* NULL: there is no way */
	} rows[] = {
		{ "127.0.0.1:9443", "behind=10.0.2.2:9443", "behind=127.0.0.1:9443" },
		{ "0.0.0.0:9443", "behind=10.0.2.2:9443", "behind=127.0.0.1:9443" },
		{ "192.0.2.7:9443", "behind=192.0.2.7:9443", "behind=192.0.2.7:9443" },
		{ "127.0.0.9:9443", NULL, "behind=127.0.0.9:9443" },
		{ "[::1]:9443", NULL, "behind=[::1]:9443" },
	};
	static struct prov_image i = { .path = "/x/calendar.img", .manifest = { .nics = 1 } };
	static struct prov_argv v;
	static struct prov_estate e = { .service_count = 2,
		.services = { { .name = STR("calendar"), .disk = "/x" },
			{ .name = STR("contacts"),
				.listen_count = 1,
				.listen = { { .name = STR("https"), .guest = 443 } } } } };
	struct prov_service *calendar = &e.services[0], *contacts = &e.services[1];
	struct prov_behind b;
	struct prov p = { .home = "/tmp" };

	arena_init(&p.arena, 1 << 20);
	p.home = arena_fmt(&p.arena, "/tmp/allod-launch-%d", (int)getpid()).p;
	cr_assert_eq(prov_mkdirs(p.home), 0);
	cr_assert_eq(prov_file_write(&p, prov_path(&p, "ca.pem"), STR("PEM"), 0644), 0);
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		cr_assert_eq(os_addr_parse(&contacts->listen[0].host, str_of(rows[k].host), 0), 0);
		calendar->target = PROV_VIRT;
		cr_assert_eq(prov_behind_find(&b, &p, &e, calendar), 0);
		cr_assert_eq(prov_launch_virt(&v, &p.arena, &i, calendar, &b, "tcg", 3), 0);
		cr_expect_eq(has(&v, "user,id=n0,ipv6=off"), rows[k].guest != NULL);
		cr_expect_eq(has(&v, "user,id=n0,ipv6=off,restrict=on"), rows[k].guest == NULL);
		if (rows[k].guest)
			cr_expect(has(&v,
				arena_fmt(&p.arena,
					"ip=10.0.2.15/24 gw=10.0.2.2 dns=10.0.2.3 %s "
					"behind.ca=UEVN",
					rows[k].guest)
					.p));
		calendar->target = PROV_UNIX;
		cr_assert_eq(prov_behind_find(&b, &p, &e, calendar), 0);
		cr_assert_eq(prov_launch_unix(&v, &p.arena, &i, calendar, &b), 0);
		cr_expect(has(&v, rows[k].process) && has(&v, "behind.ca=UEVN"));
	}
	cr_assert_eq(prov_behind_find(&b, &p, &e, contacts), 0);
	cr_expect_eq(b.at.port, 0, "nobody stands behind contacts");
	e.service_count = 1;
	cr_assert_eq(prov_behind_find(&b, &p, &e, calendar), 0);
	cr_expect_eq(b.at.port, 0, "an estate without contacts");
	cr_assert_eq(prov_remove(p.home), 0);
	arena_free(&p.arena);
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
