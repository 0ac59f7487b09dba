/* SPDX-License-Identifier: ISC */
#include "provisioner/estate.h"

#include <criterion/criterion.h>

#define GOOD \
	"[estate]\ndomain = example.org\nowner = alice\n" \
	"[service \"mail\"]\ntarget = unix\ndisk = disks/mail.img\nmemory = 64\n" \
	"message-max = 1048576\n" \
	"[listen \"mail\"]\nsmtp = 127.0.0.1:10025\nimaps = [::1]:10993\ncontrol = " \
	"0.0.0.0:18443\n"

static int parse(struct prov_estate *e, struct arena *a, const char *text)
{
	return prov_estate_parse(e, a, str_of(text), "allod.conf", "/home/x");
}

Test(estate, reads_what_it_writes)
{
	static struct prov_estate e, again;
	const struct prov_listen *l;
	char text[OS_ADDR_TEXT];
	struct os_addr to;
	struct arena a;
	struct buf b;

	arena_init(&a, 1 << 20);
	cr_assert_eq(parse(&e, &a, GOOD), 0, "%s", err_text(ERR_BAD));
	buf_init(&b, &a);
	prov_estate_write(&b, &e, "/home/x");
	cr_assert_eq(parse(&again, &a, b.p), 0, "%s", err_text(ERR_BAD));
	cr_assert_eq(again.service_count, 1);
	cr_expect_str_eq(again.services[0].disk, "/home/x/disks/mail.img");
	cr_expect_eq(again.services[0].target, PROV_UNIX);
	cr_expect_eq(again.services[0].memory_mb, 64);
	cr_assert_eq(again.services[0].options.n, 1);
	cr_expect(str_eq(again.services[0].options.v[0].value, STR("1048576")));
	cr_assert_eq(again.services[0].listen_count, 3);
	l = prov_listen_find(&again.services[0], "imaps");
	cr_assert(l);
	cr_expect_eq(l->guest, 993);
	cr_expect_str_eq(os_addr_text(text, &l->host), "[::1]:10993");
	to = prov_listen_reach(prov_listen_find(&again.services[0], "control"));
	cr_expect_str_eq(os_addr_text(text, &to), "127.0.0.1:18443");
	arena_free(&a);
}

Test(estate, refuses_with_file_and_line)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "allod.conf: " },
		{ "[estate]\ndomain = a.b\nowner = x\n[server \"mail\"]\nk = v\n",
			"allod.conf:5: there is no section [server]" },
		{ GOOD "pop3 = 127.0.0.1:110\n", "allod.conf:13: service \"mail\" has no port" },
		{ GOOD "imap = here\n", "allod.conf:13: \"here\"" },
		{ GOOD "imap = 127.0.0.1\n", "allod.conf:13: \"127.0.0.1\"" },
		{ GOOD "imap = 127.0.0.1:70000\n", "allod.conf:13: " },
		{ GOOD "smtp = 127.0.0.1:1\n", "allod.conf:13: \"smtp\" is stated twice" },
		{ GOOD "[service \"mail\"]\nspeed = 3\n", "allod.conf:14: section [service]" },
		{ GOOD "[service \"mail\"]\nmemory = much\n", "allod.conf:14: " },
		{ GOOD "[service \"mail\"]\nconnections-max = 0\n",
			"allod.conf:14: connections-max: \"0\" is not a number from 1 to 4000" },
		{ GOOD "[service \"mail\"]\nmessage-max = 2048\n",
			"allod.conf:14: \"message-max\" is stated twice" },
		{ GOOD "[service \"contacts\"]\nmessage-max = 2048\n",
			"allod.conf:14: section [service] has no key \"message-max\"" },
		{ GOOD "[service]\ntarget = virt\n", "allod.conf:14: the section must name" },
		{ GOOD "[service \"web\"]\ntarget = virt\n", "allod.conf: [service \"web\"]" },
		{ GOOD "[service \"mail\"]\ntarget = xen\n", "allod.conf: target is virt or unix" },
	};
	static struct prov_estate e;
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err = parse(&e, &a, rows[i].text);

		cr_expect_eq(err, ERR_BAD, "row %zu", i);
		cr_expect(str_starts(str_of(err_text(err)), str_of(rows[i].says)), "row %zu: %s", i,
			err_text(err));
	}
	arena_free(&a);
}
