/* SPDX-License-Identifier: ISC */
#include "provisioner/note.h"

#include <elf.h>

#define OWNER     "Allod"
#define NOTE_TYPE 1

static int bad(const char *why)
{
	return err_set(ERR_BAD, "not an image of ours: %s", why);
}

/* Copies a fixed-size structure out of the file, so that nothing depends on its alignment. */
static bool take(void *out, size_t n, struct str elf, uint64_t at)
{
	if (at > elf.n || elf.n - at < n)
		return false;
	memcpy(out, elf.p + at, n);
	return true;
}

/* The notes in file bytes [at, at + n). */
static int scan_notes(struct str *out, struct str elf, uint64_t at, uint64_t n)
{
	struct str s;

	if (at > elf.n || elf.n - at < n)
		return bad("a note lies outside the file");
	s = str_n(elf.p + at, n);
	while (s.n >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		uint64_t name, desc;

		memcpy(&h, s.p, sizeof(h));
		name = ((uint64_t)h.n_namesz + 3) & ~(uint64_t)3;
		desc = ((uint64_t)h.n_descsz + 3) & ~(uint64_t)3;
		s = str_sub(s, sizeof(h), s.n);
		if (name > s.n || h.n_descsz > s.n - name)
			return bad("a note is cut short");
		if (h.n_type == NOTE_TYPE && h.n_namesz == sizeof(OWNER) &&
			memcmp(s.p, OWNER, sizeof(OWNER)) == 0) {
			*out = str_n(s.p + name, strnlen(s.p + name, h.n_descsz));
			return 0;
		}
		s = str_sub(s, name + desc, s.n);
	}
	return ERR_NOENT;
}

static int by_segments(struct str *out, struct str elf, const Elf64_Ehdr *e)
{
	for (unsigned i = 0; i < e->e_phnum; i++) {
		Elf64_Phdr ph;
		int err;

		if (!take(&ph, sizeof(ph), elf, e->e_phoff + (uint64_t)i * sizeof(ph)))
			return bad("its program headers are cut short");
		if (ph.p_type != PT_NOTE)
			continue;
		err = scan_notes(out, elf, ph.p_offset, ph.p_filesz);
		if (err != ERR_NOENT)
			return err;
	}
	return ERR_NOENT;
}

static int by_sections(struct str *out, struct str elf, const Elf64_Ehdr *e)
{
	for (unsigned i = 0; i < e->e_shnum; i++) {
		Elf64_Shdr sh;
		int err;

		if (!take(&sh, sizeof(sh), elf, e->e_shoff + (uint64_t)i * sizeof(sh)))
			return bad("its section headers are cut short");
		if (sh.sh_type != SHT_NOTE)
			continue;
		err = scan_notes(out, elf, sh.sh_offset, sh.sh_size);
		if (err != ERR_NOENT)
			return err;
	}
	return ERR_NOENT;
}

int prov_note_find(struct str *out, struct str elf)
{
	Elf64_Ehdr e;
	int err;

	if (!take(&e, sizeof(e), elf, 0) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0)
		return bad("it is no ELF file");
	if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB)
		return bad("it is not 64-bit little-endian");
	if (e.e_phnum && e.e_phentsize != sizeof(Elf64_Phdr))
		return bad("its program headers have an odd size");
	if (e.e_shnum && e.e_shentsize != sizeof(Elf64_Shdr))
		return bad("its section headers have an odd size");
	err = by_segments(out, elf, &e);
	if (err == ERR_NOENT)
		err = by_sections(out, elf, &e);
	return err == ERR_NOENT ? err_set(ERR_NOENT, "the image carries no manifest") : err;
}

static int parse_ports(struct prov_manifest *m, struct str list)
{
	while (list.n) {
		struct str one, name, number;
		uint64_t n;

		str_cut(&one, &list, list, ',');
		if (!str_cut(&name, &number, one, ':') || name.n == 0 ||
			str_u64(&n, number, 65535) < 0 || n == 0)
			return err_set(ERR_BAD, "manifest: \"%.*s\" is no name:port", STR_ARG(one));
		if (m->port_count == PROV_MANIFEST_PORTS_MAX)
			return err_set(
				ERR_LIMIT, "manifest: more than %d ports", PROV_MANIFEST_PORTS_MAX);
		m->ports[m->port_count].name = name;
		m->ports[m->port_count++].number = (uint16_t)n;
	}
	return 0;
}

static int parse_word(struct prov_manifest *m, struct str word)
{
	struct {
		struct str key;
		uint64_t *to;
		uint64_t max;
	} rows[] = { { STR("nics"), &m->nics, 8 }, { STR("disks"), &m->disks, 8 },
		{ STR("memory_mb"), &m->memory_mb, 65536 } };
	struct str key, value;

	if (!str_cut(&key, &value, word, '='))
		return err_set(ERR_BAD, "manifest: \"%.*s\" is no key=value", STR_ARG(word));
	if (str_eq(key, STR("ports")))
		return parse_ports(m, value);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!str_eq(key, rows[i].key))
			continue;
		if (str_u64(rows[i].to, value, rows[i].max) < 0)
			return err_set(
				ERR_BAD, "manifest: \"%.*s\" is out of range", STR_ARG(word));
		return 0;
	}
	/* A need we do not know is a need we cannot meet. */
	return err_set(
		ERR_UNSUPPORTED, "manifest: this allod does not know \"%.*s\"", STR_ARG(key));
}

int prov_manifest_parse(struct prov_manifest *out, struct str text)
{
	struct str word;

	memset(out, 0, sizeof(*out));
	str_cut(&out->name, &text, text, ' ');
	str_cut(&out->version, &text, text, ' ');
	if (out->name.n == 0 || out->version.n == 0)
		return err_set(ERR_BAD, "manifest: name and version are missing");
	while (text.n) {
		int err;

		str_cut(&word, &text, text, ' ');
		if (word.n == 0)
			continue;
		err = parse_word(out, word);
		if (err < 0)
			return err;
	}
	return 0;
}

int prov_manifest_of_elf(struct prov_manifest *out, struct str elf)
{
	struct str text;
	int err = prov_note_find(&text, elf);

	return err < 0 ? err : prov_manifest_parse(out, text);
}
