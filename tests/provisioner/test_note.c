/* SPDX-License-Identifier: ISC */
#include "provisioner/image.h"
#include "provisioner/note.h"

#include <criterion/criterion.h>
#include <elf.h>

#define TEXT "mail 0.1 nics=1 disks=1 memory_mb=48 ports=smtp:25,imap:143"

struct image {
	Elf64_Ehdr e;
	Elf64_Phdr ph;
	struct {
		Elf64_Nhdr h;
		char name[8];
		char desc[64];
	} other, ours;
};

/* A small image with two notes, ours second. */
static struct image make(void)
{
	struct image i = { .e = { .e_ident = ELFMAG,
				   .e_phoff = offsetof(struct image, ph),
				   .e_phentsize = sizeof(Elf64_Phdr),
				   .e_phnum = 1 },
		.ph = { .p_type = PT_NOTE,
			.p_offset = offsetof(struct image, other),
			.p_filesz = sizeof(i.other) + sizeof(i.ours) },
		.other = { { 8, 64, 18 }, "XenXenX", "" },
		.ours = { { 6, 64, 1 }, "Allod", TEXT } };

	i.e.e_ident[EI_CLASS] = ELFCLASS64;
	i.e.e_ident[EI_DATA] = ELFDATA2LSB;
	return i;
}

Test(note, found_behind_another)
{
	struct image i = make();
	static struct prov_manifest m;

	cr_assert_eq(prov_manifest_of_elf(&m, str_n(&i, sizeof(i))), 0, "%s", err_text(ERR_BAD));
	cr_expect(str_eq(m.name, STR("mail")));
	cr_expect(str_eq(m.version, STR("0.1")));
	cr_expect_eq(m.memory_mb, 48);
	cr_assert_eq(m.port_count, 2);
	cr_expect(str_eq(m.ports[1].name, STR("imap")));
	cr_expect_eq(m.ports[1].number, 143);
}

/* Every way to cut the file short, and lengths that point outside, end in an error. */
Test(note, hostile_files)
{
	struct image i;
	struct str out;

	for (size_t n = 0; n < sizeof(i); n++) {
		struct image *cut = malloc(n ? n : 1); /* exact, so that ASan sees one byte over */

		i = make();
		memcpy(cut, &i, n);
		cr_expect_lt(prov_note_find(&out, str_n(cut, n)), 0, "%zu bytes", n);
		free(cut);
	}
	i = make();
	i.other.h.n_descsz = UINT32_MAX;
	cr_expect_eq(prov_note_find(&out, str_n(&i, sizeof(i))), ERR_BAD);
	i = make();
	i.other.h.n_namesz = UINT32_MAX - 1;
	cr_expect_eq(prov_note_find(&out, str_n(&i, sizeof(i))), ERR_BAD);
	i = make();
	i.ph.p_offset = UINT64_MAX - 8;
	cr_expect_eq(prov_note_find(&out, str_n(&i, sizeof(i))), ERR_BAD);
	i = make();
	i.e.e_phoff = UINT64_MAX - 8;
	cr_expect_eq(prov_note_find(&out, str_n(&i, sizeof(i))), ERR_BAD);
	i = make();
	i.e.e_ident[EI_CLASS] = ELFCLASS32;
	cr_expect_eq(prov_note_find(&out, str_n(&i, sizeof(i))), ERR_BAD);
	i = make();
	i.ours.h.n_type = 2;
	cr_expect_eq(prov_note_find(&out, str_n(&i, sizeof(i))), ERR_NOENT);
}

Test(note, manifest_rows)
{
	static const struct {
		const char *text;
		int err;
	} rows[] = {
		{ "hello 1", 0 },
		{ "hello 1 ports=", 0 },
		{ "hello", ERR_BAD },
		{ "", ERR_BAD },
		{ "hello 1 nics", ERR_BAD },
		{ "hello 1 nics=9", ERR_BAD },
		{ "hello 1 memory_mb=many", ERR_BAD },
		{ "hello 1 ports=http", ERR_BAD },
		{ "hello 1 ports=http:0", ERR_BAD },
		{ "hello 1 ports=http:65536", ERR_BAD },
		{ "hello 1 gpus=1", ERR_UNSUPPORTED },
		{ "h 1 ports=a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1",
			ERR_LIMIT },
	};
	static struct prov_manifest m;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(
			prov_manifest_parse(&m, str_of(rows[i].text)), rows[i].err, "row %zu", i);
}

Test(note, mismatch_is_refused)
{
	static struct prov_service s = { .name = STR("mail"),
		.listen_count = 1,
		.listen = { { .name = STR("smtp"), .guest = 25 } } };
	static struct prov_manifest m;

	cr_assert_eq(prov_manifest_parse(&m, STR(TEXT)), 0);
	cr_expect_eq(prov_image_check(&m, &s), 0);
	s.memory_mb = 47;
	cr_expect_eq(prov_image_check(&m, &s), ERR_UNSUPPORTED);
	s.memory_mb = 48;
	s.listen[0].guest = 26;
	cr_expect_eq(prov_image_check(&m, &s), ERR_UNSUPPORTED);
	s.listen[0] = (struct prov_listen){ .name = STR("pop3"), .guest = 110 };
	cr_expect_eq(prov_image_check(&m, &s), ERR_UNSUPPORTED);
	s.listen_count = 0;
	s.name = STR("calendar");
	cr_expect_eq(prov_image_check(&m, &s), ERR_UNSUPPORTED);
	s.name = STR("mail");
	m.nics = 2;
	cr_expect_eq(prov_image_check(&m, &s), ERR_UNSUPPORTED);
}
